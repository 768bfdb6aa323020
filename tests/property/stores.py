"""The stores that properties are checked on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from holdfast.core.clock import Clock, Ids
from holdfast.engine.kv import Cache, Disk, KVStore, Memory
from holdfast.engine.kv.valkey import Valkey
from holdfast.engine.postgres import PostgresEngine
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.testing import Oracle
from holdfast.testing.machine import Pair
from holdfast.versions.history import Versions
from tests import valkey_server
from tests.conftest import SOAK
from tests.postgresql import fresh_url


def oracle_pair(clock: Clock, ids: Ids) -> Pair:
    """Return another oracle: a machine that compares the oracle with itself can only fail by its own fault."""
    oracle = Oracle(clock, ids)
    return Pair(oracle, oracle, lambda: None)


def sqlite_pair(clock: Clock, ids: Ids) -> Pair:
    """Return two connections to an SQLite store."""
    engine = SqliteEngine.open(":memory:", clock=clock, ids=ids)
    return Pair(Versions(engine.session(), ids), Versions(engine.session(), ids), engine.close)


def memory_pair(clock: Clock, ids: Ids) -> Pair:
    """Return two connections to a tree in memory."""
    engine = TreeEngine.open(Memory(), clock=clock, ids=ids)
    return Pair(Versions(engine.session(), ids), Versions(engine.session(), ids), engine.close)


def disk_pair(clock: Clock, ids: Ids) -> Pair:
    """Return two connections to a tree in a folder."""
    return _folder_pair(clock, ids, lambda disk: disk)


def cached_pair(clock: Clock, ids: Ids) -> Pair:
    """Return two connections to a tree in a folder, with a cache that holds little of it."""
    return _folder_pair(clock, ids, lambda disk: Cache(disk, max_bytes=20_000))


def postgres_pair(clock: Clock, ids: Ids) -> Pair:
    """Return connections by two engines to a workspace in PostgreSQL."""
    url = fresh_url()
    engines = [PostgresEngine.open(url, clock=clock, ids=ids) for _ in range(2)]
    first, second = (Versions(engine.session(), ids) for engine in engines)

    def close() -> None:
        for engine in engines:
            engine.close()

    return Pair(first, second, close)


def valkey_pair(clock: Clock, ids: Ids) -> Pair:
    """Return connections by two engines to a workspace in Valkey, which know nothing of each other."""
    url = valkey_server.fresh_url()
    engines = [TreeEngine.open(Valkey(url), clock=clock, ids=ids) for _ in range(2)]
    first, second = (Versions(engine.session(), ids) for engine in engines)

    def close() -> None:
        for engine in engines:
            engine.close()

    return Pair(first, second, close)


def _folder_pair(clock: Clock, ids: Ids, before: Callable[[Disk], KVStore]) -> Pair:
    """Return connections by two engines that have nothing in common but the folder."""
    folder = tempfile.TemporaryDirectory()
    disks = [Disk(folder.name, durability="process") for _ in range(2)]
    engines = [TreeEngine.open(before(disk), clock=clock, ids=ids) for disk in disks]

    def close() -> None:
        for engine, disk in zip(engines, disks, strict=True):
            engine.close()
            disk.close()
        folder.cleanup()

    first, second = (Versions(engine.session(), ids) for engine in engines)
    return Pair(first, second, close)


STORES: dict[str, Callable[[Any, Any], Pair]] = {"oracle": oracle_pair, "sqlite": sqlite_pair, "memory": memory_pair}
if SOAK:
    STORES.update({"disk": disk_pair, "cached disk": cached_pair, "postgres": postgres_pair, "valkey": valkey_pair})
