"""Nodes of mappings, and which node a value gets."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdfast.core.codec import Codec, Encoded
from holdfast.state.contents import MAPPING_BYTES_MAX
from holdfast.state.counter import Counter
from holdfast.state.drafts import Draft, ascending, at_key, in_order, plain
from holdfast.state.holders import is_held
from holdfast.state.leaves import Above, Container, Leaf, Lock, Node, draft_removal
from holdfast.state.lists import ListNode
from holdfast.state.rows import GAP, Address, Cells, inside
from holdfast.state.sets import CounterNode, SetNode
from holdfast.state.tracked import StateDict

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
        if value is not self.value or self.keys is None or draft.complete:
            self._draft_entries(value, where, draft, {**self.entries, **value})
            return
        inner = (key_of_part(node.address.part, draft.codec) for node in self.dirty)
        self._draft_entries(value, where, draft, {*self.keys, *inner, *self.unsure})

    def _draft_entries(self, value: Any, where: str, draft: Draft, looked_at: Iterable[Any]) -> None:  # noqa: ANN401
        """Draft the entries of these keys, and where they stand."""
        whole = isinstance(looked_at, dict)
        changed: dict[Any, Node | None] = {}
        places = self._places(value, looked_at, whole=whole)
        for key in looked_at:
            node = self.entries.get(key)
            if key in value:
                changed[key] = self._draft_entry(key, value[key], node, at_key(where, key), draft, places.get(key))
            elif node is not None:
                draft_removal(node, draft)
                changed[key] = None
        draft.then(lambda: self._settle_entries(changed))

    def _draft_entry(
        self,
        key: Any,  # noqa: ANN401
        value: Any,  # noqa: ANN401
        node: Node | None,
        where: str,
        draft: Draft,
        place: int | None,
    ) -> Node:
        if node is None:
            assert place is not None
            address = Address(inside(self.address), part_of_key(key, where, draft.codec))
        else:
            address, place = node.address, node.place if place is None else place
        return draft_at(node, address, place, value, where, draft, self)

    def _places(self, value: Any, looked_at: Iterable[Any], *, whole: bool) -> dict[Any, int]:  # noqa: ANN401
        """Return the places of entries that are new, or stand elsewhere than they did."""
        if whole:
            known = [self.entries[key].place if key in self.entries else None for key in value]
            kept = ascending(known)
            found = in_order([place if at in kept else None for at, place in enumerate(known)])
            return dict(zip(value, found, strict=True))
        last = {key for key in looked_at if key in value and (key not in self.entries or key in self.gone)}
        if not last:
            return {}
        order: list[Any] = []
        before: Node | None = None
        for key in reversed(value):
            if key not in last:
                before = self.entries.get(key)
                break
            order.append(key)
        return self._places_at_the_end(order[::-1], -(2**63) if before is None else before.place)

    def _places_at_the_end(self, keys: list[Any], place: int) -> dict[Any, int]:
        """Return new places for the last keys, but for those that stand behind `place` in their order as they are."""
        found: dict[Any, int] = {}
        for key in keys:
            node = self.entries.get(key)
            if not found and node is not None and node.place > place:
                place = node.place
            else:
                found[key] = self.top + GAP * (len(found) + 1)
        return found

    def _settle_entries(self, changed: dict[Any, Node | None]) -> None:
        for key, node in changed.items():
            before = self.entries.get(key)
            if before is not None and before is not node:
                before.above = None
            if node is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = node
                self.top = max(self.top, node.place)
        self.unsure.update(key for key, node in changed.items() if node is not None)
        self.unsure.difference_update(key for key, node in changed.items() if node is None)
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


def part_of_key(key: Any, where: str, codec: Codec) -> str:  # noqa: ANN401
    """Return the name of the entry at a key: the key itself, or, if it is no plain text, how it is encoded."""
    if type(key) is str and "\0" not in key and key.isprintable():
        return f"={key}" if key.startswith("=") else key
    return f"={codec.encode(key, where).text}"


def key_of_part(part: str, codec: Codec) -> Any:  # noqa: ANN401
    """Return the key whose entry has a name."""
    if not part.startswith("="):
        return part
    return part[1:] if part.startswith("==") else codec.decode(Encoded(part[1:]), "a key")


_KINDS: dict[Any, type[Node]] = {list: ListNode, set: SetNode, Counter: CounterNode}
