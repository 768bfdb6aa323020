"""CREATE TABLE: from the statement to a table of the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from holdfast.core.schema import Check, Column, Table
from holdfast.core.types import VECTOR_DIMENSIONS_MAX, ColumnType, Kind
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.query_parser import QueryParser
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, joined, split_at, stripped
from holdfast.engine.sql.translate.defaults import checked, default_value, translated
from holdfast.engine.sql.type_names import TYPES
from holdfast.errors import AlreadyExists, InvalidValue, SqlError, Unsupported

_SERIAL = {"serial", "bigserial", "smallserial"}
_SIZED = {Kind.TEXT: 1, Kind.NUMERIC: 2, Kind.VECTOR: 1, Kind.REAL: 1, Kind.INTEGER: 1, Kind.TIMESTAMP: 1}
_KEPT_SIZE = {Kind.TEXT, Kind.NUMERIC, Kind.VECTOR}
_COLUMN_WORDS = {
    "constraint", "primary", "not", "null", "unique", "check", "default", "references", "generated", "collate",
}  # fmt: skip
_TABLE_WORDS = {"constraint", "primary", "unique", "check", "foreign", "exclude", "like"}
_RESERVED = re.compile(r"hf_|sqlite_", re.IGNORECASE)
_SIZE = re.compile(r"[0-9]{1,9}")
COLUMNS_MAX = 1000
DIGITS_MAX = 1000
"""The most digits that NUMERIC(n) may ask for, as in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A CREATE TABLE statement: the table without an id, and whether one of the same definition may exist."""

    table: Table
    if_not_exists: bool

    def check_same(self, known: Table) -> None:
        """Raise AlreadyExists unless `known` is the same table and IF NOT EXISTS was said."""
        if not self.if_not_exists:
            raise AlreadyExists(f"table {known.name!r} exists already; say IF NOT EXISTS if that is fine")
        mine, other = _definition(self.table), _definition(known)
        if mine != other:
            raise AlreadyExists(
                f"table {known.name!r} exists already with another definition: it has {other},"
                f" the statement says {mine}"
            )


@dataclass(slots=True)
class _Draft:
    name: str
    columns: list[Column] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    serial: bool = False


def parse_create(tokens: list[Token]) -> CreateTable:
    """Return what a CREATE TABLE statement says.

    Raises:
        SqlError: it is not well formed.
        Unsupported: it asks for something that is not supported, by name.
    """
    reader = Reader(tokens)
    reader.take("create")
    if reader.take("temp") or reader.take("temporary") or reader.take("unlogged"):
        raise Unsupported("TEMPORARY tables are not supported: every table of a store is kept; use a CTE")
    if not reader.take("table"):
        raise Unsupported(f"{joined(tokens)[:40]!r}: of CREATE only CREATE TABLE is supported yet")
    if_not_exists = reader.take("if", "not", "exists")
    name = reader.name("a table name")
    _check_table_name(name)
    if reader.take("as"):
        raise Unsupported("CREATE TABLE ... AS is not supported; create the table, then INSERT ... SELECT")
    draft = _Draft(name)
    for part in split_at(reader.parenthesised("the columns")):
        _add_part(draft, Reader(part))
    if reader.rest():
        raise Unsupported(f"{joined(reader.rest())!r} after the columns of a table is not supported")
    return CreateTable(_finished(draft), if_not_exists)


def _check_table_name(name: str) -> None:
    if not name or "@" in name or "\0" in name or _RESERVED.match(name):
        raise InvalidValue(f"{name!r} cannot name a table: leave out '@', and do not begin with hf_ or sqlite_")


def _add_part(draft: _Draft, reader: Reader) -> None:
    first = reader.peek()
    if first is None:
        raise SqlError(f"a column is missing in CREATE TABLE {draft.name}: there is a comma too many")
    if first.is_word(*_TABLE_WORDS):
        _table_constraint(draft, reader)
    else:
        _column(draft, reader)


def _column(draft: _Draft, reader: Reader) -> None:
    name = reader.name("a column name")
    if any(column.name.lower() == name.lower() for column in draft.columns):
        raise SqlError(f"column {name!r} is there twice in CREATE TABLE {draft.name}")
    if not name or "@" in name:
        raise InvalidValue(f"{name!r} cannot name a column: leave out '@', which names a table at a ref")
    if name.lower() in ("true", "false"):
        raise InvalidValue(f"{name!r} cannot name a column: a view does not keep that name")
    type_, serial = _type(reader, f"{draft.name}.{name}")
    column = Column(len(draft.columns) + 1, name, type_, not_null=serial)
    draft.columns.append(column)
    draft.serial |= serial
    while reader.peek() is not None:
        column = _column_constraint(draft, column, reader)
        draft.columns[-1] = column


def _type(reader: Reader, where: str) -> tuple[ColumnType, bool]:
    words: list[str] = []
    while (token := reader.peek()) is not None and token.kind is TokenKind.WORD and token.value not in _COLUMN_WORDS:
        words.append(token.value)
        reader.next()
    sizes: list[int] = []
    token = reader.peek()
    if token is not None and token.is_symbol("("):
        sizes = [_size(part, where) for part in split_at(reader.parenthesised("a size"))]
        while (
            (token := reader.peek()) is not None and token.kind is TokenKind.WORD and token.value not in _COLUMN_WORDS
        ):
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


def _column_constraint(draft: _Draft, column: Column, reader: Reader) -> Column:
    constraint = reader.name("a constraint's name") if reader.take("constraint") else None
    if reader.take("primary", "key"):
        if reader.take("desc"):
            raise Unsupported("PRIMARY KEY DESC is not supported")
        reader.take("asc")
        reader.take("autoincrement")
        _set_primary_key(draft, (column.name,))
        return column
    if reader.take("not", "null"):
        return replace(column, not_null=True)
    if reader.take("null"):
        return column
    if reader.take("unique"):
        draft.uniques.append((column.name,))
        return column
    if reader.take("check"):
        draft.checks.append(Check(_expression(reader.parenthesised("a condition")), constraint))
        return column
    if reader.take("default"):
        return replace(column, default=_default(reader))
    raise _unsupported_constraint(draft, reader)


def _table_constraint(draft: _Draft, reader: Reader) -> None:
    constraint = reader.name("a constraint's name") if reader.take("constraint") else None
    if reader.take("primary", "key"):
        _set_primary_key(draft, _names(reader))
    elif reader.take("unique"):
        draft.uniques.append(_names(reader))
    elif reader.take("check"):
        draft.checks.append(Check(_expression(reader.parenthesised("a condition")), constraint))
    else:
        raise _unsupported_constraint(draft, reader)
    if reader.rest():
        raise Unsupported(f"{joined(reader.rest())!r} after a constraint of {draft.name} is not supported")


def _unsupported_constraint(draft: _Draft, reader: Reader) -> Unsupported:
    return Unsupported(f"CREATE TABLE {draft.name}: {joined(reader.rest())[:60]!r} is not supported")


def _set_primary_key(draft: _Draft, names: tuple[str, ...]) -> None:
    if draft.primary_key:
        raise SqlError(f"CREATE TABLE {draft.name} names two primary keys")
    draft.primary_key = names


def _names(reader: Reader) -> tuple[str, ...]:
    parts = split_at(reader.parenthesised("columns"))
    if any(len(part) != 1 or not part[0].is_name for part in parts):
        raise Unsupported("keys over expressions are not supported; name columns only")
    return tuple(part[0].name for part in parts)


def _expression(tokens: list[Token]) -> str:
    """Return an expression in one form, whatever its spaces and the case of its words; it is translated when used."""
    parser = QueryParser(tokens)  # refuses what is no expression, now rather than at the first row
    parser.expression()
    parser.finish()
    if any(token.is_word("select") for token in tokens):
        raise Unsupported(f"a subquery in CHECK or DEFAULT is not supported: {joined(tokens)[:60]}")
    words = (" " if token.kind is TokenKind.SPACE else token.text for token in stripped(tokens))
    kinds = (token.kind for token in stripped(tokens))
    return "".join(text.lower() if kind is TokenKind.WORD else text for text, kind in zip(words, kinds, strict=True))


def _default(reader: Reader) -> str:
    """Return a default: a literal, perhaps signed, a parenthesis, or a function's call."""
    token = reader.next()
    if token is None or token.is_symbol(",") or (token.is_word(*_COLUMN_WORDS) and not token.is_word("null")):
        raise SqlError("DEFAULT without a value")
    taken = [token]
    if token.is_symbol("("):
        reader.at -= 1
        return f"({_expression(reader.parenthesised('a default'))})"
    if token.is_symbol("+", "-"):
        number = reader.next()
        taken += [number] if number else []
    following = reader.peek()
    if token.kind is TokenKind.WORD and following is not None and following.is_symbol("("):
        start = reader.at
        reader.parenthesised("arguments")
        taken += reader.tokens[start : reader.at]
    if token.kind is TokenKind.PARAMETER:
        raise Unsupported("a DEFAULT cannot be a parameter; write the value into the statement")
    return _expression(taken)


