"""`connect`, and the `Store` that it returns: a connection to one branch, or to one commit of the past."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from holdfast.core.clock import Clock, Ids
from holdfast.core.durations import Duration
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.core.refs import MAIN
from holdfast.engine.urls import open_engine
from holdfast.errors import ReadOnly
from holdfast.store.branching import Branching
from holdfast.store.caching import Caching
from holdfast.store.questions import Questions
from holdfast.store.removal import Removal
from holdfast.store.running import Running
from holdfast.store.stateful import Stateful
from holdfast.store.statements import Statements

if TYPE_CHECKING:
    from holdfast.engine.kv import KVStore


class Store(Stateful, Caching, Running, Statements, Branching, Removal, Questions):
    """A connection to one branch of a store, or to one commit of it, which can only be read.

    Made by `connect`, `branch` and `checkout`. Each call is atomic, and what it wrote is durable when it returns.
    Threads may share a Store: their calls wait for each other, and a transaction keeps the others out.

    Attributes:
        ref: the branch, or the ref that was checked out.
        read_only: whether this is the checkout of a tag or a commit.
        leased: the token of the lease that it was checked out with, or None.
    """


def connect(  # noqa: PLR0913 - each option is named where it is given
    url: str | os.PathLike[str] | KVStore = "holdfast.db",
    *,
    branch: str = MAIN,
    durability: str = "full",
    timeout: Duration = TIMEOUT_SECONDS,
    statement_timeout: Duration | None = None,
    size_limit: int | None = None,
    read_only: bool = False,
    create: bool = True,
    cache: str | os.PathLike[str] | KVStore | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Store:
    """Open a store, made if it is not there, and return it as seen from a branch.

    Opening a store that exists writes nothing.

    Args:
        url: a file, ":memory:" for a store that goes with the process, or "holdfast://org/name": what stores.toml in
            the folder HOLDFAST_HOME (~/.holdfast if it is not set) says it is, else the file org/name.db there. Or
            "postgresql://…?workspace=name" (docs/postgresql.md); "valkey://…?workspace=name" (docs/valkey.md) or a
            key-value store (`holdfast.engine.kv`), which stays open: these two have everything but SQL.
        branch: the branch to read and write.
        durability: "full": a commit that returned survives loss of power (one fsync); "process": it survives kill -9
            of the process only, and is quicker.
        timeout: how long to wait for other writers before `Timeout` is raised: seconds, a timedelta, or a text such
            as "90s" or "10m".
        statement_timeout: how long one statement may run before it is stopped with `Timeout`, as above; a write that
            is stopped takes its transaction with it. None for as long as it takes.
        size_limit: bytes that the file may grow to; what would need more is refused with `StoreFull`. Its log comes
            on top. None for what the disk has.
        read_only: True opens the store for reading only: every write is refused with `ReadOnly`. The process needs no
            right to write the file.
        create: False raises NotFound instead of making a store.
        cache: the store where answers of tools are kept, if not in this one: named as `url` is, made or only read as
            this is, and with durability="process". Such as "valkey://host?workspace=cache", for many machines.
        clock, ids: for tests: where commits get their time, and lines and salts their randomness.

    Raises:
        NotFound: the folder, the store or the branch does not exist.
        InvalidValue: an option is none.
        StoreCorrupt: the file is no Holdfast store.
        StoreUnavailable: the file cannot be opened.
        Unsupported: the store is of a newer format, or there is no engine for the URL.

    Example:
        >>> db = connect(":memory:")
        >>> _ = db.execute("CREATE TABLE steps (run_id TEXT, step INT, PRIMARY KEY (run_id, step))")
        >>> _ = db.execute("INSERT INTO steps VALUES (%s, %s)", ["run-1", 1])
        >>> db.execute("SELECT * FROM steps").fetchall()
        [{'run_id': 'run-1', 'step': 1}]
        >>> db.close()
    """
    create = create and branch == MAIN  # a new store has no other branch
    engine = open_engine(
        url,
        durability=durability,
        timeout=timeout,
        statement_timeout=statement_timeout,
        size_limit=size_limit,
        read_only=read_only,
        create=create,
        clock=clock,
        ids=ids,
    )
    with ExitStack() as opened:
        opened.callback(engine.close)
        store = Store.at(engine, branch, ids=ids, owns_engine=True)
        if cache is not None:
            level = "process" if isinstance(cache, (str, os.PathLike)) else "full"  # a KVStore has its own
            kept = open_engine(
                cache, durability=level, timeout=timeout, read_only=read_only, create=create, clock=clock, ids=ids
            )
            store._keep_answers_in(kept)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - a room of its own
        opened.pop_all()
    if store.pinned:
        store.close()
        raise ReadOnly(f"{branch!r} is no branch; connect to a branch, then checkout({branch!r})")
    return store
