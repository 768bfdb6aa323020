"""Reading: one snapshot of a store in SQL."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from holdfast.core.hashing import Leaf
from holdfast.core.points import Point, Rid, VersionVector, beyond
from holdfast.core.retention import Pruned
from holdfast.core.rows import Row, Touch
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.engine.contract import Commit, Erasure, Line
from holdfast.engine.contract.system import SystemView
from holdfast.engine.net import NetChanges
from holdfast.engine.sql.layout import key_cells, quoted, tombstones, versions
from holdfast.engine.sql.names import LineRow, Names
from holdfast.engine.sql.refs import damage_of_refs
from holdfast.engine.sql.system import system_select
from holdfast.engine.sql.views import CASE_LINES_MAX, HEAD, Listing, listing_of, select_view
from holdfast.errors import NotFound, StoreCorrupt

_COMMITS = "SELECT line, n, hash, parent, parent2, at, message, metadata, schema, salt, changes, pruned FROM hf_commit"
_LINES = (
    "SELECT l.uid, p.uid, l.fork_n, l.head_n, l.head_hash, l.epoch FROM hf_line AS l"
    " LEFT JOIN hf_line AS p ON p.id = l.parent"
)
BRANCH = (
    f"{_LINES.replace(' FROM ', ', (SELECT max(version) FROM hf_schema) FROM ', 1)}"
    " JOIN hf_ref AS r ON r.line = l.id WHERE r.kind = 'branch' AND r.name = ?"
)
"""Also the version of the schema, which whoever asks for a branch needs next."""

ENTRY = "SELECT value FROM hf_entry WHERE register = ? AND key = ?"

FOUND_MAX = 8

ALL = 2**62
"""As a LIMIT: no limit."""

Parameters = Sequence[object]


class Database(Protocol):
    """What is needed of a driver: run one statement, get all its rows."""

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...

    def later(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement whose rows nobody needs, no later than the next whose rows are asked for, and in order.

        Its errors may come with those of that one.
        """
        ...

    def savepoint(self) -> str:
        """Begin what can be taken back by itself; return its name."""
        ...

    def settle(self) -> None:
        """Do what was put off, so that its failure is not that of what comes next."""
        ...

    def release(self, savepoint: str) -> None:
        """Keep what was done since a savepoint, and forget it."""
        ...

    def undo(self, savepoint: str) -> None:
        """Take back what was done since a savepoint, and forget it."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the database took back the whole open transaction by itself."""
        ...

    def many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run a statement once for each of `parameters`."""
        ...

    def keep_vectors(self) -> None:
        """Make temp.hf_vector, unless it is there."""
        ...

    def words(self, tokenizer: Sequence[str], text: str) -> list[str]:
        """Return the words of a text, as an FTS5 tokenizer (its name and arguments) takes it apart."""
        ...


def told_of(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Line, int]]:
    """Return what BRANCH told of a branch, if there is one: its line, and the version of the schema."""
    return [(_line(line), version) for *line, version in rows]


def line_reader(database: Database) -> Callable[[str, int | str], list[LineRow]]:
    """Return how names look up lines. Did they know the driver, both would stay until garbage is looked for."""
    known = weakref.ref(database)

    def read(by: str, value: int | str) -> list[LineRow]:
        here = known()
        assert here is not None, "who asks has it"
        rows = here.rows(f"SELECT id, uid, parent, fork_n, trunk, trunk_n FROM hf_line WHERE {by} = ?", (value,))
        return cast("list[LineRow]", rows)

    return read


class SqlSnapshot(NetChanges):
    """A consistent snapshot: the reading half of the contract. Lives as long as the transaction it reads in."""

    def __init__(self, database: Database, names: Names) -> None:
        self._db = database
        self._names = names
        self._last_line: Line | None = None
        self._schema: int | None = None  # the version of now: it cannot change in a snapshot
        self._sealed: bool | None = None

    # Names and lines

    def branch(self, name: str) -> Line | None:
        """Return the line that a branch names, or None."""
        return self._branch(self._db.rows(BRANCH, (name,)))

    def _branch(self, rows: list[tuple[Any, ...]]) -> Line | None:
        self._last_line = None
        for line, version in told_of(rows):
            self._last_line = line
            self._schema = version if self._schema is None else self._schema
        return self._last_line

    def branches(self) -> dict[str, Line]:
        """Return all branches by name, sorted."""
        sql = (
            f"SELECT r.name, {_LINES.removeprefix('SELECT ')} JOIN hf_ref AS r ON r.line = l.id WHERE r.kind = 'branch'"
        )
        return {name: _line(rest) for name, *rest in self._db.rows(f"{sql} ORDER BY r.name")}

    def tag(self, name: str) -> Point | None:
        """Return the point that a tag names, or None."""
        found = self._db.rows("SELECT line, n FROM hf_ref WHERE kind = 'tag' AND name = ?", (name,))
        return self._point_of(*found[0]) if found else None

    def tags(self) -> dict[str, Point]:
        """Return all tags by name, sorted."""
        found = self._db.rows("SELECT name, line, n FROM hf_ref WHERE kind = 'tag' ORDER BY name")
        return {name: self._point_of(line, n) for name, line, n in found}

    def entry(self, register: str, key: str) -> bytes | None:
        """Return an entry of a register, or None."""
        found = self._db.rows(ENTRY, (register, key))
        return found[0][0] if found else None

    def entries(
        self, register: str, prefix: str = "", after: str = "", limit: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the entries of a register whose keys begin with `prefix` and come after `after`, in order."""
        end = _beyond(prefix)
        sql = "SELECT key, value FROM hf_entry WHERE register = ? AND key >= ?" + (" AND key > ?" if after else "")
        sql += " ORDER BY key LIMIT ?" if end is None else " AND key < ? ORDER BY key LIMIT ?"
        ends = [] if end is None else [end]
        begin = [prefix, after] if after else [prefix]  # the key "" is after nothing
        yield from self._db.rows(sql, [register, *begin, *ends, ALL if limit is None else limit])

    def registers(self) -> list[str]:
        """Return the names of the registers that have entries, sorted."""
        found: list[str] = []
        sql = "SELECT min(register) FROM hf_entry WHERE register > ?"
        while (name := self._db.rows(sql, (found[-1] if found else "",))[0][0]) is not None:
            found.append(name)
        return found

    def line(self, uid: str) -> Line:
        """Return a line."""
        found = self._db.rows(f"{_LINES} WHERE l.uid = ?", (uid,))
        if not found:
            raise NotFound(f"no line {uid!r} in this store")
        return _line(found[0])

    def lines(self) -> list[Line]:
        """Return all lines, parents before their children."""
        return [_line(row) for row in self._db.rows(f"{_LINES} ORDER BY l.id")]

    # Commits

    def commit(self, point: Point) -> Commit:
        """Return the commit at a point; at n = 0 of a forked line that is its parent's."""
        while True:
            found = self._db.rows(f"{_COMMITS} WHERE line = ? AND n = ?", (self._names.id_of(point.line), point.n))
            if found:
                return self._commit(found[0])
            parent = self.line(point.line).parent
            if point.n != 0 or parent is None:
                raise NotFound(f"line {point.line} has no commit {point.n}")
            point = parent

    def commits_like(self, prefix: str) -> list[Commit]:
        """Return at most `FOUND_MAX` commits whose hash starts with these hexadecimal digits."""
        low, high = bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))
        sql = f"{_COMMITS} WHERE hash BETWEEN ? AND ? LIMIT {FOUND_MAX}"
        return [self._commit(row) for row in self._db.rows(sql, (low, high))]

    def vector(self, point: Point) -> dict[str, int]:
        """Return what `point` sees."""
        listed = self._local_vector(point)
        sql = "SELECT id, head_n FROM hf_line WHERE trunk = ? AND trunk_n <= ?"
        implied = (pair for line in listed.items() for pair in self._db.rows(sql, line)) if self._any_sealed else ()
        return {self._names.uid_of(line): n for line, n in (*listed.items(), *implied)}

    @property
    def _any_sealed(self) -> bool:
        """Whether vectors of this snapshot may leave lines out because their trunks imply them (docs/format.md)."""
        if self._sealed is None:
            self._sealed = bool(self._db.rows("SELECT 1 FROM hf_line WHERE trunk IS NOT NULL LIMIT 1"))
        return self._sealed

    def _listed(self, vector: Mapping[int, int]) -> dict[int, int]:
        """Return a vector without the lines that its trunks imply."""
        if not self._any_sealed:
            return dict(vector)
        trunks = {line: self._names.trunk_of(line) for line in vector}
        return {line: n for line, n in vector.items() if not _implies(vector, trunks[line])}

    def _local_vector(self, point: Point) -> dict[int, int]:
        """Return what `point` sees, without the lines that their trunks imply."""
        return self._listed(self._walked(point))

    def _walked(self, point: Point) -> dict[int, int]:
        """Walk the forks upwards; every line on the way adds itself and what it had merged by then."""
        seen: dict[int, int] = {}
        line: int | None = self._names.id_of(point.line)
        n = point.n
        while line is not None:
            if n:  # at n = 0 there is nothing of this line's own yet
                seen[line] = max(seen.get(line, 0), n)
                for src, hi in self._db.rows("SELECT src, hi FROM hf_merge WHERE line = ? AND n <= ?", (line, n)):
                    seen[src] = max(seen.get(src, 0), hi)
            line, n = self._names.fork_of(line)
        return seen

    def _point_of(self, line: int, n: int) -> Point:
        return Point(self._names.uid_of(line), n)

    def _commit(self, row: tuple[Any, ...]) -> Commit:
        line, n, digest, parent, parent2, at_us, message, metadata, schema, salt, changes, pruned = row
        parents = tuple(hash_ for hash_ in (parent, parent2) if hash_ is not None)
        texts = at_us, message, metadata
        return Commit(self._point_of(line, n), digest, parents, *texts, schema, salt, changes, Pruned(pruned))

    # Tables and rows

    def catalogue(self, version: int | None = None) -> Catalogue:
        """Return the tables at a version of the schema; None means now."""
        if version is None:
            if self._schema is None:
                ((self._schema,),) = self._db.rows("SELECT max(version) FROM hf_schema")
            version = self._schema
            assert version is not None
        known = self._names.catalogues.get(version)
        if known is None:
            found = self._db.rows("SELECT tables, hash FROM hf_schema WHERE version = ?", (version,))
            if not found:
                raise StoreCorrupt(f"version {version} of the schema is missing; run verify")
            tables, digest = found[0]
            if hashlib.sha256(tables.encode()).digest() != digest:  # else every row would be read with wrong names
                raise StoreCorrupt(f"version {version} of the schema is damaged; restore the store from a copy")
            known = self._names.catalogues[version] = Catalogue.from_json(version, tables)
        return known

    def rows(self, table: Table, vector: VersionVector, keys: Iterable[Key] | None = None) -> Iterator[Row]:
        """Yield the rows that `vector` sees, of these keys or all."""
        if keys is None:
            yield from map(self._row, self._db.rows(*self._rows_query(table, vector, 0)))
            return
        sql, numbers = self._rows_query(table, vector, len(key_cells(table)))
        for key in keys:
            on_disk = key if table.primary_key else (self._names.id_of(str(key[0])), *key[1:])
            yield from map(self._row, self._db.rows(sql, [*numbers, *on_disk]))

    def scan(self, table: Table, vector: VersionVector, prefix: Key) -> Iterator[Row]:
        """Yield the rows that `vector` sees whose primary keys begin with these values, in the order of their keys."""
        order = ", ".join(key_cells(table, "v."))
        sql, numbers = self._rows_query(table, vector, len(prefix))
        yield from map(self._row, self._db.rows(f"{sql} ORDER BY {order}", [*numbers, *prefix]))

    def _rows_query(self, table: Table, vector: VersionVector, key_parts: int) -> tuple[str, list[object]]:
        local = self._listed({self._names.id_of(line): n for line, n in vector.items()})
        return self._seen_rows(table, local, key_parts, sealed=self._any_sealed)

    def _seen_rows(
        self, table: Table, local: Mapping[int, int], key_parts: int, *, sealed: bool
    ) -> tuple[str, list[object]]:
        return self._names.texts_of(table).rows(local, self._listing(local), key_parts=key_parts, sealed=sealed)

    def touched(self, table: Table, base: VersionVector, side: VersionVector) -> Iterator[Touch]:
        """Yield each version made or ended in what `side` sees and `base` does not."""
        for line, (low, high) in beyond(side, base).items():
            span = (self._names.id_of(line), low, high)
            yield from (Touch(row, ended=False) for row in self._born(table, *span))
            yield from (Touch(row, ended=True) for row in self._ended(table, *span))

    def _made_by(self, table: Table, point: Point) -> list[Row]:
        return self._born(table, self._names.id_of(point.line), point.n - 1, point.n)

    def _ended_by(self, table: Table, point: Point) -> list[Row]:
        return self._ended(table, self._names.id_of(point.line), point.n - 1, point.n)

    def _born(self, table: Table, line: int, low: int, high: int) -> list[Row]:
        return list(map(self._row, self._db.rows(self._names.texts_of(table).born, (line, low, high))))

    def _ended(self, table: Table, line: int, low: int, high: int) -> list[Row]:
        return list(map(self._row, self._db.rows(self._names.texts_of(table).ended, (line, low, high))))

    def _row(self, row: tuple[Any, ...]) -> Row:
        vid, rline, rn, rord, line, n = row[:6]
        uid_of = self._names.uid_of
        return Row(Rid(uid_of(rline), rn, rord), Point(uid_of(line), n), row[6:], vid)

    def erasures(self, point: Point) -> dict[tuple[int, bytes], Erasure]:
        """Return what was kept of changes of a commit that were erased or removed."""
        sql = "SELECT tbl, rid, mark, salt FROM hf_leaf WHERE line = ? AND n = ?"
        found = self._db.rows(sql, (self._names.id_of(point.line), point.n))
        return {(tbl, rid): Erasure(Leaf(tbl, rid, mark), salt) for tbl, rid, mark, salt in found}

    def _merges_of(self, point: Point) -> list[Point]:
        sql = "SELECT src, hi FROM hf_merge WHERE line = ? AND n = ?"
        return [self._point_of(*found) for found in self._db.rows(sql, (self._names.id_of(point.line), point.n))]

    def damage(self) -> Iterator[str]:
        """Yield what the engine finds wrong with its file."""
        yield from self._damage_of_pages()
        yield from damage_of_refs(self._db)
        sql = (
            "SELECT l.uid FROM hf_line AS l LEFT JOIN hf_commit AS c ON c.line = l.trunk AND c.n = l.trunk_n"
            " WHERE l.trunk IS NOT NULL AND c.parent2 IS DISTINCT FROM l.head_hash"
        )
        for (uid,) in self._db.rows(sql):
            yield f"line {uid} is sealed by a commit that did not merge its head"
        for table in self.catalogue().tables:
            yield from self._damage_of(table)

    def _damage_of_pages(self) -> Iterator[str]:
        """Yield what the database itself finds."""
        for (finding,) in self._db.rows("PRAGMA integrity_check(20)"):
            if finding != "ok":
                yield str(finding)

    def _damage_of(self, table: Table) -> Iterator[str]:
        """Yield what is wrong with the versions of a table."""
        # Nothing but this flag makes a reader look for the tombstone.
        sql = (
            f"SELECT count(*) FROM main.{tombstones(table)} AS k LEFT JOIN main.{versions(table)} AS v"
            " ON v.vid = k.vid WHERE v.dead IS NOT 1"
        )
        ((unmarked,),) = self._db.rows(sql)
        if unmarked:
            yield f"table {table.name}: {unmarked} ended versions are missing or not marked as ended"
        on_disk = dict(self._db.rows("SELECT name, dflt_value FROM pragma_table_info(?)", (versions(table),)))
        for column in table.columns:
            if on_disk.get(f"c{column.id}", "") != column.fill:  # no commit's rows tell
                yield f"table {table.name}: what older rows show in {column.name} is not what the schema says"

    # SQL on a branch

    def show(self, table: Table, alias: str, at: Line | Point, *, versioned: bool = False) -> None:
        """Let `alias` name `table` as seen from a point or from the head of a line; with "hf:vid" if `versioned`."""
        seen = (at.uid, at.epoch) if isinstance(at, Line) else (at.line, at.n, "past")
        signature = (table, versioned, *seen)
        if self._names.views.get(alias) == signature:
            return
        # The open commit counts as seen from the head, and so does what it has merged.
        vector = self._local_vector(Point(at.uid, HEAD) if isinstance(at, Line) else at)
        listing, sealed = self._listing(vector), self._any_sealed
        self._replace_view(alias, [select_view(alias, table, vector, listing, versioned=versioned, sealed=sealed)])
        self._names.keep(self._names.views, alias, signature)

    def show_whole(self, view: SystemView) -> None:
        """Let the name of a view of the whole store be known to the statements that follow."""
        select = system_select(view, self.catalogue())
        if self._names.views.get(view.name) != (select,):
            self._replace_view(view.name, [f"CREATE TEMP VIEW {quoted(view.name)} AS {select}"])
            self._names.keep(self._names.views, view.name, (select,))

    def _replace_view(self, name: str, statements: list[str]) -> None:
        self._names.ready_at = None  # what was ready may have gone by it
        self._db.rows(f"DROP VIEW IF EXISTS temp.{quoted(name)}")
        for statement in statements:
            self._db.rows(statement)

    def _listing(self, vector: Mapping[int, int]) -> Listing | None:
        """Return where a long vector stands; None for a short one."""
        return None if len(vector) <= CASE_LINES_MAX else listing_of(self._numbered(vector))

    def _numbered(self, vector: Mapping[int, int]) -> int:
        """Put a vector into temp.hf_vector, unless it is there; return its number."""
        frozen = tuple(sorted(vector.items()))
        number = self._names.vectors.get(frozen)
        if number is None:
            self._db.keep_vectors()
            ((number,),) = self._db.rows("SELECT coalesce(max(vec), 0) + 1 FROM temp.hf_vector")
            self._db.many("INSERT INTO temp.hf_vector VALUES (?, ?, ?)", [(number, line, n) for line, n in frozen])
            self._names.keep(self._names.vectors, frozen, number)
            self._names.vectors_made += 1
        return number

    def query(self, sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Run a statement that reads; return its rows."""
        return self._db.rows(sql, parameters)


def _implies(vector: Mapping[int, int], trunk: tuple[int, int] | None) -> bool:
    return trunk is not None and vector.get(trunk[0], 0) >= trunk[1]


def _line(row: Sequence[Any]) -> Line:
    uid, parent, fork_n, head_n, head_hash, epoch = row
    return Line(uid, None if parent is None else Point(parent, fork_n), head_n, head_hash, epoch)


def _beyond(prefix: str) -> str | None:
    """Return the first text after all that begin with `prefix`, by code points; None if there can be none."""
    stripped = prefix.rstrip("\U0010ffff")
    if not stripped:
        return None
    following = ord(stripped[-1]) + 1
    return stripped[:-1] + chr(0xE000 if following == 0xD800 else following)  # no text has surrogates
