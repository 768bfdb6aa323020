"""A cache in memory before another store.

It keeps only what never changes: entries whose keys say that they are named by their hash. Names, such as the one root
of a tree, are always asked of the store, so what another process writes is seen at once. Nothing has to be told that
something is out of date, because nothing can be.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from holdfast.engine.kv.marks import Mark
from holdfast.engine.kv.store import IMMUTABLE, KVStore, Publication, check_count
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import InvalidValue

CACHE_BYTES = 64 * 1024 * 1024
_ENTRY_BYTES = 200
"""What an entry takes beside its value, by a generous guess."""


class Cache(KVStore):
    """Another store, with its immutable entries in memory: those that were used last, up to `max_bytes`.

    Example:
        >>> from holdfast.engine.kv import Memory
        >>> Cache(Memory(), max_bytes=1_000_000).can_delete
        True
    """

    def __init__(self, store: KVStore, max_bytes: int = CACHE_BYTES) -> None:
        given: object = store
        if not isinstance(given, KVStore):
            raise InvalidValue(f"a cache stands before a KVStore, not a {type(given).__name__}: {given!r}")
        self._store = store
        self._bytes_max = check_count("max_bytes", max_bytes)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self.size_bytes = 0
        """What the kept entries take, by a guess."""

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        known = self._known(key)
        if known is not None:
            return known
        value = self._store.get(key)
        if value is not None:
            self._keep(key, value)
        return value

    def set(self, key: str, value: bytes) -> None:
        """Set the value of a key."""
        self._store.set(key, value)
        self._keep(key, value)

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        """Return the values of those of these keys that are there."""
        found = {key: value for key in keys if (value := self._known(key)) is not None}
        missing = [key for key in keys if key not in found]
        if missing:
            fetched = self._store.get_many(*missing)
            for key, value in fetched.items():
                self._keep(key, value)
            found.update(fetched)
        return found

    def set_many(self, **values: bytes) -> None:
        """Set the values of several keys; nothing is kept of a call that fails."""
        self._store.set_many(**values)
        for key, value in values.items():
            self._keep(key, value)

    def items(self) -> Iterable[tuple[str, bytes]]:
        """Return all entries of the store."""
        return self._store.items()

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a value in the store."""
        return key in self._store

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Ask the store."""
        return self._store.compare_and_set(key, expected, value)

    def delete(self, *keys: str) -> None:
        """Remove these keys, here and in the store."""
        with self._lock:
            for key in keys:
                self._forget(key)
        self._store.delete(*keys)

    def scan(self, prefix: str) -> Iterable[str]:
        """Return the keys of the store that begin with `prefix`."""
        return self._store.scan(prefix)

    def publish(self, publication: Publication) -> bool:
        """Ask the store; what never changes is kept then."""
        done = self._store.publish(publication)
        if done:
            for key, value in publication.entries.items():
                self._keep(key, value)
        return done

    def discard(self, keys: Iterable[str], key: str, expected: bytes) -> bool:
        """Remove entries, here and in the store, if `key` is what is expected; tell whether it was."""
        dead = list(keys)
        with self._lock:
            for each in dead:
                self._forget(each)
        return self._store.discard(dead, key, expected)

    @property
    def can_publish(self) -> bool:
        """What the store can."""
        return self._store.can_publish

    @property
    def can_compare_and_set(self) -> bool:
        """What the store can."""
        return self._store.can_compare_and_set

    @property
    def can_delete(self) -> bool:
        """What the store can."""
        return self._store.can_delete

    @property
    def can_scan(self) -> bool:
        """What the store can."""
        return self._store.can_scan

    @property
    def store_url(self) -> str:
        """That of the store."""
        return self._store.store_url

    @property
    def queue_file(self) -> Path | None:
        """That of the store."""
        return self._store.queue_file

    @property
    def is_shared(self) -> bool:
        """Whether the store is."""
        return self._store.is_shared

    @property
    def line(self) -> WriteQueue | None:
        """That of the store."""
        return self._store.line

    def store_pulse(self, key: str) -> object:
        """That of the store."""
        return self._store.store_pulse(key)

    @property
    def can_tell(self) -> bool:
        """Whether the store can."""
        return self._store.can_tell

    def store_tell(self, key: str) -> None:
        """Let the pulse of a key be another thing, without writing."""
        self._store.store_tell(key)

    def mark(self) -> Mark | None:
        """Return a mark on the store."""
        return self._store.mark()

    def compact(self) -> None:
        """Rewrite the store's files."""
        self._store.compact()

    def close(self) -> None:
        """Forget all that is kept, and close the store. Idempotent."""
        with self._lock:
            self._kept.clear()
            self.size_bytes = 0
        self._store.close()

    def _known(self, key: str) -> bytes | None:
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def _keep(self, key: str, value: bytes) -> None:
        size = len(value) + _ENTRY_BYTES
        if not key.startswith(IMMUTABLE) or size > self._bytes_max or not value:  # it may be there again later
            return
        with self._lock:
            self._forget(key)
            self._kept[key] = value
            self.size_bytes += size
            while self.size_bytes > self._bytes_max:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        value = self._kept.pop(key, None)
        if value is not None:
            self.size_bytes -= len(value) + _ENTRY_BYTES
