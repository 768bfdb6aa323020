"""A worker: takes up the runs that wait to be worked on, and calls their functions.

A run is found where its time stands (records.py), those first whose time has come first: new ones, those that were
signalled or have slept enough, and those that failed and are to be tried again. One whose worker died is found among
those that are worked on. Whoever claims it first has it. While there is nothing to do nothing of the store is asked but
now and then: a worker notices that somebody committed.
"""

# pyright: basic
# (what functions return is whatever they return)

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, cast

from holdfast.core.durations import Duration, seconds_of
from holdfast.core.flows import is_coroutine_function
from holdfast.core.texts import is_text
from holdfast.engine.contract import Engine
from holdfast.engine.leases.leases import hold_of, may_be_free
from holdfast.errors import AlreadyExists, HoldfastError, InvalidValue, MergeConflict
from holdfast.runs import records
from holdfast.runs.entering import check_input, create, merge_finished
from holdfast.runs.loop import Loop
from holdfast.runs.records import RunRecord, branch_of_run, record_of
from holdfast.runs.run import Run
from holdfast.runs.watch import Watch
from holdfast.runs.wish import Wish
from holdfast.runs.workplace import Workplace

LIVE_SECONDS = 1.0
"""How often it is looked whether the worker of a run has died: nobody commits then."""
ATTEMPTS_MAX = 1_000_000
CONCURRENCY_MAX = 1_000

RunFunction = Callable[[Any], Any]


