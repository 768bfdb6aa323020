"""The stores that properties are checked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from holdfast.core.clock import Clock, Ids
from holdfast.core.points import Point
from holdfast.engine.sqlite import SqliteEngine
from holdfast.errors import NotFound
from holdfast.testing import Oracle
from holdfast.testing.machine import Pair
from holdfast.testing.snapshots import Move
from holdfast.versions import history
from holdfast.versions.edits import Delete, Edit, Put


class MovingVersions(history.Versions):
    """`Versions` with an edit more: the UPDATE of a row's key, which users make with SQL."""

    def commit(self, branch: str, edits: Sequence[Edit | Move], message: str = "", metadata: object = None) -> str:
        with self.open_commit(branch, message, metadata) as writer:
            line = writer.opened
            seen = {**writer.vector(Point(line.uid, line.head)), line.uid: line.head + 1}
            for edit in edits:
                table = writer.catalogue().find(edit.table)
                if table is None:
                    raise NotFound(f"no table {edit.table!r}")
                if isinstance(edit, Put):
                    history._put(writer, table, seen, edit.values)
                elif isinstance(edit, Delete):
                    history._delete(writer, table, seen, edit)
                else:
                    row = history._find(writer, table, seen, edit.key)
                    if row is None:
                        raise NotFound(f"no row {edit.key!r}")
                    given = history._encoded(table, edit.values)
                    writer.update(table, row, [given.get(at, value) for at, value in enumerate(row.values)])
        return self.head(branch)


def oracle_pair(clock: Clock, ids: Ids) -> Pair:
    """Return another oracle: a machine that compares the oracle with itself can only fail by its own fault."""
    oracle = Oracle(clock, ids)
    return Pair(oracle, oracle, lambda: None)


def sqlite_pair(clock: Clock, ids: Ids) -> Pair:
    """Return two connections to an SQLite store."""
    engine = SqliteEngine.open(":memory:", clock=clock, ids=ids)
    return Pair(MovingVersions(engine.session(), ids), MovingVersions(engine.session(), ids), engine.close)


STORES: dict[str, Callable[[Any, Any], Pair]] = {"oracle": oracle_pair, "sqlite": sqlite_pair}
