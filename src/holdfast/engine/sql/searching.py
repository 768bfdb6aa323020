"""Searches of one snapshot: the nearest vectors and the matching texts of a table, as some point shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from holdfast.core.points import Point
from holdfast.core.schema import Column, Table
from holdfast.engine.contract import Line, Metric, WordSyntax
from holdfast.engine.sql.layout import tombstones, versions
from holdfast.engine.sql.reader import Database, SqlSnapshot
from holdfast.engine.sql.searches import COUNT_COLLECTION, FOUND_TABLE
from holdfast.engine.sql.text_index import config_of, damage_of, text_index, text_indexes
from holdfast.engine.sql.views import HEAD, vids_query
from holdfast.errors import InvalidValue

if TYPE_CHECKING:  # numpy, which a store without searches does not pay
    import numpy
    from numpy.typing import NDArray

    from holdfast.engine.kept import Kept, Shown, Vids
    from holdfast.engine.matching import Hits

Among = tuple[str, Sequence[object]]


class Searching(SqlSnapshot):
    """A snapshot that can be searched."""

    def nearest(
        self,
        table: Table,
        column: Column,
        at: Line | Point,
        metric: Metric,
        query: bytes,
        k: int,
        among: Among | None = None,
    ) -> int:
        """Keep the k rows nearest to `query` in temp.hf_found, and those as near as the last; return the number."""
        from holdfast.engine import vectors  # noqa: PLC0415 - see above

        point = vectors.parsed(query, f"{table.name}.{column.name}")
        vectors.check_dimensions(column.type.size or len(point), len(point))
        best = vectors.Nearest(metric, point, _checked(k))
        kept, shown, uncommitted = self._shown(table, at, among)
        key = ("vectors", table.id, column.id)
        read = self._reading(f"SELECT v.vid, v.c{column.id} FROM main.{versions(table)} AS v", "v.vid")
        vids, scores = vectors.search(kept, key, best, len(point), shown, uncommitted, read)
        return self._found(table, vids, scores, scores)

    def matching(
        self,
        table: Table,
        column: Column,
        at: Line | Point,
        words: str,
        syntax: WordSyntax,
        config: str | None = None,
        k: int | None = None,
    ) -> int:
        """Keep the rows that match in temp.hf_found, with their BM25 score (larger is better); return the number."""
        from holdfast.engine import matching  # noqa: PLC0415 - see above
        from holdfast.engine.words import Reading  # noqa: PLC0415 - who does not search does not need it

        index = text_index(table.id, column.id)
        reading = Reading(config_of(self._db, table, column, config), self._db.words)
        query = reading.parsed(words, syntax)
        kept, shown, uncommitted = self._shown(table, at)
        read = self._reading(f"SELECT d.id, d.sz FROM main.{index}_docsize AS d", "d.id")
        measured = matching.lengths(kept, (index,), shown, uncommitted, read)

        lookup = _TextIndex(self._db, index, shown.vids)
        vids, scores = matching.search(query, lookup, shown.vids, measured, self._with_text(table, column))
        vids, scores = matching.best(vids, scores, None if k is None else _checked(k))
        return self._found(table, vids, scores, -scores)

    def damage(self) -> Iterator[str]:
        """Yield what the engine finds wrong with its file, and where a text index differs from the texts."""
        yield from super().damage()
        for index in text_indexes(self._db):
            yield from damage_of(self._db, index)

    def _count_collection(self) -> None:
        """Let all memory of versions end. Part of each transaction that removes, moves or erases committed ones."""
        self._names.searches.collecting = True
        self._db.rows(COUNT_COLLECTION)

    # What a point shows

    def _shown(self, table: Table, at: Line | Point, among: Among | None = None) -> tuple[Kept, Shown, Vids]:
        """Return the memory to use, the versions shown, and those of them that are not committed."""
        from holdfast.engine import kept as memory  # noqa: PLC0415 - see above

        found = self._db.rows("SELECT value FROM main.hf_meta WHERE key = 'collected'")
        searches = self._names.searches
        kept = searches.memory.kept().of(int(found[0][0]) if found else 0, committed=not searches.collecting)
        shown = self._as_written(kept, table, at)
        if among is not None:
            shown = memory.Shown(memory.both(shown.vids, memory.vids_of(self._db.rows(*among))))
        return kept, shown, self._uncommitted(table)

    def _as_written(self, kept: Kept, table: Table, at: Line | Point) -> Shown:
        """Return what a line, or a point, shows of a table, with what the open transaction did to it."""
        known = self._names.searches.before.get(at.uid) if isinstance(at, Line) else None
        if known is None or not isinstance(at, Line):
            at = _settled(at)
            return self._scanned(table, at) if self._is_open(at) else self._committed(kept, table, at)
        start = _settled(known)
        if known.epoch != at.epoch or self._is_open(start):
            return self._scanned(table, Point(at.uid, HEAD))
        return self._advanced(self._committed(kept, table, start), table, at.uid, known.head, HEAD)

    def _is_open(self, at: Line | Point) -> TypeGuard[Point]:
        """Tell whether this is a point that the open transaction made, which may still be taken back."""
        known = None if isinstance(at, Line) else self._names.searches.before.get(at.line)
        return known is not None and not isinstance(at, Line) and at.n > known.head

    def _committed(self, kept: Kept, table: Table, at: Line | Point) -> Shown:
        """Return what a committed point shows; kept, and made from what is kept where that costs what changed."""
        uid, n = (at.uid, at.head) if isinstance(at, Line) else at
        with kept.lock:
            shown = kept.shown(table.id, uid, n)
            if shown is None:
                shown = self._follow(kept, table, at) if isinstance(at, Line) else None
                shown = shown or self._scanned(table, Point(uid, n))
                kept.keep_shown(table.id, uid, n, shown, at.epoch if isinstance(at, Line) else None)
        return shown

    def _follow(self, kept: Kept, table: Table, line: Line) -> Shown | None:
        """Return what a line shows by what it showed before, if it has merged nothing since then."""
        newest = kept.newest_shown(table.id, line.uid, line.epoch)
        if newest is not None and newest[0] < line.head:
            return self._advanced(newest[1], table, line.uid, newest[0], line.head)
        if line.epoch == 0 and line.parent is not None:
            return self._advanced(self._committed(kept, table, line.parent), table, line.uid, 0, line.head)
        return None

    def _advanced(self, shown: Shown, table: Table, uid: str, low: int, high: int) -> Shown:
        """Return what is shown after more commits of a line that merged nothing. Costs what they changed."""
        from holdfast.engine import kept as memory  # noqa: PLC0415 - see above

        span = (self._names.id_of(uid), low, high)
        which = "WHERE line = ? AND n > ? AND n <= ?"
        born = self._db.rows(f"SELECT vid FROM main.{versions(table)} {which}", span)
        ended = self._db.rows(f"SELECT vid FROM main.{tombstones(table)} {which}", span)
        if not born and not ended:
            return shown
        return memory.Shown(memory.without(memory.together(shown.vids, memory.vids_of(born)), memory.vids_of(ended)))

    def _scanned(self, table: Table, point: Point) -> Shown:
        from holdfast.engine import kept as memory  # noqa: PLC0415 - see above

        vector = self._local_vector(point)
        query = vids_query(table, vector, self._listing(vector), sealed=self._any_sealed)
        return memory.Shown(memory.vids_of(self._db.rows(query)))

    def _uncommitted(self, table: Table) -> Vids:
        from holdfast.engine import kept as memory  # noqa: PLC0415 - see above

        sql = f"SELECT vid FROM main.{versions(table)} WHERE line = ? AND n > ?"
        lines = self._names.searches.before.values()
        return memory.vids_of(
            [row for line in lines for row in self._db.rows(sql, (self._names.id_of(line.uid), line.head))]
        )

    # What is read and written

    def _reading(self, select: str, key: str) -> Callable[[Vids], list[Any]]:
        """Return a function that reads some versions of a table, in any order."""

        def read(vids: Vids) -> list[Any]:
            sql = select.replace(" FROM ", " FROM json_each(?) AS j CROSS JOIN ", 1)
            return self._db.rows(f"{sql} ON {key} = j.value", (_json(vids),))

        return read

    def _with_text(self, table: Table, column: Column) -> Callable[[Vids], Vids]:
        """Return a function that leaves the versions whose text is not NULL."""
        from holdfast.engine import kept as memory  # noqa: PLC0415 - see above

        read = self._reading(f"SELECT v.vid FROM main.{versions(table)} AS v", f"v.c{column.id} IS NOT NULL AND v.vid")
        return lambda vids: memory.vids_of(read(vids))

    def _found(self, table: Table, vids: Vids, scores: NDArray[numpy.float64], order: NDArray[numpy.float64]) -> int:
        """Write what was found into temp.hf_found, best first; return the number of the search."""
        number, outdated = self._names.searches.next()
        self._db.rows(FOUND_TABLE)
        self._db.rows("DELETE FROM temp.hf_found WHERE search <= ?", (outdated,))
        places = enumerate(self._places(table, vids, order), start=1)
        rows = [(number, int(vids[at]), float(scores[at]), place) for place, at in places]
        self._db.many("INSERT INTO temp.hf_found VALUES (?, ?, ?, ?)", rows)
        return number

    def _places(self, table: Table, vids: Vids, order: NDArray[numpy.float64]) -> list[int]:
        """Return the indexes of what was found, best first; equal ones by row id, which is the same in every engine."""
        import numpy  # noqa: PLC0415 - see above

        sequence = numpy.argsort(order, kind="stable")
        ranked = order[sequence]
        same = numpy.flatnonzero(ranked[1:] == ranked[:-1])
        if len(same):
            equal = numpy.unique(numpy.concatenate([same, same + 1]))
            read = self._reading(f"SELECT v.vid, v.rline, v.rn, v.rord FROM main.{versions(table)} AS v", "v.vid")
            rids = {vid: (self._names.uid_of(line), n, o) for vid, line, n, o in read(vids[sequence[equal]])}
            again = sorted(sequence[equal].tolist(), key=lambda at: (order[at], rids[int(vids[at])]))
            sequence[equal] = again
        return list(sequence.tolist())


class _TextIndex:
    """A text index, as one search asks it."""

    def __init__(self, database: Database, name: str, shown: Vids) -> None:
        self._db = database
        self._name = name
        self._shown = shown

    def find(self, phrase: str) -> Vids:
        """Return where a phrase stands."""
        from holdfast.engine import kept as memory  # noqa: PLC0415 - see above

        sql = f"SELECT rowid FROM main.{self._name} WHERE {self._name} MATCH ?"
        return memory.both(memory.vids_of(self._db.rows(sql, (phrase,))), self._shown)

    def count(self, phrase: str, among: Vids | None) -> Hits:
        """Return where a phrase stands and how often."""
        from holdfast.engine import matching  # noqa: PLC0415 - see above

        sql = f"SELECT rowid, hf_frequency({self._name}) FROM main.{self._name} WHERE {self._name} MATCH ?"
        if among is None:
            return matching.hits(self._shown, self._db.rows(sql, (phrase,)))
        # The plus keeps FTS5 from looking each of them up by itself.
        sql += " AND +rowid IN (SELECT value FROM json_each(?))"
        return matching.hits(self._shown, self._db.rows(sql, (phrase, _json(among))))


def _settled(at: Line | Point) -> Line | Point:
    """Return the point at which a line was forked for a line that has no commit of its own yet."""
    return at.parent if isinstance(at, Line) and at.head == 0 and at.parent is not None else at


def _checked(k: int) -> int:
    if k < 0:
        raise InvalidValue(f"the number of rows to find is {k}; it cannot be negative")
    return k


def _json(vids: Vids) -> str:
    return "[" + ",".join(map(str, vids.tolist())) + "]"
