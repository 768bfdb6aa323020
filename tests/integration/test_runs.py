"""Goal: what is recorded of a run is never done again, and nothing is lost or doubled. Method: bodies entered again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

import holdfast
from holdfast import Context, Happened
from holdfast.testing import FakeClock
from tests.sources import source_of

KINDS = ("file", "memory", "folder", "postgres", "valkey")
SECOND_US = 1_000_000


class BoomError(Exception):
    """What a tool raises."""


class Tool:
    """A tool that counts its calls, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[Any] = []
        self.failures = failures
        self.__name__ = self.__qualname__ = "tool"

    def __call__(self, argument: Any = None) -> Any:
        self.calls.append(argument)
        if self.failures:
            self.failures -= 1
            raise BoomError(f"at {argument}")
        return {"of": argument, "pair": (1, b"2")}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[holdfast.Store]:
    with holdfast.connect(source_of(request.param, tmp_path), clock=clock) as store:
        yield store


def kinds(db: holdfast.Store, run_id: str = "r") -> list[str]:
    return [event.kind for event in db.events(run_id)]


def begin(db: holdfast.Store, body: Callable[[holdfast.Run], object], run_id: str = "r", **wish: Any) -> holdfast.Run:
    with db.run(run_id, **wish) as run:
        body(run)
    return run


# What is recorded answers


def test_d1_a_finished_run_returns_its_result_and_does_nothing_again(db: holdfast.Store) -> None:
    tool = Tool()

    def body(run: holdfast.Run) -> None:
        run.state["found"] = run.step("search", tool, run.input["q"])
        run.log("seen", run.state["found"])
        run.result = run.state["found"]["of"]

    first = begin(db, body, input={"q": "owls"})
    head = db.branches(runs=True)
    again = begin(db, body, input={"q": "owls"})
    assert tool.calls == ["owls"]
    assert (first.status, first.result) == (again.status, again.result) == ("complete", "owls")
    assert db.branches(runs=True) == head, "entering a finished run writes nothing"
    assert kinds(db) == ["run.created", "step.done", "seen", "run.complete"]
    with db.run("r") as run, pytest.raises(holdfast.RunFinished, match="step 'other' is not recorded; fork it"):
        run.step("other", tool)
    assert tool.calls == ["owls"]


def test_d1_d3_a_failed_run_goes_on_at_the_first_step_that_is_not_recorded(db: holdfast.Store) -> None:
    """What was changed since the last step is discarded, and done again."""
    tool, fails = Tool(), Tool(failures=1)

    def body(run: holdfast.Run) -> None:
        messages = run.state.setdefault("messages", [])
        for number in range(3):
            messages = run.state.setdefault("messages", [])
            messages.append(number)
            run.log("before", number)
            run.step("tool", fails if number == 2 else tool, number)
        run.result = list(run.state["messages"])

    with pytest.raises(BoomError):
        begin(db, body)
    run = db.run("r")
    assert (run.status, run.info.why, run.info.attempts) == ("failed", "BoomError: at 2", 1)
    assert run.state["messages"] == [0, 1]
    failed = next(event for event in db.events("r") if event.kind == "run.failed")
    assert failed.data["data"] == {"changed": ["runs/r/messages"]}
    begin(db, body)
    assert (tool.calls, fails.calls) == ([0, 1], [2, 2])
    assert run.result == [0, 1, 2]
    assert kinds(db).count("before") == 3
    assert [(step.seq, step.name, step.key, step.attempt, step.status) for step in run.steps()] == [
        (1, "tool", "#1", 1, "done"),
        (2, "tool", "#2", 1, "done"),
        (None, "tool", "#3", 1, "failed"),
        (3, "tool", "#3", 2, "done"),
    ]
    (step,) = [step for step in run.steps() if step.status == "failed"]
    assert step.args == {"argument": 2}
    assert step.error == "BoomError: at 2"
    assert step.traceback is not None
    assert "holdfast/runs" not in step.traceback, "a traceback begins with the user's own code"


