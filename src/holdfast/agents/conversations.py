"""Conversations: many runs, one after the other, that share their messages by the state of the store.

Each turn is a run that is merged when it is complete, so what it says is there at once, and nothing of one that failed.
"""

# pyright: basic
# (messages are whatever was said)

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from holdfast.agents.model import Message
from holdfast.core.texts import is_text
from holdfast.errors import InvalidValue
from holdfast.runs.results import RunInfo
from holdfast.runs.views import usage
from holdfast.runs.workplace import Workplace
from holdfast.state.versioned import Versioned
from holdfast.state.working.copy import WorkingCopy
from holdfast.state.working.ground import EngineGround

CONVERSATIONS = "conversations"
"""The namespace of all of them, each in one of its own."""

FRAMES = "frames"
"""The namespace, in that of a run, of the agents that others called."""

TURNS = "turns"
BEGINS = "begins"
"""Of each turn the number of messages before it."""

MESSAGES = "messages"
WITHIN = ">"
"""Stands between the calls of a path."""

_KEY_LENGTH_MAX = 180
_NAME_LENGTH_MAX = 120


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a conversation that is over.

    Attributes:
        number: from 1.
        run: what is known of its run; None if that was forgotten.
        usage: the sums of what its steps used.
        messages: what was said in it, from its prompt on.
    """

    number: int
    run: RunInfo | None
    usage: Mapping[str, Any]
    messages: list[Message]


def turns(store: Any, conversation: str) -> list[Turn]:  # noqa: ANN401 - a Store, which this room does not know
    """Return the turns of a conversation, the oldest first; none if there is no such conversation.

    Raises:
        InvalidValue: that is no name of one.
    """
    place: Workplace = store.run(check_name(conversation)).loop.place
    ground = EngineGround(place.engine, place.ref, place.ids, fixed=True, session=place.session)
    own = within(Versioned.over(WorkingCopy(ground, place.codec)), conversation)
    messages: list[Message] = [dict(message) for message in own.get(MESSAGES, ())]
    begins = [*own.get(BEGINS, ()), len(messages)]
    found: list[Turn] = []
    for number, (begin, end) in enumerate(pairwise(begins), 1):
        record = place.record(f"{conversation}/{number}")
        info = None if record is None else RunInfo.of(record)
        found.append(Turn(number, info, {} if record is None else usage(place, record), messages[begin:end]))
    return found


def check_name(conversation: object) -> str:
    """Return the name of a conversation. Raises InvalidValue."""
    if not is_text(conversation, _NAME_LENGTH_MAX) or not conversation or "/" in str(conversation):
        raise InvalidValue(
            f"the name of a conversation is a text of 1 to {_NAME_LENGTH_MAX} characters without '/', not"
            f" {conversation!r}"
        )
    return str(conversation)


def within(state: Versioned, conversation: str) -> Versioned:
    """Return the variables of a conversation: `messages`, and how many `turns` it has had."""
    return state.namespace(CONVERSATIONS).namespace(conversation)


def state_of_frame(run_state: Versioned, root_state: Versioned, conversation: str, place: str) -> Versioned:
    """Return the variables of an agent at work: those of its conversation, or of the run, or of a call within it."""
    if conversation:
        return within(root_state, conversation)
    return run_state if not place else run_state.namespace(FRAMES).namespace(place)


def key_of(place: str, name: str) -> str:
    """Return the key of a step of an agent at work, by the path of the calls that led to it."""
    key = f"{place}{WITHIN}{name}" if place else name
    if len(key) <= _KEY_LENGTH_MAX:
        return key
    return f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}{WITHIN}{name[-80:]}"


def hash_after(before: str, messages: Iterable[Message]) -> str:
    """Return the hash of all messages, of the hash of those before and the next ones."""
    for message in messages:
        said = msgspec.json.encode(message, order="sorted")
        before = hashlib.blake2b(bytes.fromhex(before) + said, digest_size=16).hexdigest()
    return before


def next_turn(place: Workplace, conversation: str) -> str:
    """Return the id of the run that is a conversation's next turn: the same until that is merged."""
    ground = EngineGround(place.engine, place.ref, place.ids, fixed=True, session=place.session)
    state = Versioned.over(WorkingCopy(ground, place.codec))
    return f"{conversation}/{within(state, conversation).get(TURNS, 0) + 1}"


def last_turns(number: int) -> Callable[[Sequence[Message]], Iterable[Message]]:
    """Return a `context=` of an agent: its model sees what was said before the first turn, and so many of the last.

    A turn begins with what a user says, and has all up to the next: no call is seen without its answer.

    Raises:
        InvalidValue: the number is none of at least 1.

    Example:
        >>> said = [{"role": role} for role in ("system", "user", "assistant", "tool", "assistant", "user")]
        >>> [message["role"] for message in last_turns(1)(said)]
        ['system', 'user']
    """
    given: object = number
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidValue(f"a model sees at least 1 turn, not {number!r}")

    def trimmed(messages: Sequence[Message]) -> Iterable[Message]:
        begins = [at for at, message in enumerate(messages) if message["role"] == "user"]
        if len(begins) <= number:
            return messages
        return [*messages[: begins[0]], *messages[begins[-number] :]]

    return trimmed
