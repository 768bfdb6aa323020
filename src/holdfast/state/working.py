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
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from holdfast.core.codec import Codec
from holdfast.core.points import Point, VersionVector, meet
from holdfast.engine.contract import Commit, Reader, Writer
from holdfast.errors import BranchMoved, Conflict, HoldfastError, ReadOnly
from holdfast.state.drafts import Draft, PartNames, at_key
from holdfast.state.grafting import grafted
from holdfast.state.ground import Ground
from holdfast.state.holders import is_held
from holdfast.state.leaves import Leaf, Lock, Node
from holdfast.state.loading import Loader
from holdfast.state.log import LOG, LOG_KEY, Kept, Noted, read_events
from holdfast.state.maps import draft_at
from holdfast.state.namespaces import is_inside
from holdfast.state.rows import HIDDEN, ROOT, Address, Cells, Name, Rows, inside
from holdfast.state.merging import Merging
from holdfast.versions.resolve import resolve
from holdfast.state.storing import RowWriter, applied, changes_between, read_names, read_rows, touched_names

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


@dataclass(frozen=True, slots=True)
class Joined:
    """What became part of a transaction that is still open: keys, and events."""

    names: set[Name]
    noted: list[Noted]


@dataclass(slots=True)
class News:
    """What others committed: where the branch is now, and the rows of the keys that they changed.

    `merged` has the rows of those that were changed here, too, as they are to become.
    """

    point: Point
    head: str
    vector: VersionVector
    rows: dict[Name, Rows] = field(default_factory=dict)
    merged: dict[Name, Rows] = field(default_factory=dict)


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
        self._noted: list[Noted] = []
        self._closed = False
        self._joined: list[Joined] = []
        self._names = PartNames(ground.ids.salt()[:8])
        self._value_lock: Lock = Past() if ground.read_only else self.lock
        with ground.reading() as reader:
            self.base = ground.at(reader).point
            self.head = reader.commit(self.base).hash.hex()
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
            return sorted(name for name in found - self._removed if not name.key.startswith(HIDDEN))

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

    @property
    def has_news(self) -> bool:
        """Whether events wait for a commit."""
        return bool(self._noted)

    def commit(self, message: str = "", metadata: object = None) -> str:
        """Write what changed, in one commit, durable when this returns; return the hash of the head.

        Raises:
            NotStorable: a value cannot be stored. Nothing was written, and everything is still pending.
            BranchMoved: others changed the same, and no rule merges it. Likewise.
        """
        with self.lock:
            self._check_writable()
            for _ in range(CATCH_UPS_MAX):
                drafts = self._drafted(self.base.line)
                changed = {name: draft for name, draft in drafts.items() if draft.changes}
                events = self._drafted_events()
                if not changed and not events and not self._removed_there():
                    self._settle(drafts)
                    return self.head
                try:
                    seen, commit = self.ground.write(message, lambda writer: self._write(writer, {**changed, **events}), metadata)
                except _Moved:
                    self.catch_up()
                    continue
                if commit is None:
                    self._joined.append(Joined({*drafts, *self._removed}, list(self._noted)))
                else:
                    self.base, self.head, self._vector = commit.point, commit.hash.hex(), seen
                self._settle(drafts)
                return self.head
            raise BranchMoved(f"{self.ground.ref!r} moved {CATCH_UPS_MAX} times while it was being written; retry")

    def transaction_ended(self, *, done: bool) -> None:
        """Take note that the transaction ended which commits had become part of.

        If it was taken back, what was written into it is pending again.
        """
        with self.lock:
            joined, self._joined = self._joined, []
            if done:
                if joined:
                    self._go_on()
                return
            for part in joined:
                for name in part.names:
                    node = self._nodes.pop(name, None)
                    if node is not None:
                        node.above = None
                    (self._assigned if name in self._values else self._removed).add(name)
                self._noted[:0] = part.noted

    def _go_on(self) -> None:
        """Stand on the commit that followed the base: that of a transaction which began there, and wrote this."""
        line, n = self.base.line, self.base.n + 1
        with self.ground.reading() as reader:
            if reader.line(line).head >= n:  # else nothing came of it
                self.base = Point(line, n)
                self.head = reader.commit(self.base).hash.hex()
                self._vector = reader.vector(self.base)

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

    def _drafted_events(self) -> dict[Name, Draft]:
        """Return what is to be written of the log of each namespace."""
        drafts: dict[Name, Draft] = {}
        for noted in self._noted:
            name = Name(noted.namespace, LOG_KEY)
            draft = drafts.get(name)
            if draft is None:
                draft = drafts[name] = Draft(self.codec, self._names, "")
                draft.put(ROOT, Cells(0, LOG), new=False)
            address = Address(inside(ROOT), self._names.next())
            Leaf(address, noted.at_us, None, self.lock).create(noted.item, f"the event {noted.item['kind']!r}", draft)
        return drafts

    def note(self, noted: Noted) -> None:
        """Let an event belong to the next commit. Raises NotStorable."""
        with self.lock:
            self._check_writable()
            self.codec.encode(noted.item, f"the event {noted.item['kind']!r}")
            self._noted.append(noted)

    def events(self, inside: str) -> tuple[list[Kept], list[Noted]]:
        """Return the events of a namespace and those inside it: those that are committed, and those that wait."""
        with self.lock, self.ground.reading() as reader:
            self._check_kept(reader)
            kept = list(read_events(reader, self._vector, inside, self.codec))
            return kept, [noted for noted in self._noted if is_inside(noted.namespace, inside)]

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

    def _write(self, writer: Writer, changed: dict[Name, Draft]) -> VersionVector:
        """Write into the open commit; return what it sees. Raises _Moved if others have changed any state."""
        line, seen = writer.opened, self._vector
        if (line.uid, line.head) != self.base:
            seen = writer.vector(Point(line.uid, line.head))
            if line.uid != self.base.line or touched_names(writer, self._vector, seen):
                raise _Moved
        seen = {**seen, line.uid: line.head + 1}
        rows = RowWriter(writer, seen)
        for name in sorted(self._removed):
            rows.remove(name)
        for name, draft in changed.items():
            rows.write(name, draft.changes)
        return seen

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
        for pending in (self._assigned, self._removed, self._dirty, self._noted):
            pending.clear()

    def discard(self) -> None:
        """Forget what is not committed. Values are read anew; objects that the user holds stay as they are."""
        with self.lock:
            self._forget(self._values)
            for pending in (self._assigned, self._removed, self._dirty, self._noted):
                pending.clear()

    def _forget(self, names: Iterable[Name]) -> None:
        for name in list(names):
            self._values.pop(name, None)
            self._watched.discard(name)
            node = self._nodes.pop(name, None)
            if node is not None:
                node.above = None

    def catch_up(self) -> None:
        """Go on from where the branch is now: take over what others changed, and merge what both did.

        Raises:
            BranchMoved: others changed the same, and no rule merges it. The working copy stays where it is, and
                everything stays pending.
        """
        with self.lock:
            with self.ground.reading() as reader:
                news = self._news(reader)
            if news is None:
                return
            self.base, self.head, self._vector = news.point, news.head, news.vector
            for name in self._removed & set(news.rows):
                node = self._nodes.pop(name, None)
                if node is not None:
                    node.above = None
            for name, rows in news.rows.items():
                self._take_over(name, rows, news.merged.get(name))

    def _news(self, reader: Reader) -> News | None:
        """Return what others committed since the base; None if the branch stands there."""
        point = self.ground.at(reader).point
        if point == self.base:
            return None
        vector = reader.vector(point)
        base = meet(self._vector, vector)
        changed = touched_names(reader, base, self._vector) | touched_names(reader, base, vector)
        drafts = {name: draft for name, draft in self._drafted(self.base.line).items() if name in changed}
        news = News(point, reader.commit(point).hash.hex(), vector)
        conflicts: list[Conflict] = []
        for name in sorted(changed):
            news.rows[name] = rows = read_rows(reader, vector, name)
            draft = drafts.get(name)
            gone = name in self._removed
            if gone or (draft is not None and draft.changes):
                was = read_rows(reader, self._vector, name)
                mine = {} if gone or draft is None else applied(was, draft.changes)
                merging = Merging(name, was, rows, mine, lambda _: NotImplemented, self.codec, self._names)
                news.merged[name] = merging.rows()
                conflicts += merging.left
        if conflicts:
            keys = ", ".join(sorted({where_of(Name(*conflict.key[:2])) for conflict in conflicts}))
            raise BranchMoved(
                f"branch {self.ground.ref!r} moved, and others changed {keys} too; your changes are still pending:"
                " discard() them, or write them to a branch of your own and merge it"
            )
        return news

    def _take_over(self, name: Name, rows: Rows, merged: Rows | None) -> None:
        """Let a key have what others made of it; in place, since somebody may hold its value."""
        pending = merged is not None and merged != rows
        if not pending:
            self._assigned.discard(name)
            self._removed.discard(name)
        if pending and not merged:
            return  # removed here, and still to be removed there
        shown = merged if pending and merged is not None else rows
        old = self._values.get(name, _NOTHING)
        if not shown:
            self._forget([name])
            return
        if old is _NOTHING and not pending:
            return
        before = self._nodes.pop(name, None)
        if before is not None:
            before.above = None
        try:
            value, node = self._loaded(name, shown)
        except HoldfastError:
            self._forget([name])
            return
        self._values[name] = value if old is _NOTHING else grafted(old, value)
        if pending:
            self._assigned.add(name)  # it is compared with the rows that are there, which are read when it is
        else:
            self._nodes[name] = node
        self._watched.add(name)

    def differing(self, other: WorkingCopy) -> list[Name]:
        """Return the keys that differ between this and another commit of the same store, sorted."""
        with self.lock, self.ground.reading() as reader:
            mine, others = self._vector, other._vector  # noqa: SLF001 - one of its own kind
            base = meet(mine, others)
            names = touched_names(reader, base, mine) | touched_names(reader, base, others)
            found = (name for name in sorted(names) if not name.key.startswith(HIDDEN))
            return [name for name in found if read_rows(reader, mine, name) != read_rows(reader, others, name)]

    def changed_last(self, commits_max: int) -> list[Name]:
        """Return the keys that the newest commit changed which changed any, sorted; of so many commits at most."""
        with self.lock, self.ground.reading() as reader:
            at, after = self.base, self._vector
            for _ in range(commits_max):
                if not at.n:
                    break
                at = reader.commit(Point(at.line, at.n - 1)).point
                before = reader.vector(at)
                names = [name for name in touched_names(reader, before, after) if not name.key.startswith(HIDDEN)]
                if names:
                    return sorted(names)
                after = before
            return []

    def revert_to(self, ref: str, message: str) -> None:
        """Write a commit in which all keys are as they were at a ref, and forget what is pending."""
        with self.lock:
            self._check_writable()
            self.discard()
            self.catch_up()

            def work(writer: Writer) -> VersionVector:
                line = writer.opened
                mine, then = writer.vector(Point(line.uid, line.head)), writer.vector(resolve(writer, ref).point)
                base = meet(mine, then)
                rows = RowWriter(writer, {**mine, line.uid: line.head + 1})
                for name in sorted(touched_names(writer, base, mine) | touched_names(writer, base, then)):
                    if name.key != LOG_KEY:
                        rows.write(name, changes_between(read_rows(writer, mine, name), read_rows(writer, then, name)))
                return mine

            self.ground.write(message, work, None)
            self.catch_up()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Give back what this holds."""
        self._closed = True
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
