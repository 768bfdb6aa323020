"""The cache of a `Store`: answers of tools, for all who use it."""

# pyright: basic
# (the cache is loaded when it is asked for)

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast.engine.bell import Bell, bell_of
from holdfast.engine.contract import Engine
from holdfast.errors import HoldfastError
from holdfast.store.connection import Connection

if TYPE_CHECKING:
    from holdfast.cache.cache import Cache


class Caching(Connection):
    """What a `Store` does with answers of tools."""

    _made_cache: Cache | None = None
    _answers_in: Engine | None = None

    @property
    def cache(self) -> Cache:
        """Answers of tools that are kept for all who use the store, on every branch, outside of its history."""
        if self._made_cache is None:
            from holdfast.cache.cache import Cache  # noqa: PLC0415 - whoever calls no tools need not load it
            from holdfast.cache.flights import shared_by  # noqa: PLC0415
            from holdfast.core.codec import Codec  # noqa: PLC0415
            from holdfast.state.signing import KeyFile  # noqa: PLC0415

            self._made_cache = Cache(shared_by(self._engine), Codec(KeyFile()))
        return self._made_cache

    def _keep_answers_in(self, engine: Engine) -> None:
        """Let answers be kept in another store, and followers be told by it; it is closed with this one."""
        from holdfast.cache.flights import Elsewhere  # noqa: PLC0415

        self._engine.beside[Elsewhere] = Elsewhere(engine)
        self._answers_in = engine
        if engine.can_tell:
            self._engine.beside[Bell] = Bell(engine)

    def close(self) -> None:
        """Give back what this holds."""
        if self._made_cache is not None and not self._closed:
            with suppress(HoldfastError):  # how often tools were used is not worth an error
                self._made_cache.flush()
        try:
            super().close()
        finally:
            if self._answers_in is not None:
                bell = bell_of(self._engine.beside)
                if bell is not None:
                    bell.close()
                self._answers_in.close()
