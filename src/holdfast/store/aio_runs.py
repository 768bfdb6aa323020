"""The runs of an async `Store`: `holdfast.runs.run.Run`, to be awaited."""

# pyright: basic
# (values are whatever a user has)

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from holdfast.core.flows import Aside, Flow, awaited
from holdfast.store.aio_state import State

if TYPE_CHECKING:
    from holdfast.core.durations import Duration
    from holdfast.runs.control import Happened
    from holdfast.runs.loop import Loop
    from holdfast.runs.records import RunRecord
    from holdfast.runs.results import RunInfo, Step
    from holdfast.runs.watch import Watch
    from holdfast.runs.worker import Worker as PlainWorker
    from holdfast.runs.workplace import Workplace
    from holdfast.state.rows.log import Event


class RunDb:
    """The store on the branch of a run that is worked on, to be awaited: `Run.db`."""

    def __init__(self, loop: Loop, aside: Aside) -> None:
        self._loop = loop
        self._aside = aside

    async def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Let a function do something with the plain store on a thread for runs; return what it returns."""
        return await self._aside(lambda: question(self._loop.store()), reads=True)

    async def execute(self, sql: str, parameters: Any = None) -> Any:  # noqa: ANN401
        """Run one statement, and return its rows; what it writes waits for the run's next step."""
        return await self.ask(lambda store: store.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Any) -> Any:  # noqa: ANN401
        """Run a statement that writes once for each of `parameters`, or not at all."""
        return await self.ask(lambda store: store.executemany(sql, parameters))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Self]:
        """Take back what the block wrote if it raises."""
        from holdfast.runs.active import strand  # noqa: PLC0415 - with the runs

        with self._loop.active.rows.savepoint(strand()):
            yield self

    @property
    def state(self) -> State:
        """The variables that the run shares with the branch that it is merged into."""

        async def ask(question: Callable[[Any], Any]) -> Any:  # noqa: ANN401
            return await self.ask(lambda store: question(store.state))

        return State(ask)


