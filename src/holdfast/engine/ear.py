"""Hearing of commits from a server, over a connection and a thread of its own: who asks waits for nothing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

LOOK_SECONDS = 1.0
"""How long it takes at most to notice that nobody listens any more, or that the server is back."""


class Ear(ABC):
    """Counts what tells that somebody wrote.

    Attributes:
        over: whether nobody asks any more.
        heard: how often something was heard.
    """

    losses: tuple[type[Exception], ...]
    """What is raised where the connection is lost."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self.over = threading.Event()
        self.heard = 0

    def listen(self) -> int:
        """Return how often something was heard; begin to listen if nobody does. What came before that is unknown."""
        with self._starting:
            if self._thread is None and not self.over.is_set():
                self._thread = threading.Thread(target=self._listen, name="holdfast-ear", daemon=True)
                self._thread.start()
        return self.heard

    def close(self) -> None:
        """Listen no more. Idempotent."""
        self.over.set()

    @abstractmethod
    def attend(self) -> None:
        """Connect, count that as heard, since nobody knows what was missed, and count what is told until it is over."""

    def _listen(self) -> None:
        while not self.over.is_set():
            try:
                self.attend()
            except Exception as error:
                if self.over.is_set():  # whoever closed it may have closed the connection, too
                    return
                if not isinstance(error, self.losses):
                    raise
                self.heard += 1
                self.over.wait(LOOK_SECONDS)
