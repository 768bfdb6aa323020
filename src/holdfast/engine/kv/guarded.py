"""A store of somebody else's, seen through our errors.

Whatever a custom store raises becomes StoreUnavailable with the original as its cause, and what it returns is looked
at before it is used: a store that returns something else than bytes is damaged, and is told by which key.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from holdfast.engine.kv.marks import Mark
from holdfast.engine.kv.store import KVStore, Publication
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import HoldfastError, InvalidValue, StoreCorrupt, StoreUnavailable

_T = TypeVar("_T")


class Guarded(KVStore):
    """Another store, whose errors are ours and whose answers are checked."""

    def __init__(self, store: object) -> None:
        if not isinstance(store, KVStore):
            raise InvalidValue(
                f"a key-value store is a holdfast.engine.kv.KVStore, not a {type(store).__name__}: {store!r}"
            )
        self.inner = store
        self.name = type(store).__name__
        self._abilities = store.can_compare_and_set, store.can_delete, store.can_scan, store.can_publish

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        return self._checked(key, self._call(lambda: self.inner.get(key)))

    def set(self, key: str, value: bytes) -> None:
        """Set the value of a key."""
        self._call(lambda: self.inner.set(key, value))

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        """Return the values of those of these keys that are there."""
        found: object = self._call(lambda: self.inner.get_many(*keys))
        if not isinstance(found, Mapping):
            raise StoreCorrupt(f"{self.name}.get_many returns a mapping, not a {type(found).__name__}")
        values: dict[str, bytes] = {}
        for key in keys:
            value = self._checked(key, found.get(key))
            if value is not None:
                values[key] = value
        return values

    def set_many(self, **values: bytes) -> None:
        """Set the values of several keys."""
        self._call(lambda: self.inner.set_many(**values))

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield all entries."""
        with self._ours():
            yield from self.inner.items()

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a value."""
        return bool(self._call(lambda: key in self.inner))

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Set a key's value if it is `expected` at that moment; tell whether it was."""
        return bool(self._call(lambda: self.inner.compare_and_set(key, expected, value)))

    def delete(self, *keys: str) -> None:
        """Remove these keys."""
        self._call(lambda: self.inner.delete(*keys))

    def scan(self, prefix: str) -> Iterable[str]:
        """Yield the keys that begin with `prefix`."""
        with self._ours():
            yield from self.inner.scan(prefix)

    def publish(self, publication: Publication) -> bool:
        """Publish a commit; tell whether it was."""
        return bool(self._call(lambda: self.inner.publish(publication)))

    def discard(self, keys: Iterable[str], key: str, expected: bytes) -> bool:
        """Remove entries if `key` is `expected` at that moment; tell whether it was."""
        return bool(self._call(lambda: self.inner.discard(keys, key, expected)))

    @property
    def can_publish(self) -> bool:
        """What the store could when it was opened."""
        return self._abilities[3]

    @property
    def can_compare_and_set(self) -> bool:
        """What the store could when it was opened."""
        return self._abilities[0]

    @property
    def can_delete(self) -> bool:
        """What the store could when it was opened."""
        return self._abilities[1]

    @property
    def can_scan(self) -> bool:
        """What the store could when it was opened."""
        return self._abilities[2]

    @property
    def store_url(self) -> str:
        """That of the store."""
        return self.inner.store_url

    @property
    def queue_file(self) -> Path | None:
        """That of the store."""
        return self.inner.queue_file

    @property
    def is_shared(self) -> bool:
        """Whether the store is."""
        return self.inner.is_shared

    @property
    def line(self) -> WriteQueue | None:
        """That of the store."""
        return self.inner.line

    def store_pulse(self, key: str) -> object:
        """That of the store."""
        return self._call(lambda: self.inner.store_pulse(key))

    @property
    def can_tell(self) -> bool:
        """Whether others can be told without a commit."""
        return self.inner.can_tell

    def store_tell(self, key: str) -> None:
        """Let the pulse of a key be another thing."""
        self._call(lambda: self.inner.store_tell(key))

    def mark(self) -> Mark | None:
        """Return a mark on the store."""
        return self._call(self.inner.mark)

    def compact(self) -> None:
        """Rewrite the store's files."""
        self._call(self.inner.compact)

    def _call(self, call: Callable[[], _T]) -> _T:
        with self._ours():
            return call()

    @contextmanager
    def _ours(self) -> Generator[None]:
        try:
            yield
        except HoldfastError:
            raise
        except Exception as error:
            raise StoreUnavailable(
                f"{self.name} failed: {type(error).__name__}: {error}; nothing committed was lost; retry when it works"
            ) from error

    def _checked(self, key: str, value: object) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        raise StoreCorrupt(f"{self.name} returns bytes or None for a key; for {key!r} it is a {type(value).__name__}")
