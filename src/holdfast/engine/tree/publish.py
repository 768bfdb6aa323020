"""From a draft to a new state of the store: its entries first, then one comparison of the root.

Nothing that a state consists of is ever changed, so whoever dies on the way leaves entries that nobody refers to, and
nothing else. A commit writes its changes as one entry; when there are many such (recent.py), it writes the nodes of a
tree that has them all instead. What that tree no longer needs is listed in an entry of its own, written before the root
is: it can be worked off by whoever comes later (sweep.py).

A store that can `publish` does all of it in one call, if nobody else keeps the turn to write.

A store without compare_and_set has one writer. Its name stands beside the root and is looked at before and after each
commit: a second one takes the store over with its first commit, and the first is told.
"""

from __future__ import annotations

import msgspec

from holdfast.engine.kv.store import Publication, parts_of
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.editing import Edit, edited, set_apart
from holdfast.engine.tree.lease import TURN_KEY
from holdfast.engine.tree.node import Node, digest_of, packed
from holdfast.engine.tree.nodes import Missing, node_key, value_key
from holdfast.engine.tree.recent import Recent, State, changes_key, read_recent, record_of
from holdfast.engine.tree.root import ROOT_KEY, Root, Runs, root_bytes, root_of
from holdfast.engine.tree.shared import Shared
from holdfast.engine.tree.tree import Tree
from holdfast.errors import StoreCorrupt, StoreUnavailable

LIST_PREFIX = "hf/g/"
OWNER_KEY = "hf/owner"
_KEPT_NODES_MAX = 64
"""So many new nodes are kept in memory, the highest, since who reads next needs them."""


class Superseded(msgspec.Struct, array_like=True, frozen=True):
    """What a tree has no more of what was there before it.

    Attributes:
        at_us: when.
        nodes: digest, level and first key of each.
        values: digest and key of each that stood by itself.
        recent: the states whose changes it has taken in.
    """

    at_us: int
    nodes: tuple[tuple[bytes, int, bytes], ...]
    values: tuple[tuple[bytes, bytes], ...]
    recent: Runs = ()


def list_key(epoch: int, writer: str) -> str:
    """Return the key of the list of what a state made superfluous."""
    return f"{LIST_PREFIX}{epoch:012x}-{writer}"


def read_state(shared: Shared) -> State | None:
    """Return the newest state; None where there is no store yet. Raises StoreCorrupt, Unsupported."""
    while True:
        raw = shared.store.get(ROOT_KEY)
        known = shared.known
        if not raw or (known is not None and known.raw == raw):
            return known if raw else None
        root = root_of(raw)
        try:
            recent = read_recent(shared.nodes, root, known)
        except Missing:
            if shared.store.get(ROOT_KEY) == raw:
                raise
            continue  # it was superseded, and its changes were removed, before they were read
        shared.known = state = State(raw, root, recent)
        return state  # it was the newest when its root was read


def newest(shared: Shared) -> State:
    """Return the newest state of a store that is there."""
    state = read_state(shared)
    if state is None:
        raise StoreCorrupt(f"{ROOT_KEY!r} was there and is missing; restore the store from a copy")
    return state


def publish(
    shared: Shared, before: State | None, draft: Draft, now_us: int, cleared: int = 0, *, fold: bool = False
) -> State | None:
    """Make a draft the newest state, durably; return it, or None if another writer was first.

    Args:
        before: the state that the draft is on; None for the first.
        cleared: up to which state lists of superseded entries are done.
        fold: whether the tree is to take in all changes, however few they are.

    Raises:
        StoreUnavailable, StoreFull: nothing was committed. If the comparison itself failed, it may have been made.
    """
    if before is not None and not draft.changes() and not fold:
        return before
    try:
        state, entries = _next(shared, before, draft, now_us, cleared, fold=fold)
        if not _published(shared, before.raw if before else None, state, entries):
            return None
    except BaseException:
        shared.rename_writer()  # what was sent may still arrive, and must not replace what comes under the same names
        raise
    shared.known = state
    return state


def _next(
    shared: Shared, before: State | None, draft: Draft, now_us: int, cleared: int, *, fold: bool
) -> tuple[State, dict[str, bytes]]:
    """Return the state that a draft makes, and the entries that it needs."""
    root, recent = (before.root, before.recent) if before else (Root(0, None), Recent(Tree(shared.nodes, None)))
    changes, values = set_apart(draft.changes())
    record, contents = record_of(recent.digest, changes)
    following = root.appended(shared.writer, digest_of(contents), cleared)
    after = recent.after([(record, contents)], following.recent)
    entries = {value_key(digest): packed(value) for digest, value in values.items()}
    if before is not None and not fold and not after.is_full:
        entries[changes_key(following.epoch, shared.writer)] = packed(contents)
        return State(root_bytes(following), following, after), entries
    edit = edited(after.base, after.changes())
    entries.update((node_key(digest), packed(node)) for digest, node in edit.nodes.items())
    told = _superseded(now_us, edit, after, root)
    listed = shared.store.can_delete and bool(told.nodes or told.values or told.recent)
    following = root.folded(edit.root, shared.writer, cleared, listed=listed)
    if listed:
        entries[list_key(following.epoch, shared.writer)] = packed(msgspec.msgpack.encode(told))
    for digest, node in list(edit.nodes.items())[-_KEPT_NODES_MAX:]:
        shared.nodes.keep(digest, Node.decoded(node), len(node))
    return State(root_bytes(following), following, Recent(Tree(shared.nodes, edit.root))), entries


def _superseded(now_us: int, edit: Edit, recent: Recent, root: Root) -> Superseded:
    nodes = tuple((digest, level, first) for digest, (level, first) in edit.old_nodes.items())
    return Superseded(now_us, nodes, tuple((recent.replaced | edit.old_values).items()), root.recent)


def _published(shared: Shared, expected: bytes | None, state: State, entries: dict[str, bytes]) -> bool:
    """Let a state, with its entries, be the newest, if the newest is what is expected; tell whether it is."""
    if not shared.store.can_publish:
        for part in parts_of(entries):
            shared.store.set_many(**part)
        return _compared(shared, expected, state.raw)
    turn = TURN_KEY, shared.turn.held or b""
    return shared.store.publish(
        Publication(shared.writer, next(shared.publications), ROOT_KEY, expected, state.raw, entries, turn)
    )


def _compared(shared: Shared, expected: bytes | None, raw: bytes) -> bool:
    store = shared.store
    if store.can_compare_and_set:
        try:
            return store.compare_and_set(ROOT_KEY, expected, raw)
        except StoreUnavailable:
            if store.get(ROOT_KEY) == raw:  # it was done, and only the answer was lost
                return True
            raise
    own = shared.name.encode()
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
