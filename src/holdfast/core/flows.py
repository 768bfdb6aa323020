"""Work that calls a user's code, written once: done in the caller's thread, or awaited on the caller's event loop.

A flow is a generator that yields what it needs and is sent what came of it: work of ours that may block, a call of the
user's function, a wait. `run` does each at once; `awaited` does what blocks away from the loop, and awaits the rest. So
a user's coroutine runs on the user's own loop, and a plain function does not stop it.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FuturesTimeout
from concurrent.futures import wait as wait_for
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from holdfast.core.functions import name_of
from holdfast.errors import InvalidValue, Timeout

R = TypeVar("R")

_CANCELLED_SECONDS = 5.0
"""How long a coroutine that was cancelled is waited for."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a call raised; in a future of its own it would be taken for the wait's own failure."""

    error: BaseException


class Aside(Protocol):
    """Does a call that may block away from the loop. If the wait for it is cancelled, it has ended even so."""

    def __call__(self, call: Callable[[], Any], *, reads: bool) -> Awaitable[Any]:
        """Do it; `reads` tells that it waits for no other writer."""
        ...


class Need(Protocol):
    """What a flow asks for."""

    def now(self) -> Any:  # noqa: ANN401 - what the flow is sent
        """Do it in this thread."""
        ...

    async def later(self, aside: Aside) -> Any:  # noqa: ANN401 - as above
        """Do it without stopping the loop."""
        ...


Flow = Generator[Need, Any, R]


@dataclass(frozen=True, slots=True)
class Work:
    """Work of ours on the store, which may block. What only reads waits for no writer."""

    do: Callable[[], Any]
    reads: bool = False

    def now(self) -> Any:  # noqa: ANN401
        """Do it."""
        return self.do()

    async def later(self, aside: Aside) -> Any:  # noqa: ANN401
        """Let it be done aside."""
        return await aside(self.do, reads=self.reads)


