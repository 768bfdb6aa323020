"""Values of all types: conversions, comparisons, limits, and how a value is shown as text."""

from __future__ import annotations

import struct
import uuid
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from holdfast.core.intervals import DAY_US, SECOND_US
from holdfast.core.types import ColumnType, Kind, Stored, encode
from holdfast.engine.functions.strict import Functions, strict
from holdfast.errors import InvalidValue


def store_as(value: Stored, kind: str, size: int | None, scale: int | None, where: str) -> Stored:
    """hf_as: return a computed value in the stored form of a column's type.

    Raises:
        InvalidValue: the column cannot hold it.
    """
    return encode(value, ColumnType(Kind(kind), size, scale), where)


def json_as_text(fragment: Any) -> Any:
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


def number(value: Any, kind: str) -> int | float:
    """hf_number: return a value as INTEGER or REAL, as PostgreSQL casts it: rounded, and refused if it is no number."""
    try:
        if kind == Kind.REAL:
            return float(value)
        if isinstance(value, float):
            found = round(value)  # half to even, as PostgreSQL rounds double precision
        elif isinstance(value, str) and value.strip().lstrip("+-").isdigit():
            found = int(value)
        elif isinstance(value, str) and "." in value:
            found = int(Decimal(value).to_integral_value(ROUND_HALF_UP))
        else:
            found = int(value)
    except (ValueError, OverflowError, InvalidOperation) as error:
        raise InvalidValue(f"{value!r} is no {kind}") from error
    if not -(2**63) <= found < 2**63:
        raise InvalidValue(f"{value!r} does not fit 64 bits; use NUMERIC")
    return found


def limit(value: Any, clause: str) -> int:
    """hf_limit: return the bound of LIMIT; NULL means none, and a negative one is an error."""
    if value is None:
        return -1
    found = number(value, Kind.INTEGER.value)
    if found < 0:
        raise InvalidValue(f"{clause} is {found}; it must not be negative")
    return int(found)


def extreme(largest: int, kind: str | None, *values: Any) -> Any:
    """hf_extreme: return the greatest or the least value; NULLs do not count."""
    given = [value for value in values if value is not None]
    if not given:
        return None
    key = Decimal if kind == Kind.NUMERIC else None
    return max(given, key=key) if largest else min(given, key=key)


def shown(value: Any, kind: str) -> str:
    """hf_shown: return a stored value as the text that PostgreSQL shows for it."""
    if kind == Kind.BOOLEAN:
        return "true" if value else "false"
    if kind == Kind.REAL and isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if kind == Kind.TIMESTAMP:
        return str(value).removesuffix(".000000").rstrip("0") if "." in str(value) else str(value)
    if kind == Kind.INTERVAL:
        return shown_interval(int(value))
    if kind == Kind.BLOB and isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if kind == Kind.VECTOR and isinstance(value, bytes):
        return f"[{','.join(f'{number:g}' for (number,) in struct.iter_unpack('<f', value))}]"
    return str(value)


def shown_interval(us: int) -> str:
    """Return microseconds as PostgreSQL shows an interval: `2 days 03:04:05.5`."""
    sign, us = ("-" if us < 0 else ""), abs(us)
    days, rest = divmod(us, DAY_US)
    seconds, part = divmod(rest, SECOND_US)
    clock = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    clock += f".{part:06d}".rstrip("0") if part else ""
    shown_days = f"{sign}{days} day{'s' * (days != 1 or bool(sign))}" if days else ""
    return f"{shown_days} {clock}".strip() if rest or not days else shown_days


def count_nulls(*values: Any) -> int:
    """hf_nulls: return how many of the values are NULL."""
    return sum(value is None for value in values)


def new_uuid() -> str:
    """hf_uuid: return a random UUID."""
    return str(uuid.uuid4())


VALUE_FUNCTIONS: Functions = {
    "hf_as": (store_as, 5),
    "hf_text": (json_as_text, 1),
    "hf_number": (strict(number), 2),
    "hf_limit": (limit, 2),
    "hf_extreme": (extreme, -1),
    "hf_shown": (strict(shown), 2),
    "hf_nulls": (count_nulls, -1),
    "hf_uuid": (new_uuid, 0),
}
