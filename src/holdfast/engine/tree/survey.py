"""What gc and erasure ask of a snapshot. They look at whole tables, which no other reader does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from holdfast.core.points import Point, Rid
from holdfast.core.retention import Ending, Mark, Pruned, Shape
from holdfast.core.rows import Row
from holdfast.core.schema import Table, key_order
from holdfast.core.types import Stored
from holdfast.engine.cells import held
from holdfast.engine.net import newest_of_each
from holdfast.engine.tree import keys
from holdfast.engine.tree.keys import BORN, BRANCH, COMMIT, ENDED, MERGE, META, PIN, TAG, rows_prefix
from holdfast.engine.tree.reader import TreeSnapshot, row_of
from holdfast.engine.tree.records import LineRecord, commit_record, unpacked
from holdfast.errors import InvalidValue


class Survey(TreeSnapshot):
    """A snapshot of which also gc can ask what it needs to know."""

    def shape(self) -> Shape:
        """Return how the lines fork and merge."""
        records = self._line_records()
        parents = {uid: record.forked_at for uid, record in records}
        merges = [
            (keys.point_of(key[1:25]), Point(key[25:].hex(), int.from_bytes(raw)))
            for key, raw in self._tree.load_many(self._tree.prefix(MERGE))
        ]
        seals = {uid: (record.head, trunk) for uid, record in records if (trunk := record.sealed_by) is not None}
        return Shape(parents, merges, seals)

    def sealable(self) -> list[tuple[str, Point]]:
        """Return the finished lines that a branch has wholly merged, each with the commit that did."""
        records = dict(self._line_records())
        named = self._named()
        heads = {
            record.head_hash: uid
            for uid, record in records.items()
            if self._may_be_sealed(uid, record, records.values(), named)
        }
        found: dict[str, Point] = {}
        for line in sorted(named, key=lambda uid: records[uid].order):
            if records[line].trunk is not None:
                continue
            for mark in self.marks(line) if heads else ():
                uid = heads.get(mark.parents[1]) if len(mark.parents) == 2 else None
                if uid is not None and uid != line:
                    found.setdefault(uid, mark.point)
        return list(found.items())

    def _may_be_sealed(self, uid: str, record: LineRecord, all_lines: Iterable[LineRecord], named: set[str]) -> bool:
        """Tell whether a line is finished for good, and no trunk: one look then tells what a trunk implies."""
        is_finished = record.head > 0 and record.trunk is None and uid not in named
        raw = keys.line_bytes(uid)
        return is_finished and all(other.trunk != raw for other in all_lines)

    def _named(self) -> set[str]:
        """Return the lines that branches name."""
        return {uid.hex() for _, uid in self._tree.load_many(self._tree.prefix(BRANCH))}

    def marks(self, line: str, after: int = -1) -> list[Mark]:
        """Return what retention needs to know of the commits of a line beyond `after`, oldest first."""
        found: list[Mark] = []
        for n in range(after + 1, self._line_record(line).head + 1):
            raw = self._tree.get(keys.commit_key(Point(line, n)))
            if raw is not None:  # a forked line has no commit 0
                commit = commit_record(raw)
                found.append(Mark(Point(line, n), commit.hash, commit.parents, commit.at_us, Pruned(commit.pruned)))
        return found

    def unpruned(self) -> list[Point]:
        """Return all commits that can be checked out."""
        entries = self._tree.prefix(keys.LINE)
        commits = ((key, held) for key, held in entries if len(key) == 26 and key[25:] == COMMIT)
        return [keys.point_of(key[1:25]) for key, raw in self._tree.load_many(commits) if not commit_record(raw).pruned]

    def pins(self, now_us: int) -> list[Point]:
        """Return the points that are pinned by leases which have not ended."""
        return [point for _, point, until_us in self._pinned() if until_us > now_us]

    def _pinned(self) -> Iterator[tuple[str, Point, int]]:
        for key, raw in self._tree.load_many(self._tree.prefix(PIN)):
            line, n, until_us = unpacked(raw)
            yield key[1:].decode(), Point(line.hex(), n), until_us

    def tables_ever(self) -> list[Table]:
        """Return all tables there have been, each as it was last."""
        return newest_of_each(self.catalogue(version) for version in range(self.catalogue().version + 1))

    def endings(self, table: Table) -> Iterable[Ending]:
        """Yield every end of a version, in the order of the commits that ended them."""
        ends = [keys.end_of(key) for key, _ in self._tree.prefix(rows_prefix(table)) if key[-1:] == ENDED]
        for version, ended in sorted(ends, key=lambda end: end[1]):
            yield Ending(keys.handle_of(version), keys.born_of(version), ended)

    def handles(self, table: Table) -> list[int]:
        """Return the handles of all versions of a table."""
        return [keys.handle_of(key) for key, _ in self._tree.prefix(rows_prefix(table)) if key[-1:] == BORN]

    def kept_by_merges(self, table: Table) -> dict[int, list[Point]]:
        """Return the versions that merges chose from equal ones, by handle, with the commits of these merges."""
        kept: dict[int, list[Point]] = {}
        for point in dict.fromkeys(end.ended for end in self.endings(table)):
            commit = self.commit(point)
            if len(commit.parents) < 2:
                continue
            then = self.catalogue(commit.schema).table(table.id)
            assert then is not None, "a commit's rows are of tables of its schema"
            for change in self.net(then, point, merge=True):
                row = self._kept_row(then, change.before, point) if change.after is None and change.before else None
                if row is not None:
                    kept.setdefault(row.handle, []).append(point)
        return kept

    def handles_like(self, table: Table, columns: Sequence[str], values: Sequence[Stored]) -> list[int]:
        """Return the handles of all versions, on any line, of rows that ever had these values."""
        places = table.positions(tuple(columns))
        try:
            wanted = [held(value, table.columns[at], table.name) for at, value in zip(places, values, strict=True)]
        except InvalidValue:
            return []
        order = key_order(tuple(wanted))
        alike = {row.rid for row in self._all(table) if key_order(tuple(row.values[at] for at in places)) == order}
        return [row.handle for row in self._all(table) if row.rid in alike] if alike else []

    def _all(self, table: Table) -> Iterator[Row]:
        """Yield all versions of a table's rows."""
        entries = ((key, held) for key, held in self._tree.prefix(rows_prefix(table)) if key[-1:] == BORN)
        for key, raw in self._tree.load_many(entries):
            yield row_of(table, key, raw)

    def empty_lines(self) -> list[str]:
        """Return lines without commits of their own that no name, line or row refers to."""
        found = self._unused()
        for table in self.tables_ever() if found else ():
            found -= {row.rid.line for row in self._all(table)}
        return sorted(found)

    def _unused(self) -> set[str]:
        records = dict(self._line_records())
        used = self._named() | {point.line for _, point, _ in self._pinned()}
        used |= {raw[:16].hex() for _, raw in self._tree.load_many(self._tree.prefix(TAG))}
        used |= {record.parent.hex() for record in records.values() if record.parent is not None}
        return {uid for uid, record in records.items() if not record.head and record.parent is not None} - used

    def identities(self, table: Table, handles: Sequence[int]) -> int:
        """Return how many rows these versions are versions of."""
        found: set[Rid] = set()
        for handle in handles:
            key = keys.version_of(handle)
            raw = self._tree.get(key)
            if raw is not None:
                found.add(row_of(table, key, raw).rid)
        return len(found)

    def stamp(self) -> object:
        """Return what changes with every new name, line, merge or lease."""
        return self._tree.get(META)
