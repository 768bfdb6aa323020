"""The newest state: a tree, and the changes of the commits since, which the tree has not taken in yet.

A commit that wrote its nodes would write three paths through the tree for a row, and the deeper the tree is the more.
So it writes what it changes, as one entry; a commit later the tree takes in the changes of many at once, and the paths
that they share are written once. This is the log before the tree of log-structured stores (O'Neil et al., "The
Log-Structured Merge-Tree", 1996) with one level, which readers hold in memory.

Each entry tells the hash of the one before it, and the root that of the newest: a reader knows all of them by one hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from holdfast.engine.kv.store import KVStore
from holdfast.engine.tree.draft import Layer
from holdfast.engine.tree.node import Changes, Damaged, Held, digest_of, unchecked
from holdfast.engine.tree.nodes import Missing, Nodes
from holdfast.engine.tree.root import Root, Runs, states_of
from holdfast.engine.tree.tree import Tree
from holdfast.errors import StoreCorrupt

CHANGES_PREFIX = "hf/c/"
STATES_MAX = 64
"""The changes of so many states are kept beside the tree."""
BYTES_MAX = 256 * 1024
"""And so much of them, since who opens the store reads all."""


class Record(msgspec.Struct, array_like=True, frozen=True):
    """What is written of a commit: the hash of the entry before it, and its changes."""

    before: bytes
    changes: tuple[tuple[bytes, Held | None], ...]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Record)


class Recent(Layer):
    """A tree and the changes of the states since it was made. Not changed any more once others read it.

    Attributes:
        runs: the states whose changes these are.
        digest: of the newest entry; nothing without one.
        size: bytes of their entries.
        replaced: values that stand by themselves and were changed again since: digest and key.
    """

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self.runs: Runs = ()
        self.digest = b""
        self.size = 0
        self.replaced: dict[bytes, bytes] = {}

    @property
    def is_full(self) -> bool:
        """Whether the tree should take these changes in."""
        return sum(run.last - run.first + 1 for run in self.runs) > STATES_MAX or self.size > BYTES_MAX

    def after(self, entries: Iterable[tuple[Record, bytes]], runs: Runs) -> Recent:
        """Return what this is after more commits: their records, each with its contents. Then it is of these states."""
        other = Recent(self.base)
        other._changed, other._keys = self._changed.copy(), self._keys.copy()
        other.runs, other.digest, other.size = runs, self.digest, self.size
        other.replaced = self.replaced.copy()
        for record, contents in entries:
            other._take(record.changes)
            other.digest = digest_of(contents)
            other.size += len(contents)
        return other

    def _take(self, changes: Iterable[tuple[bytes, Held | None]]) -> None:
        for key, held in changes:
            known = self._changed.get(key)
            if isinstance(known, list) and known != held:
                self.replaced[known[0]] = key
            self._set(key, held)


@dataclass(frozen=True, slots=True)
class State:
    """A root as it was read, and what it leads to."""

    raw: bytes
    root: Root
    recent: Recent

    @property
    def tree(self) -> Tree:
        """The tree, without what it has not taken in yet."""
        return self.recent.base


def changes_key(epoch: int, writer: str) -> str:
    """Return the key of the changes of a state."""
    return f"{CHANGES_PREFIX}{epoch:012x}-{writer}"


def record_of(before: bytes, changes: Changes) -> tuple[Record, bytes]:
    """Return the record of a commit, and its contents."""
    record = Record(before, tuple(changes))
    return record, _encode(record)


def read_recent(nodes: Nodes, root: Root, known: State | None) -> Recent:
    """Return what a root leads to.

    Args:
        known: a state that may be an earlier one: only what came since is read.

    Raises:
        StoreCorrupt: entries are missing, damaged, or not those that the root tells of.
    """
    if known is not None and known.recent.runs and known.root.tree == root.tree:
        found = _followed(nodes.store, known.recent, root.recent, root.newest)
        if found is not None:
            return found
    return _read(Tree(nodes, root.tree), root.recent, root.newest)


def read_anew(recent: Recent) -> Recent:
    """Return the same as the store has it now. Raises StoreCorrupt."""
    return _read(recent.base, recent.runs, recent.digest)


def _read(tree: Tree, runs: Runs, newest: bytes) -> Recent:
    found = _followed(tree.nodes.store, Recent(tree), runs, newest)
    if found is None:
        raise StoreCorrupt("the changes of the newest commits are not those that the root tells of" + _RESTORE)
    return found


def _followed(store: KVStore, recent: Recent, runs: Runs, newest: bytes) -> Recent | None:
    """Return what the entries of more states make of `recent`; None if they do not follow it, up to the newest."""
    last = recent.runs[-1].last if recent.runs else -1
    names = [changes_key(*state) for state in states_of(runs) if state[0] > last]
    stored = store.get_many(*names) if names else dict[str, bytes]()
    entries: list[tuple[Record, bytes]] = []
    before = recent.digest
    for name in names:
        record, contents = _record(name, stored.get(name))
        if record.before != before:
            return None
        before = digest_of(contents)
        entries.append((record, contents))
    return recent.after(entries, runs) if before == newest else None


def _record(name: str, stored: bytes | None) -> tuple[Record, bytes]:
    if not stored:  # what could not be deleted is overwritten with nothing
        raise Missing(f"{name} is missing" + _RESTORE)
    try:
        contents = unchecked(stored)
        return _decoder.decode(contents), contents
    except (msgspec.DecodeError, Damaged) as error:
        raise StoreCorrupt(f"{name} is damaged: {error}" + _RESTORE) from error


_RESTORE = "; restore the store from a copy"
