"""Goal: a copy has all of a store, on whatever engine. Method: stores with everything, copied there and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast import Disk, Memory, aio
from holdfast.engine.urls import open_engine
from holdfast.errors import AlreadyExists, InvalidValue, NotFound, StoreCorrupt, StoreUnavailable, Unsupported
from holdfast.testing import FakeClock, SeededIds
from holdfast.versions.copying import Copying
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions
from tests import valkey_server
from tests.postgresql import fresh_url

KINDS = ("file", "memory", "folder", "postgres", "valkey")


class Places:
    """Hands out places for stores."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def new(self, kind: str) -> Any:
        """Return what opens a store that is not there yet."""
        self._number += 1
        path = self._folder / f"{kind}-{self._number}"
        made: dict[str, Callable[[], Any]] = {
            "file": lambda: path.with_suffix(".db"),
            "memory": Memory,
            "folder": lambda: Disk(path),
            "postgres": fresh_url,
            "valkey": valkey_server.fresh_url,
        }
        return made[kind]()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def told(place: Any) -> dict[str, Any]:
    """Return what a store answers: names, logs, what each commit that can be checked out shows and changed, runs."""
    engine = open_engine(place, read_only=True)
    try:
        versions = Versions(engine.session())
        branches = versions.branches()
        logs = {branch.name: versions.log(branch.name) for branch in branches}
        commits = {commit.hash: commit for log in logs.values() for commit in log}
        shown = {digest: versions.snapshot(digest) for digest, commit in commits.items() if not commit.pruned}
        diffs = {
            digest: repr(versions.diff(commits[digest].parents[0], digest))
            for digest in shown
            if commits[digest].parents[:1] and commits[digest].parents[0] in shown
        }
        return {
            "branches": branches, "tags": versions.tags(), "logs": logs, "shown": shown, "diffs": diffs,
            "verified": str(versions.verify()),
        }  # fmt: skip
    finally:
        engine.close()


def with_everything(place: Any) -> None:
    """Make a store whose schema changed in all ways, on branches, with something erased, pruned and sealed."""
    with holdfast.connect(place) as db:
        db.execute("CREATE TABLE parents (id INT PRIMARY KEY, name TEXT)")
        db.execute("""CREATE TABLE notes (id INT PRIMARY KEY, text TEXT, cost NUMERIC(10, 4), at TIMESTAMP,
            state JSONB, embedding VECTOR(2), parent INT,
            CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parents (id), CONSTRAINT positive CHECK (id > 0))""")
        db.execute("CREATE TABLE lines (line TEXT, size REAL)")
        db.execute("INSERT INTO parents VALUES (1, 'one')")
        many = [[n, f"word {n} apple", f"{n}.50", {"n": [n, None]}, [n, 0.5], 1] for n in range(1, 6)]
        db.executemany("INSERT INTO notes VALUES (%s, %s, %s, NOW(), %s, %s, %s)", many)
        db.execute("INSERT INTO lines VALUES ('same', 1e300), ('same', -0.0)")
        for name in ("side", "done"):
            with db.branch(name) as branch:
                branch.execute("UPDATE notes SET text = %s WHERE id = 1", [name])
                branch.execute("INSERT INTO notes (id, text) VALUES (%s, 'pears')", [len(name) + 10])
                branch.execute("DELETE FROM lines")
        db.execute("ALTER TABLE notes ADD COLUMN level INT NOT NULL DEFAULT 7")
        db.execute("ALTER TABLE notes ADD COLUMN word TEXT DEFAULT 'it''s'")
        db.execute("UPDATE notes SET level = 8 WHERE id = 2")
        db.execute("ALTER TABLE notes RENAME COLUMN text TO body")
        db.execute("CREATE UNIQUE INDEX by_level ON notes (level, id)")
        db.execute("CREATE INDEX words ON notes USING gin (to_tsvector('english', body))")
        db.merge("done", policy="theirs")
        db.merge("side", policy="ours")
        db.execute("ALTER TABLE notes DROP CONSTRAINT of_parent")
        db.execute("ALTER TABLE notes DROP COLUMN parent")
        db.execute("DROP TABLE parents")
        with db.transaction("made and dropped at once"):
            db.execute("CREATE TABLE gone (id INT PRIMARY KEY)")
            db.execute("INSERT INTO gone VALUES (1)")
            db.execute("DROP TABLE gone")
        db.execute("CREATE TABLE rest (id INT PRIMARY KEY, x TEXT)")
        db.execute("INSERT INTO rest VALUES (1, 'x')")
        with db.transaction("emptied and dropped at once"):
            db.execute("DELETE FROM rest")
            db.execute("DROP TABLE rest")
        db.execute("UPDATE notes SET cost = cost + 1 WHERE id < 4")
        db.tag("then")
        db.execute("DELETE FROM notes WHERE id = 5")
        db.delete_branch("done")
        db.state["plan"] = {"steps": [1, 2, {"deep": b"\x00" * 5_000}]}
        db.state.commit("planned")
        db.gc(keep_last=4)
        db.execute("UPDATE notes SET body = 'last' WHERE id = 3")
        db.erase({"notes": [2]}, texts=True)


