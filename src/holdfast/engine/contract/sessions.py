"""Connections to a store, and the store itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from holdfast.core.clock import Clock
from holdfast.engine.contract.reading import Reader
from holdfast.engine.contract.writing import Writer

Result = TypeVar("Result")


class Session(Protocol):
    """One connection to the store, used by one thread at a time."""

    @property
    def has_sql(self) -> bool:
        """Whether readers and writers are `SqlReader` and `SqlWriter`."""
        ...

    @property
    def clock(self) -> Clock:
        """Where the session's commits get their time."""
        ...

    def read(self) -> AbstractContextManager[Reader]:
        """Return a consistent snapshot, for the length of the block; inside another block, that one's."""
        ...

    def read_once(self, work: Callable[[Any], Result]) -> Result:
        """Return what `work` makes of a consistent snapshot, a `Reader`; inside a block, of that one's.

        It may be called again, with another snapshot, where the first was a guess: it must depend on nothing but its
        reader, change nothing, and keep nothing of the reader. On an engine across a network this can be a single round
        trip.
        """
        ...

    def write(self, *, alone: bool = False) -> AbstractContextManager[Writer]:
        """Return a writer whose work lands when the block ends, or not at all if it raises.

        With `alone` nobody else writes meanwhile, on no branch; without it others may, where an engine lets writers of
        different branches go on beside each other.

        Raises TransactionOpen inside another `write` block of the session, ReadOnly inside one of its `read` blocks or
        where the store can only be read.
        """
        ...

    def write_together(self, work: Callable[[Any], Result]) -> Result:
        """Let `work` write with a `Writer`; return what it returns once that is as durable as all that is committed.

        It may share a transaction, and its fsync, with the work of other callers, and be done on another connection
        and by another thread: it must depend on nothing but its writer, and call nothing that waits. If it raises,
        nothing but what it did is undone. It may be called again after all of it was undone.
        """
        ...

    def check_no_transaction(self) -> None:
        """Raise TransactionOpen if this thread or task has a transaction open that writes, on whatever connection.

        Whoever waits for others inside one may wait for those who wait for it. May be called by any thread.
        """
        ...

    def sweep(self) -> None:
        """Remove what the engine itself no longer needs and nobody can ask for, such as what a killed process left.

        Raises TransactionOpen inside a `read` or `write` block, and Timeout if others write for too long.
        """
        ...

    def scrub(self) -> None:
        """Rewrite the store's files, so that nothing of what was removed is left in them.

        Raises TransactionOpen inside a `read` or `write` block, and Timeout if others read or write for too long.
        """
        ...

    def close(self) -> None:
        """Give back what the session holds. Idempotent."""
        ...


class Engine(Protocol):
    """A store's storage."""

    @property
    def url(self) -> str:
        """Return what `connect` takes to reach the same store."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether the store was opened to be read only."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds that a caller waits for others."""
        ...

    @property
    def beside(self) -> dict[type[Any], Any]:
        """What the rooms above keep for all who use this engine, by its type. It goes with the engine."""
        ...

    def pulse(self) -> object:
        """Return what is another thing, as a rule, after a commit of anybody, and costs no transaction.

        It may miss one that comes right behind another, so who waits for something looks at the store now and then.
        """
        ...

    @property
    def can_tell(self) -> bool:
        """Whether others can be told something without a commit, by `tell`."""
        ...

    def tell(self) -> None:
        """Let the pulse be another thing for all who ask for it, as after a commit, and write nothing.

        Raises StoreError. Does nothing where nobody can be told.
        """
        ...

    def session(self) -> Session:
        """Open another connection."""
        ...

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        ...
