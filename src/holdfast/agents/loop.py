"""The turns of an agent within a run: the model is asked, what it calls is done, and it is asked again.

Every call of the model and of a tool is a step, so whoever enters the run again goes through what is recorded, and on
from there. Messages stand in the run's state, which is only appended to; a step records what it saw of them by a hash.
"""

# pyright: basic
# (what tools take and return is whatever they do)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from holdfast.agents.continuation import AGENT, DONE, SUSPENDED, TOOL, CallPart
from holdfast.agents.frames import Frame
from holdfast.agents.model import Message
from holdfast.agents.schema import plain
from holdfast.agents.taking import Told, answering
from holdfast.agents.toolbox import prompt_of
from holdfast.core.flows import Flow, Outcome, Together, Work
from holdfast.errors import (
    Expired,
    InputMismatch,
    InvalidValue,
    NotStorable,
    Rejected,
    StepFailed,
    Timeout,
)
from holdfast.runs.calls import APPROVAL
from holdfast.runs.gates import NotYet, Site
from holdfast.runs.steps import told
from holdfast.runs.tables import label_of

if TYPE_CHECKING:
    from holdfast.agents.agent import Agent
    from holdfast.agents.toolbox import Offered

PAUSE = "go_on"
"""The name of the steps that ask whether an agent may go on."""

STEP = "model"
"""The name of the steps that ask a model."""


def working(frame: Frame, prompt: str) -> Flow[Any]:
    """Let an agent work on a prompt until it is done; return what it says in the end.

    Raises:
        LimitReached: it has used what it may.
        InputMismatch: it is another agent than the one that was asked before, and may not be.
        NotYet: calls wait for somebody; all that can be done without is done.
    """
    agent = frame.agent
    if frame.told is not None and frame.told.frame.agent != agent.known_as:
        agent.is_another(frame.told.frame.history.turns)
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


def _paused(frame: Frame) -> Flow[None]:
    """Wait until the agent may go on, if somebody is to be asked. Raises NotYet, and Rejected if it may not."""
    turn = frame.key(f"turn {frame.turn + 1}")
    if frame.told is not None:
        if frame.told.said(frame.turn + 1) is None:  # it waits for this there
            raise NotYet([frame.told.pause()], frame.part(frame.told.frame.calls, between=True))
        return
    if not frame.agent.pauses or frame.loop.is_recorded(STEP, turn):
        return
    was_asked: bool = yield Work(partial(frame.loop.has_call, label_of(PAUSE, turn), APPROVAL), reads=True)
    pause = frame.agent.pause(frame.spent, was_asked=was_asked)
    if pause is None:
        return
    spent = {"turns": frame.spent.turns, "tokens": frame.spent.tokens, "cost": frame.spent.cost}
    site = Site(frame.calls, "", frame.agent.known_as)
    try:
        yield from frame.loop.stepping(pause.name, pause, (), spent, {"key": turn}, site)
    except NotYet as waiting:
        [call] = waiting.calls
        effect_key = f"{frame.loop.run_id}#{label_of(pause.name, turn)}"
        part = CallPart(
            call_id="", name=pause.name, kind=call.kind, state=call.state, inbox=call.id, effect_key=effect_key
        )
        raise NotYet([call], frame.part((part,), between=True)) from None


def _asked(frame: Frame) -> Flow[dict[str, Any]]:
    """Ask the model, as a step."""
    agent, model = frame.agent, frame.agent.model
    agent.limits.check(frame.spent, frame.turn, frame.mistakes)
    yield from _paused(frame)
    request = model.request(agent.context(frame.messages), agent.toolbox.told)

    def ask(turn: int, seen: str, agent: str) -> Any:  # noqa: ANN401, ARG001 - what is recorded of the request
        return model.ask(request)

    async def ask_and_await(turn: int, seen: str, agent: str) -> Any:  # noqa: ANN401, ARG001 - as above
        return await model.ask(request)

    frame.turn += 1
    known = None if frame.told is None else frame.told.said(frame.turn)
    function = answering(ask, known) if known is not None else ask_and_await if model.is_async else ask
    options = {"key": frame.key(f"turn {frame.turn}"), "usage": agent.usage_of}
    asked = (frame.turn, frame.what_is_seen(), agent.identity)
    step = partial(frame.loop.stepping, STEP, function, asked, {}, options)
    try:
        said: dict[str, Any] = yield from step()
    except InputMismatch as error:
        agent.is_another(frame.turn, error)
        said = yield from step(lenient=True)
    frame.spent.add(agent.usage_of(said))
    return said


