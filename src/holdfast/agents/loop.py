"""The turns of an agent within a run: the model is asked, what it calls is done, and it is asked again.

Every call of the model and of a tool is a step, so whoever enters the run again goes through what is recorded, and on
from there. Messages stand in the run's state, which is only appended to; a step records what it saw of them by a hash.
"""

# pyright: basic
# (what tools take and return is whatever they do)

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.agents.conversations import TURNS, within
from holdfast.agents.model import Message
from holdfast.core.flows import Flow, Outcome, Together
from holdfast.errors import (
    Expired,
    HoldfastError,
    InputMismatch,
    InvalidValue,
    LimitReached,
    NotStorable,
    Rejected,
    Timeout,
)
from holdfast.runs.gates import NotYet
from holdfast.runs.loop import Loop
from holdfast.state.versioned import Versioned

if TYPE_CHECKING:
    from holdfast.agents.agent import Agent
    from holdfast.agents.toolbox import Offered

MESSAGES = "messages"
STEP = "model"
"""The name of the steps that ask a model."""

WITHIN = ">"
"""Stands between the calls of a path."""

_KEY_LENGTH_MAX = 180


@dataclass(slots=True)
class Spent:
    """What an agent and those that it called have used in this run."""

    turns: int = 0
    tokens: int = 0
    cost: float = 0.0

    def add(self, usage: Mapping[str, Any]) -> None:
        """Count an answer."""
        self.turns += 1
        self.tokens += usage.get("tokens", 0)
        self.cost += usage.get("cost", 0.0)


@dataclass(slots=True)
class Frame:
    """One agent at work: the one that was asked, or one that another calls as a tool.

    Attributes:
        path: the calls that led here, each as its turn and id; empty for the agent that was asked.
        calls: the ids of the same.
        conversation: whose messages these are, beside those of this run; empty without one.
        spent: what all frames of the run have used.
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
    count: int = 0
    turn: int = 0
    mistakes: int = 0
    digest: bytes = b""
    seen: int = field(default=0)

    @property
    def state(self) -> Versioned:
        """The variables of this frame."""
        if self.conversation:
            return within(self.loop.root_state(), self.conversation)
        own = self.loop.state()
        return own if not self.path else own.namespace("frames").namespace(self.path)

    def begin(self) -> None:
        """Begin with the messages that are there before the prompt."""
        state = self.state
        if self.conversation:
            state[TURNS] = state.get(TURNS, 0) + 1
            self.count = len(state.get(MESSAGES, ()))
        if not self.count:
            state.setdefault(MESSAGES, [])
            self.add(*self.agent.opening())

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
        there.extend(messages[max(len(there) - self.count, 0) :])
        self.count += len(messages)

    def key(self, name: str) -> str:
        """Return the key of a step of this frame."""
        key = f"{self.path}{WITHIN}{name}" if self.path else name
        if len(key) <= _KEY_LENGTH_MAX:
            return key
        return f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}{WITHIN}{name[-80:]}"

    def what_is_seen(self) -> str:
        """Return a hash of all messages."""
        for message in self.state[MESSAGES][self.seen : self.count]:
            said = msgspec.json.encode(message, order="sorted")
            self.digest = hashlib.blake2b(self.digest + said, digest_size=16).digest()
            self.seen += 1
        return self.digest.hex()


def working(frame: Frame, prompt: str) -> Flow[Any]:
    """Let an agent work on a prompt until it is done; return what it says in the end.

    Raises:
        LimitReached: it has used what it may.
        InputMismatch: it is another agent than the one that was asked before, and may not be.
        NotYet: calls wait for somebody; all that can be done without is done.
    """
    agent = frame.agent
    frame.begin()
    frame.add({"role": "user", "content": prompt})
    while True:
        said = yield from _asked(frame)
        frame.add(said["message"])
        calls = said["message"].get("tool_calls")
        if calls:
            yield from _called(frame, calls)
            continue
        try:
            return agent.read(said["message"].get("content"))
        except InvalidValue as error:
            frame.mistakes += 1
            frame.add({"role": "user", "content": f"Your answer does not fit: {error}. Answer again."})


def _asked(frame: Frame) -> Flow[dict[str, Any]]:
    """Ask the model, as a step."""
    agent, model = frame.agent, frame.agent.model
    agent.limits.check(frame.spent, frame.turn, frame.mistakes)
    request = model.request(agent.context(frame.messages), agent.toolbox.told)

    def ask(turn: int, seen: str, agent: str) -> Any:  # noqa: ANN401, ARG001 - what is recorded of the request
        return model.ask(request)

    async def ask_and_await(turn: int, seen: str, agent: str) -> Any:  # noqa: ANN401, ARG001 - as above
        return await model.ask(request)

    frame.turn += 1
    options = {"key": frame.key(f"turn {frame.turn}"), "usage": agent.usage_of}
    asked = (frame.turn, frame.what_is_seen(), agent.identity)
    step = partial(frame.loop.stepping, STEP, ask_and_await if model.is_async else ask, asked, {}, options)
    try:
        said: dict[str, Any] = yield from step()
    except InputMismatch as error:
        agent.is_another(frame.turn, error)
        said = yield from step(lenient=True)
    frame.spent.add(agent.usage_of(said))
    return said


def _called(frame: Frame, calls: list[dict[str, Any]]) -> Flow[None]:
    """Do what the model calls, and tell it what came of each: tools beside each other, agents one after the other."""
    asked = [_Asked.of(frame, call, number) for number, call in enumerate(calls)]
    plain = [one for one in asked if one.offered is None or one.offered.agent is None]
    outcomes: dict[int, Outcome] = {}
    if plain:
        found = yield Together([one.done() for one in plain])
        outcomes = {one.number: outcome for one, outcome in zip(plain, found, strict=True)}
        _check_made(outcomes.values())
    for one in asked:
        if one.number not in outcomes:
            outcomes[one.number] = yield from _outcome(one.done())
    answers = _answers(outcomes)
    frame.mistakes = frame.mistakes + 1 if all(one.mistaken for one in asked) else 0
    frame.add(*(one.message(answers[one.number]) for one in asked))


def _outcome(call: Flow[str]) -> Flow[Outcome]:
    """Return what came of a call, also if it waits for somebody."""
    try:
        return Outcome((yield from call))
    except NotYet as waiting:
        return Outcome(error=waiting)


def _check_made(outcomes: Iterable[Outcome]) -> None:
    """Raise what a call raised that is nobody's answer."""
    for outcome in outcomes:
        if outcome.error is not None and not isinstance(outcome.error, NotYet):
            raise outcome.error


