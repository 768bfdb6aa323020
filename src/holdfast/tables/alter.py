"""ALTER TABLE: each of its actions is a function from a table to the table that it asks for.

Nothing of a column's past is rewritten: what is added has a constant that older rows show, what is renamed or dropped
changes the catalogue only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from holdfast.core.canonical import shortened
from holdfast.core.schema import Catalogue, Column, Table
from holdfast.core.types import Kind, Stored, encode
from holdfast.engine.cells import held
from holdfast.engine.contract import SqlWriter, writes_natively
from holdfast.engine.sql.layout import literal
from holdfast.engine.sql.renaming import renamed
from holdfast.engine.sql.tokens import Reader, Token, joined, split_at, tokenize
from holdfast.engine.sql.translate.defaults import default_value
from holdfast.engine.sql.views import as_stored
from holdfast.errors import AlreadyExists, InvalidValue, NotFound, SqlError, Unsupported
from holdfast.tables.constraints import check_referred, constraints, uses_of
from holdfast.tables.create import (
    COLUMNS_MAX,
    Draft,
    check_column_name,
    check_keys,
    check_table_name,
    parse_column,
    parse_constraint,
    parse_default,
    try_out,
)
from holdfast.tables.foreign_keys import resolved
from holdfast.tables.indexes import unique_index
from holdfast.tables.questions import computed
from holdfast.tables.reserved import check_unowned

_CONSTRAINTS = ("constraint", "primary", "unique", "check", "foreign", "exclude")
_CHANGING = {"random", "randomblob", "gen_random_uuid", "uuid_generate_v4", "nextval"}
"""Functions that would give each row another value."""


@dataclass(frozen=True, slots=True)
class AlterTable:
    """An ALTER TABLE statement: the table, and the actions in their order."""

    table: str
    if_exists: bool
    actions: tuple[tuple[Token, ...], ...]

    def apply(self, writer: SqlWriter, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue with the table as all actions together leave it, or the same if they change nothing.

        Raises:
            NotFound: no such table, column or constraint; AlreadyExists: a name that is taken.
            SqlError: an action cannot be done; Unsupported: it is none of those that are supported.
        """
        before = catalogue.find(self.table)
        if before is None:
            if self.if_exists:
                return catalogue
            raise NotFound(f"no table {self.table!r}; the tables are {[table.name for table in catalogue.tables]}")
        table, changed = check_unowned(before, "altered"), catalogue
        for action in self.actions:
            table = _Alteration(writer, changed, table).done(Reader(list(action)))
            changed = replace(catalogue.changed(table), version=catalogue.version)
        if table == before:
            return catalogue
        check_referred(before, table, changed)
        try_out(writer, table)
        return catalogue.changed(table)


def parse_alter(tokens: list[Token]) -> AlterTable:
    """Return what an ALTER TABLE statement says.

    Raises:
        SqlError: it is not well formed.
        Unsupported: it alters something else than a table.
    """
    reader = Reader(tokens)
    reader.take("alter")
    if not reader.take("table"):
        raise Unsupported(f"{joined(tokens)[:40]!r}: of ALTER only ALTER TABLE is supported")
    if_exists = reader.take("if", "exists")
    reader.take("only")
    name = reader.name("a table name")
    actions = split_at(reader.rest())
    if not all(actions):
        raise SqlError(f"ALTER TABLE {name}: an action is missing")
    return AlterTable(name, if_exists, tuple(map(tuple, actions)))


