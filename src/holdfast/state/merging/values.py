"""Merging what two sides made of the value of a key.

The three trees of rows are walked from the top. Where one side left all below as it was, the other's is taken. Entries
of mappings, elements of sets and items of lists are compared one by one; what both sides appended to a list is kept,
theirs behind ours as one block; shares of a counter add up. Small mappings that are one row are compared key by key,
too. What both sides changed differently is a conflict: the values, or, where one side changed the inside of what the
other replaced or removed, all of it.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from holdfast.core.codec import Codec, Encoded
from holdfast.core.forms import VALUE
from holdfast.errors import Conflict, HoldfastError
from holdfast.state.merging.dicts import ABSENT, Ask, merge_dicts
from holdfast.state.merging.units import Tree, Unit, tree_of
from holdfast.state.nodes.leaves import Leaf
from holdfast.state.nodes.lists import LIST
from holdfast.state.nodes.loading import Loader
from holdfast.state.nodes.maps import MAP, draft_at
from holdfast.state.nodes.naming import key_of_part, part_of_key
from holdfast.state.nodes.sets import COUNTER, SET
from holdfast.state.objects.tracked import NOBODY
from holdfast.state.rows.contents import content_of, digest_of, encoded_of
from holdfast.state.rows.drafts import Draft, PartNames, ascending, at_key, in_order
from holdfast.state.rows.namespaces import full
from holdfast.state.rows.tables import GAP, ROOT, STATE, Address, Cells, Name, Rows, container_of, inside

Decide = Callable[[Conflict], object]
"""Returns the value that a conflict is resolved with, `ours` and `theirs` among them, or NotImplemented to leave it.

