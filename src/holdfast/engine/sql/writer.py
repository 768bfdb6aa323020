"""Writing: the open commit of a line, and what makes it a commit."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from holdfast.core.clock import Clock, Ids
from holdfast.core.hashing import CommitHeader, Leaf, changes_digest, leaf_of, texts_digest, texts_salt
from holdfast.core.points import Point, Rid
from holdfast.core.rows import Change, Resolution, Row, same
from holdfast.core.schema import Catalogue, Table
from holdfast.engine.contract import Commit, Line, Violation
from holdfast.engine.sql.collect import Collecting
from holdfast.engine.sql.expressions import translated
from holdfast.engine.sql.layout import cells, create_table, quoted, tombstones, versions
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Database, Parameters
from holdfast.engine.sql.views import (
    VID,
    command_views,
    delete_view,
    insert_view,
    rows_view,
    unique_query,
    update_view,
)
from holdfast.errors import AlreadyExists, BranchMoved, InvalidValue


class Counter:
    """What the triggers count.

    Attributes:
        ordinal: rows inserted by the open commit.
        touched: rows that the running statement inserted, updated or deleted.
        ended: whether the open commit updated or deleted any.
    """

    def __init__(self) -> None:
        self.ordinal = 0
        self.touched = 0
        self.ended = False

    def next_ordinal(self) -> int:
        """Number another inserted row."""
        self.ordinal += 1
        self.touched += 1
        return self.ordinal

    def count(self) -> None:
        """Note another row that was updated or deleted."""
        self.touched += 1
        self.ended = True


class SqlChanges(Collecting):
    """The writing half of the contract. Lives as long as the transaction it writes in."""

    def __init__(self, database: Database, names: Names, counter: Counter, clock: Clock, ids: Ids) -> None:
        super().__init__(database, names)
        self._counter = counter
        self._clock = clock
        self._ids = ids
        self._line: Line | None = None
        self._touched: dict[int, Table] = {}
        self._theirs: Point | None = None
        self._defined = False

    # Names and lines

    def create_line(self, uid: str, parent: Point) -> Line:
        """Fork a line at `parent`."""
        digest = self.commit(parent).hash
        parent_id = self._names.id_of(parent.line)
        self._db.rows(
            "INSERT INTO hf_line (uid, parent, fork_n, head_n, head_hash, epoch) VALUES (?, ?, ?, 0, ?, 0)",
            (uid, parent_id, parent.n, digest),
        )
        return self.line(uid)

    def point_branch(self, name: str, line: str, expect: str | None) -> None:
        """Let a branch name a line, if it names `expect` now."""
        now = self.branch(name)
        if (now.uid if now else None) != expect:
            raise BranchMoved(f"branch {name!r} was moved, deleted or created by somebody else; look again and retry")
        self._put_ref("branch", name, line, None)

    def delete_branch(self, name: str) -> None:
        """Forget a branch."""
        self._db.rows("DELETE FROM hf_ref WHERE kind = 'branch' AND name = ?", (name,))

    def put_tag(self, name: str, point: Point) -> None:
        """Let a tag name a point."""
        self._put_ref("tag", name, point.line, point.n)

    def delete_tag(self, name: str) -> None:
        """Forget a tag."""
        self._db.rows("DELETE FROM hf_ref WHERE kind = 'tag' AND name = ?", (name,))

    def _put_ref(self, kind: str, name: str, line: str, n: int | None) -> None:
        self._db.rows("INSERT OR REPLACE INTO hf_ref VALUES (?, ?, ?, ?)", (kind, name, self._names.id_of(line), n))

    # The open commit

    def open(self, line: Line) -> None:
        """Begin the next commit of a line."""
        now = line if line is self._last_line else self.line(line.uid)  # just read, under the lock
        if now != line:
            raise BranchMoved(
                f"the branch moved from {line.head_hash.hex()[:12]} to {now.head_hash.hex()[:12]} since it was read;"
                " nothing was written; read it again and retry"
            )
        self._line = line
        self._touched = {}
        self._theirs = None
        self._defined = False
        self._counter.ordinal = 0
        self._counter.ended = False

    @property
    def opened(self) -> Line:
        """The line of the open commit, as it is now."""
        assert self._line is not None, "open() comes first"
        return self._line

    def apply(self, table: Table, sql: str, parameters: Iterable[Parameters]) -> int:
        """Run an INSERT into a command view of `table` once for each of `parameters`; return the rows touched."""
        self._accept(table)
        self._touched[table.id] = table
        ordinal = self._counter.ordinal
        self._counter.touched = 0
        try:
            self._db.many(sql, parameters)
        except BaseException:
            self._counter.ordinal = ordinal  # the engine took back the statement; so must the count
            raise
        return self._counter.touched

    def _accept(self, table: Table) -> None:
        """Make the command views of a table, and the view of its rows that they check constraints against."""
        line = self.opened
        self._show(table, rows_view(table), line, versioned=True)
        signature = (table, line.uid)
        if self._names.views.get(insert_view(table)) != signature:
            for name, statements in command_views(table, self._names.id_of(line.uid)):
                self._replace_view(name, statements)
            self._names.views[insert_view(table)] = signature

    def insert(self, table: Table, values: Sequence[object]) -> None:
        """Add a row."""
        names = ", ".join(quoted(column.name) for column in table.columns)
        self.apply(table, f"INSERT INTO {insert_view(table)} ({names}) VALUES ({_marks(values)})", [tuple(values)])

    def update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row that the branch sees."""
        sql = f"INSERT INTO {update_view(table)} VALUES ({_marks(values, 1)})"
        self.apply(table, sql, [(row.handle, *values)])

    def delete(self, table: Table, row: Row) -> None:
        """Remove a row that the branch sees."""
        self.apply(table, f"INSERT INTO {delete_view(table)} VALUES (?)", [(row.handle,)])

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Undo what the block did if it raises."""
        before = self._counter.ordinal, self._defined, self._line, self._schema
        touched = dict(self._touched)
        self._db.rows("SAVEPOINT hf")
        try:
            yield
        except BaseException:
            if self._db.lost:
                raise  # there is nothing to go back to, and nothing of the transaction will be kept
            self._db.rows("ROLLBACK TO hf")
            self._db.rows("RELEASE hf")
            self._counter.ordinal, self._defined, self._line, self._schema = before
            self._touched = touched
            self._names.forget()  # temporary views are undone, too
            raise
        self._db.rows("RELEASE hf")

    def define(self, catalogue: Catalogue) -> None:
        """Make `catalogue` the schema of the store."""
        now = self.catalogue()
        if catalogue.version != now.version + 1:
            raise AlreadyExists(f"version {catalogue.version} of the schema is there already; read it again and retry")
        known = {table.id for table in now.tables}
        for table in catalogue.tables:
            if table.id not in known:
                for statement in create_table(table):
                    self._db.rows(statement)
        self._db.rows(
            "INSERT INTO hf_schema VALUES (?, ?, ?)", (catalogue.version, catalogue.digest(), catalogue.to_json())
        )
        self._bump_epoch()
        self._defined = True
        self._schema = catalogue.version

    def _bump_epoch(self) -> None:
        uid = self.opened.uid
        self._db.rows("UPDATE hf_line SET epoch = epoch + 1 WHERE uid = ?", (uid,))
        self._line = self.line(uid)

    # Merging

    def absorb(self, theirs: Point) -> None:
        """Make the open commit a merge: from it on the line sees all that `theirs` sees."""
        line = self.opened
        mine = self._local_vector(Point(line.uid, line.head))
        line_id = self._names.id_of(line.uid)
        for src, hi in self._local_vector(theirs).items():
            if mine.get(src, 0) < hi:
                self._db.rows("INSERT INTO hf_merge VALUES (?, ?, ?, ?)", (line_id, line.head + 1, src, hi))
        self._bump_epoch()
        self._theirs = theirs

    def settle(self, table: Table, resolution: Resolution) -> None:
        """Carry out what a merge decided for rows that both sides touched."""
        self._touched[table.id] = table
        line_id, n = self._names.id_of(self.opened.uid), self.opened.head + 1
        for row in resolution.ended:
            self._db.rows(f"INSERT INTO {tombstones(table)} VALUES (?, ?, ?)", (row.handle, line_id, n))
            self._db.rows(f"UPDATE {versions(table)} SET dead = 1 WHERE vid = ?", (row.handle,))
        columns = ", ".join(["rline", "rn", "rord", "line", "n", *cells(table)])
        for rid, values in resolution.fresh:
            who = rid or Rid(self.opened.uid, n, self._counter.next_ordinal())
            place = (self._names.id_of(who.line), who.n, who.ordinal, line_id, n)
            sql = f"INSERT INTO {versions(table)} ({columns}) VALUES ({_marks(values, 5)})"
            self._db.rows(sql, (*place, *values))

    def violations(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the constraints that these rows, as the open commit shows them, would break."""
        self._accept(table)
        checked = list(rows)
        found = [violation for row in checked for violation in self._broken_checks(table, row)]
        by_handle = {row.handle: row for row in checked}
        seen: set[frozenset[int]] = set()
        for names in table.uniques:
            for row in checked:
                same_values = frozenset(vid for (vid,) in self._db.rows(unique_query(table, names), (row.handle,)))
                if len(same_values) > 1 and row.handle in same_values and same_values not in seen:
                    seen.add(same_values)
                    others = tuple(by_handle.get(vid) or self._version(table, vid) for vid in sorted(same_values))
                    found.append(Violation(f"UNIQUE ({', '.join(names)})", others))
        return found

    def _broken_checks(self, table: Table, row: Row) -> Generator[Violation]:
        for check in table.checks:
            sql = f"SELECT 1 FROM {rows_view(table)} WHERE {quoted(VID)} = ? AND NOT ({translated(check.expression)})"
            if self._db.rows(sql, (row.handle,)):
                yield Violation(f"CHECK ({check.name or check.expression})", (row,))

    # Sealing

    def seal(self, message: str, metadata: str | None = None) -> Commit | None:
        """Finish the open commit and move the head. Without any net change there is no commit."""
        line, theirs = self.opened, self._theirs
        self._last_line = None
        point = Point(line.uid, line.head + 1)
        changes = [change for table in self._touched.values() for change in self._net_of(table, point)]
        self._line = None
        if not changes and theirs is None and not self._defined:
            return None
        parents = (line.head_hash,) if theirs is None else (line.head_hash, self.commit(theirs).hash)
        return self._write_commit(point, parents, changes, message, metadata)

    def _net_of(self, table: Table, point: Point) -> list[Change]:
        """Return the net changes of a table, after taking back rows that were changed and put back."""
        merge = self._theirs is not None
        changes = self.net(table, point, merge=merge, ended=self._counter.ended or merge)
        for change in changes:
            _check_texts(change)
        if merge:
            return changes
        unchanged = [change for change in changes if _is_same(change)]
        for change in unchanged:
            assert change.before is not None
            assert change.after is not None
            self._db.rows(f"DELETE FROM {versions(table)} WHERE vid = ?", (change.after.handle,))
            own_tombstone = (change.before.handle, self._names.id_of(point.line))
            self._db.rows(f"DELETE FROM {tombstones(table)} WHERE vid = ? AND line = ?", own_tombstone)
        return [change for change in changes if not _is_same(change)] if unchanged else changes

    def _write_commit(
        self, point: Point, parents: tuple[bytes, ...], changes: list[Change], message: str, metadata: str | None
    ) -> Commit:
        salt, at_us, catalogue = self._ids.salt(), self._clock.now_us(), self.catalogue()
        leaves: list[Leaf] = [leaf_of(change, salt) for change in changes]
        digest, schema = changes_digest(leaves), self._names.schema_digest(catalogue)
        header = CommitHeader(point, parents, at_us, texts_digest(texts_salt(salt), message, metadata), schema, digest)
        commit = Commit(point, header.hash(), parents, at_us, message, metadata, catalogue.version, salt, digest)
        line_id = self._names.id_of(point.line)
        self._db.rows(
            "INSERT INTO hf_commit (line, n, hash, parent, parent2, at, message, metadata, schema, salt, changes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                line_id,
                point.n,
                commit.hash,
                *(*parents, None, None)[:2],
                at_us,
                message,
                metadata,
                catalogue.version,
                salt,
                digest,
            ),
        )
        self._db.rows("UPDATE hf_line SET head_n = ?, head_hash = ? WHERE id = ?", (point.n, commit.hash, line_id))
        return commit

    def create_store(self, branch: str) -> None:
        """Write the first line and its first commit, the one that has no parent."""
        uid = self._ids.line_uid()
        self._db.rows("INSERT INTO hf_line (uid, head_n, head_hash, epoch) VALUES (?, 0, x'', 0)", (uid,))
        self._db.rows("INSERT INTO hf_schema VALUES (0, ?, ?)", (Catalogue().digest(), Catalogue().to_json()))
        self._write_commit(Point(uid, 0), (), [], "store created", None)
        self._put_ref("branch", branch, uid, None)


def _check_texts(change: Change) -> None:
    """Refuse the text that SQL computed with a NUL in it, which no other engine could keep."""
    for at, value in enumerate(change.after.values if change.after else ()):
        if isinstance(value, str) and "\0" in value:
            name = f"{change.table.name}.{change.table.columns[at].name}"
            raise InvalidValue(f"{name}: text with a NUL character cannot be stored; use BLOB")


def _is_same(change: Change) -> bool:
    before, after = change.before, change.after
    return before is not None and after is not None and all(map(same, before.values, after.values))


def _marks(values: Sequence[object], more: int = 0) -> str:
    return ", ".join("?" * (len(values) + more))
