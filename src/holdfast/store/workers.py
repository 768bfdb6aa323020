"""The worker threads of the async twin: how a call reaches one, and how a task waits for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Any, TypeVar

from holdfast.engine.contract import CALLER
from holdfast.errors import StoreClosed
from holdfast.store import store as plain

READERS_MAX = 4
"""Threads for calls that read."""

WRITERS_MAX = 16
"""Threads for calls that write: as many may share an fsync."""

RUNS_MAX = 6
"""Threads for runs, of which hundreds may go on at the same time: each needs one only while it reads or commits."""

TRANSACTIONS_MAX = 4
"""Threads for calls of open transactions, of which there may be more."""

R = TypeVar("R")


class Workers:
    """The worker threads of one connection and of all that came from it. They are started when they are needed."""

    def __init__(self) -> None:
        self.readers = ThreadPoolExecutor(READERS_MAX, "holdfast-read")
        self.writers = ThreadPoolExecutor(WRITERS_MAX, "holdfast-write")
        self.runs = ThreadPoolExecutor(RUNS_MAX, "holdfast-run")
        self.transactions = ThreadPoolExecutor(TRANSACTIONS_MAX, "holdfast-transaction")

    def close(self) -> None:
        """Let the threads end when they are done."""
        for pool in (self.readers, self.writers, self.runs, self.transactions):
            pool.shutdown(wait=False)


def submit(pool: ThreadPoolExecutor, call: Callable[[], R]) -> Future[R]:
    """Let a worker thread do a call for the task at hand."""
    context = copy_context()
    context.run(CALLER.set, asyncio.current_task())
    try:
        return pool.submit(context.run, call)
    except RuntimeError as error:
        raise StoreClosed("the store is closed; connect again") from error


async def end_of(future: Future[R]) -> R:
    """Wait for the end of a call, and return what it returned. A cancellation meanwhile is raised after it."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([asyncio.shield(asyncio.wrap_future(_quietly(future)))])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return future.result()


class Transaction:
    """An open transaction: a Store that nobody else uses, and the call that it does."""

    def __init__(self, store: plain.Store, pool: ThreadPoolExecutor) -> None:
        self.store = store
        self._pool = pool
        self._running: Future[Any] | None = None

    async def call(self, call: Callable[[], R]) -> R:
        """Do a call, after the one before, which may have been cancelled and is still going on."""
        await self.quiet()
        self._running = running = submit(self._pool, call)
        return await asyncio.wrap_future(running)

    async def quiet(self) -> None:
        """Wait until nothing is going on. A cancellation meanwhile is raised after that."""
        if self._running is not None and not self._running.done():
            await end_of(_quietly(self._running))

    async def end(self, block: AbstractContextManager[object], error: BaseException | None) -> None:
        """Leave a block of the transaction. A cancellation meanwhile is raised after that."""
        cancelled: asyncio.CancelledError | None = None
        try:
            await self.quiet()
        except asyncio.CancelledError as again:
            cancelled = again
        trace = None if error is None else error.__traceback__
        await end_of(submit(self._pool, lambda: block.__exit__(type(error) if error else None, error, trace)))
        if cancelled is not None:
            raise cancelled


def _quietly(running: Future[Any]) -> Future[None]:
    """Return a future that is done when the other is, whatever came of it."""
    done: Future[None] = Future()
    running.add_done_callback(lambda _: done.set_result(None))
    return done
