"""Removing what gc and erasure name, in SQL: the marks that are kept (engine/removal.py) are in hf_leaf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holdfast.core.hashing import Leaf
from holdfast.core.points import Point
from holdfast.core.retention import Pruned
from holdfast.core.rows import Row, key_of
from holdfast.core.schema import Table
from holdfast.engine.contract import Commit, Erasure, Removal
from holdfast.engine.removal import Removing
from holdfast.engine.sql.layout import cells, key_cells, tombstones, versions
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Database
from holdfast.engine.sql.survey import SEALABLE, UNUSED_LINE, Survey
from holdfast.engine.sql.views import version_columns


class Collecting(Survey, Removing):
    """What a writer can remove."""

    def __init__(self, database: Database, names: Names) -> None:
        Survey.__init__(self, database, names)
        Removing.__init__(self)
        self._born_rids: dict[tuple[int, Point], set[tuple[int, int, int]]] = {}

    def prune(self, points: Iterable[Point]) -> int:
        """Let commits be no points any more that can be checked out, unless another gc did; return how many it were."""
        sql = (
            f"UPDATE hf_commit SET pruned = {Pruned.PRUNED:d} WHERE pruned = {Pruned.NO:d} AND n = ?"
            " AND line = (SELECT id FROM hf_line WHERE uid = ?) RETURNING n"
        )
        return sum(len(self._db.rows(sql, (n, line))) for line, n in points)

    def _collects(self) -> None:
        """Let what is remembered of committed versions end, once in a transaction that removes, seals or erases any."""
        if not self._names.searches.collecting:
            self._count_collection()

    # Leases

    def pin(self, token: str, point: Point, until_us: int) -> None:
        """Lease a point: gc spares it until then."""
        place = (token, self._names.id_of(point.line), point.n, until_us)
        put = "line = excluded.line, n = excluded.n, until = excluded.until"
        self._db.rows(f"INSERT INTO hf_pin VALUES (?, ?, ?, ?) ON CONFLICT (token) DO UPDATE SET {put}", place)

    def unpin(self, token: str) -> None:
        """End a lease."""
        self._db.rows("DELETE FROM hf_pin WHERE token = ?", (token,))

    def unpin_expired(self, now_us: int) -> None:
        """Forget the leases that have ended."""
        self._db.rows("DELETE FROM hf_pin WHERE until <= ?", (now_us,))

    # Versions that nobody needs

    def squash(self, table: Table, handles: Sequence[int], kept: Mapping[int, list[Point]], *, erase: bool) -> Removal:
        """Remove versions together with their ends; the marks of the changes that go are kept."""
        self._collects()
        newest = self._newest_vid(table)
        removal = super().squash(table, handles, kept, erase=erase)
        self._never_again(table, newest)
        return removal

    def _born_at(self, table: Table, handle: int) -> Point | None:
        # What another gc removed may stand for its number still, on line 0, which there is not.
        found = self._points(f"SELECT line, n FROM {versions(table)} WHERE vid = ? AND line <> 0", (handle,))
        return found[0] if found else None

    def _version(self, table: Table, handle: int) -> Row:
        sql = f"SELECT {version_columns(table)} FROM main.{versions(table)} AS v WHERE v.vid = ?"
        (row,) = self._db.rows(sql, (handle,))
        return self._row(row)

    def _ends(self, table: Table, handle: int) -> list[Point]:
        return self._points(f"SELECT line, n FROM {tombstones(table)} WHERE vid = ?", (handle,))

    def _drop_version(self, table: Table, row: Row) -> None:
        self._db.rows(f"DELETE FROM {tombstones(table)} WHERE vid = ?", (row.handle,))
        self._db.rows(f"DELETE FROM {versions(table)} WHERE vid = ?", (row.handle,))

    def _goes_on(self, table: Table, row: Row, end: Point) -> bool:
        """Tell whether the commit that ended a version made another of the same row: then that one has the mark."""
        place = (self._names.id_of(end.line), end.n)
        rid = (self._names.id_of(row.rid.line), row.rid.n, row.rid.ordinal)
        key = key_of(table, row) if table.primary_key else rid
        same = " AND ".join(f"{cell} = ?" for cell in key_cells(table))
        sql = f"SELECT rline, rn, rord FROM {versions(table)} WHERE {same} AND line = ? AND n = ?"
        if (rid,) == tuple(self._db.rows(sql, (*key, *place))):
            return True
        if not table.primary_key:
            return False
        if (table.id, end) not in self._born_rids:  # under another key: those are few, but have no index
            sql = f"SELECT rline, rn, rord FROM {versions(table)} WHERE line = ? AND n = ?"
            self._born_rids[table.id, end] = {(line, n, ordinal) for line, n, ordinal in self._db.rows(sql, place)}
        return rid in self._born_rids[table.id, end]

    def _keep(self, point: Point, leaf: Leaf, salt: bytes | None) -> None:
        """Keep the mark of a change, unless one is kept: a change has one mark, whichever of its rows goes first."""
        sql = (
            "INSERT INTO hf_leaf VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (line, n, tbl, rid)"
            " DO UPDATE SET salt = excluded.salt WHERE hf_leaf.salt IS NOT NULL"
        )
        self._db.rows(sql, (*self._place(point), *leaf, salt))

    def _place(self, point: Point) -> tuple[int, int]:
        return self._names.id_of(point.line), point.n

    def _make_bare(self, point: Point) -> None:
        place = self._place(point)
        self._db.rows(f"UPDATE hf_commit SET pruned = {Pruned.BARE:d} WHERE line = ? AND n = ?", place)
        self._db.rows("DELETE FROM hf_leaf WHERE line = ? AND n = ? AND tbl <> 0", place)

    _size_of = "octet_length"
    """The function that tells how many bytes a cell has."""

    def _has_changes(self, point: Point) -> bool:
        place = (self._names.id_of(point.line), point.n)
        found = (
            self._db.rows(f"SELECT 1 FROM {name} WHERE line = ? AND n = ? LIMIT 1", place)
            for table in self._ever()
            for name in (versions(table), tombstones(table))
        )
        return any(found)

    # Erasure

    def _blank_texts(self, point: Point) -> None:
        place = self._place(point)
        self._db.rows("UPDATE hf_commit SET message = '', metadata = NULL WHERE line = ? AND n = ?", place)
        self._db.rows("UPDATE hf_leaf SET salt = NULL WHERE line = ? AND n = ? AND tbl = 0", place)

    def _keep_salts(self, point: Point, kept: Iterable[Erasure]) -> None:
        place = self._place(point)
        rows = ((*place, *erasure.leaf, erasure.salt) for erasure in kept)
        sql = "INSERT INTO hf_leaf VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # what is gone has its mark
        self._db.many(sql, rows)
        self._db.rows("UPDATE hf_commit SET salt = NULL WHERE line = ? AND n = ?", place)

    # Commits that nobody can see

    def remove(self, point: Point, rows_max: int) -> Removal:
        """Remove the newest commit of a line that nobody sees, with all that it did; or up to `rows_max` rows of it.

        One that another gc has removed meanwhile is done.
        """
        if not self._is_there(point):
            return Removal(0, 0)
        self._collects()
        place = (self._names.id_of(point.line), point.n)
        rows = size = 0
        for table in self._ever():
            ends = self._remove_ends(table, place, rows_max - rows)
            made, bytes_ = self._remove_versions(table, place, rows_max - rows - ends)
            rows, size = rows + ends + made, size + bytes_
        if rows >= rows_max:
            self._db.rows(f"UPDATE hf_commit SET pruned = {Pruned.LEAVING:d} WHERE line = ? AND n = ?", place)
            return Removal(rows, size, done=False)
        for name in ("hf_leaf", "hf_merge", "hf_commit"):
            self._db.rows(f"DELETE FROM {name} WHERE line = ? AND n = ?", place)
        self._db.rows("UPDATE hf_line SET trunk = NULL, trunk_n = NULL WHERE trunk = ? AND trunk_n = ?", place)
        before = self.commit(Point(point.line, point.n - 1))
        self._db.rows("UPDATE hf_line SET head_n = ?, head_hash = ? WHERE id = ?", (point.n - 1, before.hash, place[0]))
        self._fork_earlier(place, before)
        return Removal(rows, size)

    def _fork_earlier(self, place: tuple[int, int], before: Commit) -> None:
        """Let lines that were forked at a removed commit stand where it stood.

        They are empty, and only their ids are still needed: by rows that were made on them, or since they are newest.
        """
        fork = (self._names.id_of(before.point.line), before.point.n, before.hash)
        sql = "UPDATE hf_line SET parent = ?, fork_n = ?, head_hash = ? WHERE parent = ? AND fork_n = ?"
        self._db.rows(sql, (*fork, *place))

    def _remove_ends(self, table: Table, place: tuple[int, int], rows_max: int) -> int:
        k = tombstones(table)
        vids = self._db.rows(f"SELECT vid FROM {k} WHERE line = ? AND n = ? LIMIT ?", (*place, rows_max))
        self._db.many(f"DELETE FROM {k} WHERE vid = ? AND line = ?", ((vid, place[0]) for (vid,) in vids))
        self._mark_living(table, vids)
        return len(vids)

    def _mark_living(self, table: Table, vids: Sequence[tuple[int]]) -> None:
        """Let readers look for no ends of those of these versions that have none any more."""
        v = versions(table)
        alive = f"NOT EXISTS (SELECT 1 FROM {tombstones(table)} AS k WHERE k.vid = {v}.vid)"
        self._db.many(f"UPDATE {v} SET dead = 0 WHERE vid = ? AND {alive}", vids)

    def _remove_versions(self, table: Table, place: tuple[int, int], rows_max: int) -> tuple[int, int]:
        newest = self._newest_vid(table)
        size = " + ".join([f"coalesce({self._size_of}({cell}), 1)" for cell in cells(table)])
        sql = f"SELECT vid, {size} FROM {versions(table)} WHERE line = ? AND n = ? LIMIT ?"
        found = self._db.rows(sql, (*place, rows_max))
        self._db.many(f"DELETE FROM {versions(table)} WHERE vid = ?", ((vid,) for vid, _ in found))
        self._never_again(table, newest)
        return len(found), sum(bytes_ for _, bytes_ in found)

    def remove_lines(self, lines: Iterable[str]) -> None:
        """Remove those of these `empty_lines` that still have no commits and no names."""
        self._db.many(f"DELETE FROM hf_line WHERE uid = ? AND {UNUSED_LINE}", ((uid,) for uid in lines))

    def seal_lines(self, seals: Iterable[tuple[str, Point]]) -> int:
        """Note of finished lines which commit implies all of them, and forget that it merged them; return how many."""
        self._collects()
        sealed = 0
        trunks: set[int] = set()
        for uid, at in seals:
            if not (self._is_there(at) and self._is_there(Point(uid, 1))):
                continue
            line, trunk = self._names.id_of(uid), self._names.id_of(at.line)
            condition = SEALABLE.format(line="hf_line", trunk=trunk)
            sql = f"UPDATE hf_line SET trunk = ?, trunk_n = ? WHERE id = ? AND {condition} RETURNING id"
            if self._db.rows(sql, (trunk, at.n, line)):
                self._db.rows("DELETE FROM hf_merge WHERE line = ? AND n >= ? AND src = ?", (trunk, at.n, line))
                trunks.add(trunk)
                sealed += 1
        self._db.many("UPDATE hf_line SET epoch = epoch + 1 WHERE id = ?", ((trunk,) for trunk in trunks))
        return sealed

    def _is_there(self, point: Point) -> bool:
        """Tell whether a commit, which was planned with in an earlier snapshot, has not been removed by another gc."""
        sql = "SELECT 1 FROM hf_commit AS c JOIN hf_line AS l ON l.id = c.line WHERE l.uid = ? AND c.n = ?"
        return bool(self._db.rows(sql, point))

    # Numbers of versions

    def _newest_vid(self, table: Table) -> int | None:
        ((newest,),) = self._db.rows(f"SELECT max(vid) FROM {versions(table)}")
        return None if newest is None else int(newest)

    def _never_again(self, table: Table, newest: int | None) -> None:
        """Keep the highest number of a version taken, by a row on line 0, which there is not.

        SQLite would give it to the next version, and who remembers versions by their numbers would take one for the
        other.
        """
        if newest == self._newest_vid(table):
            return
        v = versions(table)
        self._db.rows(f"DELETE FROM {v} WHERE line = 0")
        row = (newest, 0, 0, newest, 0, 0, 1)
        self._db.rows(f"INSERT INTO {v} (vid, rline, rn, rord, line, n, dead) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
