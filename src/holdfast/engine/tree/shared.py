"""What all that use one key-value store in this process have in common: nodes, readers, and the line of writers."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from holdfast.core.schema import Catalogue
from holdfast.engine.kv.guarded import Guarded
from holdfast.engine.kv.store import KVStore
from holdfast.engine.tree.lease import Lease
from holdfast.engine.tree.nodes import Nodes
from holdfast.engine.tree.recent import State
from holdfast.engine.turns.queue import QUEUES, WriteQueue
from holdfast.errors import Timeout

_LOOK_SECONDS = 0.01


class Readers:
    """The states that somebody reads, by their epochs: here, and as far as others tell, elsewhere."""

    def __init__(self, store: KVStore) -> None:
        self._mark = store.mark()
        self._changed = threading.Condition()
        self._epochs: Counter[int] = Counter()
        self._noted: int | None = None
        self._closed = False

    @contextmanager
    def reading(self, epoch: int) -> Generator[None]:
        """Note a reader for the block."""
        self._count(epoch, 1)
        try:
            yield
        finally:
            self._count(epoch, -1)

    def _count(self, epoch: int, more: int) -> None:
        with self._changed:
            self._epochs[epoch] += more
            if not self._epochs[epoch]:
                del self._epochs[epoch]
                self._changed.notify_all()
            oldest = min(self._epochs, default=None)
            if self._mark is not None and oldest != self._noted:
                self._mark.note(oldest)
                self._noted = oldest
            if self._mark is not None and self._closed and not self._epochs:
                self._mark.close()

    @property
    def are_known(self) -> bool:
        """Whether those who read in other processes are known, too."""
        return self._mark is not None

    @property
    def oldest(self) -> int | None:
        """The oldest state that is read, by whoever is known."""
        with self._changed:
            epochs = [*self._epochs]
        elsewhere = None if self._mark is None else self._mark.oldest_elsewhere()
        return min([*epochs, *([] if elsewhere is None else [elsewhere])], default=None)

    def wait_until_gone(self, epoch: int, timeout: float) -> None:
        """Wait until nobody who is known reads a state before this one. Raises Timeout."""
        until = time.monotonic() + timeout
        while (oldest := self.oldest) is not None and oldest < epoch:
            if time.monotonic() > until:
                raise Timeout(f"somebody has read what was there before for {timeout:g} s; do it again later")
            with self._changed:
                self._changed.wait(_LOOK_SECONDS)  # others tell nobody when they have ended

    def close(self) -> None:
        """Take the mark back, when the last who reads has ended."""
        with self._changed:
            self._closed = True
            if self._mark is not None and not self._epochs:
                self._mark.close()


class Shared:
    """One key-value store as this process uses it.

    Attributes:
        name: a random one, which no other process has.
        writer: what is in the names of the entries that are written now; another one after each failure.
        known: the newest state that was read or made here.
        turn: the turn of this process among others, where there is no better line.
        publications: the numbers of what is published; never an epoch, which may be tried for twice.
        crowded_until: until when, by time.monotonic(), processes take turns even where they need not.
        cleared: up to which state lists of superseded nodes were worked off, as far as this process knows.
    """

    def __init__(self, store: KVStore) -> None:
        self.store = Guarded(store)
        self.nodes = Nodes(self.store)
        self.readers = Readers(self.store)
        self.catalogues: dict[bytes, Catalogue] = {}
        self.name = self.writer = _random_name()
        self.known: State | None = None
        self.owns = False
        self.publications = itertools.count(1)
        self.cleared = 0
        self.crowded_until = 0.0
        self.turn = Lease(self.store, self.name)
        self._queue: WriteQueue | None = None
        self._part: Callable[[], None] | None = None
        self._joining = threading.Lock()

    def rename_writer(self) -> None:
        """Let what is written from now on have other names than what was."""
        self.writer = _random_name()

    @property
    def queue(self) -> WriteQueue:
        """The line before the store. It is made when the first wants to write: reading writes nothing, anywhere."""
        with self._joining:
            if self._queue is None:
                self._queue, self._part = self._joined()
            return self._queue

    def _joined(self) -> tuple[WriteQueue, Callable[[], None] | None]:
        line = self.store.line
        if line is not None:
            return line, None
        file = self.store.queue_file
        if file is not None:
            return QUEUES.join(file, lambda: "another process", alone=False)
        many = self.store.can_compare_and_set and self.store.is_shared
        return WriteQueue(self.turn if many else None, lambda: "another process"), None

    def close(self) -> None:
        """Leave the line, and those who read."""
        self.readers.close()
        with self._joining:
            if self._part is not None:
                self._part()
            self._queue = self._part = None


def _random_name() -> str:
    return os.urandom(6).hex()


class Registry:
    """What is shared, by the store object."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads, and none of its locks
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self._mutex = threading.Lock()
        self._known: dict[int, tuple[Shared, int]] = {}

    def join(self, store: KVStore) -> tuple[Shared, Callable[[], None]]:
        """Return what is shared of a store, and what to call, once, when it is not needed any more."""
        process = os.getpid()
        with self._mutex:
            shared, users = self._known.get(id(store)) or (Shared(store), 0)
            self._known[id(store)] = shared, users + 1

        def part() -> None:
            if os.getpid() != process:
                return
            with self._mutex:
                kept, users = self._known[id(store)]
                if users > 1:
                    self._known[id(store)] = kept, users - 1
                    return
                del self._known[id(store)]
            shared.close()

        return shared, part


STORES = Registry()
"""Shared by all engines, since a store does not know by which of them it was opened."""