def test_the_state_moves_along_with_what_is_recorded(db: holdfast.Store) -> None:
    seen: list[list[int]] = []

    def body(run: holdfast.Run) -> None:
        trace = []
        for number in range(4):
            trace.append(run.state.get("n", 0))
            run.state["n"] = number + 1
            run.step("s", Tool(), number)
        seen.append(trace)
        if len(seen) < 3:
            raise BoomError

    for _ in range(2):
        with pytest.raises(BoomError):
            begin(db, body)
    begin(db, body)
    assert seen == [[0, 1, 2, 3]] * 3


def test_s3_a_recorded_result_has_the_value_and_types_of_the_first(db: holdfast.Store) -> None:
    results = [begin(db, lambda run: setattr(run, "result", run.step("s", Tool(), 1))).result for _ in range(2)]
    assert results == [{"of": 1, "pair": (1, b"2")}] * 2
    assert [type(result["pair"]) for result in results] == [tuple, tuple]


def test_c1_a_run_that_is_worked_on_is_busy_and_says_by_whom(db: holdfast.Store) -> None:
    with db.run("r"):
        with pytest.raises(
            holdfast.RunBusy, match=r"'runs/r' is worked on by process \d+ on .* since .* trusted until"
        ):
            db.run("r").__enter__()
        assert db.run("r").status == "running"
    begin(db, lambda run: None)


def test_d2_another_input_is_noticed(db: holdfast.Store) -> None:
    begin(db, lambda run: None, input={"q": 1, "more": [1]})
    begin(db, lambda run: None, input={"more": [1], "q": 1})
    with pytest.raises(holdfast.InputMismatch, match="'r' was made with another input"):
        begin(db, lambda run: None, input={"q": 2})
    assert db.run("r").input == {"q": 1, "more": [1]}


def test_without_replay_the_run_begins_at_its_head(db: holdfast.Store) -> None:
    tool = Tool()

    def turn(run: holdfast.Run) -> None:
        run.state.setdefault("turns", []).append(len(tool.calls))
        run.step("turn", tool, "same")
        raise BoomError

    for _ in range(3):
        with pytest.raises(BoomError):
            begin(db, turn, replay=False)
    assert db.run("r").state["turns"] == [0, 1, 2]
    assert [step.key for step in db.run("r").steps()] == ["#1", "#2", "#3"]


# Deploys while a run waits


def recorded(db: holdfast.Store, tool: Tool) -> None:
    """Let a run record three steps with a message before each, and fail then."""

    def body(run: holdfast.Run) -> None:
        for name in "abc":
            run.state.setdefault("messages", []).append(name)
            run.log("did", name)
            run.step(name, tool, name)
        raise BoomError

    with pytest.raises(BoomError):
        begin(db, body)


@pytest.mark.parametrize(
    ("names", "called", "unused"),
    [("axbc", ["x"], None), ("ac", [], "b"), ("axc", ["x"], "b"), ("abcd", ["d"], None), ("cba", [], None)],
    ids=["inserted", "removed", "renamed", "appended", "reordered"],
)
def test_d17_steps_are_found_by_name_whatever_was_deployed(
    db: holdfast.Store, names: str, called: list[str], unused: str | None
) -> None:
    """At an inserted step the state is that of the head; a message that is recorded is not doubled by it."""
    tool = Tool()
    recorded(db, tool)

    def body(run: holdfast.Run) -> None:
        for name in names:
            run.state.setdefault("messages", []).append(name)
            run.log("did", name)
            run.step(name, tool, name)

    begin(db, body)
    assert tool.calls == ["a", "b", "c", *called]
    reports = [event.data["why"] for event in db.events("r", kind="run.unused")]
    assert reports == ([] if unused is None else [f"recorded, and not asked for: {unused}"])
    messages = db.run("r").state["messages"]
    assert [name for name in messages if name in "abc"] == ["a", "b", "c"]
    assert len(messages) == len(set(messages))


