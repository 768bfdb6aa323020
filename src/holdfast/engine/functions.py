"""SQL functions and collations that SQLite lacks and the rewritten statements call."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from holdfast.core.types import ColumnType, Kind, Stored, encode


def store_as(value: Stored, kind: str, size: int | None, scale: int | None, where: str) -> Stored:
    """hf_as: return a computed value in the stored form of a column's type.

    Raises:
        InvalidValue: the column cannot hold it.
    """
    return encode(value, ColumnType(Kind(kind), size, scale), where)


def json_as_text(fragment: Any) -> Any:  # noqa: ANN401 - whatever the statement hands over
    """hf_text: return what `->>` gives: the text of a JSON string, NULL for null, and JSON text of anything else.

    SQLite's own `->>` returns numbers for numbers and 1 for true, where PostgreSQL returns text.
    """
    if not isinstance(fragment, str):
        return fragment
    if fragment.startswith('"'):
        return msgspec.json.decode(fragment)
    return None if fragment == "null" else fragment


def compare_decimals(a: str, b: str) -> int:
    """hf_decimal: order texts as the numbers they are; texts that are none come last."""
    try:
        x, y = Decimal(a), Decimal(b)
    except InvalidOperation:
        return (a > b) - (a < b)
    return (x > y) - (x < y)
