"""A process that works on a run of an agent whose tools somebody has to allow, and may kill itself in one of them.

    python -m tests.crash.approval_worker STORE SERVER LOG WHERE TOOL

WHERE: "before", "after" an effect, or "nowhere"; TOOL: in which one.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import openai

import holdfast
from holdfast import Agent, Approval, Context, RunBusy

RUN = "r"
PROMPT = "go"


def agent_of(url: str, log: Path, where: str = "nowhere", doomed: str = "") -> Agent:
    """Return the agent: its tools write a line each into a log outside."""

    def effect(tool: str, key: str) -> str:
        if (where, doomed) == ("before", tool):
            os.kill(os.getpid(), signal.SIGKILL)
        with log.open("a") as lines:
            lines.write(f"{tool} {key}\n")
            lines.flush()
            os.fsync(lines.fileno())
        if (where, doomed) == ("after", tool):
            os.kill(os.getpid(), signal.SIGKILL)
        return f"did {tool}"

    asked = Approval(by=["ann"])

    @holdfast.tool(approval=asked)
    def once(ctx: Context) -> str:
        """Do what cannot be taken back."""
        return effect("once", ctx.idempotency_key)

    @holdfast.tool(approval=asked, effect="idempotent")
    def again(ctx: Context) -> str:
        """Do what may be done again."""
        return effect("again", ctx.idempotency_key)

    @holdfast.tool(effect="idempotent")
    def free(ctx: Context) -> str:
        """Do what nobody is asked about."""
        return effect("free", ctx.idempotency_key)

    client = openai.OpenAI(base_url=url, api_key="-", max_retries=0)
    inner = Agent("inner", model="m", client=client, instructions="inner", tools=[once, again, free])
    return Agent("outer", model="m", client=client, instructions="outer", tools=[inner.as_tool("inner", "Does it.")])


def main() -> None:
    """Work on the run until it waits, or ends."""
    source, url, log, where, doomed = sys.argv[1:]
    with holdfast.connect(source) as db:
        try:
            came = agent_of(url, Path(log), where, doomed).run(PROMPT, store=db, run_id=RUN)
        except RunBusy:
            print("busy")
        else:
            print("done" if isinstance(came, holdfast.Done) else "waits")


if __name__ == "__main__":
    main()
