"""The working copy of a state: its values as Python objects, and what of them is not committed yet.

A value is read once, and is then the same object at every access. It tells of its changes, or it is compared with what
is stored; either way a commit writes what changed, and nothing is written that did not. A working copy stands on one
commit, its *base*. When others have committed to the branch, a commit first catches up with them: it takes over what
they changed, merges what both did, and goes on from their head. If that needs a decision, nothing is written and
everything stays pending.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from holdfast.core.codec import Codec
from holdfast.core.points import Point
from holdfast.engine.contract import Reader, Writer
from holdfast.errors import BranchMoved, HoldfastError, ReadOnly
from holdfast.state.drafts import Draft, PartNames, at_key
from holdfast.state.ground import Ground
from holdfast.state.holders import is_held
from holdfast.state.leaves import Lock, Node
from holdfast.state.loading import Loader
from holdfast.state.maps import draft_at
from holdfast.state.rows import ROOT, Name, Rows
from holdfast.state.storing import RowWriter, read_names, read_rows

CATCH_UPS_MAX = 100
"""How often a commit goes on from a newer head before it is given up."""


class Past:
    """The lock of values that can only be read: taking it to change one is refused."""

    def __enter__(self) -> None:
        """Raise ReadOnly."""
        raise ReadOnly("this state is a commit of the past, or was opened to be read; check out a branch to change it")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Never happens."""


class Slot:
    """What the value of a key is a part of."""

    __slots__ = ("_dirty", "lock", "name")

    def __init__(self, name: Name, dirty: set[Name], lock: Lock) -> None:
        self.name = name
        self.lock = lock
        self._dirty = dirty

    def below(self, node: Node) -> None:  # noqa: ARG002
        """Take note that the value changes."""
        self._dirty.add(self.name)


class _Moved(Exception):
    """The branch is not where the working copy stands."""


