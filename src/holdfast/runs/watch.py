"""Waiting for a commit of anybody, in whatever process."""

from __future__ import annotations

import asyncio
import threading
import time

from holdfast.engine.contract import Engine

LOOK_SECONDS = 0.02
"""How often it is looked whether somebody committed. That asks the file system, and nothing of the store."""


class Watch:
    """Tells when somebody committed since it was asked last."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen = engine.pulse()

    def wait(self, seconds: float, woken: threading.Event | None = None) -> None:
        """Return when somebody committed since the last time, when `woken` is set, or after so many seconds."""
        woken = woken or threading.Event()
        until = time.monotonic() + seconds
        while not woken.is_set() and not self._has_moved() and (left := until - time.monotonic()) > 0:
            woken.wait(min(left, LOOK_SECONDS))

    async def wait_async(self, seconds: float, woken: threading.Event | None = None) -> None:
        """Return when somebody committed since the last time, when `woken` is set, or after so many seconds."""
        woken = woken or threading.Event()
        until = time.monotonic() + seconds
        while not woken.is_set() and not self._has_moved() and (left := until - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, LOOK_SECONDS))

    def _has_moved(self) -> bool:
        before, self._seen = self._seen, self._engine.pulse()
        return self._seen != before
