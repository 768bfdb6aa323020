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
    if x.is_nan() or y.is_nan():
        return (a > b) - (a < b)
    return (x > y) - (x < y)


def vector_distance(metric: str, a: bytes | None, b: bytes | None) -> float | None:
    """hf_distance: return how far two stored vectors are from each other, by the operator of the metric; NULL is NULL.

    Raises:
        InvalidValue: one of them is no vector, their dimensions differ, or there is no such metric.
    """
    from holdfast.engine.vectors import distance  # noqa: PLC0415 - numpy: what no store without vectors pays

    return distance(metric, a, b)


def vector_dimensions(stored: bytes | None) -> int | None:
    """vector_dims: return how many dimensions a stored vector has; NULL is NULL. Raises InvalidValue."""
    from holdfast.engine.vectors import dimensions  # noqa: PLC0415 - as above

    return dimensions(stored)


def vector_norm(stored: bytes | None) -> float | None:
    """vector_norm, l2_norm: return the Euclidean length of a stored vector; NULL is NULL. Raises InvalidValue."""
    from holdfast.engine.vectors import norm  # noqa: PLC0415 - as above

    return norm(stored)


def phrase_frequency(matched: Any) -> int:  # noqa: ANN401 - what FTS5 hands over
    """hf_frequency: return how often the one phrase of a search for words stands in the matched text."""
    return int(matched.inst_count)
