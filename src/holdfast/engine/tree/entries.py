"""Writing entries that belong together: a version with what tells of it, an end, a name, a line."""

from __future__ import annotations

from holdfast.core.points import Point, Rid
from holdfast.core.rows import Row
from holdfast.core.schema import Catalogue, Table
from holdfast.core.types import Stored
from holdfast.engine.tree import keys
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.keys import BORN, ENDED, META
from holdfast.engine.tree.records import CommitRecord, LineRecord, commit_record, packed, unpacked, version_record
from holdfast.engine.tree.survey import Survey


class Entries(Survey):
    """The part of a writer that knows which entries go together."""

    def __init__(self, draft: Draft, catalogues: dict[bytes, Catalogue]) -> None:
        super().__init__(draft, catalogues)
        self._draft = draft

    # Lines and commits

    def _put_line(self, uid: str, record: LineRecord) -> None:
        self._draft.put(keys.head_key(uid), packed(record))

    def _commit_record(self, point: Point) -> CommitRecord | None:
        raw = self._tree.get(keys.commit_key(point))
        return None if raw is None else commit_record(raw)

    def _put_commit(self, point: Point, record: CommitRecord) -> None:
        self._draft.put(keys.commit_key(point), packed(record))

    def _count(self, *, lines: int = 0) -> int:
        """Note a new name, line, merge or lease; return how many lines there were."""
        raw = self._tree.get(META)
        made, changes = unpacked(raw) if raw is not None else (0, 0)
        self._draft.put(META, packed([made + lines, changes + 1]))
        return int(made)

    # Registers

    def put_entry(self, register: str, key: str, value: bytes) -> None:
        """Let an entry of a register have a value."""
        self._draft.put(keys.entry_key(register, key), value)

    def remove_entry(self, register: str, key: str) -> None:
        """Remove an entry of a register, if it is there."""
        self._draft.remove(keys.entry_key(register, key))

    # Versions

    def _put_version(self, table: Table, rid: Rid, born: Point, values: tuple[Stored, ...]) -> None:
        version = keys.version_key(table, keys.key_bytes(table, values, rid), born)
        self._draft.put(version, version_record(table, rid, born, values))
        self._draft.put(keys.touch_key(born, BORN, version), b"")
        for entry in unique_entries(table, version, values):
            self._draft.put(entry, b"")

    def _remove_version(self, table: Table, row: Row) -> None:
        """Remove a version, and with it its ends."""
        version = keys.version_of(row.handle)
        for end in self._ends_of(version):
            self._remove_end(version, end)
        self._draft.remove(version)
        self._draft.remove(keys.touch_key(row.born, BORN, version))
        for entry in unique_entries(table, version, row.values):
            self._draft.remove(entry)

    def _put_end(self, version: bytes, end: Point) -> None:
        self._draft.put(keys.end_key(version, end), b"")
        self._draft.put(keys.touch_key(end, ENDED, version), b"")

    def _remove_end(self, version: bytes, end: Point) -> None:
        self._draft.remove(keys.end_key(version, end))
        self._draft.remove(keys.touch_key(end, ENDED, version))

    def _ends_of(self, version: bytes) -> list[Point]:
        ends = [key for key, _ in self._tree.prefix(version[:-1]) if key[-1:] == ENDED]
        return [keys.end_of(key)[1] for key in ends]


def unique_entries(table: Table, version: bytes, values: tuple[Stored, ...]) -> list[bytes]:
    """Return the keys by which a version is found for each UNIQUE; one with a NULL in it clashes with nothing."""
    found: list[bytes] = []
    for names in dict.fromkeys(table.uniques):
        mine = [values[at] for at in table.positions(names)]
        if None not in mine:
            found.append(keys.unique_prefix(table, table.ids(names)) + keys.encoded(mine) + keys.row_and_born(version))
    return found
