"""The tools that an agent offers to its model."""

# pyright: basic
# (functions are whatever a user has)

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.agents.schema import Parameters, Shape
from holdfast.core.texts import is_text
from holdfast.errors import InvalidValue
from holdfast.runs.calls import EXTERNAL, QUESTION
from holdfast.runs.gates import Site
from holdfast.runs.tools import Tool, tool

if TYPE_CHECKING:
    from holdfast.agents.agent import Agent

_NAME_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class AgentTool:
    """An agent that another calls as a tool. Made by `Agent.as_tool`."""

    agent: Agent
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as a model sees it.

    Attributes:
        tool: what a step calls; None for an agent.
        agent: the agent that is called; None for a plain tool.
        answer: of a tool that somebody answers, the type of the answer; None for any.
    """

    name: str
    description: str
    parameters: Parameters
    tool: Tool | None
    agent: Agent | None
    answer: Shape | None = None

    def read(self, said: str) -> dict[str, Any]:
        """Return arguments by name. Raises InvalidValue with what is wrong, for the model."""
        return self.parameters.read(said)

    def site(self, path: tuple[str, ...], call: str, agent: Mapping[str, str], said: str) -> Site | None:
        """Return what somebody who decides on a call is to know of it; None where nobody is asked."""
        if self.tool is None:
            return None
        return Site(
            path,
            call,
            agent,
            told=self.parameters.plain(said),
            schema=self.parameters.schema,
            answer_schema=None if self.answer is None else self.answer.schema,
            read=self._edited,
            read_answer=self._answered,
        )

    def _edited(self, told: Mapping[str, Any]) -> dict[str, Any]:
        return self.read(msgspec.json.encode(told).decode())

    def _answered(self, answer: Any) -> Any:  # noqa: ANN401 - of the type that the tool returns
        return answer if self.answer is None else self.answer.read(msgspec.json.encode(answer))

    @property
    def told(self) -> dict[str, Any]:
        """What the API takes of it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters.schema}
        return {"type": "function", "function": function}


class Toolbox:
    """Tools by their names."""

    def __init__(self, tools: Iterable[Tool | AgentTool | Callable[..., Any]]) -> None:
        self._offered: dict[str, Offered] = {}
        for given in tools:
            offered = _offered(given)
            if offered.name in self._offered:
                raise InvalidValue(f"two tools have the name {offered.name!r}; give one another: tool(name=…)")
            self._offered[offered.name] = offered
        self.told = [one.told for one in self._offered.values()]

    @property
    def terms(self) -> dict[str, list[Any]]:
        """What has to be allowed, or is answered by somebody: the kind, by whom, and what comes of it otherwise."""
        gates = {name: one.tool.gate for name, one in self._offered.items() if one.tool is not None}
        return {
            name: [gate.kind, sorted(gate.approval.by), gate.approval.on_expiry, gate.approval.when is not None]
            for name, gate in gates.items()
            if gate is not None
        }

    @property
    def names(self) -> list[str]:
        """The names of all."""
        return list(self._offered)

    def find(self, name: str) -> Offered | None:
        """Return the tool of a name, or None."""
        return self._offered.get(name)


def prompt_of(prompt: str) -> str:
    """Return the prompt: an agent that is called as a tool takes one."""
    return prompt


def _offered(given: Tool | AgentTool | Callable[..., Any]) -> Offered:
    if isinstance(given, AgentTool):
        return Offered(_checked(given.name), given.description, Parameters(prompt_of), None, given.agent)
    if not callable(given):
        raise InvalidValue(f"a tool is a function, a Tool, or an agent's as_tool(…), not {given!r}")
    made = given if isinstance(given, Tool) else tool(given)
    described = inspect.cleandoc(inspect.getdoc(made.function) or "")
    name, asks = _checked(made.name), made.gate is not None and made.gate.kind in (QUESTION, EXTERNAL)
    answer = Shape.of_answer(made.function) if asks else None
    return Offered(name, described, Parameters(made.function, made.schema), made, None, answer)


def _checked(name: object) -> str:
    """Return a name that models take."""
    if not is_text(name, _NAME_LENGTH_MAX) or not all(one.isalnum() or one in "_-" for one in str(name)) or not name:
        raise InvalidValue(
            f"the name of a tool has letters, digits, '_' and '-', {_NAME_LENGTH_MAX} at most, not {name!r}; give it"
            " another: tool(name=…)"
        )
    return str(name)
