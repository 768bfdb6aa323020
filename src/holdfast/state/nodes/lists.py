"""Nodes of lists: a row for each item, which keeps its name wherever it goes.

A list that notes its changes says how many of its first items were not touched; these are not looked at. Behind them,
items are recognised: by being the same object, or by what they are. What is left between two that were recognised is
taken for changed in place, as far as there are as many on both sides, else for inserted or removed. So two branches
that change the same item meet in one row, and an append writes what it appends.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections import deque
from typing import Any

from holdfast.core.codec import Encoded
from holdfast.state.nodes.leaves import Above, Container, Leaf, Lock, Node, draft_removal
from holdfast.state.objects.holders import is_held
from holdfast.state.objects.tracked import StateList, note_of
from holdfast.state.rows.contents import digest_of
from holdfast.state.rows.drafts import Draft, ascending, at_key, in_order
from holdfast.state.rows.tables import Address, Cells, inside

LIST = "list"


class ListNode(Container):
    """A list."""

    __slots__ = ("dirty", "items", "kept", "unsure")
    form = LIST

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        super().__init__(address, place, above, lock)
        self.items: list[Leaf] = []
        self.kept = 0  # how many of the first items stand where they stood
        self.dirty: set[Node] = set()  # items that changed inside
        self.unsure: set[int] = set()  # where items are that may change without telling

    def edit(self, at: Any, *, gone: bool = False) -> None:  # noqa: ANN401, ARG002
        """Take note of the first index that is about to change."""
        self.kept = 0 if at is None else min(self.kept, at)
        self.touch()

    def below(self, node: Node) -> None:
        """Take note that an item changes inside."""
        self.dirty.add(node)
        self.touch()

    def doubt(self) -> None:
        """Let all items be looked at by the next commit."""
        self.sure, self.unsure = False, set(range(len(self.items)))
        for node in self.items:
            node.doubt()

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the rows of a list."""
        draft.put(self.address, Cells(self.place, LIST), new=new)
        self._draft_from(0, value, where, draft)
        draft.then(lambda: self.settled(self.place))

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft what is new of a list."""
        told = value is self.value and not draft.complete
        kept = self.kept if told else 0
        if told and kept == len(self.items) > len(value):  # cut by something that did not tell
            kept = 0
        self._draft_inside(kept, value, where, draft)
        if kept < len(self.items) or kept < len(value):
            self._draft_from(kept, value, where, draft)
        self.draft_row(draft, place)

    def _draft_inside(self, kept: int, value: Any, where: str, draft: Draft) -> None:  # noqa: ANN401
        """Draft the items that stay where they are, and may have changed inside."""
        for at in self.unsure:
            if at < kept:
                self.items[at].draft(value[at], at_key(where, at), draft, self.items[at].place)
        looked_at = {self.items[at] for at in self.unsure if at < kept}
        elsewhere = {*self.items[kept:], *looked_at} if self.dirty else set[Leaf]()
        for node in self.dirty:
            if isinstance(node, Leaf) and node not in elsewhere and node.value is not None:
                node.draft(node.value, where, draft, node.place)
        draft.then(self._settle_inside)

    def _settle_inside(self) -> None:
        """Let what was put into items that stay tell its changes, too."""
        for node in self.dirty:
            if isinstance(node, Leaf) and node.above is self and node.value is not None:
                node.adopt(node.value, held=True)
                if not node.sure and node in self.items:
                    self.unsure.add(self.items.index(node))
        self.dirty.clear()

    def _draft_from(self, kept: int, value: Any, where: str, draft: Draft) -> None:  # noqa: ANN401
        """Draft the items behind the first `kept`."""
        old, new = self.items[kept:], value[kept:]
        encoded: dict[int, Encoded] = {}
        nodes = self._recognised(old, new, encoded, at_key(where, "…"), draft) if old else [None] * len(new)
        staying = {node for node in nodes if node is not None}
        for node in old:
            if node not in staying:
                draft_removal(node, draft)
        known = [node.place if node is not None else None for node in nodes]
        stay = ascending(known)
        before = [self.items[kept - 1].place] if kept else []
        places = in_order([*before, *(place if at in stay else None for at, place in enumerate(known))])[len(before) :]
        items = [
            self._draft_item(node, item, encoded.get(at), at_key(where, kept + at), draft, place)
            for at, (node, item, place) in enumerate(zip(nodes, new, places, strict=True))
        ]

        def settled() -> None:
            self.items[kept:] = items
            self.kept = len(self.items)
            self.unsure = {at for at in self.unsure if at < kept} | set(range(kept, len(self.items)))

        draft.then(settled)

    def _draft_item(
        self,
        node: Leaf | None,
        item: Any,  # noqa: ANN401
        encoded: Encoded | None,
        where: str,
        draft: Draft,
        place: int,
    ) -> Leaf:
        if node is not None and encoded is None and place == node.place and not node.may_differ(item, draft):
            return node
        encoded = encoded or draft.codec.encode(item, where)
        if node is not None:
            node.draft_encoded(encoded, draft, place)
            return node
        node = Leaf(draft.names.another(inside(self.address)), place, self, self.lock)
        node.write(encoded, draft, place, new=True)
        return node

    def _recognised(
        self,
        old: list[Leaf],
        new: list[Any],
        encoded: dict[int, Encoded],
        where: str,
        draft: Draft,
    ) -> list[Leaf | None]:
        """Return the row of each item, None for one that is new. Leaves what it had to encode in `encoded`."""
        start, end = _same_ends(old, new, draft)
        nodes: list[Leaf | None] = [*old[:start], *[None] * (len(new) - start - end), *old[len(old) - end :]]
        left = old[start : len(old) - end]
        if left:
            by_digest: dict[bytes, deque[Leaf]] = {}
            for node in left:
                by_digest.setdefault(node.digest, deque()).append(node)
            by_note = {id(node): node for node in left}
            for at in range(start, len(new) - end):
                found = by_note.get(id(note_of(new[at])))
                if found is None:
                    encoded[at] = draft.codec.encode(new[at], where)
                    same = by_digest.get(digest_of(encoded[at]))
                    found = next((one for one in same or () if id(one) in by_note), None)
                if found is not None:
                    nodes[at] = by_note.pop(id(found))
            _pair_gaps(left, nodes, start, len(new) - end)
        return nodes

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all items."""
        for node in self.items:
            draft_removal(node, draft)

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a list, and let the items that were just written tell their changes, too."""
        if value is not self.value:
            if held:
                self.value, self.sure = None, False
                return value
            value, plain_value = StateList(value, self), value
            self.value = value
            list.clear(plain_value)  # nobody has it, and it would pass for somebody who holds the items
            self.unsure = set(range(len(self.items)))
        for at in list(self.unsure):
            node = self.items[at]
            held = is_held(value, at)  # before it is handed on
            kept = node.adopt(value[at], held=held)
            if kept is not value[at]:
                list.__setitem__(value, at, kept)
            del kept
            if node.sure:
                self.unsure.discard(at)
        self.sure = not self.unsure
        return value


def _same_ends(old: list[Leaf], new: list[Any], draft: Draft) -> tuple[int, int]:
    """Return how many items at the beginning, and at the end, are certainly the same."""
    most = min(len(old), len(new))
    start = 0
    while start < most and not old[start].may_differ(new[start], draft):
        start += 1
    end = 0
    while end < most - start and not old[-1 - end].may_differ(new[-1 - end], draft):
        end += 1
    return start, end


def _pair_gaps(old: list[Leaf], nodes: list[Leaf | None], start: int, end: int) -> None:
    """Give items that were not recognised the rows of those that stood between the same neighbours."""
    order = {id(node): at for at, node in enumerate(old)}
    found = [(order[id(node)], at) for at, node in enumerate(nodes[start:end], start) if node is not None]
    stay = ascending([place for place, _ in found])
    anchors = [found[index] for index in sorted(stay)]
    taken = {id(node) for node in nodes[start:end] if node is not None}
    for (low, first), (high, last) in zip([(-1, start - 1), *anchors], [*anchors, (len(old), end)], strict=True):
        free = deque(node for node in old[low + 1 : high] if id(node) not in taken)
        for at in range(first + 1, last):
            if nodes[at] is None and free:
                nodes[at] = free.popleft()