def _finished(draft: _Draft) -> Table:
    if not draft.columns:
        raise SqlError(f"CREATE TABLE {draft.name} has no columns")
    if len(draft.columns) > COLUMNS_MAX:
        raise SqlError(f"CREATE TABLE {draft.name} has more than {COLUMNS_MAX} columns")
    by_name = {column.name.lower(): column for column in draft.columns}
    for names in [draft.primary_key, *draft.uniques]:
        for name in names:
            if name.lower() not in by_name:
                raise SqlError(f"CREATE TABLE {draft.name}: a key names the column {name!r}, which is not there")
        if len({name.lower() for name in names}) < len(names):
            raise SqlError(f"CREATE TABLE {draft.name}: a key names a column twice: {', '.join(names)}")
    single = by_name[draft.primary_key[0].lower()] if len(draft.primary_key) == 1 else None
    numbered = single is not None and single.type.kind is Kind.INTEGER and single.default is None
    if draft.serial and not numbered:
        raise Unsupported(f"CREATE TABLE {draft.name}: SERIAL is only supported for the one column of a primary key")
    uniques = tuple(dict.fromkeys(names for names in draft.uniques if names != draft.primary_key))
    return Table(0, draft.name, tuple(draft.columns), draft.primary_key, uniques, tuple(draft.checks), numbered)