class Options:
    """A run with options for the steps that are asked for by it."""

    def __init__(self, loop: Loop, aside: Aside, given: Mapping[str, Any]) -> None:
        from holdfast.runs.options import StepOptions  # noqa: PLC0415

        StepOptions().but(given)  # to see that all of them are some
        self._loop = loop
        self._aside = aside
        self._given = given

    def options(self, **options: Any) -> Options:  # noqa: ANN401 - those of `Run.options`
        """Return it with other options; what is not given stays as it is. Raises InvalidValue."""
        return Options(self._loop, self._aside, {**self._given, **options})

    def step(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401
        """Do a step as `Run.step`, with these options."""
        return awaited(self._loop.stepping(name, function, args, kwargs, self._given), self._aside)


class Run:
    """One loop of an agent, whose steps are recorded: `holdfast.Run`, to be awaited.

    Coroutine functions are awaited on the caller's loop, others run in threads. Which one of its name a step is is
    decided when it is asked for, not when it is awaited: `gather(run.step(…), run.step(…))` means the same each time.
    """

    def __init__(self, loop: Loop, aside: Aside) -> None:
        self._loop = loop
        self._aside = aside
        loop.shown = self

    @property
    def loop(self) -> Loop:
        """The run as threads and event loops have it in common."""
        return self._loop

    async def follow(self, flow: Flow[Any]) -> Any:  # noqa: ANN401
        """Do a flow of work on the run, for the rooms of Holdfast."""
        return await awaited(flow, self._aside)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._loop.run_id

    @property
    def branch(self) -> str:
        """The branch that the run lives on."""
        return self._loop.branch

    async def __aenter__(self) -> Self:
        """Claim the run, and make it if there is none of this id: as `Run.__enter__`."""
        await awaited(self._loop.enter(), self._aside)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Record that the run is complete, failed, or suspended, and give it back: as `Run.__exit__`."""
        return await awaited(self._loop.leave(error), self._aside)

    def options(self, **options: Any) -> Options:  # noqa: ANN401 - those of `Run.options`
        """Return the run with options for its steps: as `Run.options`. Raises InvalidValue."""
        return Options(self._loop, self._aside, options)

    def step(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401
        """Return what is recorded of a step; or call the function, record what it returns, and return that.

        As `Run.step`. A step that is cancelled is not recorded; what a plain function does in its thread goes on.
        """
        return self.options().step(name, function, *args, **kwargs)

    def wait(self, name: str, timeout: Duration | None = None) -> Coroutine[Any, Any, Any]:
        """Return what a signal brought; if it is not there yet, suspend the run: as `Run.wait`."""
        return awaited(self._loop.waiting(name, timeout), self._aside)

    def sleep(self, length: Duration) -> Coroutine[Any, Any, None]:
        """Suspend the run until some time has passed since this was first asked for: as `Run.sleep`."""
        return awaited(self._loop.sleeping(length), self._aside)

    @property
    def state(self) -> State:
        """The run's variables, to be awaited: `await run.state.get(key)`."""

        async def ask(question: Callable[[Any], Any]) -> Any:  # noqa: ANN401
            return await self._aside(lambda: question(self._loop.state()), reads=True)

        return State(ask)

    @property
    def db(self) -> RunDb:
        """The store on the run's branch, to be awaited: as `Run.db`."""
        return RunDb(self._loop, self._aside)

    def log(self, kind: str, data: Any = None) -> None:  # noqa: ANN401
        """Note an event, which is recorded with the next step of this task, or at the end of the run: as `Run.log`."""
        self._loop.log(kind, data)

    @property
    def input(self) -> Any:  # noqa: ANN401
        """What the run was made with; outside the block to be awaited."""
        return self._loop.input() if self._loop.is_entered else self._asked(self._loop.input)

    @property
    def result(self) -> Any:  # noqa: ANN401
        """The result: inside the block what was set; outside what is recorded, to be awaited."""
        from holdfast.runs import views  # noqa: PLC0415

        if self._loop.is_open:
            return self._loop.result
        return self._asked(lambda: views.result(self._loop.place, self._loop.record))

    @result.setter
    def result(self, result: Any) -> None:  # noqa: ANN401
        _ = self._loop.active
        self._loop.result = result

    async def _asked(self, question: Callable[[], Any]) -> Any:  # noqa: ANN401
        return await self._aside(question, reads=True)

    @property
    def status(self) -> Awaitable[str]:
        """Queued | running | suspended | complete | failed | cancelled: `await run.status`."""
        return self._asked(lambda: self._loop.record.status)

    @property
    def info(self) -> Awaitable[RunInfo]:
        """What is known of the run: `await run.info`."""
        from holdfast.runs.results import RunInfo  # noqa: PLC0415

        return self._asked(lambda: RunInfo.of(self._loop.record))

    @property
    def usage(self) -> Awaitable[dict[str, Any]]:
        """The sums of what its steps used: `await run.usage`."""
        from holdfast.runs import views  # noqa: PLC0415

        return self._asked(lambda: views.usage(self._loop.place, self._loop.record))

    async def steps(self) -> list[Step]:
        """Return the attempts at its steps, in the order in which they ended."""
        from holdfast.runs import views  # noqa: PLC0415

        return list(await self._asked(lambda: views.steps(self._loop.place, self.run_id)))

    def events(
        self, after: int = 0, *, limit: int | None = None, kind: str | None = None, follow: bool = False
    ) -> AsyncIterator[Event]:
        """Yield its events, whose numbers have no gaps: `async for event in run.events()`."""
        return events(lambda: self._loop.place, self.run_id, after, limit, kind, self._aside, follow=follow)

    async def settle(self, step: str, happened: Happened | None) -> None:
        """Tell whether a step that is in doubt happened: as `Run.settle`."""
        from holdfast.runs import views  # noqa: PLC0415

        await self._aside(lambda: views.settle(self._loop.place, self.run_id, step, happened), reads=False)

    async def cancel(self) -> None:
        """Cancel the run: as `Store.cancel`."""
        from holdfast.runs import views  # noqa: PLC0415

        await self._aside(lambda: views.cancel(self._loop.place, self.run_id), reads=False)

    def child(self, name: str, **wish: Any) -> Run:  # noqa: ANN401 - its input, and options as of `Store.run`
        """Return a run inside this one: as `Run.child`."""
        from holdfast.runs.wish import GIVEN_NOTHING  # noqa: PLC0415

        child = self._loop.child(name, wish.pop("input", GIVEN_NOTHING), wish)
        return Run(child, self._aside)

    def __repr__(self) -> str:
        return f"<aio.Run {self.run_id!r}{' (entered)' if self._loop.is_entered else ''}>"


async def events(
    place_of: Callable[[], Workplace],
    run_id: str,
    after: int,
    limit: int | None,
    kind: str | None,
    aside: Aside,
    *,
    follow: bool,
) -> AsyncIterator[Event]:
    """Yield the events of a run, read page by page away from the loop; those that come, too, if they are followed."""
    from holdfast.runs import views  # noqa: PLC0415
    from holdfast.runs.watch import Watch  # noqa: PLC0415

    place = place_of()
    views.check_range(after, limit)
    watch, left = Watch(place.engine), limit
    while left is None or left > 0:
        page, ended = await aside(partial(views.page_of, place, run_id, after), reads=True)
        for event in page:
            if kind is None or event.kind == kind:
                yield event
                left = None if left is None else left - 1
                if left == 0:
                    return
        after = page[-1].seq if page else after
        if len(page) < views.PAGE:
            if ended or not follow:
                return
            await watch.wait_async(views.FOLLOW_SECONDS)


class Worker:
    """Works on the runs of coroutine functions, several at the same time, on the caller's loop: `Store.worker`."""

    def __init__(self, worker: PlainWorker, aside: Aside) -> None:
        self._worker = worker
        self._aside = aside
        self._stopping = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, *, until_idle: bool = False) -> None:
        """Work until `stop` is called, or SIGTERM or SIGINT comes, where this is the main thread.

        Runs that are being worked on are worked on to their ends, or to where they wait. If this is cancelled, they are
        cancelled, too, and given back, so that another worker goes on with them.

        Args:
            until_idle: return when nothing is left to be done now; runs that sleep or wait are left.
        """
        from holdfast.runs.watch import Watch  # noqa: PLC0415 - with the runs
        from holdfast.runs.worker import stopped_by_signals  # noqa: PLC0415

        with stopped_by_signals(self.stop):
            try:
                await self._work_on(Watch(self._worker.engine), until_idle=until_idle)
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work_on(self, watch: Watch, *, until_idle: bool) -> None:
        while not self._stopping.is_set():
            found, wait_seconds = await self._aside(self._worker.found, reads=True)
            for record in found:
                self._begin(record)
            if until_idle and not self._tasks and await self._aside(lambda: self._worker.is_idle, reads=True):
                return
            pause = asyncio.ensure_future(watch.wait_async(wait_seconds, self._stopping))
            await asyncio.wait([pause, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        """Let `run` return once the runs that are being worked on are at their ends, or wait. Idempotent."""
        self._stopping.set()

    def _begin(self, record: RunRecord) -> None:
        done: Future[None] = Future()
        self._worker.begin(record, done)
        task = asyncio.create_task(self._work(record))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            done.set_result(None)

        task.add_done_callback(ended)

    async def _work(self, record: RunRecord) -> None:
        """Work on a run. What its function raises is recorded, and is nobody's business here."""
        if record.is_finished:
            await self._aside(lambda: self._worker.merge(record), reads=False)
            return
        run, begun = Run(self._worker.loop_of(record), self._aside), False
        with suppress(Exception):
            async with run:
                begun = True
                result = await self._worker.functions[record.name](run)
                if result is not None:
                    run.result = result
        if not begun:
            self._worker.not_begun(record.run_id)
