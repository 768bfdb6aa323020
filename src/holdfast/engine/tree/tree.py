"""The tree as a map that is read: one root, which never changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import cast

from holdfast.engine.tree.node import Held
from holdfast.engine.tree.nodes import READ_BYTES_MAX, Nodes

CHILDREN_AT_ONCE = 32
"""How many nodes a scan asks for by one call of the store."""


def beyond(prefix: bytes) -> bytes | None:
    """Return the first key after all that begin with `prefix`; None if there can be none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


class Tree:
    """An immutable ordered map of bytes to bytes.

    Args:
        root: the digest of the root node; None for an empty map.
    """

    def __init__(self, nodes: Nodes, root: bytes | None) -> None:
        self.nodes = nodes
        self.root = root

    def held(self, key: bytes) -> Held | None:
        """Return the value of a key as its leaf has it, or None."""
        if self.root is None:
            return None
        node = self.nodes.read(self.root)
        while node.level:
            at = bisect_right(node.keys, key) - 1
            if at < 0:
                return None
            node = self.nodes.read(cast("bytes", node.values[at]))
        at = bisect_left(node.keys, key)
        return node.values[at] if at < len(node.keys) and node.keys[at] == key else None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        held = self.held(key)
        return None if held is None else self.load(key, held)

    def load(self, key: bytes, held: Held) -> bytes:
        """Return a value of which only is known what a leaf has of it."""
        return held if isinstance(held, bytes) else self.nodes.values([(key, held[0])])[held[0]]

    def load_many(self, entries: Iterable[tuple[bytes, Held]]) -> Iterator[tuple[bytes, bytes]]:
        """Yield entries with their values; those that stand by themselves are asked for together."""
        waiting: list[tuple[bytes, Held]] = []
        size = 0
        for key, held in entries:
            waiting.append((key, held))
            size += 0 if isinstance(held, bytes) else held[1]
            if len(waiting) >= CHILDREN_AT_ONCE or size > READ_BYTES_MAX:
                yield from self._loaded(waiting)
                waiting, size = [], 0
        yield from self._loaded(waiting)

    def _loaded(self, entries: list[tuple[bytes, Held]]) -> Iterator[tuple[bytes, bytes]]:
        outside = [(key, held[0]) for key, held in entries if not isinstance(held, bytes)]
        values = self.nodes.values(outside) if outside else {}
        for key, held in entries:
            yield key, held if isinstance(held, bytes) else values[held[0]]

    def range(self, low: bytes, high: bytes | None) -> Iterator[tuple[bytes, Held]]:
        """Yield the entries from `low` up to but without `high`, in order of their keys."""
        if self.root is not None:
            yield from self._range(self.root, low, high)

    def prefix(self, prefix: bytes) -> Iterator[tuple[bytes, Held]]:
        """Yield the entries whose keys begin with `prefix`, in order."""
        return self.range(prefix, beyond(prefix))

    def _range(self, digest: bytes, low: bytes, high: bytes | None) -> Iterator[tuple[bytes, Held]]:
        node = self.nodes.read(digest)
        end = len(node.keys) if high is None else bisect_left(node.keys, high)
        if node.level == 0:
            for at in range(bisect_left(node.keys, low), end):
                yield node.keys[at], node.values[at]
            return
        start = max(bisect_right(node.keys, low) - 1, 0)
        for first in range(start, end, CHILDREN_AT_ONCE):
            children = cast("list[bytes]", node.values[first : min(first + CHILDREN_AT_ONCE, end)])
            if len(children) > 1:
                self.nodes.read_many(children)
            for child in children:
                yield from self._range(child, low, high)

    def last(self, low: bytes, high: bytes | None) -> bytes | None:
        """Return the last key from `low` up to but without `high`, or None. Costs one look."""
        return None if self.root is None else self._last(self.root, low, high)

    def _last(self, digest: bytes, low: bytes, high: bytes | None) -> bytes | None:
        node = self.nodes.read(digest)
        end = len(node.keys) if high is None else bisect_left(node.keys, high)
        if node.level == 0:
            return node.keys[end - 1] if end and node.keys[end - 1] >= low else None
        # A child that begins before `high` may have nothing before it but its first key, and that is enough.
        return self._last(cast("bytes", node.values[end - 1]), low, high) if end else None
