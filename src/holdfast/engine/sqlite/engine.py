"""SQLite: a store in one file.

One apsw connection per session, write-ahead log, `BEGIN IMMEDIATE` for every write. synchronous=FULL makes each commit
one fsync of the log; synchronous=NORMAL leaves that to the checkpoints. Writers stand in a line of ours (engine/turns),
because SQLite's own busy handler sleeps and is not fair.
"""

from __future__ import annotations

import os
import weakref
from functools import partial
from pathlib import Path
from typing import Any

from holdfast.core.canonical import json_value
from holdfast.core.clock import Clock, Ids, RandomIds, SystemClock
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.core.refs import MAIN
from holdfast.engine.contract import Durability
from holdfast.engine.pulse import pulse_of
from holdfast.engine.sql.engine import SqlEngine
from holdfast.engine.sql.layout import APPLICATION_ID, FEATURES, FORMAT, SYSTEM_TABLES, UPGRADES
from holdfast.engine.sql.searches import Memory
from holdfast.engine.sql.writer import Counter, SqlChanges
from holdfast.engine.sqlite.driver import Options, SqliteDriver
from holdfast.engine.sqlite.holder import writer_of
from holdfast.engine.sqlite.session import SqliteSession
from holdfast.engine.turns.queue import QUEUES, WriteQueue
from holdfast.errors import InvalidValue, NotFound, ReadOnly, StoreClosed, StoreCorrupt, StoreUnavailable, Unsupported


class SqliteEngine(SqlEngine[Options, SqliteSession]):
    """A store in one file, or for the life of the process in a temporary one (":memory:")."""

    def __init__(self, path: Path, url: str, options: Options, clock: Clock, ids: Ids) -> None:
        super().__init__(url, options, clock, ids)
        self._path = path
        self._queue: WriteQueue | None = None
        self._memory = Memory()
        self._at_end: list[weakref.finalize[..., Any]] = []

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        durability: Durability = Durability.FULL,
        timeout: float = TIMEOUT_SECONDS,
        statement_timeout: float | None = None,
        size_limit: int | None = None,
        read_only: bool = False,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> SqliteEngine:
        """Open the store in a file, or make one there.

        Opening a store that exists writes nothing. Several processes may open, and make, the same one at once.

        Args:
            path: the file; ":memory:" for a temporary one that goes with the engine.
            durability: what a commit survives once it has returned.
            timeout: seconds to wait for another writer.
            statement_timeout: seconds that one statement may run; None for as long as it takes.
            size_limit: bytes that the file may grow to; None for what the disk has.
            read_only: whether nothing is to be written. A store that is not there is not made.
            clock, ids: where commits get their time, and lines and salts their randomness.

        Raises:
            NotFound: the folder does not exist; with `read_only`, the file.
            StoreCorrupt: the file is no store.
            StoreUnavailable: the file cannot be opened.
            Unsupported: the file is of a newer format.
        """
        folder = _temporary_folder() if str(path) == ":memory:" and not read_only else None
        file = Path(folder, "memory.db") if folder else Path(path)
        level = "OFF" if folder else {Durability.FULL: "FULL", Durability.PROCESS: "NORMAL"}[durability]
        if not file.parent.is_dir():
            raise NotFound(f"the folder {str(file.parent)!r} does not exist; create it, then connect again")
        if file.is_dir():
            raise InvalidValue(f"{str(file)!r} is a folder; name a file in it")
        unchanging = read_only and is_unchanging(file)
        options = Options(level, timeout, statement_timeout, size_limit, read_only, unchanging)
        engine = cls(file, str(path), options, clock or SystemClock(), ids or RandomIds())
        if folder:
            engine._at_end.append(weakref.finalize(engine, _remove_folder, folder))
        if read_only:
            engine._check_readable()
        else:
            engine._create_or_check()
        engine._queue, part = QUEUES.join(file, partial(writer_of, file), alone=folder is not None)
        engine._at_end.append(weakref.finalize(engine, part))
        return engine

    def pulse(self) -> object:
        """Return what changes with the file's log."""
        return pulse_of(self._path)

    def _connected(self, *, shared: bool) -> SqliteSession:
        if self._queue is None:
            raise StoreClosed("the store is closed; connect again")
        driver = SqliteDriver(self._path, self._options, shared=shared)
        driver.names.searches.memory = self._memory
        return SqliteSession(driver, self._queue, self._options, self._clock, self._ids, self._shared_session)

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        super().close()
        while self._at_end:
            self._at_end.pop()()

    def _check_readable(self) -> None:
        try:
            driver = SqliteDriver(self._path, self._options)
            try:
                self._check(driver)
            finally:
                driver.connection.close()
        except (StoreUnavailable, ReadOnly) as error:
            raise StoreUnavailable(
                f"{str(self._path)!r} cannot be read: {error}. Readers keep their place in a file beside the store, and"
                " there is none, nor can it be made. Let a process that may write in the folder keep the store open, or"
                " read a copy"
            ) from error

    def _create_or_check(self) -> None:
        driver = SqliteDriver(self._path, self._options)
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
            if driver.connection.in_transaction:  # SQLite ends it by itself where the disk fails
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
        if not found:
            raise StoreCorrupt(f"{str(self._path)!r} is damaged: it does not say what it needs; restore it from a copy")
        unknown = set(json_value(found[0][0], "features")) - FEATURES
        if unknown:
            raise Unsupported(f"{str(self._path)!r} needs features this Holdfast does not know: {unknown}; update it")
        if version < FORMAT and self._options.read_only:
            raise Unsupported(
                f"{str(self._path)!r} is a store of format {version}, which has to be upgraded to be read: connect once"
                " without read_only"
            )
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


def is_unchanging(path: Path) -> bool:
    """Tell whether nobody can write a file: its file system is read-only, and no log beside it waits to be read.

    SQLite may then read it without the files that readers and writers share. Anywhere else that would be a guess: a
    writer with more rights than ours may come at any time.
    """
    try:
        log = path.with_name(path.name + "-wal")
        mounted = os.statvfs(path).f_flag & os.ST_RDONLY
        return bool(mounted) and (not log.exists() or log.stat().st_size == 0)
    except (OSError, AttributeError):  # AttributeError: Windows
        return False


def _temporary_folder() -> str:
    import tempfile  # noqa: PLC0415 - 10 ms that a store in a file does not pay

    return tempfile.mkdtemp(prefix="holdfast-")


def _remove_folder(folder: str) -> None:
    import shutil  # noqa: PLC0415

    shutil.rmtree(folder, ignore_errors=True)