def without_check(place: Any) -> None:
    with holdfast.connect(place) as db:
        db.execute("ALTER TABLE notes DROP CONSTRAINT positive")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_everything_answers_the_same_there_and_back(places: Places, kind: str) -> None:
    source, there, back = places.new("file"), places.new(kind), places.new("file")
    with_everything(source)
    if kind != "file":
        without_check(source)
    found = holdfast.copy(source, there)
    assert (found.commits, found.commits_present) == (found.commits_total, 0)
    assert told(source) == told(there)
    holdfast.copy(there, back)
    assert told(source) == told(back)
    questions = [
        "SELECT id, body, cost, state, level, word FROM notes ORDER BY id",
        "SELECT id FROM notes WHERE to_tsvector('english', body) @@ plainto_tsquery('english', 'apples') ORDER BY id",
        "SELECT id FROM notes ORDER BY embedding <-> '[1, 1]' LIMIT 3",
        'SELECT id, text, parent FROM "notes@side" ORDER BY id',
        "SELECT * FROM lines ORDER BY size",
    ]
    with holdfast.connect(source) as one, holdfast.connect(back) as other:
        for question in questions[:3] + questions[4:]:
            assert one.execute(question).fetchall() == other.execute(question).fetchall()
        assert other.state["plan"] == one.state["plan"]
        for db in (one, other):
            with pytest.raises(holdfast.ConstraintFailed):
                db.execute("INSERT INTO notes (id, level) VALUES (1, 1)")


@pytest.mark.parametrize("kind", KINDS)
def test_a_unique_that_came_later_holds_in_the_copy_for_rows_from_before(places: Places, kind: str) -> None:
    source, there = places.new("file"), places.new(kind)
    with holdfast.connect(source) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, x TEXT, y TEXT UNIQUE)")
        db.execute("INSERT INTO t VALUES (1, 'a', 'b')")
        db.execute("CREATE UNIQUE INDEX by_x ON t (x)")
        db.execute("ALTER TABLE t DROP CONSTRAINT t_y_key")
    holdfast.copy(source, there)
    engine = open_engine(there)
    versions = Versions(engine.session())
    with pytest.raises(holdfast.ConstraintFailed):
        versions.commit("main", [Put("t", {"id": 2, "x": "a", "y": "c"})])
    versions.commit("main", [Put("t", {"id": 2, "x": "b", "y": "b"})])
    versions.verify()
    engine.close()


