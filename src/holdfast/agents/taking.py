"""Taking over a run from another store: what is known of it answers instead of models and tools, and is recorded.

The run is done once more here by what its continuation tells, up to the calls that wait; then it waits here for them.
"""

# pyright: basic
# (messages and arguments are whatever was said)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.agents.continuation import DONE, FramePart
from holdfast.errors import InvalidValue
from holdfast.runs.calls import CallRecord
from holdfast.runs.gates import NotYet
from holdfast.runs.inputs import without_context

IMPORTING = ":importing"
"""Whom a run is worked on by that is being taken over: no worker goes on with it before that is done."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of an agent at work from another store."""

    frame: FramePart

    @classmethod
    def of(cls, frame: object) -> Told | None:
        """Return what is known, if that is a frame."""
        return cls(frame) if isinstance(frame, FramePart) else None

    def said(self, turn: int) -> dict[str, Any] | None:
        """Return what the model said in a turn, as it was recorded; None in those to come."""
        history = self.frame.history
        if turn > history.turns:
            return None
        return {**(history.said or [])[turn - 1], "message": self._messages[self._at(turn)]}

    def result(self, turn: int, number: int) -> str | FramePart | None:
        """Return what the model was told of a call of a turn, or the frame of the agent that was called.

        Raises:
            NotYet: it waits.
            InvalidValue: nothing is known of it.
        """
        history, calls = self.frame.history, self.frame.calls
        if turn > history.turns:
            return None
        at = self._at(turn) + 1 + number
        if at < len(self._messages):
            answer: str = self._messages[at]["content"]
            return answer
        if number >= len(calls):
            raise InvalidValue("the continuation does not know all calls of its last turn")
        call = calls[number]
        if call.child is not None:
            return call.child
        if call.state == DONE:
            return call.result or ""
        if call.record is None:
            raise InvalidValue(f"the continuation does not know what became of call {call.call_id!r}")
        raise NotYet([call.record])

    def pause(self) -> CallRecord:
        """Return the call that waits before the model is asked once more. Raises InvalidValue if there is none."""
        for call in self.frame.calls:
            if call.record is not None and not call.call_id:
                return call.record
        raise InvalidValue("the continuation does not tell what its agent waits for")

    @property
    def _messages(self) -> list[dict[str, Any]]:
        return self.frame.history.messages or []

    def _at(self, turn: int) -> int:
        """Return where the message of a turn of the model is."""
        said = [at for at, message in enumerate(self._messages) if message["role"] == "assistant"]
        mine = [at for at in said if at >= self.frame.history.before]
        if turn > len(mine):
            raise InvalidValue(f"the continuation has {len(mine)} turns of {self.frame.history.turns}")
        return mine[turn - 1]


def answering(function: Callable[..., Any], answer: Any) -> Callable[..., Any]:  # noqa: ANN401
    """Return what takes what a function does, and returns an answer that is known."""

    def answered(*_: Any, **__: Any) -> Any:  # noqa: ANN401
        return answer

    signature = without_context(function)
    if signature is not None:
        answered.__signature__ = signature  # type: ignore[attr-defined]
    return answered
