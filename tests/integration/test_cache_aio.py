"""Goal: tools that are coroutines run on the caller's loop, and nothing stops it (T6). Method: watch them run."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import aio
from holdfast.core.flows import Call, Flow, Pause, Wait, Work, awaited, run


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


def in_loop(work: Any) -> Any:
    """Run a test that is a coroutine."""
    return asyncio.run(work)


def test_t1_t6_many_tasks_await_a_tool_once_on_their_own_loop(tmp_path: Path, calls: Counter[str]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def tool(q: str) -> list[str]:
            assert asyncio.get_running_loop() is loop
            calls["tool"] += 1
            await asyncio.sleep(0.05)
            return [q]

        async with aio.connect(tmp_path / "s.db") as db:
            cache = db.cache.options(ttl="1h", name="tool")
            found = await asyncio.gather(*(cache.call(tool, "x") for _ in range(50)))
            assert found == [["x"]] * 50
            assert calls["tool"] == 1
            assert len({id(one) for one in found}) == 50
            hit = await cache.find(tool, "x")
            assert hit is not None
            assert (await cache.stats())[0].hits == 49
            assert await cache.invalidate("tool") == 1
            assert await cache.find(tool, "x") is None

    in_loop(main())


def test_t6_a_plain_tool_does_not_stop_the_loop(tmp_path: Path, calls: Counter[str]) -> None:
    async def main() -> None:
        mine = threading.current_thread()
        loop, begun, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def tool(q: int) -> int:
            assert threading.current_thread() is not mine
            calls["tool"] += 1
            if calls["tool"] == 3:
                loop.call_soon_threadsafe(begun.set)
            assert released.wait(20)
            return q

        async with aio.connect(tmp_path / "s.db") as db:
            cache = db.cache.options(ttl="1h", name="tool")
            asked = [asyncio.ensure_future(cache.call(tool, number % 3)) for number in range(30)]
            await begun.wait()  # the loop goes on while the tools wait
            released.set()
            assert await asyncio.gather(*asked) == [0, 1, 2] * 10
            assert calls["tool"] == 3

    in_loop(main())


def test_one_who_is_cancelled_while_it_calls_leaves_the_call_to_the_others(tmp_path: Path, calls: Counter[str]) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def tool(q: str) -> str:
            calls["tool"] += 1
            if calls["tool"] == 1:
                begun.set()
                await asyncio.sleep(3600)
            return q

        async with aio.connect(tmp_path / "s.db") as db:
            cache = db.cache.options(ttl="1h", name="tool")
            first = asyncio.ensure_future(cache.call(tool, "x"))
            await begun.wait()
            others = [asyncio.ensure_future(cache.call(tool, "x")) for _ in range(5)]
            await asyncio.sleep(0)
            others[0].cancel()
            first.cancel()
            found = await asyncio.gather(first, *others, return_exceptions=True)
            assert [type(one) for one in found[:2]] == [asyncio.CancelledError] * 2
            assert found[2:] == ["x"] * 4
            assert calls["tool"] == 2
            assert await cache.call(tool, "x") == "x"

    in_loop(main())


def test_tasks_and_threads_share_answers(tmp_path: Path, calls: Counter[str]) -> None:
    async def tool(q: str) -> str:
        calls["tool"] += 1
        await asyncio.sleep(0)
        return q

    async def main() -> None:
        async with aio.connect(tmp_path / "s.db") as db:
            assert await db.cache.options(name="tool", version="1").call(tool, "x") == "x"
            with pytest.raises(holdfast.NotStorable):
                await db.cache.options(name="tool", version="1").call(tool, object())
        with pytest.raises(holdfast.StoreClosed):
            await db.cache.stats()

    in_loop(main())
    with holdfast.connect(tmp_path / "s.db") as db:
        assert db.cache.options(name="tool", version="1").call(lambda q: calls.clear(), q="x") == "x"
    assert calls["tool"] == 1


def test_inside_a_transaction_no_tool_is_called(tmp_path: Path, calls: Counter[str]) -> None:
    async def tool(q: str) -> str:
        calls["tool"] += 1
        return q

    async def main() -> None:
        async with aio.connect(tmp_path / "s.db") as db:
            cache = db.cache.options(name="tool")
            async with db.transaction() as tx:
                await tx.execute("CREATE TABLE t (x INT)")
                with pytest.raises(holdfast.TransactionOpen):
                    await cache.call(tool, "x")
            assert await cache.call(tool, "x") == "x"
            assert calls["tool"] == 1

    in_loop(main())


def test_a_store_that_is_closed_meanwhile_loses_no_answer(tmp_path: Path, calls: Counter[str]) -> None:
    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def tool(q: str) -> str:
            begun.set()
            await go_on.wait()
            return q

        async with aio.connect(tmp_path / "s.db") as db:
            other = await db.branch("other")
            asked = asyncio.ensure_future(other.cache.options(name="tool", version="1").call(tool, "x"))
            await begun.wait()
            await other.close()
            go_on.set()
            assert await asked == "x"
            hit = await db.cache.options(name="tool", version="1").find(tool, "x")
            assert hit is not None

    in_loop(main())


def test_a_hit_inside_a_transaction_waits_for_no_writer(tmp_path: Path, calls: Counter[str]) -> None:
    async def tool(q: str) -> str:
        return q

    async def main() -> None:
        async with aio.connect(tmp_path / "s.db", timeout=5) as db:
            cache = db.cache.options(name="tool", version="1")
            await cache.call(tool, "x")
            await db.execute("CREATE TABLE t (x INT)")
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO t VALUES (0)")
                inserts = [asyncio.ensure_future(insert(db, number)) for number in range(20)]
                await asyncio.sleep(0.05)
                assert await cache.call(tool, "x") == "x"
                with pytest.raises(holdfast.TransactionOpen):
                    await cache.call(tool, "y")
            await asyncio.gather(*inserts)

    async def insert(db: Any, number: int) -> None:
        await db.execute("INSERT INTO t VALUES (%s)", [number])

    in_loop(main())


def test_a_plain_tool_that_stops_iterating_is_told(tmp_path: Path, calls: Counter[str]) -> None:
    """No StopIteration comes out of a coroutine; it must not be lost on the way either."""

    def tool(q: str) -> Any:
        return next(iter(()))

    async def main() -> None:
        async with aio.connect(tmp_path / "s.db") as db:
            with pytest.raises(RuntimeError, match="StopIteration"):
                await asyncio.wait_for(db.cache.options(name="tool").call(tool, "x"), 20)

    in_loop(main())
    with holdfast.connect(tmp_path / "s.db") as db, pytest.raises(RuntimeError, match="StopIteration"):
        db.cache.options(name="tool").call(tool, "x")


# Flows


def flow(log: list[str]) -> Flow[str]:
    log.append((yield Work(lambda: "work")))
    log.append((yield Call(lambda a, b: a + b, ("ca",), {"b": "ll"})))
    yield Pause(0)
    try:
        yield Work(lambda: 1 / 0)
    except ZeroDivisionError:
        log.append("caught")
    try:
        yield Call(fails)
    finally:
        log.append((yield Work(lambda: "finally")))
    return "unreachable"


def fails() -> None:
    raise KeyError("mine")


async def directly(call: Any, *, reads: bool) -> Any:
    assert not reads
    return call()


def test_a_flow_is_the_same_in_a_thread_and_on_a_loop() -> None:
    plain, looped = list[str](), list[str]()
    with pytest.raises(KeyError, match="mine"):
        run(flow(plain))
    with pytest.raises(KeyError, match="mine"):
        asyncio.run(awaited(flow(looped), directly))
    assert plain == looped == ["work", "call", "caught", "finally"]


def test_a_flow_waits_without_taking_the_wait_with_it() -> None:
    def waiting(until: Any) -> Flow[str]:
        yield Wait(until)
        return "done"

    async def main() -> None:
        until: Future[str] = Future()
        one, other = (asyncio.ensure_future(awaited(waiting(until), directly)) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert not until.cancelled()
        until.set_result("x")
        assert await other == "done"
        assert run(waiting(until)) == "done"

    in_loop(main())
