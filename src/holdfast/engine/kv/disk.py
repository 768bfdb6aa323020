"""A store in a folder: one SQLite file, whose write-ahead log makes many entries durable by one fsync.

A file for each entry was rejected: thousands of small files open slowly, each needs an fsync of its own, and a crash
between two of them has to be thought about at each place. Here the entries of a commit are one transaction without an
fsync, and the comparison that publishes them is one with: what is synced is the log, and with it all that stands
before. A power cut may lose the entries, but only together with what would have published them.

The table has row ids, and an index of the keys: in a table that is its own index, entries of more than a quarter of a
page overflow into pages of their own (https://sqlite.org/withoutrowid.html).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from holdfast.engine.contract import Durability
from holdfast.engine.kv.marks import Mark, mark_in
from holdfast.engine.kv.store import KVStore, check_count
from holdfast.errors import (
    HoldfastError,
    InvalidValue,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
    Timeout,
    ValueTooLarge,
)

FILE = "kv.db"
MARKS = "readers"
"""The folder with the marks of those who have it open."""

APPLICATION_ID = 0x486C6456
"""Marks an SQLite file as that of a `Disk`: "HldV"."""

WAIT_SECONDS = 30.0
"""How long a call waits for a transaction of another process, which takes milliseconds."""

_KEYS_AT_ONCE = 500
_TABLE = "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT"


class Disk(KVStore):
    """A store in a folder, which is made if it is not there. Processes and threads may share it; each call is atomic.

    Args:
        path: the folder.
        size_limit: bytes that its file may grow to; what would need more is refused with StoreFull, loses nothing, and
            leaves reading as it was. The write-ahead log comes on top. None for what the disk has.
        durability: "full": what `set` and `compare_and_set` have done survives loss of power; "process": kill -9.

    Raises:
        InvalidValue: an option is none, or the path is that of a file.
        StoreCorrupt: the folder has a `kv.db` that is something else.
        StoreUnavailable: the folder cannot be made or used.
    """

    def __init__(
        self, path: str | os.PathLike[str], size_limit: int | None = None, *, durability: str = Durability.FULL
    ) -> None:
        given: object = path
        if not isinstance(given, (str, os.PathLike)) or not str(given) or "\0" in str(given):
            raise InvalidValue(f"the path of a Disk is a str or a path, not {path!r}")
        if durability not in tuple(Durability):
            raise InvalidValue(f"durability is 'full' or 'process', not {durability!r}")
        self.path = Path(path)
        self._size_limit = None if size_limit is None else check_count("size_limit", size_limit)
        self._synced = "FULL" if durability == Durability.FULL else "NORMAL"
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection: Any = self._opened()
        self._level = ""
        try:
            with self._ours():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _opened(self) -> Any:  # noqa: ANN401 - apsw's own types leave half of it unknown
        if self.path.exists() and not self.path.is_dir():
            raise InvalidValue(f"{str(self.path)!r} is a file; a Disk is a folder: name another")
        with self._ours():
            self.path.mkdir(parents=True, exist_ok=True)
            return apsw.Connection(str(self.path / FILE), statementcachesize=64)

    def _prepare(self) -> None:
        run = self._connection.execute
        self._connection.set_busy_timeout(int(WAIT_SECONDS * 1000))
        ((application,),) = run("PRAGMA application_id").fetchall()
        if application == 0 and not run("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
            run("PRAGMA journal_mode = WAL")
            self._sync(self._synced)
            run(f"BEGIN IMMEDIATE; {_TABLE}; PRAGMA application_id = {APPLICATION_ID}; COMMIT")
            # A log that is lost before its first checkpoint would leave a file without the table.
            run("PRAGMA wal_checkpoint(FULL)")
        elif application != APPLICATION_ID:
            raise StoreCorrupt(f"{str(self.path / FILE)!r} is a database of something else; name another folder")
        if self._size_limit is not None:
            ((page,),) = run("PRAGMA page_size").fetchall()
            run(f"PRAGMA max_page_count = {max(self._size_limit // page, 1)}")

    # Entries

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        found = self._read("SELECT value FROM kv WHERE key = ?", (key,))
        return found[0][0] if found else None

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        """Return the values of those of these keys that are there."""
        found: dict[str, bytes] = {}
        for at in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[at : at + _KEYS_AT_ONCE]
            marks = ", ".join("?" * len(some))
            found.update(self._read(f"SELECT key, value FROM kv WHERE key IN ({marks})", some))
        return found

    def set(self, key: str, value: bytes) -> None:
        """Set the value of a key."""
        self._write(self._synced, partial(self._put, [(key, value)]))

    def set_many(self, **values: bytes) -> None:
        """Set the values of several keys, all or none; they are durable with the next `set` or `compare_and_set`."""
        self._write("NORMAL", partial(self._put, list(values.items())))

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Set a key's value if it is `expected` now; tell whether it was. This is the one fsync of a commit."""

        def compared() -> bool:
            found = self._connection.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchall()
            if (found[0][0] if found else None) != expected:
                return False
            self._put([(key, value)])
            return True

        return bool(self._write(self._synced, compared))

    def delete(self, *keys: str) -> None:
        """Remove these keys."""
        self._write("NORMAL", lambda: self._connection.executemany("DELETE FROM kv WHERE key = ?", zip(keys)))

    def items(self) -> Iterable[tuple[str, bytes]]:
        """Yield all entries, in the order of their keys; those that come or go meanwhile may be left out."""
        for key in self.scan(""):
            value = self.get(key)
            if value is not None:
                yield key, value

    def scan(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order; those that come or go meanwhile may be left out."""
        after = ""
        sql = f"SELECT key FROM kv WHERE key >= ? AND key > ? ORDER BY key LIMIT {_KEYS_AT_ONCE}"
        while True:
            found = self._read(sql, (prefix, after))
            for (key,) in found:
                if not key.startswith(prefix):
                    return
                yield key
            if len(found) < _KEYS_AT_ONCE:
                return
            after = found[-1][0]

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a value."""
        return isinstance(key, str) and bool(self._read("SELECT 1 FROM kv WHERE key = ?", (key,)))

    @property
    def queue_file(self) -> Path | None:
        """The file of the store."""
        return self.path / FILE

    def mark(self) -> Mark | None:
        """Return a mark in a file of its own; None where files cannot be locked."""
        return mark_in(self.path / MARKS)

    def compact(self) -> None:
        """Rewrite the file and empty its log. Raises Timeout if another process reads or writes for too long."""
        with self._lock, self._ours():
            self._check_usable()
            self._connection.execute("VACUUM")
            ((busy, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise Timeout("another process reads what was there before, so the log cannot be emptied yet; do it again")

    def close(self) -> None:
        """Close the file. Idempotent. In a forked child it is left alone: it is the parent's."""
        if os.getpid() == self._pid:
            with self._lock:
                self._connection.close()

    # SQLite

    def _put(self, entries: list[tuple[str, bytes]]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", entries)

    def _read(self, sql: str, parameters: tuple[str, ...]) -> list[Any]:
        with self._lock, self._ours():
            self._check_usable()
            found: list[Any] = self._connection.execute(sql, parameters).fetchall()
            return found

    def _write(self, level: str, work: Callable[[], object]) -> object:
        with self._lock, self._ours():
            self._check_usable()
            self._sync(level)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                outcome = work()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it by itself where the disk fails
                    self._connection.execute("ROLLBACK")
                raise
            return outcome

    def _sync(self, level: str) -> None:
        if level != self._level:
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._level = level

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:  # SQLite's locks do not survive a fork
            raise StoreUnavailable("this Disk was opened before the process was forked; open it again in the child")

    @contextmanager
    def _ours(self) -> Generator[None]:
        """Turn what SQLite and the system raise into our errors."""
        try:
            yield
        except (apsw.Error, OSError, UnicodeError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> HoldfastError:
        folder = repr(str(self.path))
        if isinstance(error, (OSError, UnicodeError)):
            return StoreUnavailable(f"the folder {folder} cannot be used: {error}")
        for theirs, ours, text in _OURS:
            if isinstance(error, theirs):
                return ours(text.format(folder=folder, error=error))
        return StoreError(f"the store in {folder}: {error}")


_FULL = (
    "no room in {folder}, on the disk or within its size_limit: {error}; free some, as gc() does, and retry;"
    " nothing committed was lost"
)
_OURS: tuple[tuple[Any, type[HoldfastError], str], ...] = (
    (apsw.FullError, StoreFull, _FULL),
    ((apsw.NotADBError, apsw.CorruptError), StoreCorrupt, "{folder} is damaged: {error}; restore it from a copy"),
    ((apsw.BusyError, apsw.LockedError), Timeout, f"another process held {{folder}} for {WAIT_SECONDS:g} s; retry"),
    (apsw.TooBigError, ValueTooLarge, "a value is too large for {folder}: {error}; split it up"),
    (apsw.ConnectionClosedError, StoreClosed, "the store in {folder} is closed; open it again"),
    (
        (apsw.CantOpenError, apsw.IOError, apsw.PermissionsError, apsw.ReadOnlyError),
        StoreUnavailable,
        "{folder} cannot be used: {error}",
    ),
)