def test_d2_d17_a_step_with_other_arguments_is_noticed_or_taken_as_it_is(db: holdfast.Store) -> None:
    tool = Tool()
    recorded(db, tool)
    with pytest.raises(holdfast.InputMismatch, match=r"step 'b' of run 'r' is recorded with another input"):
        begin(db, lambda run: run.step("b", tool, "other"))
    assert db.run("r").status == "failed"
    run = begin(db, lambda run: setattr(run, "result", run.step("b", tool, "other")), on_change="warn")
    assert run.result["of"] == "b"
    assert tool.calls == ["a", "b", "c"]


def test_d17_a_step_with_other_arguments_goes_on_as_a_fork(db: holdfast.Store) -> None:
    """The same each time; what was changed since the step before goes with it."""
    tool = Tool()
    recorded(db, tool)

    def body(run: holdfast.Run) -> None:
        for name in "abc":
            run.state.setdefault("messages", []).append(name)
            run.log("did", name)
            run.step(name, tool, name.upper() if name == "b" else name)
        run.result = list(run.state["messages"])

    run = db.run("r")
    for _ in range(2):
        run = begin(db, body, on_change="fork")
        assert (run.run_id, run.status, run.result) == ("r+2", "complete", ["a", "b", "c"])
        assert tool.calls == ["a", "b", "c", "B", "c"]
        assert (db.run("r").status, db.run("r").info.why) == ("failed", "it goes on as run 'r+2'")
    assert [event.data for event in run.events(kind="did")] == ["a", "b", "c"]
    assert [step.args["argument"] for step in run.steps()] == ["a", "B", "c"]
    assert db.run("r").state["messages"] == ["a", "b", "c"]


def test_a_changed_function_is_recorded_as_another_version(db: holdfast.Store) -> None:
    begin(db, lambda run: (run.step("a", lambda: 1), run.step("b", lambda: 2)))
    codes = [step.code for step in db.run("r").steps()]
    assert codes[0] != codes[1]
    assert all(codes)


# Beside each other


def test_steps_of_threads_keep_their_results(db: holdfast.Store) -> None:
    """Those with the same name are told apart by their keys, or by their arguments."""
    tool, stops = Tool(), Tool(failures=1)

    def body(run: holdfast.Run) -> None:
        def one(number: int) -> Any:
            run.log("asks", number)
            run.options(key=f"k{number}").step("keyed", tool, number)
            return run.step("plain", tool, number)["of"]

        with ThreadPoolExecutor(4) as pool:
            run.result = list(pool.map(one, range(8)))
        run.step("mark", stops)

    with pytest.raises(BoomError):
        begin(db, body)
    assert sorted(tool.calls) == sorted([*range(8)] * 2)
    begin(db, body)
    assert len(tool.calls) == 16
    assert db.run("r").result == list(range(8))
    assert kinds(db).count("asks") == 8
    assert [event.seq for event in db.events("r")] == list(range(1, len(kinds(db)) + 1)), "no gaps"


def test_a_step_inside_a_step_is_refused(db: holdfast.Store) -> None:
    def outer(ctx: Context) -> None:
        ctx.run.step("inner", Tool())

    with db.run("r") as run, pytest.raises(holdfast.InvalidValue, match="'inner' is asked for inside step 'outer'"):
        run.step("outer", outer)


def test_a_child_is_a_run_of_its_own(db: holdfast.Store) -> None:
    tool = Tool()

    def body(run: holdfast.Run) -> None:
        run.state["before"] = 1
        run.step("first", tool, 1)
        with run.child("research", input="owls") as child:
            child.state["mine"] = child.step("search", tool, child.input)
            child.result = child.state["mine"]["of"]
        run.result = child.result
        run.step("last", tool, 2)

    begin(db, body)
    begin(db, body)
    assert tool.calls == [1, "owls", 2]
    assert db.run("r").result == "owls"
    assert [(info.run_id, info.parent) for info in db.runs(prefix="r/")] == [("r/research", "r")]
    assert list(db.run("r").state) == ["before"]


