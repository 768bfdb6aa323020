"""An agent at work: what was said to it and by it, and where that is kept."""

# pyright: basic
# (messages are whatever was said)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.agents.continuation import CallPart, FramePart, History
from holdfast.agents.conversations import BEGINS, MESSAGES, TURNS, hash_after, key_of, state_of_frame
from holdfast.agents.limits import Spent
from holdfast.agents.model import Message
from holdfast.agents.taking import Told
from holdfast.runs.loop import Loop
from holdfast.state.versioned import Versioned

if TYPE_CHECKING:
    from holdfast.agents.agent import Agent


@dataclass(slots=True)
class Frame:
    """One agent at work: the one that was asked, or one that another calls as a tool.

    Attributes:
        path: the calls that led here, each as its turn and id; empty for the agent that was asked.
        calls: the ids of the same.
        conversation: whose messages these are, beside those of this run; empty without one.
        spent: what all frames of the run have used.
        told: what is known of it from another store, while it is taken over from there.
        before: how many messages there were before the prompt.
        count: how many messages there are so far; the state has more of them where the run is at its head already.
        turn: how often this agent's model was asked.
        mistakes: how often in a row the model said what nobody could take.
    """

    agent: Agent
    loop: Loop
    path: str
    spent: Spent
    conversation: str = ""
    calls: tuple[str, ...] = ()
    told: Told | None = None
    before: int = 0
    count: int = 0
    turn: int = 0
    mistakes: int = 0
    digest: str = ""
    seen: int = 0

    @property
    def state(self) -> Versioned:
        """The variables of this frame."""
        return state_of_frame(self.loop.state(), self.loop.root_state(), self.conversation, self.path)

    def begin(self) -> None:
        """Begin with the messages that are there before the prompt."""
        state = self.state
        if self.conversation:
            state[TURNS] = state.get(TURNS, 0) + 1
            self.count = len(state.get(MESSAGES, ()))
        if not self.count:
            state.setdefault(MESSAGES, [])
            self.add(*self.agent.opening())
        self.before = self.count
        if self.conversation:
            state.setdefault(BEGINS, []).append(self.before)

    @property
    def messages(self) -> list[Message]:
        """What was said so far, oldest first."""
        found: list[Message] = self.state[MESSAGES]
        return found[: self.count]

    def add(self, *messages: Message) -> None:
        """Append messages, but for those that are there.

        They are where this is done again what others recorded and the run is at its head by then: a call beside this
        one is not recorded yet.
        """
        there: list[Message] = self.state[MESSAGES]
        known = max(len(there) - self.count, 0)
        if any(one != message for one, message in zip(there[self.count :], messages, strict=False)):
            self.agent.is_another(self.turn)
        there.extend(messages[known:])
        self.count += len(messages)

    def part(self, calls: tuple[CallPart, ...], *, between: bool = False) -> FramePart:
        """Return what a continuation knows of it.

        Args:
            between: whether it waits between two turns.
        """
        messages = list(map(dict, self.messages)) if between else []
        last = max((at for at, one in enumerate(messages) if one["role"] == "assistant"), default=0)
        history = History(
            head=self.what_is_seen(),
            count=self.count,
            before=self.before,
            turns=self.turn,
            conversation=self.conversation,
            place=self.path,
            tail=messages[last:] if between else None,
        )
        return FramePart(path=self.calls, agent=self.agent.known_as, history=history, calls=calls)

    def key(self, name: str) -> str:
        """Return the key of a step of this frame."""
        return key_of(self.path, name)

    def what_is_seen(self) -> str:
        """Return a hash of all messages."""
        self.digest = hash_after(self.digest, self.state[MESSAGES][self.seen : self.count])
        self.seen = self.count
        return self.digest
