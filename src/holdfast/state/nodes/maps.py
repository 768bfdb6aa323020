"""Nodes of mappings, and which node a value gets."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from typing import Any

from holdfast.core.codec import Encoded
from holdfast.state.nodes.leaves import Above, Container, Leaf, Lock, Node, draft_removal
from holdfast.state.nodes.lists import ListNode
from holdfast.state.nodes.naming import Names, part_of_key
from holdfast.state.nodes.sets import CounterNode, SetNode
from holdfast.state.objects.counter import Counter
from holdfast.state.objects.holders import is_held
from holdfast.state.objects.tracked import StateDict
from holdfast.state.rows.contents import MAPPING_BYTES_MAX
from holdfast.state.rows.drafts import Draft, ascending, at_key, in_order, plain
from holdfast.state.rows.tables import GAP, Address, Cells, inside

MAP = "map"

LEVELS_MAX = 64
"""So many mappings, one inside another, have rows for their entries; what is deeper is one value, whose depth the codec
knows the limit of. Without an end, one that contains itself had rows without end.
"""


class MapNode(Container):
    """A mapping: a row for each entry, whose place is where it stands in the order of the keys."""

    __slots__ = ("dirty", "entries", "gone", "keys", "top", "unsure")
    form = MAP

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        super().__init__(address, place, above, lock)
        self.entries: dict[Any, Node] = {}
        self.keys: set[Any] | None = set()  # whose entries were set; None: any
        self.gone: set[Any] = set()  # whose entries were removed: if they are there again, they stand last
        self.dirty: set[Node] = set()  # entries that changed inside
        self.unsure: set[Any] = set()  # whose entries may change without telling
        self.top = 0  # no entry stands behind this place

    def edit(self, at: Any, *, gone: bool = False) -> None:  # noqa: ANN401
        """Take note of a key whose entry is about to change."""
        if at is None:
            self.keys = None
        elif self.keys is not None:
            self.keys.add(at)
        if gone:
            self.gone.add(at)
        self.touch()

    def below(self, node: Node) -> None:
        """Take note that an entry changes inside."""
        self.dirty.add(node)
        self.touch()

    def doubt(self) -> None:
        """Let all entries be looked at by the next commit."""
        self.sure, self.unsure = False, set(self.entries)
        for node in self.entries.values():
            node.doubt()

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the rows of a mapping."""
        draft.put(self.address, Cells(self.place, MAP), new=new)
        draft.then(lambda: self.settled(self.place))
        self._draft_entries(value, where, draft, value)

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft what is new of a mapping."""
        self.draft_row(draft, place)
        looked_at = None
        if value is self.value and self.keys is not None and not draft.complete:
            looked_at = {*self.keys, *(node.key for node in self.dirty), *self.unsure}
        self._draft_entries(value, where, draft, looked_at)

    def _draft_entries(self, value: Any, where: str, draft: Draft, looked_at: set[Any] | None) -> None:  # noqa: ANN401
        """Draft the entries of these keys, or of all, and where they stand."""
        last, places = self._places(value, looked_at)
        present = dict.fromkeys(last)  # the keys that the mapping has, rather than some that are equal to them
        if looked_at is not None:
            present.update(dict.fromkeys(key for key in looked_at if key in value))
        gone = [key for key in (self.entries if looked_at is None else looked_at) if key not in value]
        names = Names(self.entries)
        for key in gone:
            names.free(self.entries.get(key))
        found = {key: self.entries.get(key) for key in present}
        parts = names.of_new(found, last, lambda key: part_of_key(key, at_key(where, key), draft.codec))
        drafted: dict[Any, tuple[Node | None, Node]] = {}
        for key, known in found.items():
            at, place = at_key(where, key), places.get(key)
            node = names.take(parts[key], key, at) if known is None else known
            address = Address(inside(self.address), parts[key]) if node is None else node.address
            if place is None:
                assert node is not None, "what is new has got a place"
                place = node.place
            drafted[key] = node, draft_at(node, address, place, value[key], at, draft, self)
        for node in names.left.values():
            draft_removal(node, draft)
        draft.then(lambda: self._settle_entries(gone, drafted))

    def _places(self, value: Any, looked_at: set[Any] | None) -> tuple[list[Any], dict[Any, int]]:  # noqa: ANN401
        """Return the keys that were put anew, in order, and the places of entries that are new or have moved."""
        if looked_at is not None:
            put = {key for key in looked_at if key in value and (key not in self.entries or key in self.gone)}
            order: list[Any] = []
            before: Any = None
            for key in reversed(value) if put else ():
                if key not in put:
                    before = self.entries.get(key)
                    break
                order.append(key)
            if len(order) == len(put) and (before or len(order) in (0, len(value))):
                return order[::-1], self._places_at_the_end(order[::-1], before.place if before else -(2**63))
        known = [self.entries[key].place if key in self.entries else None for key in value]
        kept = ascending(known)
        found = in_order([place if at in kept else None for at, place in enumerate(known)])
        return list(value), dict(zip(value, found, strict=True))

    def _places_at_the_end(self, keys: list[Any], place: int) -> dict[Any, int]:
        """Return the places of the last keys: new ones, but for those that stand behind `place` in their order."""
        found: dict[Any, int] = {}
        moved = 0
        for key in keys:
            node = self.entries.get(key)
            if not moved and node is not None and node.place > place:
                found[key] = place = node.place
            else:
                moved += 1
                found[key] = self.top + GAP * moved
        return found

    def _settle_entries(self, gone: list[Any], drafted: dict[Any, tuple[Node | None, Node]]) -> None:
        for key in gone:
            self.entries.pop(key, None)
        for key, (before, node) in drafted.items():
            if before is not None and before is not node:
                before.above = None
            self.entries[key], node.key = node, key
            self.top = max(self.top, node.place)
        self.unsure.difference_update(gone)
        self.unsure.update(drafted)
        self.keys, self.gone, self.dirty = set(), set(), set()

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all entries."""
        for node in self.entries.values():
            draft_removal(node, draft)

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a mapping, and let the entries that were just written tell their changes, too."""
        if value is not self.value:
            if held:
                self.value, self.sure = None, False
                return value
            value, plain_value = StateDict(value, self), value
            self.value = value
            dict.clear(plain_value)  # nobody has it, and it would pass for somebody who holds the entries
            self.unsure = set(self.entries)
        self.sure = True
        for key in list(self.unsure):
            node = self.entries[key]
            held = is_held(value, key)  # before it is handed on
            kept = node.adopt(value[key], held=held)
            if kept is not value[key]:
                dict.__setitem__(value, key, kept)
            del kept
            if node.sure:
                self.unsure.discard(key)
        self.sure = not self.unsure
        return value


def draft_at(
    node: Node | None,
    address: Address,
    place: int,
    value: Any,  # noqa: ANN401
    where: str,
    draft: Draft,
    above: Above,
) -> Node:
    """Draft what makes the rows at an address say a value; return the node that stands for it once that is written."""
    kind = _kind_for(value, node, _level(address))
    encoded: Encoded | None = None
    if kind is Leaf:
        if isinstance(node, Leaf) and place == node.place and not node.may_differ(value, draft):
            return node
        encoded = draft.codec.encode(value, where)
        if plain(value) is dict and len(encoded.text) > MAPPING_BYTES_MAX and _level(address) < LEVELS_MAX:
            kind, encoded = MapNode, None
    if node is not None and type(node) is kind:
        if encoded is not None and isinstance(node, Leaf):
            node.draft_encoded(encoded, draft, place)
        else:
            node.draft(value, where, draft, place)
        return node
    if node is not None:
        node.replace(draft)
    fresh = kind(address, place, above, above.lock)
    if encoded is not None and isinstance(fresh, Leaf):
        fresh.write(encoded, draft, place, new=node is None)
    else:
        fresh.create(value, where, draft, new=node is None)
    return fresh


def _level(address: Address) -> int:
    """Return how many containers an address is inside of."""
    return address.path.count("/")


def _kind_for(value: Any, node: Node | None, level: int) -> type[Node]:  # noqa: ANN401
    kind = plain(value)
    if kind is dict:
        return MapNode if isinstance(node, MapNode) or has_structure(value, LEVELS_MAX - level) else Leaf
    return _KINDS.get(kind, Leaf)


def has_structure(value: dict[Any, Any], levels: int = LEVELS_MAX) -> bool:
    """Tell whether a dict has parts that are to be written, and merged, by themselves.

    Args:
        levels: how deep to look for them.
    """
    if levels <= 0:
        return False
    for key, item in value.items():
        if type(item) in _SCALARS:
            if type(key) is str:
                continue
            return True
        if plain(item) is not dict or type(key) is not str or has_structure(item, levels - 1):
            return True
    return False


_SCALARS = frozenset({str, int, float, bool, type(None)})


_KINDS: dict[Any, type[Node]] = {list: ListNode, set: SetNode, Counter: CounterNode}
