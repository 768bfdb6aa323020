"""CREATE TABLE: from the statement to a table of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from holdfast.core.schema import Catalogue, Check, Column, Index, Table
from holdfast.core.types import Kind
from holdfast.engine.contract import SqlWriter, writes_natively
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.parser.queries import QueryParser
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, joined, split_at, stripped
from holdfast.engine.sql.translate.defaults import checked, default_value, translated
from holdfast.errors import AlreadyExists, InvalidValue, SqlError, Unsupported
from holdfast.tables.columns import COLUMN_WORDS, column_type
from holdfast.tables.foreign_keys import Reference, names_of, parse_reference, resolved
from holdfast.tables.questions import computed

_TABLE_WORDS = {"constraint", "primary", "unique", "check", "foreign", "exclude", "like"}
_RESERVED = re.compile(r"hf_|sqlite_", re.IGNORECASE)
COLUMNS_MAX = 1000


@dataclass(slots=True)
class Draft:
    """What a statement says of a table, as far as it was read.

    Attributes:
        statement: what messages call it, such as CREATE TABLE t.
        named: the names of UNIQUE constraints, with their columns.
    """

    statement: str
    name: str
    columns: list[Column] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    named: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    serial: bool = False


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A CREATE TABLE statement: the table without an id and foreign keys, these, and whether it may exist already."""

    table: Table
    references: tuple[Reference, ...]
    if_not_exists: bool

    def apply(self, writer: SqlWriter, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue with the table, or the same if that is there and IF NOT EXISTS was said.

        Raises:
            AlreadyExists: the name is taken, or the table that has it never was like this one.
            NotFound: a foreign key refers to a table or a column that is not there.
            SqlError, InvalidValue, Unsupported: a default or a check can never be computed.
        """
        known = catalogue.find(self.table.name)
        if known is None:
            table = self._with_references(replace(self.table, id=catalogue.next_table), catalogue)
            try_out(writer, table)
            return catalogue.with_table(table)
        if not self.if_not_exists:
            raise AlreadyExists(f"table {known.name!r} exists already; say IF NOT EXISTS if that is fine")
        self._check_same(writer, catalogue, known)
        return catalogue

    def _with_references(self, table: Table, catalogue: Catalogue) -> Table:
        keys = (resolved(reference, table, catalogue) for reference in self.references)
        return replace(table, foreign_keys=tuple(dict.fromkeys(keys)))

    def _check_same(self, writer: SqlWriter, catalogue: Catalogue, known: Table) -> None:
        """Refuse to take a table for this one that is not like it, and never was: a script may create and alter it."""
        mine = _definition(self._with_references(replace(self.table, id=known.id), catalogue), catalogue)
        if mine == _definition(known, catalogue):
            return
        for version in range(catalogue.version):
            then = writer.catalogue(version)
            table = then.table(known.id)
            if table is not None and mine == _definition(table, then):
                return
        raise AlreadyExists(
            f"table {known.name!r} exists already with another definition: it has {_definition(known, catalogue)},"
            f" the statement says {mine}"
        )


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
        raise Unsupported(f"{joined(tokens)[:40]!r}: of CREATE only CREATE TABLE and CREATE INDEX are supported")
    if_not_exists = reader.take("if", "not", "exists")
    name = reader.name("a table name")
    check_table_name(name)
    if reader.take("as"):
        raise Unsupported("CREATE TABLE ... AS is not supported; create the table, then INSERT ... SELECT")
    draft = Draft(f"CREATE TABLE {name}", name)
    for part in split_at(reader.parenthesised("the columns")):
        _add_part(draft, Reader(part))
    if reader.rest():
        raise Unsupported(f"{joined(reader.rest())!r} after the columns of a table is not supported")
    return CreateTable(_finished(draft), tuple(draft.references), if_not_exists)


def check_table_name(name: str) -> None:
    """Raise InvalidValue unless this can name a table."""
    if not name or "@" in name or "\0" in name or _RESERVED.match(name):
        raise InvalidValue(f"{name!r} cannot name a table: leave out '@', and do not begin with hf_ or sqlite_")


def check_column_name(name: str) -> None:
    """Raise InvalidValue unless this can name a column."""
    if not name or "@" in name:
        raise InvalidValue(f"{name!r} cannot name a column: leave out '@', which names a table at a ref")
    if name.lower() in ("true", "false"):
        raise InvalidValue(f"{name!r} cannot name a column: a view does not keep that name")


def _add_part(draft: Draft, reader: Reader) -> None:
    first = reader.peek()
    if first is None:
        raise SqlError(f"a column is missing in {draft.statement}: there is a comma too many")
    if first.is_word(*_TABLE_WORDS):
        parse_constraint(draft, reader)
    else:
        parse_column(draft, reader)


def parse_column(draft: Draft, reader: Reader) -> None:
    """Add the column that the rest of the reader defines, and its constraints."""
    name = reader.name("a column name")
    if any(column.name.lower() == name.lower() for column in draft.columns):
        raise SqlError(f"column {name!r} is there twice in {draft.statement}")
    check_column_name(name)
    type_, serial = column_type(reader, f"{draft.name}.{name}")
    column = Column(len(draft.columns) + 1, name, type_, not_null=serial)
    draft.columns.append(column)
    draft.serial |= serial
    while reader.peek() is not None:
        column = _column_constraint(draft, column, reader)
        draft.columns[-1] = column


def _column_constraint(draft: Draft, column: Column, reader: Reader) -> Column:
    constraint = reader.name("a constraint's name") if reader.take("constraint") else None
    if reader.take("primary", "key"):
        if reader.take("desc"):
            raise Unsupported("PRIMARY KEY DESC is not supported")
        reader.take("asc")
        reader.take("autoincrement")
        _set_primary_key(draft, (column.name,))
    elif reader.take("not", "null"):
        return replace(column, not_null=True)
    elif reader.take("unique"):
        _add_unique(draft, constraint, (column.name,))
    elif reader.take("check"):
        _add_check(draft, constraint, reader)
    elif reader.take("default"):
        return replace(column, default=parse_default(reader, f"{draft.name}.{column.name}"))
    elif reader.take("references"):
        draft.references.append(parse_reference(reader, (column.name,), constraint))
    elif not reader.take("null"):
        raise _unsupported_constraint(draft, reader)
    return column


def parse_constraint(draft: Draft, reader: Reader) -> None:
    """Add the constraint that the rest of the reader defines."""
    constraint = reader.name("a constraint's name") if reader.take("constraint") else None
    if reader.take("primary", "key"):
        _set_primary_key(draft, names_of(reader))
    elif reader.take("unique"):
        _add_unique(draft, constraint, names_of(reader))
    elif reader.take("check"):
        _add_check(draft, constraint, reader)
    elif reader.take("foreign", "key"):
        columns = names_of(reader)
        if not reader.take("references"):
            raise SqlError(f"{draft.statement}: FOREIGN KEY ({', '.join(columns)}) is followed by REFERENCES")
        draft.references.append(parse_reference(reader, columns, constraint))
    else:
        raise _unsupported_constraint(draft, reader)
    if reader.rest():
        raise Unsupported(f"{joined(reader.rest())!r} after a constraint of {draft.name} is not supported")


def _unsupported_constraint(draft: Draft, reader: Reader) -> Unsupported:
    return Unsupported(f"{draft.statement}: {joined(reader.rest())[:60]!r} is not supported")


def _add_unique(draft: Draft, name: str | None, columns: tuple[str, ...]) -> None:
    draft.uniques.append(columns)
    if name is not None:
        draft.named.append((name, columns))


def _add_check(draft: Draft, name: str | None, reader: Reader) -> None:
    tokens = reader.parenthesised("a condition")
    draft.checks.append(Check(_expression(tokens, f"CHECK ({joined(tokens)[:60]}) of {draft.name}"), name))


def _set_primary_key(draft: Draft, names: tuple[str, ...]) -> None:
    if draft.primary_key:
        raise SqlError(f"{draft.statement} names two primary keys")
    draft.primary_key = names


def _expression(tokens: list[Token], part: str) -> str:
    """Return an expression in one form, whatever its spaces and the case of its words; it is translated when used."""
    if any(token.is_word("select") for token in tokens):
        raise Unsupported(f"{part}: a subquery in CHECK or DEFAULT is not supported: {joined(tokens)[:60]}")
    with _named(part):
        parser = QueryParser(tokens)  # refuses what is no expression, now rather than at the first row
        parser.expression()
        parser.finish()
    words = (" " if token.kind is TokenKind.SPACE else token.text for token in stripped(tokens))
    kinds = (token.kind for token in stripped(tokens))
    return "".join(text.lower() if kind is TokenKind.WORD else text for text, kind in zip(words, kinds, strict=True))


def parse_default(reader: Reader, where: str) -> str:
    """Return the default that comes next: a literal (signed, or of a named type), a parenthesis, or a call."""
    part = f"the default of {where}"
    token = reader.next()
    if token is None or token.is_symbol(",") or (token.is_word(*COLUMN_WORDS) and not token.is_word("null")):
        raise SqlError("DEFAULT without a value")
    taken = [token]
    if token.is_symbol("("):
        reader.at -= 1
        return f"({_expression(reader.parenthesised('a default'), part)})"
    if token.is_symbol("+", "-"):
        number = reader.next()
        taken += [number] if number else []
    following = reader.peek()
    if token.kind is TokenKind.WORD and following is not None and following.kind is TokenKind.STRING:
        taken += [following]  # a literal with its type before it: INTERVAL '1 hour'
        reader.next()
    elif token.kind is TokenKind.WORD and following is not None and following.is_symbol("("):
        start = reader.at
        reader.parenthesised("arguments")
        taken += reader.tokens[start : reader.at]
    if token.kind is TokenKind.PARAMETER:
        raise Unsupported("a DEFAULT cannot be a parameter; write the value into the statement")
    return _expression(taken, part)


def check_keys(draft: Draft) -> None:
    """Raise SqlError if a key names a column that is not there, or one twice."""
    by_name = {column.name.lower() for column in draft.columns}
    for names in [draft.primary_key, *draft.uniques, *(reference.columns for reference in draft.references)]:
        for name in names:
            if name.lower() not in by_name:
                raise SqlError(f"{draft.statement}: a key names the column {name!r}, which is not there")
        if len({name.lower() for name in names}) < len(names):
            raise SqlError(f"{draft.statement}: a key names a column twice: {', '.join(names)}")


def _finished(draft: Draft) -> Table:
    if not draft.columns:
        raise SqlError(f"{draft.statement} has no columns")
    if len(draft.columns) > COLUMNS_MAX:
        raise SqlError(f"{draft.statement} has more than {COLUMNS_MAX} columns")
    check_keys(draft)
    single = draft.primary_key[0].lower() if len(draft.primary_key) == 1 else None
    numbered = any(
        column.name.lower() == single and column.type.kind is Kind.INTEGER and column.default is None
        for column in draft.columns
    )
    if draft.serial and not numbered:
        raise Unsupported(f"{draft.statement}: SERIAL is only supported for the one column of a primary key")
    named = [columns for _, columns in draft.named]
    unnamed = dict.fromkeys(names for names in draft.uniques if names != draft.primary_key and names not in named)
    table = Table(0, draft.name, tuple(draft.columns), draft.primary_key, tuple(unnamed), tuple(draft.checks), numbered)
    for name, columns in draft.named:
        table = table.with_index(Index(0, name, table.ids(columns), unique=True))
    return table


def try_out(writer: SqlWriter, table: Table) -> None:
    """Compute defaults and checks once: otherwise the first INSERT would fail, and every one after it.

    Raises:
        SqlError, InvalidValue, Unsupported: one can never be computed; the message names it.
    """
    if writes_natively(writer):
        for column in table.columns:
            if column.default is not None:
                where = f"{table.name}.{column.name}"
                with _named(f"the default of {where}"):
                    translated(column.default)  # what is refused elsewhere is refused here
                    computed(writer, column.default, column, where)
        writer.try_checks(table)
        return
    for column in table.columns:
        if column.default is not None:
            with _named(f"the default of {table.name}.{column.name}"):
                value = translated(column.default)
                writer.query(f"SELECT 1 WHERE coalesce(1, ({value}))", ())  # no column, nothing that aggregates
                writer.query(f"SELECT {default_value(column, f'{table.name}.{column.name}')}", ())
    row = ", ".join(f"NULL AS {quoted(column.name)}" for column in table.columns)
    for check in table.checks:
        with _named(f"CHECK ({check.expression}) of {table.name}"):
            condition = checked(check.expression, table.columns)
            writer.query(f"SELECT 1 FROM (SELECT {row}) WHERE ({condition})", ())


@contextmanager
def _named(part: str) -> Generator[None]:
    """Say in the message of an error which part of a table it is about."""
    try:
        yield
    except (SqlError, InvalidValue, Unsupported) as error:
        raise type(error)(f"{part}: {error}") from error


def _definition(table: Table, catalogue: Catalogue) -> str:
    """Return a table's definition in one form, to compare and to show."""
    parts = [
        f"{column.name} {column.type}"
        + (" NOT NULL" if column.not_null else "")
        + (f" DEFAULT {column.default}" if column.default is not None else "")
        for column in table.columns
    ]
    if table.primary_key:
        parts.append(f"PRIMARY KEY ({', '.join(table.primary_key)})")
    parts += [f"UNIQUE ({', '.join(names)})" for names in sorted({*table.uniques} - {table.primary_key})]
    parts += [f"CHECK ({check.expression})" for check in table.checks]
    for key in table.foreign_keys:
        parent = table if key.table == table.id else catalogue.table(key.table)
        name, theirs = (parent.name, ", ".join(parent.names(key.references))) if parent else ("?", "?")
        actions = f" ON DELETE {key.on_delete} ON UPDATE {key.on_update}"
        parts.append(f"FOREIGN KEY ({', '.join(table.names(key.columns))}) REFERENCES {name} ({theirs}){actions}")
    return f"({', '.join(parts)})"
