"""Hearing of commits, over a connection of its own, on a thread of its own: whoever asks waits for nothing."""

from __future__ import annotations

import threading

import psycopg
from psycopg import sql

LOOK_SECONDS = 1.0
"""How long it takes at most to notice that nobody listens any more, or that the server is back."""


class Ear:
    """Counts what tells that somebody wrote.

    Args:
        conninfo: what PostgreSQL's client connects with.
        channel: where writers tell.
    """

    def __init__(self, conninfo: str, channel: str) -> None:
        self._conninfo = conninfo
        self._channel = channel
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self.heard = 0

    def listen(self) -> int:
        """Return how often something was heard; begin to listen if nobody does. What came before that is unknown."""
        with self._starting:
            if self._thread is None and not self._over.is_set():
                self._thread = threading.Thread(target=self._hear, name="holdfast-ear", daemon=True)
                self._thread.start()
        return self.heard

    def close(self) -> None:
        """Listen no more. Idempotent."""
        self._over.set()

    def _hear(self) -> None:
        while not self._over.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    self.heard += 1  # nobody knows what was missed: look
                    while not self._over.is_set():
                        self.heard += sum(1 for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1))
            except psycopg.Error:
                self.heard += 1
                self._over.wait(LOOK_SECONDS)
