"""Doing a step: once, if it is not recorded; then what came of it is recorded with all that it changed."""

# pyright: basic
# (values are whatever a user's functions take and return)

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from holdfast.core.flows import Call, Flow, Pause, Work
from holdfast.core.texts import is_text
from holdfast.errors import HoldfastError, InvalidValue, NotStorable, StepFailed, Timeout
from holdfast.runs.active import Active, Also, strand
from holdfast.runs.control import DOING, Context, Doing, Happened
from holdfast.runs.gates import Doubt, Gate, Settlement, Site, Verdict, Wanted
from holdfast.runs.inputs import Given, bound_to, given_to, replaced_in, with_context
from holdfast.runs.journal import Question
from holdfast.runs.options import ONCE, StepOptions
from holdfast.runs.payloads import packed
from holdfast.runs.suspending import Came
from holdfast.runs.tables import STEP_DONE, STEP_FAILED, STEP_INTENT, Entry, cells_of, holding
from holdfast.runs.tools import Tool, tool_in

_NAME_LENGTH_MAX = 200
_OURS = ("holdfast.", "asyncio", "concurrent.futures", "threading")


@dataclass(frozen=True, slots=True)
class Asking:
    """A step as it is asked for. Which one of its name it is was decided when it was, so that tasks keep their order.

    Attributes:
        run: what the step's function is given as `Context.run`.
        ticket: how often a step of this name was asked for, this time included; 0 if it has a key of the caller's.
        tool: the tool whose function it is.
        site: where an agent asks for it.
    """

    active: Active
    run: object
    name: str
    ticket: int
    options: StepOptions
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    lenient: bool = False
    tool: Tool | None = None
    site: Site | None = None

    @property
    def cached(self) -> Tool | None:
        """The tool, if its answers are kept; not of one that something else calls."""
        tool = self.tool
        return tool if tool is not None and tool.cache is not None and tool.function is self.function else None

    @property
    def gate(self) -> Gate | None:
        """What the step waits for before it is done."""
        return None if self.tool is None else self.tool.gate


def asking(  # noqa: PLR0913 - what a step has
    active: Active,
    run: object,
    name: str,
    given: Mapping[str, Any],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    lenient: bool = False,
    site: Site | None = None,
) -> Asking:
    """Return a step that is asked for now, with options as they are given, and else those of a tool.

    Raises:
        InvalidValue: it is asked for inside another, or cannot be called so.
    """
    given_name: object = name
    if not is_text(given_name, _NAME_LENGTH_MAX) or not name or "#" in name:
        raise InvalidValue(f"the name of a step is text of 1 to {_NAME_LENGTH_MAX} characters without #, not {name!r}")
    if not callable(function):
        raise InvalidValue(
            f"step {name!r} is given {function!r} to call, which is no function: step(name, function, …)"
        )
    advice = ", which is done as a whole; ask for it in the run's own function, or give it a child run"
    active.check_between_steps(f"step {name!r}", advice)
    options, tool = StepOptions(), tool_in(function)
    if tool is not None:
        options, function = tool.options, tool.function if function is tool else function
    options = options.but(given)
    ticket = 0 if options.key is not None else active.journal.ticket("step", name)
    return Asking(active, run, name, ticket, options, function, args, kwargs, lenient, tool, site)


def step(asked: Asking) -> Flow[Any]:
    """Return what is recorded of a step, or do it and record it. Raises what the function raises."""
    found: Happened | Attempts = yield Work(partial(_found, asked, strand()), reads=True)
    if isinstance(found, Happened):
        return found.result
    is_begun = found.active.journal.intent(found.question) is not None
    if asked.gate is not None:  # also of one that was begun: it may have been with other arguments
        answer = yield from found.allowed(asked.gate, is_begun=is_begun)
        if answer is not None:
            return answer.result
    if is_begun:
        known = yield from found.of_before()
        if known is not None:
            return known.result
    return (yield from found.done())


def _found(asked: Asking, who: object) -> Happened | Attempts:
    """Return what is recorded of a step, or the attempts at it. Raises NotStorable if its result could not be kept."""
    active, key = asked.active, asked.options.key
    given = given_to(asked.function, asked.args, asked.kwargs)
    question = Question(
        "step",
        asked.name,
        f"#{asked.ticket}" if key is None else key,
        key is not None,
        given.digest,
        aside=who != active.home,
        final=asked.site is not None or asked.gate is not None,
    )
    question, entry = active.ask(question, who, lenient=asked.lenient)
    if entry is None:
        return Attempts(asked, question, given, [who])
    if entry.kind == STEP_FAILED:
        raise _noted(asked.site, _recorded_failure(active, entry))
    if entry.error is not None:
        raise NotStorable(entry.error)
    return Happened(entry.value(active.place.codec))


def _noted(site: Site | None, error: Exception) -> Exception:
    """Let an agent know that this is what a tool raised."""
    if site is not None:
        site.raised.append(error)
    return error


