"""The stores that properties are checked on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast.core.clock import Clock, Ids
from holdfast.engine.kv import Memory
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.testing import Oracle
from holdfast.testing.machine import Pair
from holdfast.versions.history import Versions


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


STORES: dict[str, Callable[[Any, Any], Pair]] = {"oracle": oracle_pair, "sqlite": sqlite_pair, "memory": memory_pair}
