"""The cache of an async `Store`: `holdfast.cache.cache.Cache`, to be awaited."""

# pyright: basic
# (values are whatever a tool returns)

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from holdfast.core.flows import Aside, awaited

if TYPE_CHECKING:
    from holdfast.cache.cache import Cache as PlainCache
    from holdfast.cache.results import Hit, ToolUse


class Cache:
    """Answers of tools that are kept. Coroutine functions run on the caller's loop, others in threads.

    Args:
        cache: the plain one.
        aside: does what may block on a thread of the store.
    """

    def __init__(self, cache: PlainCache, aside: Aside) -> None:
        self._cache = cache
        self._aside = aside

    def options(self, **options: Any) -> Self:  # noqa: ANN401 - those of the plain cache
        """Return the cache with other options: those of `Cache.options`. Raises InvalidValue."""
        return type(self)(self._cache.options(**options), self._aside)

    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return what a tool answered to these arguments, or call it, and keep the answer: as `Cache.call`.

        A call that is cancelled stops the tool, if that is a coroutine; others who wait for it call it themselves.
        """
        return await awaited(self._cache.flow(function, args, kwargs), self._aside)

    async def find(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Hit | None:  # noqa: ANN401
        """Return what is kept of a call, or None: as `Cache.find`."""
        found: Hit | None = await self._aside(lambda: self._cache.find(function, *args, **kwargs), reads=True)
        return found

    async def invalidate(self, tool: str | Callable[..., Any] | None = None, *, scope: Any = None) -> int:  # noqa: ANN401
        """Remove what is kept of a tool, of a scope, of both, or everything; return how many answers that were."""
        removed: int = await self._aside(lambda: self._cache.invalidate(tool, scope=scope), reads=False)
        return removed

    async def stats(self) -> list[ToolUse]:
        """Return how tools were used: as `Cache.stats`."""
        found: list[ToolUse] = await self._aside(self._cache.stats, reads=False)
        return found
