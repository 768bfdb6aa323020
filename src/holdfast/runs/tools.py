"""Tools: functions that say how they are to be called, wherever a run calls them."""

# pyright: basic
# (functions are whatever a user has)

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, overload

from holdfast.core.durations import Duration, seconds_of
from holdfast.core.functions import known_of, name_of
from holdfast.errors import InvalidValue
from holdfast.runs.inputs import context_parameter
from holdfast.runs.options import KEPT, ONCE, TRANSACTIONAL, StepOptions


class Tool:
    """A function that says how it is to be called. Made by `tool`; called directly it is the plain function.

    Attributes:
        function: what it calls.
        name: what people and models call it.
        options: how a step that calls it is done, unless the step says otherwise.
        cache: for how long its answers hold, in seconds; None if they are not kept.
        schema: what models are told of its parameters, as a JSON Schema; None for what its signature says.
        cached_as: the name that it was given, under which they are kept; None for that of its module and function.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        options: StepOptions,
        cache: float | None,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.cached_as = name
        self.name: str = name or getattr(function, "__name__", None) or name_of(function)
        self.options = options
        self.cache = cache
        self.schema = schema
        signature = known_of(function).signature
        if signature is not None:
            self.__signature__ = signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the function
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name!r}>"


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
    options = StepOptions().but(given)
    ttl = None if cache is None else seconds_of(cache, "cache")
    if ttl is not None and options.effect in (ONCE, TRANSACTIONAL):
        raise InvalidValue(f"a tool with the effect {options.effect!r} cannot be cached: its calls may not be left out")

    def made(function: Callable[..., Any]) -> Tool:
        given_function: object = function
        if not callable(given_function) or inspect.isclass(given_function):
            raise InvalidValue(f"a tool is made of a function, not of {function!r}")
        if ttl is not None and context_parameter(function) is not None:
            raise InvalidValue(f"{name_of(function)} takes a Context, so its answers cannot be cached")
        return Tool(function, name, options, ttl, schema)

    return made if function is None else made(function)
