"""The lock of values that tell their changes."""

from __future__ import annotations

import threading
from types import TracebackType


class Edits:
    """The lock of values that tell their changes; it counts how often it was taken to change one.

    Who holds it never waits for another lock that a commit holds, so a value can be changed at any time: on an event
    loop, too, and while a commit waits for its turn or for the disk.

    Attributes:
        lock: to look at values, or to take over others, while nobody changes them.
        count: how many changes there were.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.count = 0

    def __enter__(self) -> None:
        """Take the lock, to change something."""
        self.lock.acquire()
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self.lock.release()
