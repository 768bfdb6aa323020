"""The values of the tree's entries."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.points import Point, Rid
from holdfast.core.retention import Pruned
from holdfast.core.schema import Table
from holdfast.core.types import Stored
from holdfast.engine.cells import literal_value
from holdfast.engine.contract import Commit, Line
from holdfast.engine.tree.keys import born_of
from holdfast.errors import StoreCorrupt

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode


class LineRecord(msgspec.Struct, array_like=True):
    """A line. `order` counts lines as they are made, so that parents come before their children."""

    order: int
    parent: bytes | None
    fork_n: int
    head: int
    head_hash: bytes
    epoch: int
    trunk: bytes | None = None
    trunk_n: int = 0

    def line(self, uid: str) -> Line:
        """Return what the contract says of it."""
        return Line(uid, self.forked_at, self.head, self.head_hash, self.epoch)

    @property
    def forked_at(self) -> Point | None:
        """Where it was forked."""
        return None if self.parent is None else Point(self.parent.hex(), self.fork_n)

    @property
    def sealed_by(self) -> Point | None:
        """The commit that implies all of it."""
        return None if self.trunk is None else Point(self.trunk.hex(), self.trunk_n)


class CommitRecord(msgspec.Struct, array_like=True):
    """A commit, without its place."""

    hash: bytes
    parents: tuple[bytes, ...]
    at_us: int
    message: str
    metadata: str | None
    schema: int
    salt: bytes | None
    changes: bytes
    pruned: int = 0

    @classmethod
    def of(cls, commit: Commit) -> CommitRecord:
        """Return the record of a commit."""
        texts = commit.at_us, commit.message, commit.metadata
        return cls(commit.hash, commit.parents, *texts, commit.schema, commit.salt, commit.changes, commit.pruned)

    def commit(self, point: Point) -> Commit:
        """Return what the contract says of it."""
        texts = self.at_us, self.message, self.metadata
        kept = self.schema, self.salt, self.changes
        return Commit(point, self.hash, self.parents, *texts, *kept, Pruned(self.pruned))


_line_decoder = msgspec.msgpack.Decoder(LineRecord)
_commit_decoder = msgspec.msgpack.Decoder(CommitRecord)


def packed(record: Any) -> bytes:  # noqa: ANN401 - whatever MessagePack has
    """Return a record as bytes."""
    return _encode(record)


def unpacked(raw: bytes) -> Any:  # noqa: ANN401 - as above
    """Return what `packed` was given. Raises StoreCorrupt."""
    try:
        return _decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"an entry of the tree cannot be read: {error}; restore the store from a copy") from error


def line_record(raw: bytes) -> LineRecord:
    """Return a line. Raises StoreCorrupt."""
    try:
        return _line_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"a line cannot be read: {error}; restore the store from a copy") from error


def commit_record(raw: bytes) -> CommitRecord:
    """Return a commit. Raises StoreCorrupt."""
    try:
        return _commit_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"a commit cannot be read: {error}; restore the store from a copy") from error


# Versions of rows: [who it is, values by the ids of their columns]


def version_record(table: Table, rid: Rid, born: Point, values: tuple[Stored, ...]) -> bytes:
    """Return a version. A row that this very commit inserted is told by its place there."""
    by_id: list[Stored] = [None] * max((column.id for column in table.columns), default=0)
    for column, value in zip(table.columns, values, strict=True):
        by_id[column.id - 1] = value
    mine = (rid.line, rid.n) == born
    who = rid.ordinal if mine else bytes.fromhex(rid.line) + rid.n.to_bytes(8) + rid.ordinal.to_bytes(8)
    return _encode([who, by_id])


def version_parts(key: bytes, raw: bytes) -> tuple[Rid, list[Stored]]:
    """Return whose version it is, and its values by the ids of their columns."""
    who, by_id = unpacked(raw)
    if isinstance(who, int):
        return Rid(*born_of(key), who), by_id
    return Rid(who[:16].hex(), int.from_bytes(who[16:24]), int.from_bytes(who[24:])), by_id


def values_of(table: Table, by_id: list[Stored]) -> tuple[Stored, ...]:
    """Return the values of a table's columns; a column that was added later shows its `fill`."""
    known = len(by_id)
    return tuple(
        by_id[column.id - 1] if column.id <= known else literal_value(column.fill, column) for column in table.columns
    )
