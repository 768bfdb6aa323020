"""`Agent`: a model, what it is told, and what it may call."""

# pyright: basic
# (clients, tools and outputs are whatever a user has)

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from holdfast.agents.conversations import check_name, next_turn
from holdfast.agents.loop import Limits, Spent, working
from holdfast.agents.model import ChatCompletions, Message
from holdfast.agents.results import Done, Suspended
from holdfast.agents.schema import Shape
from holdfast.agents.toolbox import AgentTool, Toolbox
from holdfast.core.clock import RandomIds
from holdfast.core.flows import Flow, Work, run
from holdfast.core.texts import is_text
from holdfast.errors import InvalidValue
from holdfast.runs.loop import Loop
from holdfast.runs.records import COMPLETE
from holdfast.runs.tools import Tool
from holdfast.runs.views import result

_NAME_LENGTH_MAX = 64


class Agent:
    """A model with instructions and tools, whose every call is a step of a run.

    Each question to the model and each call of a tool is recorded when it is answered. A process may die at any
    instruction: the agent run again with the same `run_id` goes on where it stopped, and pays for nothing twice but
    what was in flight.

    Args:
        name: of the agent.
        instructions: what its model is told first.
        tools: functions, `Tool`s, and other agents by `as_tool`. A model is told a tool's name, its docstring, and its
            parameters by their types; what it calls a tool with is checked by them.
        model: the name of the model.
        client: an `openai.OpenAI`, an `openai.AsyncOpenAI` for `run_async`, or what is like it, with whatever base URL.
            It tries again by itself when it is told to wait (`max_retries`).
        output: the type of what the agent returns: its model is told to say JSON of it, which is checked. A text
            without.
        limits: what a run may use.
        context: returns the messages that the model is to see, of all those there are; the record keeps all.
        cost: returns what an answer cost, of its usage: `{"input_tokens": 10, "output_tokens": 3, "tokens": 13}`.
        settings: whatever else is sent with each request, such as `{"temperature": 0}`.

    Raises:
        InvalidValue: a name, a tool or a type is none that a model can be told of.
    """

    def __init__(  # noqa: PLR0913 - each option is named where it is given
        self,
        name: str,
        *,
        model: str,
        client: Any,  # noqa: ANN401
        instructions: str = "",
        tools: Iterable[Tool | AgentTool | Callable[..., Any]] = (),
        output: Any = None,  # noqa: ANN401
        limits: Limits | None = None,
        context: Callable[[Sequence[Message]], Iterable[Message]] | None = None,
        cost: Callable[[Mapping[str, int]], float] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if not is_text(name, _NAME_LENGTH_MAX) or not name:
            raise InvalidValue(f"the name of an agent is a text of 1 to {_NAME_LENGTH_MAX} characters, not {name!r}")
        self.name = name
        self.instructions = instructions
        self.toolbox = Toolbox(tools)
        self.limits = limits or Limits()
        self._shape = None if output is None else Shape(output, f"agent {name}")
        asked = dict(settings or {})
        if self._shape is not None:
            schema = {"name": "answer", "schema": self._shape.schema}
            asked.setdefault("response_format", {"type": "json_schema", "json_schema": schema})
        self.model = ChatCompletions(client, model, asked)
        self._context = context
        self._cost = cost

    def as_tool(self, name: str, description: str) -> AgentTool:
        """Return a tool by which another agent calls this one, with a prompt; what this one says is its answer.

        Its calls are steps of the other's run.
        """
        return AgentTool(self, name, description)

    def run(
        self,
        prompt: str,
        *,
        store: Any,  # noqa: ANN401 - a Store, which this room does not know
        run_id: str | None = None,
        conversation: str | None = None,
    ) -> Done | Suspended:
        """Let the agent work on a prompt; go on where it stopped, if there is a run of this id.

        Args:
            store: a `Store`, where the run is kept.
            run_id: the run; by default a new one, or the next turn of the conversation.
            conversation: what this is a turn of: its messages are those of all turns, in
                `store.state.namespace("conversations").namespace(conversation)["messages"]`. A turn that failed, or
                waits, is gone on with by the same prompt; until it is done there is no other.

        Raises:
            RunBusy: somebody works on this run, or another turn of the conversation has not ended.
            InputMismatch: the run has another prompt.
            LimitReached: the agent has used what it may. The run is failed, and goes on with other limits.
            Exception: what the client raises, such as `openai.RateLimitError`. The run is failed, and can go on.
        """
        asked = run(self._asked(store, prompt, run_id, conversation))
        with asked.begun(store) as entered:
            entered.result = run(self.working(entered.loop, prompt, asked.conversation))
        return run(ended(entered.loop))

    async def run_async(
        self,
        prompt: str,
        *,
        store: Any,  # noqa: ANN401 - a Store of holdfast.aio
        run_id: str | None = None,
        conversation: str | None = None,
    ) -> Done | Suspended:
        """Do as `run`, on a store of `holdfast.aio`: coroutine tools and clients are awaited on the running loop."""
        probe = store.run(new_id(self.name))
        asked: Asked = await probe.follow(self._asked(store, prompt, run_id, conversation))
        async with asked.begun(store) as entered:
            entered.result = await entered.follow(self.working(entered.loop, prompt, asked.conversation))
        found: Done | Suspended = await entered.follow(ended(entered.loop))
        return found

    def _asked(self, store: Any, prompt: str, run_id: str | None, conversation: str | None) -> Flow[Asked]:  # noqa: ANN401
        """Return which run is asked for."""
        if not isinstance(prompt, str):
            raise InvalidValue(f"the prompt of an agent is a str, not {type(prompt).__name__}")
        if conversation is None:
            return Asked(run_id or new_id(self.name), prompt, "", "")
        place = store.run(new_id(self.name)).loop.place
        turn = yield Work(partial(next_turn, place, check_name(conversation)), reads=True)
        return Asked(run_id or turn, prompt, conversation, place.ref)

    def working(self, loop: Loop, prompt: str, conversation: str = "") -> Flow[Any]:
        """Return the work on a prompt as a flow, within a run that was entered."""
        return working(self, loop, prompt, "", Spent(), conversation)

    # What its turns ask it

    def opening(self) -> list[Message]:
        """Return the messages before all others."""
        return [{"role": "system", "content": self.instructions}] if self.instructions else []

    def context(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that the model is to see."""
        return list(messages if self._context is None else self._context(list(messages)))

    def usage_of(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an answer used, by what the step records."""
        usage: dict[str, Any] = dict(said["usage"])
        if self._cost is not None and usage:
            usage["cost"] = float(self._cost(said["usage"]))
        return {**usage, "model": said["model"]}

    def read(self, content: Any) -> Any:  # noqa: ANN401
        """Return what the model's last words mean. Raises InvalidValue with what is wrong, for the model."""
        if self._shape is None:
            return content or ""
        return self._shape.read(content or "")

    def __repr__(self) -> str:
        return f"<Agent {self.name!r}>"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which run is asked for.

    Attributes:
        merge: the branch that it is merged into when it is complete.
    """

    run_id: str
    prompt: str
    conversation: str
    merge: str

    def begun(self, store: Any) -> Any:  # noqa: ANN401 - a run, sync or not
        """Return the run, to be entered."""
        given = {"prompt": self.prompt}
        if self.conversation:
            given["conversation"] = self.conversation
        return store.run(self.run_id, input=given, merge=self.merge)


def new_id(name: str) -> str:
    """Return the id of a new run of an agent."""
    kept = "".join(one if one.isalnum() else "-" for one in name).strip("-") or "agent"
    return f"{kept}-{RandomIds().line_uid()[:12]}"


def ended(loop: Loop) -> Flow[Done | Suspended]:
    """Return what came of a run whose block has ended."""

    def found() -> Done | Suspended:
        record = loop.record
        if record.status == COMPLETE:
            return Done(result(loop.place, record), loop.run_id)
        return Suspended(loop.run_id, record.why or record.status)

    ended_so: Done | Suspended = yield Work(found, reads=True)
    return ended_so
