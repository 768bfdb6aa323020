"""Differences between two points. They cost what changed, never what exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.core.canonical import row_bytes
from holdfast.core.points import VersionVector, meet
from holdfast.core.rows import Change, Touch, key_of
from holdfast.core.schema import Catalogue, Key, Table, key_order
from holdfast.core.types import Stored, decode
from holdfast.engine.contract import Reader
from holdfast.versions.resolve import Resolved
from holdfast.versions.results import RowChange


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a difference: what is seen, through which schema."""

    seen: VersionVector
    schema: Catalogue


def diff(reader: Reader, a: Resolved, b: Resolved) -> list[RowChange]:
    """Return the rows that differ between `a` and `b`, in the order of table names and keys."""
    before, after = (Side(reader.vector(at.point), schema_at(reader, at)) for at in (a, b))
    return differences(reader, before, after)


def differences(reader: Reader, before: Side, after: Side) -> list[RowChange]:
    """Return the rows that differ between two sides, in the order of table names and keys.

    Where the columns of a table differ, rows are compared by those of the newer schema, in which older rows have a
    value, too, and shown with their own. The rows of a table that only one side has all differ.
    """
    changes: list[RowChange] = []
    for table in sorted(_all_tables(before.schema, after.schema), key=lambda table: table.name):
        mine, other = before.schema.table(table.id), after.schema.table(table.id)
        touches = touched_between(reader, table, before.seen, after.seen)
        keys = {key_of(table, touch.row) for touch in touches} if mine and other else None
        old, new = _rows(reader, table, mine, before.seen, keys), _rows(reader, table, other, after.seen, keys)
        differing = sorted((key for key in {**old, **new} if _differ(old.get(key), new.get(key))), key=key_order)
        changes += [_change(table, key, _own(old.get(key)), _own(new.get(key))) for key in differing]
    return changes


def touched_between(reader: Reader, table: Table, a: VersionVector, b: VersionVector) -> list[Touch]:
    """Return each version made or ended in what one of the two sees and the other does not."""
    base = meet(a, b)
    return [*reader.touched(table, base, a), *reader.touched(table, base, b)]


def schema_at(reader: Reader, at: Resolved) -> Catalogue:
    """Return the tables that a point shows: of a branch those of now, of a tag or commit those of its time."""
    return reader.catalogue(None if at.line else reader.commit(at.point).schema)


def decoded_key(table: Table, key: Key) -> tuple[Any, ...]:
    """Return a key in Python values."""
    columns = [table.columns[at] for at in table.positions(table.primary_key)]
    return tuple(decode(part, column.type) for part, column in zip(key, columns, strict=True)) if columns else key


def decoded_row(table: Table, values: tuple[Stored, ...]) -> dict[str, object]:
    """Return a row in Python values, by column name."""
    return {column.name: decode(value, column.type) for column, value in zip(table.columns, values, strict=True)}


def changes_of_commit(changes: list[Change]) -> list[RowChange]:
    """Return a commit's changes in Python values, in the order of table names and keys."""
    return [_change_of(change) for change in sorted(changes, key=lambda c: (c.table.name, key_order(_key(c))))]


def _key(change: Change) -> Key:
    shown = change.after or change.before
    assert shown is not None
    return key_of(change.table, shown)


def _change_of(change: Change) -> RowChange:
    table = change.table
    return _change(
        table,
        _key(change),
        (table, change.before.values) if change.before else None,
        (table, change.after.values) if change.after else None,
    )


_Shown = tuple[Table, tuple[Stored, ...]]
"""A row as a side shows it."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """A row of one side, as it is shown there and as it is compared."""

    own: _Shown
    values: tuple[Stored, ...]


def _own(row: _Compared | None) -> _Shown | None:
    return row.own if row else None


def _differ(old: _Compared | None, new: _Compared | None) -> bool:
    return old is None or new is None or row_bytes(old.values) != row_bytes(new.values)


def _all_tables(then: Catalogue, now: Catalogue) -> list[Table]:
    """Return the tables of both; where they differ, with the columns of the newer."""
    newer, older = (now, then) if now.version >= then.version else (then, now)
    return [*newer.tables, *(table for table in older.tables if newer.table(table.id) is None)]


def _rows(
    reader: Reader, compared: Table, own: Table | None, vector: VersionVector, keys: set[Key] | None
) -> dict[Key, _Compared]:
    """Return the rows that a side shows, of some keys or all: with its own columns, and with those to compare."""
    if own is None or keys == set():
        return {}
    rows = list(reader.rows(own, vector, keys))
    if own.columns == compared.columns:
        return {key_of(own, row): _Compared((own, row.values), row.values) for row in rows}
    again = {key_of(compared, row): row.values for row in reader.rows(compared, vector, keys)}
    return {key_of(own, row): _Compared((own, row.values), again[key_of(own, row)]) for row in rows}


def _change(table: Table, key: Key, old: _Shown | None, new: _Shown | None) -> RowChange:
    before, after = old and decoded_row(*old), new and decoded_row(*new)
    return RowChange(table.name, decoded_key(table, key), before, after, table.primary_key)
