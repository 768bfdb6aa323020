"""Goal: the agent in examples/ survives a kill at each of its crash points, and a real conversation goes on as it was.

Method: processes that kill themselves before or after a call to the outside world; and the conversations of the traces,
played step by step with kills in between, equal what was recorded.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast
from tests import valkey_server

AGENT = """
import importlib.util, os, signal, sys
import holdfast

_, root, path, calls_file, at = sys.argv
spec = importlib.util.spec_from_file_location("resumable_agent", root + "/examples/resumable_agent.py")
agent = importlib.util.module_from_spec(spec)
sys.modules["resumable_agent"] = agent
spec.loader.exec_module(agent)
reached = 0

def point():
    global reached
    reached += 1
    if reached == int(at):
        os.kill(os.getpid(), signal.SIGKILL)

functions = {"web_search": agent.web_search.function, "call_llm": agent.call_llm.function}

def watched(name, argument):
    point()
    with open(calls_file, "a") as file:
        file.write(f"{name}\\n")
    answer = functions[name](argument)
    point()
    return answer

def web_search(query):
    return watched("web_search", query)

def call_llm(prompt):
    return watched("call_llm", prompt)

agent.web_search.function, agent.call_llm.function = web_search, call_llm
with holdfast.connect(path) as db:
    print(agent.run_agent(db, "run_001", "owls"))
"""
CALLS = ["web_search", "call_llm", "call_llm"]


def _run(root: Path, tmp_path: Path, source: str, at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", AGENT, str(root), source, str(tmp_path / "calls"), str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "valkey"])
@pytest.mark.parametrize("at", range(1, 7))
def test_d1_d3_e1_the_agent_goes_on_wherever_it_was_killed(root: Path, tmp_path: Path, kind: str, at: int) -> None:
    """A call that was in flight is made again, and no other."""
    source = valkey_server.fresh_url() if kind == "valkey" else str(tmp_path / "s.db")
    killed = _run(root, tmp_path, source, at)
    assert killed.returncode == -signal.SIGKILL
    ended = _run(root, tmp_path, source, 0)
    assert ended.returncode == 0, ended.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    in_flight = [CALLS[(at - 1) // 2]] if at % 2 == 0 else []
    assert sorted(calls) == sorted([*CALLS, *in_flight])
    assert _run(root, tmp_path, source, 0).stdout == ended.stdout, "a finished run returns its result"
    assert (tmp_path / "calls").read_text().splitlines() == calls
    with holdfast.connect(source) as db:
        kinds = [event.kind for event in db.events("run_001") if not event.kind.startswith("run.")]
    assert kinds == ["search", "step.done", "analyze", "step.done", "respond", "step.done"]


CONVERSATION = """
import json, os, signal, sys
import holdfast

_, path, file, number, at = sys.argv
with open(file) as lines:
    traces = [json.loads(line) for line in lines]
turns = traces[int(number)]["traj"] if isinstance(traces[int(number)], dict) else traces[int(number)]
reached = 0

def say(turn):
    global reached
    reached += 1
    if reached == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
    return turns[turn]

with holdfast.connect(path, durability="process") as db, db.run("talk") as run:
    messages = run.state["messages"] = []
    for turn in range(len(turns)):
        run.state["messages"].append(run.step(turns[turn]["role"], say, turn))
    run.result = len(run.state["messages"])
"""


def _conversations(traces: Path) -> Iterator[tuple[Path, int, list[Any]]]:
    file = traces / "tau-airline.jsonl"
    for number, line in enumerate(file.read_text().splitlines()):
        found = json.loads(line)
        yield file, number, found["traj"] if isinstance(found, dict) else found


@pytest.mark.slow
def test_d1_a_real_conversation_with_kills_in_between_is_what_was_recorded(traces: Path, tmp_path: Path) -> None:
    for file, number, turns in list(_conversations(traces))[:4]:
        path = tmp_path / f"{number}.db"
        kills = 0
        while True:
            command = [sys.executable, "-c", CONVERSATION, str(path), str(file), str(number), str(7 + kills)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode == 0:
                break
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            kills += 1
        assert kills
        with holdfast.connect(path) as db:
            assert db.run("talk").state["messages"] == turns
            assert db.run("talk").result == len(turns)
            assert [step.seq for step in db.run("talk").steps()] == list(range(1, len(turns) + 1))
