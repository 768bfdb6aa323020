"""Hashes of commits: over digests, never over content, so that content can be erased and the chain still verifies.

A commit's salt is 16 random bytes, kept beside the commit. Each change is salted by a value derived from it; whoever
erases a row replaces the commit's salt by the derived salts of the rows that stay, so that what was erased cannot be
guessed back from its digest. docs/format.md is the normative description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from holdfast.core.canonical import row_bytes
from holdfast.core.points import Point, Rid
from holdfast.core.rows import Change
from holdfast.core.types import Stored

FORMAT = 1

_encoder = msgspec.msgpack.Encoder()


class Leaf(NamedTuple):
    """One net change of a commit as the hash sees it: which row, and a mark of what became of it."""

    table_id: int
    rid: bytes
    mark: bytes


def rid_bytes(rid: Rid) -> bytes:
    """Return a row id as 32 bytes: line uid (16), n (8, big-endian), ordinal (8, big-endian)."""
    return bytes.fromhex(rid.line) + rid.n.to_bytes(8) + rid.ordinal.to_bytes(8)


def derive_salt(commit_salt: bytes, table_id: int, rid: bytes) -> bytes:
    """Return the salt of one change, from which neither the commit's salt nor a neighbour's can be found."""
    return hashlib.sha256(commit_salt + table_id.to_bytes(8) + rid).digest()[:16]


def after_mark(salt: bytes, values: tuple[Stored, ...]) -> bytes:
    """Return the mark of a row that was added or changed to `values` (stored forms, in column order)."""
    return b"\x01" + hashlib.sha256(salt + row_bytes(values)).digest()


DELETED = b"\x00"
"""The mark of a row that is gone."""


def kept_mark(version: Point) -> bytes:
    """Return the mark a merge leaves where both sides were equal and the version born at `version` stays."""
    return b"\x02" + bytes.fromhex(version.line) + version.n.to_bytes(8)


def leaf_of(change: Change, commit_salt: bytes) -> Leaf:
    """Return what a commit's hash covers of one change."""
    rid = rid_bytes(change.rid)
    return _leaf(change, rid, derive_salt(commit_salt, change.table.id, rid))


def salted_leaf(change: Change, salt_of: Callable[[int, bytes], bytes | None]) -> Leaf | None:
    """Return the same of a commit that lost its salt, from the salt that was kept for the change; None if none was."""
    rid = rid_bytes(change.rid)
    salt = salt_of(change.table.id, rid)
    return None if salt is None else _leaf(change, rid, salt)


def _leaf(change: Change, rid: bytes, salt: bytes) -> Leaf:
    if change.after is not None:
        return Leaf(change.table.id, rid, after_mark(salt, change.after.values))
    return Leaf(change.table.id, rid, DELETED if change.kept is None else kept_mark(change.kept))


def changes_digest(leaves: Iterable[Leaf]) -> bytes:
    """Return sha256 over the leaves in order of (table id, row id, mark)."""
    digest = hashlib.sha256()
    for leaf in sorted(leaves):
        digest.update(leaf.table_id.to_bytes(8) + leaf.rid + leaf.mark)
    return digest.digest()


def texts_salt(commit_salt: bytes) -> bytes:
    """Return the salt of a commit's message and metadata, which can be erased like rows: table 0, no row id."""
    return derive_salt(commit_salt, 0, b"")


def texts_digest(salt: bytes, message: str, metadata: str | None) -> bytes:
    """Return the digest of a commit's message and metadata under `texts_salt`."""
    return hashlib.sha256(salt + _encoder.encode([message, metadata])).digest()


@dataclass(frozen=True, slots=True)
class CommitHeader:
    """All that a commit's hash covers."""

    point: Point
    parents: tuple[bytes, ...]
    at_us: int
    texts: bytes
    schema: bytes
    changes: bytes

    def hash(self) -> bytes:
        """Return the commit's hash: sha256 over a MessagePack array of the fields in order."""
        fields = ("holdfast", FORMAT, bytes.fromhex(self.point.line), self.point.n, self.parents)
        return hashlib.sha256(_encoder.encode([*fields, self.at_us, self.texts, self.schema, self.changes])).digest()
