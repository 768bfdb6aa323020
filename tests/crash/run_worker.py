"""The work of the soak of runs, and a worker for it in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import holdfast
from holdfast import Context
from tests.crash.run_bodies import Effects

TURNS = 3
LEASE_SECONDS = 1.0


def agent_of(effects: Effects) -> Any:
    """Return the function that works on the runs of the soak."""

    def write(ctx: Context, what: str) -> None:
        ctx.db.execute("INSERT INTO rows (what) VALUES (%s)", [what])

    def agent(run: holdfast.Run) -> Any:
        me = run.run_id
        run.state["messages"] = []
        for turn in range(TURNS):
            run.state["messages"].append(f"{me} {turn}")
            run.log("turn", turn)
            run.options(usage={"tokens": turn + 1}).step("turn", effects.do, f"{me} turn {turn}")
        run.options(effect="transactional").step("write", write, f"{me} row")
        run.options(effect="once").step("pay", effects.do, f"{me} pay")
        first, second = run.wait("go"), run.wait("go")
        run.state["messages"].append(f"{me} got {first} {second}")
        run.step("after", effects.do, f"{me} after")
        return [first, second]

    return agent


def work(folder: Path, complaints: Path) -> None:
    """Work on runs until told to stop."""
    try:
        with holdfast.connect(folder / "store.db", durability="process", timeout=60) as db:
            agent = agent_of(Effects(folder / "effects.log"))
            db.worker({"agent": agent}, concurrency=2, backoff=0.01, attempts=1_000, lease=LEASE_SECONDS).run()
    except BaseException as error:
        with complaints.open("a") as file:
            file.write(f"{error!r}\n")
        raise
