"""What a new version of the schema asks of the engine: room on disk, and that new constraints hold on every branch.

Both are found by comparing the tables of two versions. Nothing is ever rewritten: a column that was added is a column
on disk with a constant DEFAULT, which older versions of rows show; what was renamed keeps its id; what was dropped
stays on disk, because commits of the past show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.core.canonical import shortened
from holdfast.core.schema import Catalogue, Column, IndexKind, Table
from holdfast.core.types import decode
from holdfast.engine.sql.layout import VID, add_column, create_table, indexed, order_by, quoted
from holdfast.engine.sql.renaming import renamed
from holdfast.engine.sql.text_index import drop_text_index_statements, text_index_statements
from holdfast.engine.sql.translate.defaults import checked
from holdfast.engine.sql.views import rows_select

SHOWN_MAX = 3
"""How many rows a message names."""


def reshaped(before: Table | None, after: Table, index_names: Mapping[tuple[str, ...], str]) -> list[str]:
    """Return the statements that give a table on disk what another version of it needs.

    Args:
        before: the table as it was; None if it is new.
        index_names: the names of its indexes on disk, by their columns.
    """
    if before is None:
        return create_table(after)
    known = {column.id for column in before.columns}
    statements = [add_column(after, column) for column in after.columns if column.id not in known]
    old, new = indexed(before), indexed(after)
    gone = ((*(f"c{column}" for column in columns), "line", "n") for columns in old if columns not in new)
    statements += [f"DROP INDEX {index_names[columns]}" for columns in gone]
    statements += [order_by(after, columns) for columns in new if columns not in old]
    ids, new_ids = {index.id for index in before.indexes}, {index.id for index in after.indexes}
    for index in before.indexes:
        if index.kind is IndexKind.TEXT and index.id not in new_ids:
            statements += drop_text_index_statements(before, _column(before, index.columns[0]))
    for index in after.indexes:
        if index.kind is IndexKind.TEXT and index.id not in ids:
            column = _column(after, index.columns[0])
            statements += text_index_statements(after, column, index.language or "english")
    return statements


def _column(table: Table, column_id: int) -> Column:
    (at,) = table.places([column_id])
    return table.columns[at]


@dataclass(frozen=True, slots=True)
class Demand:
    """A constraint that is new.

    Attributes:
        name: what it is called in messages.
        broken: the query for versions (`hf:vid`) of rows that break it, over relations {rows} and {parents}.
        parent: the table that {parents} are the rows of.
        alone: whether rows break it by being there, whatever else is there or not.
    """

    name: str
    table: Table
    broken: str
    parent: Table | None = None

    def query(self, rows: str, parents: str) -> str:
        """Return the query over these relations."""
        return self.broken.replace("{rows}", rows).replace("{parents}", parents) + f" LIMIT {SHOWN_MAX}"


def demands(before: Catalogue, after: Catalogue) -> Iterator[Demand]:
    """Yield the constraints that `after` has and `before` had not, on tables that were there."""
    for table in after.tables:
        known = before.table(table.id)
        if known is not None:
            yield from _not_nulls(known, table)
            yield from _uniques(known, table)
            yield from _checks(known, table)
            yield from _foreign_keys(known, table, after)


def _not_nulls(known: Table, table: Table) -> Iterator[Demand]:
    free = {column.id for column in known.columns if not column.not_null}
    for column in table.columns:
        if column.not_null and column.id in free:
            broken = f"SELECT {quoted(VID)} FROM {{rows}} WHERE {quoted(column.name)} IS NULL"
            yield Demand(f"NOT NULL of {table.name}.{column.name}", table, broken)


def _uniques(known: Table, table: Table) -> Iterator[Demand]:
    held = {frozenset(known.ids(names)) for names in known.uniques}
    for names in table.uniques:
        if frozenset(table.ids(names)) not in held:
            columns = [quoted(name) for name in names]
            present = " AND ".join(f"{column} IS NOT NULL" for column in columns)
            listed = ", ".join(columns)
            same = f"SELECT {listed} FROM {{rows}} WHERE {present} GROUP BY {listed} HAVING count(*) > 1"
            broken = f"SELECT {quoted(VID)} FROM {{rows}} WHERE ({listed}) IN ({same} LIMIT 1)"
            yield Demand(f"UNIQUE ({', '.join(names)}) of {table.name}", table, broken)


def _checks(known: Table, table: Table) -> Iterator[Demand]:
    new_names = {column.id: column.name for column in table.columns}
    names = {column.name: new_names[column.id] for column in known.columns if column.id in new_names}
    held = {renamed(check.expression, names) for check in known.checks}
    for check in table.checks:
        if check.expression not in held:
            broken = f"SELECT {quoted(VID)} FROM {{rows}} WHERE NOT ({checked(check.expression, table.columns)})"
            yield Demand(f"CHECK ({check.name or check.expression}) of {table.name}", table, broken)


def _foreign_keys(known: Table, table: Table, after: Catalogue) -> Iterator[Demand]:
    held = {(key.columns, key.table, key.references) for key in known.foreign_keys}
    for key in table.foreign_keys:
        parent = after.table(key.table)
        if parent is None or (key.columns, key.table, key.references) in held:
            continue
        mine, theirs = table.names(key.columns), parent.names(key.references)
        present = " AND ".join(f"r.{quoted(name)} IS NOT NULL" for name in mine)
        same = " AND ".join(f"p.{quoted(a)} = r.{quoted(b)}" for a, b in zip(theirs, mine, strict=True))
        broken = (
            f"SELECT r.{quoted(VID)} FROM {{rows}} AS r WHERE {present}"
            f" AND NOT EXISTS (SELECT 1 FROM {{parents}} AS p WHERE {same})"
        )
        name = f"FOREIGN KEY ({', '.join(mine)}) REFERENCES {parent.name} ({', '.join(theirs)}) of {table.name}"
        yield Demand(name, table, broken, parent)


def all_versions(table: Table) -> str:
    """Return the relation of all versions of a table's rows, whoever sees them."""
    return f"({rows_select(table, None, None, versioned=True)})"


def shown_rows(table: Table, rows: Sequence[Sequence[Any]]) -> str:
    """Return rows for a message."""
    texts = (
        {column.name: decode(value, column.type) for column, value in zip(table.columns, row, strict=True)}
        for row in rows
    )
    return ", ".join(shortened(str(text)) for text in texts)
