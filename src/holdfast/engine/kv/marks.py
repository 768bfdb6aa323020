"""Who reads which state of a store, told to those who remove what nobody needs.

Each user of a store has a mark: the number of the oldest state that it reads. A reader notes it before it looks whether
that state is still the newest; who removes makes a newer state first, and looks at the marks of others then. So a
reader is either seen, or sees that it has to begin with the newer state.

In a folder a mark is a file of eight bytes in memory that processes share, locked for as long as its process lives:
noting costs no call of the system, and what a process that died has noted holds nobody up.
"""

from __future__ import annotations

import importlib
import mmap
import os
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

fcntl: Any = importlib.import_module("fcntl") if sys.platform != "win32" else None

MARK_BYTES = 8


class Mark(Protocol):
    """The mark of one user of a store."""

    def note(self, oldest: int | None) -> None:
        """Note the oldest state that is read here, by its number from 1; None for none."""
        ...

    def oldest_elsewhere(self) -> int | None:
        """Return the oldest state that any other user reads, in whatever process; None for none."""
        ...

    def close(self) -> None:
        """Take the mark back. Idempotent."""
        ...


class Marks:
    """The marks on a store that is in the memory of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[object, int] = {}

    def mark(self) -> Mark:
        """Return the mark of another user."""
        return _MarkInMemory(self)

    def note(self, who: object, oldest: int | None) -> None:
        """Note what a user reads."""
        with self._lock:
            if oldest is None:
                self._noted.pop(who, None)
            else:
                self._noted[who] = oldest

    def oldest_besides(self, who: object) -> int | None:
        """Return the oldest state that others read."""
        with self._lock:
            return min((oldest for other, oldest in self._noted.items() if other is not who), default=None)


class _MarkInMemory:
    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def note(self, oldest: int | None) -> None:
        self._marks.note(self, oldest)

    def oldest_elsewhere(self) -> int | None:
        return self._marks.oldest_besides(self)

    def close(self) -> None:
        self._marks.note(self, None)


def mark_in(folder: Path) -> Mark | None:
    """Return a mark as a file in a folder, which is made; None where files cannot be locked or made."""
    if fcntl is None:
        return None
    try:
        folder.mkdir(exist_ok=True)
        return _MarkInFile(folder)
    except OSError:
        return None


class _MarkInFile:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = self._path = None
        while self._file is None:
            self._path = folder / os.urandom(8).hex()
            self._file = _made(self._path)
        self._pid = os.getpid()
        self._memory: mmap.mmap | None = mmap.mmap(self._file, MARK_BYTES)
        self._number = memoryview(self._memory).cast("Q")  # eight bytes at once: nobody reads half of a number

    def note(self, oldest: int | None) -> None:
        if self._memory is not None and os.getpid() == self._pid:  # a forked child has its parent's memory here
            self._number[0] = oldest or 0

    def oldest_elsewhere(self) -> int | None:
        try:
            noted = [_noted(path) for path in self._folder.iterdir() if path != self._path]
        except FileNotFoundError:  # a folder that somebody removed: nobody is left to be seen
            return None
        except OSError:  # it cannot be known, so all is kept
            return 1
        return min((number for number in noted if number), default=None)

    def close(self) -> None:
        if self._memory is None or self._file is None or self._path is None or os.getpid() != self._pid:
            return
        self._number.release()
        self._memory.close()
        self._memory = None
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def _made(path: Path) -> int | None:
    """Return a new file, locked; None if somebody took it for that of a process that died, before it was locked."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        os.pwrite(file, bytes(MARK_BYTES), 0)  # a hole would want room when it is written to first, and kill who does
        if _locked(file) and path.exists():
            return file
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None


def _noted(path: Path) -> int:
    """Return what is noted in a mark; 0 if its process died, and then it is removed."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # taken back meanwhile
        return 0
    except OSError:  # somebody else's, perhaps: it may say anything
        return 1
    try:
        if _locked(file):
            path.unlink(missing_ok=True)
            return 0
        return int.from_bytes(os.pread(file, MARK_BYTES, 0), sys.byteorder)  # nothing, of one that is being made
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    """Lock a file, unless another has it locked; tell whether that was done."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
