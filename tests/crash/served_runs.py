"""Runs in a store on a server that is killed and started again, and the processes that work on them meanwhile."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import holdfast
from holdfast import Happened
from tests.crash.run_bodies import Effects
from tests.crash.sweep import PROCESSES

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


class Served(Protocol):
    """A server that can be killed."""

    @property
    def url(self) -> str:
        """What to connect with."""
        ...

    def start(self) -> None:
        """Start it."""
        ...

    def stop(self, number: int) -> None:
        """Kill it by a signal."""
        ...


def kill_under_load(server: Served, folder: Path, kills: int, number: int) -> None:
    """Kill a server under workers, start it again, and hold what is there at the end against what must be there."""
    choose, complaints, effects = random.Random(11), folder / "complaints", Effects(folder / "effects.log")
    with holdfast.connect(server.url) as db:
        db.state["x"] = 1
        db.state.commit()
    workers: list[BaseProcess] = [
        PROCESSES.Process(target=work, args=(server.url, folder, complaints), daemon=True) for _ in range(WORKERS)
    ]
    names = [f"r{at}" for at in range(number)]
    try:
        for worker in workers:
            worker.start()
        for at in range(max(kills, number)):
            if at < number:
                start(server.url, names[at])
            if at < kills:
                time.sleep(choose.random() * 0.25)  # the harm comes at any time
                server.stop(signal.SIGKILL)
                server.start()
        until_complete(server.url, names)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert not complaints.exists(), complaints.read_text()
    check(server.url, names, effects, kills)


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
    done = effects.done()
    with holdfast.connect(url) as db:
        assert db.verify().commits
        assert db.state["x"] == 1
        twice = done_twice(db, names, done, TURNS)
    assert 0 <= twice <= kills * WORKERS * CONCURRENCY


def done_twice(db: holdfast.Store, names: list[str], done: Counter[str], turns: int) -> int:
    """Hold what there is of runs against what each must have left; return how many of their turns were done again."""
    twice = 0
    for name in names:
        run = db.run(name)
        assert (run.result, run.state["messages"]) == (turns, list(range(turns)))
        events = list(run.events())
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.data for event in events if event.kind == "turn"] == list(range(turns))
        assert done[f"{name} pay"] == 1, "once"
        twice += sum(done[f"{name} turn {turn}"] - 1 for turn in range(turns))
    return twice
