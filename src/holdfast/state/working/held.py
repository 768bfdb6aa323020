"""The values of a state as Python objects, and what has to be written of them.

A value is read once, and is then the same object at every access. It tells of its changes, or it is compared with what
is stored.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from holdfast.core.codec import Codec
from holdfast.core.points import VersionVector
from holdfast.engine.contract import Reader
from holdfast.errors import HoldfastError, ReadOnly
from holdfast.state.nodes.leaves import Lock, Node
from holdfast.state.nodes.loading import Loader
from holdfast.state.nodes.maps import draft_at
from holdfast.state.nodes.slots import Slot
from holdfast.state.objects.edits import Edits
from holdfast.state.objects.holders import is_held
from holdfast.state.rows.drafts import Draft, PartNames, at_key
from holdfast.state.rows.namespaces import full
from holdfast.state.rows.storing import has_row, read_names, read_rows
from holdfast.state.rows.tables import HIDDEN, ROOT, Name, Rows
from holdfast.state.working.ground import Ground

NOTHING: Any = object()
"""Stands for a value that was not read."""


class Past:
    """The lock of values that can only be read: taking it to change one is refused."""

    def __enter__(self) -> None:
        """Raise ReadOnly."""
        raise ReadOnly("this state is a commit of the past, or was opened to be read; check out a branch to change it")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Never happens."""


