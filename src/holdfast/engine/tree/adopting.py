"""Taking over what another store has, in the tree."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.points import Point
from holdfast.core.refs import MAIN
from holdfast.core.rows import Row
from holdfast.core.schema import Table
from holdfast.engine.adopting import Adopting, is_new, missing
from holdfast.engine.contract import Commit, Imprint, Line
from holdfast.engine.tree import keys
from holdfast.engine.tree.collect import Collecting
from holdfast.engine.tree.entries import unique_entries
from holdfast.engine.tree.keys import BRANCH, HASH, MERGE
from holdfast.engine.tree.records import CommitRecord, LineRecord, packed, version_record
from holdfast.errors import AlreadyExists


class TreeAdopting(Collecting, Adopting):
    """What a writer can adopt."""

    # Lines

    def adopt_line(self, line: Line) -> None:
        """Make a line as another store has it, but without commits; if it is there, let it be forked where that is."""
        known = self._tree.held(keys.head_key(line.uid)) is not None
        if line.parent is None:
            if not known:
                self._replace_first(line)
            return
        self._line_record(line.parent.line)
        record = self._line_record(line.uid) if known else self._new_line(line)
        record.parent, record.fork_n = keys.line_bytes(line.parent.line), line.parent.n
        if not record.head:
            record.head_hash = line.head_hash
        self._put_line(line.uid, record)

    def _new_line(self, line: Line) -> LineRecord:
        return LineRecord(self._count(lines=1), None, 0, 0, line.head_hash, 0)

    def _replace_first(self, line: Line) -> None:
        """Let another line be the first."""
        if not is_new(self):
            raise AlreadyExists("this store has something besides its first commit; name a new one")
        (first,) = self.lines()
        point = Point(first.uid, 0)
        gone = (BRANCH + MAIN.encode(), keys.head_key(first.uid), keys.commit_key(point), HASH + first.head_hash)
        for key in gone:
            self._draft.remove(key)
        self._put_line(line.uid, self._new_line(line))

    # Commits

    def _put_made(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        newest = self._newest(table)  # its UNIQUEs have entries, whatever they were then
        for row in rows:
            version = keys.version_key(table, keys.key_bytes(table, row.values, row.rid), point)
            self._draft.put(version, version_record(table, row.rid, point, row.values))
            self._draft.put(keys.touch_key(point, keys.BORN, version), b"")
            if newest.uniques:
                for entry in unique_entries(newest, version, self._row_at(newest, version).values):
                    self._draft.put(entry, b"")

    def _put_ended(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        for row in rows:
            version = self._version_of(table, row)
            if self._tree.held(version) is None:
                raise missing(table, point)
            self._put_end(version, point)

    @staticmethod
    def _version_of(table: Table, row: Row) -> bytes:
        """Return the key of a version that another store may have handed out."""
        return keys.version_key(table, keys.key_bytes(table, row.values, row.rid), row.born)

    def _drop_made(self, table: Table, rows: Sequence[Row]) -> None:
        for row in rows:
            self._drop_version(table, row)

    def _drop_ended(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        for row in rows:
            self._remove_end(self._version_of(table, row), point)

    def _put_imprint(self, imprint: Imprint) -> None:
        point = imprint.commit.point
        merges = [key for key, _ in self._tree.prefix(MERGE + keys.point_bytes(point))]
        for key in (*merges, *self._leaves(point)):
            self._draft.remove(key)
        self._put_commit(point, CommitRecord.of(imprint.commit))
        self._draft.put(HASH + imprint.commit.hash, keys.point_bytes(point))
        for line, n in imprint.merged:
            self._draft.put(MERGE + keys.point_bytes(point) + keys.line_bytes(line), n.to_bytes(8))
        for (table, rid), erasure in imprint.kept.items():
            self._draft.put(keys.leaf_key(point, table, rid), packed([erasure.leaf.mark, erasure.salt]))
        self._count()

    def _move_head(self, commit: Commit) -> None:
        # The epoch grows with what changes what older commits let one see; that it grows too often does no harm.
        record = self._line_record(commit.point.line)
        record.head, record.head_hash, record.epoch = commit.point.n, commit.hash, record.epoch + 1
        self._put_line(commit.point.line, record)
