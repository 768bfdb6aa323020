"""Whose turn it is to write, among the processes that have a store open.

SQLite lets writers that find the file locked sleep, each for longer and longer, and whoever asks at the right moment is
next: of sixteen busy processes some wrote nothing for three seconds (docs/decisions/0006). Here they stand in line. The
line is two bytes of a file beside the store that are locked as records are (POSIX): who wants to write locks the gate,
then the turn, and opens the gate again. Whoever has just written and wants to write again finds the gate shut by the
one who waits for the turn; and the kernel lets those before the gate pass in the order in which they came.

It is for fairness alone. What keeps writers apart is SQLite's own lock, so where there are no such locks, or the file
cannot be made, writers do without. The kernel frees the locks of a process that dies; a forked child has none.

Waiting for a record lock knows no time limit, so a thread does that, and only when there is somebody to wait for.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

fcntl: Any = importlib.import_module("fcntl") if sys.platform != "win32" else None

GATE, TURN = 0, 1
"""The two bytes."""

IDLE_SECONDS_MAX = 5.0
"""How long the waiting thread stays when there is nothing to wait for."""

SUFFIX = "-turn"


def turn_file(path: Path) -> Path:
    """Return the file whose bytes are locked."""
    return path.with_name(path.name + SUFFIX)


class Turnstile:
    """The place of this process in the line of a store. `enter` and `leave` alternate, whatever their threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._opened = False
        self._mutex = threading.Lock()  # guards what follows
        self._entered = False
        self._wanted = False
        self._helping = False  # there is a thread to wait with
        self._waiting = False  # it stands in the line
        # Queues, since an interrupt within a semaphore may leave it locked for good.
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._granted: SimpleQueue[None] = SimpleQueue()

    def enter(self, until: float) -> bool:
        """Wait for the turn of this process; tell whether it came before the moment `until` (of time.monotonic)."""
        if not self._opened:
            self._open()
        if self._file is None:
            return True
        with self._mutex:
            if not self._waiting and self._passed_at_once(self._file):
                self._entered = True
                return True
        try:
            self._ask()
            with contextlib.suppress(Empty):
                self._granted.get(timeout=max(until - time.monotonic(), 0))
        finally:  # also when interrupted
            with self._mutex:
                self._wanted = False
        return self._entered

    def _ask(self) -> None:
        with self._mutex:
            while not self._granted.empty():  # to somebody who did not wait for it any more
                self._granted.get()
            self._wanted = True
        self._asked.put(None)
        with self._mutex:
            helping = self._helping
        if not helping:
            threading.Thread(target=self._help, name="holdfast-turn", daemon=True).start()

    def leave(self) -> None:
        """Let the next process have its turn. Harmless without one: an interrupt may have hidden what was locked."""
        with self._mutex:
            self._entered = False
            if self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 2, GATE)

    def close(self) -> None:
        """Give back the file. Only when nobody enters any more."""
        with self._mutex:
            if self._file is not None and not self._waiting:
                os.close(self._file)
                self._file = None
            self._opened = True

    def _open(self) -> None:
        self._opened = True
        if fcntl is None:
            return
        try:
            mode = self._path.stat().st_mode & 0o777  # who may write the store may stand in the line
            self._file = os.open(turn_file(self._path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        except OSError:  # a folder in which nothing can be made: SQLite's own lock has to do
            self._file = None

    def _passed_at_once(self, file: int) -> bool:
        if not self._locked(file, GATE):
            return False
        try:
            return self._locked(file, TURN)
        finally:
            self._unlock(file, GATE)

    @staticmethod
    def _locked(file: int, byte: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            return not isinstance(error, (BlockingIOError, PermissionError))  # a file system without locks: no line
        return True

    @staticmethod
    def _unlock(file: int, byte: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)

    def _help(self) -> None:
        """Stand in the line whenever that is asked for, on a thread of its own."""
        with self._mutex:
            if self._helping:
                return
            self._helping = True
        while self._is_asked():
            with self._mutex:
                file = self._file
                if not self._wanted or self._entered or file is None:
                    continue
                self._waiting = True
            for lock, byte in ((fcntl.LOCK_EX, GATE), (fcntl.LOCK_EX, TURN), (fcntl.LOCK_UN, GATE)):
                with contextlib.suppress(OSError):  # a deadlock, as the kernel sees it: SQLite's own lock has to do
                    fcntl.lockf(file, lock, 1, byte)
            with self._mutex:
                self._waiting = False
                if self._wanted:
                    self._entered = True
                    self._granted.put(None)
                else:  # whoever asked gave up
                    self._unlock(file, TURN)

    def _is_asked(self) -> bool:
        """Wait to be asked; after a while without anything to do, tell the thread to end."""
        with contextlib.suppress(Empty):
            self._asked.get(timeout=IDLE_SECONDS_MAX)
            return True
        with self._mutex:
            self._helping = not self._asked.empty()
            return self._helping
