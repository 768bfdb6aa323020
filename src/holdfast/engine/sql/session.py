"""A session on a database with SQL: one connection, its transactions, and what it does for others."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any, Protocol, cast

from holdfast.core.clock import Clock, Ids
from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.contract import Result
from holdfast.engine.sql.access import Access, Again
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Database
from holdfast.engine.sql.survey import Survey
from holdfast.engine.sql.writer import Counter, SqlChanges
from holdfast.engine.turns.queue import Caller, Stage, WriteQueue, failed_with
from holdfast.errors import (
    ReadOnly,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    Timeout,
    TransactionOpen,
)

_TIMESTAMP = ColumnType(Kind.TIMESTAMP)


class Driver(Database, Protocol):
    """One connection to a database, as a session needs it."""

    names: Names
    writing: bool
    """Whether the open transaction writes."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; not on a connection that was closed, or lost, meanwhile."""
        ...

    def begin(self, access: Access, patience: float) -> None:
        """Begin a transaction that waits for others so many seconds at most."""
        ...

    def commit(self) -> None:
        """Make what the open transaction wrote durable.

        Raises:
            StoreError: a statement failed that nobody undid.
            Again: nothing of it is there.
        """
        ...

    def rollback(self) -> None:
        """Take back what the open transaction did."""
        ...

    def empty_vectors(self) -> None:
        """Forget the vectors that were put into temp.hf_vector."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Moment:
    """NOW(): when the transaction first asked, the same for all of it.

    It knows nothing of the connection: SQLite keeps what is registered, and the connection could never be collected.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._text: str | None = None

    def begin(self) -> None:
        """Let the next question be asked anew."""
        self._text = None

    def now(self) -> str:
        """Return the moment as a stored TIMESTAMP."""
        if self._text is None:
            self._text = timestamp_text(self.clock.now_us())
        return self._text


class _Undone(Exception):
    """The work of one caller took back the whole transaction."""


