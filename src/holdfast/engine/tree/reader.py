"""Reading: one root is one snapshot of the whole store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from holdfast.core.hashing import Leaf
from holdfast.core.points import Point, VersionVector, beyond
from holdfast.core.rows import Row, Touch, key_of
from holdfast.core.schema import Catalogue, Key, Table, key_order
from holdfast.engine.cells import held
from holdfast.engine.contract import Commit, Erasure, Line
from holdfast.engine.net import NetChanges
from holdfast.engine.tree import keys
from holdfast.engine.tree.check import damage_of
from holdfast.engine.tree.keys import BORN, BRANCH, ENDED, HASH, MERGE, SCHEMA, TAG, TRUNK, rows_prefix
from holdfast.engine.tree.node import Held
from holdfast.engine.tree.records import (
    LineRecord,
    commit_record,
    line_record,
    unpacked,
    values_of,
    version_parts,
)
from holdfast.engine.tree.tree import Tree
from holdfast.engine.tree.tree import beyond as beyond_prefix
from holdfast.errors import InvalidValue, NotFound, StoreCorrupt

FOUND_MAX = 8
VERSIONS_READ = 8
"""A row with fewer versions and ends than this is read at one go."""

Seen = Mapping[bytes, int]
"""A version vector with the lines' uids as bytes."""

_T = TypeVar("_T")