# Effects


def test_what_may_happen_once_and_is_in_doubt_waits_for_somebody_who_knows(db: holdfast.Store) -> None:
    """A timeout is such a doubt: a plain function goes on in its thread."""
    going, calls = threading.Event(), []

    def pay(amount: int) -> str:
        calls.append(amount)
        going.wait(30)
        return "paid"

    def body(run: holdfast.Run) -> None:
        run.result = run.options(effect="once", timeout=0.05).step("pay", pay, 7)

    run = begin(db, body)
    going.set()
    assert run.status == "suspended"
    [call] = db.inbox()
    assert (call.state, call.kind, call.args) == ("in_doubt", "doubt", {"amount": 7})
    assert run.info.why == f"somebody who knows whether step 'pay' happened (call {call.id})"
    assert [(step.status, step.args) for step in run.steps()] == [("in doubt", {"amount": 7})]
    assert begin(db, body).status == "suspended"
    assert calls == [7], "never again in silence"
    with pytest.raises(holdfast.InDoubt, match="those that are: pay"):
        run.settle("other", None)
    run.settle("pay", Happened("paid by hand"))
    assert run.status == "queued"
    assert begin(db, body).result == "paid by hand"
    assert calls == [7]


def test_what_did_not_happen_is_done_again(db: holdfast.Store) -> None:
    calls: list[int] = []

    def pay(amount: int) -> str:
        calls.append(amount)
        if len(calls) == 1:
            raise KeyboardInterrupt  # as if the process died
        return "paid"

    def body(run: holdfast.Run) -> None:
        run.result = run.options(effect="once").step("pay", pay, 7)

    with pytest.raises(KeyboardInterrupt):
        begin(db, body)
    run = begin(db, body)
    assert run.status == "suspended"
    run.settle("pay", None)
    assert begin(db, body).result == "paid"
    assert calls == [7, 7]
    assert [step.status for step in run.steps()] == ["failed", "done"]


@pytest.mark.parametrize("happened", [True, False])
def test_verify_is_asked_where_there_is_one(db: holdfast.Store, happened: bool) -> None:
    calls: list[int] = []

    def pay(amount: int) -> str:
        calls.append(amount)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return "paid"

    def verify(amount: int) -> Happened | None:
        return Happened(f"found {amount}") if happened else None

    def body(run: holdfast.Run) -> None:
        run.result = run.options(effect="once", verify=verify).step("pay", pay, 7)

    with pytest.raises(KeyboardInterrupt):
        begin(db, body)
    assert begin(db, body).result == ("found 7" if happened else "paid")
    assert len(calls) == (1 if happened else 2)


def test_d18_attempts_are_counted_and_repeats_have_a_key_for_services(db: holdfast.Store) -> None:
    keys: list[tuple[str, int]] = []

    def flaky(ctx: Context) -> str:
        keys.append((ctx.idempotency_key, ctx.attempt))
        ctx.run.log("tries", ctx.attempt)
        if len(keys) < 3:
            raise BoomError
        return "done"

    run = begin(db, lambda run: run.options(retries=2, backoff=0).step("flaky", flaky))
    assert keys == [("r#flaky", 1), ("r#flaky", 2), ("r#flaky", 3)]
    assert [step.attempt for step in run.steps()] == [1, 2, 3]
    assert [event.data for event in db.events("r", kind="tries")] == [3], "what a failed attempt noted goes with it"


def test_a_step_may_take_so_long_and_no_longer(db: holdfast.Store) -> None:
    done = threading.Event()
    with db.run("r") as run, pytest.raises(holdfast.Timeout, match=r"wait took longer than 0.05 s"):
        run.options(timeout="50ms").step("wait", done.wait)
    done.set()
    assert db.run("r").steps()[0].status == "failed"


