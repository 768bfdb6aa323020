"""A store in the memory of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping

from holdfast.engine.kv.marks import Mark, Marks
from holdfast.engine.kv.store import KVStore
from holdfast.engine.turns.queue import WriteQueue


class Memory(KVStore):
    """A mapping that goes with the process. Threads may share it; each call is atomic.

    Example:
        >>> store = Memory()
        >>> store.set("k", b"v")
        >>> store.compare_and_set("k", b"v", b"w"), store.compare_and_set("k", b"v", b"x"), store.get("k")
        (True, False, b'w')
    """

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        """Begin with nobody who reads or writes: in a forked child the threads are gone that did."""
        self._pid = os.getpid()
        self._marks = Marks()
        self._line = WriteQueue(None, lambda: "another thread")

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        return self._entries.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Set the value of a key."""
        with self._lock:
            self._entries[key] = value

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        """Return the values of those of these keys that are there."""
        with self._lock:
            return {key: self._entries[key] for key in keys if key in self._entries}

    def set_many(self, **values: bytes) -> None:
        """Set the values of several keys, all or none."""
        with self._lock:
            self._entries.update(values)

    def items(self) -> Iterable[tuple[str, bytes]]:
        """Return all entries as they are now."""
        with self._lock:
            return list(self._entries.items())

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a value."""
        return key in self._entries

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Set a key's value if it is `expected` now; tell whether it was."""
        with self._lock:
            if self._entries.get(key) != expected:
                return False
            self._entries[key] = value
            return True

    def delete(self, *keys: str) -> None:
        """Remove these keys."""
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)

    def scan(self, prefix: str) -> Iterable[str]:
        """Return the keys that begin with `prefix`."""
        with self._lock:
            return [key for key in self._entries if key.startswith(prefix)]

    def mark(self) -> Mark | None:
        """Return a mark in this process."""
        if os.getpid() != self._pid:
            self._begin()
        return self._marks.mark()

    @property
    def line(self) -> WriteQueue:
        """The line of all who write here, however they came to this store."""
        if os.getpid() != self._pid:
            self._begin()
        return self._line

    @property
    def is_shared(self) -> bool:
        """No other process has it."""
        return False
