"""Goal: runs that were started are worked on, by one worker each, whatever happens to workers (D12, D13).

Method: real processes; one is killed in the middle of a step, one is told to stop.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.runs.watch import LOOK_SECONDS
from holdfast.runs.worker import Worker

DEADLINE_SECONDS = 60.0

PROCESS = """
import sys, time
import holdfast

_, path, name = sys.argv
db = holdfast.connect(path)

def work(run):
    run.step("who", lambda: name)
    if run.input == "hangs" and not run.state.get("hung"):
        run.step("begin", lambda: None)
        print("hangs", flush=True)
        if name == "killed":
            time.sleep(600)
    return name

print("ready", flush=True)
db.worker([work], lease="600s").run()
print("stopped", flush=True)
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[holdfast.Store]:
    with holdfast.connect(tmp_path / "s.db") as store:
        yield store


@contextmanager
def process(path: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROCESS, str(path), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()


def until(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not found():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def statuses(db: holdfast.Store) -> dict[str, str]:
    return {info.run_id: info.status for info in db.runs()}


def test_d12_a_run_whose_worker_was_killed_is_taken_up_at_once(db: holdfast.Store, tmp_path: Path) -> None:
    """Its lease would last for ten minutes."""
    with process(tmp_path / "s.db", "killed") as child:
        db.start("work", "r", "hangs")
        assert child.stdout
        assert child.stdout.readline() == "hangs\n"
        with process(tmp_path / "s.db", "other"):
            db.start("work", "free")
            until(lambda: statuses(db).get("free") == "complete")
            assert statuses(db)["r"] == "running", "nobody is stolen from"
            child.send_signal(signal.SIGKILL)
            child.wait()
            until(lambda: statuses(db)["r"] == "complete")
    assert db.run("r").result == "other"
    assert [(step.name, step.result) for step in db.run("r").steps()] == [("who", "killed"), ("begin", None)]


def test_a_worker_that_is_told_to_stop_ends_what_it_does(db: holdfast.Store, tmp_path: Path) -> None:
    with process(tmp_path / "s.db", "told") as child:
        db.start("work", "r", "hangs")
        assert child.stdout
        assert child.stdout.readline() == "hangs\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.read() == "stopped\n"
        assert child.wait(DEADLINE_SECONDS) == 0
    assert statuses(db)["r"] == "complete"


def test_signalled_sleeping_and_failed_runs_are_taken_up(db: holdfast.Store) -> None:
    failures: list[int] = []

    def waits(run: holdfast.Run) -> Any:
        return run.wait("go")

    def sleeps(run: holdfast.Run) -> str:
        run.sleep("0.2s")
        return "slept"

    def fails(run: holdfast.Run) -> str:
        failures.append(len(failures))
        if run.input > len(failures):
            raise ValueError(len(failures))
        return "at last"

    with working(db.worker([waits, sleeps, fails], backoff=0.02, attempts=3)):
        db.start(waits, "w")
        db.start(sleeps, "s")
        db.start(fails, "f", 3)
        until(lambda: statuses(db)["w"] == "suspended")
        db.signal("w", "go", {"n": 1})
        until(lambda: set(statuses(db).values()) == {"complete"})
        assert [db.run(name).result for name in "wsf"] == [{"n": 1}, "slept", "at last"]
        assert db.run("f").info.attempts == 2
        failures.clear()
        db.start(fails, "never", 100)
        until(lambda: statuses(db)["never"] == "failed")
        assert len(failures) == 3, "it is tried three times"


def test_starting_is_idempotent_and_says_if_the_input_is_another(db: holdfast.Store) -> None:
    def work(run: holdfast.Run) -> Any:
        return run.input

    first = db.start(work, "r", {"a": 1})
    assert first.status == "queued"
    assert db.start("work", "r", {"a": 1}) == first
    with pytest.raises(holdfast.InputMismatch):
        db.start(work, "r", {"a": 2})
    db.worker([work]).run(until_idle=True)
    assert db.run("r").result == {"a": 1}
    assert db.start(work, "r", {"a": 1}).status == "complete"
    db.start("unknown", "u")
    db.worker([work]).run(until_idle=True)
    assert statuses(db)["u"] == "queued", "what no worker knows waits for one that does"


def test_runs_are_begun_in_the_order_of_their_starts(db: holdfast.Store) -> None:
    order: list[str] = []

    def work(run: holdfast.Run) -> None:
        order.append(run.run_id)

    for name in ("c", "a", "b"):
        db.start(work, name)
    db.worker([work], concurrency=1).run(until_idle=True)
    assert order == ["c", "a", "b"]


def test_two_workers_work_on_each_run_once(db: holdfast.Store) -> None:
    calls: list[str] = []

    def work(run: holdfast.Run) -> None:
        run.step("s", calls.append, run.run_id)

    with working(db.worker([work])), working(db.worker([work])):
        for number in range(12):
            db.start(work, f"r{number}")
        until(lambda: list(statuses(db).values()) == ["complete"] * 12)
    assert sorted(calls) == sorted(f"r{number}" for number in range(12))


def test_while_there_is_nothing_to_do_nothing_is_asked(db: holdfast.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the look at those whose worker may have died, once a second, and some looks right after each commit."""
    monkeypatch.setattr("holdfast.runs.worker.LIVE_SECONDS", 600.0)
    looks: list[float] = []
    found = Worker._found

    def counting(self: Worker, free: int) -> Any:
        looks.append(time.monotonic())
        return found(self, free)

    monkeypatch.setattr(Worker, "_found", counting)
    worker = db.worker({"work": lambda run: None})
    with working(worker):
        until(lambda: looks)
        idle = threading.Event()
        idle.wait(0.3)
        pauses = [later - earlier for earlier, later in pairwise(looks)]
        assert all(pause >= LOOK_SECONDS * 2**at for at, pause in enumerate(pauses))
        db.start("work", "r")
        until(lambda: statuses(db)["r"] == "complete")


def test_what_a_worker_cannot_be_given_is_refused(db: holdfast.Store) -> None:
    for options in ({"concurrency": 0}, {"attempts": 0}, {"backoff": -1}, {"concurrency": True}):
        with pytest.raises(holdfast.InvalidValue):
            db.worker({"f": print}, **options)
    with pytest.raises(holdfast.InvalidValue, match="has no name that a run could be started by"):
        db.worker([lambda run: None])
    with pytest.raises(holdfast.InvalidValue, match="two functions are named 'print'"):
        db.worker([print, print])
