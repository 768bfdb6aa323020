"""Who works on something: a name that nobody else has, and whether that one still lives.

A process is known by its place, its number and its start: numbers are given again, and another container or another
start of the machine gives the same ones. A place is one start of one system's space of processes, with one count of
time; where the system does not tell, there is no place, and nobody is ever taken for dead.
"""

from __future__ import annotations

import os
import socket
import time
from functools import cache
from pathlib import Path

import msgspec

_HIDDEN = -1
_STARTED = 19
"""The number of the field with the start, counted from the one behind the name of the program (proc(5))."""


class Owner(msgspec.Struct, frozen=True):
    """Somebody who works.

    Attributes:
        name: random, so that nobody else has it.
        host: the name of the machine, for people.
        pid: the number of the process.
        place: where that number means this process, and the monotonic clock is the same; "" if it cannot be told.
        started: when the process began, in the units of the system.
    """

    name: str
    host: str
    pid: int
    place: str = ""
    started: int = 0

    @property
    def is_near(self) -> bool:
        """Whether it is at the same place as this process."""
        return bool(self.place) and self.place == here()

    @property
    def is_dead(self) -> bool:
        """Whether it is known that the process is gone. False where that cannot be known."""
        return self.is_near and started(self.pid) not in (self.started, _HIDDEN)

    def __str__(self) -> str:
        """Name the process for people."""
        return f"process {self.pid} on {self.host} ({self.name})"


def myself() -> Owner:
    """Return an owner of this process, with a name of its own."""
    pid = os.getpid()
    return Owner(os.urandom(6).hex(), socket.gethostname(), pid, here(), started(pid) or 0)


@cache
def here() -> str:
    """Return the place of this process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        spaces = [Path(f"/proc/self/ns/{kind}") for kind in ("pid", "time")]
        return "/".join([boot, *(str(space.readlink()) for space in spaces if space.is_symlink())])
    except OSError:
        return ""


def started(pid: int) -> int | None:
    """Return when a process of this place began; None if there is none, or only what is left of a dead one.

    Of one that is there and hidden from this user, that is `_HIDDEN`.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return _HIDDEN if _is_there(pid) else None
    return None if fields[0] in "ZX" else int(fields[_STARTED])


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


def monotonic() -> float:
    """Return seconds that only ever grow, the same count for all processes of a place."""
    return time.monotonic()