OURS and THEIRS take a side whatever it has; the values of both may be None, for a value or for none.
"""

OURS, THEIRS = object(), object()


class Merging:
    """A merge of one key.

    Args:
        base: its rows as both sides had them; None if that is not known.
        doubtful: None if the base is one commit. Else merges crossed, and may have put items in other orders: what one
            side removed, while the other has a version of it that came about elsewhere.
        ours, theirs: its rows on both sides; none where it was removed.
        decide: asked for each conflict.

    Attributes:
        resolved, left: the conflicts that `decide` resolved, and those that it left.
    """

    def __init__(
        self,
        name: Name,
        base: Rows | None,
        ours: Rows,
        theirs: Rows,
        decide: Decide,
        codec: Codec,
        names: PartNames,
        *,
        doubtful: frozenset[Address] | None = None,
    ) -> None:
        self._name = name
        self._doubtful = doubtful
        self._base, self._ours, self._theirs = self._trees = (tree_of(base), tree_of(ours), tree_of(theirs))
        self._decide = decide
        self._codec = codec
        self._names = names
        self._changed: tuple[set[Address], set[Address]] = (set(), set())
        self._merged = Tree({})
        self.resolved: list[Conflict] = []
        self.left: list[Conflict] = []

    def rows(self) -> dict[Address, Cells]:
        """Return the rows of the merged value; none if it is removed."""
        self._compare()
        self._merge(ROOT)
        return self._merged.rows()

    def _compare(self) -> None:
        """Find out where both sides differ from the base; where there is doubt, both do."""
        self._changed = self._ours.differing(self._base), self._theirs.differing(self._base)
        for at in self._doubtful or ():
            while at != ROOT:
                at = container_of(at.path)  # noqa: PLW2901
                for changed in self._changed:
                    changed.add(at)

    def _merge(self, at: Address) -> None:
        if self._doubtful and at in self._doubtful:
            outer = self._merged.get(container_of(at.path)) if at != ROOT else None
            if outer is None or outer.kind != SET:  # elements never change: there is nothing but the removal
                self._conflict(at)
            return
        ours_changed, theirs_changed = (at in changed for changed in self._changed)
        if not theirs_changed:
            self._take(self._ours, at)
        elif not ours_changed:
            self._take(self._theirs, at)
        else:
            self._merge_changed(at)

    def _merge_changed(self, at: Address) -> None:
        base, ours, theirs = (tree.get(at) for tree in self._trees)
        if ours and theirs:
            if {ours.kind, theirs.kind} == {MAP, VALUE}:
                ours, theirs = self._explode(at)
            if ours.kind == theirs.kind != VALUE:
                if ours.kind == LIST and self._both_reordered(at):
                    self._conflict(at)
                else:
                    self._merge_containers(at, ours, theirs)
                return
            if ours.says_what(theirs):
                self._take(self._ours, at)
                return
            if self._merge_values(at, base, ours, theirs):
                return
        if (ours is not None or theirs is not None) and not self._merge_moved(at, base, ours, theirs):
            self._conflict(at)

    def _merge_moved(self, at: Address, base: Unit | None, ours: Unit | None, theirs: Unit | None) -> bool:
        """Merge a value that one side only moved, and the other changed or removed. Returns False if none was."""
        for tree, mover, other in ((self._ours, ours, theirs), (self._theirs, theirs, ours)):
            if base is None or mover is None or not mover.says_what(base):
                continue
            if other is None and self._same_below(at, tree):
                return True
            if other is not None and mover.kind == other.kind == VALUE:
                self._merged.add(at, other.at(mover.cells.place))
                return True
        return False

    def _same_below(self, at: Address, tree: Tree) -> bool:
        """Tell whether a side has below an address what the base has there."""
        below = {*tree.below(at), *self._base.below(at)} - {at}
        return all(tree.get(part) == self._base.get(part) for part in below)

    def _take(self, tree: Tree, at: Address) -> None:
        """Take what a side has at an address, and below."""
        for address in tree.below(at):
            self._merged.add(address, tree.units[address].at(self._place(tree, address)))

    def _place(self, tree: Tree, at: Address) -> int:
        """Return where a unit shall stand: where the side that moved it put it, ours if both did."""
        base, ours, theirs = (one.get(at) for one in self._trees)
        if base and ours and theirs:
            return (theirs if ours.cells.place == base.cells.place else ours).cells.place
        return tree.units[at].cells.place

    # Containers

    def _merge_containers(self, at: Address, ours: Unit, theirs: Unit) -> None:
        base = self._base.get(at)
        moved = base is not None and ours.cells.place == base.cells.place
        self._merged.add(at, theirs if moved else ours)
        parts = [part for tree in self._trees for part in tree.parts(at)]
        for part in dict.fromkeys(parts):
            if ours.kind == COUNTER:
                self._merge_share(part)
            else:
                self._merge(part)
        if ours.kind in (LIST, MAP):
            self._put_in_order(at)

    def _both_reordered(self, at: Address) -> bool:
        """Tell whether both sides put the items of a list that all have into other orders than they had."""
        if self._doubtful is not None:
            return False
        there = [set(tree.parts(at)) for tree in self._trees]
        common = set.intersection(*there)
        was, mine, other = ([part for part in tree.parts(at) if part in common] for tree in self._trees)
        return was not in (mine, other) and mine != other

    def _merge_share(self, part: Address) -> None:
        """Add up what both sides added to the share of one line; nearly always one of them added nothing."""
        found = [tree.get(part) for tree in self._trees]
        base, ours, theirs = (self._number(unit) for unit in found)
        unit = found[1] or found[2]
        if unit is not None:
            text = self._codec.encode(ours + theirs - base, "a counter").text
            self._merged.add(part, unit._replace(cells=unit.cells._replace(value=text)))

    def _number(self, unit: Unit | None) -> Any:  # noqa: ANN401
        return 0 if unit is None else self._codec.decode(Encoded(unit.cells.value or "0"), "a counter")

    def _put_in_order(self, at: Address) -> None:
        """Let what theirs added stand behind what ours added at the same place, each in its own order.

        What already stands so is not moved: a part that moves is written.
        """
        there = [part for part in self._merged.parts(at) if part in self._ours.units and part in self._theirs.units]
        anchors = set(there)
        mine, other = (self._behind(tree, at, anchors) for tree in (self._ours, self._theirs))
        order = [*mine.get(None, ()), *other.get(None, ())]
        for anchor in there:
            order += [anchor, *mine.get(anchor, ()), *other.get(anchor, ())]
        units = self._merged.units
        known = [units[part].cells.place for part in order]
        stay = ascending(known)
        for part, place in zip(
            order, in_order([place if n in stay else None for n, place in enumerate(known)]), strict=True
        ):
            if place != units[part].cells.place:
                units[part] = units[part].at(place)

    def _behind(self, tree: Tree, at: Address, anchors: set[Address]) -> dict[Address | None, list[Address]]:
        """Return what a side has besides the anchors, by the anchor that it stands behind."""
        found: dict[Address | None, list[Address]] = {}
        anchor: Address | None = None
        for part in tree.parts(at):
            if part in anchors:
                anchor = part
            elif part in self._merged.units:
                found.setdefault(anchor, []).append(part)
        return found

    def _explode(self, at: Address) -> tuple[Unit, Unit]:
        """Let a mapping that is one row on one side and several on the other be several on all."""
        for tree in self._trees:
            unit = tree.get(at)
            value = self._plain_dict(unit)
            if unit is None or value is None:
                continue
            tree.add(at, Unit(Cells(unit.cells.place, MAP)))
            for number, (key, item) in enumerate(value.items(), 1):
                part = Address(inside(at), part_of_key(key, "a key", self._codec))
                tree.add(part, Unit(content_of(self._codec.encode(item, "an entry")).cells(number * GAP)))
        self._compare()
        ours, theirs = self._ours.get(at), self._theirs.get(at)
        assert ours is not None
        assert theirs is not None
        return ours, theirs

    def _plain_dict(self, unit: Unit | None) -> dict[str, Any] | None:
        """Return the mapping that a row is; None if it is something else."""
        if unit is None or unit.kind != VALUE:
            return None
        try:
            encoded = encoded_of(unit.cells, lambda: [cells for _, cells in unit.chunks], "a value")
            value = self._codec.decode(encoded, "a value") if encoded.text.startswith("{") else None
        except HoldfastError:
            return None
        return value if type(value) is dict and all(type(key) is str for key in value) else None

    # Values

    def _merge_values(self, at: Address, base: Unit | None, ours: Unit, theirs: Unit) -> bool:
        """Merge small mappings key by key. Returns False if they are none."""
        mine, other = self._plain_dict(ours), self._plain_dict(theirs)
        if mine is None or other is None:
            return False
        was = self._plain_dict(base)
        ask: Ask = lambda path, *sides: self._ask([*self._keys(at), *path], *sides)  # noqa: E731
        merged = merge_dicts(was if was is not None else {}, mine, other, ask, self._same)
        place = theirs.cells.place if base is not None and ours.cells.place == base.cells.place else ours.cells.place
        if digest_of(self._codec.encode(merged, "a value")) == digest_of(self._codec.encode(mine, "a value")):
            self._merged.add(at, ours.at(place))
        else:
            self._write(at, merged, place)
        return True

    def _same(self, a: Any, b: Any) -> bool:  # noqa: ANN401
        """Tell whether two values are the same: whether they are stored alike, in whatever order their keys are."""
        if a is b or a is ABSENT or b is ABSENT:
            return a is b
        mine, other = self._codec.encode(a, "a value"), self._codec.encode(b, "a value")
        return mine.text == other.text and [*map(bytes, mine.buffers)] == [*map(bytes, other.buffers)]

    def _conflict(self, at: Address) -> None:
        """Ask what becomes of all that is at an address."""
        sides = [self._value(tree, at) for tree in self._trees]
        chosen = self._ask(self._keys(at), *sides)
        if chosen is sides[1] or chosen is sides[2]:
            tree = self._ours if chosen is sides[1] else self._theirs
            for address in tree.below(at):
                self._merged.add(address, tree.units[address])  # where this side has them
        elif chosen is not ABSENT:
            place = next((unit.cells.place for tree in self._trees[1:] if (unit := tree.get(at))), GAP)
            self._write(at, chosen, place)

    def _ask(self, path: list[Any], base: Any, ours: Any, theirs: Any) -> Any:  # noqa: ANN401
        """Return what a conflict is resolved with; ours if it is left."""
        shown = [None if side is ABSENT else side for side in (base, ours, theirs)]
        place = reduce(at_key, path, at_key("state", full(self._name)))
        key = (*self._name, *path)
        conflict = Conflict(STATE.name, key, "value", shown[0], shown[1], shown[2], place=place)
        chosen = self._decide(conflict)
        if chosen is NotImplemented:
            self.left.append(conflict)
            return ours
        self.resolved.append(conflict)
        if chosen is OURS or chosen is conflict.ours:
            return ours
        if chosen is THEIRS or chosen is conflict.theirs:
            return theirs
        return ABSENT if chosen is None and (ours is ABSENT or theirs is ABSENT) else chosen

    def _keys(self, at: Address) -> list[Any]:
        """Return the way to an address, as people name it: the keys of mappings, and where items are in ours."""
        if at == ROOT:
            return []
        outer = container_of(at.path)
        kind = next((unit.kind for tree in self._trees[::-1] if (unit := tree.get(outer))), MAP)
        if kind == MAP:
            return [*self._keys(outer), key_of_part(at.part, self._codec)]
        for tree in (self._ours, self._theirs):
            parts = tree.parts(outer)
            if at in parts:
                return [*self._keys(outer), parts.index(at)]
        return [*self._keys(outer), at.part]

    def _value(self, tree: Tree, at: Address) -> Any:  # noqa: ANN401
        """Return the Python value at an address; of what cannot be read how the error names it."""
        if at not in tree.units:
            return ABSENT
        try:
            return Loader(tree.rows(), self._codec, "state", NOBODY.lock).value_at(at)
        except HoldfastError as error:
            return f"<{error}>"

    def _write(self, at: Address, value: Any, place: int) -> None:  # noqa: ANN401
        """Let a value that neither side has stand at an address."""
        where = reduce(at_key, self._keys(at), at_key("state", full(self._name)))
        draft = Draft(self._codec, self._names, "")
        outer = next(
            (unit.kind for tree in self._trees[::-1] if at != ROOT and (unit := tree.get(container_of(at.path)))), MAP
        )
        if outer == LIST:
            Leaf(at, place, None, NOBODY.lock).create(value, where, draft)
        else:
            draft_at(None, at, place, value, where, draft, NOWHERE)
        rows = {change.address: change.cells for change in draft.changes if change.cells is not None}
        for address, unit in Tree(rows).units.items():
            self._merged.add(address, unit)


class _Nowhere:
    """What a value is a part of that only its rows are wanted of."""

    lock = NOBODY.lock

    def below(self, node: object) -> None:
        """Nothing."""


NOWHERE = _Nowhere()