def _recorded_failure(active: Active, entry: Entry) -> Exception:
    """Return what a step raised, as far as it could be stored."""
    with suppress(HoldfastError):
        error = entry.value(active.place.codec)
        if isinstance(error, Exception):
            return error
    return StepFailed(f"step {entry.label!r} failed when it was done: {entry.error}", entry.error or "")


@dataclass(slots=True)
class Attempts:
    """The attempts at a step that is not recorded.

    Attributes:
        strands: whose log belongs to it.
        decided: what is recorded of a decision on it, with whatever is recorded of it next.
    """

    asked: Asking
    question: Question
    given: Given
    strands: list[object]
    decided: list[Entry] = field(default_factory=list[Entry])

    @property
    def active(self) -> Active:
        """The run."""
        return self.asked.active

    @property
    def label(self) -> str:
        """How people name the step."""
        return self.question.label

    def of_before(self) -> Flow[Happened | None]:
        """Find out whether the step happened, where a crash hid that; None if it did not.

        Suspends the run if nobody knows.
        """
        if self.asked.options.verify is not None:
            found: Settlement | None = yield Work(self._doubt.settlement, reads=True)
            return (yield from self._told((yield from self._verified()) if found is None else found.happened))
        return (yield from self._settled())

    def _settled(self) -> Flow[Happened | None]:
        """Return what somebody has told of the step; wait until somebody has."""
        settlement: Settlement = yield Work(self._doubt.settled)
        return (yield from self._told(settlement.happened))

    @property
    def _doubt(self) -> Doubt:
        args = packed(self.given.encoded)
        gate, site = self.asked.gate, self.asked.site
        approvers = () if gate is None else tuple(gate.approval.by)
        return Doubt(self.active, self.question, self._attempt, args, self.given.digest, approvers, site)

    def _told(self, happened: Happened | None) -> Flow[Happened | None]:
        """Record what became of the step."""
        if happened is None:
            yield Work(partial(self._failed, "it did not happen", None, 0.0, self._doubt.close))
        else:
            yield Work(partial(self._record, happened.result, 0.0, self._doubt.close))
        return happened

    def allowed(self, gate: Gate, *, is_begun: bool) -> Flow[Happened | None]:
        """Wait until the step may be done, or somebody has answered it; None if it is to be done.

        Raises:
            Rejected: it may not.
            Exception: what `when=` raises; the step is recorded as failed with it.
        """
        asked = self.asked
        arguments = bound_to(asked.function, asked.args, asked.kwargs)
        name = getattr(asked.tool, "name", asked.name)
        wanted = Wanted(self.active, self.question, name, gate, self.given, arguments, asked.site)
        while True:
            verdict: Verdict = yield Work(partial(wanted.decided, is_begun=is_begun))
            self.decided = [] if is_begun else list(verdict.entries)
            try:
                return (yield from self._obeyed(verdict))
            except Came:  # somebody decided in the moment in which it expired
                continue

    def _obeyed(self, verdict: Verdict) -> Flow[Happened | None]:
        """Record what was decided, or take the arguments that were."""
        asked = self.asked
        if verdict.answer is not None:
            yield Work(partial(self._record, verdict.answer.result, 0.0, verdict.also))
            return verdict.answer
        if verdict.refused is not None:
            failure = partial(self._failed, *told(verdict.refused), 0.0, verdict.also, raised=verdict.refused)
            yield Work(failure)
            raise _noted(asked.site, verdict.refused)
        if verdict.edited is not None:
            function, args, kwargs = replaced_in(asked.function, asked.args, asked.kwargs, verdict.edited)
            self.asked = replace(asked, function=function, args=args, kwargs=kwargs)
            digest = self.given.digest  # the question stays what it was
            self.given = replace(given_to(function, args, kwargs), digest=digest)
        return None

    def _verified(self) -> Flow[Happened | None]:
        verify = self.asked.options.verify
        assert verify is not None
        answer = yield Call(verify, self.asked.args, self.asked.kwargs)
        if answer is not None and not isinstance(answer, Happened):
            raise InvalidValue(
                f"verify of step {self.label!r} returned {answer!r}; it returns Happened(result) if the call happened,"
                " and None if it did not"
            )
        return answer

    def done(self) -> Flow[Any]:
        """Do the step, again if it fails and may be; return what the function returned."""
        options = self.asked.options
        for tried in range(options.retries + 1):
            self.active.check_new(f"step {self.label!r}")
            if options.effect == ONCE:
                yield Work(self._intend)
            began = time.monotonic()
            try:
                value = yield from self._called()
            except Exception as error:
                if options.effect == ONCE and isinstance(error, Timeout):  # it may happen yet
                    known = yield from self.of_before()
                    if known is not None:
                        return known.result
                    continue
                last = tried == options.retries
                failure = partial(self._failed, *told(error), time.monotonic() - began, raised=error if last else None)
                yield Work(failure)
                if last:
                    _noted(self.asked.site, error)
                    raise
            else:
                yield Work(partial(self._record, value, time.monotonic() - began))
                return value
            yield Pause(options.pause_seconds(tried + 1))
        raise StepFailed(f"step {self.label!r} did not happen in time, and may not be tried again")

    def _called(self) -> Flow[Any]:
        """Call the function. Raises what it raises."""
        asked, seconds = self.asked, self.asked.options.timeout_seconds
        call = with_context(asked.function, asked.args, asked.kwargs, self._context)
        doing = Doing(self.active, self.label, self.strands[0])
        token = DOING.set(doing)
        self.active.doing.add(doing)
        try:
            if asked.cached is None:
                value = yield Call(*call, seconds)
            else:
                cache = self.active.place.cache.options(ttl=asked.cached.cache, name=asked.cached.cached_as)
                value = yield from cache.flow(*call, seconds)
            self.strands.append(doing)
            return value
        finally:
            DOING.reset(token)
            doing.ended = True
            self.active.doing.discard(doing)
            if doing not in self.strands:  # it failed, and what it noted and wrote goes with it
                self.active.drop(doing)

    def _context(self) -> Context:
        return Context(self.asked.run, f"{self.active.record.run_id}#{self.label}", self._attempt)

    @property
    def _attempt(self) -> int:
        return self.active.journal.failures(self.question) + 1

    def _entry(self, kind: str, seconds: float | None = None, **fields: object) -> Entry:
        arguments = self.given.arguments
        return self.active.place.entry(
            self.active.record.run_id,
            kind,
            name=self.question.name,
            key=self.question.key,
            attempt=self._attempt,
            effect=self.asked.options.effect,
            digest=self.given.digest,
            code=self.given.code,
            seconds=seconds,
            args_form=arguments.form,
            args=arguments.value,
            args_rest=arguments.data,
            **fields,
        )

    def _intend(self) -> None:
        self.active.record_only(f"{self.label}: about to begin", [*self._decisions(), self._entry(STEP_INTENT)])

    def _decisions(self) -> list[Entry]:
        """Return what is to be recorded of a decision now, once."""
        decided, self.decided = self.decided, []
        return decided

    def _failed(
        self,
        error: str,
        trace: str | None,
        seconds: float,
        also: Also | None = None,
        *,
        raised: Exception | None = None,
    ) -> None:
        """Record that an attempt failed; of the last one with what it raised, which answers if that is caught."""
        fields = {} if raised is None else self._stored(raised)
        entry = self._entry(STEP_FAILED, seconds, error=error, traceback=trace, **fields)
        self.active.record_only(f"{self.label}: attempt {entry.attempt} failed", [*self._decisions(), entry], also)

    def _record(self, value: Any, seconds: float, also: Also | None = None) -> None:  # noqa: ANN401
        """Record what the function returned. Raises NotStorable, once that is recorded, if it cannot be."""
        usage = self._usage(value)
        try:
            cells = cells_of(self.active.place.codec, value, f"what step {self.label!r} returned")
        except HoldfastError as error:
            refused = NotStorable(f"{printable(error)}; the step happened, and is recorded without its result")
            self._commit(self._entry(STEP_DONE, seconds, usage=usage, error=str(refused)), also)
            raise refused from error
        self._commit(self._entry(STEP_DONE, seconds, usage=usage, **holding(cells)), also)

    def _usage(self, value: Any) -> str | None:  # noqa: ANN401
        """Return what the step used; that it cannot be told costs nobody the result."""
        try:
            return self.asked.options.usage_of(value)
        except Exception as error:  # noqa: BLE001 - of a function of the user's
            warnings.warn(f"what step {self.label!r} used is not known: {error!r}", RuntimeWarning, stacklevel=2)
            return None

    def _stored(self, error: Exception) -> dict[str, Any]:
        codec = self.active.place.codec
        try:
            return holding(cells_of(codec, error.with_traceback(None), "an error"))
        except Exception:  # noqa: BLE001 - whatever storing somebody's error raises
            return holding(cells_of(codec, None, "an error"))

    def _commit(self, entry: Entry, also: Also | None) -> None:
        self.active.commit(f"step {self.label}", [*self._decisions(), entry], self.strands, also)


def told(error: BaseException) -> tuple[str, str]:
    """Return what an error says, and its traceback, which begins with the user's own code; both can be stored."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        trace = trace.tb_next
    try:
        lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    except Exception:  # noqa: BLE001 - an error that cannot be shown
        lines = []
    return f"{type(error).__name__}: {printable(error)}", _storable("".join(lines))


def printable(error: BaseException) -> str:
    """Return what an error says, in a form that can be stored."""
    try:
        return _storable(str(error))
    except Exception:  # noqa: BLE001 - whatever its own `__str__` raises
        return "it does not say what happened"


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
