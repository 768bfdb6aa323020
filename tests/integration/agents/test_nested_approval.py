"""Goal: the agents of examples/nested_approval.py wait two levels down, and go on in other processes, by people's word.

Method: the example itself as processes, the command line, the real client against a scripted server, and a ledger
outside that has a line for each effect (A1, A3, A5, A14).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import valkey_server
from tests.llm_server import Answer, Model, calls, playing, says
from tests.postgresql import fresh_url

PROMPT = "Ada gets a raise of 5 % and a bonus of 2000"


def script(request: dict[str, Any]) -> Answer:
    """Each agent asks for its part at once, and then repeats what it was told."""
    messages = request["messages"]
    answers = [message["content"] for message in messages if message["role"] == "tool"]
    if answers:
        return says("; ".join(answers))
    asked: dict[str, Answer] = {
        "You see": calls(("hr", {"prompt": "raise Ada by 5 %"}), ("finance", {"prompt": "pay Ada 2000"})),
        "You know": calls(("employee", {"name": "Ada"}), ("raise_salary", {"name": "Ada", "percent": 5})),
        "You decide": calls(("payroll", {"prompt": "pay Ada 2000"})),
        "You pay": calls(("pay", {"name": "Ada", "amount": 2000}), ("pay", {"name": "Ada", "amount": 50})),
    }
    return next(answer for told, answer in asked.items() if messages[0]["content"].startswith(told))


class Office:
    """The example, with a store and a ledger of its own."""

    def __init__(self, root: Path, folder: Path, url: str, model: Model) -> None:
        self._examples = root / "examples"
        self.ledger = folder / "ledger.txt"
        told = {"HOLDFAST_STORE": url, "LEDGER": str(self.ledger), "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "-"}
        self._environment = {**os.environ, **told}

    def run(self, *command: str) -> str:
        """Run a process to its end; return what it says."""
        ended = subprocess.run(
            [sys.executable, *command], cwd=self._examples, env=self._environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def holdfast(self, *command: str) -> Any:
        """Run a command; return what it says as JSON."""
        return json.loads(self.run("-m", "holdfast.cli", *command, "--json"))

    @property
    def effects(self) -> list[str]:
        """What happened outside."""
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []


@pytest.fixture(params=["file", "postgres", "valkey"])
def office(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> Iterator[Office]:
    urls = {"file": lambda: str(tmp_path / "s.db"), "postgres": fresh_url, "valkey": valkey_server.fresh_url}
    with playing(script) as model:
        yield Office(root, tmp_path, urls[request.param](), model)


def test_a1_a3_a14_people_decide_two_levels_down_and_other_processes_go_on(office: Office) -> None:
    said = office.run("nested_approval.py", PROMPT)
    run_id = said.split()[1]
    waiting = {call["name"]: call for call in office.holdfast("inbox")}
    assert {name: (len(call["path"]), call["approvers"]) for name, call in waiting.items()} == {
        "raise_salary": (1, ["hr"]),
        "pay": (2, ["cfo"]),
    }
    assert office.effects == ["Ada is paid 50"], "what nobody is to be asked about is done"
    edited = office.holdfast("approve", waiting["pay"]["id"], "--by", "cfo", "--args", '{"amount": 1500}')
    assert (edited["state"], edited["run_status"]) == ("approved", "queued")
    again = office.holdfast("resume", "nested_approval:orchestrator", run_id)
    assert [call["name"] for call in again["calls"]] == ["raise_salary"], "undecided is no decision"
    assert office.effects == ["Ada is paid 50", "Ada is paid 1500"]
    office.holdfast("reject", waiting["raise_salary"]["id"], "not this year", "--by", "hr")
    done = office.holdfast("resume", "nested_approval:orchestrator", run_id)
    assert done["status"] == "complete"
    assert "this call was rejected, and not made: not this year" in done["output"]
    assert "Ada is paid 1500" in done["output"]
    assert office.holdfast("resume", "nested_approval:orchestrator", run_id) == done
    assert office.effects == ["Ada is paid 50", "Ada is paid 1500"]
    tree = office.run("-m", "holdfast.cli", "show", run_id)
    assert "approved by cfo" in tree
    assert "rejected by hr" in tree
