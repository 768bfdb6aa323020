"""The values of the tree's entries."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from holdfast.core.points import Point, Rid
from holdfast.core.retention import Pruned
from holdfast.core.schema import Column, Table
from holdfast.core.types import Kind, Stored
from holdfast.engine.contract import Commit, Line
from holdfast.engine.tree.keys import born_of
from holdfast.errors import InvalidValue, StoreCorrupt

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


_TEXT = re.compile(r"'((?:[^']|'')*)'")
_BLOB = re.compile(r"[xX]'((?:[0-9a-fA-F]{2})*)'")


def literal_value(literal: str | None, column: Column) -> Stored:
    """Return the value of an SQL literal, as a column holds it. Raises InvalidValue."""
    if literal is None or literal.upper() == "NULL":
        return None
    if text := _TEXT.fullmatch(literal):
        return held(text[1].replace("''", "'"), column, column.name)
    if blob := _BLOB.fullmatch(literal):
        return bytes.fromhex(blob[1])
    number = _number(literal)
    if number is None:
        raise InvalidValue(f"{column.name}: {literal!r} is no literal; give a number, a text, a blob or NULL")
    return held(number, column, column.name)


# What a cell makes of a value, as SQLite's STRICT tables do

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def held(value: object, column: Column, where: str) -> Stored:
    """Return what a cell holds when a stored value is put into it: 7 for '7' in an INTEGER column.

    Raises:
        InvalidValue: it can hold nothing of the kind.
    """
    kind = column.type.kind
    if value is None or kind is Kind.ANY:
        return value  # type: ignore[return-value]  # stored forms are what comes here
    if kind in (Kind.BLOB, Kind.VECTOR):
        found: Stored = value if isinstance(value, bytes) else None
    elif kind in (Kind.INTEGER, Kind.BOOLEAN, Kind.INTERVAL):
        found = _whole(value)
    elif kind is Kind.REAL:
        number = _number(value)
        found = None if number is None else float(number) + 0.0
    else:
        found = value if isinstance(value, str) else _text(value)
    if found is None:
        raise InvalidValue(f"cannot store {_KIND_NAMES.get(type(value), 'a value')} value in {kind} column {where}")
    return found


_KIND_NAMES: dict[type, str] = {int: "INT", float: "REAL", str: "TEXT", bytes: "BLOB"}


def _number(value: object) -> int | float | None:
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    try:
        return int(value)
    except ValueError:
        return float(value)


def _whole(value: object) -> int | None:
    number = _number(value)
    if isinstance(number, float):
        number = int(number) if number.is_integer() else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _text(value: object) -> str | None:
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if any(mark in text for mark in ".en") else text + ".0"
    return str(value) if isinstance(value, int) else None
