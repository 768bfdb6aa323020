"""Goal: the async twin does what `Store` does, and never blocks the loop. Method: tasks, and processes in their way."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import aio
from holdfast.store.workers import WRITERS_MAX
from tests.integration.syncs import counted_syncs
from tests.integration.test_writers import holder

INSERT = "INSERT INTO steps (run_id, step) VALUES (%s, %s)"

Scenario = Callable[[aio.Store], Coroutine[Any, Any, None]]


def run(path: Path, scenario: Scenario, **options: Any) -> None:
    """Run a scenario on a store with three steps."""

    async def main() -> None:
        async with aio.connect(path, **options) as db:
            if "steps" not in await db.tables():
                await db.execute("CREATE TABLE steps (run_id TEXT, step INT, note TEXT, PRIMARY KEY (run_id, step))")
                await db.executemany(INSERT, [["r", n] for n in (1, 2, 3)])
            await scenario(db)
            await db.verify()

    asyncio.run(main())


async def count(db: aio.Store) -> int:
    row = (await db.execute("SELECT count(*) AS n FROM steps")).fetchone()
    assert row is not None
    return int(row["n"])


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    while not condition():  # noqa: ASYNC110 - there is nothing to be told by
        await asyncio.sleep(0)


class TestSurface:
    PUBLIC = sorted(name for name in dir(holdfast.Store) if not name.startswith("_") and name not in ("at", "twin"))

    def test_l4_both_stores_have_the_same_methods(self) -> None:
        assert sorted(name for name in dir(aio.Store) if not name.startswith("_")) == self.PUBLIC

    @pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(getattr(holdfast.Store, name))])
    def test_l4_each_with_the_same_arguments(self, name: str) -> None:
        plain, twin = getattr(holdfast.Store, name), getattr(aio.Store, name)
        assert list(inspect.signature(twin).parameters.values()) == list(inspect.signature(plain).parameters.values())
        assert inspect.getdoc(twin)

    def test_l4_connect_takes_the_same_options(self) -> None:
        assert inspect.signature(aio.connect).parameters == inspect.signature(holdfast.connect).parameters

    def test_it_is_there_without_an_import_of_its_own_and_costs_nothing_until_then(self) -> None:
        code = "import holdfast, sys; assert 'asyncio' not in sys.modules; print(holdfast.aio.connect.__name__)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "connect\n"

    def test_everything_once(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            before = await db.head
            async with await db.branch("side") as side:
                await side.execute(INSERT, ["s", 1])
                assert [change.key for change in await db.diff("main", "side")] == [("s", 1)]
                assert (side.ref, side.read_only, side.pinned) == ("side", False, False)
            merge = await db.merge("side", message="both")
            assert await db.head == merge.commit
            assert [commit.message for commit in await db.log(limit=1)] == ["both"]
            assert (await db.show())[0].hash == merge.commit
            await db.tag("v1", at=before)
            assert [tag.name for tag in await db.tags()] == ["v1"]
            async with await db.checkout("v1") as old:
                assert (old.read_only, old.pinned, await count(old)) == (True, True, 3)
                with pytest.raises(holdfast.ReadOnly):
                    await old.execute(INSERT, ["s", 2])
            await db.reset("v1")
            assert await count(db) == 3
            await db.delete_tag("v1")
            await db.delete_branch("side")
            assert [branch.name for branch in await db.branches()] == ["main"]
            assert db.url == str(path)
            assert repr(db).startswith("<aio.Store")

        run(path, scenario)

    def test_awaiting_connect_and_closing_twice(self, path: Path) -> None:
        async def main() -> None:
            db = await aio.connect(path)
            side = await db.branch("side")
            await db.close()
            await db.close()
            for store in (db, side):
                with pytest.raises(holdfast.StoreClosed):
                    await store.execute("SELECT 1")
                with pytest.raises(holdfast.StoreClosed):
                    async with store.transaction():
                        pass
            with pytest.raises(holdfast.NotFound):
                await aio.connect(path.parent / "none" / "s.db")

        asyncio.run(main())

    def test_a_policy_that_is_a_coroutine_function_is_refused_by_name(self, path: Path) -> None:
        async def policy(conflict: holdfast.Conflict) -> object:
            return conflict.ours

        async def scenario(db: aio.Store) -> None:
            for given in (policy, {"steps": policy}):
                with pytest.raises(holdfast.Unsupported, match="policy is a coroutine function"):
                    await db.merge("main", policy=given)

        run(path, scenario)


@asynccontextmanager
async def ticking() -> AsyncIterator[list[int]]:
    """Let a task tick as often as the loop lets it; hand out its ticks."""
    ticks: list[int] = []

    async def heartbeat() -> None:
        while True:
            ticks.append(len(ticks))
            await asyncio.sleep(0)

    task = asyncio.create_task(heartbeat())
    try:
        yield ticks
    finally:
        task.cancel()


class TestLoop:
    def test_t6_the_loop_goes_on_while_calls_wait_for_another_process(self, db: holdfast.Store, path: Path) -> None:
        """The holder lets go only after the heartbeat has ticked on, so a blocked loop would hang."""

        async def scenario(db: aio.Store) -> None:
            with holder(path) as child:
                async with ticking() as ticks:
                    write = asyncio.create_task(db.execute(INSERT, ["t", 1]))
                    begin = asyncio.create_task(db.transaction().__aenter__())
                    await until(lambda: len(ticks) >= 1000)
                    assert not write.done()
                    assert await count(db) == 3, "readers wait for nobody"
                    begin.cancel()
                    child.kill()
                    await write
            assert await count(db) == 4

        run(path, scenario)

    def test_200_tasks_need_no_200_threads(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            before = threading.active_count()
            peak = 0

            async def agent(number: int) -> None:
                nonlocal peak
                store = await db.branch(f"agent-{number}")
                async with store.transaction(read_only=True):
                    await store.execute(f"SELECT {number}")
                    await store.execute("SELECT count(*) FROM steps")
                await store.execute(INSERT, ["a", number])
                async with store.transaction("two"):
                    await store.execute(INSERT, ["b", number])
                    peak = max(peak, threading.active_count())
                    await store.execute(INSERT, ["c", number])
                assert await count(store) == 6
                await store.close()

            await asyncio.gather(*(agent(number) for number in range(200)))
            assert peak - before <= 24
            assert len(await db.branches()) == 201

        run(path, scenario, durability="process")

    def test_concurrent_calls_share_a_sync(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            await asyncio.gather(*(db.execute(INSERT, ["w", number]) for number in range(16)))  # the threads are there
            syncs.clear()
            await asyncio.gather(*(db.execute(INSERT, ["t", number]) for number in range(64)))
            assert syncs["db-wal"] <= 32
            assert await count(db) == 83

        with counted_syncs() as syncs:
            run(path, scenario)


class TestTransactions:
    def test_it_is_one_commit_or_none(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            async with db.transaction("two", {"why": 1}) as tx:
                await tx.execute(INSERT, ["t", 1])
                await db.execute(INSERT, ["t", 2])
                assert await count(db) == 5
            assert [commit.message for commit in await db.log(limit=2)] == ["two", "INSERT INTO steps"]
            with pytest.raises(KeyError):
                async with db.transaction():
                    await db.execute("DELETE FROM steps")
                    raise KeyError
            assert await count(db) == 5

        run(path, scenario)

    def test_inside_another_it_is_a_savepoint(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            async with db.transaction("outer"):
                await db.execute(INSERT, ["t", 1])
                with pytest.raises(KeyError):
                    async with db.transaction():
                        await db.execute(INSERT, ["t", 2])
                        raise KeyError
                async with db.transaction():
                    await db.execute(INSERT, ["t", 3])
                with pytest.raises(holdfast.TransactionOpen):
                    await db.merge("main")
                with pytest.raises(holdfast.TransactionOpen):
                    await db.close()
            steps = (await db.execute("SELECT step FROM steps WHERE run_id = 't' ORDER BY step")).fetchall()
            assert [row["step"] for row in steps] == [1, 3]

        run(path, scenario)

    def test_it_belongs_to_the_task_that_opened_it(self, path: Path) -> None:
        """Others read what was there before, and write after it; what they write is not undone with it."""

        async def scenario(db: aio.Store) -> None:
            opened, looked = asyncio.Event(), asyncio.Event()

            async def holding() -> None:
                async with db.transaction():
                    await db.execute("DELETE FROM steps")
                    opened.set()
                    await looked.wait()
                    raise KeyError

            async def other() -> None:
                await opened.wait()
                write = asyncio.create_task(db.execute(INSERT, ["t", 1]))
                assert await count(db) == 3
                looked.set()
                await write

            results = await asyncio.gather(holding(), other(), return_exceptions=True)
            assert [type(result) for result in results] == [KeyError, type(None)]
            assert await count(db) == 4

        run(path, scenario)

    def test_a_task_that_would_wait_for_itself_is_told(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            side = await db.branch("side")
            async with db.transaction():
                with pytest.raises(holdfast.TransactionOpen):
                    await side.execute(INSERT, ["t", 1])

        run(path, scenario)

    def test_one_that_reads_sees_one_moment(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            async with db.transaction(read_only=True) as tx:
                await asyncio.create_task(db.execute("DELETE FROM steps"))
                assert await count(tx) == 3
                with pytest.raises(holdfast.ReadOnly):
                    await tx.execute(INSERT, ["t", 1])
            assert await count(db) == 0

        run(path, scenario)


class TestCancelling:
    def test_a_cancelled_write_leaves_the_store_usable(self, db: holdfast.Store, path: Path) -> None:
        """It waits for another process when it is cancelled. Whether it happens after all is not told; once at most."""

        async def scenario(db: aio.Store) -> None:
            with holder(path) as child:
                writes = [asyncio.create_task(db.execute(INSERT, ["t", number])) for number in range(40)]
                await until(lambda: len(db._plain._engine._queue._line) == WRITERS_MAX - 1)  # type: ignore[attr-defined]
                for write in writes:
                    write.cancel()
                results = await asyncio.gather(*writes, return_exceptions=True)
                assert {type(result) for result in results} == {asyncio.CancelledError}
                child.kill()
            await db.execute(INSERT, ["t", 100])
            steps = await db.execute("SELECT step FROM steps WHERE run_id = 't'")
            found = [row["step"] for row in steps]
            assert len(found) == len(set(found))
            assert 100 in found
            assert set(found) - {100} <= set(range(WRITERS_MAX)), "what had not begun never does"

        run(path, scenario)

    def test_a_cancelled_block_is_rolled_back(self, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            opened = asyncio.Event()

            async def block() -> None:
                async with db.transaction():
                    await db.execute("DELETE FROM steps")
                    opened.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(block())
            await opened.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await count(db) == 3
            await db.execute(INSERT, ["t", 1])

        run(path, scenario)

    def test_so_is_one_that_is_cancelled_in_the_middle_of_a_call(self, path: Path) -> None:
        """The call goes on in its thread; the rollback waits for it, and the cancellation for the rollback."""

        async def scenario(db: aio.Store) -> None:
            begun, release = threading.Event(), threading.Event()

            def rows() -> Iterator[list[object]]:
                yield ["t", 1]
                begun.set()
                release.wait(60)
                yield ["t", 2]

            async def block() -> None:
                async with db.transaction():
                    await db.executemany(INSERT, rows())

            task = asyncio.create_task(block())
            await until(begun.is_set)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            release.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await count(db) == 3
            await db.execute(INSERT, ["t", 1])

        run(path, scenario)

    def test_one_that_is_cancelled_before_it_begins_holds_nothing_up(self, db: holdfast.Store, path: Path) -> None:
        async def scenario(db: aio.Store) -> None:
            with holder(path) as child:
                begin = asyncio.create_task(db.transaction().__aenter__())
                await until(lambda: db._plain._engine._queue._holder is not None)  # type: ignore[attr-defined]
                begin.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await begin
                child.kill()
            await db.execute(INSERT, ["t", 1])
            assert await count(db) == 4

        run(path, scenario)


def test_l5_the_inside_of_a_transaction_lets_no_other_task_in() -> None:
    """wait_for() and gather() make tasks: their statements would have been committed by themselves."""

    async def main() -> list[dict[str, Any]]:
        async with aio.connect(":memory:") as db:
            await db.execute("CREATE TABLE t (n INT)")
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO t VALUES (1)")
                with pytest.raises(holdfast.TransactionOpen, match="gather"):
                    await asyncio.gather(tx.execute("INSERT INTO t VALUES (2)"))
                assert (await tx.execute("SELECT count(*) FROM t")).fetchone() == {"count": 1}
            with pytest.raises(holdfast.TransactionOpen, match="ended"):
                await tx.execute("INSERT INTO t VALUES (3)")
            return (await db.execute("SELECT n FROM t")).fetchall()

    assert asyncio.run(main()) == [{"n": 1}]
