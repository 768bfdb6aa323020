"""Goal: what waits for people can be seen, decided and gone on with in a terminal."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import holdfast
from holdfast import Agent
from holdfast.cli.app import commands
from tests.llm_server import Answer, calls, client_of, playing, says

MODULE = """
from tests.integration.cli.test_cli_inbox import agent_of
from pathlib import Path

agent = agent_of(Path("url").read_text())
other = 5
"""


@holdfast.tool(approval=holdfast.Approval(by=["cfo"], message="Is it much?"))
def pay(amount: int) -> str:
    """Pay."""
    with Path("ledger").open("a") as ledger:
        ledger.write(f"paid {amount}\n")
    return f"paid {amount}"


@holdfast.question()
def ask(question: str) -> int:  # type: ignore[empty-body]
    """Ask somebody."""


@holdfast.tool(effect="once")
def book() -> str:
    """Book a flight."""
    if not Path("booked").exists():
        Path("booked").touch()
        raise KeyboardInterrupt
    return "booked at last"


def agent_of(url: str) -> Agent:
    client = client_of(type("Served", (), {"url": url})())
    inner = Agent("inner", model="m", client=client, instructions="inner", tools=[pay, ask])
    return Agent(
        "outer", model="m", client=client, instructions="outer", tools=[inner.as_tool("inner", "Does it."), book]
    )


def script(request: dict[str, Any]) -> Answer:
    messages = request["messages"]
    told = [message["content"] for message in messages if message["role"] == "tool"]
    if told:
        return says(" and ".join(told))
    if messages[0]["content"] == "outer":
        return calls(("book", {}) if messages[1]["content"] == "book" else ("inner", {"prompt": "do it"}))
    return calls(("pay", {"amount": 7}), ("ask", {"question": "how many?"}))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(commands, list(arguments))


def told(*arguments: str) -> Any:
    """Return what a command says as JSON."""
    found = invoke(*arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_STORE", "s.db")
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "office_of_a_test.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "office_of_a_test", raising=False)  # that of another test
    importlib.invalidate_caches()
    with playing(script) as model:
        (tmp_path / "url").write_text(model.url)
        yield agent_of(model.url)


def begun(agent: Agent, prompt: str = "go") -> None:
    with holdfast.connect("s.db") as db:
        assert isinstance(agent.run(prompt, store=db, run_id="r"), holdfast.Suspended)


def test_people_decide_and_the_run_goes_on(agent: Agent) -> None:
    begun(agent)
    paying, asking = sorted(told("inbox"), key=lambda call: call["kind"])
    assert (paying["name"], paying["args"], paying["agent"], paying["path"]) == (
        "pay",
        {"amount": 7},
        "inner",
        ["call_1"],
    )
    assert len(told("inbox", "--approver", "ann")) == len(told("inbox", "--run", "r")) - 1 == 1
    assert "pay(amount=7)" in invoke("inbox").output
    tree = invoke("show", "r").output
    assert [line in tree for line in ("outer (m): 1 turn, 3 messages", "inner  suspended", "approval, pending")] == [
        True
    ] * 3
    assert "Is it much?" in invoke("inbox", paying["id"]).output
    refused = invoke("approve", paying["id"], "--by", "eve")
    assert (refused.exit_code, "'eve' may not decide" in refused.output) == (1, True)
    said = invoke("approve", paying["id"][:6], "--by", "cfo", "--args", '{"amount": 5}', "--message", "less")
    assert said.output.startswith("pay(amount=7) is approved by cfo at ")
    assert said.output.endswith('with {"amount": 5}: less; run r is queued\n')
    assert invoke("approve", paying["id"], "--by", "cfo").exit_code == 1
    assert told("resume", "office_of_a_test:agent", "r")["status"] == "suspended"
    assert told("answer", asking["id"], "42", "--by", "ann")["decided"]["value"] == 42
    assert invoke("resume", "office_of_a_test:agent", "r").output == "paid 5 and 42\n"
    assert told("resume", "office_of_a_test:agent", "r") == {
        "run_id": "r",
        "status": "complete",
        "output": "paid 5 and 42",
    }
    assert Path("ledger").read_text() == "paid 5\n"
    assert (invoke("inbox").output, told("inbox")) == ("nothing waits\n", [])
    shown = told("show", "r")
    assert [call["state"] for call in shown["calls"]] == ["approved", "answered"]
    assert "approved by cfo" in invoke("show", "r").output


def test_what_was_refused_says_so(agent: Agent) -> None:
    begun(agent)
    for call in told("inbox"):
        assert told("reject", call["id"], "not now", "--by", "cfo")["state"] == "rejected"
    refused = "error: this call was rejected, and not made: not now"
    assert invoke("resume", "office_of_a_test:agent", "r").output == f"{refused} and {refused}\n"
    assert not Path("ledger").exists()


@pytest.mark.parametrize("happened", [True, False])
def test_a_call_in_doubt_is_told_of(agent: Agent, happened: bool) -> None:
    with holdfast.connect("s.db") as db, pytest.raises(KeyboardInterrupt):
        agent.run("book", store=db, run_id="r")
    assert told("resume", "office_of_a_test:agent", "r")["status"] == "suspended"
    [call] = told("inbox")
    assert (call["state"], "in doubt" in invoke("inbox").output) == ("in_doubt", True)
    assert invoke("reject", call["id"], "no", "--by", "ann").exit_code == 1
    how = ("by phone",) if happened else ("--did-not-happen",)
    assert told("answer", call["id"], *how, "--by", "ann")["state"] == "answered"
    done = told("resume", "office_of_a_test:agent", "r")
    assert done["output"] == ("by phone" if happened else "booked at last")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("inbox", "none"), "no call 'none'"),
        (("approve", "none"), "no call 'none'"),
        (("show", "none"), "no branch, tag or commit 'none'"),
        (("resume", "office_of_a_test:other", "r"), "has no function 'other'"),
        (("resume", "office_of_a_test:agent_of", "r"), "is no Agent"),
        (("resume", "office_of_a_test:agent", "none"), "no run 'none'"),
        (("resume", "nowhere_at_all:agent", "r"), "cannot be imported"),
    ],
)
def test_what_is_not_there_is_named(agent: Agent, arguments: tuple[str, ...], said: str) -> None:
    begun(agent)
    found = invoke(*arguments)
    assert (found.exit_code, said in found.output) == (1, True), found.output


def test_an_answer_that_is_no_json_is_text_and_one_that_contradicts_itself_is_refused(agent: Agent) -> None:
    begun(agent)
    asking = next(call for call in told("inbox") if call["kind"] == "question")
    found = invoke("answer", asking["id"], "many", "--by", "ann")
    assert (found.exit_code, "'many' is not of type 'integer'" in found.output) == (1, True)
    assert invoke("answer", asking["id"], "5", "--did-not-happen").exit_code == 2
    assert "is not in doubt" in invoke("answer", asking["id"], "--did-not-happen").output
    assert invoke("approve", asking["id"], "--args", "{").exit_code == 1
