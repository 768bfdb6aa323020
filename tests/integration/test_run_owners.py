"""Goal: a run has one owner, and ends as it should, whatever clocks do and whoever goes silent (G4, G5, C1, C2, D12).

Method: clocks that jump, owners that say they are on another machine, a file whose log tells nothing, and workers on a
loop that are cancelled or told to stop by a signal.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast import aio
from holdfast.engine.leases.owners import myself
from holdfast.runs import entering
from holdfast.runs.worker import Worker
from holdfast.testing import FakeClock
from tests.crash.run_bodies import BODIES, Effects, prepare, seen
from tests.sources import source_of

HOUR_US = 3_600_000_000
DEADLINE_SECONDS = 60


class CutOff(Exception):
    """What a tool raises."""


class Jumping(Effects):
    """Effects that let the clock jump by hours, forwards and backwards, and that fail now and then."""

    def __init__(self, path: Path, clock: FakeClock, choose: random.Random) -> None:
        super().__init__(path)
        self._clock = clock
        self._choose = choose

    def do(self, what: str) -> str:
        self._clock.advance(self._choose.choice((-10, -1, 1, 10)) * HOUR_US)
        done = super().do(what)
        if self._choose.random() < 0.2:
            raise CutOff
        return done


@pytest.mark.parametrize("name", BODIES)
def test_g4_a_run_comes_to_the_same_whatever_its_clock_does(tmp_path: Path, name: str) -> None:
    whole = tmp_path / "whole.db"
    prepare(whole)
    with holdfast.connect(whole) as db, db.run("r", input=name) as run:
        BODIES[name](run, Effects(tmp_path / "whole.log"))
    expected = seen(whole)
    failures = 0
    for seed in range(6):
        path, clock = tmp_path / f"{seed}.db", FakeClock()
        effects = Jumping(tmp_path / f"{seed}.log", clock, random.Random(seed))
        prepare(path)
        with holdfast.connect(path, clock=clock) as db:
            while True:
                try:
                    with db.run("r", input=name) as run:
                        BODIES[name](run, effects)
                    break
                except CutOff:
                    failures += 1
        assert seen(path) == expected, seed
    assert failures


def test_g4_c1_who_lives_keeps_its_run_however_clocks_jump(tmp_path: Path) -> None:
    clock = FakeClock()
    with holdfast.connect(tmp_path / "s.db", clock=clock) as db, db.run("r") as run:
        for jump in (HOUR_US, -3 * HOUR_US, 100 * HOUR_US):
            clock.advance(jump)
            with pytest.raises(holdfast.RunBusy), db.run("r"):
                pass
            run.step("one", str, 1)
    assert len(db_steps(tmp_path)) == 3


def db_steps(tmp_path: Path) -> list[Any]:
    with holdfast.connect(tmp_path / "s.db") as db:
        return db.run("r").steps()


@pytest.mark.parametrize("kind", ["file", "memory", "valkey"])
def test_g4_c2_who_went_silent_on_another_machine_is_replaced_and_writes_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of the wall, which is all that two machines have in common, and after it was watched for a while."""
    clock = FakeClock()
    source = source_of(kind, tmp_path)
    calls: list[str] = []

    def tool(what: str) -> str:
        calls.append(what)
        return what

    with holdfast.connect(source, clock=clock) as db:
        with monkeypatch.context() as patch:
            far = msgspec.structs.replace(myself(), host="far", place="another machine")
            patch.setattr(entering, "myself", lambda: far)
            stale = db.run("r", lease="2s")
            stale.__enter__()
        stale.step("one", tool, "one")
        active = stale.loop.active
        assert active.lease is not None
        active.place.desk.heart.drop(active.lease)  # its renewals do not arrive
        with pytest.raises(holdfast.RunBusy, match="on far"), db.run("r"):
            pass
        clock.advance(HOUR_US)
        active.lease.until += 3600  # its own clock stands still
        with db.run("r", lease="1s") as fresh:
            assert fresh.step("one", tool, "one") == "one"
            fresh.step("two", tool, "two by fresh")
        with pytest.raises(holdfast.Fenced, match="landed nowhere") as told:
            stale.step("two", tool, "two by stale")
        stale.__exit__(told.type, told.value, None)
        assert [step.result for step in db.run("r").steps()] == ["one", "two by fresh"]
        assert db.run("r").status == "complete"
    assert calls == ["one", "two by fresh", "two by stale"]


