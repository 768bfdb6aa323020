"""What tables look like.

The catalogue is store-wide and versioned: each change makes a new version, and a commit records the version it was made
under.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Check:
    """A condition over the columns of one row, as the user wrote it."""

    expression: str
    name: str | None = None


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

    def position(self, name: str) -> int | None:
        """Return where the column of that name (case is ignored) stands, or None."""
        folded = name.lower()
        return next((at for at, column in enumerate(self.columns) if column.name.lower() == folded), None)

    def positions(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return where the columns of these names stand; the names come from the table's own definition."""
        order = [column.name.lower() for column in self.columns]
        return tuple(order.index(name.lower()) for name in names)

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

    def to_json(self) -> str:
        """Return the tables as canonical JSON text; `from_json` reads it."""
        return msgspec.json.encode({"tables": self.tables, "next_table": self.next_table}, order="sorted").decode()

    @classmethod
    def from_json(cls, version: int, text: str) -> Catalogue:
        """Return the catalogue that `to_json` wrote."""
        stored = msgspec.json.decode(text, type=_StoredCatalogue)
        return cls(version, stored.tables, stored.next_table)

    def digest(self) -> bytes:
        """Return sha256 of the canonical JSON: what a commit's hash covers of the schema."""
        return hashlib.sha256(self.to_json().encode()).digest()


@dataclass(frozen=True, slots=True)
class _StoredCatalogue:
    tables: tuple[Table, ...]
    next_table: int
