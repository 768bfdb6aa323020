"""The cache of a `Store`: answers of tools, for all who use it."""

# pyright: basic
# (the cache is loaded when it is asked for)

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from holdfast.engine.contract import Engine
from holdfast.errors import HoldfastError
from holdfast.store.connection import Connection

if TYPE_CHECKING:
    from holdfast.cache.cache import Cache


class Elsewhere(NamedTuple):
    """Stands in `Engine.beside` where answers of tools are kept in another store."""

    engine: Engine


class Caching(Connection):
    """What a `Store` does with answers of tools."""

    _made_cache: Cache | None = None

    @property
    def cache(self) -> Cache:
        """Answers of tools that are kept for all who use the store, on every branch, outside of its history."""
        if self._made_cache is None:
            from holdfast.cache.cache import Cache  # noqa: PLC0415 - whoever calls no tools need not load it
            from holdfast.cache.flights import shared_by  # noqa: PLC0415
            from holdfast.core.codec import Codec  # noqa: PLC0415
            from holdfast.state.signing import KeyFile  # noqa: PLC0415

            elsewhere = self._cached_elsewhere
            self._made_cache = Cache(shared_by(elsewhere.engine if elsewhere else self._engine), Codec(KeyFile()))
        return self._made_cache

    @property
    def _cached_elsewhere(self) -> Elsewhere | None:
        found: Elsewhere | None = self._engine.beside.get(Elsewhere)
        return found

    def close(self) -> None:
        """Give back what this holds."""
        if self._made_cache is not None and not self._closed:
            with suppress(HoldfastError):  # how often tools were used is not worth an error
                self._made_cache.flush()
        super().close()
        if self._owns_engine and (elsewhere := self._cached_elsewhere) is not None:
            elsewhere.engine.close()
