"""SQLite: a store in one file.

One apsw connection per session, write-ahead log, `BEGIN IMMEDIATE` for every write. synchronous=FULL makes each commit
one fsync of the log; synchronous=NORMAL leaves that to the checkpoints. Writers of one process queue up before a lock
of ours, because SQLite's own busy handler sleeps and is not fair.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, cast

import apsw

from holdfast.core.clock import Clock, Ids, RandomIds, SystemClock
from holdfast.core.refs import MAIN
from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.contract import Durability, SqlResult
from holdfast.engine.functions import compare_decimals, json_as_text, store_as
from holdfast.engine.sql.layout import APPLICATION_ID, DECIMAL_COLLATION, FORMAT, SYSTEM_TABLES, UPGRADES
from holdfast.engine.sql.names import VECTORS_MAX, LineRow, Names
from holdfast.engine.sql.reader import Parameters
from holdfast.engine.sql.survey import Survey
from holdfast.engine.sql.writer import Counter, SqlChanges
from holdfast.engine.sqlite_errors import origin_of, translated
from holdfast.errors import (
    InvalidValue,
    NotFound,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    Timeout,
    TransactionOpen,
    Unsupported,
)

STATEMENTS_CACHED = 512
TIMEOUT_SECONDS = 30.0

Rows = list[tuple[Any, ...]]
_TIMESTAMP = ColumnType(Kind.TIMESTAMP)


class SqliteDriver:
    """One connection: runs statements, and turns SQLite's errors into ours."""

    def __init__(self, path: Path, durability: str, timeout: float) -> None:
        self._path = path
        self.names = Names(self._read_line)
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        try:
            # Any: apsw's own types leave half of it unknown
            self.connection: Any = apsw.Connection(str(path), flags=flags, statementcachesize=STATEMENTS_CACHED)
        except apsw.Error as error:
            raise translated(error, path, self.names) from error
        self.connection.set_busy_timeout(int(timeout * 1000))
        for setting in (
            apsw.SQLITE_DBCONFIG_DQS_DDL,
            apsw.SQLITE_DBCONFIG_DQS_DML,
            apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        ):
            self.connection.config(setting, 0)
        self.writing = False
        self.rows(f"PRAGMA synchronous = {durability}")
        self.rows("PRAGMA temp_store = MEMORY")
        self.rows("PRAGMA case_sensitive_like = ON")  # as in PostgreSQL

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        try:
            self._check_transaction()
            return cast("Rows", self.connection.execute(sql, parameters).fetchall())
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translated(error, self._path, self.names) from error

    def many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run a statement once for each of `parameters`."""
        try:
            self._check_transaction()
            self.connection.executemany(sql, parameters)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translated(error, self._path, self.names) from error

    @property
    def lost(self) -> bool:
        """Whether SQLite took back the whole open transaction by itself, as it does when the disk fails."""
        return self.writing and not self.connection.in_transaction

    def _check_transaction(self) -> None:
        """Without this, what follows such a loss would be committed alone."""
        if self.lost:
            raise StoreError("an error of the disk took back the whole transaction; leave its block, and run it again")

    def described(self, sql: str, parameters: Parameters) -> SqlResult:
        """Run a statement and return its rows with the names and origins of the columns."""
        try:
            self._check_transaction()
            cursor = self.connection.cursor()
            columns: tuple[Any, ...] = ()

            def note(running: apsw.Cursor, *_: object) -> bool:
                nonlocal columns
                columns = running.description_full  # gone once the last row is read
                return True

            cursor.exec_trace = note
            rows = cast("Rows", cursor.execute(sql, parameters).fetchall())
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translated(error, self._path, self.names) from error
        return SqlResult(tuple(column[0] for column in columns), tuple(map(origin_of, columns)), rows)

    def _read_line(self, by: str, value: int | str) -> list[LineRow]:
        return self.rows(f"SELECT id, uid, parent, fork_n, trunk, trunk_n FROM hf_line WHERE {by} = ?", (value,))


class Moment:
    """NOW(): when the transaction first asked, the same for all of it.

    It knows nothing of the connection: SQLite keeps what is registered, and the connection could never be collected.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._text: str | None = None

    def begin(self) -> None:
        """Let the next question be asked anew."""
        self._text = None

    def now(self) -> str:
        """Return the moment as a stored TIMESTAMP."""
        if self._text is None:
            self._text = timestamp_text(self._clock.now_us())
        return self._text


