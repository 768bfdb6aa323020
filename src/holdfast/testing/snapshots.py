"""Whole-table snapshots, and what a commit does to them: the oracle's storage, made to be obvious rather than fast.

A snapshot holds every row of every table under its row id. Nothing is shared, marked or hidden: a row that is in the
snapshot is seen, one that is not is not. What an engine derives from versions, tombstones and vectors is simply there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.core import hashing, types
from holdfast.core.canonical import row_bytes
from holdfast.core.points import Point, Rid
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.core.types import Stored
from holdfast.errors import ConstraintFailed, NotFound
from holdfast.versions.edits import Delete, Edit, Put


@dataclass(frozen=True, slots=True)
class Version:
    """A row as one commit left it. `born` is that commit."""

    rid: Rid
    born: Point
    values: tuple[Stored, ...]


Rows = dict[Rid, Version]
Snapshot = Mapping[int, Rows]
"""Table id -> its rows by row id."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one commit did to one row: under which keys it was found or left, and the values it was left with.

    `after` is None for a row that is gone, or, if `kept` is set, for one of two equal versions that a merge gave up
    in favour of the version born at `kept`.
    """

    table_id: int
    rid: Rid
    keys: frozenset[Key]
    after: tuple[Stored, ...] | None
    kept: Point | None = None

    def leaf(self, salt: bytes) -> hashing.Leaf:
        """Return what the commit's hash covers of this row."""
        rid = hashing.rid_bytes(self.rid)
        if self.after is not None:
            mark = hashing.after_mark(hashing.derive_salt(salt, self.table_id, rid), self.after)
        else:
            mark = hashing.kept_mark(self.kept) if self.kept else hashing.DELETED
        return hashing.Leaf(self.table_id, rid, mark)


def key_of(table: Table, version: Version) -> Key:
    """Return a row's primary key values, or its row id in a table without a primary key."""
    if not table.primary_key:
        return (version.rid.line, version.rid.n, version.rid.ordinal)
    return tuple(version.values[at] for at in table.positions(table.primary_key))


def by_key(table: Table, rows: Rows) -> dict[Key, Version]:
    """Return the rows by key. A snapshot never has two under one key."""
    found = {key_of(table, version): version for version in rows.values()}
    assert len(found) == len(rows), f"two rows of {table.name} share a key"
    return found


def equal(a: Sequence[Stored], b: Sequence[Stored]) -> bool:
    """Tell whether two rows are equal byte for byte; 1, 1.0 and True are not."""
    return row_bytes(a) == row_bytes(b)


def decoded(table: Table, values: Sequence[Stored]) -> dict[str, object]:
    """Return a row as a user sees it: column name -> Python value."""
    pairs = zip(table.columns, values, strict=True)
    return {column.name: types.decode(stored, column.type) for column, stored in pairs}


def encoded(table: Table, values: Mapping[str, object]) -> tuple[Stored, ...]:
    """Return the stored form of a row; columns that are not given are NULL.

    Raises:
        NotFound: a column is unknown.
        InvalidValue: a column cannot hold its value.
    """
    for name in values:
        if table.position(name) is None:
            raise NotFound(f"table {table.name!r} has no column {name!r}")
    folded = {name.lower(): value for name, value in values.items()}
    return tuple(
        types.encode(folded.get(column.name.lower()), column.type, f"{table.name}.{column.name}")
        for column in table.columns
    )


def unique_clashes(table: Table, versions: Iterable[Version]) -> list[tuple[tuple[str, ...], list[Version]]]:
    """Return, for each UNIQUE that does not hold, its columns and the rows that share values. NULLs never clash."""
    rows = list(versions)
    clashes: list[tuple[tuple[str, ...], list[Version]]] = []
    for columns in table.uniques:
        groups: dict[bytes, list[Version]] = {}
        for version in rows:
            values = [version.values[at] for at in table.positions(columns)]
            if None not in values:
                groups.setdefault(row_bytes(values), []).append(version)
        clashes += [(columns, group) for group in groups.values() if len(group) > 1]
    return clashes


