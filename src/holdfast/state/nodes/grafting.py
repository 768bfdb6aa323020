"""Giving an object that somebody may hold another value, in place."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.state.nodes.leaves import Node
from holdfast.state.nodes.slots import Slot
from holdfast.state.objects.counter import Counter
from holdfast.state.objects.tracked import StateDict, StateList, StateSet, follow, note_of
from holdfast.state.rows.drafts import plain
from holdfast.state.rows.tables import Address


class Grafting:
    """Gives an object what another has.

    Args:
        before: the node that stood for the old value.
        others: the values of other keys, which stay as they are.

    Attributes:
        loose: whether something that was kept tells nobody of its changes: a plain container that somebody holds.
    """

    def __init__(self, before: Node | None = None, others: Sequence[Any] = ()) -> None:
        self.loose = False
        self._before = before
        self._others = {id(value) for value in others}
        self._taken: dict[int, Any] = {}  # an object that stood in two places can stand in for one of them only

    def grafted(self, old: Any, new: Any) -> Any:  # noqa: ANN401
        """Return what shall stand for a value that others changed: the old object with what the new one has, if it can.

        Lists, dicts, sets and counters are changed in place, at any depth, so that references to them stay good;
        anything else is replaced. What is changed tells the note of the new object from now on, if it can tell at all.
        """
        kind = plain(old)
        if kind is not plain(new) or kind not in (dict, list, set, Counter) or id(old) in self._taken:
            return new
        if id(old) in self._others or not self._is_ours(old):
            return new
        self._taken[id(old)] = old
        if kind is Counter:
            old._note, old._shares, old.added = new._note, new._shares, new.added  # noqa: SLF001 - their own kind
            return old
        self._fill(kind, old, new)
        note = note_of(new)
        if isinstance(old, (StateDict, StateList, StateSet)) and note is not None:
            follow(old, note)
            if isinstance(note, Node) and note.value is new:
                note.value = old
        else:
            self.loose = True
        return old

    def _is_ours(self, old: Any) -> bool:  # noqa: ANN401
        """Tell whether an object told this place of its changes, or nobody: another key may have it, too."""
        note: Any = old._note if isinstance(old, Counter) else note_of(old)  # noqa: SLF001 - their own kind
        while isinstance(note, Node) and note is not self._before:
            note = note.above
        return note is self._before or not isinstance(note, (Node, Slot))

    def _fill(self, kind: type, old: Any, new: Any) -> None:  # noqa: ANN401
        if kind is dict:
            items = {key: self.grafted(old[key], item) if key in old else item for key, item in new.items()}
            dict.clear(old)
            dict.update(old, items)
        elif kind is list:
            before = _matched(old, new)
            now = [self.grafted(old[before[at]], item) if at in before else item for at, item in enumerate(new)]
            list.__setitem__(old, slice(None), now)
        else:
            set.clear(old)
            set.update(old, new)


def _matched(old: list[Any], new: list[Any]) -> dict[int, int]:
    """Return where in the old list the items of the new one stood, of those that are containers.

    Items with rows of their own are known by these; others by what they are, else by where they stand.
    """
    free = {at: item for at, item in enumerate(old) if plain(item) in (dict, list, set)}
    rows = {row: at for at, item in free.items() if (row := _row_of(item, old)) is not None}
    found: dict[int, int] = {}
    wanted = [at for at, item in enumerate(new) if plain(item) in (dict, list, set)]
    for at in wanted:
        row = _row_of(new[at], new)
        if row is not None and row in rows:
            found[at] = rows.pop(row)
            del free[found[at]]
    free = {at: item for at, item in free.items() if _row_of(item, old) is None}
    for at in wanted:
        if at not in found:
            same = next((place for place, item in free.items() if _are_equal(item, new[at])), None)
            if same is not None:
                found[at] = same
                del free[same]
    for at in wanted:
        if at not in found:
            place = found[at - 1] + 1 if at - 1 in found else at
            if place in free:
                found[at] = place
                del free[place]
    return found


def _row_of(item: Any, of: list[Any]) -> Address | None:  # noqa: ANN401
    """Return the address of the row that an item of a list has for itself."""
    note = note_of(item)
    return note.address if isinstance(note, Node) and note is not note_of(of) else None


def _are_equal(a: Any, b: Any) -> bool:  # noqa: ANN401
    try:
        return bool(a == b)
    except Exception:  # noqa: BLE001 - what values compare by may do anything; then they are not taken for equal
        return False