class HeldValues:
    """The values of a branch, or of a commit, that were read or set.

    Args:
        ground: where they lie.
        verify: whether each commit looks at everything that was read, and trusts no note.
    """

    def __init__(self, ground: Ground, codec: Codec, *, verify: bool = False) -> None:
        self.ground = ground
        self.codec = codec
        self.lock = ground.lock
        self._verify = verify
        self._values: dict[Name, Any] = {}
        self._nodes: dict[Name, Node] = {}
        self._assigned: set[Name] = set()
        self._removed: set[Name] = set()
        self._dirty: set[Name] = set()
        self._watched: set[Name] = set()  # handed out, and may change without telling
        self._names = PartNames(ground.ids.salt()[:8])
        self._edits = Edits()
        self._writer: Reader | None = None
        self._value_lock: Lock = Past() if ground.read_only else self._edits
        with ground.reading() as reader:
            self.base = ground.at(reader).point
            self._head: str | None = reader.commit(self.base).hash.hex()
            self._seen: VersionVector | None = reader.vector(self.base)

    @property
    def head(self) -> str:
        """The hash of the commit that this stands on."""
        if self._head is None:  # it was moved there, and nobody has asked
            with self._alone(), self._reading() as reader:
                self._head = reader.commit(self.base).hash.hex()
        return self._head

    @head.setter
    def head(self, head: str) -> None:
        self._head = head

    @property
    def _vector(self) -> VersionVector:
        """What the commit that this stands on sees."""
        if self._seen is None:
            with self._alone(), self._reading() as reader:
                self._seen = reader.vector(self.base)
        return self._seen

    @_vector.setter
    def _vector(self, vector: VersionVector) -> None:
        self._seen = vector

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Keep others out for the block: those who ask for something, and those who change a value that they hold."""
        with self.lock, self._edits.lock:
            yield

    # Values

    def get(self, name: Name) -> Any:  # noqa: ANN401
        """Return the value of a key. Raises KeyError; Unreadable and the like if it cannot be made again."""
        with self._edits.lock:  # what is in memory is had while a commit of another thread waits for the disk
            if name in self._values:
                return self._handed_out(name)
        with self._alone():
            if name not in self._values:
                if name in self._removed:
                    raise KeyError(name.key)
                with self._reading() as reader:
                    rows = self._rows(reader, name)
                if not rows:
                    raise KeyError(name.key)
                self._values[name], self._nodes[name] = self._loaded(name, rows)
            return self._handed_out(name)

    def _handed_out(self, name: Name) -> Any:  # noqa: ANN401
        node = self._nodes.get(name)
        if node is None or not node.sure:
            self._watched.add(name)
        return self._values[name]

    def put(self, name: Name, value: Any) -> None:  # noqa: ANN401
        """Let a key have a value."""
        with self._alone():
            self._check_writable()
            if self._values.get(name, NOTHING) is value and name not in self._removed:
                self._watched.add(name)  # as in state["calls"] += 1
                return
            self._edits.count += 1
            self._values[name] = value
            self._assigned.add(name)
            self._removed.discard(name)

    def delete(self, name: Name) -> None:
        """Remove a key. Raises KeyError."""
        with self._alone():
            self._check_writable()
            if not self.has(name):
                raise KeyError(name.key)
            self._edits.count += 1
            self._values.pop(name, None)
            self._assigned.discard(name)
            self._removed.add(name)

    def has(self, name: Name) -> bool:
        """Tell whether a key has a value."""
        with self._alone():
            if name in self._values:
                return True
            if name in self._removed:
                return False
            with self._reading() as reader:
                return self._is_there(reader, name)

    def names(self, namespace: str | None = None) -> list[Name]:
        """Return the keys of a namespace, or all, sorted."""
        with self._alone():
            with self._reading() as reader:
                self._check_kept(reader)
                found = set(read_names(reader, self._vector, namespace))
            found |= {name for name in self._values if namespace in (None, name.namespace)}
            return sorted(name for name in found - self._removed if not name.key.startswith(HIDDEN))

    @contextmanager
    def _reading(self) -> Generator[Reader]:
        """Return a snapshot; while a commit is being written what that sees, since it has the connection."""
        if self._writer is not None:
            yield self._writer
        else:
            with self.ground.reading() as reader:
                yield reader

    def _rows(self, reader: Reader, name: Name) -> Rows:
        self._check_kept(reader)
        return read_rows(reader, self._vector, name)

    def _is_there(self, reader: Reader, name: Name) -> bool:
        self._check_kept(reader)
        return has_row(reader, self._vector, name)

    def _check_kept(self, reader: Reader) -> None:
        """Raise NotFound if gc pruned the commit that this stands on."""
        self.ground.still(reader, self.base)

    def _loaded(self, name: Name, rows: Rows) -> tuple[Any, Node]:
        return Loader(rows, self.codec, where_of(name), self._value_lock).load(
            Slot(name, self._dirty, self._value_lock)
        )

    def _check_writable(self) -> None:
        if self.ground.read_only:
            with self._value_lock:
                pass

    def _drafted(self, line: str) -> dict[Name, Draft]:
        """Return what is to be written of each key that may have changed."""
        looked_at = set(self._nodes) if self._verify else self._dirty | self._watched
        drafts: dict[Name, Draft] = {}
        for name in sorted(looked_at | self._assigned):
            if name in self._values:
                drafts[name] = self._draft(name, self._names, line)
        return drafts

    def _draft(self, name: Name, names: PartNames, line: str) -> Draft:
        """Return what is to be written of a key."""
        draft = Draft(self.codec, names, line, complete=self._verify)
        slot = Slot(name, self._dirty, self._value_lock)
        node = draft_at(self._node(name), ROOT, 0, self._values[name], where_of(name), draft, slot)
        draft.then(self._settlement(name, node))
        return draft

    def _settlement(self, name: Name, node: Node) -> Any:  # noqa: ANN401
        def settled() -> None:
            self._nodes[name] = node

        return settled

    def _adopt(self, name: Name) -> None:
        """Let a value that was just written tell its changes, if nobody else holds it."""
        node = self._nodes[name]
        held = is_held(self._values, name)  # before it is handed on
        try:
            kept = node.adopt(self._values[name], held=held)
        except RecursionError:  # it is nested as deep as the caller's stack allows: it stays what it is
            node.doubt()
        else:
            if kept is not self._values[name]:
                self._values[name] = kept
            del kept
        if node.sure:
            self._watched.discard(name)
        else:
            self._watched.add(name)

    def _node(self, name: Name) -> Node | None:
        """Return what stands for the rows of a key; read them if it was assigned without being read."""
        if name in self._nodes:
            return self._nodes[name]
        with self._reading() as reader:
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
        with self._reading() as reader:
            return {name for name in self._removed if self._is_there(reader, name)}

    def _forget(self, names: Iterable[Name]) -> None:
        for name in list(names):
            self._values.pop(name, None)
            self._watched.discard(name)
            self._detach(name)

    def _detach(self, name: Name) -> None:
        """Forget what is known of the rows of a key; what tells its changes tells nobody any more."""
        node = self._nodes.pop(name, None)
        if node is not None:
            node.above = None


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
    return at_key("state", full(name))
