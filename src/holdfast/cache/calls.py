"""Calls of tools whose answers are kept: once for all who ask the same at the same time, in whatever processes."""

# pyright: basic
# (values are whatever a tool returns)

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from holdfast.cache import entries
from holdfast.cache.asked import Asked, asked_of
from holdfast.cache.entries import NEVER_US, Answer, Use
from holdfast.cache.flights import Flight, Outcome, Shared, Token
from holdfast.cache.options import Options
from holdfast.core.codec import Codec
from holdfast.core.flows import Call, Flow, Pause, Think, Wait, Work
from holdfast.engine.contract import Writer
from holdfast.engine.leases.leases import Lease, Watched, try_claim
from holdfast.errors import (
    HoldfastError,
    InvalidValue,
    RunBusy,
    StoreCorrupt,
    StoreError,
    Unreadable,
    Untrusted,
)

LEASE_SECONDS = 15.0
"""How long another process waits for one that calls a tool and has gone silent on another machine."""
_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.005, 0.25
_CALLING: ContextVar[frozenset[str]] = ContextVar("holdfast_calling", default=frozenset())
"""The questions that are being answered by those who call this."""


class Calls:
    """What calls tools, and keeps what they answer.

    Args:
        codec: makes what is stored of an answer.
    """

    def __init__(self, shared: Shared, codec: Codec, options: Options | None = None) -> None:
        self._shared = shared
        self._codec = codec
        self._options = options or Options()

    def flow(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        seconds: float | None = None,
    ) -> Flow[Any]:
        """Return `call` as a flow, in which the tool's own call may take so many seconds."""
        asked: Asked = yield Think(lambda: self._asked(function, args, kwargs))
        while True:
            outcome: Outcome = yield Work(lambda: self._found(asked), reads=True)
            if outcome is None:
                yield Work(self._check_no_transaction, reads=True)
                token = Token()
                flying = self._shared.join(asked.digest, token)
                if flying is None:
                    return (yield from self._fly(asked, Call(function, args, kwargs, seconds)))
                outcome = yield from self._waited(asked, flying)
            if isinstance(outcome, Exception):
                raise _another(outcome)
            if outcome is not None:
                given = yield Think(partial(self._given, outcome, asked))
                if given is not UNREADABLE:
                    return self._hit(asked, outcome, given)
                if self._shared.read_only:
                    return (yield Call(function, args, kwargs, seconds))
                yield Work(lambda: self._drop(asked))

    def _waited(self, asked: Asked, flying: Flight) -> Flow[Outcome]:
        """Wait for what comes of a call that another makes."""
        calling = _CALLING.get()
        if self._shared.would_wait_for_itself(asked.digest, calling):
            raise InvalidValue(f"{asked.tool}() asks what it is being called with: it would wait for itself")
        try:
            yield Wait(flying.landed)
        finally:
            self._shared.waits_no_more(calling)
        outcome: Outcome = flying.landed.result()
        return outcome

    def _hit(self, asked: Asked, answer: Answer, given: Any) -> Any:  # noqa: ANN401
        """Count an answer that was there, and return it. Raises what the tool raised."""
        self._shared.note(asked.tool, Use(1, 0, 0, answer.seconds, answer.cost))
        if isinstance(given, Raised):
            raise given.error
        return given

    def _check_no_transaction(self) -> None:
        """Raise TransactionOpen inside a transaction of this thread or task."""
        with self._shared.desk.session() as session:
            session.check_no_transaction()

    def _fly(self, asked: Asked, call: Call) -> Flow[Any]:
        """Call the tool, unless another process does or did, for all who wait for it here."""
        outcome: Outcome = None
        held: list[Lease] = []
        try:
            found = yield from self._claimed(asked, held)
            given = UNREADABLE if found is None else (yield Think(lambda: self._given(found, asked)))
            if found is not None and given is not UNREADABLE:
                outcome = found
                return self._hit(asked, found, given)
            try:
                value = yield from self._called(asked, call)
            except Exception as error:
                outcome = error  # of what is raised only what the tool raises is for others, too
                answer = yield from self._failed(asked, error, held)
                outcome = answer or error
                raise
            outcome, given = yield from self._made(asked, value, held)
        except GeneratorExit:  # it is stopped for good: the lease ends by itself
            while held:
                self._shared.desk.heart.drop(held.pop())
            raise
        finally:
            self._shared.land(asked.digest, outcome)
            if held:
                self._shared.desk.heart.drop(held[0])
                with suppress(HoldfastError):
                    yield Work(lambda: self._let_go(held))
        return given

    def _claimed(self, asked: Asked, held: list[Lease]) -> Flow[Answer | None]:
        """Own the question; or return the answer, if another process gave one meanwhile."""
        pause, watched = _PAUSE_SECONDS_MIN, Watched()
        while not self._shared.read_only:
            try:
                yield Work(lambda: self._claim(asked, held, watched))
                break
            except StoreError:  # it is full, or cannot be reached: the tool is called even so
                break
            except RunBusy:
                pass
            yield Pause(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)
            answer: Answer | None = yield Work(lambda: self._found(asked), reads=True)
            if answer is not None:
                return answer
        last: Answer | None = yield Work(lambda: self._found(asked), reads=True)
        return last

    def _claim(self, asked: Asked, held: list[Lease], watched: Watched) -> None:
        with self._shared.desk.session() as session:
            owner = self._shared.owner
            lease = try_claim(session, f"cache/{asked.digest}", owner, LEASE_SECONDS, watched, (owner,))
        held.append(lease)  # here, since who waits for this may be cancelled
        self._shared.desk.heart.keep(lease)

    def _called(self, asked: Asked, call: Call) -> Flow[tuple[Any, float]]:
        """Call the tool; return what it returned, and how long it took. Raises what it raises."""
        began = time.monotonic()
        calling = _CALLING.set(_CALLING.get() | {asked.digest})
        use = Use(misses=1)
        try:
            value = yield call
        except Exception:
            use.failures = 1
            raise
        finally:
            _CALLING.reset(calling)
            self._shared.note(asked.tool, use)
        return value, time.monotonic() - began

    def _made(self, asked: Asked, told: tuple[Any, float], held: list[Lease]) -> Flow[tuple[Answer, Any]]:
        """Keep what a tool returned; return that, and what it is when it is read back."""
        value, seconds = told
        cost = self._options.cost_of(value)
        answer: Answer = yield Think(lambda: self._answer(asked, value, seconds, cost))
        given = yield Think(lambda: self._codec.decode(answer.value, f"what {asked.tool}() returned"))
        yield from self._kept(asked, answer, held)
        return answer, given

    def _failed(self, asked: Asked, error: Exception, held: list[Lease]) -> Flow[Answer | None]:
        """Keep what a tool raised, if that is asked for and it can be raised again."""
        if self._options.errors_us is None:
            return None
        try:
            answer: Answer = yield Think(lambda: self._answer(asked, error, 0.0, 0.0, failed=True))
            again = yield Think(lambda: self._codec.decode(answer.value, "an error"))
        except HoldfastError:
            return None
        if not isinstance(again, type(error)):
            return None
        yield from self._kept(asked, answer, held)
        return answer

    def _kept(self, asked: Asked, answer: Answer, held: list[Lease]) -> Flow[None]:
        """Keep an answer. That it cannot be kept costs nobody the answer."""
        if self._shared.read_only:
            return
        try:
            yield Work(lambda: self._keep(asked, answer, held))
        except HoldfastError as error:
            warnings.warn(f"what {asked.tool}() answered is not kept: {error}", RuntimeWarning, stacklevel=2)

    def _answer(
        self,
        asked: Asked,
        value: Any,  # noqa: ANN401
        seconds: float,
        cost: float,
        *,
        failed: bool = False,
    ) -> Answer:
        """Return an answer, to be dated when it is kept. Raises NotStorable."""
        where = f"what {asked.tool}() {'raised' if failed else 'returned'}"
        encoded = self._codec.encode(value, where)
        return Answer(
            asked.tool,
            asked.version,
            asked.scope,
            asked.arguments.text,
            tuple(map(bytes, asked.arguments.buffers)),
            0,
            0,
            seconds,
            cost,
            failed,
            encoded.text,
            encoded.order,
            tuple(map(bytes, encoded.buffers)),
        )

    def _keep(self, asked: Asked, answer: Answer, held: list[Lease]) -> None:
        """Keep an answer, and let the question go, in one commit."""
        uses = self._shared.noted()
        length_us = self._options.errors_us if answer.failed else self._options.ttl_us
        with self._shared.desk.session() as session:
            now_us = session.clock.now_us()
            ends_us = NEVER_US if length_us is None else now_us + length_us
            dated = msgspec.structs.replace(answer, made_us=now_us, ends_us=ends_us)

            def work(writer: Writer) -> None:
                for lease in held:
                    lease.check(writer)
                entries.put(writer, asked.digest, dated, self._options.bytes_max)
                for lease in held:
                    lease.forget(writer)
                entries.count(writer, uses)

            session.write_together(work)
        while held:
            self._shared.desk.heart.drop(held.pop())

    def _let_go(self, held: list[Lease]) -> None:
        with self._shared.desk.session() as session:
            session.write_together(held.pop().forget)

    def _drop(self, asked: Asked) -> None:
        """Remove what cannot be read."""
        with self._shared.desk.session() as session:
            session.write_together(lambda writer: entries.remove(writer, asked.digest))

    def _asked(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Asked:
        options = self._options
        return asked_of(function, args, kwargs, options.name, options.version, options.scope)

    def _found(self, asked: Asked) -> Answer | None:
        """Return what is kept of a question, and holds; what is damaged is as if it were not there."""
        with self._shared.desk.session() as session, session.read() as reader, suppress(StoreCorrupt):
            return _same(entries.find(reader, asked.digest, *self._shared.times_us(session)), asked)
        return None

    def _given(self, answer: Answer, asked: Asked) -> Any:  # noqa: ANN401
        """Return what a tool answered, anew for each who asks; what it raised as `Raised`."""
        try:
            value = self._codec.decode(answer.value, f"what {asked.tool}() said")
        except (StoreCorrupt, Unreadable, Untrusted):
            return UNREADABLE
        return Raised(value) if answer.failed else value


UNREADABLE: Any = object()
"""Stands for an answer that cannot be made again here."""


@dataclass(frozen=True, slots=True)
class Raised:
    """What a tool raised."""

    error: Exception


def _another(error: Exception) -> Exception:
    """Return an error of its own for each who waits, where it can be copied: threads would share a traceback."""
    try:
        again = copy.copy(error)
    except Exception:  # noqa: BLE001 - whatever its own copying raises
        return error
    return again.with_traceback(None) if type(again) is type(error) else error


def _same(answer: Answer | None, asked: Asked) -> Answer | None:
    """Return an answer if it is one to this very question."""
    if answer is None:
        return None
    question = (
        asked.tool,
        asked.version,
        asked.scope,
        asked.arguments.text,
        tuple(map(bytes, asked.arguments.buffers)),
    )
    told = (answer.tool, answer.version, answer.scope, answer.arguments, answer.argument_buffers)
    return answer if told == question else None
