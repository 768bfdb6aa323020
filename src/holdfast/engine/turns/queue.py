"""Whose turn it is to write, among the threads of this process, and whose work shares a transaction.

Callers form one line, in the order in which they came. Whoever holds the turn hands it to the next, so nobody who
comes later slips in between. A caller that brings its write as a function may be served by another: the caller whose
turn it is *leads*, and writes for those that stand behind it, too; they share its fsync. Nobody leads on the main
thread, where Ctrl-C may strike in the middle of somebody else's work.

All that is known of a caller stands in its `Caller`, and is only changed under the mutex: an interrupt may come at any
call, even where one begins or ends, and what is left then tells what there is to tidy. So what belongs together is
assigned without a call between, and `leave` is called twice: the first may be interrupted before it does anything.

The registry makes all engines of a process that have the same file open stand in one line.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from holdfast.engine.contract import caller_of
from holdfast.engine.turns.turnstile import Turnstile
from holdfast.errors import HoldfastError, StoreError, Timeout, TransactionOpen

GROUP_CALLERS_MAX = 256
"""How many callers share one transaction."""

GROUP_SECONDS_MAX = 0.02
"""How long a leader takes on more work before it commits."""


class Stage(Enum):
    """What became of a caller."""

    WAITS = "in the line"
    TURN = "its turn"
    SERVED = "another does its work"
    DONE = "its work is done, or failed"
    GONE = "left the line"


class Caller:
    """Somebody in the line.

    Attributes:
        who: the thread or the task.
        work: what to write, if another may do it.
        group: only callers of an equal group share a transaction; alone if it is None.
    """

    __slots__ = ("error", "group", "result", "stage", "wake", "who", "work")

    def __init__(self, work: Callable[[Any], Any] | None = None, group: object = None) -> None:
        self.who = caller_of()
        self.work = work
        self.group = group
        self.stage = Stage.WAITS
        self.wake = threading.Lock()
        self.wake.acquire()
        self.result: Any = None
        self.error: BaseException | None = None

    def outcome(self) -> Any:  # noqa: ANN401 - what the work returned
        """Return what the work returned, or raise what it raised."""
        error = self.error
        if error is None:
            return self.result
        try:
            raise error
        finally:
            self.error = error = None  # else it keeps itself alive, with all that its frames hold


class Gate(Protocol):
    """The turn of this process among others."""

    def enter(self, until: float) -> bool:
        """Wait for it; tell whether it came before the moment `until` (of time.monotonic)."""
        ...

    def leave(self) -> None:
        """Let the next process have its turn. Harmless without one."""
        ...

    def close(self) -> None:
        """Give back what was held."""
        ...


class WriteQueue:
    """The line before one store.

    Args:
        turnstile: the line among processes; None where there is no other process.
        holder: says who has the store when another process has it for too long.
    """

    def __init__(self, turnstile: Gate | None, holder: Callable[[], str]) -> None:
        self._turnstile = turnstile
        self._holder_elsewhere = holder
        self._mutex = threading.Lock()
        self._holder: Caller | None = None
        self._line: deque[Caller] = deque()

    @contextmanager
    def taken(self, timeout: float) -> Generator[float]:
        """Wait for the turn, and keep it for the block; return the moment until which one wanted to wait.

        Raises:
            TransactionOpen: this very thread or task has it, and would wait for itself.
            Timeout: others kept it for longer than `timeout` seconds.
        """
        caller, until = Caller(), time.monotonic() + timeout
        try:
            self.wait(caller, until, timeout)
            self.enter(until, timeout)
            yield until
        finally:
            try:
                self.leave(caller)
            finally:
                self.leave(caller)

    def wait(self, caller: Caller, until: float, timeout: float) -> None:
        """Stand in the line until it is the caller's turn, or its work is done."""
        with self._mutex:
            if self._holder is None:
                self._holder = caller
                caller.stage = Stage.TURN
                return
            self._check_not_mine(caller.who)
            self._line.append(caller)
        in_time = caller.wake.acquire(timeout=max(until - time.monotonic(), 0))
        if not in_time and self._gave_up(caller):
            raise Timeout(f"another transaction of this process held the store for {timeout:g} s; retry")

    def _gave_up(self, caller: Caller) -> bool:
        """Leave the line, unless the turn came, or the work was begun, at the last moment."""
        with self._mutex:
            if caller.stage is Stage.WAITS:
                self._line.remove(caller)
                caller.stage = Stage.GONE
                return True
        interrupt = self._see_through(caller)
        if interrupt is not None:
            raise interrupt
        return False

    @staticmethod
    def _see_through(caller: Caller) -> BaseException | None:
        """Wait until what another does for this caller is done; return the interrupt that came meanwhile, if any."""
        interrupt: BaseException | None = None
        while caller.stage is Stage.SERVED:
            try:
                caller.wake.acquire()
            except BaseException as error:  # noqa: BLE001 - Ctrl-C; it is raised once nothing is in doubt any more
                interrupt = error
        return interrupt

    def enter(self, until: float, timeout: float) -> None:
        """Wait for the turn of this process among others. Raises Timeout."""
        if self._turnstile is not None and not self._turnstile.enter(until):
            raise Timeout(f"{self._holder_elsewhere()} held the store for {timeout:g} s; retry")

    def check_not_mine(self) -> None:
        """Raise TransactionOpen if this very thread or task has the turn, and would wait for itself."""
        with self._mutex:
            self._check_not_mine(caller_of())

    def _check_not_mine(self, who: object) -> None:
        if self._holder is not None and self._holder.who == who:
            raise TransactionOpen("another Store of this thread has a transaction open; write after it, or inside it")

    def has_company(self, caller: Caller) -> bool:
        """Tell whether others stand behind, whose work may be done along with the caller's."""
        with self._mutex:
            return bool(self._line) and self._line[0].group == caller.group is not None

    def members(self, leader: Caller) -> Iterator[Caller]:
        """Yield the leader, then those behind it whose work may share its transaction, up to the bounds."""
        yield leader
        if leader.group is None:
            return
        until = time.monotonic() + GROUP_SECONDS_MAX
        for _ in range(GROUP_CALLERS_MAX - 1):
            with self._mutex:
                if not self._line or self._line[0].group != leader.group or time.monotonic() > until:
                    return
                caller = self._line.popleft()
                caller.stage = Stage.SERVED
            yield caller

    def settle(self, callers: list[Caller]) -> None:
        """Tell callers that their work is done, or has failed."""
        with self._mutex:
            for caller in callers:
                caller.stage = Stage.DONE
        for caller in callers:
            caller.wake.release()

    def put_back(self, callers: list[Caller]) -> None:
        """Let callers whose work was undone through no fault of theirs do it themselves, each alone, before others."""
        with self._mutex:
            for caller in reversed(callers):
                caller.error = caller.group = None
                caller.stage = Stage.WAITS
                self._line.appendleft(caller)

    def leave(self, caller: Caller) -> None:
        """Hand on the turn, or leave the line, whatever the caller has come to. Idempotent, also when interrupted."""
        interrupt: BaseException | None = None
        while caller.stage in (Stage.WAITS, Stage.TURN, Stage.SERVED):
            with self._mutex:
                if self._holder is caller:
                    self._hand_on(caller)
                elif caller.stage is Stage.WAITS:
                    if caller in self._line:
                        self._line.remove(caller)
                    caller.stage = Stage.GONE
            interrupt = self._see_through(caller) or interrupt  # it was interrupted while another worked for it
        try:
            if interrupt is not None:
                raise interrupt
        finally:
            interrupt = None  # else it keeps itself alive, with all that its frames hold

    def _hand_on(self, caller: Caller) -> None:
        if self._turnstile is not None:
            self._turnstile.leave()
        gone, turn = Stage.GONE, Stage.TURN
        if not self._line:
            self._holder, caller.stage = None, gone
            return
        heir = self._line[0]
        del self._line[0]  # from here on without a call, until it is woken
        self._holder, caller.stage, heir.stage = heir, gone, turn
        heir.wake.release()

    def close(self) -> None:
        """Give back the file of the line."""
        if self._turnstile is not None:
            self._turnstile.close()