@pytest.mark.parametrize(("kind", "column"), [("memory", "id INT PRIMARY KEY CHECK (id > 0)"), ("postgres", "id")])
def test_a_table_that_the_target_cannot_keep_is_refused_before_anything_is_copied(
    places: Places, kind: str, column: str
) -> None:
    source, target = places.new("file"), places.new(kind)
    with holdfast.connect(source) as db:
        db.execute(f"CREATE TABLE t ({column})")
    with pytest.raises(Unsupported, match=r"CHECK|has no type"):
        holdfast.copy(source, target)
    with holdfast.connect(target) as db:
        assert [commit.message for commit in db.log()] == ["store created"]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_a_run_goes_on_in_the_copy_and_its_steps_do_not_run_again(places: Places, source: str, target: str) -> None:
    here, there = places.new(source), places.new(target)
    calls: list[str] = []

    def step(name: str) -> dict[str, str]:
        calls.append(name)
        return {"of": name}

    def body(db: holdfast.Store) -> Any:
        with db.run("r", input={"q": 1}) as run:
            run.step("one", step, "one")
            run.state["notes"] = ["kept"]
            run.result = (run.wait("go"), run.step("two", step, "two"), run.state["notes"])
        return run.status

    with holdfast.connect(here) as db:
        assert body(db) == "suspended"
        with db.run("done", input={}) as run:
            run.result = run.step("only", step, "only")
        with pytest.raises(RuntimeError), db.run("failed", input={}) as run:
            run.step("first", step, "first")
            raise RuntimeError("so it is")
        db.signal("r", "go", {"by": "ann"})
        assert db.cache.options(ttl="1h", name="step").call(step, "cached") == {"of": "cached"}
        infos, events = db.runs(), [list(db.events(name)) for name in ("r", "done", "failed")]
    assert calls == ["one", "only", "first", "cached"]
    holdfast.copy(here, there)
    with holdfast.connect(there) as db:
        assert db.runs() == infos
        assert [list(db.events(name)) for name in ("r", "done", "failed")] == events
        assert db.run("done").result == {"of": "only"}
        assert db.cache.options(ttl="1h", name="step").call(step, "cached") == {"of": "cached"}
        assert body(db) == "complete"
        assert calls == ["one", "only", "first", "cached", "two"]
        assert db.run("r").result[0] == {"by": "ann"}
        assert db.run("r").result[2] == ["kept"]
        db.verify()
    with holdfast.connect(here) as db:
        assert db.run("r").status == "queued"  # since it was sent a signal


def test_a_run_that_somebody_works_on_is_free_in_the_copy(places: Places) -> None:
    """Its lease is about the source alone."""
    here, there = places.new("file"), places.new("memory")
    with holdfast.connect(here) as db, db.run("r", input={}) as run:
        run.step("one", lambda: 1)
        holdfast.copy(here, there)
        with holdfast.connect(there) as copy, copy.run("r", input={}) as again:
            assert again.step("one", lambda: 2) == 1
            again.result = again.step("two", lambda: 2)
        run.result = run.step("two", lambda: 3)
    with holdfast.connect(there) as copy:
        assert copy.run("r").result == 2


def test_the_source_is_read_in_one_snapshot_beside_its_writers(places: Places) -> None:
    here, there = places.new("file"), places.new("memory")
    with holdfast.connect(here) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        for number in range(10):
            db.execute("INSERT INTO t VALUES (%s)", [number])
        before = told(here)

        reports = 0

        def interfere(_: object) -> None:
            nonlocal reports
            reports += 1
            with db.branch("late", at="main") as late:
                late.execute("INSERT INTO t VALUES (%s)", [100 + reports])
            db.merge("late")
            db.delete_branch("late")
            db.tag(f"late-{reports}")
            db.gc(keep_last=1)

        one, other = open_engine(here, read_only=True), open_engine(there)
        Copying(one.session(), other.session(), interfere, batch=3).run()
        other.close()
        one.close()
        assert reports > 3
        assert told(there) == before


class _Stopped(Exception):
    pass


def part(here: Any, there: Any, batches: int) -> None:
    """Begin a copy, and stop it."""
    reports = 0

    def stop(_: object) -> None:
        nonlocal reports
        reports += 1
        if reports == batches:
            raise _Stopped

    one, other = open_engine(here, read_only=True), open_engine(there)
    with pytest.raises(_Stopped):
        Copying(one.session(), other.session(), stop, batch=1).run()
    other.close()
    one.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unfinished_is_no_store(places: Places, kind: str) -> None:
    here, there, third = places.new("file"), places.new(kind), places.new("memory")
    with holdfast.connect(here) as db:
        db.state["x"] = 1
        head = db.state.commit("x")
        db.tag("v1")
    part(here, there, 1)
    for name in ("main", "v1", head):
        with pytest.raises(StoreUnavailable, match="run holdfast copy again"):
            holdfast.connect(there, branch=name if name != head else "0" * 40)
    with pytest.raises(StoreUnavailable, match="run holdfast copy again"):
        holdfast.Versioned(there)
    with pytest.raises(StoreUnavailable, match="run holdfast copy again"):
        holdfast.copy(there, third)
    with pytest.raises(NotFound):
        holdfast.connect(third, create=False)
    found = holdfast.copy(here, there)
    assert (found.commits, found.commits_present) == (1, 1)
    assert told(here) == told(there)


