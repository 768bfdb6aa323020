"""Chat history and the metadata of sessions, for many processes at once: nothing is lost.

    python examples/chat_sessions.py
    HOLDFAST_STORE="valkey://localhost?workspace=chat" python examples/chat_sessions.py

What are a list and a hash in a plain key-value server is one commit here: a message, and the count of those of the
session. Messages that two processes add at once are both there; the second to commit goes on from the first by itself.
"""

from __future__ import annotations

import os
import time
from typing import Any

from holdfast import Counter, Versioned

SESSIONS = "sessions"


class Chat:
    """Sessions in a store. Each process has its own; a session may be written by several."""

    def __init__(self, state: Versioned) -> None:
        self._state = state

    def _session(self, session: str) -> Versioned:
        return self._state.namespace(SESSIONS).namespace(session)

    def begin(self, session: str, **metadata: Any) -> None:
        """Begin a session, unless it was begun."""
        here = self._session(session)
        if "messages" not in here:
            here.update(messages=[], count=Counter(), metadata={"begun": time.time(), **metadata})
            self._state.commit(f"{session} begins")

    def say(self, session: str, role: str, content: str) -> str:
        """Add a message; return the commit by which one comes back to it."""
        here = self._session(session)
        here["messages"].append({"role": role, "content": content, "at": time.time()})
        here["count"] += 1  # those of several processes are added up
        return self._state.commit(f"{session}: {role}")

    def context(self, session: str, last: int = 20) -> list[dict[str, str]]:
        """Return the newest messages, for a model; the record has all of them."""
        messages = self._session(session)["messages"][-last:]
        return [{"role": message["role"], "content": message["content"]} for message in messages]

    def metadata(self, session: str) -> dict[str, Any]:
        """Return what is known of a session."""
        here = self._session(session)
        last = here["messages"][-1]["at"] if here["messages"] else here["metadata"]["begun"]
        return {**here["metadata"], "messages": int(here["count"]), "last_active": last}

    def sessions(self) -> list[str]:
        """Return the sessions."""
        return self._state.namespace(SESSIONS).namespaces()

    def end(self, session: str) -> None:
        """Remove a session; what it was can be looked at by its commits."""
        self._session(session).clear()
        self._state.commit(f"{session} ends")


def main() -> None:
    """Talk a little."""
    with Versioned(os.environ.get("HOLDFAST_STORE", "chat.db")) as state:
        chat = Chat(state)
        chat.begin("s-1", user="ann", model="any")
        first = chat.say("s-1", "user", "What is durable execution?")
        chat.say("s-1", "assistant", "Steps are recorded, and not done again.")
        print(chat.sessions(), chat.metadata("s-1"))
        for message in chat.context("s-1"):
            print(f"  {message['role']}: {message['content']}")
        with state.checkout(first) as then:
            print("after the first message there were", len(Chat(then).context("s-1")))


if __name__ == "__main__":
    main()