class SqlSession(ABC):
    """One connection to a store, used by one thread at a time. `write_together` may be called by any.

    Args:
        timeout: seconds to wait for others.
        like: only sessions of which this is equal write for each other.
        shared: returns the session on which callers write for each other.
    """

    has_sql: bool

    def __init__(
        self,
        driver: Driver,
        queue: WriteQueue,
        clock: Clock,
        ids: Ids,
        shared: Callable[[], SqlSession],
        *,
        timeout: float,
        read_only: bool,
        like: object,
    ) -> None:
        self._driver = driver
        self._queue = queue
        self.clock = clock
        self._ids = ids
        self._shared = shared
        self._timeout = timeout
        self._read_only = read_only
        self._group = (like, clock, ids)
        self._counter = Counter()
        self._moment = Moment(clock)
        self._using = threading.Lock()  # held while the connection has a transaction
        self._active = False
        self._closed = False
        self._pid = os.getpid()
        self._snapshot: Survey | None = None
        self._open: SqlChanges | None = None

    @abstractmethod
    def _survey(self) -> Survey:
        """Return what reads in the open transaction."""

    @abstractmethod
    def _changes(self) -> SqlChanges:
        """Return what writes in the open transaction."""

    @contextlib.contextmanager
    def read(self) -> Generator[Survey]:
        """Return a consistent snapshot, for the length of the block; inside another block, that one's."""
        within = self._open or self._snapshot
        if within is not None:
            yield within
            return
        self._check_usable()
        with self._using, self._transaction(Access.READ):
            self._snapshot = self._survey()
            try:
                yield self._snapshot
            finally:
                self._snapshot = None

    def read_once(self, work: Callable[[Any], Result]) -> Result:
        """Return what `work` makes of a consistent snapshot; it may be called again, with another one."""
        with self.read() as reader:
            return work(reader)

    @contextlib.contextmanager
    def write(self, *, alone: bool = False) -> Generator[SqlChanges]:
        """Return a writer whose work lands when the block ends, or not at all if it raises.

        Args:
            alone: whether nobody else may write meanwhile, on whatever branch.

        Raises:
            Timeout: somebody else held the store for as long as this session is willing to wait.
            TransactionOpen: this session is writing already.
            ReadOnly: the store, or the block around this one, is for reading only.
        """
        if self._open is not None:
            raise TransactionOpen("this is a commit of its own and cannot be part of the open transaction; do it after")
        if self._snapshot is not None:
            raise ReadOnly("the open transaction is read-only; write after it")
        self._check_writable()
        with (
            self._queue.taken(self._timeout) as until,
            self._using,
            self._transaction(Access.ALONE if alone else Access.ONCE, until),
        ):
            self._open = self._changes()
            try:
                yield self._open
            finally:
                self._open = None

    def write_together(self, work: Callable[[Any], Result]) -> Result:
        """Let `work` write, perhaps along with the work of others; return what it returns once it is durable.

        Raises:
            Timeout: somebody else held the store for as long as this session is willing to wait.
            TransactionOpen: this very thread or task has a transaction open.
            ReadOnly: the store is for reading only.
        """
        self._check_writable()
        queue, timeout = self._queue, self._timeout
        caller, until = Caller(work, self._group), time.monotonic() + timeout
        try:
            queue.wait(caller, until, timeout)
            if caller.stage is Stage.TURN:
                queue.enter(until, timeout)
                self._lead(caller, until)
        finally:
            try:
                queue.leave(caller)
            finally:
                queue.leave(caller)
        return cast("Result", caller.outcome())

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        if os.getpid() != self._pid:  # SQLite's locks do not survive a fork, nor do those of threads
            raise StoreUnavailable("this store was opened before the process was forked; connect again in the child")

    def _check_writable(self) -> None:
        self._check_usable()
        if self._read_only:
            raise ReadOnly("the store was opened with read_only=True; connect again without it to write")

    def _lead(self, caller: Caller, until: float) -> None:
        """Do the work of a caller whose turn it is, and of those behind it."""
        lonely = threading.current_thread() is threading.main_thread() or not self._queue.has_company(caller)
        try:
            if lonely and self._worked(caller, Access.TRIAL, until):
                return
            if lonely:
                caller.group = None
            shared = self._shared()
            with shared._using:  # noqa: SLF001 - a session, too
                shared._write_for(caller, until)  # noqa: SLF001
            if isinstance(caller.error, Again):
                raise caller.error
        except Again as again:
            self._queue.leave(caller)  # others need not wait for what this has to wait for
            self._insist(caller, again, until)

    def _worked(self, caller: Caller, access: Access, until: float) -> bool:
        """Do the work of a caller, unless this session is in use; tell whether it was done."""
        assert caller.work is not None
        if self._using.locked():  # by this very thread, which reads; no other but a waiting one uses the session
            return False
        with self._using, self._transaction(access, until):  # acquire() may be interrupted once it has the lock
            caller.result = caller.work(self._changes())
        return True

    def _insist(self, caller: Caller, again: Again, until: float) -> None:
        """Do the work of a caller that has to wait for what other processes hold, beside those whose turn it is."""
        caller.error = None
        while True:
            try:
                if self._worked(caller, again.access, until):
                    return
                shared = self._shared()
                with shared._using, shared._transaction(again.access, until):  # noqa: SLF001
                    assert caller.work is not None
                    caller.result = caller.work(shared._changes())  # noqa: SLF001
            except Again as another:
                if time.monotonic() > until:
                    raise Timeout(
                        f"others wrote to what this was to write to for {self._timeout:g} s; retry, or connect with a"
                        " longer timeout"
                    ) from another
                again = another
            else:
                return

    def _write_for(self, leader: Caller, until: float) -> None:
        """Do the work of a caller and of those behind it, in one transaction, each under its own savepoint."""
        served: list[Caller] = []
        try:
            with self._transaction(Access.TRIAL, until):
                for caller in self._queue.members(leader):
                    served.append(caller)
                    self._serve(caller)
        except (_Undone, Again) as error:
            # One took the work of all with it. The others do theirs alone, each with an answer of its own.
            culprit = served.pop() if isinstance(error, _Undone) else leader
            self._queue.put_back([caller for caller in served if caller is not leader])
            if isinstance(error, Again):
                raise
            if culprit is not leader:
                again = isinstance(culprit.error, Again)
                (self._queue.put_back if again else self._queue.settle)([culprit])
                leader.group = None
                self._write_for(leader, until)
        except BaseException as error:
            followers = served[1:]
            for caller in followers:
                caller.error = failed_with(error)
            self._queue.settle(followers)
            raise
        else:
            refused = [caller for caller in served[1:] if isinstance(caller.error, Again)]
            self._queue.settle([caller for caller in served[1:] if caller not in refused])
            self._queue.put_back(refused)

    def _serve(self, caller: Caller) -> None:
        """Do the work of one caller. Raises _Undone if its failure was the store's, which spares nobody."""
        assert caller.work is not None
        changes = self._changes()
        self._moment.begin()
        caller.error = None  # of a run that was undone with those of others
        try:
            with changes.savepoint():
                caller.result = caller.work(changes)
        except Exception as error:
            caller.error = error
            if self._driver.lost or isinstance(error, StoreError):
                raise _Undone from error

    @contextlib.contextmanager
    def _transaction(self, access: Access, until: float | None = None) -> Generator[None]:
        """Keep a transaction open for the block, which waits for others until then, or as long as the session does."""
        driver, names = self._driver, self._driver.names
        self._moment.begin()
        names.begin()
        names.searches.begin()
        writes = access.writes
        try:
            self._active = True
            self._check_usable()  # it may have been closed meanwhile
            driver.begin(access, self._timeout if until is None else until - time.monotonic())
            driver.writing = writes
            full = names.vectors_made > names.vectors_max
            if full:  # only here: inside, a view may be reading them
                driver.empty_vectors()
                names.forget_made()
            yield
            driver.commit()
            if full:
                names.vectors_made = len(names.vectors)
        except BaseException:
            driver.writing = False
            (names.forget if writes else names.forget_made)()
            if driver.in_transaction:
                driver.rollback()
            raise
        finally:
            driver.writing = self._active = False
            if self._closed:  # meanwhile, by another thread
                driver.close()

    def check_no_transaction(self) -> None:
        """Raise TransactionOpen if this thread or task has a transaction open that writes, on whatever connection."""
        self._queue.check_not_mine()

    def close(self) -> None:
        """Close the connection, or let its transaction do so at its end. Idempotent.

        In a forked child it is left alone: it is the parent's.
        """
        self._closed = True
        if os.getpid() == self._pid and not self._active:
            self._driver.close()


def timestamp_text(at_us: int) -> str:
    """Return microseconds since 1970 as a stored TIMESTAMP."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    return str(encode(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us), _TIMESTAMP, "NOW()"))