class TestRefused:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_store_with_a_history_of_its_own(self, places: Places, kind: str) -> None:
        here = places.new("file")
        holdfast.connect(here).close()

        def used(use: Callable[[holdfast.Store], object]) -> None:
            there = places.new(kind)
            with holdfast.connect(there) as db:
                use(db)
            before = told(there)
            with pytest.raises(AlreadyExists, match="name a new store"):
                holdfast.copy(here, there)
            assert told(there) == before

        def remember(db: holdfast.Store) -> None:
            db.state["x"] = 1
            db.state.commit("x")

        used(remember)
        used(lambda db: db.branch("a"))
        used(lambda db: db.tag("v1"))
        used(lambda db: db.start("agent", run_id="r"))
        used(lambda db: db.cache.options(ttl="1h", name="upper").call("a".upper))

    def test_a_copy_that_was_written_to(self, places: Places) -> None:
        """Whatever it was: a commit, a name, a signal, an answer, a removal."""
        here = places.new("file")
        with holdfast.connect(here) as db:
            db.state["x"] = 1
            db.state.commit("x")
            db.start("agent", run_id="r")

        def used(use: Callable[[holdfast.Store], object]) -> None:
            there = places.new("memory")
            holdfast.copy(here, there)
            assert holdfast.copy(here, there).names == 0
            with holdfast.connect(there) as db:
                use(db)
            before = told(there)
            with pytest.raises(AlreadyExists, match="changed by itself"):
                holdfast.copy(here, there)
            assert told(there) == before

        def remember(db: holdfast.Store) -> None:
            db.state["x"] = 2
            db.state.commit("x")

        used(remember)
        used(lambda db: db.tag("v1"))
        used(lambda db: db.signal("r", "go", 1))
        used(lambda db: db.cache.options(ttl="1h", name="upper").call("a".upper))
        used(lambda db: db.erase({"state": [("", "x")]}))
        used(lambda db: db.gc(keep_last=1))

    def test_another_copy_of_the_same_store_as_a_source(self, places: Places) -> None:
        """A moved store goes on elsewhere: the first one is not its source any more."""
        first, second, third = places.new("file"), places.new("memory"), places.new("file")
        holdfast.connect(first).close()
        holdfast.copy(first, second)
        with holdfast.connect(second) as db:
            db.state["x"] = 1
            db.state.commit("the only one")
        holdfast.copy(second, third)
        with pytest.raises(AlreadyExists, match="another store"):
            holdfast.copy(first, third)
        assert holdfast.copy(second, third).names == 0
        with holdfast.connect(third) as db:
            assert db.state["x"] == 1

    def test_a_source_that_lost_commits(self, places: Places) -> None:
        here, there = places.new("file"), places.new("memory")
        with holdfast.connect(here) as db:
            with db.branch("a") as a:
                a.state["x"] = 1
                a.state.commit("only there")
            holdfast.copy(here, there)
            db.delete_branch("a")
            db.tag("v1")
            assert holdfast.copy(here, there).names == 2
            db.gc()
            db.state["x"] = 2
            db.state.commit("x")
        with pytest.raises(AlreadyExists, match="does not have any more"):
            holdfast.copy(here, there)

    def test_a_source_that_is_not_there_makes_no_target(self, places: Places, tmp_path: Path) -> None:
        target = tmp_path / "target.db"
        with pytest.raises(NotFound):
            holdfast.copy(tmp_path / "nothing.db", target)
        with pytest.raises(NotFound):
            holdfast.copy(places.new("postgres"), target)
        with pytest.raises(NotFound):
            holdfast.copy(Memory(), target)
        with pytest.raises(InvalidValue):
            holdfast.copy(":memory:", target)
        with pytest.raises(StoreUnavailable):
            holdfast.copy("postgresql://nobody@localhost:1/nothing", target)
        assert not target.exists()

    def test_a_store_as_a_copy_of_itself(self, places: Places) -> None:
        for kind in KINDS:
            here = places.new(kind)
            holdfast.connect(here).close()
            with pytest.raises(AlreadyExists, match="the source itself"):
                holdfast.copy(here, here)
            holdfast.connect(here).close()

    def test_a_damaged_source_leaves_the_target_unfinished(self, tmp_path: Path) -> None:
        here, there = tmp_path / "here.db", Memory()
        with holdfast.connect(here) as db:
            db.execute("CREATE TABLE t (id INT PRIMARY KEY, x TEXT)")
            db.execute("INSERT INTO t VALUES (1, 'a')")
        connection = apsw.Connection(str(here))
        connection.execute("UPDATE hf_v1 SET c2 = 'b'")
        connection.close()
        with pytest.raises(StoreCorrupt, match="stays unfinished"):
            holdfast.copy(here, there)
        with pytest.raises(StoreUnavailable):
            holdfast.connect(there)


