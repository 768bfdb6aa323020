"""Goal: every engine keeps the same promises. Method: the public conformance suite, over each engine and the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.clock import Clock, Ids
from holdfast.engine.kv import Memory
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.testing import CHECKS, SESSION_CHECKS, EngineStore, Oracle, SessionStore, StoreUnderTest
from holdfast.testing.conformance import OpenSessionStore, OpenStore


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


def _name(value: Any) -> str:
    return str(value.__name__).removeprefix("check_").removeprefix("open_")


@pytest.mark.parametrize("open_store", [open_oracle, open_sqlite, open_memory], ids=_name)
@pytest.mark.parametrize("check", CHECKS, ids=_name)
def test_store(check: Callable[[OpenStore], None], open_store: OpenStore) -> None:
    check(open_store)


@pytest.mark.parametrize("open_store", [open_sqlite, open_memory], ids=_name)
@pytest.mark.parametrize("check", SESSION_CHECKS, ids=_name)
def test_sessions(check: Callable[[OpenSessionStore], None], open_store: OpenSessionStore) -> None:
    check(open_store)
