"""Goal: a server that is killed and started again loses nothing that it acknowledged, and runs go on (G1 to G3, G5).

Method: processes with workers on a PostgreSQL of its own, which is killed with SIGKILL in the middle of what they do,
and started again. They get `StoreUnavailable` and work on. At the end each run is complete, has each message and event
once, what may happen once happened once, and only what was in flight when the server died was done twice.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Happened
from tests.crash.run_bodies import Effects
from tests.crash.sweep import PROCESSES
from tests.postgresql import DURABLE, MISSING, Server, installed

WORKERS = 3
CONCURRENCY = 2
TURNS = 10
END_SECONDS_MAX = 120.0


def agent_of(effects: Effects) -> Callable[[Any], Any]:
    """Return the function that works on the runs."""

    def paid(what: str) -> Happened | None:
        return Happened(f"did {what}") if effects.done()[what] else None

    def agent(run: holdfast.Run) -> int:
        me = run.run_id
        for turn in range(TURNS):
            run.state.setdefault("messages", []).append(turn)
            run.log("turn", turn)
            run.step("turn", effects.do, f"{me} turn {turn}")
        run.options(effect="once", verify=paid).step("pay", effects.do, f"{me} pay")
        return len(run.state["messages"])

    return agent


def work(url: str, folder: Path, complaints: Path) -> None:
    """Work on runs for ever, whatever becomes of the server."""
    agent = agent_of(Effects(folder / "effects.log"))
    while True:
        try:
            with holdfast.connect(url, timeout=30) as db:
                db.worker({"agent": agent}, concurrency=CONCURRENCY, backoff=0.01, attempts=1_000, lease=1.0).run()
        except holdfast.StoreUnavailable:
            pass
        except BaseException as error:
            with complaints.open("a") as file:
                file.write(f"{error!r}\n")
            raise


@pytest.fixture
def own_server() -> Iterator[Server]:
    if not installed():
        pytest.skip(MISSING)
    made = Server(DURABLE)
    made.start()
    yield made
    made.close()


@pytest.mark.slow
def test_g1_g5_a_server_that_is_killed_loses_nothing(own_server: Server, tmp_path: Path, soak: bool) -> None:
    kills, number = (60, 60) if soak else (5, 10)
    choose, complaints, effects = random.Random(11), tmp_path / "complaints", Effects(tmp_path / "effects.log")
    with holdfast.connect(own_server.url) as db:
        db.state["x"] = 1
        db.state.commit()
    workers: list[BaseProcess] = [
        PROCESSES.Process(target=work, args=(own_server.url, tmp_path, complaints), daemon=True) for _ in range(WORKERS)
    ]
    names = [f"r{at}" for at in range(number)]
    try:
        for worker in workers:
            worker.start()
        for at in range(max(kills, number)):
            if at < number:
                start(own_server.url, names[at])
            if at < kills:
                time.sleep(choose.random() * 0.25)  # the harm comes at any time
                own_server.stop(signal.SIGKILL)
                own_server.start()
        until_complete(own_server.url, names)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert not complaints.exists(), complaints.read_text()
    check(own_server.url, names, effects, kills)


def start(url: str, name: str) -> None:
    """Start a run; again where it is not known whether it was."""
    while True:
        with suppress(holdfast.StoreUnavailable), holdfast.connect(url) as db:
            db.start("agent", name)
            return


def until_complete(url: str, names: list[str]) -> None:
    """Wait until the workers have done all."""
    deadline = time.monotonic() + END_SECONDS_MAX
    with holdfast.connect(url) as db:
        while left := [info for info in db.runs() if info.status != "complete"]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert sorted(info.run_id for info in db.runs()) == sorted(names), "what was acknowledged is there"


def check(url: str, names: list[str], effects: Effects, kills: int) -> None:
    """Hold what is there against what each run must have left."""
    done, twice = effects.done(), 0
    with holdfast.connect(url) as db:
        assert db.verify().commits
        assert db.state["x"] == 1
        for name in names:
            run = db.run(name)
            assert (run.result, run.state["messages"]) == (TURNS, list(range(TURNS)))
            events = list(run.events())
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert [event.data for event in events if event.kind == "turn"] == list(range(TURNS))
            assert done[f"{name} pay"] == 1, "once"
            twice += sum(done[f"{name} turn {turn}"] - 1 for turn in range(TURNS))
    assert 0 <= twice <= kills * WORKERS * CONCURRENCY
