"""`Task`: a function whose body an agent fills."""

# pyright: basic
# (arguments and results are whatever a user has)

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.agents.results import Done, Suspended
from holdfast.agents.schema import Shape, checked, plain
from holdfast.core.functions import known_of
from holdfast.errors import InvalidValue, Unfinished
from holdfast.runs.tools import Tool, tool
from holdfast.state.variables import State
from holdfast.state.versioned import Versioned
from holdfast.state.view import view

if TYPE_CHECKING:
    from holdfast.agents.agent import Agent

ACTION = "action"
"""The kind of the events in a state that tell what a model did with it."""


class Task:
    """A function whose body an agent fills. Made by `Agent.task`.

    Attributes:
        function: what says what is to be done.
        name: its name.
    """

    def __init__(self, agent: Agent, function: Callable[..., Any]) -> None:
        given: object = function
        if not callable(given) or inspect.isclass(given):
            raise InvalidValue(f"a task is made of a function, not of {function!r}")
        self.function = function
        self.name = str(getattr(function, "__name__", "task"))
        self.__doc__ = function.__doc__
        self._agent = agent
        returned = Shape.kind_of_answer(function)
        told = inspect.cleandoc(inspect.getdoc(function) or "")
        instructions = "\n\n".join(filter(None, [agent.instructions, f"Your task, {self.name}: {told}"]))
        self._plain = agent.but(f"{agent.name}.{self.name}"[:64], instructions=instructions, output=returned)

    def __call__(
        self,
        *args: Any,  # noqa: ANN401 - those of the function
        state: State | None = None,
        store: Any = None,  # noqa: ANN401 - a Store
        run_id: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - what the function says it returns
        """Let the agent do the task; return what it returns.

        Args:
            args, kwargs: what the function takes.
            state: variables that the agent reads and writes, and finds again the next time: None for none, a `Live`
                for as long as that is, a `Versioned`, in which each change, and the end of the task, is a commit.
            store, run_id: where the run is kept, and as what: as of `Agent.run`.

        Raises:
            InvalidValue: an argument is not of its type, or has no JSON form.
            Unfinished: the run waits for somebody; call the task again with its `store` and `run_id`.
            Others: as `Agent.run`.
        """
        given = checked(self.function, known_of(self.function).bound(args, kwargs, self.name))
        came = self._doing(state).run(self._prompt(given), store=store, run_id=run_id)
        return self._value(came, state)

    async def run_async(
        self,
        *args: Any,  # noqa: ANN401
        state: State | None = None,
        store: Any = None,  # noqa: ANN401
        run_id: str | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Do as a call, on a running loop, with a store of `holdfast.aio`."""
        given = checked(self.function, known_of(self.function).bound(args, kwargs, self.name))
        came = await self._doing(state).run_async(self._prompt(given), store=store, run_id=run_id)
        return self._value(came, state)

    def _doing(self, state: State | None) -> Agent:
        """Return the agent that does it, with tools for the variables of a state."""
        if state is None:
            return self._plain
        tools = (*self._agent.tools, *_tools_of(state, self.name))
        return self._plain.but(tools=tools)

    def _prompt(self, given: Mapping[str, Any]) -> str:
        """Return what the model is asked for."""
        return f"Do it for these arguments:\n{msgspec.json.encode(given, order='sorted').decode()}"

    def _value(self, came: Done | Suspended, state: State | None) -> Any:  # noqa: ANN401
        """Return what the task returns. Raises Unfinished."""
        if isinstance(came, Suspended):
            raise Unfinished(
                f"task {self.name!r} waits for {came.why}; decide on it, and call the task again with the store and"
                f" run_id={came.run_id!r}"
            )
        if state is not None:
            _note(state, self.name, {"returned": _told(came.output)})
        return came.output

    def __repr__(self) -> str:
        return f"<Task {self.name!r} of {self._agent.name}>"


def _tools_of(state: State, task: str) -> list[Tool]:
    """Return the tools by which a model reads and writes variables."""

    @tool(effect="pure")
    def list_variables() -> str:
        """List your variables, each with its value, cut if it is long."""
        return view(state, focus="full") or "none"

    @tool(effect="pure")
    def read_variable(name: str) -> Any:  # noqa: ANN401
        """Read one of your variables."""
        if name not in state:
            raise KeyError(f"there is no variable {name!r}; there are {', '.join(map(str, state)) or 'none'}")
        return _told(state[name])

    @tool
    def write_variable(name: str, value: Any) -> None:  # noqa: ANN401
        """Keep a value in one of your variables; it is there the next time, too."""
        state[name] = value
        _note(state, task, {"wrote": name})

    @tool
    def remove_variable(name: str) -> None:
        """Remove one of your variables."""
        state.pop(name, None)
        _note(state, task, {"removed": name})

    return [list_variables, read_variable, write_variable, remove_variable]


def _note(state: State, task: str, what: Mapping[str, Any]) -> None:
    """Note what a model did, and commit it, where there are commits."""
    state.log(ACTION, dict(what), step=task)
    if isinstance(state, Versioned):
        state.commit(f"task {task}: {next(iter(what))}")


def _told(value: Any) -> Any:  # noqa: ANN401
    """Return a value as JSON has it; of what has no such form what Python shows of it."""
    try:
        return msgspec.to_builtins(value, enc_hook=plain)
    except (TypeError, ValueError, NotImplementedError):
        return repr(value)
