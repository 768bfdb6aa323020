"""Goal: an agent that is killed anywhere goes on: the messages of a real conversation are those that were recorded.

Method: recorded conversations, whose model is a server that says what was recorded next, and whose tools answer what
they did; the process kills itself before or after one call after the other. No tool is called twice but the one that
was in flight.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import holdfast
from tests import valkey_server
from tests.crash.agent_worker import CONVERSATION, WAITS, recorded
from tests.llm_server import Answer, playing

KILLS_MAX = 40
NUMBERS = (2, 5)
KEPT = ("role", "content", "tool_calls", "tool_call_id")


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """Return what of a message says something; a recording has more, and in another order."""
    kept = {name: message[name] for name in KEPT if message.get(name) is not None}
    if "tool_calls" in kept:
        kept["tool_calls"] = [
            {"id": call["id"], **{name: call["function"][name] for name in ("name", "arguments")}}
            for call in kept["tool_calls"]
        ]
    return kept


def as_it_ended(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a recording up to the last word of the agent."""
    while messages[-1]["role"] != "assistant" or messages[-1].get("tool_calls"):
        messages = messages[:-1]
    return messages


def allowed(source: str) -> int:
    """Allow all that waits; return how many calls that were."""
    with holdfast.connect(source) as db:
        waiting = db.inbox(approver="desk")
        for call in waiting:
            call.approve(by="desk")
    return len(waiting)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "valkey"])
@pytest.mark.parametrize(("number", "asks"), [*((number, "free") for number in NUMBERS), (NUMBERS[0], "asks")])
def test_d1_d3_a_real_conversation_of_an_agent_is_what_was_recorded(
    traces: Path, tmp_path: Path, kind: str, number: int, asks: str, soak: bool
) -> None:
    """With kills in between, and with somebody who allows each call while nothing runs."""
    file = traces / "tau-airline.jsonl"
    messages = as_it_ended(recorded(file, number))
    source = valkey_server.fresh_url() if kind == "valkey" else str(tmp_path / "s.db")
    effects, kills, waits = tmp_path / "effects", 0, 0
    cut = tmp_path / "conversation.jsonl"
    cut.write_text(json.dumps(messages) + "\n")

    def next_of(request: dict[str, Any]) -> Answer:
        answer = messages[len(request["messages"])]
        assert answer["role"] == "assistant"
        return {name: answer[name] for name in ("content", "tool_calls") if answer.get(name) is not None}

    with playing(next_of) as model:
        while True:
            at = 2 + kills if kills < KILLS_MAX or soak else 0
            command = [sys.executable, "-m", "tests.crash.agent_worker", source, str(cut), "0"]
            ended = subprocess.run(
                [*command, model.url, str(effects), str(at), asks], capture_output=True, text=True, check=False
            )
            if ended.returncode == 0:
                break
            if ended.returncode == WAITS:
                waits += allowed(source)
                continue
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            kills += 1
    with holdfast.connect(source) as db:
        found = db.state.namespace("conversations").namespace(CONVERSATION)["messages"]
        assert [plain(message) for message in found] == [plain(message) for message in messages]
        assert {info.status for info in db.runs()} == {"complete"}
        assert db.verify().commits
    called = Counter(effects.read_text().splitlines() if effects.exists() else [])
    asked = [call for message in messages for call in message.get("tool_calls") or []]
    assert (kills > 0) == bool(asked)
    assert waits == (len(asked) if asks == "asks" else 0), "each call is asked about once"
    assert len(called) == len({call["id"] for call in asked})
    assert sum(called.values()) - len(called) <= kills