def settled(catalogue: Catalogue, head: Snapshot, rows: Snapshot) -> tuple[Snapshot, list[Trace]]:
    """Return the rows of a commit on a head, and what became of each row that differs from there.

    What came back to its old values is its old version again: nothing happened to it.
    """
    traces: list[Trace] = []
    kept: dict[int, Rows] = {}
    for table in catalogue.tables:
        old, new = head.get(table.id, {}), rows.get(table.id, {})
        kept[table.id] = dict(new)
        for rid in {**old, **new}:
            before, after = old.get(rid), new.get(rid)
            if before and after and equal(before.values, after.values):
                kept[table.id][rid] = before
            else:
                keys = frozenset(key_of(table, version) for version in (before, after) if version)
                traces.append(Trace(table.id, rid, keys, after.values if after else None))
    return kept, traces


class Draft:
    """The rows of a commit while its edits are applied, one after the other, each seeing those before it."""

    def __init__(self, catalogue: Catalogue, head: Snapshot, point: Point) -> None:
        self._catalogue = catalogue
        self._head = head
        self._point = point
        self._inserted = 0
        self._rows: dict[int, Rows] = {table.id: dict(head.get(table.id, {})) for table in catalogue.tables}

    def apply(self, edit: Edit) -> None:
        """Carry out one edit.

        Raises:
            NotFound: no such table or column, or no such row to delete.
            InvalidValue: a column cannot hold its value.
            ConstraintFailed: a key, UNIQUE or NOT NULL would no longer hold.
        """
        table = self._catalogue.find(edit.table)
        if table is None:
            raise NotFound(f"there is no table {edit.table!r}")
        if isinstance(edit, Put):
            self._put(table, edit.values)
        elif isinstance(edit, Delete):
            del self._rows[table.id][self._at(table, edit.key).rid]
        else:
            old = self._at(table, edit.key)
            self._keep(table, old.rid, encoded(table, {**decoded(table, old.values), **edit.values}))

    def finish(self) -> tuple[Snapshot, list[Trace]]:
        """Return the rows, and what became of each row that differs from the head."""
        return settled(self._catalogue, self._head, self._rows)

    def _put(self, table: Table, given: Mapping[str, object]) -> None:
        rid = Rid(self._point.line, self._point.n, self._inserted + 1)
        values = encoded(table, given)
        present = by_key(table, self._rows[table.id]).get(key_of(table, Version(rid, self._point, values)))
        if present:
            self._keep(table, present.rid, encoded(table, {**decoded(table, present.values), **given}))
        else:
            self._keep(table, rid, values)
            self._inserted += 1

    def _keep(self, table: Table, rid: Rid, values: tuple[Stored, ...]) -> None:
        rows = {**self._rows[table.id], rid: Version(rid, self._point, values)}
        required = [column.name for column in table.columns if column.not_null]
        for name in {*required, *table.primary_key}:
            if values[table.positions((name,))[0]] is None:
                raise ConstraintFailed(f"NOT NULL of {table.name}.{name} does not hold")
        if len({row_bytes(key_of(table, version)) for version in rows.values()}) < len(rows):
            raise ConstraintFailed(f"the primary key of {table.name} does not hold")
        for columns, _ in unique_clashes(table, rows.values()):
            raise ConstraintFailed(f"UNIQUE ({', '.join(columns)}) of {table.name} does not hold")
        self._rows[table.id] = rows

    def _at(self, table: Table, key: tuple[Any, ...]) -> Version:
        parts = zip(table.primary_key, key, strict=True) if table.primary_key else ()
        stored = tuple(
            types.encode(part, table.columns[table.positions((name,))[0]].type, name) for name, part in parts
        )
        found = by_key(table, self._rows[table.id]).get(stored or tuple(key))
        if found is None:
            raise NotFound(f"table {table.name!r} has no row {key!r} on this branch")
        return found
