"""A session on SQLite: a connection that knows our functions, and whose file can be rewritten."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from holdfast.core.clock import Clock, Ids
from holdfast.engine.functions import AGGREGATES, FUNCTIONS, compare_decimals
from holdfast.engine.functions.aggregates import Gathered
from holdfast.engine.functions.vectors import phrase_frequency
from holdfast.engine.sql.layout import DECIMAL_COLLATION
from holdfast.engine.sql.session import SqlSession
from holdfast.engine.sql.survey import Survey
from holdfast.engine.sql.writer import SqlChanges
from holdfast.engine.sqlite.driver import Options, SqliteDriver
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import Timeout, TransactionOpen


class SqliteSession(SqlSession):
    """One connection to a store in a file, used by one thread at a time. `write_together` may be called by any."""

    has_sql = True

    def __init__(
        self,
        driver: SqliteDriver,
        queue: WriteQueue,
        options: Options,
        clock: Clock,
        ids: Ids,
        shared: Callable[[], SqlSession],
    ) -> None:
        like = (options.level, options.size_limit, options.statement_timeout)
        patience, read_only = options.timeout, options.read_only
        super().__init__(driver, queue, clock, ids, shared, timeout=patience, read_only=read_only, like=like)
        self._file = driver
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

    def _register(self, name: str, function: Callable[..., Any], arguments: int) -> None:
        self._file.connection.create_scalar_function(name, function, arguments)

    def _survey(self) -> Survey:
        return Survey(self._file, self._file.names)

    def _changes(self) -> SqlChanges:
        return SqlChanges(self._file, self._file.names, self._counter, self.clock, self._ids)

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
        driver = self._file
        with self._queue.taken(self._timeout), self._using:
            driver.rows("PRAGMA temp_store = FILE")  # the copy may not fit into memory; this drops temporary views
            driver.names.forget()
            try:
                driver.rows("VACUUM")
                ((busy, _, _),) = driver.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                driver.rows("PRAGMA temp_store = MEMORY")
        if busy:
            raise Timeout("somebody reads what was there before, so the log cannot be emptied yet; do it again later")
