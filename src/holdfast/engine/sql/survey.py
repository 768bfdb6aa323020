"""What gc and erasure ask of a snapshot in SQL. They look at whole tables, which no other reader does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.core.points import Point
from holdfast.core.retention import Ending, Mark, Pruned, Shape
from holdfast.core.schema import Table
from holdfast.core.types import Stored
from holdfast.engine.net import newest_of_each
from holdfast.engine.sql.layout import cell_of, tombstones, versions
from holdfast.engine.sql.searching import Searching

UNUSED_LINE = (
    "head_n = 0 AND parent IS NOT NULL AND id NOT IN (SELECT line FROM hf_ref UNION ALL SELECT line FROM hf_pin)"
    " AND id NOT IN (SELECT parent FROM hf_line WHERE parent IS NOT NULL) AND id < (SELECT max(id) FROM hf_line)"
)
"""The newest line stays in any case: SQLite would give its id to the next one, and connections remember ids."""


SEALABLE = (
    "{line}.head_n > 0 AND {line}.trunk IS NULL AND {line}.id <> {trunk}"
    " AND {line}.id NOT IN (SELECT line FROM hf_ref WHERE kind = 'branch')"
    " AND NOT EXISTS (SELECT 1 FROM hf_line AS x WHERE x.trunk = {line}.id)"
    " AND (SELECT p.trunk FROM hf_line AS p WHERE p.id = {trunk}) IS NULL"
)
"""A line without a branch is finished for good. A trunk is never sealed itself, so one look tells what is implied."""


class Survey(Searching):
    """A snapshot of which also gc can ask what it needs to know."""

    def shape(self) -> Shape:
        """Return how the lines fork and merge."""
        parents = {line.uid: line.parent for line in self.lines()}
        found = self._db.rows("SELECT line, n, src, hi FROM hf_merge ORDER BY line, n")
        merges = [(self._point_of(line, n), self._point_of(src, hi)) for line, n, src, hi in found]
        sealed = self._db.rows("SELECT id, head_n, trunk, trunk_n FROM hf_line WHERE trunk IS NOT NULL")
        seals = {self._names.uid_of(line): (head, self._point_of(trunk, n)) for line, head, trunk, n in sealed}
        return Shape(parents, merges, seals)

    def sealable(self) -> list[tuple[str, Point]]:
        """Return the finished lines that a branch has wholly merged, each with the commit that did."""
        found = self._db.rows(
            "SELECT l.id, c.line, c.n FROM hf_commit AS c JOIN hf_line AS l ON l.head_hash = c.parent2"
            " WHERE c.parent2 IS NOT NULL AND c.line IN (SELECT line FROM hf_ref WHERE kind = 'branch')"
            f" AND {SEALABLE.format(line='l', trunk='c.line')} ORDER BY c.line, c.n"
        )
        chosen = {line: self._point_of(trunk, n) for line, trunk, n in reversed(found)}
        return [(self._names.uid_of(line), trunk) for line, trunk in chosen.items()]

    def marks(self, line: str, after: int = -1) -> list[Mark]:
        """Return what retention needs to know of the commits of a line beyond `after`, oldest first."""
        found = self._db.rows(
            "SELECT n, hash, parent, parent2, at, pruned FROM hf_commit WHERE line = ? AND n > ? ORDER BY n",
            (self._names.id_of(line), after),
        )
        return [
            Mark(Point(line, n), digest, tuple(hash_ for hash_ in parents if hash_ is not None), at, Pruned(pruned))
            for n, digest, *parents, at, pruned in found
        ]

    def unpruned(self) -> list[Point]:
        """Return all commits that can be checked out."""
        return self._points("SELECT line, n FROM hf_commit WHERE pruned = 0")

    def pins(self, now_us: int) -> list[Point]:
        """Return the points that are pinned by leases which have not ended."""
        return self._points("SELECT line, n FROM hf_pin WHERE until > ?", (now_us,))

    def _points(self, sql: str, parameters: Sequence[object] = ()) -> list[Point]:
        return [self._point_of(line, n) for line, n in self._db.rows(sql, parameters)]

    def tables_ever(self) -> list[Table]:
        """Return all tables there have been, each as it was last."""
        found = self._db.rows("SELECT version FROM hf_schema ORDER BY version")
        return newest_of_each(self.catalogue(version) for (version,) in found)

    def endings(self, table: Table) -> Iterable[Ending]:
        """Yield every end of a version, in the order of the commits that ended them."""
        sql = (
            f"SELECT k.vid, v.line, v.n, k.line, k.n FROM main.{tombstones(table)} AS k"
            f" JOIN main.{versions(table)} AS v ON v.vid = k.vid ORDER BY k.line, k.n"
        )
        for vid, born_line, born_n, line, n in self._db.rows(sql):
            yield Ending(vid, self._point_of(born_line, born_n), self._point_of(line, n))

    def handles(self, table: Table) -> list[int]:
        """Return the handles of all versions of a table."""
        return [vid for (vid,) in self._db.rows(f"SELECT vid FROM main.{versions(table)} WHERE line <> 0")]

    def kept_by_merges(self, table: Table) -> dict[int, list[Point]]:
        """Return the versions that merges chose from equal ones, by handle, with the commits of these merges."""
        sql = (
            "SELECT DISTINCT c.line, c.n FROM hf_commit AS c WHERE c.parent2 IS NOT NULL"
            f" AND EXISTS (SELECT 1 FROM main.{tombstones(table)} AS k WHERE k.line = c.line AND k.n = c.n)"
        )
        kept: dict[int, list[Point]] = {}
        for point in self._points(sql):
            then = self.catalogue(self.commit(point).schema).table(table.id)
            assert then is not None
            for change in self.net(then, point, merge=True):
                row = self._kept_row(then, change.before, point) if change.after is None and change.before else None
                if row is not None:
                    kept.setdefault(row.handle, []).append(point)
        return kept

    def handles_like(self, table: Table, columns: Sequence[str], values: Sequence[Stored]) -> list[int]:
        """Return the handles of all versions, on any line, of rows that ever had these values."""
        same = " AND ".join(f"{cell} IS NOT DISTINCT FROM ?" for cell in cell_of(table, tuple(columns)))
        sql = (
            f"SELECT vid FROM main.{versions(table)} WHERE line <> 0 AND (rline, rn, rord) IN"
            f" (SELECT rline, rn, rord FROM main.{versions(table)} WHERE {same})"
        )
        return [vid for (vid,) in self._db.rows(sql, values)]

    def empty_lines(self) -> list[str]:
        """Return lines without commits of their own that no name, line or row refers to."""
        found = {uid for (uid,) in self._db.rows(f"SELECT uid FROM hf_line WHERE {UNUSED_LINE}")}
        for table in self.tables_ever() if found else ():
            rows = self._db.rows(f"SELECT DISTINCT rline FROM main.{versions(table)} WHERE line <> 0")
            found -= {self._names.uid_of(line) for (line,) in rows}
        return sorted(found)

    def identities(self, table: Table, handles: Sequence[int]) -> int:
        """Return how many rows these versions are versions of."""
        sql = f"SELECT rline, rn, rord FROM main.{versions(table)} WHERE vid = ?"
        return len({rid for vid in handles for rid in self._db.rows(sql, (vid,))})

    def stamp(self) -> object:
        """Return what changes, at least, with every new name, line or merge."""
        lines = self._db.rows("SELECT max(id), sum(epoch) FROM hf_line")
        refs = self._db.rows("SELECT kind, name, line, n FROM hf_ref")
        return lines, refs, self._db.rows("SELECT token, line, n, until FROM hf_pin")
