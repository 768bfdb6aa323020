"""Goal: runs on an event loop do what runs in threads do, and never stop it. Method: tasks and plain functions."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import aio
from holdfast.store.workers import RUNS_MAX


class BoomError(Exception):
    """What ends a body."""


def run_on(path: Path, body: Any) -> Any:
    async def main() -> Any:
        async with aio.connect(path) as db:
            return await body(db)

    return asyncio.run(main())


def test_steps_of_tasks_are_told_apart_by_their_order(tmp_path: Path) -> None:
    calls: list[int] = []

    async def body(db: aio.Store) -> Any:
        async def tool(number: int, pause: float) -> str:
            calls.append(number)
            await asyncio.sleep(pause)
            return f"{number}"

        async def work(run: Any, fails: bool) -> None:
            found = await asyncio.gather(*(run.step("t", tool, n, 0.03 - n / 100) for n in range(3)))
            await run.state.set("found", found)
            run.log("found", found)
            await run.db.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
            await run.db.execute("INSERT INTO notes VALUES (%s)", [found[0]])
            await run.step("plain", threading.get_ident)
            if fails:
                raise BoomError
            run.result = await run.state.get("found")

        with pytest.raises(BoomError):
            async with db.run("r", input={"q": 1}) as run:
                await work(run, fails=True)
        assert await db.run("r").status == "failed"
        async with db.run("r") as run:
            assert run.input == {"q": 1}
            await work(run, fails=False)
        again = db.run("r")
        rows = (await db.checkout("runs/r")).execute("SELECT * FROM notes")
        kinds = [event.kind async for event in db.events("r")]
        assert sorted(step.key for step in await again.steps() if step.name == "t") == ["#1", "#2", "#3"]
        return await again.result, (await rows).fetchall(), kinds, await again.usage, (await again.info).attempts

    result, rows, kinds, usage, attempts = run_on(tmp_path / "s.db", body)
    assert result == ["0", "1", "2"]
    assert rows == [{"text": "0"}]
    assert sorted(calls) == [0, 1, 2]
    assert kinds.count("found") == 1
    assert (usage, attempts) == ({}, 1)


def test_waits_signals_and_cancellations(tmp_path: Path) -> None:
    async def body(db: aio.Store) -> Any:
        async def work(run: Any) -> None:
            run.result = await run.wait("go")

        async with db.run("r") as run:
            await work(run)
        assert await db.run("r").status == "suspended"
        await db.signal("r", "go", 7)
        async with db.run("r") as run:
            await work(run)
        assert await run.result == 7

        started = asyncio.Event()

        async def endless() -> None:
            started.set()
            await asyncio.sleep(600)

        async def stopped() -> None:
            async with db.run("c") as run:
                await run.step("endless", endless)

        task = asyncio.create_task(stopped())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.run("c").status == "queued"
        async with db.run("c") as run:
            with pytest.raises(holdfast.Timeout):
                await run.options(timeout=0.05).step("endless", endless)
        return [info.run_id for info in await db.runs("complete")]

    assert sorted(run_on(tmp_path / "s.db", body)) == ["c", "r"]


def test_a_run_is_followed_while_it_is_worked_on(tmp_path: Path) -> None:
    async def body(db: aio.Store) -> Any:
        async def follow() -> list[str]:
            return [event.kind async for event in db.events("r", follow=True)]

        async with db.run("r") as run:
            following = asyncio.create_task(follow())
            for number in range(3):
                await run.step("s", lambda n: n, number)
        return await following

    kinds = run_on(tmp_path / "s.db", body)
    assert kinds == ["run.created", "step.done", "step.done", "step.done", "run.complete"]


def test_a_worker_on_a_loop_awaits_coroutine_functions(tmp_path: Path) -> None:
    async def body(db: aio.Store) -> list[Any]:
        async def waits(run: aio.Run) -> Any:
            return await run.wait("go")

        async def fails(run: aio.Run) -> None:
            raise BoomError

        with pytest.raises(holdfast.InvalidValue, match="no coroutine function"):
            db.worker([print])
        worker = db.worker([waits, fails], backoff=0, attempts=2)
        await db.start(waits, "w")
        await db.start(fails, "f")
        await worker.run(until_idle=True)
        statuses = [await db.run(name).status for name in "wf"]
        working = asyncio.create_task(worker.run())
        await db.signal("w", "go", 7)
        async for _ in db.events("w", follow=True):
            pass
        worker.stop()
        await working
        return [*statuses, await db.run("w").result, (await db.run("f").info).attempts]

    assert run_on(tmp_path / "s.db", body) == ["suspended", "failed", 7, 2]


@pytest.mark.slow
def test_c14_many_runs_need_few_threads_and_the_loop_goes_on(tmp_path: Path) -> None:
    """No thread but those for runs, one that opened the store, and the one that renews leases."""
    most: list[int] = []

    async def body(db: aio.Store) -> Any:
        async def tool() -> None:
            await asyncio.sleep(0.01)
            most.append(threading.active_count())

        async def agent(number: int) -> None:
            async with db.run(f"r{number}") as run:
                for _ in range(2):
                    await run.step("t", tool)

        await asyncio.gather(*map(agent, range(60)))
        return len(await db.runs("complete"))

    before = threading.active_count()
    assert run_on(tmp_path / "s.db", body) == 60
    assert max(most) - before <= RUNS_MAX + 2
