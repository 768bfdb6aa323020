"""Changes of rows by key, as callers without SQL make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.core.points import VersionVector
from holdfast.core.rows import Row
from holdfast.core.schema import Key, Table
from holdfast.core.types import Stored, encode
from holdfast.engine.contract import Writer
from holdfast.errors import InvalidValue, NotFound


@dataclass(frozen=True, slots=True)
class Put:
    """Write a row: the one of the same primary key if the branch has it, else a new one.

    Columns that are not given are NULL in a new row and stay what they are in one that is there. In a table without a
    primary key the row is always new.
    """

    table: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Update:
    """Change some columns of the row of this key, perhaps the key itself; it stays the same row."""

    table: str
    key: tuple[Any, ...]
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the row of this key: primary key values, or (line, n, ordinal) in a table without a primary key."""

    table: str
    key: tuple[Any, ...]


Edit = Put | Update | Delete


def apply_edit(writer: Writer, seen: VersionVector, edit: Edit) -> None:
    """Make one change in the open commit.

    Args:
        seen: what the open commit sees, itself included.

    Raises:
        NotFound: no such table or column, or no such row to update or delete.
        ConstraintFailed: a constraint would not hold.
        InvalidValue: a column cannot hold its value, or the key has another number of parts.
    """
    table = writer.catalogue().find(edit.table)
    if table is None:
        raise NotFound(f"no table {edit.table!r}")
    if isinstance(edit, Put):
        given = _encoded(table, edit.values)
        key = tuple(given.get(at) for at in table.positions(table.primary_key))
        row = _find(writer, table, seen, key) if key and None not in key else None
        if row is None:
            writer.insert(table, [given.get(at) for at in range(len(table.columns))])
        else:
            _update(writer, table, row, given)
        return
    row = _find(writer, table, seen, encoded_key(table, edit.key))
    if row is None:
        raise NotFound(f"table {table.name!r} has no row {edit.key!r} on this branch")
    if isinstance(edit, Delete):
        writer.delete(table, row)
    else:
        _update(writer, table, row, _encoded(table, edit.values))


def _update(writer: Writer, table: Table, row: Row, given: Mapping[int, Stored]) -> None:
    writer.update(table, row, [given.get(at, value) for at, value in enumerate(row.values)])


def _encoded(table: Table, values: Mapping[str, object]) -> dict[int, Stored]:
    found: dict[int, Stored] = {}
    for name, value in values.items():
        at = table.position(name)
        if at is None:
            raise NotFound(f"table {table.name!r} has no column {name!r}")
        found[at] = encode(value, table.columns[at].type, f"{table.name}.{name}")
    return found


def encoded_key(table: Table, key: tuple[Any, ...]) -> Key:
    """Return a key, given in Python values, as rows have it. Raises InvalidValue if no row can have it."""
    columns = [table.columns[at] for at in table.positions(table.primary_key)]
    parts = table.primary_key or ("line", "n", "ordinal")
    if len(key) != len(parts):
        named = f"{len(parts)} part{'s' if len(parts) > 1 else ''} ({', '.join(parts)})"
        raise InvalidValue(f"the key of {table.name} has {named}, not {len(key)}: {key!r}")
    if not columns:
        return key
    return tuple(encode(part, column.type, table.name) for part, column in zip(key, columns, strict=True))


def _find(writer: Writer, table: Table, seen: VersionVector, key: Key) -> Row | None:
    return next(iter(writer.rows(table, seen, [key])), None)
