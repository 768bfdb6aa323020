"""From a draft to a new state of the store: nodes first, then one comparison of the root.

Nothing that a state consists of is ever changed, so whoever dies on the way leaves entries that nobody refers to, and
nothing else. What a state no longer needs is listed in an entry of its own, written before the state is: it can be
worked off by whoever comes later (sweep.py).

A store without compare_and_set has one writer. Its name stands beside the root and is looked at before and after each
commit: a second one takes the store over with its first commit, and the first is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from holdfast.engine.kv.guarded import Guarded
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.editing import Edit, edited
from holdfast.engine.tree.node import Node, packed
from holdfast.engine.tree.nodes import node_key, value_key
from holdfast.engine.tree.root import ROOT_KEY, Root, root_bytes, root_of
from holdfast.engine.tree.shared import Shared
from holdfast.engine.tree.tree import Tree
from holdfast.errors import StoreCorrupt, StoreUnavailable

LIST_PREFIX = "hf/g/"
OWNER_KEY = "hf/owner"
_BATCH_BYTES = 16 * 1024 * 1024
_KEPT_NODES_MAX = 64
"""So many new nodes are kept in memory, since the next commit needs them."""


@dataclass(frozen=True, slots=True)
class State:
    """A root as it was read."""

    raw: bytes
    root: Root


class Superseded(msgspec.Struct, array_like=True, frozen=True):
    """What a state has no more of what the one before it had: when, nodes (digest, level, first key), and values."""

    at_us: int
    nodes: tuple[tuple[bytes, int, bytes], ...]
    values: tuple[tuple[bytes, bytes], ...]


def list_key(epoch: int, writer: str) -> str:
    """Return the key of the list of what a state made superfluous."""
    return f"{LIST_PREFIX}{epoch:012x}-{writer}"


def read_state(store: Guarded) -> State | None:
    """Return the newest state; None where there is no store yet. Raises StoreCorrupt, Unsupported."""
    raw = store.get(ROOT_KEY)
    return State(raw, root_of(raw)) if raw else None


def newest(store: Guarded) -> State:
    """Return the newest state of a store that is there."""
    state = read_state(store)
    if state is None:
        raise StoreCorrupt(f"{ROOT_KEY!r} was there and is missing; restore the store from a copy")
    return state


def tree_of(shared: Shared, state: State) -> Tree:
    """Return the tree of a state."""
    return Tree(shared.nodes, state.root.tree)


def publish(shared: Shared, before: State | None, draft: Draft, now_us: int, cleared: int = 0) -> State | None:
    """Make a draft the newest state, durably; return it, or None if another writer was first.

    Args:
        before: the state that the draft is on; None for the first.
        cleared: up to which state lists of superseded entries are done.

    Raises:
        StoreUnavailable, StoreFull: nothing was committed. If the comparison itself failed, it may have been made.
    """
    edit = edited(draft.base, draft.changes())
    if before is not None and edit.root == before.root.tree:
        return before
    root = (before.root if before else Root(0, None)).after(edit.root, shared.writer, cleared)
    _write(shared.store, edit, root, shared.writer, now_us)
    raw = root_bytes(root)
    if not _compared(shared, before.raw if before else None, raw):
        return None
    for digest, contents in list(edit.nodes.items())[:_KEPT_NODES_MAX]:
        shared.nodes.keep(digest, Node.decoded(contents), len(contents))
    return State(raw, root)


def _write(store: Guarded, edit: Edit, root: Root, writer: str, now_us: int) -> None:
    """Write what the new state has and the old one has not, in a few calls."""
    entries = {value_key(digest): packed(contents) for digest, contents in edit.values.items()}
    entries.update((node_key(digest), packed(contents)) for digest, contents in edit.nodes.items())
    if store.can_delete and (edit.old_nodes or edit.old_values):
        nodes = tuple((digest, level, first) for digest, (level, first) in edit.old_nodes.items())
        told = Superseded(now_us, nodes, tuple(edit.old_values.items()))
        entries[list_key(root.epoch, writer)] = packed(msgspec.msgpack.encode(told))
    batch: dict[str, bytes] = {}
    size = 0
    for key, value in entries.items():
        batch[key] = value
        size += len(value)
        if size > _BATCH_BYTES:
            store.set_many(**batch)
            batch, size = {}, 0
    if batch:
        store.set_many(**batch)


def _compared(shared: Shared, expected: bytes | None, raw: bytes) -> bool:
    store = shared.store
    if store.can_compare_and_set:
        try:
            return store.compare_and_set(ROOT_KEY, expected, raw)
        except StoreUnavailable:
            if store.get(ROOT_KEY) == raw:  # it was done, and only the answer was lost
                return True
            raise
    own = shared.writer.encode()
    if not shared.owns:
        store.set(OWNER_KEY, own)
        shared.owns = True
    _check_alone(shared, own)
    if (store.get(ROOT_KEY) or None) != expected:
        return False
    store.set(ROOT_KEY, raw)
    _check_alone(shared, own)
    if store.get(ROOT_KEY) != raw:
        raise StoreUnavailable(_TWO_WRITERS.format(name=store.name))
    return True


def _check_alone(shared: Shared, own: bytes) -> None:
    if shared.store.get(OWNER_KEY) != own:
        shared.owns = False
        raise StoreUnavailable(_TWO_WRITERS.format(name=shared.store.name))


_TWO_WRITERS = (
    "somebody else writes this {name}, which has no compare_and_set and can therefore have one writer only: what was"
    " to be committed may not be there, and is still with the caller; let one of the two stop, then look and retry"
)
