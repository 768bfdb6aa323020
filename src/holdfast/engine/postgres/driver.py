"""One connection to PostgreSQL: runs statements, and turns its errors into ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.engine.postgres.errors import translated, unreachable
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Parameters, line_reader
from holdfast.errors import StoreError

STATEMENTS_KEPT = 1024
"""Texts of statements that are kept as PostgreSQL takes them."""

_PLACE = re.compile(r"\?(\d*)|'(?:[^']|'')*'|\b(?:main|temp)\.")
_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR, TransactionStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class Options:
    """How a store in a database is used.

    Attributes:
        conninfo: what PostgreSQL's client connects with.
        url: the store for messages, without a password.
        schema: the schema of the database that the store has for itself.
        lock: the number of the lock that writers of the store take in turn.
        synchronous: whether a commit waits for the disk.
        timeout: seconds to wait for another writer.
        statement_timeout: seconds that one statement may run, or None.
        read_only: whether nothing is ever written.
    """

    conninfo: str
    url: str
    schema: str
    lock: int
    synchronous: bool = True
    timeout: float = TIMEOUT_SECONDS
    statement_timeout: float | None = None
    read_only: bool = False


@lru_cache(STATEMENTS_KEPT)
def adapted(sql: str) -> Any:  # noqa: ANN401 - a LiteralString, to those who know the type
    """Return a statement with places for parameters as PostgreSQL numbers them, and with its names of schemas.

    `?3` is the third parameter; a `?` is the one behind the highest so far, as in SQLite.
    """
    highest = 0

    def place(found: re.Match[str]) -> str:
        nonlocal highest
        text = found[0]
        if text[0] == "'" or text == "main.":
            return text if text[0] == "'" else ""
        if text == "temp.":
            return "pg_temp."
        number = int(found[1]) if found[1] else highest + 1
        highest = max(highest, number)
        return f"${number}"

    return _PLACE.sub(place, sql)


class PostgresDriver:
    """One connection, which is made again for the next transaction if it was lost."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.names = Names(line_reader(self), marks_ended=False)
        self.writing = False
        self._closed = False
        self._pid = os.getpid()
        self.connection = self._connect()

    def __del__(self) -> None:
        """Close the connection of a session that nobody has any more, as SQLite does; in a fork it is the parent's."""
        connection = getattr(self, "connection", None)
        if connection is not None and os.getpid() == self._pid:
            connection.close()

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        options = self._options
        settings = {
            "search_path": f'"{options.schema}"',
            "synchronous_commit": "on" if options.synchronous else "off",
            "client_min_messages": "warning",
            "timezone": "UTC",
            "standard_conforming_strings": "on",
            "statement_timeout": f"{round((options.statement_timeout or 0) * 1000)}",
            "application_name": "holdfast",
        }
        try:
            connection = psycopg.connect(
                options.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor[tuple[Any, ...]]
            )
            try:
                for name, value in settings.items():
                    connection.execute("SELECT set_config($1, $2, false)", (name, value))
                connection.execute(
                    "CREATE TEMP TABLE hf_vector (vec BIGINT, line BIGINT, n BIGINT, PRIMARY KEY (vec, line))"
                )
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise unreachable(error, options.url) from error
        return connection

    def _ours(self, error: Exception) -> Exception:
        return translated(error, self._options.url, self._options.timeout)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        try:
            self._begin_statement()
            cursor = self.connection.execute(adapted(sql), parameters or None)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._ours(error) from error

    def many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run a statement once for each of `parameters`."""
        try:
            self._begin_statement()
            with self.connection.cursor() as cursor:
                cursor.executemany(adapted(sql), parameters)
        except psycopg.Error as error:
            raise self._ours(error) from error

    def begin(self, *, writes: bool, patience: float) -> None:
        """Begin a transaction: a snapshot, or the only one that writes. Waits for others so many seconds at most."""
        if self.connection.closed and not self._closed:
            self.names.forget()
            self.connection = self._connect()
        if not writes:
            self.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return
        self.rows(
            f"BEGIN; SET LOCAL lock_timeout = {max(round(patience * 1000), 1)};"
            f" SELECT pg_advisory_xact_lock({self._options.lock}), pg_notify('{self._options.schema}', '')"
        )

    def commit(self) -> None:
        """Make what the open transaction wrote durable. Raises StoreError if a statement failed that nobody undid.

        PostgreSQL takes such a transaction back, and answers COMMIT as if all were well.
        """
        if self.writing and self.connection.info.transaction_status is TransactionStatus.INERROR:
            raise StoreError(
                "a statement failed, and all of its transaction with it; leave its block, and run it again"
            )
        self.rows("COMMIT")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; not on a connection that was closed, or lost, meanwhile."""
        return self.connection.info.transaction_status in _OPEN

    @property
    def lost(self) -> bool:
        """Whether the open transaction is gone, with the connection."""
        return self.writing and not self.in_transaction

    def _begin_statement(self) -> None:
        """Without this check, what follows the loss of a transaction would be committed alone."""
        if self.lost:
            raise StoreError("an earlier error took back the whole transaction; leave its block, and run it again")

    def keep_vectors(self) -> None:
        """Do nothing: each connection has the table."""

    def empty_vectors(self) -> None:
        """Forget the vectors that were put into it."""
        self.rows("DELETE FROM temp.hf_vector")

    def words(self, tokenizer: Sequence[str], text: str) -> list[str]:
        """Return the words of a text."""
        raise NotImplementedError("searches are statements, which this engine does not run")

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self.connection.close()
