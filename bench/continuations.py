"""What a run that waits takes up, and how soon it goes on: `make bench ARGS=continuations`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import holdfast
from holdfast import Agent, Continuation
from tests import postgresql, valkey_server
from tests.llm_server import Answer, calls, client_of, playing

TURNS = 30
SIZE = 2048
DECISIONS = 20

WORKER = """
import sys, time, holdfast

@holdfast.tool(approval=holdfast.Approval())
def pay(number):
    print(repr(time.time()), flush=True)

def payer(run):
    for number in range(run.input):
        run.step("pay", pay, number)

with holdfast.connect(sys.argv[1]) as db:
    print("works", flush=True)
    db.worker([payer]).run()
"""


def script(request: dict[str, Any]) -> Answer:
    """Ask for a page after the other, then for a payment."""
    number = sum(message["role"] == "tool" for message in request["messages"])
    if number < TURNS:
        return calls(("page", {"number": number}), first=number)
    return calls(("pay", {"amount": 1, "to": "x"}), first=number)


def page(number: int) -> str:
    """Return a page."""
    return f"{number:04}" * (SIZE // 4)


@holdfast.tool(approval=holdfast.Approval())
def pay(amount: int, to: str) -> str:
    """Pay."""
    return f"paid {amount} to {to}"


def sizes() -> None:
    """Print how large a conversation that waits is, beside its messages."""
    with tempfile.TemporaryDirectory() as folder, playing(script) as model:
        file = Path(folder) / "holdfast.db"
        with holdfast.connect(file) as db:
            agent = Agent("long", model="m", client=client_of(model), tools=[page, pay])
            waits = agent.run("go", store=db, run_id="r")
            assert isinstance(waits, holdfast.Suspended)
            assert waits.continuation is not None
            refers = waits.continuation.to_json()
            began = time.perf_counter()
            whole = agent.export(db, "r", hand_over=False).to_json()
            took = time.perf_counter() - began
            [frame] = Continuation.from_json(whole).root.frames()
        store = file.stat().st_size
        messages = frame.history.messages or []
        raw = sum(len(json.dumps(message, separators=(",", ":"))) for message in messages)
        rows: list[tuple[str, float, float | None]] = [
            ("Holdfast: what the run is kept as while it waits, beside its messages", len(refers), None),
            ("Holdfast: the continuation with its messages", len(whole), took),
            ("Holdfast: the whole store, with all 64 steps", store, None),
            *_peer("OpenAI Agents: RunState", "openai_agents", model.url, SIZE),
            *_peer("LangGraph: its SQLite file", "langgraph_sqlite", folder, TURNS, SIZE),
        ]
    print(f"{len(messages)} messages, {raw:,} bytes of JSON, one call waits\n")
    print("| what | bytes | times the messages | seconds |\n|---|--:|--:|--:|")
    for name, size, seconds in rows:
        print(f"| {name} | {size:,} | {size / raw:.2f} | {'' if seconds is None else f'{seconds:.3f}'} |")


def _peer(name: str, module: str, *arguments: object) -> list[tuple[str, float, float | None]]:
    """Return the row of a peer, in a process of its own; none where it is not installed."""
    command = [sys.executable, "-m", f"bench.peers.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name} is left out: {(done.stderr.strip().splitlines() or ['it ended'])[-1]}")
        return []
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return [(name, said["bytes"], said["seconds"])]


def soon() -> None:
    """Print how long after a decision a worker of another process makes the call."""
    print("\n| store | a worker makes the call after | nine of ten | times a durable step there |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        urls: dict[str, Callable[[], str]] = {
            "a file": lambda: str(Path(folder) / "s.db"),
            "Valkey": valkey_server.fresh_url,
            "PostgreSQL": postgresql.fresh_url,
        }
        for name, url in urls.items():
            took, step = _taken(url())
            nine = sorted(took)[int(0.9 * len(took))]
            print(f"| {name} | {1e3 * median(took):.0f} ms | {1e3 * nine:.0f} ms | {median(took) / step:.1f} |")


def _taken(url: str) -> tuple[list[float], float]:
    """Return how long each decision took to be carried out, and what a step takes in that store."""
    with holdfast.connect(url) as db:
        command = [sys.executable, "-c", WORKER, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "works\n"
            db.start("payer", "r", DECISIONS)
            took: list[float] = []
            for _ in range(DECISIONS):
                while not (waiting := db.inbox()):
                    time.sleep(0.01)
                time.sleep(0.2)  # until the worker has given the run back, and waits
                waiting[0].approve(by="ann")
                decided = time.time()
                took.append(float(worker.stdout.readline()) - decided)
            worker.terminate()
        with db.run("floor") as run:
            began = time.perf_counter()
            for number in range(DECISIONS):
                run.step("step", int, number)
            step = (time.perf_counter() - began) / DECISIONS
    return took, step


def main() -> None:
    """Print both tables."""
    sizes()
    soon()