class _Alteration:
    """One action on one table."""

    def __init__(self, writer: SqlWriter, catalogue: Catalogue, table: Table) -> None:
        self._writer = writer
        self._catalogue = catalogue
        self._table = table

    def done(self, reader: Reader) -> Table:
        """Return the table as the action leaves it."""
        actions: dict[str, Callable[[Reader], Table]] = {
            "add": self._add,
            "drop": self._drop,
            "rename": self._rename,
            "alter": self._alter_column,
        }
        word = reader.next()
        action = actions.get(word.value) if word is not None else None
        if action is None:
            raise Unsupported(f"ALTER TABLE {self._table.name} {joined(reader.tokens)[:40]} is not supported")
        changed = action(reader)
        if reader.rest():
            raise Unsupported(f"ALTER TABLE {self._table.name}: {joined(reader.rest())[:40]!r} is not supported")
        return changed

    def _refused(self, reader: Reader, why: str) -> Unsupported:
        return Unsupported(f"ALTER TABLE {self._table.name} {joined(reader.tokens)[:60]}: {why}")

    def _column(self, reader: Reader) -> Column:
        name = reader.name("a column name")
        at = self._table.position(name)
        if at is None:
            names = [column.name for column in self._table.columns]
            raise NotFound(f"table {self._table.name!r} has no column {name!r}; it has {names}")
        return self._table.columns[at]

    def _with(self, column: Column) -> Table:
        columns = (column if other.id == column.id else other for other in self._table.columns)
        return replace(self._table, columns=tuple(columns))

    # ADD

    def _add(self, reader: Reader) -> Table:
        token = reader.peek()
        if token is not None and token.is_word(*_CONSTRAINTS):
            return self._add_constraint(reader)
        reader.take("column")
        if reader.take("if", "not", "exists"):
            token = reader.peek()
            if token is not None and token.is_name and self._table.position(token.name) is not None:
                reader.at = len(reader.tokens)
                return self._table
        draft = self._draft()
        parse_column(draft, reader)
        column = draft.columns[-1]
        if len(draft.columns) > COLUMNS_MAX:
            raise SqlError(f"{draft.statement} has more than {COLUMNS_MAX} columns")
        if draft.serial or draft.primary_key:
            raise self._refused(reader, "a column that is added numbers no rows and is no primary key")
        fill = self._fill(column)
        if column.not_null and fill is None:
            raise SqlError(
                f"{draft.statement}: {column.name} is NOT NULL and needs a DEFAULT, which the rows that are there get"
            )
        return self._with_constraints(draft, self._table.with_column(replace(column, fill=fill)))

    def _draft(self) -> Draft:
        table = self._table
        return Draft(f"ALTER TABLE {table.name}", table.name, list(table.columns))

    def _add_constraint(self, reader: Reader) -> Table:
        draft = self._draft()
        parse_constraint(draft, reader)
        if draft.primary_key:
            raise self._refused(reader, "the primary key says which rows are the same; make another table")
        check_keys(draft)
        return self._with_constraints(draft, self._table)

    def _with_constraints(self, draft: Draft, table: Table) -> Table:
        """Return the table with the constraints that a draft has read."""
        taken = {name.lower() for name in constraints(table)}
        names = [name for name, _ in draft.named]
        names += [check.name for check in draft.checks if check.name is not None]
        names += [reference.name for reference in draft.references if reference.name is not None]
        for name in names:
            if name.lower() in taken:
                raise AlreadyExists(f"{draft.statement}: there is a constraint {name!r} already")
        named = [columns for _, columns in draft.named]
        uniques = [names for names in draft.uniques if names not in named]
        table = replace(
            table,
            uniques=tuple(dict.fromkeys([*table.uniques, *uniques])) if uniques else table.uniques,
            checks=(*table.checks, *draft.checks),
        )
        for name, columns in draft.named:
            table = table.with_index(unique_index(self._catalogue, table, name, columns))
        keys = [resolved(reference, table, self._catalogue) for reference in draft.references]
        return replace(table, foreign_keys=(*table.foreign_keys, *keys))

    def _fill(self, column: Column) -> str | None:
        """Return the literal that rows which are there show in a new column: its default, computed once."""
        if column.default is None:
            return None
        for token in tokenize(column.default):
            if token.is_word(*_CHANGING):
                raise Unsupported(
                    f"ALTER TABLE {self._table.name}: the default of {column.name} is not the same for all rows; add"
                    " the column without one, then UPDATE, then ALTER COLUMN ... SET DEFAULT"
                )
        try_out(self._writer, Table(0, self._table.name, (column,)))
        where = f"{self._table.name}.{column.name}"
        if writes_natively(self._writer):
            filled = held(computed(self._writer, column.default, column, where), column, where)
            return None if filled is None else _literal(filled)
        computed_sql = f"({default_value(column, where)})"
        stored = as_stored(computed_sql, column)
        ((value, fits),) = self._writer.query(f"SELECT {stored}, {stored} IS {computed_sql}", ())
        encode(value, column.type, where)
        if not fits or (column.type.kind is Kind.BLOB and not isinstance(value, bytes | None)):
            raise InvalidValue(f"the default of {where}: {shortened(column.default)} is no {column.type}")
        if column.type.kind is Kind.INTERVAL and value is not None:
            value = int(value)  # as the column holds it, which has this form of numbers
        return None if value is None else _literal(value)

    # DROP

    def _drop(self, reader: Reader) -> Table:
        if reader.take("constraint"):
            return self._drop_constraint(reader)
        reader.take("column")
        if_exists = reader.take("if", "exists")
        token = reader.peek()
        if if_exists and token is not None and token.is_name and self._table.position(token.name) is None:
            reader.at = len(reader.tokens)
            return self._table
        column = self._column(reader)
        self._take_restrict(reader)
        uses = uses_of(self._table, column.id, self._catalogue)
        if uses:
            raise SqlError(
                f"column {column.name!r} of {self._table.name} cannot be dropped: it is used by {', '.join(uses)};"
                " drop that first"
            )
        if len(self._table.columns) == 1:
            raise SqlError(f"column {column.name!r} is the only one of {self._table.name}; drop the table")
        return self._table.without_column(column)

    def _take_restrict(self, reader: Reader) -> None:
        if reader.take("cascade"):
            raise self._refused(reader, "CASCADE is not supported here; drop what uses it by its name")
        reader.take("restrict")

    def _drop_constraint(self, reader: Reader) -> Table:
        if_exists = reader.take("if", "exists")
        name = reader.name("a constraint's name")
        self._take_restrict(reader)
        found = constraints(self._table)
        drop = next((drop for known, drop in found.items() if known.lower() == name.lower()), None)
        if drop is None and not if_exists:
            raise NotFound(f"table {self._table.name!r} has no constraint {name!r}; it has {sorted(found)}")
        return drop() if drop is not None else self._table

    # RENAME

    def _rename(self, reader: Reader) -> Table:
        if reader.take("constraint"):
            raise self._refused(reader, "drop the constraint and add it under the other name")
        if reader.take("to"):
            name = reader.name("a table name")
            check_table_name(name)
            taken = self._catalogue.find(name)
            if taken is not None and taken.id != self._table.id:
                raise AlreadyExists(f"table {taken.name!r} exists already")
            return replace(self._table, name=name)
        reader.take("column")
        column = self._column(reader)
        if not reader.take("to"):
            raise SqlError(f"ALTER TABLE {self._table.name} RENAME {column.name} is followed by TO")
        new = reader.name("a column name")
        check_column_name(new)
        at = self._table.position(new)
        if at is not None and self._table.columns[at].id != column.id:
            raise AlreadyExists(f"table {self._table.name!r} has a column {new!r} already")
        return _with_name(self._with(replace(column, name=new)), column.name, new)

    # ALTER COLUMN

    def _alter_column(self, reader: Reader) -> Table:
        reader.take("column")
        column = self._column(reader)
        table = self._table
        key = column.id in table.ids(table.primary_key)
        if reader.take("set", "default"):
            if table.numbered and key:
                raise self._refused(reader, "the primary key numbers the rows by itself")
            return self._with(replace(column, default=parse_default(reader, f"{self._table.name}.{column.name}")))
        if reader.take("drop", "default"):
            return self._with(replace(column, default=None))
        if reader.take("set", "not", "null"):
            return self._with(replace(column, not_null=True))
        if reader.take("drop", "not", "null"):
            if key:
                raise SqlError(f"column {column.name!r} is in the primary key of {table.name}, which is never NULL")
            return self._with(replace(column, not_null=False))
        if reader.take("type") or reader.take("set", "data", "type"):
            raise self._refused(
                reader, "a column keeps its type, in the past, too; add a column and UPDATE it with a CAST"
            )
        raise self._refused(reader, "what can be altered is DEFAULT and NOT NULL")


def _with_name(table: Table, old: str, new: str) -> Table:
    """Return a table whose keys and checks have a column under its new name."""

    def names(key: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if name.lower() == old.lower() else name for name in key)

    return replace(
        table,
        primary_key=names(table.primary_key),
        uniques=tuple(map(names, table.uniques)),
        checks=tuple(replace(check, expression=renamed(check.expression, {old: new})) for check in table.checks),
    )


_FLOAT = re.compile(r"-?[0-9.e+-]+")


def _literal(value: Stored) -> str:
    """Return a stored value as an SQL literal."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    text = repr(value)
    return text if _FLOAT.fullmatch(text) else f"{text.replace('inf', '9e999')}"
