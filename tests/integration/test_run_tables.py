"""Goal: what a run writes into tables is its own until its next step, and then there at once with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Context
from tests.postgresql import fresh_url


class BoomError(Exception):
    """What ends a body."""


@pytest.fixture(params=["file", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[holdfast.Store]:
    with holdfast.connect(tmp_path / "s.db" if request.param == "file" else fresh_url()) as store:
        store.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, at TIMESTAMP DEFAULT NOW())")
        store.execute("CREATE TABLE plain (text TEXT)")
        store.execute("CREATE TABLE parts (note INT REFERENCES notes (id) ON DELETE CASCADE, n INT)")
        store.execute("INSERT INTO plain VALUES ('base')")
        yield store


def texts(store: Any, table: str = "notes") -> list[str]:
    return [row["text"] for row in store.execute(f"SELECT text FROM {table} ORDER BY text").fetchall()]


def begin(db: holdfast.Store, body: Callable[[holdfast.Run], object], run_id: str = "r", **wish: Any) -> holdfast.Run:
    with db.run(run_id, **wish) as run:
        body(run)
    return run


def test_what_waits_is_read_by_the_run_alone_and_lands_with_the_step(db: holdfast.Store) -> None:
    with db.run("r") as run:
        run.db.execute("INSERT INTO notes (text) VALUES ('a'), ('b')")
        run.db.execute("UPDATE notes SET text = text || '!' WHERE text = 'a'")
        run.db.execute("DELETE FROM notes WHERE text = 'b'")
        assert run.db.execute("INSERT INTO notes (text) VALUES ('c') RETURNING id").fetchone() == {"id": 2}
        assert texts(run.db) == ["a!", "c"]
        other = db.checkout("runs/r")
        assert texts(other) == []
        seen = run.db.execute("SELECT at FROM notes ORDER BY id").fetchall()
        before = run.loop.active.copy.base
        run.step("s", lambda: None)
        assert texts(other) == ["a!", "c"]
        assert run.db.execute("SELECT at FROM notes ORDER BY id").fetchall() == seen, "what NOW() gave stays"
        assert run.loop.active.copy.base.n == before.n + 1, "one commit"
    assert texts(db) == []
    db.merge("runs/r")
    assert texts(db) == ["a!", "c"]


def test_rows_without_a_key_and_those_that_follow_others_are_kept_apart(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        run.db.execute("INSERT INTO plain VALUES ('x'), ('x')")
        run.db.execute("UPDATE plain SET text = text || '2' WHERE text = 'base'")
        run.db.execute("INSERT INTO notes (text) VALUES ('owner')")
        run.db.execute("INSERT INTO parts SELECT id, 1 FROM notes")
        run.step("one", lambda: None)
        run.db.execute("UPDATE plain SET text = text || '!'")
        run.db.execute("DELETE FROM notes")
        assert run.db.execute("SELECT count(*) AS n FROM parts").fetchone() == {"n": 0}
        run.step("two", lambda: None)

    run = begin(db, body)
    assert texts(run.db, "plain") == ["base2!", "x!", "x!"]
    assert db.verify().commits


def test_an_error_changes_nothing_and_a_block_may_be_taken_back(db: holdfast.Store) -> None:
    with db.run("r") as run:
        run.db.execute("INSERT INTO notes (text) VALUES ('a')")
        with pytest.raises(holdfast.ConstraintFailed):
            run.db.execute("INSERT INTO notes (text) VALUES ('b'), ('a')")
        with pytest.raises(BoomError), run.db.transaction():
            run.db.execute("INSERT INTO notes (text) VALUES ('c')")
            assert texts(run.db) == ["a", "c"]
            raise BoomError
        assert texts(run.db) == ["a"]
    assert texts(run.db) == ["a"]


def test_d3_g3_a_transactional_step_writes_its_rows_once_whatever_fails(db: holdfast.Store) -> None:
    tries: list[int] = []

    def write(ctx: Context) -> str:
        tries.append(ctx.attempt)
        ctx.db.execute("INSERT INTO notes (text) VALUES (%s)", [f"try {ctx.attempt}"])
        if ctx.attempt < 3:
            raise BoomError
        return "written"

    def body(run: holdfast.Run) -> None:
        run.db.execute("INSERT INTO notes (text) VALUES ('before')")
        run.options(effect="transactional", retries=1, backoff=0).step("write", write)
        run.db.execute("INSERT INTO notes (text) VALUES ('after')")

    with pytest.raises(BoomError):
        begin(db, body)
    assert texts(db.run("r").db) == []
    assert texts(begin(db, body).db) == ["after", "before", "try 3"]
    assert texts(begin(db, body).db) == ["after", "before", "try 3"]
    assert tries == [1, 2, 3]


def test_replay_sees_the_tables_as_they_were(db: holdfast.Store) -> None:
    counts: list[list[int]] = []

    def body(run: holdfast.Run) -> None:
        seen: list[int] = []
        for number in range(3):
            run.db.execute("INSERT INTO notes (text) VALUES (%s)", [f"n{number}"])
            seen.append(len(texts(run.db)))
            run.step("s", lambda: None)
        counts.append(seen)
        if len(counts) < 2:
            raise BoomError

    with pytest.raises(BoomError):
        begin(db, body)
    begin(db, body)
    begin(db, body)
    assert counts == [[1, 2, 3]] * 3


def test_a_table_that_a_run_makes_is_there_at_once(db: holdfast.Store) -> None:
    def body(run: holdfast.Run, *, fails: bool) -> None:
        run.db.execute("CREATE TABLE IF NOT EXISTS made (n INT)")
        run.db.execute("INSERT INTO made VALUES (1)")
        run.step("s", lambda: None)
        if fails:
            raise BoomError
        run.result = run.db.execute("SELECT count(*) AS n FROM made").fetchone()

    with pytest.raises(BoomError):
        begin(db, lambda run: body(run, fails=True))
    assert begin(db, lambda run: body(run, fails=False)).result == {"n": 1}
    begin(db, lambda run: body(run, fails=False))


def test_others_write_while_a_step_is_done(db: holdfast.Store) -> None:
    def slow(ctx: Context) -> None:
        ctx.db.execute("INSERT INTO notes (text) VALUES ('mine')")
        db.execute("INSERT INTO notes (text) VALUES ('theirs')")

    begin(db, lambda run: run.step("slow", slow))
    assert texts(db) == ["theirs"]
    assert texts(db.run("r").db) == ["mine"]


def test_a_run_in_sql(db: holdfast.Store) -> None:
    """Of all branches; what is too long for its column is read, too."""

    def body(run: holdfast.Run) -> None:
        run.options(usage={"tokens": 5}).step("ask", lambda q: {"text": q * 2000}, "x")
        run.options(key="k", usage={"tokens": 7}).step("ask", lambda q: q, 2)
        run.log("note", {"n": 1})

    begin(db, body, merge="main")

    def waiting(run: holdfast.Run) -> None:
        body(run)
        run.wait("go")

    begin(db, waiting, "w")
    with pytest.raises(ZeroDivisionError):
        begin(db, lambda run: run.step("boom", lambda: 1 // 0), "bad")
    runs = db.execute("SELECT run_id, status, waiting FROM hf_runs ORDER BY run_id").fetchall()
    assert runs == [
        {"run_id": "bad", "status": "failed", "waiting": None},
        {"run_id": "r", "status": "complete", "waiting": None},
        {"run_id": "w", "status": "suspended", "waiting": "go"},
    ]
    tokens = db.execute(
        "SELECT run_id, sum((usage ->> 'tokens')::int) AS tokens FROM hf_steps GROUP BY run_id ORDER BY run_id"
    ).fetchall()
    assert tokens == [{"run_id": "r", "tokens": 12}, {"run_id": "w", "tokens": 12}]
    steps = db.execute(
        "SELECT step, args ->> 'q' AS q, length(result ->> 'text') AS n FROM hf_steps WHERE run_id = 'r' ORDER BY seq"
    ).fetchall()
    long = None if db.url.startswith("postgresql") else 2000  # it was compressed, which the server cannot read
    assert steps == [{"step": "ask", "q": "x", "n": long}, {"step": "ask#[k]", "q": "2", "n": None}]
    failing = db.execute("SELECT name, error FROM hf_calls WHERE status = 'failed'").fetchall()
    assert failing == [{"name": "boom", "error": "ZeroDivisionError: integer division or modulo by zero"}]
    kinds = db.execute("SELECT kind, data FROM hf_events WHERE run_id = 'r' ORDER BY seq").fetchall()
    assert [row["kind"] for row in kinds] == [event.kind for event in db.events("r")]
    (at,) = db.execute("SELECT created_at FROM hf_runs WHERE run_id = 'r'").fetchall()
    assert at["created_at"] == db.run("r").info.created
    for wrong in ("DELETE FROM hf_runs", "DELETE FROM run_journal", "CREATE TABLE hf_steps (n INT)"):
        with pytest.raises(holdfast.HoldfastError):
            db.execute(wrong)


def test_the_views_of_a_store_without_runs_are_empty(db: holdfast.Store) -> None:
    for view in ("hf_runs", "hf_steps", "hf_calls", "hf_events"):
        assert db.execute(f"SELECT * FROM {view}").fetchall() == []