class Registry:
    """The lines of this process, one for each file."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads, and none of its locks
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self._mutex = threading.Lock()
        self._queues: dict[tuple[int, int], tuple[WriteQueue, int]] = {}

    def join(self, path: Path, holder: Callable[[], str], *, alone: bool) -> tuple[WriteQueue, Callable[[], None]]:
        """Return the line before a file that is there, and what to call, once, when it is not needed any more.

        Args:
            holder: says who has the file when another process has it for too long.
            alone: whether no other process can have the file.
        """
        status = path.stat()
        key, process = (status.st_dev, status.st_ino), os.getpid()
        with self._mutex:
            queue, users = self._queues.get(key) or (WriteQueue(None if alone else Turnstile(path), holder), 0)
            self._queues[key] = queue, users + 1

        def part() -> None:
            if os.getpid() != process:
                return
            with self._mutex:
                queue, users = self._queues[key]
                if users > 1:
                    self._queues[key] = queue, users - 1
                    return
                del self._queues[key]
            queue.close()

        return queue, part


QUEUES = Registry()
"""Shared by all engines, since a file does not know by which of them it was opened."""


def failed_with(error: BaseException) -> BaseException:
    """Return what to tell a caller whose work was lost with a transaction that failed so."""
    if isinstance(error, HoldfastError):
        own = type(error)(*error.args)  # each thread is to raise an error of its own
        own.__cause__ = error
        return own
    return StoreError(f"the thread that wrote for several callers was ended by {error!r}; look whether this is there")
