"""Bodies of runs that are killed and entered again, with effects outside of the store, and what they leave.

Each body appends to the state, logs, and writes rows between its steps, in a line, in a loop, and beside each other.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import holdfast
from holdfast import Context, aio

STEPS = 6


class Effects:
    """A file that tools append to: what they did, whatever becomes of their process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def do(self, what: str) -> str:
        """Do it: a line, on the disk when this returns."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, f"{what}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
        return f"did {what}"

    def done(self) -> Counter[str]:
        """Return how often each was done."""
        return Counter(self._path.read_text().splitlines()) if self._path.exists() else Counter()


def between(run: Any, what: str) -> None:
    """Change all that a run can change between two steps."""
    run.state.setdefault("messages", []).append({"what": what})
    run.state.setdefault("notes", {})[what] = len(run.state["messages"])
    run.log("note", what)
    run.db.execute("INSERT INTO rows (what) VALUES (%s)", [what])


def line(run: holdfast.Run, effects: Effects) -> None:
    """Do steps one after the other, with a transactional one and one that may happen once among them."""

    def write(ctx: Context, what: str) -> str:
        ctx.db.execute("INSERT INTO rows (what) VALUES (%s)", [what])
        ctx.state["inside"] = what
        return effects.do(what)

    between(run, "m1")
    run.step("first", effects.do, "first")
    between(run, "m2")
    run.options(effect="transactional").step("write", write, "write")
    between(run, "m3")
    run.step("last", effects.do, "last")
    between(run, "m4")


def loop(run: holdfast.Run, effects: Effects) -> None:
    """Do steps of one name in a loop."""
    for number in range(STEPS):
        between(run, f"m{number}")
        run.step("turn", effects.do, f"turn {number}")
    run.db.execute("UPDATE rows SET seen = TRUE WHERE what = 'm1'")


def threads(run: holdfast.Run, effects: Effects) -> None:
    """Do steps in threads, and what changes the state around them."""
    for round_ in range(2):
        between(run, f"before {round_}")
        with ThreadPoolExecutor(3) as pool:
            asked = [f"{round_}-{number}" for number in range(3)]
            list(pool.map(lambda what: run.options(key=what).step("beside", effects.do, what), asked))
        between(run, f"after {round_}")


def child(run: holdfast.Run, effects: Effects) -> None:
    """Do a part of the work in a run of its own."""
    between(run, "m1")
    run.step("first", effects.do, "first")
    with run.child("part", input={"n": 1}) as part:
        between(part, "c1")
        part.result = part.step("first", effects.do, "child's first")
        between(part, "c2")
    between(run, "m2")
    run.step("told", effects.do, f"child {part.result}")


BODIES: dict[str, Callable[[holdfast.Run, Effects], None]] = {
    "line": line, "loop": loop, "threads": threads, "child": child,
}  # fmt: skip


async def tasks(run: Any, effects: Effects) -> None:
    """Do steps in tasks that have one name and are told apart by their order."""

    async def do(what: str) -> str:
        await asyncio.sleep(0)
        return effects.do(what)

    for round_ in range(2):
        await run.state.set(f"before {round_}", round_)
        run.log("note", f"before {round_}")
        await run.db.execute("INSERT INTO rows (what) VALUES (%s)", [f"before {round_}"])
        await asyncio.gather(*(run.step("task", do, "same") for _ in range(3)))


def work(path: Path, effects: Effects, name: str) -> str:
    """Enter the run and do what is left of it; return how it ended."""
    if name == "tasks":
        return asyncio.run(_work_async(path, effects))
    with holdfast.connect(path, durability="process") as db:
        with db.run("r", input={"body": name}) as run:
            BODIES[name](run, effects)
            run.result = len(run.state["messages"])
        return db.run("r").status


async def _work_async(path: Path, effects: Effects) -> str:
    async with aio.connect(path, durability="process") as db:
        async with db.run("r", input={"body": "tasks"}) as run:
            await tasks(run, effects)
            run.result = "done"
        return await db.run("r").status


def prepare(path: Path) -> None:
    """Make the store."""
    with holdfast.connect(path, durability="process") as db:
        db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, what TEXT, seen BOOLEAN DEFAULT FALSE)")


def seen(path: Path) -> dict[str, Any]:
    """Return what a finished run left: its messages, notes, events, rows and steps."""
    with holdfast.connect(path) as db:
        assert db.verify().commits
        found: dict[str, Any] = {}
        for info in sorted(db.runs(), key=lambda info: info.run_id):
            run = db.run(info.run_id)
            events = list(db.events(info.run_id))
            assert [event.seq for event in events] == list(range(1, len(events) + 1)), "no gaps"
            rows = run.db.execute("SELECT what, seen FROM rows ORDER BY what").fetchall()
            found[info.run_id] = {
                "status": info.status,
                "result": run.result,
                "state": {name: run.state[name] for name in sorted(run.state)},
                "notes": sorted(event.data for event in events if event.kind == "note"),
                "rows": rows,
                "steps": sorted((step.name, step.key, step.result) for step in run.steps() if step.status == "done"),
            }
        return found
