"""The operations that are killed at each of their points.

To add one, add a line to `OPERATIONS`: what is done to a store, what is prepared before, and how many commits (or
changes of a name) it makes. One that makes the store itself, or upgrades a file of an older format while it is opened,
has a `file` of its own instead and nothing to `run`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import apsw

import holdfast
from holdfast.capture.importing import import_trace
from holdfast.engine.turns import queue
from holdfast.testing import FakeClock, SeededIds


def connect(path: Path, durability: str = "full", seed: int = 0) -> holdfast.Store:
    """Open a store whose commits depend on the seed alone."""
    return holdfast.connect(path, durability=durability, timeout=10, clock=FakeClock(), ids=SeededIds(seed))


def usual_file(path: Path) -> None:
    """Make a store with two branches that touched the same row, a tag, and a table with every kind of constraint."""
    with connect(path, seed=1) as db:
        db.execute(
            "CREATE TABLE steps (run_id TEXT, step INT, note TEXT NOT NULL, state JSONB, PRIMARY KEY (run_id, step))"
        )
        db.execute("CREATE TABLE names (name TEXT UNIQUE, count INT CHECK (count >= 0))")
        rows = [["r", step, f"note {step}", {"at": step}] for step in range(1, 6)]
        db.executemany("INSERT INTO steps VALUES (%s, %s, %s, %s)", rows)
        db.tag("first")
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'side' WHERE step = 2")
            side.execute("INSERT INTO steps VALUES ('side', 1, 'new', NULL)")
        with db.branch("apart") as apart:
            apart.execute("INSERT INTO names VALUES ('apart', 1)")
            apart.execute("DELETE FROM steps WHERE step = 5")
        db.execute("UPDATE steps SET note = 'main' WHERE step = 2")


def old_file(path: Path) -> None:
    """Make a store of format 1."""
    raw = apsw.Connection(str(path))
    raw.execute((Path(__file__).parents[1] / "data" / "format-1.sql").read_text())
    raw.pragma("journal_mode", "wal")
    raw.close()


def no_file(path: Path) -> None:
    """Leave nothing there."""


def nothing(db: holdfast.Store) -> None:
    """Opening is all."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is done to a store while it is killed.

    Attributes:
        run: does it.
        prepare: what is done to the store before, unharmed.
        commits: how many times it changes what others see; each of them may be the last.
        file: makes the file that it starts with.
        checkpoint_pages: see `CrashingDisk`.
        in_parts: whether what is refused may be done in part; to do it again does the rest.
    """

    run: Callable[[holdfast.Store], object]
    prepare: Callable[[holdfast.Store], object] = nothing
    commits: int = 1
    file: Callable[[Path], None] = usual_file
    checkpoint_pages: int | None = None
    in_parts: bool = False


def _sql(*statements: str) -> Callable[[holdfast.Store], None]:
    def run(db: holdfast.Store) -> None:
        for statement in statements:
            db.execute(statement)

    return run


def _several(db: holdfast.Store) -> None:
    with db.transaction("several", {"why": "test"}):
        db.execute("INSERT INTO steps VALUES ('t', 1, 'a', NULL)")
        db.execute("UPDATE steps SET note = 'b' WHERE run_id = 't' OR step = 1")
        db.execute("DELETE FROM steps WHERE step = 3")
        db.execute("INSERT INTO names VALUES ('t', 3)")


def _taken_back(db: holdfast.Store) -> None:
    class Undo(Exception):
        pass

    with contextlib.suppress(Undo), db.transaction():
        db.execute("UPDATE steps SET note = 'never seen'")
        raise Undo


def _nested(db: holdfast.Store) -> None:
    with db.transaction("nested"):
        db.execute("INSERT INTO steps VALUES ('outer', 1, 'kept', NULL)")
        _taken_back(db)
        with db.transaction():
            db.execute("INSERT INTO steps VALUES ('inner', 1, 'kept', NULL)")


def _refused(db: holdfast.Store) -> None:
    try:
        db.execute("INSERT INTO names VALUES ('a', 1), ('a', 1)")
    except holdfast.ConstraintFailed:
        return
    raise AssertionError("a name was taken twice")


def _write_on_branch(db: holdfast.Store) -> None:
    with db.checkout("apart") as apart:
        apart.execute("INSERT INTO steps VALUES ('apart', 1, 'x', '[1, 2]')")


def _import(db: holdfast.Store) -> None:
    trace = Path(db.url).with_name("calls.jsonl")
    for number in range(2):
        import_trace(db, trace.with_name(f"{number}-{trace.name}"))


def _write_traces(db: holdfast.Store) -> None:
    trace = Path(db.url).with_name("calls.jsonl")
    for number in range(2):
        messages = [{"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": "x" * 5000}]
        trace.with_name(f"{number}-{trace.name}").write_text(json.dumps({"messages": messages}) + "\n")


def _many_commits(db: holdfast.Store) -> None:
    done = db.execute("SELECT count(*) AS n FROM steps WHERE run_id = 'many'").fetchall()[0]["n"]
    for step in range(done, 6):  # it can be done again
        db.execute("INSERT INTO steps VALUES ('many', %s, %s, NULL)", [step, "x" * 3000])


def _family(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE parents (id INT PRIMARY KEY)")
    db.execute("CREATE TABLE goes (k INT PRIMARY KEY, p INT REFERENCES parents ON DELETE CASCADE)")
    db.execute("CREATE TABLE stays (k INT PRIMARY KEY, p INT REFERENCES parents ON DELETE SET NULL)")
    db.execute("INSERT INTO parents VALUES (1), (2)")
    for child in ("goes", "stays"):
        db.execute(f"INSERT INTO {child} VALUES (10, 1), (11, 1), (12, 2)")


UPSERT = (
    "INSERT INTO steps VALUES ('r', 3, 'there', NULL), ('r', 9, 'new', NULL)"
    " ON CONFLICT (run_id, step) DO UPDATE SET note = excluded.note RETURNING step, note"
)


def _upsert(db: holdfast.Store) -> None:
    assert db.execute(UPSERT).fetchall() == [{"step": 3, "note": "there"}, {"step": 9, "note": "new"}]


def _leftovers(db: holdfast.Store) -> None:
    """Leave to gc commits nobody sees, old versions, and a branch that was merged and is finished."""
    with db.branch("gone") as gone:
        gone.execute("INSERT INTO steps VALUES ('gone', 1, 'gone', NULL)")
        gone.execute("UPDATE steps SET note = 'gone' WHERE step < 3")
    db.delete_branch("gone")
    db.merge("apart")
    db.delete_branch("apart")
    db.execute("UPDATE steps SET note = 'newer' WHERE step > 3")


def _runs(db: holdfast.Store) -> None:
    """Leave a run that is complete, and one that nobody has begun."""
    with db.run("r", input=1) as run:
        run.state["at"] = run.input
        run.log("note", "before")
        run.db.execute("INSERT INTO names VALUES (%s, 1)", [run.run_id])
        run.result = run.step("add", int, "2")
    db.start("agent", "waits", 2)


def _fork(db: holdfast.Store) -> None:
    with db.run("forked", fork="r", before_step=1) as run:
        run.log("note", "after")


def _together(db: holdfast.Store) -> None:
    """Let threads write while all of them stand in the line, so that one writes for all, in one transaction."""
    queue.GROUP_SECONDS_MAX = 60  # else a slow machine makes two groups
    line = db._engine._queue._line  # type: ignore[attr-defined]
    insert = "INSERT INTO steps VALUES ('together', %s, %s, NULL) ON CONFLICT DO NOTHING"
    with ThreadPoolExecutor(3) as pool:
        with db.transaction():
            writing = []
            for n in range(3):
                writing.append(pool.submit(db.checkout("main").execute, insert, [n, "x" * 500]))
                while len(line) <= n:
                    time.sleep(0)
        for one in writing:
            one.result()


OPERATIONS: dict[str, Operation] = {
    "create a store": Operation(nothing, file=no_file),
    "open and close": Operation(nothing, commits=0),
    "create a table": Operation(_sql("CREATE TABLE calls (id INT PRIMARY KEY, tool TEXT, UNIQUE (tool))")),
    "insert": Operation(_sql("INSERT INTO steps VALUES ('r', 9, 'new', '{}')")),
    "insert a large value": Operation(lambda db: db.execute("INSERT INTO names VALUES (%s, 1)", ["x" * 40_000])),
    "update": Operation(_sql("UPDATE steps SET note = 'again' WHERE step > 2")),
    "delete": Operation(_sql("DELETE FROM steps WHERE step IN (1, 4)")),
    "executemany": Operation(
        lambda db: db.executemany("INSERT INTO names VALUES (%s, %s)", [[f"n{n}", n] for n in range(40)])
    ),
    "transaction of several": Operation(_several),
    "nested savepoints": Operation(_nested),
    "refused by a constraint": Operation(_refused, commits=0),
    "transaction taken back": Operation(_taken_back, commits=0),
    "branch": Operation(lambda db: db.branch("new").close()),
    "write on another branch": Operation(_write_on_branch),
    "delete_branch": Operation(lambda db: db.delete_branch("side")),
    "reset": Operation(lambda db: db.reset("first")),
    "tag": Operation(lambda db: db.tag("second")),
    "delete_tag": Operation(lambda db: db.delete_tag("first")),
    "merge": Operation(lambda db: db.merge("apart")),
    "merge with conflicts": Operation(lambda db: db.merge("side", policy="theirs")),
    "merge again": Operation(lambda db: db.merge("apart"), lambda db: db.merge("apart"), commits=0),
    "cherry-pick": Operation(lambda db: db.cherry_pick("side")),
    "revert": Operation(lambda db: db.revert("main")),
    "gc": Operation(lambda db: db.gc(keep_last=1, budget=2), _leftovers, commits=0, in_parts=True),
    "erase": Operation(lambda db: db.erase({"steps": {"step": 2}}, texts=True), in_parts=True),
    "upsert that returns rows": Operation(_upsert),
    "add a column": Operation(_sql("ALTER TABLE steps ADD COLUMN cost INT NOT NULL DEFAULT 7")),
    "create an index": Operation(_sql("CREATE INDEX by_note ON steps (note)")),
    "delete by foreign keys": Operation(_sql("DELETE FROM parents WHERE id = 1"), _family),
    "start a run": Operation(lambda db: db.start("agent", "new", {"n": 1}), _runs),
    "fork a run": Operation(_fork, _runs, commits=2, in_parts=True),
    "cancel a run": Operation(lambda db: db.cancel("waits"), _runs),
    "forget runs": Operation(lambda db: db.gc(keep=0), _runs, in_parts=True),
    "upgrade from format 1": Operation(nothing, commits=0, file=old_file),
    "several threads together": Operation(_together),
    "import of traces": Operation(_import, _write_traces, commits=3),
    "commits between checkpoints": Operation(_many_commits, commits=6, checkpoint_pages=8),
}
