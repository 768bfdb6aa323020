"""Goal: work costs what changed, never what exists. Method: count the engine's own steps at two sizes; no clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast

LAST = "SELECT note FROM steps WHERE run_id = 'r' ORDER BY step DESC LIMIT 1"
SMALL, LARGE = 1_000, 100_000


class Counted:
    """What SQLite did: statements, steps of its machine, and rows it passed in scans without an index."""

    def __init__(self) -> None:
        self.statements = 0
        self.steps = 0
        self.scanned = 0

    def __call__(self, event: dict[str, Any]) -> None:
        status = event["stmt_status"]
        self.statements += 1
        self.steps += status["SQLITE_STMTSTATUS_VM_STEP"]
        self.scanned += status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]


@contextmanager
def counted(store: holdfast.Store) -> Iterator[Counted]:
    connection = store._session._driver.connection  # type: ignore[attr-defined]
    counter = Counted()
    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, counter, id="cost")
    yield counter
    connection.trace_v2(0, None, id="cost")


def filled(path: Path, rows: int) -> holdfast.Store:
    db = holdfast.connect(path, durability="process")
    db.execute("CREATE TABLE steps (run_id TEXT, step INT, note TEXT, PRIMARY KEY (run_id, step))")
    db.executemany("INSERT INTO steps VALUES ('r', %s, 'n')", ([step] for step in range(rows)))
    return db


def change_both_sides(db: holdfast.Store) -> None:
    with db.branch("side") as side:
        side.execute("INSERT INTO steps VALUES ('s', 1, 'x')")
        side.execute("UPDATE steps SET note = 'side' WHERE step = 500 AND run_id = 'r'")
    db.execute("UPDATE steps SET note = 'main' WHERE step = 501 AND run_id = 'r'")


WORK: dict[str, Callable[[holdfast.Store], object]] = {
    "diff": lambda db: db.diff("main", "side"),
    "dry run": lambda db: db.merge("side", dry_run=True),
    "cherry-pick": lambda db: db.cherry_pick("side"),
    "revert": lambda db: db.revert("main"),
    "merge": lambda db: db.merge("side"),
    "branch": lambda db: db.branch("more"),
    "checkout": lambda db: db.checkout("side").head,
    "log": lambda db: db.log(limit=2),
    "last step": lambda db: db.execute(LAST).fetchone(),
    "insert": lambda db: db.execute("INSERT INTO steps VALUES ('t', 1, 'x')"),
    "update": lambda db: db.execute("UPDATE steps SET note = 'y' WHERE run_id = 'r' AND step = 7"),
}


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[holdfast.Store]]:
    """Return a small store and one a hundred times as large, with the same changes on two branches."""
    stores = [filled(tmp_path_factory.mktemp("cost") / f"{rows}.db", rows) for rows in (SMALL, LARGE)]
    for store in stores:
        change_both_sides(store)
    yield stores
    for store in stores:
        store.close()


@pytest.mark.slow
def test_w4_work_costs_the_same_in_a_store_a_hundred_times_as_large(sizes: list[holdfast.Store]) -> None:
    """Steps may differ by the depth of a B-tree. A scan of a table would be a hundred times as many."""
    for name, work in WORK.items():
        found = []
        for store in sizes:
            with counted(store) as counter:
                work(store)
            found.append(counter)
        small, large = found
        print(f"{name:11} {small.statements:3} statements, {small.steps:5} steps small, {large.steps:5} large")
        assert large.statements == small.statements, name
        assert large.steps <= small.steps * 1.2 + 50, name
        assert large.scanned <= small.scanned + 5, name


def test_d13_a_write_is_one_transaction(tmp_path: Path) -> None:
    """BEGIN, the branch with the schema, insert, read back, commit row, head, COMMIT."""
    with filled(tmp_path / "s.db", 10) as db:
        WORK["insert"](db)
        with counted(db) as counter:
            db.execute("INSERT INTO steps VALUES ('t', 2, 'x')")
        assert counter.statements <= 7
        with counted(db) as counter:
            WORK["last step"](db)
            WORK["last step"](db)
        assert counter.statements <= 12  # the first one makes the view, and asks whether lines are sealed


def test_w1_a_growing_table_writes_what_is_new(tmp_path: Path) -> None:
    """A hundred appended messages of 1 KB: pages of the log grow with the messages, not with the history."""
    path = tmp_path / "s.db"
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE messages (run_id TEXT, step INT, text TEXT, PRIMARY KEY (run_id, step))")
        connection = db._session._driver.connection  # type: ignore[attr-defined]
        connection.pragma("wal_autocheckpoint", 0)
        sizes = []
        for step in range(400):
            db.execute("INSERT INTO messages VALUES ('r', %s, %s)", [step, "m" * 1000])
            sizes.append((path.parent / "s.db-wal").stat().st_size)
    growth = [later - earlier for earlier, later in pairwise(sizes)]
    assert sum(growth[-50:]) <= sum(growth[50:100]) * 1.5


@pytest.mark.slow
def test_w1_the_thousandth_step_of_a_state_costs_what_the_tenth_did(tmp_path: Path) -> None:
    """Two messages and a key that each step sets: the key has as many versions as there were steps."""
    steps: dict[int, Counted] = {}
    with holdfast.connect(tmp_path / "s.db", durability="process") as db:
        db.state["messages"] = []
        for number in range(1_001):
            db.state["messages"] += [
                {"role": "user", "content": "m" * 900},
                {"role": "assistant", "content": "n" * 900},
            ]
            db.state["step"] = number
            with counted(db) as steps[number]:
                db.state.commit()
    early, late = steps[10], steps[1_000]
    assert late.statements == early.statements <= 60  # with those of triggers
    assert late.steps <= early.steps * 1.2 + 50


def test_a_state_that_is_committed_compiles_nothing_again(tmp_path: Path) -> None:
    """A head that moves is no part of a statement's text."""
    with holdfast.connect(tmp_path / "s.db", durability="process") as db:
        compiled: list[object] = []

        def ask(*name: object) -> int:
            compiled.append(name)
            return apsw.SQLITE_OK

        db._session._driver.connection.authorizer = ask  # type: ignore[attr-defined]
        for step in range(5):  # the first makes the tables, others their views
            del compiled[:]
            db.state["step"] = step
            db.state.setdefault("messages", []).append(step)
            db.state.commit()
        assert compiled == []


