"""Calls of tools whose answers are kept: once for all who ask the same at the same time, in whatever processes."""

# pyright: basic
# (values are whatever a tool returns)

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from holdfast.cache import entries
from holdfast.cache.asked import Asked, asked_of
from holdfast.cache.entries import NEVER_US, Answer, Use
from holdfast.cache.flights import Outcome, Shared
from holdfast.cache.options import Options
from holdfast.core.codec import Codec
from holdfast.core.flows import Call, Flow, Pause, Wait, Work
from holdfast.engine.contract import Session, Writer
from holdfast.engine.leases.leases import Lease, claim
from holdfast.engine.leases.owners import myself
from holdfast.errors import HoldfastError, InvalidValue, RunBusy

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

    def flow(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Any]:
        """Return `call` as a flow."""
        asked: Asked = yield Work(lambda: self._asked(function, args, kwargs))
        while True:
            outcome: Outcome = yield Work(lambda: self._found(asked))
            if outcome is None:
                flying, is_mine = self._shared.join(asked.digest)
                if is_mine:
                    return (yield from self._fly(asked, Call(function, args, kwargs)))
                if asked.digest in _CALLING.get():
                    raise InvalidValue(f"{asked.tool}() asks what it is being called with: it would wait for itself")
                yield Wait(flying)
                outcome = flying.result()
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is not None:
                self._shared.note(asked.tool, Use(1, 0, 0, outcome.seconds, outcome.cost))
                return (yield Work(partial(self._given, outcome, asked)))

    def _fly(self, asked: Asked, call: Call) -> Flow[Any]:
        """Call the tool, unless another process does or did, for all who wait for it here."""
        outcome: Outcome = None
        held: list[Lease] = []
        try:
            found = yield from self._claimed(asked, held)
            if found is None:
                found = yield from self._made(asked, call, held)
            outcome = found
            return (yield Work(lambda: self._given(found, asked)))
        except Exception as error:
            outcome = outcome or error
            raise
        finally:
            self._shared.land(asked.digest, outcome)
            if held:
                yield Work(lambda: self._let_go(held))

    def _claimed(self, asked: Asked, held: list[Lease]) -> Flow[Answer | None]:
        """Own the question; or return the answer, if another process gave one meanwhile."""
        pause = _PAUSE_SECONDS_MIN
        while not self._shared.read_only:
            with suppress(RunBusy):
                yield Work(lambda: self._claim(asked, held))
                break
            yield Pause(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)
            answer: Answer | None = yield Work(lambda: self._found(asked))
            if answer is not None:
                return answer
        last: Answer | None = yield Work(lambda: self._found(asked))
        return last

    def _claim(self, asked: Asked, held: list[Lease]) -> None:
        with self._session() as session:
            lease = claim(session, f"cache/{asked.digest}", myself(), LEASE_SECONDS, pause=_no_pause)
        held.append(lease)  # here, since who waits for this may be cancelled
        self._shared.heart.keep(lease)

    def _made(self, asked: Asked, call: Call, held: list[Lease]) -> Flow[Answer]:
        """Call the tool, and keep what it answers."""
        began = time.monotonic()
        failed = False
        calling = _CALLING.set(_CALLING.get() | {asked.digest})
        try:
            value = yield call
        except Exception as error:
            self._shared.note(asked.tool, Use(misses=1, failures=1))
            if self._options.errors_us is None:
                raise
            value, failed = error, True
        else:
            self._shared.note(asked.tool, Use(misses=1))
        finally:
            _CALLING.reset(calling)
        seconds = time.monotonic() - began
        answer: Answer = yield Work(lambda: self._answer(asked, value, seconds, failed=failed))
        if held:
            yield Work(lambda: self._keep(asked, answer, held))
        return answer

    def _answer(self, asked: Asked, value: Any, seconds: float, *, failed: bool) -> Answer:  # noqa: ANN401
        options = self._options
        cost = 0.0 if failed else options.cost_of(value)
        where = f"what {asked.tool}() {'raised' if failed else 'returned'}"
        encoded = self._codec.encode(value, where)
        length_us = options.errors_us if failed else options.ttl_us
        with self._session() as session:
            now_us = session.clock.now_us()
        return Answer(
            asked.tool,
            asked.version,
            asked.scope,
            asked.arguments.text,
            tuple(map(bytes, asked.arguments.buffers)),
            now_us,
            NEVER_US if length_us is None else now_us + length_us,
            seconds,
            cost,
            failed,
            encoded.text,
            encoded.order,
            tuple(map(bytes, encoded.buffers)),
        )

    def _keep(self, asked: Asked, answer: Answer, held: list[Lease]) -> None:
        """Keep an answer, and let the question go, in one commit. That it cannot be kept costs nobody the answer."""
        uses = self._shared.noted()

        def work(writer: Writer) -> None:
            held[0].check(writer)
            entries.put(writer, asked.digest, answer, self._options.bytes_max)
            held[0].forget(writer)
            entries.count(writer, uses)

        try:
            with self._session() as session:
                session.write_together(work)
        except HoldfastError as error:
            warnings.warn(f"what {asked.tool}() answered is not kept: {error}", RuntimeWarning, stacklevel=2)
        else:
            self._shared.heart.drop(held.pop())

    def _let_go(self, held: list[Lease]) -> None:
        lease = held.pop()
        self._shared.heart.drop(lease)
        with suppress(HoldfastError), self._session() as session:
            session.write_together(lease.forget)

    def _asked(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked:
        options = self._options
        return asked_of(function, args, kwargs, options.name, options.version, options.scope)

    def _found(self, asked: Asked) -> Answer | None:
        with self._session() as session, session.read() as reader:
            return _same(entries.find(reader, asked.digest, session.clock.now_us()), asked)

    def _given(self, answer: Answer, asked: Asked) -> Any:  # noqa: ANN401
        """Return what a tool answered, anew for each who asks. Raises what it raised."""
        value = self._codec.decode(answer.value, f"what {asked.tool}() said")
        if answer.failed:
            raise value
        return value

    @contextmanager
    def _session(self) -> Generator[Session]:
        session = self._shared.session()
        try:
            yield session
        finally:
            self._shared.give_back(session)


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


def _no_pause(_: float) -> None:
    """Who waits for an owner elsewhere asks again."""
