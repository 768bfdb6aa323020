"""Nodes of sets and counters, whose parts never change: they come and go, or are written by one line alone."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from typing import Any

from holdfast.core.codec import Encoded
from holdfast.state.nodes.leaves import Above, Container, Leaf, Lock, Node, draft_removal
from holdfast.state.nodes.naming import Names, part_of_element
from holdfast.state.objects.counter import Counter, Number
from holdfast.state.objects.tracked import NOBODY, StateSet
from holdfast.state.rows.drafts import Draft
from holdfast.state.rows.tables import Address, Cells, inside

SET, COUNTER = "set", "counter"


class SetNode(Container):
    """A set: a row for each element, named by what it is, so that branches which add the same agree."""

    __slots__ = ("elements",)
    form = SET

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        super().__init__(address, place, above, lock)
        self.elements: dict[Any, Leaf] = {}

    def below(self, node: Node) -> None:
        """Elements do not change."""

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the rows of a set."""
        draft.put(self.address, Cells(self.place, SET), new=new)
        self._draft_elements(value, where, draft)
        draft.then(lambda: self.settled(self.place))

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft what is new of a set."""
        told = value is self.value and not draft.complete
        if not told or self.changed or len(value) != len(self.elements):
            self._draft_elements(value, where, draft)
        self.draft_row(draft, place)

    def _draft_elements(self, value: Any, where: str, draft: Draft) -> None:  # noqa: ANN401
        gone = [element for element in self.elements if element not in value]
        names = Names(self.elements)
        for element in gone:
            names.free(self.elements[element])
        encoded: dict[Any, Encoded] = {}

        def part_of(element: Any) -> str:  # noqa: ANN401
            encoded[element] = draft.codec.encode(element, _at(where, element))
            return part_of_element(encoded[element])

        added: dict[Any, Leaf] = {}
        found = {element: self.elements.get(element) for element in value}
        for element, part in names.of_new(found, value, part_of).items():
            node = names.take(part, element, _at(where, element))
            if node is None:
                node = Leaf(Address(inside(self.address), part), 0, self, self.lock)
                node.write(encoded[element], draft, 0, new=True)
            added[element] = node
        for left in names.left.values():
            draft_removal(left, draft)

        def settled() -> None:
            for element in gone:
                del self.elements[element]
            for element, node in added.items():
                self.elements[element], node.key = node, element

        draft.then(settled)

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all elements."""
        for node in self.elements.values():
            draft_removal(node, draft)

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a set."""
        if value is not self.value:
            value = value if held else StateSet(value, self)
            self.value = None if held else value
        self.sure = self.value is not None
        return value


class CounterNode(Container):
    """A counter: a row for each line of history that added to it, written by that line alone."""

    __slots__ = ("shares",)
    form = COUNTER

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        super().__init__(address, place, above, lock)
        self.shares: dict[str, Number] = {}

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the rows of a counter, which starts anew with what it comes to."""
        draft.put(self.address, Cells(self.place, COUNTER), new=new)
        self._draft_share(value, value.value, where, draft)
        draft.then(lambda: self.settled(self.place))

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft what was added since."""
        self.draft_row(draft, place)
        added = value.added
        if value._note is not self:  # noqa: SLF001 - another counter was put here, or this one was elsewhere
            added = value.value - sum(self.shares.values())
        if added:
            self._draft_share(value, added, where, draft)
        else:
            draft.then(lambda: self._follow(value))

    def _draft_share(self, counter: Counter, added: Number, where: str, draft: Draft) -> None:
        line = draft.line
        share = self.shares.get(line, 0) + added
        address = Address(inside(self.address), line)
        text = draft.codec.encode(share, where).text
        draft.put(address, Cells(0, "value", text), new=line not in self.shares)

        def settled() -> None:
            self.shares[line] = share
            counter._shares, counter.added = dict(self.shares), 0  # noqa: SLF001 - they are one
            self._follow(counter)

        draft.then(settled)

    def _follow(self, counter: Counter) -> None:
        """Let a counter tell this, unless it tells another node that stands for it."""
        note = counter._note  # noqa: SLF001 - they are one
        if note is NOBODY or (isinstance(note, CounterNode) and note.above is None):
            counter._note, counter._shares, counter.added = self, dict(self.shares), 0  # noqa: SLF001

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all shares."""
        for line in self.shares:
            draft.remove(Address(inside(self.address), line))

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401, ARG002
        """Return the counter itself, which tells of what is added by its own nature."""
        self.sure = value._note is self  # noqa: SLF001
        return value


def _at(where: str, element: object) -> str:
    return f"{where}, the element {element!r:.40}"
