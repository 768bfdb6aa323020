"""Being rid of entries that no state needs, and never of one that the newest state reaches.

The danger is in the names: a node that was superseded may have been written again meanwhile, under the same name,
because it has the same contents. So each is looked for in the newest tree before it goes: the nodes of one level are in
the order of their first keys, and where its own first key leads is the one place where it could be.

Who may still need a superseded node is a reader of an older state. Readers of this process are known, and those of
others where the store has marks (kv/marks.py); elsewhere they get `GRACE_SECONDS`, by the clock that the commits are
dated with. All of this happens while one has the turn to write, so that nothing is written between a look and a
removal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import cast

import msgspec

from holdfast.engine.tree.node import Damaged, Node, unchecked, unpacked, value_alone
from holdfast.engine.tree.nodes import NODE_PREFIX, VALUE_PREFIX, Missing, node_key, value_key
from holdfast.engine.tree.publish import LIST_PREFIX, Superseded, list_key, newest
from holdfast.engine.tree.recent import CHANGES_PREFIX, State, changes_key
from holdfast.engine.tree.root import ROOT_KEY, Runs, root_bytes, states_of
from holdfast.engine.tree.shared import Shared
from holdfast.engine.tree.tree import Tree
from holdfast.errors import BranchMoved

GRACE_SECONDS = 5
"""How long a superseded node is kept for readers of other processes, where a store has no marks that tell of them."""
LISTS_PER_COMMIT = 8
_BATCH = 500
_SWEPT = (NODE_PREFIX, VALUE_PREFIX, LIST_PREFIX, CHANGES_PREFIX)

_decoder = msgspec.msgpack.Decoder(Superseded)


def work_off(shared: Shared, state: State, now_us: int | None, lists_max: int | None = LISTS_PER_COMMIT) -> int:
    """Delete what the oldest lists name and the newest state has not; return up to which state they are done.

    Args:
        now_us: the moment; None if nobody can be reading, and nothing is spared.
        lists_max: how many lists, at most.
    """
    store = shared.store
    done = state.root.pending[0].first - 1 if state.root.pending else state.root.epoch
    if not store.can_delete:
        return done
    reading = shared.readers.oldest
    grace_us = 0 if shared.readers.are_known else GRACE_SECONDS * 1_000_000
    for number, (epoch, writer) in enumerate(states_of(state.root.pending)):
        if lists_max is not None and number >= lists_max:
            break
        if now_us is not None and reading is not None and reading < epoch:
            break
        raw = store.get(list_key(epoch, writer))
        if raw:
            told = superseded(raw)
            if grace_us and now_us is not None and abs(now_us - told.at_us) < grace_us:
                break
            dead = [*_dead(state, told), list_key(epoch, writer)]
            if not _deleted(shared, state, dead):
                break
        done = epoch
    return done


def _deleted(shared: Shared, state: State, dead: list[str]) -> bool:
    """Delete entries that a state does not need, the last of them last; tell whether it is still the newest.

    Where processes take no turns, another one's commit may need again what this one has not: all is deleted only as
    long as nobody commits. Elsewhere nobody does.
    """
    if shared.store.can_publish:
        return shared.store.discard(dead, ROOT_KEY, state.raw)
    *others, last = dead
    if others:
        shared.store.delete(*others)
    shared.store.delete(last)
    return True


def superseded(raw: bytes) -> Superseded:
    """Return a list; of one that is damaged an empty one: what it named is found as orphans."""
    try:
        return _decoder.decode(unchecked(raw))
    except (ValueError, Damaged):  # msgspec raises UnicodeDecodeError, too
        return Superseded(0, (), ())


def _dead(state: State, told: Superseded) -> Iterator[str]:
    for digest, level, first in told.nodes:
        if not has_node(state.tree, digest, level, first):
            yield node_key(digest)
    for digest, key in told.values:
        if not _needs_value(state, digest, key):
            yield value_key(digest)
    live = set(_changes_keys(state.root.recent))  # a list may be damaged, and name what it never had
    yield from (key for key in _changes_keys(told.recent) if key not in live)


def _changes_keys(runs: Runs) -> Iterator[str]:
    """Yield the keys of the changes of some states. Their names never come back."""
    return (changes_key(epoch, writer) for epoch, writer in states_of(runs))


def _needs_value(state: State, digest: bytes, key: bytes) -> bool:
    """Tell whether the tree has a value that stands by itself, or the changes that it will take in have."""
    return has_value(state.tree, digest, key) or has_value(state.recent, digest, key)


def has_node(tree: Tree, digest: bytes, level: int, first: bytes) -> bool:
    """Tell whether a tree has a node, by going where it would be."""
    here = tree.root
    while here is not None:
        if here == digest:
            return True
        node = tree.nodes.read(here)
        if node.level <= level:
            return False
        at = bisect_right(node.keys, first) - 1
        here = cast("bytes", node.values[at]) if at >= 0 else None
    return False


def has_value(tree: Tree, digest: bytes, key: bytes) -> bool:
    """Tell whether a tree has a value that stands by itself."""
    held = tree.held(key)
    return held is not None and not isinstance(held, bytes) and held[0] == digest


# Everything


def orphans(shared: Shared) -> list[str]:
    """Return the keys of entries that neither the newest state nor a waiting list knows, as they are just now.

    What is being written meanwhile may be among them: who removes one looks again, while nobody writes.
    """
    store = shared.store
    listed = [key for prefix in _SWEPT for key in store.scan(prefix)]
    for _ in range(3):
        state = newest(shared)
        with shared.readers.reading(state.root.epoch):
            try:
                known = set(_reached(state)) | set(_listed(shared, state))
                return [key for key in listed if key not in known]
            except Missing:
                if newest(shared).raw == state.raw:
                    raise
    raise BranchMoved("the store moved on faster than it could be looked through; do it again")


def _reached(state: State) -> Iterator[str]:
    yield from _changes_keys(state.root.recent)
    yield from (value_key(held[0]) for _, held in state.recent.changes() if isinstance(held, list))
    tree = state.tree
    waiting = [] if tree.root is None else [tree.root]
    while waiting:
        digest = waiting.pop()
        yield node_key(digest)
        node = tree.nodes.read(digest)
        for value in node.values:
            if node.level and isinstance(value, bytes):
                waiting.append(value)
            elif not isinstance(value, bytes):
                yield value_key(value[0])


def _listed(shared: Shared, state: State) -> Iterator[str]:
    for epoch, writer in states_of(state.root.pending):
        key = list_key(epoch, writer)
        yield key
        raw = shared.store.get(key)
        if raw:
            told = superseded(raw)
            yield from (node_key(digest) for digest, _, _ in told.nodes)
            yield from (value_key(digest) for digest, _ in told.values)
            yield from _changes_keys(told.recent)
    yield from map(value_key, state.recent.replaced)  # to be listed when the tree takes the changes in


def remove(shared: Shared, state: State, found: Iterable[str]) -> State:
    """Delete those of some orphans that are still none of the newest state's; only while one has the turn to write.

    The root is compared first, unchanged but for its count: a writer that lost its turn unnoticed, and may be about to
    publish one of these, is kept from it.
    """
    keys = list(found)
    if not keys:
        return state
    root = msgspec.structs.replace(state.root, epoch=state.root.epoch + 1)
    raw = root_bytes(root)
    store = shared.store
    if store.can_compare_and_set:
        if not store.compare_and_set(ROOT_KEY, state.raw, raw):
            raise BranchMoved("somebody else committed while orphans were removed; nothing was; do it again")
        state = shared.known = State(raw, root, state.recent)
    kept = {list_key(epoch, writer) for epoch, writer in states_of(state.root.pending)}
    kept.update(_changes_keys(state.root.recent))
    kept.update(_listed(shared, state))  # published and superseded since it was found: somebody may read it
    for at in range(0, len(keys), _BATCH):
        batch = keys[at : at + _BATCH]
        stored = store.get_many(*batch)
        dead = [key for key in batch if key in stored and key not in kept and not _is_live(state, key, stored[key])]
        _drop(shared, state, dead)
    return state


def _is_live(state: State, key: str, stored: bytes) -> bool:
    """Tell whether a state needs a node or a value that stands under a key; what cannot be read is nobody's."""
    if key.startswith((LIST_PREFIX, CHANGES_PREFIX)) or not stored:
        return False
    prefix = NODE_PREFIX if key.startswith(NODE_PREFIX) else VALUE_PREFIX
    try:
        digest = bytes.fromhex(key.removeprefix(prefix))
        contents = unpacked(stored, digest)
        if prefix == VALUE_PREFIX:
            return _needs_value(state, digest, value_alone(contents)[0])
        node = Node.decoded(contents)
        return bool(node.keys) and has_node(state.tree, digest, node.level, node.keys[0])
    except (Damaged, ValueError):
        return False


def _drop(shared: Shared, state: State, keys: list[str]) -> None:
    if not keys:
        return
    if shared.store.can_delete:
        if not _deleted(shared, state, keys):
            raise BranchMoved("somebody else committed while orphans were removed; do it again")
    else:  # nothing of what was removed is left, even so
        shared.store.set_many(**dict.fromkeys(keys, b""))