def test_d12_commits_that_the_file_does_not_tell_of_are_found_even_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of two in one tick of its clock: the store itself is looked at now and then."""
    with holdfast.connect(tmp_path / "s.db") as db:
        monkeypatch.setattr(type(db._engine), "pulse", lambda _: "always the same")

        async def work() -> list[str]:
            async with aio.connect(tmp_path / "s.db") as other:

                async def agent(run: aio.Run) -> Any:
                    return await run.wait("go")

                worker = other.worker([agent])
                working = asyncio.create_task(worker.run())
                await other.start(agent, "r")
                told: list[str] = []

                async def tell() -> None:
                    async for event in other.events("r", follow=True):
                        told.append(event.kind)
                        if event.kind == "run.suspended":
                            db.signal("r", "go", 1)

                await asyncio.wait_for(tell(), DEADLINE_SECONDS)
                worker.stop()
                await working
                return told

        told = asyncio.run(work())
    assert told[-1] == "run.complete"


def test_a_worker_on_a_loop_that_is_cancelled_gives_its_runs_back(tmp_path: Path) -> None:
    async def body() -> tuple[str, Any, str]:
        async with aio.connect(tmp_path / "s.db") as db:
            begun, hangs = asyncio.Event(), True

            async def agent(run: aio.Run) -> str:
                if hangs:
                    begun.set()
                    await asyncio.sleep(DEADLINE_SECONDS)
                return "done"

            await db.start(agent, "r")
            working = asyncio.create_task(db.worker([agent]).run())
            await begun.wait()
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            status, hangs = await db.run("r").status, False
            await db.worker([agent]).run(until_idle=True)
            return status, await db.run("r").result, await db.run("r").status

    assert asyncio.run(body()) == ("queued", "done", "complete")


LOOP = """
import asyncio, sys
from holdfast import aio

async def agent(run):
    print("begun", flush=True)
    await asyncio.sleep(0.3)
    return await run.step("say", str, "done")

async def main():
    async with aio.connect(sys.argv[1]) as db:
        await db.start(agent, "r")
        await db.worker([agent]).run()
        print(await db.run("r").result, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_on_a_loop_that_is_told_to_stop_ends_what_it_does(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", LOOP, str(tmp_path / "s.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "begun\n"
        os.kill(child.pid, number)
        said = child.communicate(timeout=DEADLINE_SECONDS)[0]
    assert (said, child.returncode) == ("done\n", 0)


class Killed(BaseException):
    """Ends a worker before it merges what is complete."""


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("conflict", [False, True])
def test_d12_a_worker_merges_what_another_completed_and_did_not_merge(
    tmp_path: Path, loop: bool, conflict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict is left to people, and is not tried again."""
    clock = FakeClock()

    def agent(run: Any) -> None:
        run.loop.store().state["shared"] = 1

    async def agent_on_loop(run: Any) -> None:
        agent(run)

    def work(db: holdfast.Store) -> None:
        if not loop:
            db.worker([agent]).run(until_idle=True)
            return

        async def on_loop() -> None:
            async with aio.connect(tmp_path / "s.db", clock=clock) as other:
                await other.worker({"agent": agent_on_loop}).run(until_idle=True)

        asyncio.run(on_loop())

    def dies(*_: object) -> None:
        raise Killed

    with holdfast.connect(tmp_path / "s.db", clock=clock) as db:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(entering, "merge_finished", dies)  # the worker has its own, and keeps it
            assert Worker.merge.__globals__["merge_finished"] is not dies
            db.start("agent", "r", merge="main")
            with db.run("r") as run:
                agent(run)
        if conflict:
            db.state["shared"] = 2
            db.state.commit()
        work(db)
        assert ("shared" in db.state) is conflict, "whoever completed it may be merging"
        clock.advance(HOUR_US)
        for _ in range(2):
            work(db)
            db.state.refresh()
            assert db.state["shared"] == (2 if conflict else 1)
        assert db.run("r").status == "complete"
        assert db.execute("SELECT due_at FROM hf_runs").fetchall() == [{"due_at": None}]


def test_d12_a_run_is_taken_up_whose_owner_lives_and_works_on_it_no_more(tmp_path: Path) -> None:
    """As one that lost its connection to the store: its process lives, and renews nothing."""

    def agent(run: holdfast.Run) -> Any:
        return run.step("one", str, 1)

    with holdfast.connect(tmp_path / "s.db") as db:
        db.start(agent, "r")
        lost = db.run("r", lease="500ms")
        lost.__enter__()
        active = lost.loop.active
        assert active.lease is not None
        active.place.desk.heart.drop(active.lease)
        worker, deadline = db.worker([agent]), time.monotonic() + DEADLINE_SECONDS
        while db.run("r").status != "complete":
            assert time.monotonic() < deadline
            worker.run(until_idle=True)
        assert db.run("r").result == "1"