def _called(frame: Frame, calls: list[dict[str, Any]]) -> Flow[None]:
    """Do what the model calls, and tell it what came of each: tools beside each other, agents one after the other."""
    asked: list[_Asked] = []
    for number, call in enumerate(calls):
        asked.append(_Asked.of(frame, call, number, [one.key for one in asked]))
    plain = [one for one in asked if one.offered is None or one.offered.agent is None]
    outcomes: dict[int, Outcome] = {}
    if plain:
        found = yield Together([one.done() for one in plain])
        outcomes = {one.number: outcome for one, outcome in zip(plain, found, strict=True)}
        _check_made(outcomes.values())
    for one in asked:
        if one.number not in outcomes:
            outcomes[one.number] = yield from _outcome(one.done())
    _check_over(frame, asked, outcomes)
    answers = {number: outcome.value for number, outcome in outcomes.items()}
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


def _check_over(frame: Frame, asked: Sequence[_Asked], outcomes: Mapping[int, Outcome]) -> None:
    """Raise NotYet with all calls that wait, once nothing else is to be done."""
    errors = [outcomes[one.number].error for one in asked]
    waiting = [error for error in errors if isinstance(error, NotYet)]
    if waiting:
        parts = tuple(one.part(outcomes[one.number]) for one in asked)
        raise NotYet((call for each in waiting for call in each.calls), frame.part(parts))


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
    def of(cls, frame: Frame, call: Mapping[str, Any], number: int, taken: Sequence[str]) -> _Asked:
        function = call.get("function") or {}
        call_id, name = str(call.get("id") or number), str(function.get("name") or "")
        key = f"{frame.turn}.{call_id}"
        while key in taken:  # models may give one id to several calls
            key += "'"
        offered = frame.agent.toolbox.find(name)
        return cls(frame, number, call_id, name, str(function.get("arguments") or ""), key, offered)

    def _known(self) -> Any:  # noqa: ANN401 - what the model was told, the frame of an agent, or None
        """Return what is known of the call from another store. Raises NotYet if it waited there."""
        told = self.frame.told
        return None if told is None else told.result(self.frame.turn, self.number)

    def part(self, outcome: Outcome) -> CallPart:
        """Return what a continuation knows of the call."""
        effect_key = f"{self.frame.loop.run_id}#{label_of(self.name, self.frame.key(self.key))}"
        is_agent = self.offered is not None and self.offered.agent is not None
        part = CallPart(
            call_id=self.call_id, name=self.name, kind=TOOL, state=DONE, effect_key=effect_key
        )  # fmt: skip
        if not isinstance(outcome.error, NotYet):
            return replace(part, kind=AGENT if is_agent else TOOL, result=outcome.value)
        if is_agent:
            return replace(part, kind=AGENT, state=SUSPENDED, child=outcome.error.part)
        [call] = outcome.error.calls
        return replace(part, kind=call.kind, state=call.state, inbox=call.id)

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
        call = self._agent(offered, offered.agent, arguments) if offered.agent else self._tool(offered, arguments)
        return (yield from call)

    def _agent(self, offered: Offered, agent: Agent, arguments: dict[str, Any]) -> Flow[str]:
        """Let an agent work, whose calls are steps of their own."""
        frame, key, known = self.frame, self.frame.key(self.key), self._known()
        if isinstance(known, str) or frame.loop.is_recorded(offered.name, key):  # it ended in another store
            step = frame.loop.stepping(offered.name, answering(prompt_of, known), (), arguments, {"key": key})
            return text_of((yield from step))
        path, told = (*frame.calls, self.call_id), Told.of(known)
        inner = Frame(agent, frame.loop, key, frame.spent, calls=path, told=told)
        return text_of((yield from working(inner, arguments["prompt"])))

    def _tool(self, offered: Offered, arguments: dict[str, Any]) -> Flow[str]:
        """Call a tool, as a step."""
        frame, key, known = self.frame, self.frame.key(self.key), self._known()
        assert offered.tool is not None, "what is no agent is a tool"
        site = offered.site(frame.calls, self.call_id, frame.agent.known_as, self.arguments)
        made = offered.tool if known is None else answering(offered.tool.function, known)
        try:
            value = yield from frame.loop.stepping(offered.name, made, (), arguments, {"key": key}, site)
        except Expired:
            return "error: nobody decided on this call in time, and it was not made"
        except Rejected as error:
            return f"error: this call was rejected, and not made: {error}"
        except (NotStorable, Timeout) as error:
            return f"error: {error}"
        except Exception as error:
            if site is None or not any(error is raised for raised in site.raised):
                raise  # of the store, the run, or who was asked what became of it: no business of the model's
            return f"error: {error.raised if isinstance(error, StepFailed) else told(error)[0]}"
        return text_of(value)


def text_of(value: Any) -> str:  # noqa: ANN401
    """Return what a model is told of a value: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, enc_hook=plain).decode()
    except (TypeError, ValueError, NotImplementedError) as error:
        return f"error: the call was made, but its answer cannot be told as JSON: {error}"