class WorkingCopy:
    """The values of a branch, or of a commit, as Python objects.

    Args:
        ground: where they lie.
        verify: whether each commit looks at everything that was read, and trusts no note.
    """

    def __init__(self, ground: Ground, codec: Codec, *, verify: bool = False) -> None:
        self.ground = ground
        self.codec = codec
        self.lock: Any = threading.RLock()
        self._verify = verify
        self._values: dict[Name, Any] = {}
        self._nodes: dict[Name, Node] = {}
        self._assigned: set[Name] = set()
        self._removed: set[Name] = set()
        self._dirty: set[Name] = set()
        self._watched: set[Name] = set()  # handed out, and may change without telling
        self._names = PartNames(ground.ids.salt()[:8])
        self._value_lock: Lock = Past() if ground.read_only else self.lock
        with ground.reading() as reader:
            self.base = ground.at(reader).point
            self._vector = reader.vector(self.base)

    # Values

    def get(self, name: Name) -> Any:  # noqa: ANN401
        """Return the value of a key. Raises KeyError; Unreadable and the like if it cannot be made again."""
        with self.lock:
            if name not in self._values:
                if name in self._removed:
                    raise KeyError(name.key)
                with self.ground.reading() as reader:
                    rows = self._rows(reader, name)
                if not rows:
                    raise KeyError(name.key)
                self._values[name], self._nodes[name] = self._loaded(name, rows)
            node = self._nodes.get(name)
            if node is None or not node.sure:
                self._watched.add(name)
            return self._values[name]

    def set(self, name: Name, value: Any) -> None:  # noqa: ANN401
        """Let a key have a value."""
        with self.lock:
            self._check_writable()
            if self._values.get(name, _NOTHING) is value and name not in self._removed:
                self._watched.add(name)  # as in state["calls"] += 1
                return
            self._values[name] = value
            self._assigned.add(name)
            self._removed.discard(name)

    def delete(self, name: Name) -> None:
        """Remove a key. Raises KeyError."""
        with self.lock:
            self._check_writable()
            if not self.has(name):
                raise KeyError(name.key)
            self._values.pop(name, None)
            self._assigned.discard(name)
            self._removed.add(name)

    def has(self, name: Name) -> bool:
        """Tell whether a key has a value."""
        with self.lock:
            if name in self._values:
                return True
            if name in self._removed:
                return False
            with self.ground.reading() as reader:
                return bool(self._rows(reader, name))

    def names(self, namespace: str | None = None) -> list[Name]:
        """Return the keys of a namespace, or all, sorted."""
        with self.lock:
            with self.ground.reading() as reader:
                self._check_kept(reader)
                found = set(read_names(reader, self._vector, namespace))
            found |= {name for name in self._values if namespace in (None, name.namespace)}
            return sorted(found - self._removed)

    def _rows(self, reader: Reader, name: Name) -> Rows:
        self._check_kept(reader)
        return read_rows(reader, self._vector, name)

    def _check_kept(self, reader: Reader) -> None:
        """Raise NotFound if gc pruned the commit that this stands on."""
        self.ground.still(reader, self.base)

    def _loaded(self, name: Name, rows: Rows) -> tuple[Any, Node]:
        return Loader(rows, self.codec, where_of(name), self._value_lock).load(Slot(name, self._dirty, self._value_lock))

    def _check_writable(self) -> None:
        if self.ground.read_only:
            with self._value_lock:
                pass

    # Commits

    def pending(self) -> list[Name]:
        """Return the keys whose values differ from what is committed, sorted. Raises NotStorable."""
        with self.lock:
            drafts = self._drafted(self.base.line)
            return sorted({*self._removed_there(), *(name for name, draft in drafts.items() if draft.changes)})

    def commit(self, message: str = "", metadata: object = None) -> Point:
        """Write what changed, in one commit, durable when this returns; return where the branch is now.

        Raises:
            NotStorable: a value cannot be stored. Nothing was written, and everything is still pending.
            BranchMoved: others changed the same, and no rule merges it. Likewise.
        """
        with self.lock:
            self._check_writable()
            for _ in range(CATCH_UPS_MAX):
                drafts = self._drafted(self.base.line)
                changed = {name: draft for name, draft in drafts.items() if draft.changes}
                if not changed and not self._removed_there():
                    self._settle(drafts)
                    return self.base
                try:
                    point, commit = self.ground.write(message, lambda writer: self._write(writer, changed), metadata)
                except _Moved:
                    self.catch_up()
                    continue
                self._stand_on(commit.point if commit else point)
                self._settle(drafts)
                return self.base
            raise BranchMoved(f"{self.ground.ref!r} moved {CATCH_UPS_MAX} times while it was being written; retry")

    def _drafted(self, line: str) -> dict[Name, Draft]:
        """Return what is to be written of each key that may have changed."""
        looked_at = set(self._nodes) if self._verify else self._dirty | self._watched
        drafts: dict[Name, Draft] = {}
        for name in sorted(looked_at | self._assigned):
            if name in self._values:
                drafts[name] = draft = Draft(self.codec, self._names, line, complete=self._verify)
                node = draft_at(
                    self._node(name), ROOT, 0, self._values[name], where_of(name), draft,
                    Slot(name, self._dirty, self._value_lock),
                )  # fmt: skip
                draft.then(self._settlement(name, node))
        return drafts

    def _settlement(self, name: Name, node: Node) -> Any:  # noqa: ANN401
        def settled() -> None:
            self._nodes[name] = node

        return settled

    def _node(self, name: Name) -> Node | None:
        """Return what stands for the rows of a key; read them if it was assigned without being read."""
        if name in self._nodes:
            return self._nodes[name]
        with self.ground.reading() as reader:
            rows = self._rows(reader, name)
        if not rows:
            return None
        try:
            self._nodes[name] = self._loaded(name, rows)[1]
        except HoldfastError:  # it cannot be read, and is about to be replaced
            self._nodes[name] = Unread(ROOT, 0, None, self._value_lock, rows)
        return self._nodes[name]

    def _removed_there(self) -> set[Name]:
        """Return the keys that were removed, and are there in the base."""
        if not self._removed:
            return set()
        with self.ground.reading() as reader:
            return {name for name in self._removed if self._rows(reader, name)}

    def _write(self, writer: Writer, changed: dict[Name, Draft]) -> Point:
        line = writer.opened
        if (line.uid, line.head) != self.base:
            raise _Moved
        rows = RowWriter(writer, {**self._vector, line.uid: line.head + 1})
        for name in sorted(self._removed):
            rows.remove(name)
        for name, draft in changed.items():
            rows.write(name, draft.changes)
        return self.base

    def _stand_on(self, point: Point) -> None:
        """Let the working copy stand on a commit of its own line that follows its base."""
        if point != self.base:
            self._vector = {**self._vector, point.line: point.n}
            self.base = point

    def _settle(self, drafts: dict[Name, Draft]) -> None:
        """Remember that all is written, and let values tell their changes that nobody else holds."""
        for name in self._removed:
            node = self._nodes.pop(name, None)
            if node is not None:
                node.above = None
        for draft in drafts.values():
            draft.settle()
        for name in drafts:
            node = self._nodes[name]
            held = is_held(self._values, name)  # before it is handed on
            kept = node.adopt(self._values[name], held=held)
            if kept is not self._values[name]:
                self._values[name] = kept
            del kept
            if node.sure:
                self._watched.discard(name)
            else:
                self._watched.add(name)
        self._assigned.clear()
        self._removed.clear()
        self._dirty.clear()

    def discard(self) -> None:
        """Forget what is not committed. Values are read anew; objects that the user holds stay as they are."""
        with self.lock:
            self._forget(self._values)
            self._assigned.clear()
            self._removed.clear()
            self._dirty.clear()

    def _forget(self, names: Iterable[Name]) -> None:
        for name in list(names):
            self._values.pop(name, None)
            self._watched.discard(name)
            node = self._nodes.pop(name, None)
            if node is not None:
                node.above = None

    def catch_up(self) -> None:
        """Go on from where the branch is now."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what this holds."""
        self.ground.close()


class Unread(Node):
    """What stands for a value that cannot be read: its rows, which are to be replaced."""

    __slots__ = ("_rows",)

    def __init__(self, address: Any, place: int, above: Any, lock: Lock, rows: Rows) -> None:  # noqa: ANN401
        super().__init__(address, place, above, lock)
        self._rows = rows

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all rows but the first."""
        for address in self._rows:
            if address != ROOT:
                draft.remove(address)


def where_of(name: Name) -> str:
    """Return how messages name a value."""
    return at_key("state", f"{name.namespace}/{name.key}" if name.namespace else name.key)


_NOTHING = object()


def iterate(names: Iterable[Name]) -> Iterator[str]:
    """Yield the keys of names."""
    return (name.key for name in names)
