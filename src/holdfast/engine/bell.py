"""Telling those who follow one store by another: where commits stand in a file or PostgreSQL, and Valkey is beside it.

Whoever committed rings, and waits for nothing: a thread tells it, once for all who rang since it told last. What
nobody hears costs only time: who follows looks at the store itself now and then.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from holdfast.engine.contract import Engine
from holdfast.errors import HoldfastError


class Bell:
    """Tells by an engine that there was a commit to another one. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._rung = threading.Event()
        self._over = False

    def ring(self) -> None:
        """Let it be told that somebody committed. Waits for nobody, and never fails."""
        self._rung.set()
        if self._thread is None or not self._thread.is_alive():  # it is gone after a fork
            with self._starting:
                if not self._over and (self._thread is None or not self._thread.is_alive()):
                    self._thread = threading.Thread(target=self._tell, name="holdfast-bell", daemon=True)
                    self._thread.start()

    def pulse(self) -> object:
        """Return what is another thing after it was rung by anybody."""
        return self._engine.pulse()

    def close(self) -> None:
        """Ring no more. Idempotent."""
        self._over = True
        self._rung.set()

    def _tell(self) -> None:
        while True:
            self._rung.wait()
            if self._over:
                return
            self._rung.clear()
            with suppress(HoldfastError):
                self._engine.tell()


def bell_of(beside: dict[type[Any], Any]) -> Bell | None:
    """Return the bell that is rung for an engine's commits, of what is kept beside it; None if there is none."""
    found: Bell | None = beside.get(Bell)
    return found
