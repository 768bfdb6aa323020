"""PostgreSQL's errors as ours."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors as pg

from holdfast.errors import (
    ConstraintFailed,
    HoldfastError,
    InvalidValue,
    ReadOnly,
    SqlError,
    StoreError,
    StoreFull,
    StoreUnavailable,
    Timeout,
    Unsupported,
    ValueTooLarge,
)

_OURS: tuple[tuple[tuple[type[Exception], ...], type[HoldfastError], str], ...] = (
    (
        (pg.LockNotAvailable, pg.DeadlockDetected),
        Timeout,
        "others wrote to {url} for {timeout:g} s; retry, or connect with a longer timeout",
    ),
    ((pg.QueryCanceled,), Timeout, "a statement took longer than it may: {said}"),
    (
        (pg.DiskFull, pg.OutOfMemory),
        StoreFull,
        "no room on the server of {url}: {said}; free some and retry; nothing committed was lost",
    ),
    (
        (pg.ReadOnlySqlTransaction,),
        ReadOnly,
        "{url} can only be read: {said}; name the primary: host=a,b&target_session_attrs=read-write finds it",
    ),
    ((pg.InsufficientPrivilege,), StoreUnavailable, "{url}: {said}; ask whoever owns the database for the rights"),
    (
        (pg.ProgramLimitExceeded,),
        ValueTooLarge,
        "a key is too long for an index of PostgreSQL: {said}; nothing was changed",
    ),
    ((pg.UniqueViolation,), ConstraintFailed, "{said}; nothing was changed"),
    ((psycopg.DataError,), InvalidValue, "{said}; nothing was changed"),
    (
        (psycopg.OperationalError, psycopg.InterfaceError),
        StoreUnavailable,
        "{url} cannot be reached: {said}. What was being committed is there, or is not; look, and do it again",
    ),
    ((Exception,), StoreError, "{url}: {said}"),
)
"""The first that fits counts."""

_REFUSALS = (
    (
        re.compile("too many clients|too many connections|connection slots"),
        "close connections that nobody needs, or raise the server's max_connections or the limit of the role",
    ),
    (
        re.compile("read-only"),
        "name the primary: host=a,b&target_session_attrs=read-write finds it, once one has taken over",
    ),
    (re.compile("password"), "look at the user and the password of the URL"),
    (re.compile('database ".*" does not exist'), "make that database, or name another in the URL"),
)
"""What servers say who refuse a connection, and what to do."""

_UNKNOWN = "look whether the server runs, and at the host, the database, the user and the password of the URL"


def translated(error: Exception, url: str, timeout: float) -> HoldfastError:
    """Return our error for one of PostgreSQL's, or of its client.

    Args:
        url: the store, without a password.
        timeout: seconds that were waited for others.
    """
    said = _said(error)
    ours, text = next((ours, text) for kinds, ours, text in _OURS if isinstance(error, kinds))
    return ours(text.format(url=url, timeout=timeout, said=said))


def of_statement(error: HoldfastError) -> HoldfastError:
    """Return what to say of a user's statement that the server refused."""
    cause = error.__cause__
    if isinstance(cause, (pg.UndefinedFunction, psycopg.NotSupportedError)):
        return Unsupported(f"{_said(cause)}; nothing was changed")
    if isinstance(cause, psycopg.ProgrammingError) and not isinstance(cause, pg.InsufficientPrivilege):
        return SqlError(f"{_said(cause)}; nothing was changed")
    return error


def unreachable(error: Exception, url: str) -> StoreUnavailable:
    """Return what to say where no connection can be made. Its client tells only the text of what the server said."""
    said = _said(error)
    advice = next((advice for told, advice in _REFUSALS if told.search(said)), _UNKNOWN)
    return StoreUnavailable(f"{url} cannot be connected to: {said}; {advice}")


def _said(error: Exception) -> str:
    """Return the first line of what the server or its client says: the others repeat the statement."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
