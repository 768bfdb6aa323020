"""Tools: functions that say how they are to be called, wherever a run calls them."""

# pyright: basic
# (functions are whatever a user has)

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, overload

from holdfast.core.durations import Duration, seconds_of
from holdfast.core.functions import known_of, name_of
from holdfast.errors import InvalidValue
from holdfast.runs.calls import APPROVAL, EXTERNAL, QUESTION, REJECT, TIMER
from holdfast.runs.gates import Approval, Gate
from holdfast.runs.inputs import context_parameter
from holdfast.runs.options import KEPT, ONCE, PURE, TRANSACTIONAL, StepOptions


class Tool:
    """A function that says how it is to be called. Made by `tool`; called directly it is the plain function.

    Attributes:
        function: what it calls.
        name: what people and models call it.
        options: how a step that calls it is done, unless the step says otherwise.
        cache: for how long its answers hold, in seconds; None if they are not kept.
        schema: what models are told of its parameters, as a JSON Schema; None for what its signature says.
        gate: what its calls wait for before they are made; None if for nothing.
        cached_as: the name that it was given, under which they are kept; None for that of its module and function.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        options: StepOptions,
        cache: float | None,
        schema: Mapping[str, Any] | None = None,
        gate: Gate | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.cached_as = name
        self.name: str = name or getattr(function, "__name__", None) or name_of(function)
        self.options = options
        self.cache = cache
        self.schema = schema
        self.gate = gate
        signature = known_of(function).signature
        if signature is not None:
            self.__signature__ = signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the function
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name!r}>"


def tool_in(function: object) -> Tool | None:
    """Return the tool that something is, or that it calls: within partials, and what `functools.wraps` has wrapped."""
    here: Any = function
    while here is not None and not isinstance(here, Tool):
        here = here.func if isinstance(here, functools.partial) else getattr(here, "__wrapped__", None)
    return here


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    effect: str = KEPT,
    cache: Duration | None = None,
    retries: int = KEPT,
    backoff: Duration = KEPT,
    timeout: Duration | None = KEPT,
    usage: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = KEPT,
    verify: Callable[..., Any] | None = KEPT,
    schema: Mapping[str, Any] | None = None,
    approval: Approval | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(  # noqa: PLR0913 - each option is named where it is given
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    effect: str = KEPT,
    cache: Duration | None = None,
    retries: int = KEPT,
    backoff: Duration = KEPT,
    timeout: Duration | None = KEPT,
    usage: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = KEPT,
    verify: Callable[..., Any] | None = KEPT,
    schema: Mapping[str, Any] | None = None,
    approval: Approval | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: `@tool`, or `@tool(effect="once", cache="10m")`.

    A step that calls it is done as it says, unless `run.options` says otherwise.

    Args:
        name: what it is called, also in the cache, where it has to be the only one of that name; by default the
            function's name, and in the cache that of its module, too.
        cache: for how long an answer holds, for all runs of the store that ask the same: see `Store.cache`. Only of
            tools whose calls may be left out.
        effect, retries, backoff, timeout, usage, verify: as for `Run.options`.
        schema: a JSON Schema of its parameters for models, where its signature does not tell; what a model says is
            given to the function by name, unchecked.
        approval: who has to allow a call before it is made: until somebody has, its run waits, and its program may
            end. See `Store.inbox`. Such a tool is "once", unless `effect` says otherwise.

    Raises:
        InvalidValue: an option is none; a tool that is cached may happen once, writes into the store, or takes a
            `Context`, which its answer could depend on.

    Example:
        >>> @tool(cache="10m", retries=2)
        ... def population(city: str) -> int:
        ...     return len(city)
        >>> population("Paris"), population.name
        (5, 'population')
    """
    given = {
        "effect": effect, "retries": retries, "backoff": backoff, "timeout": timeout, "usage": usage, "verify": verify,
    }  # fmt: skip
    if approval is not None and not isinstance(cast("object", approval), Approval):
        raise InvalidValue(f"the approval of a tool is an Approval(…), not {approval!r}")
    ttl = None if cache is None else seconds_of(cache, "cache")
    _check_cache(ttl, StepOptions().but(given))

    def made(function: Callable[..., Any]) -> Tool:
        inner = tool_in(function)  # of what is a tool already stays what is not given
        itself = function if isinstance(function, Tool) else None
        before = StepOptions() if inner is None else inner.options
        options = (before if approval is None else replace(before, effect=ONCE)).but(given)
        kept = itself.cache if ttl is None and itself is not None else ttl
        _check_cache(kept, options, function)
        gate = Gate(APPROVAL, approval) if approval is not None else None if inner is None else inner.gate
        told = schema if schema is not None or itself is None else itself.schema
        if itself is not None:
            return Tool(itself.function, name or itself.cached_as, options, kept, told, gate)
        given_function: object = function
        if not callable(given_function) or inspect.isclass(given_function):
            raise InvalidValue(f"a tool is made of a function, not of {function!r}")
        return Tool(function, name, options, kept, told, gate)

    return made if function is None else made(function)


def _check_cache(ttl: float | None, options: StepOptions, function: Callable[..., Any] | None = None) -> None:
    """Raise InvalidValue if the answers of such a tool cannot be kept."""
    if ttl is None:
        return
    if options.effect in (ONCE, TRANSACTIONAL):
        raise InvalidValue(f"a tool with the effect {options.effect!r} cannot be cached: its calls may not be left out")
    if function is not None and context_parameter(function) is not None:
        raise InvalidValue(f"{name_of(function)} takes a Context, so its answers cannot be cached")


def _answered(kind: str, approval: Approval) -> Callable[[Callable[..., Any]], Tool]:
    def made(function: Callable[..., Any]) -> Tool:
        given_function: object = function
        if not callable(given_function) or inspect.isclass(given_function):
            raise InvalidValue(f"what is asked is told by a function, not by {function!r}")
        return Tool(function, None, StepOptions(effect=PURE), None, None, Gate(kind, approval))

    return made


def question(
    *, by: Sequence[str] | str = (), expires: Duration | None = None, on_expiry: str = REJECT, message: str = ""
) -> Callable[[Callable[..., Any]], Tool]:
    """Make a tool that asks a person: the function says by its signature and docstring what; it is never called.

    What `InboxCall.answer` is given is what a call returns; until then its run waits, and its program may end.

    Args:
        by, expires, on_expiry, message: as of `Approval`.

    Raises:
        InvalidValue: one of these is none.

    Example:
        >>> @question(by=["ann"], expires="2d")
        ... def ask(question: str) -> str:
        ...     'Ask the person who wants the report.'
    """
    return _answered(QUESTION, Approval(by=by, expires=expires, on_expiry=on_expiry, message=message))


def external(
    *, expires: Duration | None = None, on_expiry: str = REJECT, message: str = ""
) -> Callable[[Callable[..., Any]], Tool]:
    """Make a tool whose result comes from elsewhere: as `question`, for programs, such as one that a webhook calls."""
    return _answered(EXTERNAL, Approval(expires=expires, on_expiry=on_expiry, message=message))


def _sleep(seconds: float) -> None:
    """Wait so many seconds before going on."""


sleep = Tool(_sleep, "sleep", StepOptions(effect=PURE), None, None, Gate(TIMER))
"""A tool by which a model lets time pass: its run is suspended, and goes on when that is over."""
