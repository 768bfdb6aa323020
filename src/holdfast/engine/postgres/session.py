"""A session on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.clock import Clock, Ids
from holdfast.engine.postgres.driver import Options, PostgresDriver
from holdfast.engine.postgres.survey import PostgresSurvey
from holdfast.engine.postgres.writer import PostgresChanges
from holdfast.engine.sql.session import SqlSession
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import TransactionOpen


class PostgresSession(SqlSession):
    """One connection, used by one thread at a time. `write_together` may be called by any."""

    has_sql = True

    def __init__(
        self,
        driver: PostgresDriver,
        queue: WriteQueue,
        options: Options,
        clock: Clock,
        ids: Ids,
        shared: Callable[[], SqlSession],
    ) -> None:
        like = (options.synchronous, options.statement_timeout)
        patience, read_only = options.timeout, options.read_only
        super().__init__(driver, queue, clock, ids, shared, timeout=patience, read_only=read_only, like=like)
        self._database = driver
        self._schema = options.schema

    def _survey(self) -> PostgresSurvey:
        survey = PostgresSurvey(self._database, self._database.names)
        survey.moment = self._moment.now
        return survey

    def _changes(self) -> PostgresChanges:
        changes = PostgresChanges(self._database, self._counter, self.clock, self._ids)
        changes.moment = self._moment.now
        return changes

    def sweep(self) -> None:
        """Do nothing: the server takes back what a killed process left."""

    def scrub(self) -> None:
        """Rewrite the store's tables, so that nothing of what was removed is left in them.

        The server's log, its archive and its copies keep what they have.

        Raises:
            TransactionOpen: inside a `read` or `write` block.
        """
        if self._active:
            raise TransactionOpen("the tables cannot be rewritten inside a transaction; do it after")
        self._check_writable()
        with self._queue.taken(self._timeout), self._using:
            tables = "SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY tablename"
            for (name,) in self._database.rows(tables, (self._schema,)):
                self._database.rows(f"VACUUM (FULL) {name}")
