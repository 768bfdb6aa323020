"""Making a new tree of an old one and a set of changes.

Level by level, from the leaves: the nodes that a change falls into are taken apart and cut again together with the
changes, until a cut falls where one was; from there on everything is as before. What came out otherwise is the change
of the level above.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from holdfast.engine.tree.node import INLINE_BYTES_MAX, Changes, Cutter, Held, Node, alone, digest_of
from holdfast.engine.tree.nodes import Nodes
from holdfast.engine.tree.tree import Tree


@dataclass(slots=True)
class Edit:
    """What a set of changes comes to.

    Attributes:
        root: of the new tree.
        nodes: contents of nodes that the old tree has not, by digest.
        old_nodes: digests of nodes that the new tree has not: those of the old one, with level and first key.
        old_values: values that stood by themselves and that their entries have no more: digest and key.
    """

    root: bytes | None
    nodes: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    old_nodes: dict[bytes, tuple[int, bytes]] = field(default_factory=dict[bytes, tuple[int, bytes]])
    old_values: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])


def set_apart(changes: Iterable[tuple[bytes, Held | None]]) -> tuple[Changes, dict[bytes, bytes]]:
    """Return changes as leaves have them, and the contents of the values that stand by themselves, by digest."""
    values: dict[bytes, bytes] = {}

    def held(key: bytes, value: Held | None) -> Held | None:
        if not isinstance(value, bytes) or len(value) <= INLINE_BYTES_MAX:
            return value
        contents = alone(key, value)
        digest = digest_of(contents)
        values[digest] = contents
        return [digest, len(value)]

    return [(key, held(key, value)) for key, value in changes], values


def edited(tree: Tree, changes: Changes) -> Edit:
    """Return what a tree becomes when values are set, or removed (None); the changes are in order of their keys."""
    return _Editor(tree).run(changes)


class _Editor:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._nodes: Nodes = tree.nodes
        self._made: dict[bytes, bytes] = {}
        self._gone: dict[bytes, tuple[int, bytes]] = {}
        self._edit = Edit(tree.root)

    def run(self, changes: Changes) -> Edit:
        level_changes = changes
        edit, root = self._edit, self._tree.root
        tops: list[tuple[bytes, bytes]] = []
        height = -1 if root is None else self._nodes.read(root).level
        for level in range(height + 1):
            if not level_changes:
                break
            gone, made = self._edit_level(level, level_changes)
            tops = made
            level_changes = _net(gone, made)
        else:
            if root is None:
                tops = self._cut(0, [(key, held) for key, held in level_changes if held is not None])
                level_changes = [(key, digest) for key, digest in tops]
            if level_changes:
                edit.root = self._crowned(tops, max(height, 0))
        edit.nodes = {digest: contents for digest, contents in self._made.items() if digest not in self._gone}
        edit.old_nodes = {digest: where for digest, where in self._gone.items() if digest not in self._made}
        held = {value[0] for _, value in changes if isinstance(value, list)}
        edit.old_values = {digest: key for digest, key in edit.old_values.items() if digest not in held}
        return edit

    def _edit_level(self, level: int, changes: Changes) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
        """Return the nodes that were taken apart, and those that came of them: first keys with digests."""
        keys = [key for key, _ in changes]
        gone: dict[bytes, bytes] = {}
        made: list[tuple[bytes, bytes]] = []
        at = 0
        while at < len(changes):
            cutter = Cutter(level)
            chunks = _Ahead(self._chunks(level, keys[at]))
            for first, digest in chunks:
                gone[first] = digest
                self._gone[digest] = level, first
                following = chunks.next_key
                until = len(keys) if following is None else bisect_left(keys, following, at)
                self._merge(cutter, self._nodes.read(digest), changes[at:until])
                at = until
                if following is None:
                    cutter.cut()
                if cutter.is_between:
                    break
            made += cutter.made
            self._made.update(cutter.contents)
        return gone, made

    def _merge(self, cutter: Cutter, node: Node, changes: Changes) -> None:
        """Give a cutter the entries of a node, changed."""
        start = 0
        for key, held in changes:
            stop = bisect_left(node.keys, key, start)
            cutter.extend(node.keys[start:stop], node.values[start:stop])
            start = stop
            if stop < len(node.keys) and node.keys[stop] == key:
                self._note_old(node, stop)
                start += 1
            if held is not None:
                cutter.add(key, held)
        cutter.extend(node.keys[start:], node.values[start:])

    def _note_old(self, node: Node, at: int) -> None:
        held = node.values[at]
        if node.level == 0 and not isinstance(held, bytes):
            self._edit.old_values[held[0]] = node.keys[at]

    def _chunks(self, level: int, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the nodes of a level from the one that `start` falls into, as (first key, digest)."""
        root = self._tree.root
        assert root is not None
        top = self._nodes.read(root)
        if top.level == level:
            yield top.keys[0], root
            return
        yield from self._below(top, level, start)

    def _below(self, node: Node, level: int, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        for at in range(max(bisect_right(node.keys, start) - 1, 0), len(node.keys)):
            child = cast("bytes", node.values[at])
            if node.level == level + 1:
                yield node.keys[at], child
            else:
                yield from self._below(self._nodes.read(child), level, start)

    def _cut(self, level: int, entries: Iterable[tuple[bytes, Held]]) -> list[tuple[bytes, bytes]]:
        cutter = Cutter(level)
        for key, held in entries:
            cutter.add(key, held)
        cutter.cut()
        self._made.update(cutter.contents)
        return cutter.made

    def _crowned(self, tops: list[tuple[bytes, bytes]], level: int) -> bytes | None:
        """Return the root over the nodes of the highest level: nodes above them, or below, until there is just one."""
        while len(tops) > 1:
            level += 1
            tops = self._cut(level, tops)
        if not tops:
            return None
        digest = tops[0][1]
        while True:
            contents = self._made.get(digest)
            node = self._nodes.read(digest) if contents is None else Node.decoded(contents)
            if not node.level or len(node.keys) > 1:
                return digest
            if self._made.pop(digest, None) is None:
                self._gone[digest] = node.level, node.keys[0]
            digest = cast("bytes", node.values[0])


class _Ahead:
    """Goes through nodes and knows where the next one begins."""

    def __init__(self, chunks: Iterator[tuple[bytes, bytes]]) -> None:
        self._chunks = chunks
        self._next = next(chunks, None)

    @property
    def next_key(self) -> bytes | None:
        return None if self._next is None else self._next[0]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        while self._next is not None:
            now, self._next = self._next, next(self._chunks, None)
            yield now


def _net(gone: dict[bytes, bytes], made: list[tuple[bytes, bytes]]) -> Changes:
    """Return how a level's nodes differ from what they were."""
    now = dict(made)
    changes: dict[bytes, Held | None] = {first: None for first in gone if first not in now}
    changes.update({first: digest for first, digest in made if gone.get(first) != digest})
    return sorted(changes.items())
