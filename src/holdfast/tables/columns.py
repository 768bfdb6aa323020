"""The types of columns, as statements name them."""

from __future__ import annotations

import re

from holdfast.core.types import VECTOR_DIMENSIONS_MAX, ColumnType, Kind
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, joined, split_at
from holdfast.engine.sql.type_names import TYPES
from holdfast.errors import InvalidValue, SqlError, Unsupported

_SERIAL = {"serial", "bigserial", "smallserial"}
_SIZED = {Kind.TEXT: 1, Kind.NUMERIC: 2, Kind.VECTOR: 1, Kind.REAL: 1, Kind.INTEGER: 1, Kind.TIMESTAMP: 1}
_KEPT_SIZE = {Kind.TEXT, Kind.NUMERIC, Kind.VECTOR}
COLUMN_WORDS = {
    "constraint", "primary", "not", "null", "unique", "check", "default", "references", "generated", "collate",
}  # fmt: skip
"""What may follow the type of a column."""

_SIZE = re.compile(r"[0-9]{1,9}")
DIGITS_MAX = 1000
"""The most digits that NUMERIC(n) may ask for, as in PostgreSQL."""


def column_type(reader: Reader, where: str) -> tuple[ColumnType, bool]:
    """Return the type that comes next, and whether it numbers rows.

    Raises:
        Unsupported: there is no such type.
        SqlError, InvalidValue: its sizes are none that it can have.
    """
    words: list[str] = []
    while (token := reader.peek()) is not None and token.kind is TokenKind.WORD and token.value not in COLUMN_WORDS:
        words.append(token.value)
        reader.next()
    sizes: list[int] = []
    token = reader.peek()
    if token is not None and token.is_symbol("("):
        sizes = [_size(part, where) for part in split_at(reader.parenthesised("a size"))]
        while (token := reader.peek()) is not None and token.kind is TokenKind.WORD and token.value not in COLUMN_WORDS:
            words.append(token.value)  # TIMESTAMP(6) WITH TIME ZONE
            reader.next()
    name = " ".join(words)
    kind = TYPES.get(name)
    if kind is None:
        raise Unsupported(f"{where}: the type {name.upper()} is not supported; the types are {_type_names()}")
    if len(sizes) > _SIZED.get(kind, 0) or (kind is Kind.VECTOR and not sizes):
        raise SqlError(f"{where}: {name.upper()} takes {_SIZED.get(kind, 0)} size{'s' * (_SIZED.get(kind) != 1)}")
    if kind is Kind.VECTOR and not 1 <= sizes[0] <= VECTOR_DIMENSIONS_MAX:
        raise InvalidValue(f"{where}: a vector has 1 to {VECTOR_DIMENSIONS_MAX} dimensions, not {sizes[0]}")
    if kind is Kind.TEXT and sizes and not sizes[0]:
        raise InvalidValue(f"{where}: a text has room for 1 character at least, not 0")
    if kind is Kind.NUMERIC and sizes and not 1 <= sizes[0] <= DIGITS_MAX:
        raise InvalidValue(f"{where}: a NUMERIC has 1 to {DIGITS_MAX} digits, not {sizes[0]}")
    if kind is Kind.NUMERIC and len(sizes) > 1 and sizes[1] > sizes[0]:
        raise InvalidValue(f"{where}: NUMERIC({sizes[0]}, {sizes[1]}) has more decimals than digits")
    kept = sizes if kind in _KEPT_SIZE else []
    return ColumnType(kind, *kept), name in _SERIAL


def _type_names() -> str:
    return ", ".join(sorted({kind.value for kind in TYPES.values()}))


def _size(part: list[Token], where: str) -> int:
    if len(part) != 1 or _SIZE.fullmatch(part[0].text) is None:
        raise SqlError(f"{where}: {joined(part)[:40]!r} is no size of a type")
    return int(part[0].text)