class WriteTurn:
    """Whose turn it is to write, among the threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextlib.contextmanager
    def taken(self, timeout: float) -> Generator[None]:
        """Wait for the turn, and keep it for the block.

        Raises:
            TransactionOpen: this very thread has it, and would wait for itself.
            Timeout: another thread kept it for longer than `timeout` seconds.
        """
        if self._holder == threading.get_ident():
            raise TransactionOpen("another Store of this thread has a transaction open; write after it, or inside it")
        if not self._lock.acquire(timeout=timeout):
            raise Timeout(f"another transaction of this process held the store for {timeout:g} s; retry")
        try:
            self._holder = threading.get_ident()
            yield
        finally:
            self._holder = None
            self._lock.release()


class SqliteSession:
    """One connection to a store in a file, used by one thread at a time."""

    def __init__(self, driver: SqliteDriver, turn: WriteTurn, timeout: float, clock: Clock, ids: Ids) -> None:
        self._driver = driver
        self._turn = turn
        self._timeout = timeout
        self.clock = clock
        self._ids = ids
        self._counter = Counter()
        self._moment = Moment(clock)
        self._active = False
        self._closed = False
        self._pid = os.getpid()
        self._open: SqlChanges | None = None
        self._register("hf_ordinal", self._counter.next_ordinal, 0)
        self._register("hf_count", self._counter.count, 0)
        self._register("now", self._moment.now, 0)
        self._register("hf_as", store_as, 5)
        self._register("hf_text", json_as_text, 1)
        driver.connection.create_collation(DECIMAL_COLLATION, compare_decimals)

    has_sql = True

    def _register(self, name: str, function: Callable[..., Any], arguments: int) -> None:
        self._driver.connection.create_scalar_function(name, function, arguments)

    @contextlib.contextmanager
    def read(self) -> Generator[Survey]:
        """Return a consistent snapshot, for the length of the block; inside a `write` block, what that has written."""
        if self._open is not None:
            yield self._open
            return
        with self._transaction("BEGIN"):
            yield Survey(self._driver, self._driver.names)

    @contextlib.contextmanager
    def write(self) -> Generator[SqlChanges]:
        """Return a writer whose work lands when the block ends, or not at all if it raises.

        Raises:
            Timeout: somebody else held the store for as long as this session is willing to wait.
            TransactionOpen: this session is writing already.
        """
        if self._open is not None:
            raise TransactionOpen("this is a commit of its own and cannot be part of the open transaction; do it after")
        with self._turn.taken(self._timeout), self._transaction("BEGIN IMMEDIATE"):
            self._open = SqlChanges(self._driver, self._driver.names, self._counter, self.clock, self._ids)
            try:
                yield self._open
            finally:
                self._open = None

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Generator[None]:
        driver, names = self._driver, self._driver.names
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        if os.getpid() != self._pid:  # SQLite's locks do not survive a fork
            raise StoreUnavailable("this store was opened before the process was forked; connect again in the child")
        self._moment.begin()
        writes = begin != "BEGIN"
        try:
            self._active = True
            driver.rows(begin)
            driver.writing = writes
            full = names.vectors_made > VECTORS_MAX
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
            if driver.connection.in_transaction:
                driver.rows("ROLLBACK")
            raise
        finally:
            driver.writing = self._active = False
            if self._closed:  # meanwhile, by another thread
                driver.connection.close()

    def scrub(self) -> None:
        """Rewrite the file and empty its log, so that nothing of what was removed is left in them.

        Zeroing what is deleted (`PRAGMA secure_delete`) is not enough: pages that were split or joined keep copies.

        Raises:
            TransactionOpen: inside a `read` or `write` block.
            Timeout: others wrote, or kept on reading what was before, for as long as this session is willing to wait.
        """
        if self._active:
            raise TransactionOpen("the file cannot be rewritten inside a transaction; do it after")
        driver = self._driver
        with self._turn.taken(self._timeout):
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


class SqliteEngine:
    """A store in one file, or for the life of the process in a temporary one (":memory:")."""

    def __init__(self, path: Path, url: str, durability: str, timeout: float, clock: Clock, ids: Ids) -> None:
        self.url = url
        self._path = path
        self._durability = durability
        self._timeout = timeout
        self._clock = clock
        self._ids = ids
        self._turn = WriteTurn()
        self._closed = False
        self._sessions: weakref.WeakSet[SqliteSession] = weakref.WeakSet()
        self._temporary: weakref.finalize[..., Any] | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        durability: Durability = Durability.FULL,
        timeout: float = TIMEOUT_SECONDS,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> SqliteEngine:
        """Open the store in a file, or make one there.

        Opening a store that exists writes nothing. Several processes may open, and make, the same one at once.

        Args:
            path: the file; ":memory:" for a temporary one that goes with the engine.
            durability: what a commit survives once it has returned.
            timeout: seconds to wait for another writer.
            clock, ids: where commits get their time, and lines and salts their randomness.

        Raises:
            NotFound: the folder does not exist.
            StoreCorrupt: the file is no store.
            Unsupported: the file is of a newer format.
        """
        folder = _temporary_folder() if str(path) == ":memory:" else None
        file = Path(folder, "memory.db") if folder else Path(path)
        level = "OFF" if folder else {Durability.FULL: "FULL", Durability.PROCESS: "NORMAL"}[durability]
        if not file.parent.is_dir():
            raise NotFound(f"the folder {str(file.parent)!r} does not exist; create it, then connect again")
        if file.is_dir():
            raise InvalidValue(f"{str(file)!r} is a folder; name a file in it")
        engine = cls(file, str(path), level, timeout, clock or SystemClock(), ids or RandomIds())
        if folder:
            engine._temporary = weakref.finalize(engine, _remove_folder, folder)
        engine._create_or_check()
        return engine

    def session(self) -> SqliteSession:
        """Open another connection. Raises StoreClosed."""
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        driver = SqliteDriver(self._path, self._durability, self._timeout)
        session = SqliteSession(driver, self._turn, self._timeout, self._clock, self._ids)
        self._sessions.add(session)
        return session

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        self._closed = True
        for session in list(self._sessions):
            session.close()
        if self._temporary:
            self._temporary()

    def _create_or_check(self) -> None:
        driver = SqliteDriver(self._path, self._durability, self._timeout)
        try:
            if self._is_empty(driver):  # nothing is written into a file of somebody else's
                driver.rows("PRAGMA journal_mode = WAL")
                self._create(driver)
            self._check(driver)
        finally:
            driver.connection.close()

    @staticmethod
    def _is_empty(driver: SqliteDriver) -> bool:
        ((application,),) = driver.rows("PRAGMA application_id")
        ((tables,),) = driver.rows("SELECT count(*) FROM sqlite_schema")
        return bool(application == 0 and tables == 0)

    def _create(self, driver: SqliteDriver) -> None:
        driver.rows("BEGIN IMMEDIATE")
        try:
            if self._is_empty(driver):  # else another process was quicker
                for statement in SYSTEM_TABLES:
                    driver.rows(statement)
                driver.rows(f"PRAGMA application_id = {APPLICATION_ID}")
                driver.rows(f"PRAGMA user_version = {FORMAT}")
                driver.rows("INSERT INTO hf_meta VALUES ('features', '[]')")
                SqlChanges(driver, driver.names, Counter(), self._clock, self._ids).create_store(MAIN)
            driver.rows("COMMIT")
        except BaseException:
            driver.rows("ROLLBACK")
            raise
        # A log that is lost before its first checkpoint would leave a file without tables.
        driver.rows("PRAGMA wal_checkpoint(FULL)")

    def _check(self, driver: SqliteDriver) -> None:
        ((application,),) = driver.rows("PRAGMA application_id")
        ((version,),) = driver.rows("PRAGMA user_version")
        if application != APPLICATION_ID:
            raise StoreCorrupt(f"{str(self._path)!r} is an SQLite database of something else; name another file")
        if version > FORMAT:
            raise Unsupported(
                f"{str(self._path)!r} is a store of format {version}; this Holdfast knows format {FORMAT}: update it"
            )
        found = driver.rows("SELECT value FROM hf_meta WHERE key = 'features'")
        if found != [("[]",)]:
            raise Unsupported(f"{str(self._path)!r} needs features this Holdfast does not know: {found}; update it")
        if version < FORMAT:
            _upgrade(driver)


def _upgrade(driver: SqliteDriver) -> None:
    """Make a store of an older format one of this format, in one transaction: it is wholly the one or the other."""
    driver.rows("BEGIN IMMEDIATE")
    try:
        ((version,),) = driver.rows("PRAGMA user_version")  # another process may have been quicker
        for step in range(version, FORMAT):
            for statement in UPGRADES[step]:
                driver.rows(statement)
        driver.rows(f"PRAGMA user_version = {max(version, FORMAT)}")
        driver.rows("COMMIT")
    except BaseException:
        if driver.connection.in_transaction:
            driver.rows("ROLLBACK")
        raise


def _temporary_folder() -> str:
    import tempfile  # noqa: PLC0415 - 10 ms that a store in a file does not pay

    return tempfile.mkdtemp(prefix="holdfast-")


def _remove_folder(folder: str) -> None:
    import shutil  # noqa: PLC0415

    shutil.rmtree(folder, ignore_errors=True)


def timestamp_text(at_us: int) -> str:
    """Return microseconds since 1970 as a stored TIMESTAMP."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    return str(encode(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us), _TIMESTAMP, "NOW()"))
