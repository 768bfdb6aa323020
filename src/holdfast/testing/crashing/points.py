"""Where a process can die."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum


class Loss(StrEnum):
    """What is lost when the process dies."""

    PROCESS = "process"
    """The process alone, as by kill -9: what it wrote is in the files, synced or not."""
    POWER = "power"
    """The machine: of what was written and not synced, some sectors of 512 bytes are there and some are not."""
    ROOM = "room"
    """Nothing, and nobody dies: from that point on the system refuses this process each write to any file."""


class CrashPoints:
    """Counts the points that are reached, and kills the process at one of them.

    Args:
        at: the number of the point to die at, from 1, or its label; None to survive.
        watch: is called at each point with its label, before anybody dies there.
    """

    def __init__(self, at: int | str | None = None, watch: Callable[[str], None] | None = None) -> None:
        self._at = at
        self._watch = watch
        self._within = False
        self.reached = 0
        self.strike: Callable[[], None] = kill
        """What happens at the point: the disk replaces it by what its loss is."""

    def reach(self, label: str) -> None:
        """Come to a point. Does not return if it is the one to die at. What `watch` does is no point itself."""
        if self._within:
            return
        self._within = True
        try:
            self.reached += 1
            if self._watch:
                self._watch(label)
            if self._at in (self.reached, label):
                self.strike()
        finally:
            self._within = False


def kill() -> None:
    """Kill this process, as kill -9 would: nothing is flushed, no block is left."""
    os.kill(os.getpid(), signal.SIGKILL)