class TreeSnapshot(NetChanges):
    """A consistent snapshot: the reading half of the contract.

    Args:
        catalogues: what was read of the schema before, by digest; it is added to.
    """

    def __init__(self, tree: Tree, catalogues: dict[bytes, Catalogue]) -> None:
        self._tree = tree
        self._catalogues = catalogues
        self._schema: int | None = None  # the version of now: it cannot change in a snapshot
        self._versions: dict[int, Catalogue] = {}

    # Names and lines

    def branch(self, name: str) -> Line | None:
        """Return the line that a branch names, or None."""
        uid = self._tree.get(BRANCH + name.encode(errors="replace"))
        return None if uid is None else self.line(uid.hex())

    def branches(self) -> dict[str, Line]:
        """Return all branches by name, sorted."""
        found = self._tree.load_many(self._tree.prefix(BRANCH))
        return {key[1:].decode(): self.line(uid.hex()) for key, uid in found}

    def tag(self, name: str) -> Point | None:
        """Return the point that a tag names, or None."""
        found = self._tree.get(TAG + name.encode(errors="replace"))
        return None if found is None else keys.point_of(found)

    def tags(self) -> dict[str, Point]:
        """Return all tags by name, sorted."""
        found = self._tree.load_many(self._tree.prefix(TAG))
        return {key[1:].decode(): keys.point_of(raw) for key, raw in found}

    def line(self, uid: str) -> Line:
        """Return a line."""
        return self._line_record(uid).line(uid)

    def lines(self) -> list[Line]:
        """Return all lines, parents before their children."""
        return [record.line(uid) for uid, record in self._line_records()]

    def _line_record(self, uid: str) -> LineRecord:
        try:
            raw = self._tree.get(keys.head_key(uid))
        except ValueError:  # no uid: not hexadecimal
            raw = None
        if raw is None:
            raise NotFound(f"no line {uid!r} in this store")
        return line_record(raw)

    def _line_records(self) -> list[tuple[str, LineRecord]]:
        """Return all lines in the order in which they were made. From one to the next is a step over its commits."""
        found: list[tuple[str, LineRecord]] = []
        first = next(self._tree.prefix(keys.LINE), None)
        while first is not None:
            uid = first[0][1:17]
            found.append((uid.hex(), self._line_record(uid.hex())))
            first = next(self._tree.range(keys.LINE + uid + b"\xff" * 9, beyond_prefix(keys.LINE)), None)
        return sorted(found, key=lambda line: line[1].order)

    # Registers

    def entry(self, register: str, key: str) -> bytes | None:
        """Return an entry of a register, or None."""
        return self._tree.get(keys.entry_key(register, key))

    def entries(
        self, register: str, prefix: str = "", after: str = "", limit: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the entries of a register whose keys begin with `prefix` and come after `after`, in order."""
        begin = keys.entry_key(register, prefix)
        low = max(begin, keys.entry_key(register, after) + b"\x00") if after else begin
        found = self._tree.range(low, beyond_prefix(begin))
        for key, raw in self._tree.load_many(found if limit is None else _some(found, limit)):
            yield key[len(register.encode()) + 2 :].decode(), raw

    def registers(self) -> list[str]:
        """Return the names of the registers that have entries, sorted."""
        found: list[str] = []
        low, end = keys.ENTRY, beyond_prefix(keys.ENTRY)
        while (first := next(self._tree.range(low, end), None)) is not None:
            name = first[0][1:].partition(b"\x00")[0]
            found.append(name.decode())
            low = keys.ENTRY + name + b"\x01"
        return found

    # Commits

    def commit(self, point: Point) -> Commit:
        """Return the commit at a point; at n = 0 of a forked line that is its parent's."""
        while True:
            raw = self._tree.get(keys.commit_key(point)) if point.n >= 0 else None
            if raw is not None:
                return commit_record(raw).commit(point)
            parent = self.line(point.line).parent
            if point.n != 0 or parent is None:
                raise NotFound(f"line {point.line} has no commit {point.n}")
            point = parent

    def commits_like(self, prefix: str) -> list[Commit]:
        """Return at most `FOUND_MAX` commits whose hash starts with these hexadecimal digits."""
        low, high = bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))
        found: list[Commit] = []
        for key, raw in self._tree.load_many(_some(self._tree.range(HASH + low, HASH + high + b"\x00"), FOUND_MAX)):
            commit = self.commit(keys.point_of(raw))
            if commit.hash != key[1:]:
                raise StoreCorrupt(f"commit {key[1:].hex()[:12]} has another hash; restore the store from a copy")
            found.append(commit)
        return found

    def vector(self, point: Point) -> dict[str, int]:
        """Return what `point` sees."""
        seen = self._walked(point)
        if self._any_sealed:
            seen.update(self._implied(seen))
        return seen

    @property
    def _any_sealed(self) -> bool:
        return next(self._tree.prefix(TRUNK), None) is not None

    def _walked(self, point: Point) -> dict[str, int]:
        """Walk the forks upwards; every line on the way adds itself and what it had merged by then."""
        seen: dict[str, int] = {}
        at: Point | None = point
        while at is not None:
            if at.n:  # at n = 0 there is nothing of this line's own yet
                seen[at.line] = max(seen.get(at.line, 0), at.n)
                for source in self._merged_by(at.line, at.n):
                    seen[source.line] = max(seen.get(source.line, 0), source.n)
            at = self.line(at.line).parent
        return seen

    def _merged_by(self, line: str, n: int) -> Iterator[Point]:
        """Yield what a line had merged by its commit `n`."""
        merges = self._tree.range(MERGE + keys.line_bytes(line), MERGE + keys.point_bytes(Point(line, n + 1)))
        for key, raw in self._tree.load_many(merges):
            yield Point(key[25:].hex(), int.from_bytes(raw))

    def _implied(self, seen: VersionVector) -> dict[str, int]:
        """Return the lines, whole, that are sealed by commits which are seen."""
        found: dict[str, int] = {}
        for line, n in seen.items():
            low, high = TRUNK + keys.line_bytes(line), TRUNK + keys.point_bytes(Point(line, n + 1))
            for key, _ in self._tree.range(low, high):
                uid = key[25:].hex()
                found[uid] = self._line_record(uid).head
        return found

    def _listed(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Return a vector without the lines that its trunks imply."""
        implied = self._implied(seen) if self._any_sealed else {}
        return {line: n for line, n in seen.items() if line not in implied}

    # Tables and rows

    def catalogue(self, version: int | None = None) -> Catalogue:
        """Return the tables at a version of the schema; None means now."""
        if version is None:
            if self._schema is None:
                newest = self._tree.last(SCHEMA, beyond_prefix(SCHEMA))
                if newest is None:
                    raise StoreCorrupt("the schema is missing; run verify")
                self._schema = int.from_bytes(newest[1:])
            version = self._schema
        known = self._versions.get(version)
        if known is None:
            known = self._versions[version] = self._read_catalogue(version)
        return known

    def _read_catalogue(self, version: int) -> Catalogue:
        raw = self._tree.get(SCHEMA + version.to_bytes(8))
        if raw is None:
            raise StoreCorrupt(f"version {version} of the schema is missing; run verify")
        digest, text = unpacked(raw)
        known = self._catalogues.get(digest)
        if known is None or known.version != version:
            if hashlib.sha256(text.encode()).digest() != digest:  # else every row would be read with wrong names
                raise StoreCorrupt(f"version {version} of the schema is damaged; restore the store from a copy")
            known = self._catalogues[digest] = Catalogue.from_json(version, text)
        return known

    def rows(self, table: Table, vector: VersionVector, keys: Iterable[Key] | None = None) -> Iterator[Row]:
        """Yield the rows that `vector` sees, of these keys or all."""
        seen = seen_by(vector)
        if keys is None:
            yield from self._rows_of(table, shown(seen, self._tree.prefix(rows_prefix(table))))
            return
        for key in keys:
            encoded = self._key(table, key)
            if encoded is not None:
                yield from self._rows_of(table, self._shown_of(seen, rows_prefix(table) + encoded))

    def _shown_of(self, seen: Seen, row: bytes) -> Iterator[tuple[bytes, Held]]:
        """Yield the versions of one row that are seen and whose ends are not; `row` is what their keys begin with.

        A row may have many versions, of which a line shows the newest or none. So those of each line are looked for
        from their end.
        """
        few = list(_some(self._tree.prefix(row), VERSIONS_READ))
        if len(few) < VERSIONS_READ:
            return shown(seen, few)
        return shown(seen, self._newest_of_each_line(seen, row))

    def _newest_of_each_line(self, seen: Seen, row: bytes) -> Iterator[tuple[bytes, Held]]:
        """Yield the newest version that each line has of a row, as far as it is seen, and its ends."""
        end = beyond_prefix(row)
        first = next(self._tree.prefix(row), None)
        while first is not None:
            uid = first[0][len(row) : len(row) + 16]
            line = row + uid
            newest = self._tree.last(line, line + (seen.get(uid, 0) + 1).to_bytes(8))
            if newest is not None:
                yield from self._tree.prefix(newest[: len(row) + keys.POINT_BYTES])
            first = next(self._tree.range(line + b"\xff" * 8, end), None)

    def scan(self, table: Table, vector: VersionVector, prefix: Key) -> Iterator[Row]:
        """Yield the rows that `vector` sees whose primary keys begin with these values, in the order of their keys."""
        try:
            asked = [
                held(part, table.columns[at], table.name)
                for part, at in zip(prefix, table.positions(table.primary_key), strict=False)
            ]
        except InvalidValue:
            return
        begin = rows_prefix(table) + keys.encoded_prefix(asked)
        cut: list[Row] = []  # rows whose keys begin alike for so long that their order is not that of the bytes
        wanted = key_order(tuple(asked))
        for row in self._rows_of(table, shown(seen_by(vector), self._tree.prefix(begin))):
            key = key_of(table, row)
            if key_order(key)[: len(asked)] != wanted:
                continue
            if cut and not (_is_cut(row) and _begin(row) == _begin(cut[0])):
                yield from _in_order(table, cut)
                cut = []
            if _is_cut(row):
                cut.append(row)
            else:
                yield row
        yield from _in_order(table, cut)

    def _key(self, table: Table, key: Key) -> bytes | None:
        """Return the bytes of a key as it is asked for; None if no row can have it."""
        if not table.primary_key:
            line, n, ordinal = key
            try:
                return keys.rid_key_bytes(str(line), int(n or 0), int(ordinal or 0))
            except (ValueError, OverflowError):
                return None
        columns = [table.columns[at] for at in table.positions(table.primary_key)]
        try:
            return keys.encoded([held(part, column, column.name) for part, column in zip(key, columns, strict=True)])
        except InvalidValue:
            return None

    def _rows_of(self, table: Table, versions: Iterable[tuple[bytes, Held]]) -> Iterator[Row]:
        for key, raw in self._tree.load_many(versions):
            yield row_of(table, key, raw)

    def touched(self, table: Table, base: VersionVector, side: VersionVector) -> Iterator[Touch]:
        """Yield each version made or ended in what `side` sees and `base` does not."""
        for line, (low, high) in beyond(side, base).items():
            yield from (Touch(row, ended=kind == ENDED) for kind, row in self._touches(table, line, low + 1, high))

    def _touches(self, table: Table, line: str, first: int, last: int) -> Iterator[tuple[bytes, Row]]:
        """Yield what commits of a line did with which versions."""
        wanted, at = keys.table_bytes(table), 1 + keys.POINT_BYTES
        log = self._tree.range(
            keys.LINE + keys.point_bytes(Point(line, first)), keys.LINE + keys.point_bytes(Point(line, last + 1))
        )
        told = [key for key, _ in log if key[at : at + 1] == keys.TOUCH and key[at + 1 : at + 5] == wanted]
        return self._told(table, told)

    def _made_by(self, table: Table, point: Point) -> list[Row]:
        return [row for kind, row in self._did(table, point) if kind == BORN]

    def _ended_by(self, table: Table, point: Point) -> list[Row]:
        return [row for kind, row in self._did(table, point) if kind == ENDED]

    def _did(self, table: Table, point: Point) -> Iterator[tuple[bytes, Row]]:
        return self._told(table, [key for key, _ in self._tree.prefix(keys.touches_prefix(point, table))])

    def _told(self, table: Table, touches: list[bytes]) -> Iterator[tuple[bytes, Row]]:
        """Yield what was done with which version, by the keys that say so."""
        for kind, version in map(keys.touched_version, touches):
            raw = self._tree.get(version)
            if raw is None:
                raise StoreCorrupt(f"table {table.name}: a version that a commit touched is missing; run verify")
            yield kind, row_of(table, version, raw)

    def erasures(self, point: Point) -> dict[tuple[int, bytes], Erasure]:
        """Return what was kept of changes of a commit that were erased or removed."""
        prefix = keys.LINE + keys.point_bytes(point) + keys.LEAF
        found: dict[tuple[int, bytes], Erasure] = {}
        for key, raw in self._tree.load_many(self._tree.prefix(prefix)):
            table_id, rid = int.from_bytes(key[len(prefix) : len(prefix) + 4]), key[len(prefix) + 4 :]
            mark, salt = unpacked(raw)
            found[table_id, rid] = Erasure(Leaf(table_id, rid, mark), salt)
        return found

    def _merges_of(self, point: Point) -> list[Point]:
        entries = self._tree.load_many(self._tree.prefix(MERGE + keys.point_bytes(point)))
        return [Point(key[25:].hex(), int.from_bytes(raw)) for key, raw in entries]

    def damage(self) -> Iterator[str]:
        """Yield what the engine finds wrong with its nodes."""
        return damage_of(self._tree)


def seen_by(vector: VersionVector) -> dict[bytes, int]:
    """Return a vector as the keys of versions have it."""
    return {keys.line_bytes(line): n for line, n in vector.items()}


def shown(seen: Seen, entries: Iterable[tuple[bytes, Held]]) -> Iterator[tuple[bytes, Held]]:
    """Yield the versions, of entries in order of their keys, that are seen and whose ends are not.

    The ends of a version follow it at once.
    """
    version: tuple[bytes, Held] | None = None
    for entry in entries:
        key = entry[0]
        is_seen = seen.get(key[-25:-9], 0) >= int.from_bytes(key[-9:-1]) > 0
        if key[-1:] == BORN:
            if version is not None:
                yield version
            version = entry if is_seen else None
        elif is_seen:
            version = None
    if version is not None:
        yield version


def row_of(table: Table, key: bytes, raw: bytes) -> Row:
    """Return a version as a row with a table's columns."""
    rid, by_id = version_parts(key, raw)
    return Row(rid, keys.born_of(key), values_of(table, by_id), keys.handle_of(key))


def _is_cut(row: Row) -> bool:
    return keys.is_cut(keys.key_part(keys.version_of(row.handle)))


def _begin(row: Row) -> bytes:
    return keys.key_part(keys.version_of(row.handle))[: keys.ENCODED_MAX]


def _in_order(table: Table, rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: key_order(key_of(table, row)))


def _some(entries: Iterator[_T], number: int) -> Iterator[_T]:
    return (entry for entry, _ in zip(entries, range(number), strict=False))