@pytest.mark.parametrize("kind", KINDS)
def test_what_became_of_the_source_is_brought_over(places: Places, kind: str) -> None:
    """New commits, schemas, names and entries, and what gc and erasures left; nothing of that lingers."""
    here, there = places.new("file"), places.new(kind)
    with holdfast.connect(here, clock=FakeClock(), ids=SeededIds()) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, x TEXT)")
        db.execute("INSERT INTO t VALUES (1, 'secret words'), (2, 'b')")
        db.start("agent", run_id="r")
        db.tag("old")
        assert holdfast.copy(here, there).commits == 3 + 1
        for text in "cde":
            db.execute("UPDATE t SET x = %s WHERE id = 2", [text])
        db.execute("ALTER TABLE t ADD COLUMN n INT DEFAULT 5")
        with db.branch("a") as a:
            a.execute("INSERT INTO t VALUES (3, 'f', 6)")
        db.merge("a")
        db.signal("r", "go", 1)
        db.tag("new")
        found = holdfast.copy(here, there)
        assert found.commits == 6
        assert told(here) == told(there)
        db.delete_tag("old")
        db.erase({"t": [1]}, texts=True)
        db.gc(keep_last=1)
        found = holdfast.copy(here, there)
        assert (found.commits, found.names > 0) == (0, True)
        assert told(here) == told(there)
        assert holdfast.copy(here, there).names == 0
    if kind == "file":
        assert b"secret words" not in there.read_bytes()


def test_the_async_twin_copies_and_stops_when_it_is_cancelled(places: Places) -> None:
    here, there, third = places.new("file"), places.new("memory"), places.new("memory")
    with holdfast.connect(here) as db:
        db.state["x"] = 1
        db.state.commit("x")

    async def main() -> None:
        reports: list[holdfast.Copied] = []
        assert await aio.copy(here, there, progress=reports.append) == reports[-1].__class__(2, 0, 2, 1, 0, 1)
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()

        def begin(_: object) -> None:
            loop.call_soon_threadsafe(begun.set)

        task = asyncio.create_task(aio.copy(here, third, progress=begin))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert told(here) == told(there)


def test_two_copies_at_once_end_as_one(places: Places) -> None:
    """The one that began later goes on; the other is told."""
    here, there = places.new("file"), places.new("memory")
    with holdfast.connect(here) as db:
        for number in range(3):
            db.state["x"] = number
            db.state.commit("x")
    one, other = open_engine(here, read_only=True), open_engine(there)
    second: list[holdfast.Copied] = []

    def meet(_: object) -> None:
        if not second:
            second.append(holdfast.copy(here, there))

    with pytest.raises(holdfast.Fenced, match="another copy"):
        Copying(one.session(), other.session(), meet, batch=1).run()
    one.close()
    other.close()
    assert told(here) == told(there)
