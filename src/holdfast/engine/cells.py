"""What cells hold of the values that are put into them, where no database decides: as SQLite's STRICT tables do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from holdfast.core.canonical import row_bytes
from holdfast.core.limits import ROW_BYTES_MAX
from holdfast.core.schema import Column, Table
from holdfast.core.types import Kind, Stored
from holdfast.errors import InvalidValue, ValueTooLarge

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_BLOB = re.compile(r"[xX]'((?:[0-9a-fA-F]{2})*)'")


def literal_value(literal: str | None, column: Column) -> Stored:
    """Return the value of an SQL literal, as a column holds it. Raises InvalidValue."""
    if literal is None or literal.upper() == "NULL":
        return None
    if text := _TEXT.fullmatch(literal):
        return held(text[1].replace("''", "'"), column, column.name)
    if blob := _BLOB.fullmatch(literal):
        return bytes.fromhex(blob[1])
    number = _number(literal)
    if number is None:
        raise InvalidValue(f"{column.name}: {literal!r} is no literal; give a number, a text, a blob or NULL")
    return held(number, column, column.name)


def fit(table: Table, values: Sequence[object]) -> tuple[Stored, ...]:
    """Return what the cells of a row hold of these values. Raises InvalidValue, and ValueTooLarge."""
    pairs = zip(table.columns, values, strict=True)
    cells = tuple(held(value, column, f"{table.name}.{column.name}") for column, value in pairs)
    if sum(len(value) for value in cells if isinstance(value, (str, bytes))) > ROW_BYTES_MAX // 4 and (
        len(row_bytes(cells)) > ROW_BYTES_MAX
    ):
        raise ValueTooLarge(
            f"a value, or a row, has more than {ROW_BYTES_MAX} bytes; split it up, or keep it in a file"
        )
    return cells


def held(value: object, column: Column, where: str) -> Stored:
    """Return what a cell holds when a stored value is put into it: 7 for '7' in an INTEGER column.

    Raises:
        InvalidValue: it can hold nothing of the kind.
    """
    kind = column.type.kind
    if value is None or kind is Kind.ANY:
        return value  # type: ignore[return-value]  # stored forms are what comes here
    if kind in (Kind.BLOB, Kind.VECTOR):
        found: Stored = value if isinstance(value, bytes) else None
    elif kind in (Kind.INTEGER, Kind.BOOLEAN, Kind.INTERVAL):
        found = _whole(value)
    elif kind is Kind.REAL:
        number = _number(value)
        found = None if number is None else float(number) + 0.0
    else:
        found = value if isinstance(value, str) else _text(value)
    if found is None:
        raise InvalidValue(f"cannot store {_KIND_NAMES.get(type(value), 'a value')} value in {kind} column {where}")
    return found


_KIND_NAMES: dict[type, str] = {int: "INT", float: "REAL", str: "TEXT", bytes: "BLOB"}


def _number(value: object) -> int | float | None:
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    try:
        return int(value)
    except ValueError:
        return float(value)


def _whole(value: object) -> int | None:
    number = _number(value)
    if isinstance(number, float):
        number = int(number) if number.is_integer() else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _text(value: object) -> str | None:
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if any(mark in text for mark in ".en") else text + ".0"
    return str(value) if isinstance(value, int) else None
