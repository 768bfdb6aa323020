"""Goal: each commit of a state that was acknowledged is there after kill -9, with exactly its values, none by half.

Method: two processes commit to one branch, rebasing over each other, and tell a ledger outside the store; they are
killed at random and started again. Afterwards each commit of history is held against what it must show.
The long form kills 300 times. Seen to fail: a commit that is acknowledged before it is written.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Versioned
from tests import valkey_server
from tests.crash import state_worker
from tests.crash.ledger import Ledger
from tests.crash.sweep import PROCESSES

WORKERS = (1, 2)
PAUSE_SECONDS_MAX = 0.15
END_SECONDS_MAX = 120.0
CHECKED_MAX = 12


class Soak:
    """Two workers on one state, and harm."""

    def __init__(self, folder: Path, kind: str, seed: int) -> None:
        self._folder, self._kind = folder, kind
        self._choose = random.Random(seed)
        self._workers: dict[int, BaseProcess] = {}

    def run(self, kills: int) -> None:
        """Do it."""
        state_worker.prepare(self._folder, self._kind)
        try:
            for worker in WORKERS:
                self._start(worker)
            while kills:
                worker = self._choose.choice(WORKERS)
                kills -= self._kill(worker)
            (self._folder / "stop").touch()
            for worker, process in self._workers.items():
                process.join(END_SECONDS_MAX)
                assert process.exitcode == 0, f"worker {worker}: {self._complaints()}"
        finally:
            for process in self._workers.values():
                process.kill()
                process.join()

    def _start(self, worker: int) -> None:
        arguments = (worker, self._folder, self._kind, self._folder / "complaints")
        self._workers[worker] = PROCESSES.Process(target=state_worker.work, args=arguments, daemon=True)
        self._workers[worker].start()

    def _kill(self, worker: int) -> bool:
        """Kill a worker, at any moment of its life once it has done something in it."""
        ledger = self._folder / f"worker-{worker}.log"
        before = ledger.stat().st_size if ledger.exists() else 0
        process = self._workers[worker]
        while (ledger.stat().st_size if ledger.exists() else 0) <= before:
            process.join(0.01)
            assert process.exitcode is None, f"worker {worker}: {self._complaints()}"
        process.join(self._choose.uniform(0, PAUSE_SECONDS_MAX))
        process.kill()
        process.join()
        self._start(worker)
        return True

    def _complaints(self) -> str:
        path = self._folder / "complaints"
        return path.read_text() if path.exists() else "nothing said"


def judge(folder: Path, state: Versioned) -> int:
    """Hold history against the ledgers; return how many commits were acknowledged."""
    history = [commit for commit in state.history() if commit.message[:2] in ("1 ", "2 ")]
    numbers = {
        worker: [int(c.message.split()[1]) for c in history if c.message[0] == str(worker)] for worker in WORKERS
    }
    for worker, found in numbers.items():
        said = [int(entry.name) for entry in Ledger(folder / f"worker-{worker}.log").entries if entry.kept]
        assert found[::-1] == said == list(range(1, len(said) + 1)), f"worker {worker}"
        events = state.namespace(f"w{worker}").events()
        assert [event.data for event in events] == said
        assert len({event.commit_hash for event in events}) == len(said)
    assert state["total"] == len(history)
    choose = random.Random(len(history))
    for commit in [history[0], *choose.sample(history, min(CHECKED_MAX, len(history)))]:
        who, number = commit.message.split()
        with state.checkout(commit) as past:
            assert dict(past.namespace(f"w{who}")) == state_worker.values(int(number)), commit.message
            assert past["total"] == sum(past.namespace(f"w{one}").get("n", 0) for one in WORKERS)
    return len(history)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "disk", "valkey"])
def test_d5_c9_no_acknowledged_commit_of_a_state_is_lost_or_half_there(tmp_path: Path, kind: str, soak: bool) -> None:
    kills = 150 if soak else 4
    if kind == "valkey":
        (tmp_path / "url").write_text(valkey_server.fresh_url())
    Soak(tmp_path, kind, seed=7).run(kills)
    with state_worker.opened(tmp_path, kind) as state:
        assert judge(tmp_path, state) >= kills
        assert state.commit() == state.head
    sources: dict[str, Callable[[], Any]] = {
        "file": lambda: tmp_path / "store.db",
        "disk": lambda: holdfast.Disk(tmp_path / "store"),
        "valkey": (tmp_path / "url").read_text,
    }
    with holdfast.connect(sources[kind]()) as db:
        assert db.verify().commits == len(db.log())
