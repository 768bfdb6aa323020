"""Writing: the open commit of a line, and what makes it a commit."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager

from holdfast.core.canonical import json_text
from holdfast.core.clock import Clock, Ids
from holdfast.core.limits import COMMIT_ROWS_MAX
from holdfast.core.points import Point, Rid
from holdfast.core.rows import Change, Resolution, Row
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.engine.contract import Commit, Line, Lookups
from holdfast.engine.net import Said, check_follows, check_texts, commit_of, is_same
from holdfast.engine.sql.adopting import SqlAdopting
from holdfast.engine.sql.constraints import ConstraintChecks
from holdfast.engine.sql.definitions import reshaped
from holdfast.engine.sql.layout import CHANGED_TABLES, insert_version, tombstones, versions
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Database, Parameters
from holdfast.engine.sql.references import Notes, Settlement, ViewedRows
from holdfast.engine.sql.refs import put_ref
from holdfast.engine.sql.views import (
    HEAD,
    HERE_LISTING,
    NEWEST_FIRST,
    Command,
    Related,
    command_views,
    insert_view,
    select_view,
)
from holdfast.errors import BranchMoved, ValueTooLarge

PUT_ENTRY = "INSERT INTO hf_entry VALUES (?, ?, ?) ON CONFLICT (register, key) DO UPDATE SET value = excluded.value"
REMOVE_ENTRY = "DELETE FROM hf_entry WHERE register = ? AND key = ?"

_HERE = "here"
"""Stands for the line in what is remembered of the views of a connection that writes for many."""


class Counter:
    """What the triggers count.

    Attributes:
        ordinal: rows inserted by the open commit.
        touched: rows that the running statement inserted, updated or deleted.
        ended: the tables, by their ids, of which the open commit updated or deleted any.
        gathered: of a statement with RETURNING, what it touched: the ordinals of new rows below zero, and the versions
            that were there of the others.
        notes: what the running statement may have broken of foreign keys.
    """

    def __init__(self) -> None:
        self.ordinal = 0
        self.touched = 0
        self.ended: set[int] = set()
        self.gathered: list[int] | None = None
        self.notes = Notes()

    def next_ordinal(self) -> int:
        """Number another inserted row."""
        self.ordinal += 1
        self.touched += 1
        if self.gathered is not None:
            self.gathered.append(-self.ordinal)
        return self.ordinal

    def count(self, vid: int, table: int) -> None:
        """Note another row of a table that was updated or deleted, by the version that was there."""
        self.touched += 1
        self.ended.add(table)
        if self.gathered is not None:
            self.gathered.append(vid)


class SqlChanges(ConstraintChecks, SqlAdopting):
    """The writing half of the contract. Lives as long as the transaction it writes in."""

    def __init__(self, database: Database, names: Names, counter: Counter, clock: Clock, ids: Ids) -> None:
        super().__init__(database, names)
        self._counter = counter
        self._clock = clock
        self._ids = ids
        self._touched: dict[int, Table] = {}
        self._theirs: Point | None = None
        self._defined = False
        self._rows_touched = 0
        self._finders: dict[tuple[int, int], tuple[str, list[object]]] = {}
        self._seen: Mapping[int, int] | None = None
        self._seen_sealed = False

    # Names and lines

    def hold(self, name: str) -> None:
        """Do nothing: whoever writes to a file is alone."""

    def expect(self, lookups: Lookups) -> None:
        """Do nothing: a file is near."""

    def create_line(self, uid: str, parent: Point) -> Line:
        """Fork a line at `parent`."""
        digest = self.commit(parent).hash
        parent_id = self._names.id_of(parent.line)
        self._db.rows(
            "INSERT INTO hf_line (uid, parent, fork_n, head_n, head_hash, epoch) VALUES (?, ?, ?, 0, ?, 0)",
            (uid, parent_id, parent.n, digest),
        )
        self._made += 1
        return Line(uid, parent, 0, digest, 0)

    def point_branch(self, name: str, line: str, expect: str | None) -> None:
        """Let a branch name a line, if it names `expect` now."""
        now = self.branch(name)
        if (now.uid if now else None) != expect:
            raise BranchMoved(f"branch {name!r} was moved, deleted or created by somebody else; look again and retry")
        self._put_ref("branch", name, line, None)

    def delete_branch(self, name: str) -> None:
        """Forget a branch."""
        self._remove_ref("branch", name)

    def put_tag(self, name: str, point: Point) -> None:
        """Let a tag name a point."""
        self._put_ref("tag", name, point.line, point.n)

    def delete_tag(self, name: str) -> None:
        """Forget a tag."""
        self._remove_ref("tag", name)

    def _put_ref(self, kind: str, name: str, line: str, n: int | None) -> None:
        put_ref(self._db, kind, name, (self._names.id_of(line), line), n)

    # Registers

    def put_entry(self, register: str, key: str, value: bytes) -> None:
        """Let an entry of a register have a value."""
        self._db.rows(PUT_ENTRY, (register, key, value))

    def remove_entry(self, register: str, key: str) -> None:
        """Remove an entry of a register, if it is there."""
        self._db.rows(REMOVE_ENTRY, (register, key))

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
        self._names.searches.opened(line)
        self._touched = {}
        self._theirs = None
        self._defined = False
        self._rows_touched = 0
        self._counter.ordinal = 0
        self._counter.ended.clear()
        self._sees_anew()

    def apply(self, table: Table, sql: str, parameters: Iterable[Parameters], command: Command | None = None) -> int:
        """Run an INSERT into a command view of `table` once for each of `parameters`; return the rows touched."""
        related = self._write_to(table)
        if command is not None:
            self._make(table, command)
        if related:
            return self._apply_each(sql, parameters)
        ordinal = self._counter.ordinal
        self._counter.touched = 0
        try:
            self._db.many(sql, parameters)
        except BaseException:
            self._counter.ordinal = ordinal  # the engine took back the statement; so must the count
            raise
        self._rows_touched += self._counter.touched
        if self._rows_touched > COMMIT_ROWS_MAX:
            raise ValueTooLarge(f"a commit touches more than {COMMIT_ROWS_MAX} rows; make several of it")
        return self._counter.touched

    def prepare(self, table: Table) -> None:
        """Make the views that writes of a table, and what they read of it, go by."""
        self._accept(table)

    def gather(self, table: Table, sql: str, parameters: Parameters, command: Command | None = None) -> list[int]:
        """Run an INSERT into a command view once; return the versions that are there now, in the order of touching."""
        gathered: list[int] = []
        self._counter.gathered = gathered
        try:
            self.apply(table, sql, [parameters], command)
        finally:
            self._counter.gathered = None
        return self._versions_of(table, gathered)

    def _versions_of(self, table: Table, gathered: list[int]) -> list[int]:
        line_id, n = self._names.id_of(self.opened.uid), self.opened.head + 1
        rids = "SELECT rline, rn, rord, vid FROM main"
        born = self._db.rows(f"{rids}.{versions(table)} WHERE line = ? AND n = ?", (line_id, n))
        now = {rid: vid for *rid_parts, vid in born for rid in [tuple(rid_parts)]}
        there = json_text([vid for vid in gathered if vid > 0], "versions")
        sql = f"{rids}.{versions(table)} WHERE vid IN (SELECT value FROM json_each(?))"
        before = {vid: tuple(rid_parts) for *rid_parts, vid in self._db.rows(sql, (there,))}
        found = [(line_id, n, -entry) if entry < 0 else before.get(entry) for entry in gathered]
        return list(dict.fromkeys(now[rid] for rid in found if rid in now))

    def _make(self, table: Table, command: Command) -> None:
        """Make the command view of one statement; it goes by the names of the others, whichever line they are for."""
        signature = (table, command)
        if self._names.views.get(command.name) != signature:
            self._replace_view(command.name, command.statements())
            self._names.keep(self._names.views, command.name, signature)

    def _apply_each(self, sql: str, parameters: Iterable[Parameters]) -> int:
        """Run the statement for each of `parameters`, with what foreign keys ask for at the end of each."""
        touched = 0
        self._counter.notes.take()
        with self.savepoint():
            for given in parameters:
                self._counter.touched = 0
                self._db.many(sql, [given])
                touched += self._counter.touched
                if self._counter.notes.taken:
                    Settlement(ViewedRows(self._db), self.catalogue(), self._counter.notes, self._write_to).settle()
        return touched

    def _write_to(self, table: Table) -> Related:
        """Get a table ready to be written by the open commit; return what is related to it."""
        self._touched[table.id] = table
        return self._accept(table)

    def _accept(self, table: Table) -> Related:
        """Make the command views of a table, and the views of rows that they check constraints against."""
        line, names = self.opened, self._names
        here: tuple[object, ...] = (line.uid, line.epoch)
        if names.shared:
            self._stand_here()
            here = (_HERE, self._any_sealed)
        known = names.ready_for(here).get(table.id)
        if known is not None and known[0] is table:
            return known[1]
        related = self._show_rows(table)
        signature = (table, related, _HERE if names.shared else line.uid)
        if names.views.get(insert_view(table)) != signature:
            for name, statements in command_views(table, related, None if names.shared else names.id_of(line.uid)):
                self._replace_view(name, statements)
            names.keep(names.views, insert_view(table), signature)
        names.ready_for(here)[table.id] = (table, related)
        return related

    def show(self, table: Table, alias: str, at: Line | Point, *, versioned: bool = False) -> None:
        """Let `alias` name `table` as seen from a point or from the head of a line; with "hf:vid" if `versioned`."""
        if not self._names.shared or at != self._line:
            super().show(table, alias, at, versioned=versioned)
            return
        self._stand_here()
        sealed = self._any_sealed
        signature = (table, versioned, sealed, _HERE)
        if self._names.views.get(alias) != signature:
            view = select_view(alias, table, {}, HERE_LISTING, versioned=versioned, sealed=sealed)
            self._replace_view(alias, [view])
            self._names.keep(self._names.views, alias, signature)

    def _stand_here(self) -> None:
        """Let temp.hf_here say what is written, and seen, by the open commit."""
        line, names = self.opened, self._names
        here = (line.uid, line.head, line.epoch)
        if names.here == here:
            return
        number = names.lines_seen.get((line.uid, line.epoch))
        if number is None:
            number = self._numbered(self._local_vector(Point(line.uid, HEAD)))
            names.keep(names.lines_seen, (line.uid, line.epoch), number)
        self._db.rows(
            "UPDATE temp.hf_here SET line = ?, n = ?, vec = ?", (names.id_of(line.uid), line.head + 1, number)
        )
        names.here = here

    def find(self, table: Table, key: Key) -> Row | None:
        """Return the row of a primary key as the open commit shows it, or None."""
        sql, numbers = self._finders.get((table.id, len(key))) or self._finder(table, len(key))
        return next(map(self._row, self._db.rows(f"{sql}{NEWEST_FIRST}", [*numbers, *key])), None)

    def _finder(self, table: Table, key_parts: int) -> tuple[str, list[object]]:
        """Return the query for rows whose keys begin so as the open commit sees them, made once for each table."""
        if self._seen is None:
            self._seen, self._seen_sealed = self._seen_from(self.opened)
        made = self._seen_rows(table, self._seen, key_parts, sealed=self._seen_sealed)
        self._finders[table.id, key_parts] = made
        return made

    def _seen_from(self, line: Line) -> tuple[Mapping[int, int], bool]:
        """Return what is seen from the head of a line, the open commit included, and whether trunks imply the rest."""
        return self._local_vector(Point(line.uid, HEAD)), self._any_sealed

    def _sees_anew(self) -> None:
        """Forget what the open commit sees: it is another one, or merged something."""
        self._finders.clear()
        self._seen = None

    def insert(self, table: Table, values: Sequence[object]) -> None:
        """Add a row."""
        self.apply(table, self._names.texts_of(table).insert, [tuple(values)])

    def update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row that the branch sees."""
        self.apply(table, self._names.texts_of(table).update, [(row.handle, *values)])

    def delete(self, table: Table, row: Row) -> None:
        """Remove a row that the branch sees."""
        self.apply(table, self._names.texts_of(table).delete, [(row.handle,)])

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Undo what the block did if it raises."""
        before = self._counter.ordinal, self._defined, self._line, self._schema, self._rows_touched
        touched, mark, made = dict(self._touched), self._names.mark(), self._made
        savepoint = self._db.savepoint()
        try:
            yield
            self._db.settle()
        except BaseException:
            if self._db.lost:
                raise  # there is nothing to go back to, and nothing of the transaction will be kept
            self._db.undo(savepoint)
            self._counter.ordinal, self._defined, self._line, self._schema, self._rows_touched = before
            self._touched = touched
            self._sees_anew()
            if made == self._made:
                self._names.undo(mark)  # temporary views are undone, too
            else:
                self._names.forget()
            raise
        self._db.release(savepoint)

    def define(self, catalogue: Catalogue) -> None:
        """Make `catalogue` the schema of the store."""
        now = self.catalogue()
        self._put_catalogue(now, catalogue)
        self.refuse_broken(now, catalogue)
        self._bump_epoch()
        self._defined = True

    def adopt_catalogues(self, catalogues: Sequence[Catalogue]) -> None:
        """Write the versions of the schema that follow the present one."""
        for catalogue in catalogues:
            self._put_catalogue(self.catalogue(), catalogue)
        self._tables_known = None

    def _put_catalogue(self, now: Catalogue, catalogue: Catalogue) -> None:
        """Write the next version of the schema, and give its tables on disk what they need."""
        check_follows(now, catalogue)
        for table in catalogue.tables:
            for statement in self._reshaped(now.table(table.id), table):
                self._db.rows(statement)
        text = catalogue.to_json()
        self._db.rows("INSERT INTO hf_schema VALUES (?, ?, ?)", (catalogue.version, catalogue.digest(), text))
        if catalogue.has_additions:
            self._db.rows(
                "UPDATE hf_meta SET value = ? WHERE key = 'features'", (json_text([CHANGED_TABLES], "features"),)
            )
        self._made += 1
        self._schema = catalogue.version

    def _reshaped(self, before: Table | None, table: Table) -> list[str]:
        """Return the statements that give a table on disk what a new version of it needs."""
        return reshaped(before, table, self._index_names(table))

    def _index_names(self, table: Table) -> dict[tuple[str, ...], str]:
        """Return the names of a table's indexes on disk, by their columns."""
        found: dict[str, list[str]] = {}
        for index, column in self._db.rows(
            "SELECT l.name, i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i"
            " ORDER BY l.seq, i.seqno",
            (versions(table),),
        ):
            found.setdefault(index, []).append(column)
        return {tuple(columns): index for index, columns in found.items()}

    def _bump_epoch(self) -> None:
        uid = self.opened.uid
        self._sees_anew()
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
        """Carry out what was decided for rows that both sides touched."""
        self._touched[table.id] = table
        if resolution.ended:
            self._counter.ended.add(table.id)
        line_id, n = self._names.id_of(self.opened.uid), self.opened.head + 1
        for row in resolution.ended:
            self._end_version(table, row.handle, (line_id, n))
        sql = insert_version(table)
        for rid, values in resolution.fresh:
            who = rid or Rid(self.opened.uid, n, self._counter.next_ordinal())
            place = (self._names.id_of(who.line), who.n, who.ordinal, line_id, n)
            self._db.rows(sql, (*place, *values))

    def _end_version(self, table: Table, vid: int, place: tuple[int, int]) -> None:
        """End a version for whoever sees a commit (the id of a line, n)."""
        self._db.rows(f"INSERT INTO {tombstones(table)} VALUES (?, ?, ?)", (vid, *place))
        self._db.rows(f"UPDATE {versions(table)} SET dead = 1 WHERE vid = ?", (vid,))

    # Sealing

    def seal(self, message: str, metadata: str | None = None) -> Commit | None:
        """Finish the open commit and move the head. Without any net change there is no commit."""
        line, theirs = self.opened, self._theirs
        self._last_line = None
        point = Point(line.uid, line.head + 1)
        now = [table for table in map(self.catalogue().table, self._touched) if table]  # some are changed, or dropped
        changes = [change for table in now for change in self._net_of(table, point)]
        self._line = None
        if not changes and theirs is None and not self._defined:
            return None
        parents = (line.head_hash,) if theirs is None else (line.head_hash, self.commit(theirs).hash)
        return self._write_commit(point, parents, changes, message, metadata)

    def _net_of(self, table: Table, point: Point) -> list[Change]:
        """Return the net changes of a table, after taking back rows that were changed and put back."""
        merge = self._theirs is not None
        changes = self.net(table, point, merge=merge, ended=merge or self._has_ended(table))
        for change in changes:
            check_texts(change)
        if merge:
            return changes
        unchanged = [change for change in changes if is_same(change)]
        for change in unchanged:
            self._take_back(change)
        return [change for change in changes if not is_same(change)] if unchanged else changes

    def _has_ended(self, table: Table) -> bool:
        """Tell whether the open commit may have ended a version of a table."""
        return table.id in self._counter.ended

    def _take_back(self, change: Change) -> None:
        """Remove the version that came of changing a row and putting it back, and the end of the one before."""
        assert change.before is not None
        assert change.after is not None
        self._db.rows(f"DELETE FROM {versions(change.table)} WHERE vid = ?", (change.after.handle,))
        own_tombstone = (change.before.handle, self._names.id_of(change.after.born.line))
        self._db.rows(f"DELETE FROM {tombstones(change.table)} WHERE vid = ? AND line = ?", own_tombstone)

    def _write_commit(
        self, point: Point, parents: tuple[bytes, ...], changes: list[Change], message: str, metadata: str | None
    ) -> Commit:
        said = Said(self._ids.salt(), self._clock.now_us(), message, metadata)
        catalogue = self.catalogue()
        schema = catalogue.version, self._names.schema_digest(catalogue)
        commit = commit_of(point, parents, changes, schema, said)
        self._put_commit(commit, new=True)
        line_id, n = self._place(point)
        self._db.later("UPDATE hf_line SET head_n = ?, head_hash = ? WHERE id = ?", (n, commit.hash, line_id))
        return commit

    def create_store(self, branch: str) -> None:
        """Write the first line and its first commit, the one that has no parent."""
        uid = self._ids.line_uid()
        self._db.rows("INSERT INTO hf_line (uid, head_n, head_hash, epoch) VALUES (?, 0, ?, 0)", (uid, b""))
        self._db.rows("INSERT INTO hf_schema VALUES (0, ?, ?)", (Catalogue().digest(), Catalogue().to_json()))
        self._write_commit(Point(uid, 0), (), [], "store created", None)
        self._put_ref("branch", branch, uid, None)
