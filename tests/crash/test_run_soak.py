"""Goal: G1 to G7 hold for runs while their workers are killed and stopped at random (C1 to C5, D3, D12).

Method: four processes with workers on one file, and an append-only log of effects outside of it. They are killed, or
stopped for longer than their leases and let go on, while runs are started and signalled. At the end each run is
complete, has each message, event, row and signal once, what may happen once happened once, and only what was in flight
at a death was done twice. The long form does harm 200 times.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

import holdfast
from holdfast import Happened
from holdfast.engine.leases.owners import here
from tests.crash import run_worker
from tests.crash.run_bodies import Effects
from tests.crash.run_worker import LEASE_SECONDS, TURNS
from tests.crash.sweep import PROCESSES

pytestmark = pytest.mark.skipif(not here(), reason="this system does not tell which processes live")

WORKERS = 4
CONCURRENCY = 2
END_SECONDS_MAX = 120.0


class Soak:
    """Workers, and harm."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._choose = random.Random(seed)
        self._workers: list[BaseProcess] = []
        self.effects = Effects(folder / "effects.log")
        self.deaths = 0

    def start(self) -> None:
        """Start workers until there are enough."""
        self._workers = [worker for worker in self._workers if worker.is_alive()]
        while len(self._workers) < WORKERS:
            complaints = self._folder / "complaints"
            worker = PROCESSES.Process(target=run_worker.work, args=(self._folder, complaints), daemon=True)
            worker.start()
            self._workers.append(worker)

    def harm(self) -> None:
        """Kill a worker, or stop it for longer than its leases last."""
        worker = self._choose.choice(self._workers)
        assert worker.pid
        time.sleep(self._choose.random() * 0.3)
        self.deaths += 1
        if self._choose.random() < 0.7:
            worker.kill()
            worker.join()
        else:
            os.kill(worker.pid, signal.SIGSTOP)
            time.sleep(LEASE_SECONDS * 2.2)
            os.kill(worker.pid, signal.SIGCONT)
        self.start()

    def end(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            worker.kill()
            worker.join()
            self.deaths += 1

    @property
    def complaints(self) -> str:
        file = self._folder / "complaints"
        return file.read_text() if file.exists() else ""


def settle(db: holdfast.Store, effects: Effects) -> None:
    """Tell of what is in doubt whether it happened: the log outside knows, and nobody is alive who could do it yet."""
    done = effects.done()
    for call in db.inbox():
        assert (call.state, call.step) == ("in_doubt", "pay")
        happened = done[f"{call.run_id} pay"] > 0
        call.answer(Happened(f"did {call.run_id} pay") if happened else None, by="the log")


def until_complete(db: holdfast.Store, effects: Effects) -> None:
    """Let one worker that nobody harms do what is left."""
    deadline = time.monotonic() + END_SECONDS_MAX
    worker = db.worker({"agent": run_worker.agent_of(effects)}, backoff=0.01, attempts=1_000, lease=LEASE_SECONDS)
    while any(info.status != "complete" for info in db.runs()):
        assert time.monotonic() < deadline, [info for info in db.runs() if info.status != "complete"]
        settle(db, effects)
        worker.run(until_idle=True)


@pytest.mark.slow
def test_g1_to_g7_hold_while_workers_are_killed_and_stopped(tmp_path: Path, soak: bool) -> None:
    harms, number = (200, 120) if soak else (6, 14)
    with holdfast.connect(tmp_path / "store.db", durability="process", timeout=60) as db:
        db.execute("CREATE TABLE rows (what TEXT)")
        harming = Soak(tmp_path, 7)
        names = [f"r{at}" for at in range(number)]
        try:
            harming.start()
            for at, name in enumerate(names):
                db.start("agent", name, at)
            for at in range(max(harms, number)):
                if at < number:
                    db.signal(names[at], "go", f"{names[at]} first")
                    db.signal(names[at], "go", f"{names[at]} second")
                if at < harms:
                    harming.harm()
        finally:
            harming.end()
        assert harming.complaints == ""
        until_complete(db, harming.effects)
        check(db, names, harming.effects.done(), harming.deaths)


def check(db: holdfast.Store, names: list[str], done: Counter[str], deaths: int) -> None:
    """Hold what is there against what each run must have left."""
    assert db.verify().commits
    twice = 0
    for name in names:
        run = db.run(name)
        assert run.result == [f"{name} first", f"{name} second"]
        told = f"{name} got {name} first {name} second"
        assert run.state["messages"] == [*(f"{name} {turn}" for turn in range(TURNS)), told]
        events = list(run.events())
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.data for event in events if event.kind == "turn"] == list(range(TURNS))
        kinds = Counter(event.kind for event in events)
        assert (kinds["step.done"], kinds["wait.signal"], kinds["run.complete"]) == (TURNS + 3, 2, 1)
        assert run.db.execute("SELECT what FROM rows").fetchall() == [{"what": f"{name} row"}]
        assert run.usage == {"tokens": sum(range(1, TURNS + 1))}
        assert done[f"{name} pay"] == 1, "once"
        for what in (*(f"turn {turn}" for turn in range(TURNS)), "after"):
            assert done[f"{name} {what}"] >= 1
            twice += done[f"{name} {what}"] - 1
    assert twice <= deaths * CONCURRENCY
