"""Goal: what a tool says of itself holds in a step, unless the step says otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Context, Happened, aio, tool

CALLS: list[Any] = []


class BoomError(Exception):
    """What a tool raises."""


@tool(cache="10m", usage={"cost": 1})
def population(city: str) -> dict[str, Any]:
    CALLS.append(city)
    return {"city": city, "people": (1, 2)}


@tool(retries=2, backoff=0)
def flaky(n: int) -> int:
    CALLS.append(n)
    if len(CALLS) < 3:
        raise BoomError
    return n


@tool(effect="once", verify=lambda amount: Happened(f"found {amount}"))
def pay(amount: int) -> str:
    CALLS.append(amount)
    raise KeyboardInterrupt


@tool(cache=60, timeout=5)
async def ask(question: str) -> str:
    CALLS.append(question)
    await asyncio.sleep(0)
    return question.upper()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[holdfast.Store]:
    CALLS.clear()
    with holdfast.connect(tmp_path / "s.db") as store:
        yield store


def test_t3_a_cached_tool_is_called_once_for_all_runs(db: holdfast.Store) -> None:
    for run_id in ("a", "b"):
        with db.run(run_id) as run:
            found = run.step("look", population, "Paris")
            assert found == run.step("again", population, city="Paris")
            run.result = found
    assert CALLS == ["Paris"]
    assert db.run("a").result == db.run("b").result == {"city": "Paris", "people": (1, 2)}
    assert [step.args for step in db.run("b").steps()] == [{"city": "Paris"}] * 2
    assert [(use.hits, use.misses) for use in db.cache.stats()] == [(3, 1)]
    assert population("Rome")["city"] == "Rome"


def test_options_of_a_tool_hold_unless_the_step_says_otherwise(db: holdfast.Store) -> None:
    with db.run("r") as run:
        assert run.step("f", flaky, 7) == 7
    assert CALLS == [7, 7, 7]
    CALLS.clear()
    with pytest.raises(BoomError), db.run("s") as run:
        run.options(retries=0).step("f", flaky, 7)
    assert CALLS == [7]


def test_a_tool_that_may_happen_once_is_asked_for_by_its_verify(db: holdfast.Store) -> None:
    with pytest.raises(KeyboardInterrupt), db.run("r") as run:
        run.step("pay", pay, 5)
    with db.run("r") as run:
        run.result = run.step("pay", pay, 5)
    assert (CALLS, db.run("r").result) == ([5], "found 5")


def test_a_cached_coroutine_is_awaited_on_the_loop(tmp_path: Path) -> None:
    CALLS.clear()

    async def main() -> list[str]:
        found: list[str] = []
        async with aio.connect(tmp_path / "s.db") as db, db.run("r") as run:
            found += await asyncio.gather(*(run.step("ask", ask, "why") for _ in range(3)))
        return found

    assert asyncio.run(main()) == ["WHY"] * 3
    assert CALLS == ["why"]


def test_what_cannot_be_a_tool_is_refused() -> None:
    with pytest.raises(holdfast.InvalidValue, match="cannot be cached"):
        tool(effect="once", cache="1m")
    with pytest.raises(holdfast.InvalidValue, match="takes a Context"):

        @tool(cache="1m")
        def with_context(ctx: Context) -> None:
            """Do nothing."""

    for wrong in (7, int):
        with pytest.raises(holdfast.InvalidValue, match="a tool is made of a function"):
            tool(wrong)  # type: ignore[arg-type]
