"""Goal: every engine keeps the same promises. Method: the public conformance suite, over each engine and the oracle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.clock import Clock, Ids
from holdfast.engine.kv import Cache, Disk, Memory
from holdfast.engine.kv.valkey import Valkey
from holdfast.engine.postgres import PostgresEngine
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.testing import CHECKS, SESSION_CHECKS, EngineStore, Oracle, SessionStore, StoreUnderTest
from holdfast.testing.conformance import OpenSessionStore, OpenStore
from tests import valkey_server
from tests.kv_stores import SixMethods
from tests.postgresql import fresh_url


class OracleStore:
    """The oracle as a store under test: all connections are the oracle itself."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._oracle = Oracle(clock, ids)

    def versions(self) -> Oracle:
        return self._oracle

    def close(self) -> None:
        pass


def open_oracle(clock: Clock, ids: Ids) -> StoreUnderTest:
    return OracleStore(clock, ids)


def open_sqlite(clock: Clock, ids: Ids) -> SessionStore:
    return EngineStore(SqliteEngine.open(":memory:", clock=clock, ids=ids), ids)


def open_memory(clock: Clock, ids: Ids) -> SessionStore:
    return EngineStore(TreeEngine.open(Memory(), clock=clock, ids=ids), ids)


class FolderStore(EngineStore):
    """A tree in a folder, which goes with it."""

    def __init__(self, clock: Clock, ids: Ids, *, cached: bool) -> None:
        self._folder = tempfile.TemporaryDirectory()
        disk = Disk(Path(self._folder.name, "store"))
        self._store = Cache(disk, max_bytes=100_000) if cached else disk
        super().__init__(TreeEngine.open(self._store, clock=clock, ids=ids), ids)

    def close(self) -> None:
        super().close()
        self._store.close()
        self._folder.cleanup()


def open_disk(clock: Clock, ids: Ids) -> SessionStore:
    return FolderStore(clock, ids, cached=False)


def open_cached_disk(clock: Clock, ids: Ids) -> SessionStore:
    return FolderStore(clock, ids, cached=True)


def open_postgres(clock: Clock, ids: Ids) -> SessionStore:
    return EngineStore(PostgresEngine.open(fresh_url(), clock=clock, ids=ids), ids)


def open_postgres_16(clock: Clock, ids: Ids) -> SessionStore:
    return EngineStore(PostgresEngine.open(fresh_url(16), clock=clock, ids=ids), ids)


def open_valkey(clock: Clock, ids: Ids) -> SessionStore:
    store = Valkey(valkey_server.fresh_url(), durability="process")
    return EngineStore(TreeEngine.open(store, clock=clock, ids=ids), ids)


def open_six_methods(clock: Clock, ids: Ids) -> SessionStore:
    return EngineStore(TreeEngine.open(SixMethods(), clock=clock, ids=ids), ids)


ENGINES = [
    open_sqlite,
    open_memory,
    open_disk,
    open_cached_disk,
    open_six_methods,
    open_postgres,
    open_postgres_16,
    open_valkey,
]


def _name(value: Any) -> str:
    return str(value.__name__).removeprefix("check_").removeprefix("open_")


@pytest.mark.parametrize("open_store", [open_oracle, *ENGINES], ids=_name)
@pytest.mark.parametrize("check", CHECKS, ids=_name)
def test_store(check: Callable[[OpenStore], None], open_store: OpenStore) -> None:
    check(open_store)


@pytest.mark.parametrize("open_store", ENGINES, ids=_name)
@pytest.mark.parametrize("check", SESSION_CHECKS, ids=_name)
def test_sessions(check: Callable[[OpenSessionStore], None], open_store: OpenSessionStore) -> None:
    check(open_store)
