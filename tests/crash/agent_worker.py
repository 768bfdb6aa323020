"""A process that plays a recorded conversation with an agent, and kills itself at one of the calls it makes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import openai

import holdfast
from holdfast import Agent, Approval, Suspended, tool

CONVERSATION = "talk"
WAITS = 3
"""How the process ends where it waits for somebody."""


def recorded(file: Path, number: int) -> list[dict[str, Any]]:
    """Return the messages of a conversation."""
    found = json.loads(file.read_text().splitlines()[number])
    messages: list[dict[str, Any]] = found["traj"] if isinstance(found, dict) else found
    return messages


def names_of(messages: list[dict[str, Any]]) -> list[str]:
    """Return the names of the tools that are called."""
    return sorted({call["function"]["name"] for message in messages for call in message.get("tool_calls") or []})


class Effects:
    """Notes each call in a file outside of the store, and kills the process at one of them."""

    def __init__(self, path: Path, at: int) -> None:
        self._path = path
        self._left = at

    def note(self, what: str) -> None:
        """Note a call; the process dies before or after it."""
        self._point()
        with self._path.open("a") as file:
            file.write(f"{what}\n")
        self._point()

    def _point(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def agent_of(messages: list[dict[str, Any]], url: str, effects: Effects, *, asks: bool = False) -> Agent:
    """Return an agent whose tools answer what was recorded; if it `asks`, somebody has to allow each call."""
    approval = Approval(by=["desk"]) if asks else None
    answers = {message["tool_call_id"]: message["content"] for message in messages if message["role"] == "tool"}
    asked = [call for message in messages for call in message.get("tool_calls") or []]

    def answering(name: str) -> Any:
        def answer(**given: Any) -> str:
            ids = [
                call["id"]
                for call in asked
                if call["function"]["name"] == name and json.loads(call["function"]["arguments"]) == given
            ]
            effects.note(f"{name} {ids[0]}")
            return str(answers[ids[0]])

        return tool(name=name, schema={"type": "object"}, approval=approval, effect="idempotent")(answer)

    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    tools = [answering(name) for name in names_of(messages)]
    return Agent("airline", model="m", client=client, tools=tools, instructions=messages[0]["content"])


def main() -> None:
    """Go on with the conversation, to its end."""
    _, source, file, number, url, effects, at, asks = sys.argv
    messages = recorded(Path(file), int(number))
    agent = agent_of(messages, url, Effects(Path(effects), int(at)), asks=asks == "asks")
    with holdfast.connect(source) as db:
        said = [message["content"] for message in messages if message["role"] == "user"]
        had = db.state.namespace("conversations").namespace(CONVERSATION).get("turns", 0)
        for prompt in said[had:]:
            came = agent.run(prompt, store=db, conversation=CONVERSATION)
            if isinstance(came, Suspended):
                sys.exit(WAITS)


if __name__ == "__main__":
    main()
