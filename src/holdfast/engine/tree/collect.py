"""Removing what gc and erasure name, in the tree."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from holdfast.core.canonical import row_bytes
from holdfast.core.hashing import Leaf
from holdfast.core.points import Point
from holdfast.core.retention import Pruned
from holdfast.core.rows import Row, key_of
from holdfast.core.schema import Catalogue, Table
from holdfast.engine.contract import Erasure, Removal
from holdfast.engine.removal import Removing
from holdfast.engine.tree import keys
from holdfast.engine.tree.constraints import ConstraintChecks
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.keys import BORN, LEAF, LINE, MERGE, PIN, TRUNK
from holdfast.engine.tree.reader import row_of
from holdfast.engine.tree.records import packed, unpacked


class Collecting(ConstraintChecks, Removing):
    """What a writer can remove."""

    def __init__(self, draft: Draft, catalogues: dict[bytes, Catalogue]) -> None:
        ConstraintChecks.__init__(self, draft, catalogues)
        Removing.__init__(self)

    def prune(self, points: Iterable[Point]) -> int:
        """Let commits be no points any more that can be checked out, unless another gc did; return how many it were."""
        pruned = 0
        for point in points:
            record = self._commit_record(point)
            if record is not None and record.pruned == Pruned.NO:
                self._put_commit(point, msgspec.structs.replace(record, pruned=int(Pruned.PRUNED)))
                pruned += 1
        return pruned

    # Leases

    def pin(self, token: str, point: Point, until_us: int) -> None:
        """Lease a point: gc spares it until then."""
        self._count()
        self._draft.put(PIN + token.encode(), packed([keys.line_bytes(point.line), point.n, until_us]))

    def unpin(self, token: str) -> None:
        """End a lease."""
        key = PIN + token.encode()
        if self._tree.held(key) is not None:
            self._count()
            self._draft.remove(key)

    def unpin_expired(self, now_us: int) -> None:
        """Forget the leases that have ended."""
        for token in [token for token, _, until_us in self._pinned() if until_us <= now_us]:
            self.unpin(token)

    # Versions that nobody needs

    def _born_at(self, table: Table, handle: int) -> Point | None:  # noqa: ARG002 - as engine/removal.py has it
        version = keys.version_of(handle)
        return None if self._tree.held(version) is None else keys.born_of(version)

    def _version(self, table: Table, handle: int) -> Row:
        return self._row_at(table, keys.version_of(handle))

    def _ends(self, table: Table, handle: int) -> list[Point]:  # noqa: ARG002 - as above
        return self._ends_of(keys.version_of(handle))

    def _drop_version(self, table: Table, row: Row) -> None:
        newest = self._newest(table)  # its UNIQUEs have entries
        self._remove_version(newest, self._row_at(newest, keys.version_of(row.handle)))

    def _newest(self, table: Table) -> Table:
        """Return a table as it was last."""
        return next(other for other in self._ever() if other.id == table.id)

    def _goes_on(self, table: Table, row: Row, end: Point) -> bool:
        key = keys.encoded(key_of(table, row)) if table.primary_key else keys.rid_key_bytes(*row.rid)
        same = self._tree.get(keys.version_key(table, key, end))
        if same is not None and row_of(table, keys.version_key(table, key, end), same).rid == row.rid:
            return True
        return bool(table.primary_key) and any(other.rid == row.rid for other in self._made_by(table, end))

    def _keep(self, point: Point, leaf: Leaf, salt: bytes | None) -> None:
        key = keys.leaf_key(point, leaf.table_id, leaf.rid)
        raw = self._tree.get(key)
        mark, kept = (leaf.mark, b"") if raw is None else unpacked(raw)
        if kept is not None:
            self._draft.put(key, packed([mark, salt]))

    def _keep_salts(self, point: Point, kept: Iterable[Erasure]) -> None:
        for erasure in kept:
            key = keys.leaf_key(point, erasure.leaf.table_id, erasure.leaf.rid)
            if self._tree.held(key) is None:  # what is gone has its mark
                self._draft.put(key, packed([erasure.leaf.mark, erasure.salt]))
        record = self._commit_record(point)
        assert record is not None, "it was just read"
        self._put_commit(point, msgspec.structs.replace(record, salt=None))

    def _blank_texts(self, point: Point) -> None:
        record = self._commit_record(point)
        assert record is not None, "it was just read"
        self._put_commit(point, msgspec.structs.replace(record, message="", metadata=None))
        key = keys.leaf_key(point, 0, b"")
        raw = self._tree.get(key)
        if raw is not None:
            self._draft.put(key, packed([unpacked(raw)[0], None]))

    def _has_changes(self, point: Point) -> bool:
        return next(self._tree.prefix(keys.touches_prefix(point)), None) is not None

    def _make_bare(self, point: Point) -> None:
        record = self._commit_record(point)
        assert record is not None, "it was just read"
        self._put_commit(point, msgspec.structs.replace(record, pruned=int(Pruned.BARE)))
        texts = keys.leaf_key(point, 0, b"")
        for key in self._leaves(point):
            if key != texts:
                self._draft.remove(key)

    def _leaves(self, point: Point) -> list[bytes]:
        return [key for key, _ in self._tree.prefix(LINE + keys.point_bytes(point) + LEAF)]

    # Commits that nobody can see

    def remove(self, point: Point, rows_max: int) -> Removal:
        """Remove the newest commit of a line that nobody sees, with all that it did; or up to `rows_max` rows of it.

        One that another gc has removed meanwhile is done.
        """
        record = self._commit_record(point)
        if record is None:
            return Removal(0, 0)
        rows = size = 0
        touches = [key for key, _ in self._tree.prefix(keys.touches_prefix(point))]
        for kind, version in map(keys.touched_version, touches[: max(rows_max, 0)]):
            rows += 1
            if kind == BORN:
                size += self._remove_made(version)
            else:
                self._remove_end(version, point)
        if rows >= rows_max:
            self._put_commit(point, msgspec.structs.replace(record, pruned=int(Pruned.LEAVING)))
            return Removal(rows, size, done=False)
        self._remove_commit(point, record.hash)
        return Removal(rows, size)

    def _remove_made(self, version: bytes) -> int:
        """Remove a version, whatever its table is by now; return its bytes."""
        table = next(table for table in self._ever() if table.id == int.from_bytes(version[1:5]))
        row = self._row_at(table, version)
        self._remove_version(table, row)
        return len(row_bytes(row.values))

    def _remove_commit(self, point: Point, digest: bytes) -> None:
        merges = [key for key, _ in self._tree.prefix(MERGE + keys.point_bytes(point))]
        for key in (*self._leaves(point), *merges, keys.commit_key(point), keys.HASH + digest):
            self._draft.remove(key)
        self._unseal(point)
        before = self.commit(Point(point.line, point.n - 1))
        record = self._line_record(point.line)
        record.head, record.head_hash = point.n - 1, before.hash
        self._put_line(point.line, record)
        self._fork_earlier(point, before.point, before.hash)
        self._commits.pop(point, None)
        self._count()

    def _unseal(self, trunk: Point) -> None:
        prefix = TRUNK + keys.point_bytes(trunk)
        for key in [key for key, _ in self._tree.prefix(prefix)]:
            record = self._line_record(key[25:].hex())
            record.trunk, record.trunk_n = None, 0
            self._put_line(key[25:].hex(), record)
            self._draft.remove(key)

    def _fork_earlier(self, removed: Point, before: Point, digest: bytes) -> None:
        """Let lines that were forked at a removed commit, and are empty, stand where it stood."""
        for uid, record in self._line_records():
            if record.forked_at == removed:
                record.parent, record.fork_n, record.head_hash = keys.line_bytes(before.line), before.n, digest
                self._put_line(uid, record)

    def remove_lines(self, lines: Iterable[str]) -> None:
        """Remove those of these `empty_lines` that still have no commits and no names."""
        unused = self._unused()
        for uid in lines:
            if uid in unused:
                self._draft.remove(keys.head_key(uid))
        self._count()

    def seal_lines(self, seals: Iterable[tuple[str, Point]]) -> int:
        """Note of finished lines which commit implies all of them, and forget that it merged them; return how many."""
        records, named = dict(self._line_records()), self._named()
        trunks: set[str] = set()
        sealed = 0
        for uid, at in seals:
            record, trunk = records.get(uid), records.get(at.line)
            if record is None or trunk is None or trunk.trunk is not None or uid == at.line:
                continue
            if not self._is_there(at) or not self._may_be_sealed(uid, record, records.values(), named):
                continue
            record.trunk, record.trunk_n = keys.line_bytes(at.line), at.n
            self._put_line(uid, record)
            self._draft.put(TRUNK + keys.point_bytes(at) + keys.line_bytes(uid), b"")
            self._forget_merges(at, uid)
            trunks.add(at.line)
            sealed += 1
        for line in trunks:
            records[line].epoch += 1
            self._put_line(line, records[line])
        if sealed:
            self._count()
        return sealed

    def _forget_merges(self, since: Point, source: str) -> None:
        """Forget that the trunk merged a line, in its commits from the one that implies all of it on."""
        low, high = MERGE + keys.point_bytes(since), MERGE + keys.line_bytes(since.line) + b"\xff" * 9
        for key in [key for key, _ in self._tree.range(low, high) if key[25:].hex() == source]:
            self._draft.remove(key)

    def _is_there(self, point: Point) -> bool:
        return self._tree.held(keys.commit_key(point)) is not None
