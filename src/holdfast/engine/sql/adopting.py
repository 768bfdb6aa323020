"""Taking over what another store has, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.points import Point
from holdfast.core.refs import MAIN
from holdfast.core.rows import Row, key_of
from holdfast.core.schema import Table
from holdfast.core.types import Stored
from holdfast.engine.adopting import Adopting, is_new, missing
from holdfast.engine.contract import Commit, Imprint, Line
from holdfast.engine.sql.collect import Collecting
from holdfast.engine.sql.layout import insert_version, key_cells, tombstones, versions
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Database
from holdfast.engine.sql.refs import remove_ref
from holdfast.errors import AlreadyExists

_COMMIT_COLUMNS = (
    "line", "n", "hash", "parent", "parent2", "at", "message", "metadata", "schema", "salt", "changes", "pruned"
)  # fmt: skip
_NEW_COMMIT = f"INSERT INTO hf_commit ({', '.join(_COMMIT_COLUMNS)}) VALUES ({', '.join('?' * len(_COMMIT_COLUMNS))})"
_PUT_COMMIT = (
    f"{_NEW_COMMIT} ON CONFLICT (line, n) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in _COMMIT_COLUMNS[2:])}"
)


class SqlAdopting(Collecting, Adopting):
    """What a writer can adopt."""

    def __init__(self, database: Database, names: Names) -> None:
        super().__init__(database, names)
        self._made: int = 0  # lines and versions of the schema, whose ids a savepoint takes back

    # Lines

    def adopt_line(self, line: Line) -> None:
        """Make a line as another store has it, but without commits; if it is there, let it be forked where that is."""
        found = self._db.rows("SELECT id FROM hf_line WHERE uid = ?", (line.uid,))
        if line.parent is None:
            if not found:
                self._replace_first(line)
            return
        fork = self._names.id_of(line.parent.line), line.parent.n
        if found:
            sql = "UPDATE hf_line SET parent = ?, fork_n = ? WHERE uid = ?"
            self._db.rows(sql, (*fork, line.uid))
            self._db.rows("UPDATE hf_line SET head_hash = ? WHERE uid = ? AND head_n = 0", (line.head_hash, line.uid))
            self._names.forget_line(line.uid)
            return
        sql = "INSERT INTO hf_line (uid, parent, fork_n, head_n, head_hash, epoch) VALUES (?, ?, ?, 0, ?, 0)"
        self._db.rows(sql, (line.uid, *fork, line.head_hash))
        self._made += 1

    def _replace_first(self, line: Line) -> None:
        """Let another line be the first. It gets an id of its own: connections remember which line an id is."""
        if not is_new(self):
            raise AlreadyExists("this store has something besides its first commit; name a new one")
        ((first, uid),) = self._db.rows("SELECT id, uid FROM hf_line")
        self._remove_ref("branch", MAIN)
        sql = "INSERT INTO hf_line (uid, head_n, head_hash, epoch) VALUES (?, 0, ?, 0)"
        self._db.rows(sql, (line.uid, line.head_hash))
        self._db.rows("DELETE FROM hf_commit WHERE line = ?", (first,))
        self._db.rows("DELETE FROM hf_line WHERE id = ?", (first,))
        self._names.forget_line(uid)
        self._made += 1

    def _remove_ref(self, kind: str, name: str) -> None:
        remove_ref(self._db, kind, name)

    # Commits

    def _put_made(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        place = self._place(point)
        whose = ((self._names.id_of(row.rid.line), row.rid.n, row.rid.ordinal) for row in rows)
        found = [(*rid, *place, *self._told(table, row.values)) for rid, row in zip(whose, rows, strict=True)]
        self._db.many(insert_version(table), found)

    def _told(self, table: Table, values: Sequence[Stored]) -> Sequence[object]:  # noqa: ARG002 - as others need it
        """Return the stored values of a row as the database takes them."""
        return values

    def _put_ended(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        k, v, place = tombstones(table), versions(table), self._place(point)
        same = " AND ".join(f"{cell} = ?" for cell in key_cells(table))
        before = self._number_ended(table, place)
        sql = f"INSERT INTO {k} SELECT vid, {place[0]:d}, {place[1]:d} FROM {v} WHERE {same} AND line = ? AND n = ?"
        self._db.many(sql, [(*self._key_of(table, row), *self._place(row.born)) for row in rows])
        if self._number_ended(table, place) != before + len(rows):
            raise missing(table, point)
        self._mark_ended(table, place)

    def _key_of(self, table: Table, row: Row) -> Sequence[Stored]:
        """Return what stands in the columns of a row's key."""
        if table.primary_key:
            return key_of(table, row)
        return self._names.id_of(row.rid.line), row.rid.n, row.rid.ordinal

    def _number_ended(self, table: Table, place: tuple[int, int]) -> int:
        ((number,),) = self._db.rows(f"SELECT count(*) FROM {tombstones(table)} WHERE line = ? AND n = ?", place)
        return int(number)

    def _mark_ended(self, table: Table, place: tuple[int, int]) -> None:
        """Let readers look for the ends of the versions that a commit ended."""
        ended = f"SELECT vid FROM {tombstones(table)} WHERE line = ? AND n = ?"
        self._db.rows(f"UPDATE {versions(table)} SET dead = 1 WHERE vid IN ({ended})", place)

    def _drop_made(self, table: Table, rows: Sequence[Row]) -> None:
        self._collects()
        newest = self._newest_vid(table)
        for row in rows:
            self._drop_version(table, row)
        self._never_again(table, newest)

    def _drop_ended(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        self._collects()
        line = self._names.id_of(point.line)
        self._db.many(
            f"DELETE FROM {tombstones(table)} WHERE vid = ? AND line = ?", [(row.handle, line) for row in rows]
        )
        self._mark_living(table, [(row.handle,) for row in rows])

    def _put_imprint(self, imprint: Imprint) -> None:
        place = self._place(imprint.commit.point)
        for name in ("hf_merge", "hf_leaf"):
            self._db.rows(f"DELETE FROM {name} WHERE line = ? AND n = ?", place)
        self._put_commit(imprint.commit)
        merged = [(*place, self._names.id_of(line), n) for line, n in imprint.merged]
        if merged:
            self._db.many("INSERT INTO hf_merge VALUES (?, ?, ?, ?)", merged)
        kept = [(*place, *erasure.leaf, erasure.salt) for erasure in imprint.kept.values()]
        if kept:
            self._db.many("INSERT INTO hf_leaf VALUES (?, ?, ?, ?, ?, ?)", kept)

    def _put_commit(self, commit: Commit, *, new: bool = False) -> None:
        """Write a commit, in place of what there is of it; one that is `new` is refused if its place is taken."""
        texts = commit.at_us, commit.message, commit.metadata
        kept = commit.schema, commit.salt, commit.changes, int(commit.pruned)
        hashes = commit.hash, *(*commit.parents, None, None)[:2]
        self._db.later(_NEW_COMMIT if new else _PUT_COMMIT, (*self._place(commit.point), *hashes, *texts, *kept))

    def _move_head(self, commit: Commit) -> None:
        # The epoch grows with what changes what older commits let one see; that it grows too often does no harm.
        sql = "UPDATE hf_line SET head_n = ?, head_hash = ?, epoch = epoch + 1 WHERE id = ?"
        line, n = self._place(commit.point)
        self._db.rows(sql, (n, commit.hash, line))