def trials(table: Table) -> list[tuple[str, str]]:
    """Return queries that fail if a default or a check could never be computed, each with the part that it tries.

    Otherwise the first INSERT would fail, and every one after it.
    """
    found: list[tuple[str, str]] = []
    for column in table.columns:
        if column.default is not None:
            value, where = translated(column.default), f"{table.name}.{column.name}"
            part = f"the default of {where}"
            found.append((part, f"SELECT 1 WHERE coalesce(1, ({value}))"))  # no column, nothing that aggregates
            found.append((part, f"SELECT {default_value(column, where)}"))
    row = ", ".join(f"NULL AS {quoted(column.name)}" for column in table.columns)
    for check in table.checks:
        part = f"CHECK ({check.expression}) of {table.name}"
        found.append((part, f"SELECT 1 FROM (SELECT {row}) WHERE ({checked(check.expression, table.columns)})"))
    return found


def _definition(table: Table) -> str:
    """Return a table's definition in one form, to compare and to show."""
    parts = [
        f"{column.name} {column.type}"
        + (" NOT NULL" if column.not_null else "")
        + (f" DEFAULT {column.default}" if column.default is not None else "")
        for column in table.columns
    ]
    if table.primary_key:
        parts.append(f"PRIMARY KEY ({', '.join(table.primary_key)})")
    parts += [f"UNIQUE ({', '.join(names)})" for names in table.uniques]
    parts += [f"CHECK ({check.expression})" for check in table.checks]
    return f"({', '.join(parts)})"