def test_d19_usage_is_summed_and_a_repeat_counts_once(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        for number in (10, 20):
            run.options(usage=lambda result: {"tokens": result, "model": "m"}).step("ask", lambda n: n, number)
        run.options(usage={"cost": 0.5}).step("pay", lambda: None)

    begin(db, body)
    begin(db, body)
    assert db.run("r").usage == {"tokens": 30, "cost": 0.5}


def test_s2_a_result_without_a_stored_form_is_recorded_as_such_and_not_made_again(db: holdfast.Store) -> None:
    calls: list[int] = []

    def odd() -> Any:
        calls.append(1)
        return (call for call in calls)

    def body(run: holdfast.Run) -> None:
        run.step("odd", odd)

    for _ in range(2):
        with pytest.raises(holdfast.NotStorable, match=r"what step 'odd' returned.* the step happened"):
            begin(db, body)
    assert calls == [1]


def test_s1_a_variable_without_a_stored_form_costs_no_result(db: holdfast.Store) -> None:
    tool = Tool()

    def body(run: holdfast.Run) -> None:
        run.state["good"] = 1
        run.step("one", tool)
        run.state["lock"] = threading.Lock()
        run.step("two", tool)

    with pytest.raises(holdfast.NotStorable, match=r'state\["runs/r/lock"\]'):
        begin(db, body)
    assert [step.name for step in db.run("r").steps()] == ["one", "two"]
    assert dict(db.run("r").state) == {"good": 1}


def test_arguments_without_a_stored_form_are_recorded_by_their_type(db: holdfast.Store) -> None:
    for _ in range(2):
        with db.run("r") as run:
            run.step("s", lambda client, q: q, threading.Lock(), "owls")
    assert db.run("r").steps()[0].args == {"client": {"not stored": "_thread.lock"}, "q": "owls"}


# Waiting


def test_g7_signals_are_received_once_and_in_order(db: holdfast.Store) -> None:
    got: list[Any] = []

    def body(run: holdfast.Run) -> None:
        run.state["n"] = run.state.get("n", 0) + 1
        got.append([run.wait("go"), run.wait("go")])
        run.step("s", Tool())

    run = begin(db, body)
    assert (run.status, run.info.waiting) == ("suspended", "go")
    db.signal("r", "go", {"first": (1, 2)})
    assert run.status == "queued"
    assert begin(db, body).status == "suspended"
    db.signal("r", "other", 0)
    db.signal("r", "go", 2)
    db.signal("r", "go", 3)
    assert begin(db, body).status == "complete"
    assert got == [[{"first": (1, 2)}, 2]]
    assert db.run("r").state["n"] == 1
    with pytest.raises(holdfast.RunFinished, match="is complete, and signal 'go' can do nothing for it"):
        db.signal("r", "go", 4)
    with pytest.raises(holdfast.NotFound):
        db.signal("unknown", "go", 4)


def test_a_signal_that_was_sent_before_is_there(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        run.result = run.wait("go")

    with db.run("r") as run:
        db.signal("r", "go", "early")
        body(run)
    assert run.result == "early"


def test_a_wait_and_a_sleep_end_when_their_time_has_come(db: holdfast.Store, clock: FakeClock) -> None:
    """Counted from when they were asked for first, however often the run was entered since."""
    outcomes: list[str] = []

    def body(run: holdfast.Run) -> None:
        try:
            run.wait("go", timeout="10s")
        except holdfast.Timeout:
            outcomes.append("late")
        run.sleep("1h")
        outcomes.append("slept")

    assert begin(db, body).info.due is not None
    clock.advance(6 * SECOND_US)
    begin(db, body)
    clock.advance(6 * SECOND_US)
    assert begin(db, body).status == "suspended"
    clock.advance(3599 * SECOND_US)
    assert begin(db, body).status == "suspended"
    clock.advance(SECOND_US)
    assert begin(db, body).status == "complete"
    assert begin(db, body).status == "complete"
    assert outcomes == ["late"] * 3 + ["slept", "late", "slept"]


def test_a_cancelled_run_ends_with_the_step_that_is_being_done(db: holdfast.Store) -> None:
    tool = Tool()
    with db.run("r") as run:
        run.step("one", tool, 1)
        db.cancel("r")
        run.step("two", tool, 2)
        run.step("three", tool, 3)
    assert run.status == "cancelled"
    assert tool.calls == [1, 2]
    db.cancel("r")
    with db.run("r") as run, pytest.raises(holdfast.RunFinished):
        run.step("three", tool, 3)
    begin(db, lambda run: run.wait("go"), "waits")
    db.cancel("waits")
    assert db.run("waits").status == "cancelled"
    assert kinds(db, "waits") == ["run.created", "run.suspended", "run.cancelled"]
    begin(db, lambda run: None, "done")
    with pytest.raises(holdfast.RunFinished, match="'done' is complete"):
        db.cancel("done")


# One owner


def test_c2_g4_who_was_taken_for_dead_writes_nothing(db: holdfast.Store) -> None:
    """It is told so with its next step, and nobody else's step is touched."""
    tool = Tool()
    stale = db.run("r")
    with pytest.raises(holdfast.Fenced, match="landed nowhere"), stale:
        stale.step("one", tool, 1)
        lease = stale.loop.active.lease
        assert lease is not None
        stale.loop.place.desk.heart.drop(lease)
        lease.release(stale.loop.place.session)
        lease.lost = False  # as if it had not heard of it
        with db.run("r") as fresh:
            fresh.step("one", tool, 1)
            fresh.state["by"] = "fresh"
            fresh.step("two", tool, 2)
        stale.state["by"] = "stale"
        stale.step("two", tool, 2)
    assert db.run("r").state["by"] == "fresh"
    assert tool.calls == [1, 2, 2]
    assert [step.attempt for step in db.run("r").steps()] == [1, 1]
    assert db.run("r").status == "complete"


def test_what_goes_on_after_the_block_records_nothing(db: holdfast.Store) -> None:
    with db.run("r") as run:
        run.step("one", Tool(), 1)
        active = run.loop.active
    with pytest.raises(holdfast.InvalidValue, match="inside a with block"):
        run.step("two", Tool(), 2)
    with pytest.raises(holdfast.InvalidValue, match="run 'r' is complete; enter it again"):
        active.record_only("late", [])


# Forks


def test_b4_a_fork_shares_what_was_recorded_before_a_step(db: holdfast.Store) -> None:
    tool = Tool()

    def body(run: holdfast.Run) -> None:
        for number in range(1, 5):
            run.state.setdefault("messages", []).append(number)
            run.step("s", tool, number)
        run.result = run.state["messages"]

    begin(db, body)
    fork = begin(db, body, "f", fork="r", before_step=3)
    assert tool.calls == [1, 2, 3, 4, 3, 4]
    assert fork.result == [1, 2, 3, 4]
    assert [step.seq for step in fork.steps()] == [1, 2, 3, 4]
    assert fork.info.forked_from == "r"
    assert [event.seq for event in fork.events()] == list(range(1, len(list(fork.events())) + 1))
    assert [info.run_id for info in db.runs()] == ["f", "r"] or db.runs()[0].created == db.runs()[1].created
    begin(db, body, "f", fork="r", before_step=3)
    with pytest.raises(holdfast.NotFound, match="run 'r' has 4 steps, and no step 9"):
        begin(db, body, "g", fork="r", before_step=9)
    with pytest.raises(holdfast.AlreadyExists, match="is no fork of 'f'"):
        begin(db, body, "r", fork="f")


def test_b8_an_event_has_the_commit_that_was_seen_and_the_one_that_was_left(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        for number in range(3):
            run.state["n"] = number
            run.log("n", number)
            run.step("s", Tool(), number)

    run = begin(db, body)
    for event in db.events("r", kind="n"):
        assert run.state.checkout(event.commit_hash)["n"] == event.data
        assert run.state.checkout(event.before).get("n") == (event.data - 1 if event.data else None)
    state = db.checkout(run.branch).state.namespace("runs").namespace("r")
    assert state["n"] == 2


def test_e2_events_are_read_in_pages_from_anywhere(db: holdfast.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.runs.views.PAGE", 7)

    def body(run: holdfast.Run) -> None:
        for number in range(40):
            run.log("n", number)

    begin(db, body)
    assert [event.data for event in db.events("r", kind="n")] == list(range(40))
    assert [event.seq for event in db.events("r", after=30, limit=5)] == [31, 32, 33, 34, 35]
    assert list(db.events("r", after=1000)) == []
    with pytest.raises(holdfast.InvalidValue, match="after"):
        db.events("r", after=-1)
    with pytest.raises(holdfast.NotFound, match="no run 'x'"):
        db.events("x")


# Bad input


def test_what_a_run_cannot_be_given_is_refused(db: holdfast.Store) -> None:
    for wrong in ("", "a b", "a//b", 7, None, "x" * 300):
        with pytest.raises(holdfast.InvalidValue):
            db.run(cast("Any", wrong))
    with pytest.raises(holdfast.InvalidValue, match="on_change is one of"):
        db.run("r", on_change="maybe")
    with pytest.raises(holdfast.InvalidValue, match="say of which run"):
        db.run("r", before_step=1)
    with pytest.raises(holdfast.InvalidValue, match="status of a run is one of"):
        db.runs(status="done")
    for question in ("status", "state", "result", "input", "usage", "info"):
        with pytest.raises(holdfast.NotFound, match="no run 'unknown'"):
            getattr(db.run("unknown"), question)
    with pytest.raises(holdfast.InvalidValue, match="inside a with block"):
        db.run("r").step("s", Tool())
    with db.run("r", lease="1s") as run:
        for options in (
            {"retries": -1},
            {"timeout": -1},
            {"timeout": 0},
            {"effect": "twice"},
            {"key": "#1"},
            {"key": ""},
        ):
            with pytest.raises(holdfast.InvalidValue):
                run.options(**options)
        for name in ("", "a#2", "x" * 300):
            with pytest.raises(holdfast.InvalidValue, match="the name of a step"):
                run.step(name, Tool())
        with pytest.raises(holdfast.InvalidValue, match="which is no function"):
            run.step("s", 7)  # type: ignore[arg-type]
        with pytest.raises(holdfast.InvalidValue, match="cannot be called so"):
            run.step("s", lambda a: a)
        with pytest.raises(holdfast.InvalidValue, match="a kind of Holdfast's own"):
            run.log("run.mine")
        with pytest.raises(holdfast.InvalidValue, match="timeout"):
            run.wait("go", timeout=-1)
        with pytest.raises(holdfast.Unsupported, match="committed with its next step"):
            run.state.commit()
        with pytest.raises(holdfast.InvalidValue, match=r"coroutine function; use holdfast\.aio"):
            run.options(retries=0).step("s", cast("Any", _coroutine))
    with pytest.raises(holdfast.InvalidValue, match=r"a lease lasts 0\.5 s at least"):
        db.run("short", lease=0.1).__enter__()


async def _coroutine() -> None:
    """Do nothing."""


def test_a_result_without_a_stored_form_leaves_the_run_to_be_mended(db: holdfast.Store) -> None:
    tool = Tool()

    def body(run: holdfast.Run, result: Any) -> None:
        run.step("s", tool)
        run.result = result

    with pytest.raises(holdfast.NotStorable, match="the result of run 'r'"):
        begin(db, lambda run: body(run, threading.Lock()))
    assert db.run("r").status == "failed"
    assert begin(db, lambda run: body(run, "text")).result == "text"
    assert len(tool.calls) == 1


def test_the_branch_of_a_run_is_its_own(db: holdfast.Store) -> None:
    begin(db, lambda run: run.step("s", Tool()))
    assert [branch.name for branch in db.branches()] == ["main"]
    assert [branch.name for branch in db.branches(runs=True)] == ["main", "runs/r"]
    there = db.checkout("runs/r")
    assert there.read_only
    for write in (
        lambda: there.reset("main"),
        lambda: db.merge("main", into="runs/r"),
        lambda: db.delete_branch("runs/r"),
        lambda: db.branch("runs/mine"),
    ):
        with pytest.raises(holdfast.ReadOnly, match="the branch of a run"):
            write()
    with pytest.raises(holdfast.ReadOnly):
        there.state["x"] = 1
    db.branch("mine", at="runs/r").close()


def test_a_run_that_is_to_be_merged_is_merged_when_it_is_complete(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        run.db.state["shared"] = 1
        run.state["own"] = 2
        run.step("s", Tool(), 1)

    def failing(run: holdfast.Run) -> None:
        body(run)
        raise BoomError

    with pytest.raises(BoomError):
        begin(db, failing, merge="main")
    assert "shared" not in db.state
    begin(db, body, merge="main")
    assert db.checkout("main").state["shared"] == 1
    assert db.verify().commits
    assert [info.status for info in db.runs()] == ["complete"]


def test_an_interrupted_run_is_taken_up_again(db: holdfast.Store) -> None:
    def body(run: holdfast.Run) -> None:
        run.step("s", Tool())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(db, body)
    assert db.run("r").status == "queued"
    began = time.monotonic()
    begin(db, lambda run: None)
    assert time.monotonic() - began < 20, "nobody waits for its lease"


# Retention


def test_k1_k3_k7_ended_runs_are_forgotten_and_others_stay(db: holdfast.Store, clock: FakeClock) -> None:
    def body(run: holdfast.Run) -> None:
        run.state["big"] = "x" * 1000
        run.step("s", Tool())
        with run.child("part") as part:
            part.step("s", Tool())
        if run.run_id.startswith("waits"):
            run.wait("go")
        if run.run_id.startswith("fails"):
            raise BoomError

    for number in range(3):
        begin(db, body, f"done{number}")
        clock.advance(SECOND_US)
    begin(db, body, "waits")
    with pytest.raises(BoomError):
        begin(db, body, "fails")
    fork = begin(db, body, "fork", fork="done0", before_step=1)
    begin(db, body, "merged", merge="main")
    clock.advance(100 * SECOND_US)
    begin(db, body, "new")
    assert db.gc(keep={"complete": "1m"}, dry_run=True).runs_removed == 10
    assert len(db.runs()) == 16
    assert db.gc(keep={"complete": "1m"}).runs_removed == 10
    left = ["fails", "fails/part", "new", "new/part", "waits", "waits/part"]
    assert sorted(info.run_id for info in db.runs()) == left, "a failed run may be resumed, and asks for its part then"
    assert [db.gc(keep="1m").runs_removed for _ in range(3)] == [1, 1, 0]
    assert {info.run_id for info in db.runs()} == {"new", "new/part", "waits", "waits/part"}
    assert db.gc(keep=1).runs_removed == 1
    with pytest.raises(holdfast.NotFound):
        _ = fork.status
    db.signal("waits", "go")
    assert begin(db, body, "waits").status == "complete"
    begin(db, body, "done0")
    assert db.verify().commits
    for wrong in (-1, "soon", {"running": "1d"}, {"complete": -1}):
        with pytest.raises(holdfast.InvalidValue, match="keep"):
            db.gc(keep=cast("Any", wrong))


def test_g2_a_failure_that_was_caught_before_a_wait_is_an_answer(db: holdfast.Store) -> None:
    """Seen to fail: nothing but the suspension was recorded after it, and it was tried again."""
    calls: list[int] = []

    def broken() -> None:
        calls.append(1)
        raise ValueError("it is broken")

    def body(run: holdfast.Run) -> None:
        try:
            run.step("broken", broken)
        except ValueError as error:
            run.result = f"{error}, {run.wait('go')}"

    begin(db, body)
    db.signal("r", "go", "and so what")
    assert begin(db, body).result == "it is broken, and so what"
    assert calls == [1]
