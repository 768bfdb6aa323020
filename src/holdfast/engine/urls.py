"""From a URL to an engine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from holdfast.core.clock import Clock, Ids
from holdfast.core.durations import Duration, seconds_of
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.engine.contract import Durability, Engine
from holdfast.errors import InvalidValue, NotFound, Unsupported

if TYPE_CHECKING:
    from holdfast.engine.kv import KVStore

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)
TIMEOUT_SECONDS_MAX = 24 * 3600.0
"""Longer than this nobody waits: what counts waiting time in milliseconds must not overflow."""

_POSTGRES = re.compile(r"postgres(ql)?://")
_VALKEY = re.compile(r"(valkeys?|rediss?|valkey\+unix)://")
_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


def open_engine(  # noqa: PLR0913 - each option is named where it is given
    url: str | os.PathLike[str] | KVStore,
    *,
    durability: str = Durability.FULL,
    timeout: Duration = TIMEOUT_SECONDS,
    statement_timeout: Duration | None = None,
    size_limit: int | None = None,
    read_only: bool = False,
    create: bool = True,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Engine:
    """Open the engine that a URL names.

    Args:
        url: a file, `sqlite:///file`, `:memory:`, `postgresql://…`, `valkey://…`, or `holdfast://org/name` (see
            `configured`); or a key-value store (engine/kv), which has its own durability and size_limit, and no
            statements that could run for too long.
        durability, timeout, statement_timeout, size_limit, read_only: see `connect`.
        create: whether a store that is not there is made.

    Raises:
        InvalidValue: the URL or an option is none.
        NotFound: there is no such store, and `create` is false.
        Unsupported: no engine for this kind of URL.
    """
    asked = _asked(durability, timeout, statement_timeout, size_limit, read_only=read_only, create=create)
    given: object = url
    if _is_key_value_store(given):
        return _over_keys(given, asked, clock, ids)
    if not isinstance(given, (str, os.PathLike)) or "\0" in str(given):
        raise InvalidValue(f"the URL of a store is a str, a path or a KVStore, not {url!r}")
    named = _named(os.fspath(given))
    if _POSTGRES.match(named):
        return _in_postgres(named, asked, clock, ids)
    if _VALKEY.match(named):
        return _in_valkey(named, asked, clock, ids)
    path = _path(named)
    if asked.create and str(given).startswith("holdfast://"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return _in_file(path, asked, clock, ids)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of a store, as they were checked. Times in seconds."""

    durability: Durability
    timeout: float
    statement_timeout: float | None
    size_limit: int | None
    read_only: bool
    create: bool


def _asked(
    durability: str,
    timeout: Duration,
    statement_timeout: Duration | None,
    size_limit: object,
    *,
    read_only: bool,
    create: bool,
) -> _Asked:
    if durability not in tuple(Durability):
        raise InvalidValue(f"durability is 'full' or 'process', not {durability!r}")
    patience = min(seconds_of(timeout, "timeout"), TIMEOUT_SECONDS_MAX)
    statement_patience = None if statement_timeout is None else seconds_of(statement_timeout, "statement_timeout")
    if statement_patience == 0:
        raise InvalidValue("statement_timeout is 0, and no statement is done by then; None lets them run")
    if size_limit is not None and (not isinstance(size_limit, int) or size_limit <= 0):
        raise InvalidValue(f"size_limit is a number of bytes, not {size_limit!r}")
    level = Durability(durability)
    return _Asked(level, patience, statement_patience, size_limit, read_only, create and not read_only)


def _over_keys(store: KVStore, asked: _Asked, clock: Clock | None, ids: Ids | None) -> Engine:
    if (asked.durability, asked.size_limit, asked.statement_timeout) != (Durability.FULL, None, None):
        raise InvalidValue(
            "durability and size_limit are options of the key-value store itself, as in Disk(path, size_limit=…),"
            " and it runs no statements; give connect() none of these"
        )
    return _in_tree(store, asked, clock, ids)


def _in_tree(store: KVStore, asked: _Asked, clock: Clock | None, ids: Ids | None) -> Engine:
    from holdfast.engine.tree import TreeEngine  # noqa: PLC0415 - an engine is loaded when it is asked for

    return TreeEngine.open(
        store, timeout=asked.timeout, read_only=asked.read_only, create=asked.create, clock=clock, ids=ids
    )