@dataclass(frozen=True, slots=True)
class Think:
    """Work of ours that takes a processor for some time, and no store."""

    do: Callable[[], Any]

    def now(self) -> Any:  # noqa: ANN401
        """Do it."""
        return self.do()

    async def later(self, aside: Aside) -> Any:  # noqa: ANN401, ARG002 - it needs no store
        """Do it in a thread."""
        return await asyncio.to_thread(_guarded, self.do)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the user's function.

    Attributes:
        seconds: how long it may take; None for as long as it takes. A coroutine is cancelled then; a plain function
            cannot be, and goes on in a thread while nobody waits for it any more.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seconds: float | None = None

    def now(self) -> Any:  # noqa: ANN401
        """Call it.

        Raises:
            InvalidValue: it is a coroutine function; it is not called if that can be seen before.
            Timeout: it took too long.
        """
        if is_coroutine_function(self.function):
            raise InvalidValue(f"{self._name} is a coroutine function; use holdfast.aio, or a plain one")
        if self.seconds is None:
            found = self.function(*self.args, **self.kwargs)
        else:
            try:
                found = self._beside(copy_context()).result(self.seconds)
            except FuturesTimeout as error:
                raise self._late() from error
            if isinstance(found, _Raised):
                raise found.error
        if inspect.iscoroutine(found):
            found.close()
            raise InvalidValue(f"{self._name} returned a coroutine, which nobody awaits here; use holdfast.aio")
        return found

    async def later(self, aside: Aside) -> Any:  # noqa: ANN401, ARG002 - a user's function has a thread of its own
        """Await a coroutine function here; call any other in a thread."""
        if self.seconds is None:
            return await self._awaited()
        if not is_coroutine_function(self.function):
            return await self._waited(self._beside(copy_context()), self.seconds)
        task = asyncio.ensure_future(self._awaited())
        try:
            done, _ = await asyncio.wait([task], timeout=self.seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            await asyncio.wait([task], timeout=_CANCELLED_SECONDS)
            raise self._late()
        return task.result()

    async def _waited(self, found: Future[Any], seconds: float) -> Any:  # noqa: ANN401
        """Await what a thread of its own comes to, which cannot be stopped."""
        done, _ = await asyncio.wait([asyncio.wrap_future(found)], timeout=seconds)
        if not done:
            raise self._late()
        value = found.result()
        if isinstance(value, _Raised):
            raise value.error
        return await value if inspect.isawaitable(value) else value

    async def _awaited(self) -> Any:  # noqa: ANN401
        if is_coroutine_function(self.function):
            return await self.function(*self.args, **self.kwargs)
        found = await asyncio.to_thread(_guarded, self.function, *self.args, **self.kwargs)
        return await found if inspect.isawaitable(found) else found

    def _beside(self, context: Context) -> Future[Any]:
        """Call it in a thread of its own, which nothing waits for at the end of the program."""
        found: Future[Any] = Future()

        def call() -> None:
            try:
                found.set_result(context.run(self.function, *self.args, **self.kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                found.set_result(_Raised(error))

        threading.Thread(target=call, name=f"holdfast-{self._name}", daemon=True).start()
        return found

    def _late(self) -> Timeout:
        return Timeout(f"{self._name} took longer than {self.seconds:g} s")

    @property
    def _name(self) -> str:
        return name_of(self.function)


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait until something is done elsewhere; it is not cancelled with the wait."""

    until: Future[Any]

    def now(self) -> None:
        """Wait."""
        wait_for([self.until])

    async def later(self, aside: Aside) -> None:  # noqa: ARG002 - nothing blocks
        """Await it."""
        await asyncio.wait([asyncio.shield(asyncio.wrap_future(self.until))])


@dataclass(frozen=True, slots=True)
class Pause:
    """Some time."""

    seconds: float

    def now(self) -> None:
        """Sleep."""
        time.sleep(self.seconds)

    async def later(self, aside: Aside) -> None:  # noqa: ARG002 - nothing blocks
        """Let others work meanwhile."""
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a flow: what it returned, or what it raised."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """Several flows beside each other. What came of each is returned, in their order, once all have ended."""

    flows: Sequence[Flow[Any]]

    def now(self) -> list[Outcome]:
        """Do each in a thread of its own; a single one in this."""
        if len(self.flows) == 1:
            return [_outcome(self.flows[0])]
        found: list[Future[Outcome]] = [Future() for _ in self.flows]

        def work(flow: Flow[Any], context: Context, ended: Future[Outcome]) -> None:
            ended.set_result(context.run(_outcome, flow))

        for flow, ended in zip(self.flows, found, strict=True):
            threading.Thread(
                target=work, args=(flow, copy_context(), ended), name="holdfast-together", daemon=True
            ).start()
        return [ended.result() for ended in found]

    async def later(self, aside: Aside) -> list[Outcome]:
        """Do each in a task of its own."""

        async def outcome(flow: Flow[Any]) -> Outcome:
            try:
                return Outcome(await awaited(flow, aside))
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                return Outcome(error=error)  # a tool's own; the others go on
            except BaseException as error:  # noqa: BLE001 - it is handed to who asked
                return Outcome(error=error)

        return list(await asyncio.gather(*map(outcome, self.flows)))


def _outcome(flow: Flow[Any]) -> Outcome:
    try:
        return Outcome(run(flow))
    except BaseException as error:  # noqa: BLE001 - it is handed to who asked
        return Outcome(error=error)


def run(flow: Flow[R]) -> R:
    """Do a flow in this thread; return what it returns."""

    async def now(need: Need) -> Any:  # noqa: ANN401
        return need.now()

    try:
        _done(flow, now).send(None)
    except StopIteration as end:
        value: R = end.value
        return value
    raise AssertionError("what is done at once waits for nothing")


async def awaited(flow: Flow[R], aside: Aside) -> R:
    """Do a flow on the running loop; return what it returns."""
    return await _done(flow, lambda need: need.later(aside))


async def _done(flow: Flow[R], do: Callable[[Need], Coroutine[Any, Any, Any]]) -> R:
    """Do what a flow asks for; what is raised meanwhile, a cancellation too, is for the flow to decide on."""
    step: Callable[[Any], Need] = flow.send
    given: list[Any] = [None]  # emptied, so that no error that comes back is kept here, in a circle, by its traceback
    try:
        while True:
            try:
                need = step(given.pop())
            except StopIteration as end:
                value: R = end.value
                return value
            try:
                given.append(await do(need))
                step = flow.send
            except BaseException as error:  # noqa: BLE001 - as above
                given.append(error)
                step = flow.throw
    finally:
        flow.close()  # where an interrupt struck here, and not in the flow


def _guarded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Call a function. No StopIteration comes out of a thread or of a generator: it is what ends them."""
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError(f"{function!r} raised StopIteration") from error


def is_coroutine_function(function: object) -> bool:
    """Tell whether calling something gives a coroutine, as far as that can be seen."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
