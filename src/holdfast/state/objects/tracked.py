"""Lists, dicts and sets that note their own changes.

What is read from a store is made of these. They are real lists, dicts and sets: reading them costs what it costs of any
other, and libraries take them for what they are. Each method that changes one tells its *note* where, before it
does, and holds the lock of the state meanwhile, so that a commit of another thread sees all of a change or nothing.

Copies, slices and pickles are plain: they belong to nobody. Code in C that writes into a list past its methods, as
`heapq` does, is not noticed here; `Versioned(verify=True)` looks at everything.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, Self, SupportsIndex

from holdfast.core.codec import is_immutable
from holdfast.state.objects.holders import is_held, is_held_inside


class Note(Protocol):
    """Who wants to know of changes."""

    lock: AbstractContextManager[Any]

    """Held while something changes. Taking it raises ReadOnly where nothing may be changed."""

    def edit(self, at: Any, *, gone: bool = False) -> None:  # noqa: ANN401 - an index or a key
        """Take note of a change that is about to be made.

        Args:
            at: of a list the first index that changes; of a dict the key; None for anything.
            gone: whether the entry at a key goes.
        """
        ...


class _Nobody:
    """The note of a container that belongs to no state any more."""

    lock: AbstractContextManager[Any] = threading.RLock()

    def edit(self, at: Any, *, gone: bool = False) -> None:  # noqa: ANN401
        """Ignore the change."""


NOBODY: Note = _Nobody()


class StateList(list[Any]):
    """A list that notes its changes."""

    __slots__ = ("_note",)
    __holdfast_plain__: ClassVar[type] = list
    __hash__ = None

    def __init__(self, items: Iterable[Any] = (), note: Note = NOBODY) -> None:
        super().__init__(items)
        self._note = note

    def append(self, item: Any) -> None:  # noqa: ANN401, D102
        with self._note.lock:
            self._note.edit(len(self))
            super().append(item)

    def extend(self, items: Iterable[Any]) -> None:  # noqa: D102
        added = list(items)
        with self._note.lock:
            self._note.edit(len(self))
            super().extend(added)

    def __iadd__(self, items: Iterable[Any]) -> Self:  # type: ignore[misc]
        self.extend(items)
        return self

    def __imul__(self, times: SupportsIndex) -> Self:
        with self._note.lock:
            self._note.edit(0)
            super().__imul__(times)
        return self

    def insert(self, index: SupportsIndex, item: Any) -> None:  # noqa: ANN401, D102
        with self._note.lock:
            self._note.edit(self._from(index))
            super().insert(index, item)

    def pop(self, index: SupportsIndex = -1) -> Any:  # noqa: ANN401, D102
        with self._note.lock:
            self._note.edit(self._from(index))
            return super().pop(index)

    def remove(self, item: Any) -> None:  # noqa: ANN401, D102
        with self._note.lock:
            del self[self.index(item)]

    def clear(self) -> None:  # noqa: D102
        with self._note.lock:
            self._note.edit(0)
            super().clear()

    def sort(self, **options: Any) -> None:  # noqa: ANN401, D102
        before = list(self)
        ordered = sorted(before, **options)  # without the lock: a `key` may ask the state for something
        with self._note.lock:
            if len(self) != len(before) or not all(map(operator.is_, self, before)):
                raise ValueError("list modified during sort")  # as of any list
            self._note.edit(0)
            super().__setitem__(slice(None), ordered)

    def reverse(self) -> None:  # noqa: D102
        with self._note.lock:
            self._note.edit(0)
            super().reverse()

    def __setitem__(self, index: Any, item: Any) -> None:  # noqa: ANN401
        with self._note.lock:
            self._note.edit(self._from(index))
            super().__setitem__(index, item)

    def __delitem__(self, index: Any) -> None:  # noqa: ANN401
        with self._note.lock:
            self._note.edit(self._from(index))
            super().__delitem__(index)

    def _from(self, index: Any) -> int:  # noqa: ANN401
        """Return the first place that a change at an index, or in a slice, can reach."""
        if isinstance(index, slice):
            places = range(len(self))[index]
            return min(places[0], places[-1]) if places else min(places.start, len(self))
        at = operator.index(index)
        return max(at + len(self), 0) if at < 0 else at

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401
        return list, (list(self),)


class StateDict(dict[Any, Any]):
    """A dict that notes its changes."""

    __slots__ = ("_note",)
    __holdfast_plain__: ClassVar[type] = dict
    __hash__ = None

    def __init__(self, items: Any = (), note: Note = NOBODY) -> None:  # noqa: ANN401
        super().__init__(items)
        self._note = note

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401
        with self._note.lock:
            self._note.edit(key)
            super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:  # noqa: ANN401
        with self._note.lock:
            self._note.edit(key, gone=True)
            super().__delitem__(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401, D102
        with self._note.lock:
            if key not in self:
                self[key] = default
            return self[key]

    def pop(self, key: Any, *default: Any) -> Any:  # noqa: ANN401, D102
        with self._note.lock:
            if key in self:
                self._note.edit(key, gone=True)
            return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:  # noqa: D102
        with self._note.lock:
            self._note.edit(next(reversed(self), None), gone=True)
            return super().popitem()

    def clear(self) -> None:  # noqa: D102
        with self._note.lock:
            self._note.edit(None)
            super().clear()

    def update(self, *given: Any, **named: Any) -> None:  # noqa: ANN401, D102
        changes = dict(*given, **named)
        with self._note.lock:
            for key, value in changes.items():
                self[key] = value

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc]  # noqa: ANN401
        self.update(other)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401
        return dict, (dict(self),)


class StateSet(set[Any]):
    """A set that notes its changes."""

    __slots__ = ("_note",)
    __holdfast_plain__: ClassVar[type] = set
    __hash__ = None

    def __init__(self, items: Iterable[Any] = (), note: Note = NOBODY) -> None:
        super().__init__(items)
        self._note = note

    def copy(self) -> set[Any]:  # noqa: D102
        return set(self)

    def __repr__(self) -> str:
        return repr(set(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401
        return set, (set(self),)


def _noting(name: str) -> Any:  # noqa: ANN401 - a method
    method = getattr(set, name)

    def changed(self: StateSet, *arguments: Any) -> Any:  # noqa: ANN401
        with self._note.lock:
            self._note.edit(None)
            return method(self, *arguments)

    changed.__name__, changed.__doc__ = name, method.__doc__
    return changed


for _name in (
    "add", "clear", "difference_update", "discard", "intersection_update", "pop", "remove",
    "symmetric_difference_update", "update", "__iand__", "__ior__", "__isub__", "__ixor__",
):  # fmt: skip
    setattr(StateSet, _name, _noting(_name))

Tracked = StateList | StateDict | StateSet


def note_of(value: Any) -> Note | None:  # noqa: ANN401
    """Return the note of a container that notes its changes; None of anything else."""
    return value._note if isinstance(value, (StateList, StateDict, StateSet)) else None  # noqa: SLF001 - their own kind


def follow(value: Tracked, note: Note) -> None:
    """Let a container tell another note from now on."""
    value._note = note  # noqa: SLF001 - their own kind


_SCALARS = frozenset({str, int, float, bool, type(None), bytes})


class Tracking:
    """Makes containers of a value that tell a note of their changes.

    Attributes:
        loose: whether something in the value can change without telling, such as an object or an array.
    """

    __slots__ = ("_note", "loose")

    def __init__(self, note: Note) -> None:
        self._note = note
        self.loose = False

    def of(self, value: Any) -> Any:  # noqa: ANN401
        """Return a value with its plain lists, dicts and sets, at any depth, replaced by ones that tell the note."""
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is dict or kind is StateDict:
            return StateDict({key: self.of(item) for key, item in value.items()}, self._note)
        if kind is list or kind is StateList:
            return StateList([self.of(item) for item in value], self._note)
        if kind is set or kind is StateSet:
            return StateSet(value, self._note)
        self.loose = self.loose or not is_immutable(value)
        return value

    def renew(self, value: Any) -> None:  # noqa: ANN401
        """Let what was put into a container since tell the note, too, but for what somebody else holds: that is loose.

        Args:
            value: a container that tells the note itself.
        """
        if isinstance(value, StateSet):
            return
        for at in list(value) if isinstance(value, dict) else range(len(value)):
            if type(value[at]) in _SCALARS:
                continue
            if note_of(value[at]) is self._note:
                self.renew(value[at])
            elif not isinstance(value[at], (list, dict, set)):
                self.loose = self.loose or not is_immutable(value[at])
            elif is_held(value, at) or is_held_inside(value[at]):
                self.loose = True
            else:
                change: Any = dict.__setitem__ if isinstance(value, dict) else list.__setitem__
                change(value, at, self.of(value[at]))
