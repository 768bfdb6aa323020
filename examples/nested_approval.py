"""Agents that wait for people: one that orchestrates, HR and finance below it, and a payment two levels down.

    export OPENAI_API_KEY=…                                   # or OPENAI_BASE_URL of what speaks the same API
    python examples/nested_approval.py "Ada gets a raise of 5 % and a bonus of 2000"
    holdfast inbox
    holdfast approve CALL --by cfo --args '{"amount": 1500}'
    holdfast reject CALL "not this year" --by hr
    cd examples && holdfast resume nested_approval:orchestrator RUN

Nothing runs while somebody thinks it over: the program ends, and any other, on any machine that reaches the store, goes
on. What was done is not done again; what was allowed is done once; what was refused is told to the agent that asked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import openai

import holdfast
from holdfast import Agent, Approval

MODEL = os.environ.get("MODEL", "gpt-4o")
LEDGER = Path(os.environ.get("LEDGER", "ledger.txt"))
"""Stands for the world outside: each line is something that cannot be taken back."""


def happens(what: str) -> str:
    """Do something in the world outside."""
    with LEDGER.open("a") as ledger:
        print(what, file=ledger)
    return what


@holdfast.tool(effect="pure")
def employee(name: str) -> dict[str, str]:
    """Look up an employee."""
    return {"name": name, "role": "engineer", "since": "2019"}


@holdfast.tool(approval=Approval(by=["hr"], expires="7d", message="A raise is for good."))
def raise_salary(name: str, percent: int) -> str:
    """Raise the salary of an employee."""
    return happens(f"{name} earns {percent} % more")


def is_much(amount: int, **_: object) -> bool:
    """Tell whether somebody is to be asked before it is paid."""
    return amount > 100


@holdfast.tool(approval=Approval(by=["cfo"], expires="7d", when=is_much))
def pay(name: str, amount: int) -> str:
    """Pay an employee something, in euros."""
    return happens(f"{name} is paid {amount}")


def made(client: openai.OpenAI) -> Agent:
    """Return the agent that has the others."""
    payroll = Agent("payroll", model=MODEL, client=client, instructions="You pay people.", tools=[pay])
    finance = Agent(
        "finance", model=MODEL, client=client, instructions="You decide who pays what.",
        tools=[payroll.as_tool("payroll", "Pays somebody.")],
    )  # fmt: skip
    hr = Agent("hr", model=MODEL, client=client, instructions="You know everybody.", tools=[employee, raise_salary])
    return Agent(
        "orchestrator", model=MODEL, client=client, instructions="You see to it that what is asked for is done.",
        tools=[hr.as_tool("hr", "Knows employees, and raises salaries."), finance.as_tool("finance", "Pays bonuses.")],
    )  # fmt: skip


orchestrator = made(openai.OpenAI())


def main() -> None:
    """Begin a run, and say what waits."""
    with holdfast.connect(os.environ.get("HOLDFAST_STORE", "holdfast.db")) as db:
        came = orchestrator.run(sys.argv[1], store=db)
        if isinstance(came, holdfast.Done):
            print(came.output)
            return
        print(f"run {came.run_id} waits")
        for call in came.calls:
            print(f"  call {call.id}: {call.name} {call.args} for {', '.join(call.approvers)}")


if __name__ == "__main__":
    main()
