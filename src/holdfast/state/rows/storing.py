"""Reading and writing the rows of state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from holdfast.core.forms import VALUE, kind_of
from holdfast.core.points import VersionVector, meet
from holdfast.core.rows import Row
from holdfast.core.schema import Key, Table
from holdfast.engine.contract import Lookups, Reader, Writer
from holdfast.state.rows.drafts import Draft
from holdfast.state.rows.tables import (
    PARTS,
    ROOT,
    STATE,
    Address,
    Name,
    RowChange,
    Rows,
    key_of,
    read_row,
    stored_row,
    tables_in,
)
from holdfast.versions.owned import make_owned

SCANNED_FROM = 32
"""With so many rows of one key to change, all rows of the key are looked up at once."""


def read_rows(reader: Reader, vector: VersionVector, name: Name) -> Rows:
    """Return all rows of a key, as a vector sees them; none if there is no such key."""
    tables = tables_in(reader.catalogue())
    if tables is None:
        return {}
    found = dict(read_row(row.values) for row in reader.rows(tables[0], vector, [name]))
    if ROOT in found and (kind_of(found[ROOT].form) != VALUE or '"chunks":true' in found[ROOT].form):
        found.update(read_row(row.values) for row in reader.scan(tables[1], vector, name))
    return found


def has_row(reader: Reader, vector: VersionVector, name: Name) -> bool:
    """Tell whether there is a key, as a vector sees it. Costs one row, however many its value has."""
    tables = tables_in(reader.catalogue())
    return tables is not None and any(True for _ in reader.rows(tables[0], vector, [name]))


def read_names(reader: Reader, vector: VersionVector, namespace: str | None = None) -> Iterator[Name]:
    """Yield the keys of a namespace, or of all, as a vector sees them, sorted."""
    tables = tables_in(reader.catalogue())
    if tables is not None:
        prefix = () if namespace is None else (namespace,)
        for row in reader.scan(tables[0], vector, prefix):
            yield _name_of(row)


def touched_names(reader: Reader, base: VersionVector, side: VersionVector) -> set[Name]:
    """Return the keys of which `side` sees a change that `base` does not. Costs what changed."""
    tables = tables_in(reader.catalogue()) or ()
    return {_name_of(touch.row) for table in tables for touch in reader.touched(table, base, side)}


def touched_between(reader: Reader, a: VersionVector, b: VersionVector) -> set[Name]:
    """Return the keys of which one of the two sees a change that the other does not."""
    base = meet(a, b)
    return touched_names(reader, base, a) | touched_names(reader, base, b)


def changes_since(reader: Reader, base: VersionVector, side: VersionVector) -> dict[Name, list[RowChange]]:
    """Return what makes of what `base` sees of keys what `side` sees, which covers it. Costs what changed."""
    found: dict[Name, dict[Address, RowChange]] = {}
    for table in tables_in(reader.catalogue()) or ():
        touches = [((touch.row.rid, touch.row.born), touch) for touch in reader.touched(table, base, side)]
        ended = {version for version, touch in touches if touch.ended}
        made = {version for version, touch in touches if not touch.ended}
        left = [touch.row for version, touch in touches if touch.ended and version not in made]
        stay = [touch.row for version, touch in touches if not touch.ended and version not in ended]
        for row in left:
            address, _ = read_row(row.values)
            found.setdefault(_name_of(row), {})[address] = RowChange(address, None)
        for row in stay:
            address, cells = read_row(row.values)
            changes = found.setdefault(_name_of(row), {})
            changes[address] = RowChange(address, cells, new=address not in changes)
    return {name: list(changes.values()) for name, changes in found.items()}


def _name_of(row: Row) -> Name:
    return Name(*row.values[:2])  # type: ignore[arg-type]


def applied(rows: Rows, changes: Iterable[RowChange]) -> Rows:
    """Return rows after some changes."""
    found = dict(rows)
    for address, cells, _ in changes:
        if cells is None:
            found.pop(address, None)
        else:
            found[address] = cells
    return found


def changes_between(before: Rows, after: Rows) -> list[RowChange]:
    """Return what makes some rows of others."""
    gone = [RowChange(address, None) for address in before if address not in after]
    written = (RowChange(address, cells, address not in before) for address, cells in after.items())
    return gone + [change for change in written if before.get(change.address) != change.cells]


def lookups(drafts: Mapping[Name, Draft]) -> Lookups:
    """Return what a `RowWriter` looks up when it writes drafts."""
    rows = [
        ((STATE if change.address == ROOT else PARTS).name, key_of(name, change.address))
        for name, draft in drafts.items()
        for change in draft.changes
    ]
    return Lookups(rows=tuple(rows))


class RowWriter:
    """Writes rows of state into the open commit.

    Args:
        seen: what the open commit sees, itself included.
    """

    def __init__(self, writer: Writer, seen: VersionVector) -> None:
        self._writer = writer
        self._seen = seen
        self._tables = tables_in(writer.catalogue()) or _made(writer)

    def write(self, name: Name, changes: Sequence[RowChange]) -> None:
        """Write changes of the rows of one key."""
        there = self._there(name, [change.address for change in changes if not change.new])
        for address, cells, _ in changes:
            table, row = self._table(address), there.get(key_of(name, address))
            if cells is None:
                if row is not None:
                    self._writer.delete(table, row)
            elif row is None:
                self._writer.insert(table, stored_row(name, address, cells))
            else:
                self._writer.update(table, row, stored_row(name, address, cells))

    def remove(self, name: Name) -> None:
        """Remove all rows of a key."""
        state, parts = self._tables
        for table, found in (
            (state, list(self._writer.rows(state, self._seen, [name]))),
            (parts, list(self._writer.scan(parts, self._seen, name))),
        ):
            for row in found:
                self._writer.delete(table, row)

    def _table(self, address: Address) -> Table:
        return self._tables[0 if address == ROOT else 1]

    def _there(self, name: Name, addresses: Sequence[Address]) -> Mapping[Key, Row]:
        """Return the rows that are there under some addresses, by their keys."""
        found: dict[Key, Row] = {}
        scanned = len(addresses) >= SCANNED_FROM
        if scanned:
            rows = self._writer.scan(self._tables[1], self._seen, name)
            found = {key_of(name, read_row(row.values)[0]): row for row in rows}
        for address in addresses:
            key = key_of(name, address)
            row = self._writer.find(self._table(address), key) if address == ROOT or not scanned else None
            if row is not None:
                found[key] = row
        return found


def _made(writer: Writer) -> tuple[Table, Table]:
    state, parts = make_owned(writer, (STATE, PARTS), "state")
    return state, parts
