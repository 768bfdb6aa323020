"""What tables look like.

The catalogue is store-wide and versioned: each change makes a new version, and a commit records the version it was made
under.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from holdfast.core.types import ColumnType, Stored
from holdfast.errors import AlreadyExists

Key = tuple[Stored, ...]
"""Primary key values of a row, in stored form; of a table without one, the row id as (line uid, n, ordinal)."""


_ORDER: dict[Any, int] = {bool: 1, int: 1, float: 1, str: 2, bytes: 3}


def key_order(key: tuple[Any, ...]) -> tuple[tuple[int, Stored], ...]:
    """Return what keys are sorted by: NULL, then numbers, then text, then blobs, as SQLite sorts them."""
    return tuple((_ORDER.get(type(part), 0), part) for part in key)


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `id` never changes and names it on disk; `default` is an SQL expression, as the user wrote it."""

    id: int
    name: str
    type: ColumnType
    not_null: bool = False
    default: str | None = None
    fill: str | None = None
    """What rows show in it that were written before the column was added: an SQL literal; None for NULL."""


@dataclass(frozen=True, slots=True)
class Check:
    """A condition over the columns of one row, as the user wrote it."""

    expression: str
    name: str | None = None


class Action(StrEnum):
    """What becomes of the rows that refer to a row which is deleted, or whose key is changed."""

    NO_ACTION = "NO ACTION"
    """It is an error, unless nothing refers to the row when the statement ends."""
    RESTRICT = "RESTRICT"
    """It is an error, whatever else the statement does."""
    CASCADE = "CASCADE"
    SET_NULL = "SET NULL"
    SET_DEFAULT = "SET DEFAULT"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns that hold the key of a row of another table (or of the same), or a NULL. Columns are named by their ids.

    `references` are columns of the table with the id `table`, together its primary key or UNIQUE, in the order of
    `columns`.
    """

    columns: tuple[int, ...]
    table: int
    references: tuple[int, ...]
    on_delete: Action = Action.NO_ACTION
    on_update: Action = Action.NO_ACTION
    name: str | None = None


class IndexKind(StrEnum):
    """What an index is for."""

    ORDERED = "ordered"
    """Finding rows by the values of its columns, and reading them in their order."""
    TEXT = "text"
    """Finding rows by the words of its one column."""
    VECTOR = "vector"
    """Nothing is on disk: searching for near vectors is exact."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index, or a UNIQUE constraint that has a name. `id` is never used again; columns are named by their ids.

    The columns of a `unique` one are also in the table's `uniques`.
    """

    id: int
    name: str
    columns: tuple[int, ...]
    kind: IndexKind = IndexKind.ORDERED
    unique: bool = False
    language: str | None = None
    """Of a TEXT index: how its words are understood, "english" or "simple"."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `id` never changes and names it on disk. Without a `primary_key` a row's key is its row id."""

    id: int
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    checks: tuple[Check, ...] = ()
    numbered: bool = False
    """Whether a NULL primary key is given the next number, as INTEGER PRIMARY KEY asks."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    next_column: int | None = None
    """The id of the next column to be added; None while the columns are those that the table was made with."""
    next_index: int = 1
    owned: bool = False
    """Whether Holdfast's own code writes it; statements can only read it."""

    def position(self, name: str) -> int | None:
        """Return where the column of that name (case is ignored) stands, or None."""
        folded = name.lower()
        return next((at for at, column in enumerate(self.columns) if column.name.lower() == folded), None)

    def positions(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return where the columns of these names stand; the names come from the table's own definition."""
        order = [column.name.lower() for column in self.columns]
        return tuple(order.index(name.lower()) for name in names)

    @property
    def is_constrained(self) -> bool:
        """Whether something but the types and the key of its columns is asked of rows."""
        required = any(column.not_null for column in self.columns)
        return required or bool(self.uniques or self.checks or self.foreign_keys)

    def places(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Return where the columns of these ids stand; the ids come from the table's own definition."""
        order = [column.id for column in self.columns]
        return tuple(order.index(column) for column in ids)

    def names(self, ids: Iterable[int]) -> tuple[str, ...]:
        """Return the names of the columns of these ids; the ids come from the table's own definition."""
        return tuple(self.columns[at].name for at in self.places(ids))

    def ids(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the ids of the columns of these names; the names come from the table's own definition."""
        return tuple(self.columns[at].id for at in self.positions(names))

    def with_column(self, column: Column) -> Table:
        """Return the table with another column, under the next free id."""
        new = self.next_column or 1 + max(column.id for column in self.columns)
        return replace(self, columns=(*self.columns, replace(column, id=new)), next_column=new + 1)

    def without_column(self, column: Column) -> Table:
        """Return the table without a column; its id is not used again."""
        left = tuple(other for other in self.columns if other.id != column.id)
        return replace(self, columns=left, next_column=self.next_column or 1 + max(other.id for other in self.columns))

    def with_index(self, index: Index) -> Table:
        """Return the table with another index, under the next free id."""
        uniques = (*self.uniques, self.names(index.columns)) if index.unique else self.uniques
        indexes = (*self.indexes, replace(index, id=self.next_index))
        return replace(self, uniques=uniques, indexes=indexes, next_index=self.next_index + 1)

    def without_index(self, index: Index) -> Table:
        """Return the table without an index, and without the UNIQUE that it stands for."""
        uniques = list(self.uniques)
        if index.unique:
            uniques.remove(self.names(index.columns))
        return replace(
            self, uniques=tuple(uniques), indexes=tuple(other for other in self.indexes if other.id != index.id)
        )

    def as_dict(self, values: tuple[Stored, ...]) -> dict[str, Stored]:
        """Return a row as column name -> value."""
        return {column.name: value for column, value in zip(self.columns, values, strict=True)}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All tables at one version. `version` counts from 0, the empty catalogue."""

    version: int = 0
    tables: tuple[Table, ...] = ()
    next_table: int = 1

    def find(self, name: str) -> Table | None:
        """Return the table of that name (case is ignored), or None."""
        folded = name.lower()
        return next((table for table in self.tables if table.name.lower() == folded), None)

    def table(self, table_id: int) -> Table | None:
        """Return the table of that id, or None."""
        return next((table for table in self.tables if table.id == table_id), None)

    def with_table(self, table: Table) -> Catalogue:
        """Return the next version, with `table` added under the next free id.

        Raises:
            AlreadyExists: the name is taken.
        """
        if self.find(table.name):
            raise AlreadyExists(f"table {table.name!r} exists already")
        added = replace(table, id=self.next_table)
        return Catalogue(self.version + 1, (*self.tables, added), self.next_table + 1)

    def changed(self, table: Table) -> Catalogue:
        """Return the next version, in which the table of that id is `table`."""
        tables = tuple(table if other.id == table.id else other for other in self.tables)
        return replace(self, version=self.version + 1, tables=tables)

    def find_index(self, name: str) -> tuple[Table, Index] | None:
        """Return the index of that name (case is ignored) and its table, or None."""
        folded = name.lower()
        found = ((table, index) for table in self.tables for index in table.indexes)
        return next(((table, index) for table, index in found if index.name.lower() == folded), None)

    def references_to(self, table: Table) -> Iterator[tuple[Table, int, ForeignKey]]:
        """Yield the foreign keys that refer to a table: the table that has it, its place there, and itself."""
        for other in self.tables:
            for place, key in enumerate(other.foreign_keys):
                if key.table == table.id:
                    yield other, place, key

    @property
    def has_additions(self) -> bool:
        """Whether a table has what the first tables could not have, and what wrote those would not heed."""
        return any(table[name] for table in map(_stored, self.tables) for name in _OPTIONAL if name in table)

    def to_json(self) -> str:
        """Return the tables as canonical JSON text; `from_json` reads it."""
        tables = [_stored(table) for table in self.tables]
        return msgspec.json.encode({"tables": tables, "next_table": self.next_table}, order="sorted").decode()

    @classmethod
    def from_json(cls, version: int, text: str) -> Catalogue:
        """Return the catalogue that `to_json` wrote."""
        stored = _catalogue_decoder.decode(text)
        return cls(version, stored.tables, stored.next_table)

    def digest(self) -> bytes:
        """Return sha256 of the canonical JSON: what a commit's hash covers of the schema."""
        return hashlib.sha256(self.to_json().encode()).digest()


_OPTIONAL: dict[str, object] = {"foreign_keys": (), "indexes": (), "next_column": None, "next_index": 1, "owned": False}


def _stored(table: Table) -> dict[str, Any]:
    """Return a table as JSON has it: what few tables need is left out where it says nothing.

    Otherwise the digest of a catalogue would change with each addition to these classes.
    """
    stored: dict[str, Any] = msgspec.to_builtins(table)
    for column in stored["columns"]:
        if column["fill"] is None:
            del column["fill"]
    return {name: value for name, value in stored.items() if name not in _OPTIONAL or value != _OPTIONAL[name]}


@dataclass(frozen=True, slots=True)
class _StoredCatalogue:
    tables: tuple[Table, ...]
    next_table: int


_catalogue_decoder = msgspec.json.Decoder(_StoredCatalogue)
"""Made here once: msgspec 0.22 may crash where two threads are the first to decode a type."""
