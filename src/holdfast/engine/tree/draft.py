"""A tree with changes on top that are not part of it yet: those of the newest commits, and of a commit being made."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from holdfast.engine.tree.node import Held
from holdfast.engine.tree.tree import Tree

_RUN_LENGTH_MAX = 1_000


class _Keys:
    """Keys in order, in runs that are short enough to insert into."""

    def __init__(self) -> None:
        self._runs: list[list[bytes]] = []
        self._highest: list[bytes] = []

    def add(self, key: bytes) -> None:
        """Add a key that is not there."""
        if not self._runs:
            self._runs, self._highest = [[key]], [key]
            return
        at = min(bisect_left(self._highest, key), len(self._runs) - 1)
        run = self._runs[at]
        insort(run, key)
        if len(run) > _RUN_LENGTH_MAX:
            half = len(run) // 2
            self._runs.insert(at + 1, run[half:])
            del run[half:]
            self._highest.insert(at, run[-1])
            at += 1
        self._highest[at] = self._runs[at][-1]

    def remove(self, key: bytes) -> None:
        """Remove a key that is there."""
        at = bisect_left(self._highest, key)
        run = self._runs[at]
        del run[bisect_left(run, key)]
        if run:
            self._highest[at] = run[-1]
        else:
            del self._runs[at], self._highest[at]

    def range(self, low: bytes, high: bytes | None) -> list[bytes]:
        """Return the keys from `low` up to but without `high`."""
        found: list[bytes] = []
        for at in range(bisect_left(self._highest, low), len(self._runs)):
            run = self._runs[at]
            if high is not None and run[0] >= high:
                break
            end = len(run) if high is None else bisect_left(run, high)
            found += run[bisect_left(run, low) : end]
        return found

    def copy(self) -> _Keys:
        """Return the same keys."""
        other = _Keys()
        other._runs, other._highest = [run[:] for run in self._runs], self._highest[:]
        return other

    def __iter__(self) -> Iterator[bytes]:
        for run in self._runs:
            yield from run


class Layer(Tree):
    """A tree and changes on top of it, to be read."""

    def __init__(self, base: Tree) -> None:
        super().__init__(base.nodes, base.root)
        self.base = base
        self._changed: dict[bytes, Held | None] = {}
        self._keys = _Keys()

    def changes(self) -> list[tuple[bytes, Held | None]]:
        """Return what was changed, in order of the keys; None is removed."""
        return [(key, self._changed[key]) for key in self._keys]

    @property
    def is_changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self._changed)

    def held(self, key: bytes) -> Held | None:
        """Return the value of a key, as it is now."""
        return self._changed[key] if key in self._changed else self.base.held(key)

    def range(self, low: bytes, high: bytes | None) -> Iterator[tuple[bytes, Held]]:
        """Yield the entries from `low` up to but without `high`, as they are now, whatever changes meanwhile."""
        changed = [(key, self._changed[key]) for key in self._keys.range(low, high)]
        return self._merged(low, high, changed) if changed else self.base.range(low, high)

    def _merged(
        self, low: bytes, high: bytes | None, changed: list[tuple[bytes, Held | None]]
    ) -> Iterator[tuple[bytes, Held]]:
        at = 0
        for key, held in self.base.range(low, high):
            while at < len(changed) and changed[at][0] < key:
                if changed[at][1] is not None:
                    yield changed[at]  # type: ignore[misc]  # it was just seen not to be None
                at += 1
            if at < len(changed) and changed[at][0] == key:
                continue  # its turn comes in the order of the keys
            yield key, held
        for mine, value in changed[at:]:
            if value is not None:
                yield mine, value

    def last(self, low: bytes, high: bytes | None) -> bytes | None:
        """Return the last key from `low` up to but without `high`, as it is now, or None."""
        changed = self._keys.range(low, high)
        mine = next((key for key in reversed(changed) if self._changed[key] is not None), None)
        below = self.base.last(low, high)
        while below is not None and self._changed.get(below, b"") is None:  # removed: the one before it is looked for
            below = self.base.last(low, below)
        return max((key for key in (mine, below) if key is not None), default=None)

    def _set(self, key: bytes, held: Held | None) -> None:
        if key not in self._changed:
            self._keys.add(key)
        self._changed[key] = held


class Draft(Layer):
    """What a writer reads and writes: changes that can be taken back to a mark."""

    def __init__(self, base: Tree) -> None:
        super().__init__(base)
        self._before: list[tuple[bytes, bool, Held | None]] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._change(key, value)

    def remove(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._change(key, None)

    def _change(self, key: bytes, value: bytes | None) -> None:
        self._before.append((key, key in self._changed, self._changed.get(key)))
        self._set(key, value)

    def mark(self) -> int:
        """Return what `undo` needs to come back to now."""
        return len(self._before)

    def undo(self, mark: int) -> None:
        """Take back what was changed since `mark`."""
        while len(self._before) > mark:
            key, known, value = self._before.pop()
            if known:
                self._changed[key] = value
            else:
                del self._changed[key]
                self._keys.remove(key)
