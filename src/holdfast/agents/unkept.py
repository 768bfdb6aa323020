"""Where runs of agents are that are given no store: in memory, in this process, as long as the agent is."""

# pyright: basic
# (inputs are whatever a user has)

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self

from holdfast.core.clock import RandomIds
from holdfast.core.flows import Flow, awaited
from holdfast.core.refs import MAIN
from holdfast.engine.contract import CALLER
from holdfast.engine.urls import open_engine
from holdfast.errors import Unsupported
from holdfast.runs.loop import Loop
from holdfast.runs.retention import remove_runs
from holdfast.runs.run import Run
from holdfast.runs.wish import GIVEN_NOTHING, Wish
from holdfast.runs.workplace import Workplace


class Unkept:
    """Runs in memory, to be entered as those of a `Store`."""

    def __init__(self) -> None:
        self._place = Workplace(open_engine(":memory:"), RandomIds(), MAIN, _no_store)

    def run(self, run_id: str, input: Any = GIVEN_NOTHING, *, merge: str = "") -> Run:  # noqa: A002, ANN401
        """Return a run."""
        return Run(self._loop(run_id, input, merge))

    def _loop(self, run_id: str, given: Any, merge: str) -> Loop:  # noqa: ANN401
        return Loop(self._place, Wish(run_id, given, merge=merge))

    def forget(self) -> None:
        """Forget the runs that have ended."""
        remove_runs(self._place, 0)


class UnkeptOnLoop(Unkept):
    """The same, to be entered on an event loop."""

    def run(self, run_id: str, input: Any = GIVEN_NOTHING, *, merge: str = "") -> Any:  # noqa: A002, ANN401
        """Return a run."""
        return _AwaitedRun(self._loop(run_id, input, merge))


class _AwaitedRun:
    """A run in memory on an event loop; what it asks of the store is done in threads."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        loop.shown = self

    async def follow(self, flow: Flow[Any]) -> Any:  # noqa: ANN401
        """Do a flow of work on the run."""
        return await awaited(flow, _aside)

    async def __aenter__(self) -> Self:
        """Claim the run."""
        await self.follow(self.loop.enter())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Record how it ended."""
        found: bool = await self.follow(self.loop.leave(error))
        return found


async def _aside(call: Callable[[], Any], *, reads: bool) -> Any:  # noqa: ANN401, ARG001 - as of a store's threads
    """Do a call in a thread, to its end; a cancellation meanwhile is raised after that."""
    context, cancelled = copy_context(), None
    context.run(CALLER.set, asyncio.current_task())
    done = asyncio.get_running_loop().run_in_executor(None, context.run, call)
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return done.result()


def _no_store(loop: Loop) -> Any:  # noqa: ANN401
    raise Unsupported(f"run {loop.run_id!r} has no store, so its tools have no db; give the agent one: store=db")
