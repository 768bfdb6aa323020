"""A session on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from holdfast.core.clock import Clock, Ids
from holdfast.engine.contract import Result
from holdfast.engine.postgres.driver import Options, PostgresDriver
from holdfast.engine.postgres.survey import OneLook, PostgresSurvey
from holdfast.engine.postgres.writer import PostgresChanges
from holdfast.engine.sql.access import Access, Again
from holdfast.engine.sql.session import SqlSession
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import InvalidValue, NotFound, SqlError, TransactionOpen, Unsupported

GUESSES_MAX = 2
"""The second knows what the first has seen."""

SurveyT = TypeVar("SurveyT", bound=PostgresSurvey)


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
        return self._reading(PostgresSurvey)

    def _reading(self, kind: type[SurveyT]) -> SurveyT:
        survey = kind(self._database, self._database.names)
        survey.moment = self._moment.now
        return survey

    def read_once(self, work: Callable[[Any], Result]) -> Result:
        """Return what `work` makes of a consistent snapshot; a statement about a branch costs one round trip.

        It goes by where the branch was last, and is done again if the branch is elsewhere now: then at two, and at
        last without a guess. What is refused may be so for what was guessed, and is asked again, too.
        """
        if self._open is not None or self._snapshot is not None:
            return super().read_once(work)
        self._check_usable()
        for _ in range(GUESSES_MAX):
            with suppress(Again), self._using, self._transaction(Access.READ):
                once = self._reading(OneLook)
                try:
                    return work(once)
                except Again:  # here, else what the connection knows would be forgotten
                    continue
                except (SqlError, NotFound, Unsupported, InvalidValue):
                    if not once.guessed:
                        raise
                    break
        return super().read_once(work)

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
