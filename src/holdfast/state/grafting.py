"""Giving an object that somebody may hold another value, in place."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from typing import Any

from holdfast.state.counter import Counter
from holdfast.state.drafts import plain
from holdfast.state.leaves import Node
from holdfast.state.tracked import StateDict, StateList, StateSet, follow, note_of


def grafted(old: Any, new: Any) -> Any:  # noqa: ANN401
    """Return what shall stand for a value that others changed: the old object with what the new one has, if it can.

    Lists, dicts, sets and counters are changed in place, at any depth, so that references to them stay good; anything
    else is replaced. What is changed tells the note of the new object from now on, if it can tell at all.
    """
    kind = plain(old)
    if kind is not plain(new):
        return new
    if kind is dict:
        items = {key: grafted(old[key], item) if key in old else item for key, item in new.items()}
        dict.clear(old)
        dict.update(old, items)
    elif kind is list:
        known = len(old)
        items_now = [grafted(old[at], item) if at < known else item for at, item in enumerate(new)]
        list.__setitem__(old, slice(None), items_now)
    elif kind is set:
        set.clear(old)
        set.update(old, new)
    elif kind is Counter:
        old._note, old._shares, old.added = new._note, new._shares, new.added  # noqa: SLF001 - their own kind
        return old
    else:
        return new
    note = note_of(new)
    if isinstance(old, (StateDict, StateList, StateSet)) and note is not None:
        follow(old, note)
        if isinstance(note, Node) and note.value is new:
            note.value = old
    return old
