"""Runs: a step against a bare insert of the same bytes, going on after a kill, and many agents beside each other.

DBOS does steps of a workflow, recorded in SQLite, too; it keeps no state and no log with them.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

import holdfast
from bench.measure import Budget, Row, compared, in_turns, print_table
from bench.peers import Peer
from bench.store import plain_database
from bench.workload import exchange
from holdfast import aio

STEPS = 300
RECOVERED = 500
AGENTS = 64
TASKS = 200
INSERT = "INSERT INTO t VALUES ('run', ?, ?)"

KILLED = """
import os, sys
import holdfast
from bench.runs import answer
with holdfast.connect(sys.argv[1], durability="process") as db, db.run("r") as run:
    for number in range(int(sys.argv[2])):
        run.step("turn", answer, number)
    os._exit(9)
"""


def answer(number: int) -> dict[str, Any]:
    """Return what a tool returns."""
    return {"number": number, "text": "a result " * 20}


class Loop:
    """A run that is worked on for the whole measurement, as an agent would."""

    def __init__(self, db: holdfast.Store, run_id: str = "r") -> None:
        self.run = db.run(run_id)
        self.run.__enter__()
        self.run.state["messages"] = []
        self.numbers = itertools.count()

    def step(self, _: int) -> None:
        """Do a step: two messages, an event, a variable, and what a tool returned."""
        number = next(self.numbers)
        self.run.state["messages"].extend(exchange(number))
        self.run.state["at"] = number
        self.run.log("turn", {"number": number})
        self.run.step("turn", answer, number)

    def close(self) -> None:
        self.run.__exit__(None, None, None)


def steps(folder: Path, durability: str, budget: Budget, times: int) -> Row:
    """Compare a step with a bare insert of what it holds."""
    db = holdfast.connect(folder / "ours.db", durability=durability)
    plain = plain_database(folder / "plain.db", durability)
    numbers = itertools.count()
    loop = Loop(db)

    def bare(_: int) -> None:
        number = next(numbers)
        text = msgspec.json.encode([exchange(number), answer(number), {"at": number}]).decode()
        plain.execute(INSERT, (number, text))

    peer = Peer("dbos", folder / "dbos", times) if durability == "full" else None
    peers = peer.asked("step") if peer else {}
    found = in_turns({"ours": loop.step, "bare": bare, **peers}, times)
    loop.close()
    plain.close()
    db.close()
    if peer:
        peer.close()
    return compared(
        f"a step of a run, `{durability}`", found["ours"], "bare insert", found["bare"], budget,
        {name: found[name] for name in peers},
    )  # fmt: skip


def recovery(folder: Path, rounds: int) -> Row:
    """Measure how long it takes from opening the store until step 501 begins, after a kill."""
    found: list[float] = []
    floor: list[float] = []
    for number in range(rounds):
        path = folder / f"{number}.db"
        subprocess.run([sys.executable, "-c", KILLED, str(path), str(RECOVERED)], check=False)
        began = time.perf_counter()
        with holdfast.connect(path, durability="process") as db:
            opened = time.perf_counter()
            with db.run("r") as run:
                for at in range(RECOVERED):
                    run.step("turn", answer, at)
                found.append(time.perf_counter() - began)
        floor.append(opened - began)
    return Row(
        f"going on at step {RECOVERED + 1} after a kill", median(found) * 1e6, "opening the store",
        median(floor) * 1e6, Budget(most_us=50_000), tuple(a / b for a, b in zip(found, floor, strict=True)),
    )  # fmt: skip


def agents(folder: Path, seconds_each: float, rounds: int) -> Row:
    """Compare how many steps a second 64 agents do in threads with how many one does."""

    def rate(number: int, at: int) -> float:
        with holdfast.connect(folder / f"{number}-{at}.db") as db:
            loops = [Loop(db, f"r{agent}") for agent in range(number)]
            done = [0] * number
            until = time.perf_counter() + seconds_each

            def work(agent: int) -> None:
                while time.perf_counter() < until:
                    loops[agent].step(0)
                    done[agent] += 1

            threads = [threading.Thread(target=work, args=(agent,)) for agent in range(number)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for loop in loops:
                loop.close()
            return sum(done) / seconds_each

    rates = [(rate(AGENTS, at), rate(1, at)) for at in range(rounds)]
    many, one = (median(found) for found in zip(*rates, strict=True))
    gains = tuple(many / one for many, one in rates)
    return Row(f"{AGENTS} agents, steps a second", 1e6 / many, "one agent", 1e6 / one, Budget(least=3), gains)


def tasks(folder: Path) -> str:
    """Say how many threads 200 runs on a loop need, and for how long they stop it."""
    pauses: list[float] = []
    most = [0]

    async def main() -> None:
        async with aio.connect(folder / "tasks.db") as db:

            async def tool() -> None:
                await asyncio.sleep(0.01)

            async def agent(number: int) -> None:
                async with db.run(f"r{number}") as run:
                    for _ in range(3):
                        await run.step("t", tool)

            async def watch() -> None:
                while True:
                    before = time.perf_counter()
                    await asyncio.sleep(0.001)
                    pauses.append(time.perf_counter() - before)
                    most[0] = max(most[0], threading.active_count())

            watching = asyncio.create_task(watch())
            await asyncio.gather(*map(agent, range(TASKS)))
            watching.cancel()

    before = threading.active_count()
    asyncio.run(main())
    return (
        f"{TASKS} runs on a loop: {most[0] - before} threads beside it; it is {median(pauses) * 1e3 - 1:.1f} ms late in"
        f" the middle, {max(pauses) * 1e3:.0f} ms at most"
    )


def measure(folder: Path, *, quick: bool = False) -> Iterator[Row]:
    """Yield the rows of runs."""
    times = 60 if quick else STEPS
    for durability, most in (("full", 1.3), ("process", 6)):
        place = folder / durability
        place.mkdir()
        yield steps(place, durability, Budget(most=most), times)
    yield recovery(folder, 2 if quick else 7)
    yield agents(folder, 0.5 if quick else 2.0, 2 if quick else 5)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print_table("runs", list(measure(Path(folder))))
        print(tasks(Path(folder)))