def _answers(outcomes: Mapping[int, Outcome]) -> dict[int, str]:
    """Return what came of all calls. Raises NotYet with all that wait, once nothing else is to be done."""
    waiting = [outcome.error for outcome in outcomes.values() if isinstance(outcome.error, NotYet)]
    if waiting:
        raise NotYet(call for each in waiting for call in each.calls)
    return {number: outcome.value for number, outcome in outcomes.items()}


@dataclass(slots=True)
class _Asked:
    """A call that the model asked for.

    Attributes:
        mistaken: whether it could not be made.
    """

    frame: Frame
    number: int
    call_id: str
    name: str
    arguments: str
    key: str
    offered: Offered | None
    mistaken: bool = False

    @classmethod
    def of(cls, frame: Frame, call: Mapping[str, Any], number: int) -> _Asked:
        function = call.get("function") or {}
        call_id, name = str(call.get("id") or number), str(function.get("name") or "")
        ids = [str(one.get("id") or at) for at, one in enumerate(frame.messages[-1]["tool_calls"])]
        key = f"{frame.turn}.{call_id}" + "'" * ids[:number].count(call_id)
        offered = frame.agent.toolbox.find(name)
        return cls(frame, number, call_id, name, str(function.get("arguments") or ""), key, offered)

    def message(self, answer: str) -> Message:
        """Return what the model is told."""
        return {"role": "tool", "tool_call_id": self.call_id, "name": self.name, "content": answer}

    def done(self) -> Flow[str]:
        """Make the call; return what the model is told of it."""
        offered = self.offered
        if offered is None:
            self.mistaken = True
            known = ", ".join(self.frame.agent.toolbox.names) or "none"
            return f"error: there is no tool {self.name!r}; there is {known}"
        try:
            arguments = offered.read(self.arguments)
        except InvalidValue as error:
            self.mistaken = True
            return f"error: the arguments do not fit: {error}"
        if offered.agent is not None:
            frame = self.frame
            inner = Frame(
                offered.agent, frame.loop, frame.key(self.key), frame.spent, calls=(*frame.calls, self.call_id)
            )
            return text_of((yield from working(inner, arguments["prompt"])))
        assert offered.tool is not None, "what is no agent is a tool"
        site = offered.site(self.frame.calls, self.call_id, self.frame.agent.known_as, self.arguments)
        key = {"key": self.frame.key(self.key)}
        try:
            value = yield from self.frame.loop.stepping(offered.name, offered.tool, (), arguments, key, site)
        except Expired:
            return "error: nobody decided on this call in time, and it was not made"
        except Rejected as error:
            return f"error: this call was rejected, and not made: {error}"
        except (NotStorable, Timeout) as error:
            return f"error: {error}"
        except HoldfastError:  # of the store or the run, and no business of the model's
            raise
        except Exception as error:  # noqa: BLE001 - it is the tool's, and an answer as any other
            return f"error: {type(error).__name__}: {error}"
        return text_of(value)


def text_of(value: Any) -> str:  # noqa: ANN401
    """Return what a model is told of a value: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, enc_hook=_plain).decode()
    except (TypeError, ValueError, NotImplementedError) as error:
        return f"error: the call was made, but its answer cannot be told as JSON: {error}"


def _plain(value: Any) -> Any:  # noqa: ANN401
    told = getattr(value, "model_dump", None)
    if told is None:
        raise NotImplementedError(f"a {type(value).__name__}")
    return told(mode="json")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run of an agent may use; None is as much as it likes.

    Attributes:
        turns: how often models are asked, those of agents that it calls included.
        tokens: how many tokens all answers may have used before the next is asked for.
        cost: the same of what they cost.
        mistakes: how often in a row a model may say what nobody can take.
    """

    turns: int | None = 50
    tokens: int | None = None
    cost: float | None = None
    mistakes: int = 3

    def check(self, spent: Spent, turn: int, mistakes: int) -> None:
        """Raise LimitReached unless the model may be asked once more."""
        for name, used, most in (
            ("turns", spent.turns, self.turns), ("tokens", spent.tokens, self.tokens), ("cost", spent.cost, self.cost),
        ):  # fmt: skip
            if most is not None and used >= most:
                raise LimitReached(
                    f"the agent has used {used:g} of {most:g} {name} after turn {turn}; raise its limit, and run it"
                    " again with the same run_id to go on"
                )
        if mistakes > self.mistakes:
            raise LimitReached(
                f"the model said {mistakes} times in a row what could not be taken; see the run's messages, and run it"
                " again with the same run_id to go on with a higher limit of mistakes"
            )
