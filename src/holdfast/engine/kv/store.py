"""What the tree engine needs of a key-value store: six methods, and others that make it better.

The six are `get`, `set`, `get_many`, `set_many`, `items` and `in`. Over them alone a store has one writer at a time,
is never cleaned of what was superseded, and is listed as a whole where something has to be looked for.

- `compare_and_set` lets many processes write: the change that publishes a commit is one comparison.
- `delete` lets superseded entries go.
- `scan` lists entries by the beginning of their keys, where `items` would go through all of them.
- `publish` and `discard` do at once, for all who use the store, what would be several calls: a commit is one call then,
  and processes need not take turns.

A store declares what it has by its class: a method that a subclass overrides is there. It is looked at once, when the
store is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.engine.kv.marks import Mark
from holdfast.engine.pulse import pulse_of
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import InvalidValue, Unsupported

IMMUTABLE = ("hf/n/", "hf/b/")
"""How keys begin whose values never change, because they are named by their hash."""

SENT_BYTES_MAX = 16 * 1024 * 1024
"""So much is sent at once."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a commit changes in a store.

    Attributes:
        writer, number: what no other publication has: the operation's id. A writer has one at a time, and its numbers
            grow.
        key, expected, value: the entry that is compared and set, as of `compare_and_set`.
        entries: what is set along with it.
        turn: the key of an entry that says who keeps the store for itself, and what it says where that is this process,
            or nothing. Where it says another thing, nothing is published.
    """

    writer: str
    number: int
    key: str
    expected: bytes | None
    value: bytes
    entries: Mapping[str, bytes]
    turn: tuple[str, bytes]


class KVStore(ABC):
    """A mapping of texts to bytes that outlives the process, or does not.

    A subclass writes the six abstract methods, and those of the others that it can keep the promises of.

    Example:
        >>> class Dictionary(KVStore):
        ...     def __init__(self):
        ...         self.entries = {}
        ...
        ...     def get(self, key):
        ...         return self.entries.get(key)
        ...
        ...     def set(self, key, value):
        ...         self.entries[key] = value
        ...
        ...     def get_many(self, *keys):
        ...         return {key: self.entries[key] for key in keys if key in self.entries}
        ...
        ...     def set_many(self, **values):
        ...         self.entries.update(values)
        ...
        ...     def items(self):
        ...         return list(self.entries.items())
        ...
        ...     def __contains__(self, key):
        ...         return key in self.entries
        >>> Dictionary().can_compare_and_set
        False
    """

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""

    @abstractmethod
    def set(self, key: str, value: bytes) -> None:
        """Set the value of a key, durably if the store is."""

    @abstractmethod
    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        """Return the values of those of these keys that are there."""

    @abstractmethod
    def set_many(self, **values: bytes) -> None:
        """Set the values of several keys. It may fail half way, and need not be durable before the next `set`."""

    @abstractmethod
    def items(self) -> Iterable[tuple[str, bytes]]:
        """Return all entries."""

    @abstractmethod
    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a value."""

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:  # noqa: ARG002 - for who has it
        """Set a key's value if it is `expected` (None: there is none) at that moment; tell whether it was.

        Atomic for all who use the store, in whatever process. Durable when it returns True, and with it all that was
        set before.
        """
        raise Unsupported(f"{type(self).__name__} has no compare_and_set")

    def delete(self, *keys: str) -> None:  # noqa: ARG002 - for who has it
        """Remove these keys, those that are there. It need not be durable."""
        raise Unsupported(f"{type(self).__name__} has no delete")

    def scan(self, prefix: str) -> Iterable[str]:
        """Return the keys that begin with `prefix`."""
        return [key for key, _ in self.items() if key.startswith(prefix)]

    def publish(self, publication: Publication) -> bool:  # noqa: ARG002 - for who has it
        """Set the entries of a commit, and its key, if that is what is expected; tell whether they were set.

        Atomic for all who use the store, and durable when it returns True. Idempotent: what was published is not set
        again, and is told to have been, whatever others have published since.
        """
        raise Unsupported(f"{type(self).__name__} has no publish")

    def discard(self, keys: Iterable[str], key: str, expected: bytes) -> bool:  # noqa: ARG002 - for who has it
        """Remove entries if the value of `key` is `expected` at that moment; tell whether it was.

        Atomic for all who use the store. It need not be durable.
        """
        raise Unsupported(f"{type(self).__name__} has no discard")

    @property
    def can_publish(self) -> bool:
        """Whether a commit is one call, and what is superseded is removed by one."""
        return type(self).publish is not KVStore.publish and type(self).discard is not KVStore.discard

    @property
    def can_compare_and_set(self) -> bool:
        """Whether many may write."""
        return type(self).compare_and_set is not KVStore.compare_and_set

    @property
    def can_delete(self) -> bool:
        """Whether what was superseded is removed."""
        return type(self).delete is not KVStore.delete

    @property
    def can_scan(self) -> bool:
        """Whether entries are listed by the beginning of their keys without going through all of them."""
        return type(self).scan is not KVStore.scan

    @property
    def store_url(self) -> str:
        """The store, for messages."""
        where = repr(str(self.queue_file.parent)) if self.queue_file else ""
        return f"{type(self).__name__}({where})"

    @property
    def queue_file(self) -> Path | None:
        """A file beside which writers of several processes may stand in line; None where there is no such file."""
        return None

    @property
    def line(self) -> WriteQueue | None:
        """The line in which all who write stand, where they are all in this process; None where there is another."""
        return None

    @property
    def is_shared(self) -> bool:
        """Whether other processes may have the store open."""
        return True

    def store_pulse(self, key: str) -> object:
        """Return what is another thing, as a rule, after a key was changed by whomever. It may miss changes."""
        return self.get(key) if self.queue_file is None else pulse_of(self.queue_file)

    @property
    def can_tell(self) -> bool:
        """Whether `store_tell` does anything."""
        return False

    def store_tell(self, key: str) -> None:  # noqa: B027 - most stores need not have it
        """Let the pulse of a key be another thing for all who ask, and write nothing. Where nobody can be: pass."""

    def mark(self) -> Mark | None:
        """Return a mark by which others see what one more user of the store reads; None if they cannot."""
        return None

    def compact(self) -> None:  # noqa: B027 - most have nothing to do
        """Rewrite the store's files, if it has any, so that nothing of what was deleted is left in them."""

    def close(self) -> None:  # noqa: B027 - as above
        """Give back what the store holds. Idempotent."""


def check_count(name: str, number: object) -> int:
    """Return a number of bytes. Raises InvalidValue unless it is one of at least 1."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InvalidValue(f"{name} is a whole number of bytes of at least 1, not {number!r}")
    return number


def parts_of(entries: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Yield entries in as many parts as they need to be sent: one, as a rule."""
    part: dict[str, bytes] = {}
    size = 0
    for key, value in entries.items():
        part[key] = value
        size += len(value)
        if size > SENT_BYTES_MAX:
            yield part
            part, size = {}, 0
    if part:
        yield part
