"""Waiting for a commit of anybody, in whatever process."""

from __future__ import annotations

import asyncio
import threading
import time

from holdfast.engine.bell import bell_of
from holdfast.engine.contract import Engine

LOOK_SECONDS = 0.02
"""How often it is looked whether somebody committed. That asks the file system, and nothing of the store."""


class Watch:
    """Tells when somebody committed since it was asked last.

    A file tells when a commit is written to its log, and it may be seen only once that is on the disk. So whoever
    waits again without that anybody committed is told to look once more, soon, and then after twice as long each time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bell = bell_of(engine.beside)
        self._seen = self._pulse()
        self._again_seconds = LOOK_SECONDS

    def wait(self, seconds: float, woken: threading.Event | None = None) -> None:
        """Return when somebody committed, or may have, since the last time; when `woken` is set; or in so many seconds.

        Returns soon, for nothing, a few times after each commit.
        """
        woken = woken or threading.Event()
        until = self._until(seconds)
        while not woken.is_set() and not self._has_moved() and (left := until - time.monotonic()) > 0:
            woken.wait(min(left, LOOK_SECONDS))

    async def wait_async(self, seconds: float, woken: threading.Event | None = None) -> None:
        """Return as `wait` does, and let others use the loop meanwhile."""
        woken = woken or threading.Event()
        until = self._until(seconds)
        while not woken.is_set() and not self._has_moved() and (left := until - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, LOOK_SECONDS))

    def _until(self, seconds: float) -> float:
        """Return when to look at the latest; later the next time, unless somebody commits."""
        within, self._again_seconds = min(seconds, self._again_seconds), min(2 * self._again_seconds, 3600.0)
        return time.monotonic() + within

    def _has_moved(self) -> bool:
        before, self._seen = self._seen, self._pulse()
        if self._seen == before:
            return False
        self._again_seconds = LOOK_SECONDS
        return True

    def _pulse(self) -> object:
        return self._engine.pulse(), None if self._bell is None else self._bell.pulse()
