"""Who is writing: for the message of a `Timeout`."""

from __future__ import annotations

from pathlib import Path

from holdfast.engine.turns.turnstile import TURN, turn_file

_LOCKS = Path("/proc/locks")
_WRITE_LOCK = 120
"""The byte of the -shm file that SQLite locks while it writes."""


def writer_of(path: Path) -> str:
    """Return who holds the store, such as "process 4711, which is stopped"; "another process" where that is unknown."""
    shared = path.with_name(path.name + "-shm")
    try:
        locks = [line.split() for line in _LOCKS.read_text("ascii").splitlines()]
        process = _holder(locks, shared, _WRITE_LOCK) or _holder(locks, turn_file(path), TURN)
        if process is None or int(process) <= 0:
            return "another process"
        state = Path("/proc", process, "stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):  # no Linux, or it is gone by now
        return "another process"
    return f"process {process}" + (", which is stopped," if state in "Tt" else "")


def _holder(locks: list[list[str]], file: Path, byte: int) -> str | None:
    try:
        number = str(file.stat().st_ino)
    except OSError:
        return None
    for lock in locks:  # 1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 120 120
        if len(lock) == 8 and lock[3] == "WRITE" and lock[5].rpartition(":")[2] == number:
            last = float("inf") if lock[7] == "EOF" else int(lock[7])
            if int(lock[6]) <= byte <= last:
                return lock[4]
    return None
