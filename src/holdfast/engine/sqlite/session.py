"""A session on SQLite: one connection, its transactions, and what it does for others."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, cast

from holdfast.core.clock import Clock, Ids
from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.contract import Result
from holdfast.engine.functions import AGGREGATES, FUNCTIONS, compare_decimals
from holdfast.engine.functions.aggregates import Gathered
from holdfast.engine.functions.vectors import phrase_frequency
from holdfast.engine.sql.layout import DECIMAL_COLLATION
from holdfast.engine.sql.survey import Survey
from holdfast.engine.sql.writer import Counter, SqlChanges
from holdfast.engine.sqlite.driver import Options, SqliteDriver
from holdfast.engine.turns.queue import Caller, Stage, WriteQueue
from holdfast.errors import (
    HoldfastError,
    ReadOnly,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    Timeout,
    TransactionOpen,
)

_TIMESTAMP = ColumnType(Kind.TIMESTAMP)


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


def _failed_with(error: BaseException) -> BaseException:
    """Return what to tell a caller whose work was lost with a transaction that failed so."""
    if isinstance(error, HoldfastError):
        own = type(error)(*error.args)  # each thread is to raise an error of its own
        own.__cause__ = error
        return own
    return StoreError(f"the thread that wrote for several callers was ended by {error!r}; look whether this is there")


class SqliteSession:
    """One connection to a store in a file, used by one thread at a time. `write_together` may be called by any."""

    def __init__(
        self,
        driver: SqliteDriver,
        queue: WriteQueue,
        options: Options,
        clock: Clock,
        ids: Ids,
        shared: Callable[[], SqliteSession],
    ) -> None:
        self._driver = driver
        self._queue = queue
        self._options = options
        self.clock = clock
        self._ids = ids
        self._shared = shared
        self._group = (options.level, options.size_limit, options.statement_timeout, clock, ids)
        self._counter = Counter()
        self._moment = Moment(clock)
        self._using = threading.Lock()  # held while the connection has a transaction
        self._active = False
        self._closed = False
        self._pid = os.getpid()
        self._snapshot: Survey | None = None
        self._open: SqlChanges | None = None
        self._register("hf_ordinal", self._counter.next_ordinal, 0)
        self._register("hf_count", self._counter.count, 2)
        self._register("hf_check", self._counter.notes.check, -1)
        self._register("hf_left", self._counter.notes.left, -1)
        self._register("now", self._moment.now, 0)
        for name, (function, arguments) in FUNCTIONS.items():
            self._register(name, function, arguments)
        for name, (result, arguments) in AGGREGATES.items():
            driver.connection.create_window_function(name, partial(Gathered, result), arguments)
        driver.connection.register_fts5_function("hf_frequency", phrase_frequency)
        driver.connection.create_collation(DECIMAL_COLLATION, compare_decimals)

    has_sql = True

    def _register(self, name: str, function: Callable[..., Any], arguments: int) -> None:
        self._driver.connection.create_scalar_function(name, function, arguments)

    @contextlib.contextmanager
    def read(self) -> Generator[Survey]:
        """Return a consistent snapshot, for the length of the block; inside another block, that one's."""
        within = self._open or self._snapshot
        if within is not None:
            yield within
            return
        self._check_usable()
        with self._using, self._transaction("BEGIN"):
            self._snapshot = Survey(self._driver, self._driver.names)
            try:
                yield self._snapshot
            finally:
                self._snapshot = None

    @contextlib.contextmanager
    def write(self) -> Generator[SqlChanges]:
        """Return a writer whose work lands when the block ends, or not at all if it raises.

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
            self._queue.taken(self._options.timeout) as until,
            self._using,
            self._transaction("BEGIN IMMEDIATE", until),
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
        queue, timeout = self._queue, self._options.timeout
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
        if self._options.read_only:
            raise ReadOnly("the store was opened with read_only=True; connect again without it to write")

    def _changes(self) -> SqlChanges:
        return SqlChanges(self._driver, self._driver.names, self._counter, self.clock, self._ids)

    def _lead(self, caller: Caller, until: float) -> None:
        """Do the work of a caller whose turn it is, and of those behind it."""
        lonely = threading.current_thread() is threading.main_thread() or not self._queue.has_company(caller)
        if lonely and not self._using.locked():
            with self._using, self._transaction("BEGIN IMMEDIATE", until):
                assert caller.work is not None
                caller.result = caller.work(self._changes())
            return
        if lonely:
            caller.group = None
        shared = self._shared()
        with shared._using:  # noqa: SLF001 - a session, too
            shared._write_for(caller, until)  # noqa: SLF001

    def _write_for(self, leader: Caller, until: float) -> None:
        """Do the work of a caller and of those behind it, in one transaction, each under its own savepoint."""
        served: list[Caller] = []
        try:
            with self._transaction("BEGIN IMMEDIATE", until):
                for caller in self._queue.members(leader):
                    served.append(caller)
                    self._serve(caller)
        except _Undone:
            # One took the work of all with it. The others do theirs alone, each with an answer of its own.
            culprit = served.pop()
            self._queue.put_back([caller for caller in served if caller is not leader])
            if culprit is not leader:
                self._queue.settle([culprit])
                leader.group = None
                self._write_for(leader, until)
        except BaseException as error:
            followers = served[1:]
            for caller in followers:
                caller.error = _failed_with(error)
            self._queue.settle(followers)
            raise
        else:
            self._queue.settle(served[1:])

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
    def _transaction(self, begin: str, until: float | None = None) -> Generator[None]:
        driver, names = self._driver, self._driver.names
        self._moment.begin()
        names.begin()
        names.searches.begin()
        writes = begin != "BEGIN"
        try:
            self._active = True
            self._check_usable()  # it may have been closed meanwhile
            driver.wait_for_others(self._options.timeout if until is None else until - time.monotonic())
            driver.rows(begin)
            driver.writing = writes
            full = names.vectors_made > names.vectors_max
            if full:  # only here: inside, a view may be reading them
                driver.rows("DROP TABLE IF EXISTS temp.hf_vector")
                names.forget_made()
            yield
            driver.rows("COMMIT")
            if full:
                names.vectors_made = len(names.vectors)
        except BaseException:
            driver.writing = False
            (names.forget if writes else names.forget_made)()
            if driver.in_transaction:
                driver.rows("ROLLBACK")
            raise
        finally:
            driver.writing = self._active = False
            if self._closed:  # meanwhile, by another thread
                driver.connection.close()

    def check_no_transaction(self) -> None:
        """Raise TransactionOpen if this thread or task has a transaction open that writes, on whatever connection."""
        self._queue.check_not_mine()

    def sweep(self) -> None:
        """Do nothing: SQLite itself takes back what a killed process left."""

    def scrub(self) -> None:
        """Rewrite the file and empty its log, so that nothing of what was removed is left in them.

        Zeroing what is deleted (`PRAGMA secure_delete`) is not enough: pages that were split or joined keep copies.

        Raises:
            TransactionOpen: inside a `read` or `write` block.
            Timeout: others wrote, or kept on reading what was before, for as long as this session is willing to wait.
        """
        if self._active:
            raise TransactionOpen("the file cannot be rewritten inside a transaction; do it after")
        self._check_writable()
        driver = self._driver
        with self._queue.taken(self._options.timeout), self._using:
            driver.rows("PRAGMA temp_store = FILE")  # the copy may not fit into memory; this drops temporary views
            driver.names.forget()
            try:
                driver.rows("VACUUM")
                ((busy, _, _),) = driver.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                driver.rows("PRAGMA temp_store = MEMORY")
        if busy:
            raise Timeout("somebody reads what was there before, so the log cannot be emptied yet; do it again later")

    def close(self) -> None:
        """Close the connection, or let its transaction do so at its end. Idempotent.

        In a forked child it is left alone: it is the parent's.
        """
        self._closed = True
        if os.getpid() == self._pid and not self._active:
            self._driver.connection.close()


def timestamp_text(at_us: int) -> str:
    """Return microseconds since 1970 as a stored TIMESTAMP."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    return str(encode(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us), _TIMESTAMP, "NOW()"))
