"""The state of an async `Store`: `holdfast.Versioned`, to be awaited."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from holdfast.state.versioned import Versioned

R = TypeVar("R")

Ask = Callable[[Callable[[Any], Any]], Awaitable[Any]]
"""Gives a function the plain state, on a worker thread, and returns what it returns."""


def _awaited(name: str) -> Any:  # noqa: ANN401 - a method, with the signature of the plain one
    async def call(self: State, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return await self.ask(lambda state: getattr(state, name)(*args, **kwargs))

    call.__name__ = name
    call.__doc__ = f"Do what `Versioned.{name}` does."
    return call


class State:
    """The agent's variables on a branch, a `Versioned` whose reads and writes of the store never block the loop.

    `await state.get(key)` returns the value itself, which may be changed in place without awaiting: `state.commit()`
    sees it. A list of all methods is that of `Versioned`; `get`, `set` and `delete` stand for its brackets.
    Inside a transaction of a task, its state becomes part of it.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def ask(self, question: Callable[[Versioned], R]) -> Any:  # noqa: ANN401 - what it returns, or a State on it
        """Let a function do something with the plain state on a worker thread; return what it returns."""
        from holdfast.state.versioned import Versioned  # noqa: PLC0415 - whoever has no state need not load it

        found = await self._ask(question)
        return self._over(found) if isinstance(found, Versioned) else found

    def _over(self, state: Versioned) -> State:
        """Return another state, which asks on the same threads."""
        ask = self._ask
        return State(lambda question: ask(lambda _: question(state)))

    def namespace(self, name: str) -> Self:
        """Return the variables of a nested agent. Raises InvalidValue when they are first asked for."""
        ask = self._ask
        return type(self)(lambda question: ask(lambda state: question(state.namespace(name))))

    async def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return the value of a key, which is the same object each time, or the default."""
        return await self._ask(lambda state: state.get(key, default))

    async def set(self, key: str, value: Any) -> None:  # noqa: ANN401
        """Let a key have a value."""
        await self._ask(lambda state: state.__setitem__(key, value))

    async def delete(self, key: str) -> None:
        """Remove a key. Raises KeyError."""
        await self._ask(lambda state: state.__delitem__(key))

    async def keys(self) -> list[str]:
        """Return the keys, sorted."""
        return list(await self._ask(list))

    async def items(self) -> dict[str, Any]:
        """Return the variables as a dict."""
        return dict(await self._ask(dict))

    @property
    def head(self) -> Coroutine[Any, Any, str]:
        """The hash of the commit that this stands on: `await state.head`."""
        return self.ask(lambda state: state.head)

    namespaces = _awaited("namespaces")
    pending = _awaited("pending")
    commit = _awaited("commit")
    discard = _awaited("discard")
    refresh = _awaited("refresh")
    checkout = _awaited("checkout")
    history = _awaited("history")
    diff = _awaited("diff")
    revert_to = _awaited("revert_to")
    branch = _awaited("branch")
    merge = _awaited("merge")
    log = _awaited("log")
    events = _awaited("events")
    close = _awaited("close")

    async def view(self, **options: Any) -> str:  # noqa: ANN401
        """Return what `holdfast.view` does of it."""
        from holdfast.state.view import view  # noqa: PLC0415

        return str(await self._ask(functools.partial(view, **options)))
