"""One SQLite connection: runs statements, and turns SQLite's errors into ours."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import apsw

from holdfast.core.limits import PARAMETERS_MAX, ROW_BYTES_MAX, TIMEOUT_SECONDS
from holdfast.engine.sql.access import Access
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Parameters, line_reader
from holdfast.engine.sqlite.errors import translated
from holdfast.errors import StoreError

STATEMENTS_CACHED = 512
STEPS_BETWEEN_LOOKS = 20_000
"""How many steps of SQLite's machine, about half a millisecond, a statement makes between two looks at the clock."""

_PATTERN = "LIKE ?"
"""Stands in statements with a pattern as a parameter."""

_Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Options:
    """How a store in a file is used.

    Attributes:
        level: PRAGMA synchronous.
        timeout: seconds to wait for another writer.
        statement_timeout: seconds that one statement may run, or None.
        size_limit: bytes that the file may have, or None.
        read_only: whether nothing is ever written.
        unchanging: whether nobody can write the file, so that SQLite may read it without locks.
    """

    level: str = "FULL"
    timeout: float = TIMEOUT_SECONDS
    statement_timeout: float | None = None
    size_limit: int | None = None
    read_only: bool = False
    unchanging: bool = False


class _Patience:
    """When the running statement has to be done.

    It knows nothing of the connection: SQLite keeps what is registered, and the connection could never be collected.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = 0.0

    def over(self) -> bool:
        """Tell whether the statement has run for too long."""
        return time.monotonic() > self.until


class SqliteDriver:
    """One connection: runs statements, and turns SQLite's errors into ours."""

    def __init__(self, path: Path, options: Options, *, shared: bool = False) -> None:
        self._path = path
        self._timeout = options.timeout
        self._patience: _Patience | None = None
        self.names = Names(line_reader(self), shared=shared)
        # Any: apsw's own types leave half of it unknown
        self.connection: Any = self._connect(options)
        self.connection.set_busy_timeout(int(options.timeout * 1000))
        for setting in (
            apsw.SQLITE_DBCONFIG_DQS_DDL,
            apsw.SQLITE_DBCONFIG_DQS_DML,
            apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        ):
            self.connection.config(setting, 0)
        self._plan_for_values(fit=False)
        self.connection.limit(apsw.SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX)
        self.connection.limit(apsw.SQLITE_LIMIT_VARIABLE_NUMBER, PARAMETERS_MAX)
        self.writing = False
        self.rows(f"PRAGMA synchronous = {options.level}")
        self.rows("PRAGMA temp_store = MEMORY")
        self.rows("PRAGMA case_sensitive_like = ON")  # as in PostgreSQL
        if shared:
            self.rows("CREATE TEMP TABLE hf_here (line INTEGER, n INTEGER, vec INTEGER)")
            self.rows("INSERT INTO temp.hf_here VALUES (NULL, NULL, NULL)")
        if options.size_limit is not None:
            ((page,),) = self.rows("PRAGMA page_size")
            self.rows(f"PRAGMA max_page_count = {max(options.size_limit // page, 1)}")
        if options.statement_timeout is not None:
            self._patience = _Patience(options.statement_timeout)
            self.connection.set_progress_handler(self._patience.over, STEPS_BETWEEN_LOOKS)

    def _connect(self, options: Options) -> Any:  # noqa: ANN401 - as above
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        name = str(self._path)
        if options.read_only:
            flags = apsw.SQLITE_OPEN_READONLY
        if options.unchanging:
            flags |= apsw.SQLITE_OPEN_URI
            name = f"{self._path.absolute().as_uri()}?immutable=1"
        try:
            return apsw.Connection(name, flags=flags, statementcachesize=STATEMENTS_CACHED)
        except apsw.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> Exception:
        if isinstance(error, apsw.InterruptError) and self._patience is not None:
            return translated(error, self._path, self.names, self._patience.seconds)
        of_system = isinstance(error, (apsw.IOError, apsw.CantOpenError))  # else the connection may be closed
        said = getattr(self, "connection", None) if of_system else None
        return translated(error, self._path, self.names, self._timeout, said.system_errno if said is not None else 0)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        fit = _PATTERN in sql
        try:
            if self.writing or self._patience is not None:
                self._begin_statement()
            if fit:
                self._plan_for_values(fit=True)
            return cast("_Rows", self.connection.execute(sql, parameters).fetchall())
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._ours(error) from error
        finally:
            if fit:
                self._plan_for_values(fit=False)

    def many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run a statement once for each of `parameters`."""
        fit = _PATTERN in sql
        try:
            self._begin_statement()
            if fit:
                self._plan_for_values(fit=True)
            self.connection.executemany(sql, parameters)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._ours(error) from error
        finally:
            if fit:
                self._plan_for_values(fit=False)

    def _plan_for_values(self, *, fit: bool) -> None:
        """Tell SQLite whether plans may depend on the values of parameters.

        If they may, it compiles every statement with parameters anew each time that it runs, which takes longer than
        most of them. Only with a pattern is it worth it: one that begins with letters can be looked up in an index.
        """
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 0 if fit else 1)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; not on a connection that was closed meanwhile."""
        try:
            return bool(self.connection.in_transaction)
        except apsw.ConnectionClosedError:
            return False

    @property
    def lost(self) -> bool:
        """Whether SQLite took back the whole open transaction by itself, as it does when the disk fails."""
        return self.writing and not self.in_transaction

    def _begin_statement(self) -> None:
        """Without this check, what follows the loss of a transaction would be committed alone."""
        if self.lost:
            raise StoreError("an earlier error took back the whole transaction; leave its block, and run it again")
        if self._patience is not None:
            self._patience.until = time.monotonic() + self._patience.seconds

    def begin(self, access: Access, patience: float) -> None:
        """Begin a transaction; what finds the file locked waits for so many seconds from now on."""
        self.connection.set_busy_timeout(max(int(patience * 1000), 1))
        self.rows("BEGIN IMMEDIATE" if access.writes else "BEGIN")

    def commit(self) -> None:
        """Make what the open transaction wrote durable."""
        self.rows("COMMIT")

    def rollback(self) -> None:
        """Take back what the open transaction did."""
        self.rows("ROLLBACK")

    def later(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement whose rows nobody needs: at once, since nothing is far away."""
        self.rows(sql, parameters)

    def savepoint(self) -> str:
        """Begin what can be taken back by itself; return its name."""
        self.rows("SAVEPOINT hf")
        return "hf"

    def settle(self) -> None:
        """Do nothing: what is asked is done at once."""

    def release(self, savepoint: str) -> None:
        """Keep what was done since a savepoint, and forget it."""
        self.rows(f"RELEASE {savepoint}")

    def undo(self, savepoint: str) -> None:
        """Take back what was done since a savepoint, and forget it."""
        self.rows(f"ROLLBACK TO {savepoint}")
        self.rows(f"RELEASE {savepoint}")

    def keep_vectors(self) -> None:
        """Make temp.hf_vector, unless it is there."""
        self.rows(
            "CREATE TEMP TABLE IF NOT EXISTS hf_vector (vec INTEGER, line INTEGER, n INTEGER, PRIMARY KEY (vec, line))"
            " WITHOUT ROWID"
        )

    def empty_vectors(self) -> None:
        """Forget the vectors that were put into temp.hf_vector."""
        self.rows("DROP TABLE IF EXISTS temp.hf_vector")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def words(self, tokenizer: Sequence[str], text: str) -> list[str]:
        """Return the words of a text, as an FTS5 tokenizer takes it apart."""
        name, *arguments = tokenizer
        split = self.connection.fts5_tokenizer(name, arguments)
        return [word for (word,) in split(text.encode(), apsw.FTS5_TOKENIZE_QUERY, None, include_offsets=False)]