def _in_valkey(url: str, asked: _Asked, clock: Clock | None, ids: Ids | None) -> Engine:
    if asked.size_limit is not None:
        raise InvalidValue("size_limit is for files; how much a server may take is for its maxmemory to say")
    if asked.statement_timeout is not None:
        raise InvalidValue("statement_timeout is for engines that have SQL, and this one has not")
    try:
        from holdfast.engine.kv.valkey import OPENED  # noqa: PLC0415 - an engine is loaded when it is asked for
    except ModuleNotFoundError as error:
        raise Unsupported(f'Valkey needs {error.name}: pip install "holdfast[valkey]"') from error
    return _in_tree(OPENED.store(url, asked.durability, asked.timeout), asked, clock, ids)


def _in_postgres(url: str, asked: _Asked, clock: Clock | None, ids: Ids | None) -> Engine:
    if asked.size_limit is not None:
        raise InvalidValue("size_limit is for files; how much a database may take is for its server to say")
    try:
        from holdfast.engine.postgres import PostgresEngine  # noqa: PLC0415 - an engine is loaded when it is asked for
    except ModuleNotFoundError as error:
        raise Unsupported(f'PostgreSQL needs {error.name}: pip install "holdfast[postgres]"') from error
    return PostgresEngine.open(
        url,
        durability=asked.durability,
        timeout=asked.timeout,
        statement_timeout=asked.statement_timeout,
        read_only=asked.read_only,
        create=asked.create,
        clock=clock,
        ids=ids,
    )


def _in_file(path: str, asked: _Asked, clock: Clock | None, ids: Ids | None) -> Engine:
    if asked.read_only and path == ":memory:":
        raise InvalidValue("a store in memory is new and empty, so there is nothing to read; name a file")
    if not asked.create and path != ":memory:" and not _holds_something(Path(path)):
        raise NotFound(
            f"there is no store {path!r}; name another with --store or HOLDFAST_STORE, or connect() to make it"
        )
    from holdfast.engine.sqlite import SqliteEngine  # noqa: PLC0415 - an engine is loaded when it is asked for

    return SqliteEngine.open(
        path,
        durability=asked.durability,
        timeout=asked.timeout,
        statement_timeout=asked.statement_timeout,
        size_limit=asked.size_limit,
        read_only=asked.read_only,
        clock=clock,
        ids=ids,
    )


def _is_key_value_store(given: object) -> TypeGuard[KVStore]:
    if isinstance(given, (str, os.PathLike)):
        return False
    from holdfast.engine.kv import KVStore  # noqa: PLC0415 - who names a file does not pay for it

    return isinstance(given, KVStore)


def _holds_something(path: Path) -> bool:
    return path.exists() and (path.is_dir() or path.stat().st_size > 0)


def _named(url: str) -> str:
    """Return the URL that `holdfast://org/name` stands for; any other as it is."""
    found = _SCHEME.fullmatch(url)
    return _named(configured(found[2])) if found and found[1] == "holdfast" else url


def _path(url: str) -> str:
    if not url:
        raise InvalidValue("the URL of a store is empty; name a file")
    found = _SCHEME.fullmatch(url)
    if not found:
        return url
    scheme, rest = found.groups()
    if scheme == "sqlite" and rest.startswith("/"):
        return rest[1:]
    raise Unsupported(
        f"there is no engine for {scheme}://; name a file, such as 'agents.db', postgresql://… or valkey://…"
    )


def configured(name: str) -> str:
    """Return what `holdfast://org/name` stands for.

    The folder HOLDFAST_HOME (default `~/.holdfast`) may have a `stores.toml` with lines such as
    `"org/name" = "postgresql://…"`. What is not named there is the file `org/name.db` in that folder.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidValue(f"holdfast://{name} names no store; use holdfast://org/name")
    home = Path(os.environ.get("HOLDFAST_HOME") or Path.home() / ".holdfast")
    settings = home / "stores.toml"
    if settings.exists():
        import tomllib  # noqa: PLC0415 - most stores are named by their file

        with settings.open("rb") as file:
            named = tomllib.load(file).get(name)
        if isinstance(named, str):
            return named
    return str(home / f"{name}.db")
