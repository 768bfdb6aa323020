"""SQLite's errors as ours, in the user's own names."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import apsw

from holdfast.core.limits import ROW_BYTES_MAX
from holdfast.core.schema import Column, Table
from holdfast.engine.sql.names import Names
from holdfast.engine.sqlite.holder import writer_of
from holdfast.errors import (
    ConstraintFailed,
    HoldfastError,
    InvalidValue,
    ReadOnly,
    SqlError,
    StoreClosed,
    StoreCorrupt,
    StoreFull,
    StoreUnavailable,
    Timeout,
    ValueTooLarge,
)

_CELL = re.compile(r"hf_v(\d+)\.c(\d+)")
_VIEW = re.compile(r"hf_(?:rows|insert|update|delete)_(\d+)")
_FULL = (
    "no room for {path}, on the disk or within its size_limit: {message}; free some, as gc() does in the file, and"
    " retry; nothing committed was lost"
)
_DAMAGE = (apsw.SQLITE_IOERR_SHORT_READ, apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""SQLite knows the first as a full disk, in most places; a quota and a limit of file sizes are I/O errors to it."""


def translated(error: Exception, path: Path, names: Names, timeout: float, system_errno: int = 0) -> HoldfastError:
    """Return our error for one of SQLite's.

    Args:
        timeout: seconds that were waited for another writer, or that the statement was allowed.
        system_errno: what the system said to its last failing call.
    """
    if system_errno in _NO_ROOM:
        return StoreFull(_FULL.format(path=repr(str(path)), message=os.strerror(system_errno)))
    if isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in _DAMAGE:
        return StoreCorrupt(
            f"{str(path)!r} is damaged: {error}, it ends too early or was changed; restore it from a copy"
        )
    if isinstance(error, UnicodeDecodeError):
        return SqlError(f"the statement made text of bytes that are none: {error}")
    message = _in_user_names(str(error), names)
    if isinstance(error, apsw.ConstraintError):
        refused = message.startswith("cannot store")
        return InvalidValue(message) if refused else ConstraintFailed(f"{message}; nothing was changed")
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return Timeout(f"{writer_of(path)} held {str(path)!r} for longer than {timeout:g} s: {message}; retry")
    if isinstance(error, apsw.InterruptError):
        return Timeout(
            f"the statement ran for longer than {timeout:g} s and was stopped; if it wrote, its transaction is undone"
        )
    for theirs, ours, text in _OURS:
        if isinstance(error, theirs):
            return ours(text.format(path=repr(str(path)), message=message))
    return SqlError(message)


_OURS: tuple[tuple[type[apsw.Error] | tuple[type[apsw.Error], ...], type[HoldfastError], str], ...] = (
    (apsw.FullError, StoreFull, _FULL),
    (apsw.NotADBError, StoreCorrupt, "{path} is no database, not a Holdfast store; name another file"),
    (apsw.CorruptError, StoreCorrupt, "{path} is damaged: {message}; restore it from a copy"),
    ((apsw.CantOpenError, apsw.IOError, apsw.PermissionsError), StoreUnavailable, "{path} cannot be used: {message}"),
    (apsw.ReadOnlyError, ReadOnly, "{path} cannot be written: {message}"),
    (
        apsw.TooBigError,
        ValueTooLarge,
        f"a value, or a row, has more than {ROW_BYTES_MAX} bytes; split it up, or keep it in a file",
    ),
    (apsw.BindingsError, InvalidValue, "wrong number of parameters: {message}"),
    (apsw.ConnectionClosedError, StoreClosed, "the store is closed; connect again"),
)


def _in_user_names(message: str, names: Names) -> str:
    def cell(found: re.Match[str]) -> str:
        table, column = _lookup(names, int(found[1]), int(found[2]))
        return f"{table.name}.{column.name}" if table and column else found[0]

    def view(found: re.Match[str]) -> str:
        table, _ = _lookup(names, int(found[1]), 0)
        return table.name if table else found[0]

    return _VIEW.sub(view, _CELL.sub(cell, message))


def _lookup(names: Names, table_id: int, column_id: int) -> tuple[Table | None, Column | None]:
    for _, catalogue in sorted(names.catalogues.items(), reverse=True):
        table = catalogue.table(table_id)
        if table:
            return table, next((column for column in table.columns if column.id == column_id), None)
    return None, None