def test_a_statement_that_ran_is_not_compiled_again(tmp_path: Path) -> None:
    """SQLite asks the authorizer about every name that it meets while it compiles, and about nothing afterwards."""
    with filled(tmp_path / "s.db", 10) as db:
        compiled: list[object] = []

        def ask(*name: object) -> int:
            compiled.append(name)
            return apsw.SQLITE_OK

        db._session._driver.connection.authorizer = ask  # type: ignore[attr-defined]
        for step in range(3):
            del compiled[:]
            db.execute("INSERT INTO steps VALUES ('t', %s, 'x')", [step])
            db.execute("SELECT note FROM steps WHERE run_id = %s AND step > %s", ["t", 0]).fetchall()
        assert compiled == []


def test_a_pattern_that_is_a_parameter_is_looked_up_in_the_index(tmp_path: Path) -> None:
    """SQLite can do so only if it plans for the pattern; a scan of the thousand rows would take ten thousand steps."""
    with holdfast.connect(tmp_path / "s.db", durability="process") as db:
        db.execute("CREATE TABLE names (name TEXT PRIMARY KEY)")
        db.executemany("INSERT INTO names VALUES (%s)", [[f"n{number}"] for number in range(1_000)])
        for pattern, found in (("n99%", 11), ("n7_", 10), ("n5%", 111)):
            with counted(db) as counter:
                assert db.execute("SELECT name FROM names WHERE name LIKE %s", [pattern]).rowcount == found
            assert counter.steps < 3_000