class Worker:
    """Works on the runs of some functions, several at the same time. Made by `Store.worker`.

    Args:
        functions: by the names under which runs are started; each is called with the run that it works on. What it
            returns is the run's result, unless that is None.
        concurrency: how many runs at the same time, each in a thread.
        attempts: how often a run is tried that fails.
        backoff: how long to wait before it is tried again; twice as long each time.
        lease: how long a silent worker is trusted.
    """

    def __init__(
        self,
        place: Workplace,
        functions: Mapping[str, RunFunction],
        *,
        concurrency: int,
        attempts: int,
        backoff: Duration,
        lease: Duration,
    ) -> None:
        _check_number("concurrency", concurrency, CONCURRENCY_MAX)
        _check_number("attempts", attempts, ATTEMPTS_MAX)
        self.functions = dict(functions)
        self._place = place
        self._concurrency = concurrency
        self._attempts = attempts
        self._backoff = seconds_of(backoff, "backoff")
        self._lease = lease
        self._working: dict[str, Future[None]] = {}
        self._later: dict[str, float] = {}
        self._stopping = threading.Event()
        self._changed = threading.Event()

    # Working

    def run(self, *, until_idle: bool = False) -> None:
        """Work until `stop` is called, or SIGTERM or SIGINT comes, where this is the main thread.

        Runs that are being worked on are worked on to their ends, or to where they wait.

        Args:
            until_idle: return when nothing is left to be done now; runs that sleep or wait are left.
        """
        watch = Watch(self._place.engine)
        with stopped_by_signals(self.stop), ThreadPoolExecutor(self._concurrency, "holdfast-worker") as pool:
            while not self._stopping.is_set():
                self._changed.clear()
                wait_seconds = self._take_up(pool)
                if until_idle and self.is_idle:
                    return
                watch.wait(wait_seconds, self._changed)

    def stop(self) -> None:
        """Let `run` return once the runs that are being worked on are at their ends, or wait. Idempotent."""
        self._stopping.set()
        self._changed.set()

    def _take_up(self, pool: ThreadPoolExecutor) -> float:
        """Begin to work on what is to be worked on; return after how many seconds to look again."""
        found, wait_seconds = self.found()
        for record in found:
            working = pool.submit(self._work, record)
            self.begin(record, working)
            working.add_done_callback(lambda _: self._changed.set())
        return wait_seconds

    def found(self) -> tuple[list[RunRecord], float]:
        """Return the runs to be worked on now, as many as this may, and after how many seconds to look again."""
        for run_id in [run_id for run_id, working in self._working.items() if working.done()]:
            del self._working[run_id]
        free = self._concurrency - len(self._working)
        return self._found(free) if free else ([], LIVE_SECONDS)

    def begin(self, record: RunRecord, working: Future[None]) -> None:
        """Take note that a run is worked on until a future is done."""
        self._working[record.run_id] = working

    def loop_of(self, record: RunRecord) -> Loop:
        """Return a run as this works on it."""
        wish = Wish(record.run_id, lease=self._lease, attempts_max=self._attempts, backoff_seconds=self._backoff)
        return Loop(self._place, wish)

    def merge(self, record: RunRecord) -> None:
        """Merge a run that is complete, and whose worker died before it had merged it. Conflicts are left to people."""
        try:
            merge_finished(self._place, record)
        except MergeConflict:
            pass
        except HoldfastError:  # as of a branch that is no more
            self.not_begun(record.run_id)

    def not_begun(self, run_id: str) -> None:
        """Take note that a run could not be entered, or merged: somebody has it, or it is damaged. It waits a while."""
        self._later[run_id] = time.monotonic() + max(self._backoff, LIVE_SECONDS)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is worked on, nor is to be now."""
        return not self._working and not self._is_due()

    @property
    def engine(self) -> Engine:
        """The store's engine."""
        return self._place.engine

    def _found(self, free: int) -> tuple[list[RunRecord], float]:
        """Return runs to be worked on, as many as are free, and after how many seconds to look again."""
        found: list[RunRecord] = []
        wait_seconds = LIVE_SECONDS
        with self._place.session.read() as reader:
            now_us = self._place.now_us()
            for due_us, run_id, _ in records.due(reader):
                if due_us > now_us:
                    wait_seconds = min(wait_seconds, (due_us - now_us) / 1_000_000)
                    break
                self._add(found, record_of(reader, run_id))
                if len(found) == free:
                    return found, wait_seconds
            for run_id in records.live(reader):
                if may_be_free(hold_of(reader, branch_of_run(run_id)), now_us):
                    self._add(found, record_of(reader, run_id))
                    if len(found) == free:
                        break
        return found, wait_seconds

    def _add(self, found: list[RunRecord], record: RunRecord | None) -> None:
        if record is None or record.name not in self.functions or record.run_id in self._working:
            return
        if self._later.get(record.run_id, 0.0) <= time.monotonic():
            self._later.pop(record.run_id, None)
            found.append(record)

    def _is_due(self) -> bool:
        return bool(self._found(1)[0])

    def _work(self, record: RunRecord) -> None:
        """Work on a run. What its function raises is recorded, and is nobody's business here."""
        if record.is_finished:
            self.merge(record)
            return
        run = Run(self.loop_of(record))
        begun = False
        with suppress(Exception), run:
            begun = True
            try:
                result = self.functions[record.name](run)
            except SystemExit as error:  # it would end nothing but this thread
                raise RuntimeError(f"the function ended its program: sys.exit({error.code!r})") from error
            if result is not None:
                run.result = result
        if not begun:
            self.not_begun(record.run_id)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT do nothing but call `stop` for the block, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_number(what: str, number: object, most: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= most:
        raise InvalidValue(f"the {what} of a worker is a whole number from 1 to {most}, not {number!r}")


def named(functions: object, *, coroutines: bool = False) -> dict[str, RunFunction]:
    """Return functions by the names under which runs are started. Raises InvalidValue if they can be none.

    Args:
        coroutines: whether they are coroutine functions, as on a loop.
    """
    if isinstance(functions, Mapping):
        given = cast("Mapping[object, object]", functions)
    elif isinstance(functions, Iterable) and not isinstance(functions, str):
        given = {}
        for function in cast("Iterable[object]", functions):
            called = name_of_function(function)
            if called in given:
                raise InvalidValue(f"two functions are named {called!r}; give a worker a dict of them by name")
            given[called] = function
    else:
        raise InvalidValue(f"a worker is given a list of functions, or a dict of them by name, not {functions!r}")
    if coroutines:
        given = {name: getattr(function, "on_loop", function) for name, function in given.items()}
    for name, function in given.items():
        if not isinstance(name, str) or not callable(function):
            raise InvalidValue(f"a worker is given functions by their names, not {function!r} as {name!r}")
        if is_coroutine_function(function) is not coroutines:
            raise InvalidValue(
                f"{name!r} is no coroutine function, which a worker of holdfast.aio calls"
                if coroutines
                else f"{name!r} is a coroutine function, which a worker of holdfast.aio calls"
            )
    return cast("dict[str, RunFunction]", dict(given))


def name_of_function(function: object) -> str:
    """Return the name under which runs of a function are started. Raises InvalidValue if it has none."""
    name = function if isinstance(function, str) else getattr(function, "__name__", None)
    if not isinstance(name, str) or not name or "<" in name or not is_text(name):
        raise InvalidValue(
            f"{function!r} has no name that a run could be started by; give a worker a dict of functions"
        )
    return name


def start(place: Workplace, wish: Wish) -> RunRecord:
    """Let a run be worked on by the next free worker; return what is known of it. Idempotent for one input.

    Raises:
        InputMismatch: there is a run of this id with another input.
    """
    known = place.record(wish.run_id)
    if known is None:
        try:
            return create(place, wish, records.QUEUED, due_us=place.now_us())
        except AlreadyExists:  # another was quicker
            known = place.known(wish.run_id)
    check_input(place, wish, known)
    return known
