"""The nodes of the tree, and where one ends and the next begins.

The tree is a *prolly tree* (Noms, Dolt): an ordered map cut into nodes where the hash of a key says so, nodes cut into
nodes of nodes in the same way, up to one root. Where the cuts are follows from the contents alone, so equal contents
are equal nodes and equal roots whatever way led there, and a change rewrites the nodes on its way to the root and, now
and then, a neighbour.

A B-tree was rejected: it costs as little, but its shape depends on its history, so two stores with the same contents
could not be compared by their roots.

An entry ends its node with a probability in proportion to its size, so that nodes have about the same number of bytes
whatever is in them. A node has at least `NODE_BYTES_MIN` (two children, in inner nodes) and is closed at
`NODE_BYTES_MAX` in any case. Whoever closes nodes from a place where one began anywhere before closes the same ones
from there on: cutting has no memory beyond the node it is in.

A node, and a value that is kept out of its node, is named by the hash of its contents, which is checked when it is
read. It is hashed as it was before compression: another release of zstd must not change a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import xxhash
import zstandard

NODE_BYTES = 1_000
"""What nodes have on average beyond the minimum, before compression."""
NODE_BYTES_MIN = 300
NODE_BYTES_MAX = 8_000
INLINE_BYTES_MAX = 1_024
"""Longer values stand by themselves, outside of the node."""

DIGEST_BYTES = 24
_PLAIN, _COMPRESSED = b"\x00", b"\x01"
_ENTRY_BYTES = 6
"""What an entry takes beside its key and its value."""
_SPACE = 1 << 64

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode

Held = bytes | list[Any]
"""A value as a leaf has it: itself, or [digest, length] of one that stands by itself."""

Changes = Sequence[tuple[bytes, Held | None]]
"""In order of their keys; None removes."""


class Damaged(Exception):
    """What was read is not what its name says."""


class Node:
    """A part of one level: keys in order, each with its value (level 0) or the digest of the node that it begins."""

    __slots__ = ("keys", "level", "values")

    def __init__(self, level: int, keys: list[bytes], values: list[Held]) -> None:
        self.level = level
        self.keys = keys
        self.values = values

    def encoded(self) -> bytes:
        """Return the contents that are hashed: [level, what all keys begin with, the rest of each, values]."""
        common = _alike(self.keys[0], self.keys[-1])
        return _encode([self.level, self.keys[0][:common], [key[common:] for key in self.keys], self.values])

    @classmethod
    def decoded(cls, contents: bytes) -> Node:
        """Return the node with these contents. Raises Damaged."""
        try:
            level, common, rests, values = _decode(contents)
            return cls(level, [common + rest for rest in rests], values)
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            raise Damaged(f"no node: {error}") from error


def _alike(a: bytes, b: bytes) -> int:
    """Return how many bytes two keys begin with alike."""
    differing = (at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def digest_of(contents: bytes) -> bytes:
    """Return the name of a node, or of a value that stands by itself."""
    return hashlib.blake2b(contents, digest_size=DIGEST_BYTES, person=b"holdfast-tree").digest()


def packed(contents: bytes) -> bytes:
    """Return contents as they are stored: compressed where that saves an eighth."""
    small = zstandard.ZstdCompressor(level=3).compress(contents) if len(contents) > NODE_BYTES_MIN else contents
    return _COMPRESSED + small if len(small) * 8 < len(contents) * 7 else _PLAIN + contents


def unpacked(stored: bytes, digest: bytes) -> bytes:
    """Return the contents of what is stored. Raises Damaged unless they have this digest."""
    contents = unchecked(stored)
    if digest_of(contents) != digest:
        raise Damaged("its contents do not have the hash that it is named by")
    return contents


def unchecked(stored: bytes) -> bytes:
    """Return the contents of what is stored, whatever they are. Raises Damaged."""
    if stored[:1] != _COMPRESSED:
        return stored[1:]
    try:
        return zstandard.ZstdDecompressor().decompress(stored[1:])
    except (zstandard.ZstdError, MemoryError) as error:  # also of a length that is damaged
        raise Damaged(str(error) or "it would not fit into memory") from error


def alone(key: bytes, value: bytes) -> bytes:
    """Return the contents of a value that stands by itself. With its key in it no other entry ever shares it."""
    return _encode([key, value])


def value_alone(contents: bytes) -> tuple[bytes, bytes]:
    """Return the key and the value. Raises Damaged."""
    try:
        key, value = _decode(contents)
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise Damaged(f"no value: {error}") from error
    return key, value


class Cutter:
    """Takes the entries of one level in order, and cuts them into nodes.

    Attributes:
        made: the nodes so far: (first key, digest).
        contents: their contents by digest.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._keys: list[bytes] = []
        self._values: list[Held] = []
        self._size = 0
        self.made: list[tuple[bytes, bytes]] = []
        self.contents: dict[bytes, bytes] = {}

    @property
    def is_between(self) -> bool:
        """Whether the last entry ended a node."""
        return not self._keys

    def add(self, key: bytes, held: Held) -> None:
        """Take the next entry."""
        self._keys.append(key)
        self._values.append(held)
        size = len(key) + _ENTRY_BYTES + (len(held) if type(held) is bytes else DIGEST_BYTES)
        self._size += size
        if self._size < NODE_BYTES_MIN or (self._level and len(self._keys) < 2):
            return
        if self._size >= NODE_BYTES_MAX or xxhash.xxh3_64_intdigest(key, self._level) * NODE_BYTES < size * _SPACE:
            self.cut()

    def extend(self, keys: Sequence[bytes], values: Iterable[Held]) -> None:
        """Take the next entries."""
        for key, held in zip(keys, values, strict=True):
            self.add(key, held)

    def cut(self) -> None:
        """End the node, if one has begun."""
        if not self._keys:
            return
        contents = Node(self._level, self._keys, self._values).encoded()
        digest = digest_of(contents)
        self.made.append((self._keys[0], digest))
        self.contents[digest] = contents
        self._keys, self._values, self._size = [], [], 0
