"""Writing: the open commit of a line, and what makes it a commit."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast.core.clock import Clock, Ids
from holdfast.core.limits import COMMIT_ROWS_MAX
from holdfast.core.points import Point, Rid
from holdfast.core.rows import Change, Resolution, Row
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.engine.cells import fit
from holdfast.engine.checks import refuse_unsupported
from holdfast.engine.contract import Commit, Line, Lookups
from holdfast.engine.net import Said, check_follows, check_texts, commit_of, is_same
from holdfast.engine.tree import keys
from holdfast.engine.tree.adopting import TreeAdopting
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.entries import unique_entries
from holdfast.engine.tree.keys import BRANCH, HASH, MERGE, SCHEMA, TAG
from holdfast.engine.tree.records import CommitRecord, LineRecord, packed
from holdfast.engine.tree.tree import beyond
from holdfast.errors import AlreadyExists, BranchMoved, ValueTooLarge


class TreeChanges(TreeAdopting):
    """The writing half of the contract. What it does is in a draft, until the session publishes that."""

    def __init__(self, draft: Draft, catalogues: dict[bytes, Catalogue], clock: Clock, ids: Ids) -> None:
        super().__init__(draft, catalogues)
        self._clock = clock
        self._ids = ids
        self._touched: dict[int, Table] = {}
        self._theirs: Point | None = None
        self._defined = False
        self._rows_touched: int = 0
        self._ordinal: int = 0

    # Names and lines

    def hold(self, name: str) -> None:
        """Do nothing: writers take turns."""

    def expect(self, lookups: Lookups) -> None:
        """Do nothing: it is in memory, or on its way there."""

    def create_line(self, uid: str, parent: Point) -> Line:
        """Fork a line at `parent`."""
        if self._tree.held(keys.head_key(uid)) is not None:
            raise AlreadyExists(f"there is a line {uid} already; lines are named by fresh random numbers")
        self._line_record(parent.line)
        record = LineRecord(
            self._count(lines=1), keys.line_bytes(parent.line), parent.n, 0, self.commit(parent).hash, 0
        )
        self._put_line(uid, record)
        return record.line(uid)

    def point_branch(self, name: str, line: str, expect: str | None) -> None:
        """Let a branch name a line, if it names `expect` now."""
        now = self.branch(name)
        if (now.uid if now else None) != expect:
            raise BranchMoved(f"branch {name!r} was moved, deleted or created by somebody else; look again and retry")
        self._count()
        self._draft.put(BRANCH + name.encode(), keys.line_bytes(line))

    def delete_branch(self, name: str) -> None:
        """Forget a branch."""
        self._count()
        self._draft.remove(BRANCH + name.encode())

    def put_tag(self, name: str, point: Point) -> None:
        """Let a tag name a point."""
        self._count()
        self._draft.put(TAG + name.encode(), keys.point_bytes(point))

    def delete_tag(self, name: str) -> None:
        """Forget a tag."""
        self._count()
        self._draft.remove(TAG + name.encode())

    # The open commit

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Undo what the block did if it raises."""
        mark, touched = self._draft.mark(), dict(self._touched)
        before: tuple[Any, ...] = (
            self._line,
            self._schema,
            self._theirs,
            self._defined,
            self._rows_touched,
            self._ordinal,
        )
        try:
            yield
        except BaseException:
            self._draft.undo(mark)
            self._line, self._schema, self._theirs, self._defined, self._rows_touched, self._ordinal = before
            self._touched, self._seen = touched, None
            raise

    def open(self, line: Line) -> None:
        """Begin the next commit of a line."""
        now = self.line(line.uid)
        if now != line:
            raise BranchMoved(
                f"the branch moved from {line.head_hash.hex()[:12]} to {now.head_hash.hex()[:12]} since it was read;"
                " nothing was written; read it again and retry"
            )
        self._line, self._seen = line, None
        self._touched = {}
        self._theirs = None
        self._defined = False
        self._rows_touched = self._ordinal = 0

    @property
    def _next(self) -> Point:
        """The commit that is open."""
        return Point(self.opened.uid, self.opened.head + 1)

    def find(self, table: Table, key: Key) -> Row | None:
        """Return the row of a primary key as the open commit shows it, or None."""
        return next(iter(self.rows(table, self.vector(self._next), [key])), None)

    def insert(self, table: Table, values: Sequence[object]) -> None:
        """Add a row."""
        cells = fit(table, self._numbered(table, values))
        self._refuse(table, cells, None)
        self._touch(table)
        self._ordinal += 1
        point = self._next
        self._put_version(table, Rid(*point, self._ordinal), point, cells)

    def update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row that the branch sees."""
        cells, version, point = fit(table, values), keys.version_of(row.handle), self._next
        self._refuse(table, cells, row)
        self._touch(table)
        if row.born == point:  # seen by no one: it is changed in place
            self._remove_version(table, self._row_at(table, version))
        else:
            self._put_end(version, point)
        self._put_version(table, row.rid, point, cells)

    def delete(self, table: Table, row: Row) -> None:
        """Remove a row that the branch sees."""
        self._touch(table)
        version = keys.version_of(row.handle)
        if row.born == self._next:
            self._remove_version(table, self._row_at(table, version))
        else:
            self._put_end(version, self._next)

    def _touch(self, table: Table) -> None:
        self._rows_touched += 1
        if self._rows_touched > COMMIT_ROWS_MAX:
            raise ValueTooLarge(f"a commit touches more than {COMMIT_ROWS_MAX} rows; make several of it")
        self._touched[table.id] = table

    def _numbered(self, table: Table, values: Sequence[object]) -> Sequence[object]:
        """Return the values with the next number where a key that is numbered is NULL.

        The next after the largest of any branch, so that branches which are merged later do not collide.
        """
        if not table.numbered:
            return values
        (at,) = table.positions(table.primary_key)
        if values[at] is not None:
            return values
        rows = keys.rows_prefix(table)
        newest = self._tree.last(rows, beyond(rows))
        largest = 0 if newest is None else self._row_at(table, self._version_about(table, newest)).values[at]
        assert isinstance(largest, int), "the keys of a numbered table are whole numbers"
        return [*values[:at], largest + 1, *values[at + 1 :]]

    @staticmethod
    def _version_about(table: Table, key: bytes) -> bytes:  # noqa: ARG004
        return key if key[-1:] == keys.BORN else keys.end_of(key)[0]

    def define(self, catalogue: Catalogue) -> None:
        """Make `catalogue` the schema of the store."""
        now = self.catalogue()
        check_follows(now, catalogue)
        refuse_unsupported(catalogue)
        self.refuse_broken(now, catalogue)
        self._put_catalogue(now, catalogue)
        self._bump_epoch()
        self._defined = True

    def adopt_catalogues(self, catalogues: Sequence[Catalogue]) -> None:
        """Write the versions of the schema that follow the present one."""
        for newest in catalogues[-1:]:  # what was dropped since needs nothing
            refuse_unsupported(newest)
        for catalogue in catalogues:
            self._put_catalogue(self.catalogue(), catalogue)
        self._tables_known = None

    def _put_catalogue(self, now: Catalogue, catalogue: Catalogue) -> None:
        """Write the next version of the schema, and the entries that its tables need."""
        check_follows(now, catalogue)
        for table in catalogue.tables:
            self._index(now.table(table.id), table)
        entry = packed([catalogue.digest(), catalogue.to_json()])
        self._draft.put(SCHEMA + catalogue.version.to_bytes(8), entry)
        self._schema = catalogue.version
        self._versions.pop(catalogue.version, None)

    def _index(self, before: Table | None, table: Table) -> None:
        """Write the entries by which rows are found for a UNIQUE that is new, and remove those of one that is gone."""
        if before is None:
            return
        old = {before.ids(names) for names in before.uniques}
        new = {table.ids(names) for names in table.uniques}
        for columns in sorted(old - new):
            for key in [key for key, _ in self._tree.prefix(keys.unique_prefix(table, columns))]:
                self._draft.remove(key)
        for row in self._all(table) if new - old else ():
            for entry in unique_entries(table, keys.version_of(row.handle), row.values):
                self._draft.put(entry, b"")

    def _bump_epoch(self) -> None:
        uid = self.opened.uid
        record = self._line_record(uid)
        record.epoch += 1
        self._put_line(uid, record)
        self._line, self._seen = record.line(uid), None

    # Merging

    def absorb(self, theirs: Point) -> None:
        """Make the open commit a merge: from it on the line sees all that `theirs` sees."""
        line = self.opened
        mine = self.vector(Point(line.uid, line.head))
        for source, n in self._listed(self.vector(theirs)).items():
            if mine.get(source, 0) < n:
                self._draft.put(MERGE + keys.point_bytes(self._next) + keys.line_bytes(source), n.to_bytes(8))
        self._count()
        self._bump_epoch()
        self._theirs = theirs

    def settle(self, table: Table, resolution: Resolution) -> None:
        """Carry out what was decided for rows that both sides touched."""
        self._touched[table.id] = table
        point = self._next
        for row in resolution.ended:
            self._put_end(keys.version_of(row.handle), point)
        for rid, values in resolution.fresh:
            if rid is None:
                self._ordinal += 1
            self._put_version(table, rid or Rid(*point, self._ordinal), point, fit(table, values))

    # Sealing

    def seal(self, message: str, metadata: str | None = None) -> Commit | None:
        """Finish the open commit and move the head. Without any net change there is no commit."""
        line, theirs, point = self.opened, self._theirs, self._next
        now = [table for table in map(self.catalogue().table, self._touched) if table]  # some are changed, or dropped
        changes = [change for table in now for change in self._net_of(table, point)]
        self._line = self._seen = None
        if not changes and theirs is None and not self._defined:
            return None
        parents = (line.head_hash,) if theirs is None else (line.head_hash, self.commit(theirs).hash)
        return self._write_commit(point, parents, changes, message, metadata)

    def _net_of(self, table: Table, point: Point) -> list[Change]:
        """Return the net changes of a table, after taking back rows that were changed and put back."""
        merge = self._theirs is not None
        changes = self.net(table, point, merge=merge)
        for change in changes:
            check_texts(change)
        if merge:
            return changes
        for change in changes:
            if is_same(change):
                assert change.before is not None
                assert change.after is not None
                self._remove_version(table, change.after)
                self._remove_end(keys.version_of(change.before.handle), point)
        return [change for change in changes if not is_same(change)]

    def _write_commit(
        self, point: Point, parents: tuple[bytes, ...], changes: list[Change], message: str, metadata: str | None
    ) -> Commit:
        catalogue = self.catalogue()
        said = Said(self._ids.salt(), self._clock.now_us(), message, metadata)
        commit = commit_of(point, parents, changes, (catalogue.version, self._schema_digest(catalogue)), said)
        self._put_commit(point, CommitRecord.of(commit))
        self._draft.put(HASH + commit.hash, keys.point_bytes(point))
        record = self._line_record(point.line)
        record.head, record.head_hash = point.n, commit.hash
        self._put_line(point.line, record)
        return commit

    def _schema_digest(self, catalogue: Catalogue) -> bytes:
        known = next((digest for digest, other in self._catalogues.items() if other is catalogue), None)
        return known or catalogue.digest()

    def create_store(self, branch: str) -> None:
        """Write the first line and its first commit, the one that has no parent."""
        uid = self._ids.line_uid()
        self._put_line(uid, LineRecord(self._count(lines=1), None, 0, 0, b"", 0))
        self._draft.put(SCHEMA + (0).to_bytes(8), packed([Catalogue().digest(), Catalogue().to_json()]))
        self._write_commit(Point(uid, 0), (), [], "store created", None)
        self.point_branch(branch, uid, None)
