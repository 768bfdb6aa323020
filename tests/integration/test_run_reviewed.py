"""Goal: what a review with fresh eyes found of runs stays mended. Method: the case that showed each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

import holdfast
from holdfast import Context, Happened, aio
from holdfast.runs import entering
from holdfast.runs.gates import Doubt
from tests.sources import source_of


class BoomError(Exception):
    """What a tool raises."""


class StopError(Exception):
    """What ends a body."""


class SilentError(Exception):
    """An error that cannot be shown."""

    def __str__(self) -> str:
        raise BoomError


@pytest.fixture(params=["file", "memory", "postgres", "valkey"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[holdfast.Store]:
    with holdfast.connect(source_of(request.param, tmp_path)) as store:
        yield store


@pytest.fixture
def sql(tmp_path: Path) -> Iterator[holdfast.Store]:
    with holdfast.connect(tmp_path / "sql.db") as store:
        store.execute("CREATE TABLE t (n INT, text TEXT)")
        yield store


def begin(db: holdfast.Store, body: Callable[[holdfast.Run], object], run_id: str = "r", **wish: Any) -> holdfast.Run:
    with db.run(run_id, **wish) as run:
        body(run)
    return run


def rows(run: holdfast.Run) -> list[int]:
    return [row["n"] for row in run.db.execute("SELECT n FROM t ORDER BY n").fetchall()]


def put(ctx: Context, number: int) -> None:
    ctx.db.execute("INSERT INTO t (n) VALUES (%s)", [number])


# What waits belongs to the strand that wrote it


def test_g3_the_rows_of_an_attempt_that_failed_go_with_it(sql: holdfast.Store) -> None:
    """Also the very first that the run writes."""

    def write(ctx: Context) -> None:
        put(ctx, ctx.attempt)
        if ctx.attempt == 1:
            raise BoomError

    run = begin(sql, lambda run: run.options(effect="transactional", retries=1, backoff=0).step("w", write))
    assert rows(run) == [2]


def test_g3_a_step_that_fails_takes_no_rows_of_one_beside_it(sql: holdfast.Store) -> None:
    begun, written = threading.Event(), threading.Event()

    def fails(ctx: Context) -> None:
        put(ctx, 1)
        begun.set()
        written.wait(30)
        raise BoomError

    def works(ctx: Context) -> None:
        begun.wait(30)
        put(ctx, 2)
        written.set()

    def body(run: holdfast.Run) -> None:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(run.step, "fails", fails)
            pool.submit(run.step, "works", works).result()
            with pytest.raises(BoomError):
                one.result()

    assert rows(begin(sql, body)) == [2]


def test_g3_a_step_takes_no_rows_of_one_that_is_still_done(sql: holdfast.Store) -> None:
    written, done, tries = threading.Event(), threading.Event(), list[int]()

    def slow(ctx: Context) -> None:
        tries.append(1)
        put(ctx, 1)
        ctx.run.log("slow", 1)
        written.set()
        done.wait(30)
        if len(tries) == 1:
            raise BoomError

    def body(run: holdfast.Run) -> None:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(run.options(retries=1, backoff=0).step, "slow", slow)
            written.wait(30)
            run.step("quick", lambda: None)
            done.set()
            one.result()

    run = begin(sql, body)
    assert (rows(run), [event.data for event in run.events(kind="slow")]) == ([1], [1])


def test_a_recorded_step_takes_nothing_from_one_that_is_done_beside_it(sql: holdfast.Store) -> None:
    """As when parallel steps are entered again after a crash."""
    wrote, asked, entered = threading.Event(), threading.Event(), list[int]()

    def slow(ctx: Context) -> None:
        put(ctx, 1)
        ctx.state["slow"] = 1
        wrote.set()
        asked.wait(30)

    def body(run: holdfast.Run) -> None:
        entered.append(1)
        if len(entered) == 1:
            run.options(key="b").step("s", lambda: None)
            raise BoomError
        with ThreadPoolExecutor(1) as pool:
            one = pool.submit(run.options(key="a").step, "s", slow)
            wrote.wait(30)
            run.options(key="b").step("s", lambda: None)
            asked.set()
            one.result()

    with pytest.raises(BoomError):
        begin(sql, body)
    run = begin(sql, body)
    assert (rows(run), run.state["slow"]) == ([1], 1)


def test_g3_what_is_noted_is_recorded_once_while_a_step_beside_it_fails(
    db: holdfast.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.run("r") as run:
        active = run.loop.active
        commit = active.copy.commit

        def while_another_fails(*given: Any) -> Any:
            active.drop("another strand")
            return commit(*given)

        monkeypatch.setattr(active.copy, "commit", while_another_fails)
        run.log("note", "once")
        run.step("one", str, 1)
        run.step("two", str, 2)
    assert [event.data for event in db.events("r") if event.kind == "note"] == ["once"]


def test_what_is_late_belongs_to_no_step(sql: holdfast.Store) -> None:
    late, tried, refused = threading.Event(), threading.Event(), list[str]()

    def slow(ctx: Context) -> None:
        late.wait(30)
        for attempt in (lambda: put(ctx, 1), lambda: ctx.run.log("late"), lambda: ctx.state):
            try:
                attempt()
            except holdfast.InvalidValue as error:
                refused.append(str(error))
        tried.set()

    def body(run: holdfast.Run) -> None:
        with pytest.raises(holdfast.Timeout):
            run.options(timeout=0.05).step("slow", slow)
        late.set()
        tried.wait(30)
        run.step("next", lambda: None)

    run = begin(sql, body)
    assert len(refused) == 3
    assert all("step 'slow' has ended" in said for said in refused)
    assert (rows(run), list(run.events(kind="late"))) == ([], [])


def test_what_a_run_logs_before_a_variable_without_a_stored_form_is_recorded_once(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        run.log("note", 1)
        run.state["lock"] = threading.Lock()
        with pytest.raises(holdfast.NotStorable):
            run.step("one", lambda: None)
        del run.state["lock"]
        run.step("two", lambda: None)

    assert [event.data for event in begin(db, body).events(kind="note")] == [1]


# Steps


def test_d1_a_failure_that_was_caught_is_an_answer(db: holdfast.Store) -> None:
    calls: list[str] = []

    def charge() -> None:
        calls.append("charge")
        raise BoomError("declined")

    def body(run: holdfast.Run) -> None:
        try:
            run.options(effect="once").step("charge", charge)
        except BoomError as error:
            run.log("declined", str(error))
        run.step("notify", calls.append, "notify")
        if len(calls) < 3:
            calls.append("fails")
            raise StopError

    with pytest.raises(StopError):
        begin(db, body)
    for _ in range(2):
        begin(db, body)
    assert calls == ["charge", "notify", "fails"]
    assert [event.data for event in db.run("r").events(kind="declined")] == ["declined"]


def test_idempotency_keys_are_no_others(db: holdfast.Store) -> None:
    keys: list[str] = []

    def note(ctx: Context) -> None:
        keys.append(ctx.idempotency_key)

    def body(run: holdfast.Run) -> None:
        run.step("b/c", note)
        with run.child("b") as child:
            child.step("c", note)

    begin(db, body, "a")
    assert keys == ["a#b/c", "a/b#c"]


@pytest.mark.parametrize("usage", [lambda result: result["missing"], lambda _: 5], ids=["raises", "no-mapping"])
def test_usage_that_cannot_be_told_costs_no_result(db: holdfast.Store, usage: Any) -> None:
    calls: list[int] = []

    def ask() -> dict[str, str]:
        calls.append(1)
        return {"text": "t"}

    def body(run: holdfast.Run) -> None:
        run.result = run.options(usage=usage).step("ask", ask)

    with pytest.warns(RuntimeWarning, match="what step 'ask' used is not known"):
        begin(db, body)
    assert begin(db, body).result == {"text": "t"}
    assert len(calls) == 1


def test_a_step_and_a_wait_of_one_name_are_two(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        run.result = [run.wait("pay"), run.step("x", lambda: 1), run.step("pay", lambda: 2)]

    begin(db, body)
    db.signal("r", "pay", 7)
    begin(db, body)
    fork = begin(db, body, "f", fork="r", before_step=2)
    assert fork.result == [7, 1, 2]


# Signals, settlements, cancellations


def doubtful(db: holdfast.Store, calls: list[int]) -> Callable[[holdfast.Run], None]:
    def pay() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise KeyboardInterrupt
        return "paid"

    def body(run: holdfast.Run) -> None:
        run.result = run.options(effect="once").step("pay", pay)

    with pytest.raises(KeyboardInterrupt):
        begin(db, body)
    assert begin(db, body).status == "suspended"
    return body


def test_g3_a_settlement_is_told_once_and_is_for_one_attempt(db: holdfast.Store) -> None:
    calls: list[int] = []
    body = doubtful(db, calls)
    run = db.run("r")
    run.settle("pay", None)
    with pytest.raises(holdfast.InDoubt, match="somebody has told already"):
        run.settle("pay", None)
    with pytest.raises(holdfast.InvalidValue, match=r"Happened\(result\), or None"):
        run.settle("pay", cast("Any", True))
    with pytest.raises(KeyboardInterrupt):
        begin(db, body)
    assert begin(db, body).status == "suspended", "the second attempt is in doubt by itself"
    run.settle("pay", Happened("by hand"))
    assert begin(db, body).result == "by hand"
    assert len(calls) == 2


def test_a_settlement_that_comes_in_between_is_found(db: holdfast.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    body = doubtful(db, calls := list[int]())
    found = Doubt.settlement

    def settlement(self: Doubt) -> Any:
        monkeypatch.setattr(Doubt, "settlement", found)
        before = found(self)
        db.run("r").settle("pay", Happened("just now"))
        return before

    monkeypatch.setattr(Doubt, "settlement", settlement)
    assert begin(db, body).result == "just now"
    assert len(calls) == 1


def test_g7_waits_beside_each_other_receive_a_signal_each(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        for number in range(4):
            db.signal("r", "go", number)
        with ThreadPoolExecutor(4) as pool:
            run.result = sorted(pool.map(lambda _: run.wait("go"), range(4)))

    assert begin(db, body).result == [0, 1, 2, 3]


def test_a_cancellation_while_a_run_is_claimed_holds(db: holdfast.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(db, lambda run: run.wait("go"))
    opened = entering._opened

    def late(*args: Any) -> Any:
        monkeypatch.setattr(entering, "_opened", opened)
        found = opened(*args)
        db.cancel("r")
        return found

    monkeypatch.setattr(entering, "_opened", late)
    with db.run("r") as run, pytest.raises(holdfast.RunFinished):
        run.step("s", lambda: None)
    assert db.run("r").status == "cancelled"


def test_a_run_that_is_cancelled_and_fails_is_cancelled(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        db.cancel("r")
        raise BoomError

    with pytest.raises(BoomError):
        begin(db, body)
    assert db.run("r").status == "cancelled"


# The end


def test_a_run_that_ended_before_it_was_merged_is_merged(db: holdfast.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def body(run: holdfast.Run) -> None:
        run.db.state["shared"] = 1

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(entering, "merge_finished", _interrupts)
        begin(db, body, merge="main")
    assert (db.run("r").status, "shared" in db.checkout("main").state) == ("complete", False)
    begin(db, body)
    assert db.checkout("main").state["shared"] == 1
    with pytest.raises(holdfast.NotFound, match="nowhere"):
        begin(db, body, "other", merge="nowhere")


def _interrupts(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_last_state_is_not_lost_for_a_variable_without_a_stored_form(db: holdfast.Store) -> None:
    def body(run: holdfast.Run, last: Any) -> None:
        run.state["good"] = 1
        run.state["last"] = last

    with pytest.raises(holdfast.NotStorable):
        begin(db, lambda run: body(run, threading.Lock()))
    assert db.run("r").status == "failed"
    assert dict(begin(db, lambda run: body(run, 2)).state) == {"good": 1, "last": 2}


@pytest.mark.parametrize(
    "error", [BoomError("\ud800"), BoomError("a\0b"), SilentError()], ids=["half", "nul", "silent"]
)
def test_an_error_that_cannot_be_stored_is_the_users_own_and_gives_the_run_back(
    db: holdfast.Store, error: Exception
) -> None:
    for raises in (lambda run: run.step("s", _raise, error), lambda run: _raise(error)):
        with pytest.raises(type(error)):
            begin(db, raises)
        assert db.run("r").status == "failed"


def _raise(error: Exception) -> None:
    raise error


def test_a_wait_of_the_outer_run_ends_the_inner_one_too(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        with run.child("part"):
            run.wait("go")

    assert begin(db, body).status == "suspended"
    assert db.run("r/part").status == "queued"


# Workers


def test_a_function_that_ends_its_program_fails_and_is_tried_so_often(db: holdfast.Store) -> None:
    calls: list[int] = []

    def work(run: holdfast.Run) -> None:
        calls.append(1)
        raise SystemExit(3)

    db.start(work, "r")
    db.worker([work], backoff=0, attempts=3).run(until_idle=True)
    assert (len(calls), db.run("r").status) == (3, "failed")


def test_a_run_that_cannot_be_entered_does_not_keep_a_worker_busy(
    db: holdfast.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[int] = []

    def broken(*_: Any) -> None:
        entered.append(1)
        raise holdfast.StoreCorrupt("damaged")

    db.start("work", "r")
    monkeypatch.setattr(entering, "_opened", broken)
    db.worker({"work": print}).run(until_idle=True)
    assert len(entered) == 1


def test_what_is_no_function_for_a_worker_is_refused(db: holdfast.Store) -> None:
    async def work(run: Any) -> None:
        """Do nothing."""

    for wrong in ([work], {"a": 5}, {5: len}, "f", 5):
        with pytest.raises(holdfast.InvalidValue):
            db.worker(cast("Any", wrong))


# On a loop


def on_loop(path: Path, body: Callable[[aio.Store], Any]) -> Any:
    async def main() -> Any:
        async with aio.connect(path) as db:
            return await body(db)

    return asyncio.run(main())


def test_other_arguments_are_noticed_on_a_loop(tmp_path: Path) -> None:
    async def body(db: aio.Store) -> list[int]:
        calls: list[int] = []

        async def tool(number: int) -> None:
            calls.append(number)

        with pytest.raises(BoomError):
            async with db.run("r") as run:
                await run.step("s", tool, 1)
                raise BoomError
        with pytest.raises(holdfast.InputMismatch):
            async with db.run("r") as run:
                await run.step("s", tool, 2)
        return calls

    assert on_loop(tmp_path / "s.db", body) == [1]


def test_a_suspension_in_a_group_of_tasks_is_one(tmp_path: Path) -> None:
    async def body(db: aio.Store) -> str:
        async with db.run("r") as run, asyncio.TaskGroup() as group:
            group.create_task(run.wait("go"))
            group.create_task(run.step("slow", asyncio.sleep, 30))
        return await db.run("r").status

    assert on_loop(tmp_path / "s.db", body) == "suspended"


def test_a_transaction_is_no_dead_end_for_runs_beside_it(tmp_path: Path) -> None:
    async def body(db: aio.Store) -> list[str]:
        async def agent(number: int) -> None:
            async with db.run(f"r{number}") as run:
                await run.step("s", asyncio.sleep, 0)

        await agent(99)
        async with db.transaction():
            agents = [asyncio.create_task(agent(number)) for number in range(8)]
            await asyncio.sleep(0.2)
            status = await db.run("r99").status
        await asyncio.gather(*agents)
        return [status, *(info.status for info in await db.runs())]

    assert set(on_loop(tmp_path / "s.db", body)) == {"complete"}


def test_what_a_task_writes_is_its_own_whichever_thread_writes_it(tmp_path: Path) -> None:
    """The statements of a task run on one thread of the store, and then on another."""

    async def body(db: aio.Store) -> list[Any]:
        await db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)")

        async def writes(ctx: Context) -> None:
            for number in range(6):
                await ctx.db.execute("INSERT INTO t (n) VALUES (%s)", [number])
                assert len((await ctx.db.execute("SELECT * FROM t")).fetchall()) == 7 + number

        async def busy() -> None:
            await asyncio.gather(*(db.run("r").info for _ in range(12)))

        async with db.run("r") as run:
            for number in range(6):
                _, _ = await asyncio.gather(busy(), asyncio.sleep(0))
                await run.db.execute("INSERT INTO t (n) VALUES (%s)", [number])
            await run.step("writes", writes)
        return list((await (await db.checkout("runs/r")).execute("SELECT n FROM t ORDER BY id")).fetchall())

    assert [row["n"] for row in on_loop(tmp_path / "s.db", body)] == [0, 1, 2, 3, 4, 5] * 2
