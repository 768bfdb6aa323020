"""What all that use one key-value store in this process have in common: nodes, readers, and the line of writers."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from holdfast.core.schema import Catalogue
from holdfast.engine.kv.guarded import Guarded
from holdfast.engine.kv.store import KVStore
from holdfast.engine.tree.lease import Lease
from holdfast.engine.tree.nodes import Nodes
from holdfast.engine.turns.queue import QUEUES, WriteQueue
from holdfast.errors import Timeout


class Readers:
    """The states that somebody in this process reads, by their epochs."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._epochs: Counter[int] = Counter()

    @contextmanager
    def reading(self, epoch: int) -> Generator[None]:
        """Note a reader for the block."""
        with self._changed:
            self._epochs[epoch] += 1
        try:
            yield
        finally:
            with self._changed:
                self._epochs[epoch] -= 1
                if not self._epochs[epoch]:
                    del self._epochs[epoch]
                self._changed.notify_all()

    @property
    def oldest(self) -> int | None:
        """The oldest state that is read."""
        with self._changed:
            return min(self._epochs, default=None)

    def wait_until_gone(self, timeout: float) -> None:
        """Wait until nobody reads. Raises Timeout."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._epochs, timeout):
                raise Timeout(f"somebody has read what was there before for {timeout:g} s; do it again later")


class Shared:
    """One key-value store as this process uses it.

    Attributes:
        writer: a fresh random name, which no other process has.
        cleared: up to which state lists of superseded nodes were worked off, as far as this process knows.
    """

    def __init__(self, store: KVStore) -> None:
        self.store = Guarded(store)
        self.nodes = Nodes(self.store)
        self.readers = Readers()
        self.catalogues: dict[bytes, Catalogue] = {}
        self.writer = os.urandom(6).hex()
        self.owns = False
        self.cleared = 0
        self._queue: WriteQueue | None = None
        self._part: Callable[[], None] | None = None
        self._joining = threading.Lock()

    @property
    def queue(self) -> WriteQueue:
        """The line before the store. It is made when the first wants to write: reading writes nothing, anywhere."""
        with self._joining:
            if self._queue is None:
                self._queue, self._part = self._joined()
            return self._queue

    def _joined(self) -> tuple[WriteQueue, Callable[[], None] | None]:
        file = self.store.queue_file
        if file is not None:
            return QUEUES.join(file, lambda: "another process", alone=False)
        many = self.store.can_compare_and_set and self.store.is_shared
        return WriteQueue(Lease(self.store, self.writer) if many else None, lambda: "another process"), None

    def close(self) -> None:
        """Leave the line."""
        with self._joining:
            if self._part is not None:
                self._part()
            self._queue = self._part = None


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
