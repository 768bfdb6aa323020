"""Steps that wait for somebody before they are done, or are done by somebody else.

What is asked for is a *call* (calls.py). As long as nobody has decided on it, its run waits, or the agent whose turn it
is part of does with its other calls what can be done before all wait together (`NotYet`).
"""

# pyright: basic
# (arguments and answers are whatever a user has)

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from holdfast.core.durations import Duration, microseconds_of
from holdfast.core.texts import is_text
from holdfast.engine.contract import Writer
from holdfast.errors import (
    Expired,
    InputMismatch,
    InvalidValue,
    NotStorable,
    Rejected,
    StoreCorrupt,
    Untrusted,
)
from holdfast.runs import calls
from holdfast.runs.active import Active
from holdfast.runs.calls import CallRecord, call_of, put_call
from holdfast.runs.control import Cancelled, Happened
from holdfast.runs.inputs import Given
from holdfast.runs.journal import Question
from holdfast.runs.payloads import packed, payload_of, value_in
from holdfast.runs.records import ask_to_cancel
from holdfast.runs.signatures import is_forged
from holdfast.runs.suspending import Came, suspend
from holdfast.runs.tables import SUSPENDED, Entry, cells_of, holding

WAITS_FOR_CALLS = "call:"
"""What a run waits for that waits for decisions, as its record has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who may allow a call, or answer it, and until when: `@tool(approval=Approval(by=["finance"], expires="24h"))`.

    Attributes:
        by: who may decide; anybody if it is empty.
        expires: how long there is for it; None for as long as it takes.
        on_expiry: what comes of a call that nobody decided on in time: "reject": it is not made, and whoever asked for
            it is told so; "cancel": its run is cancelled.
        when: called with the arguments of a call by their names; False lets it be made without anybody. None asks for
            each.
        message: for those who decide.

    Raises:
        InvalidValue: a part of it is none.
    """

    by: Sequence[str] = ()
    expires: Duration | None = None
    on_expiry: str = calls.REJECT
    when: Callable[..., bool] | None = None
    message: str = ""

    def __post_init__(self) -> None:
        """Check it."""
        given: object = self.by
        by = [given] if isinstance(given, str) else given
        if not isinstance(by, (list, tuple, set, frozenset)) or not all(is_text(one) and one for one in by):
            raise InvalidValue(f"those who may decide are a list of names, not {given!r}")
        object.__setattr__(self, "by", tuple(by))
        if self.on_expiry not in calls.ON_EXPIRY:
            raise InvalidValue(f"on_expiry is one of {', '.join(calls.ON_EXPIRY)}, not {self.on_expiry!r}")
        if self.expires is not None and not microseconds_of(self.expires, "expires"):
            raise InvalidValue("a call that nobody has time to decide on would never be made; give expires= more")
        given_when: object = self.when
        if given_when is not None and not callable(given_when):
            raise InvalidValue(f"when is a function of a call's arguments, not {given_when!r}")


@dataclass(frozen=True, slots=True)
class Gate:
    """What a step waits for.

    Attributes:
        kind: what is asked: "approval", "question", "external" or "timer".
    """

    kind: str
    approval: Approval = field(default_factory=Approval)

    def is_asked(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether somebody is to be asked about a call with these arguments."""
        return self.approval.when is None or bool(self.approval.when(**arguments))

    def expires_us(self, arguments: Mapping[str, Any], now_us: int) -> int:
        """Return when it is too late, of what is asked for now; 0 for never."""
        length = next(iter(arguments.values()), 0) if self.kind == calls.TIMER else self.approval.expires
        return 0 if length is None else now_us + microseconds_of(length, "the time of a call")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a call is asked for, if it is by an agent.

    Attributes:
        path: the calls that led to it.
        call: its id in its turn.
        agent: who asks; see `CallRecord.agent`.
        told: the arguments as the model said them.
        schema, answer_schema: JSON Schemas of them and of an answer.
        read: returns what the function takes, of arguments as a model says them. Raises InvalidValue.
        read_answer: the same of an answer.
        raised: what the tool itself raised, and not Holdfast: added when the step is done.
    """

    path: tuple[str, ...] = ()
    call: str = ""
    agent: Mapping[str, str] = field(default_factory=dict[str, str])
    told: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] | None = None
    answer_schema: Mapping[str, Any] | None = None
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    read_answer: Callable[[Any], Any] = lambda answer: answer
    raised: list[BaseException] = field(default_factory=list[BaseException])


class NotYet(BaseException):
    """A call of an agent waits for somebody. It is no `Exception`: it passes what catches failures of tools.

    Attributes:
        calls: what waits.
        part: what whoever asks wants to know of it when it is gone on with.
    """

    def __init__(self, waiting: Iterable[CallRecord], part: Any = None) -> None:  # noqa: ANN401
        self.calls = list(waiting)
        self.part = part
        super().__init__(f"{len(self.calls)} calls wait")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided on a call.

    Attributes:
        edited: the arguments to make it with, by name; None for those that were asked for.
        answer: what it was answered with; then it is not made.
        refused: why it is not made: `Rejected`, or what asking for it raised.
        entries: what is recorded of the decision, with whatever comes of it.
        also: what is written along with that.
    """

    edited: Mapping[str, Any] | None = None
    answer: Happened | None = None
    refused: Exception | None = None
    entries: tuple[Entry, ...] = ()
    also: Callable[[Writer], None] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that somebody is to decide on, as a step asks for it.

    Attributes:
        given: what the step is given.
        arguments: the same, by the names of the parameters.
        site: of an agent's call; None of another's, for which its run waits at once.
    """

    active: Active
    question: Question
    name: str
    gate: Gate
    given: Given
    arguments: Mapping[str, Any]
    site: Site | None

    def decided(self, *, is_begun: bool = False) -> Verdict:
        """Return what was decided; wait until it is.

        Args:
            is_begun: whether the call was begun before: then it was decided, if anybody had to.

        Raises:
            NotYet, Suspend: nobody has decided.
            NotStorable: somebody has to, and nobody could see what on.
            Cancelled: nobody did in time, and the run ends with that.
        """
        call_id = calls.id_of(self.active.record.run_id, self.question.label, self.gate.kind)
        while True:
            with self.active.place.session.read() as reader:
                known = call_of(reader, call_id)
            if known is None and is_begun:
                return Verdict()
            if known is None:
                asked = self._asked(call_id)
                if not isinstance(asked, CallRecord):
                    return asked
                wait_for(self.active, asked, leave=self.site is not None)
                continue
            try:
                verdict = self._verdict(known)
            except Came:  # somebody decided in the moment in which it expired
                continue
            if verdict is not None:
                return verdict
            wait_for(self.active, known, leave=self.site is not None)

    def _asked(self, call_id: str) -> CallRecord | Verdict:
        """Return the call as it is asked for now, or why it is not: nobody is to be asked, or asking failed."""
        try:
            if self.gate.kind == calls.APPROVAL and not self.gate.is_asked(self.arguments):
                return Verdict()
            expires_us = self.gate.expires_us(self.arguments, self.active.place.now_us())
        except Exception as error:  # noqa: BLE001 - of a function of the user's, or of a model's arguments
            return Verdict(refused=error)
        if not self.given.is_whole:
            raise NotStorable(
                f"somebody has to decide on {self.name}, and not all of its arguments can be stored: nobody could see"
                " what on; give it values that can be"
            )
        return self._call(call_id, expires_us)

    def _call(self, call_id: str, expires_us: int) -> CallRecord:
        active, site, gate = self.active, self.site or Site(), self.gate
        now_us = active.place.now_us()
        args = packed(self.given.encoded) if site.told is None else payload_of(
            active.place.codec, dict(site.told), f"the arguments of {self.name}"
        )  # fmt: skip
        return CallRecord(
            id=call_id, run_id=active.record.run_id, label=self.question.label, name=self.name, kind=gate.kind,
            state=calls.PENDING, requested_us=now_us, path=site.path, call=site.call, agent=dict(site.agent),
            args=args, seen=self.given.digest, message=gate.approval.message,
            schema=None if site.schema is None else dict(site.schema),
            answer_schema=None if site.answer_schema is None else dict(site.answer_schema),
            approvers=tuple(gate.approval.by), expires_us=expires_us,
            on_expiry=gate.approval.on_expiry,
        )  # fmt: skip

    def _verdict(self, call: CallRecord) -> Verdict | None:
        """Return what was decided on a call that was asked for; None if nothing was."""
        if (call.run_id, call.label, call.kind) != (self.active.record.run_id, self.question.label, self.gate.kind):
            raise StoreCorrupt(f"call {call.id} of {self.name} has the id of {call.label} of run {call.run_id!r}")
        if call.seen != self.given.digest:
            raise InputMismatch(
                f"call {call.id} of {self.name} was asked for with other arguments than now; what is decided holds for"
                " those. Fork the run before it, or give the step another key"
            )
        if call.state == calls.EXPIRED or call.is_over(self.active.place.now_us()):
            return self._expired(call)
        decision = call.decision
        if call.is_open:
            return None
        if decision is None or is_forged(call, decision):
            who = "nobody" if decision is None else decision.by
            raise Untrusted(
                f"the decision of {who} on call {call.id} of {self.name} is not what was signed; somebody has"
                " changed it in the store. Fork the run before this step, and have it decided again"
            )
        codec, said = self.active.place.codec, f"what was decided on call {call.id}"
        entries = (self._noted(call, {"by": decision.by, "via": decision.via, "message": decision.message}),)
        if call.state == calls.REJECTED:
            return Verdict(refused=Rejected(decision.message or f"{decision.by} did not allow it"), entries=entries)
        value = value_in(codec, decision.payload, said)
        site = self.site or Site()
        try:
            if call.state == calls.ANSWERED:
                return Verdict(answer=Happened(site.read_answer(value)), entries=entries)
            return Verdict(edited=None if value is None else site.read(value), entries=entries)
        except InvalidValue as error:  # what a schema does not tell, such as that a text is a date
            return Verdict(refused=InvalidValue(f"what {decision.by} decided does not fit: {error}"), entries=entries)

    def _expired(self, call: CallRecord) -> Verdict:
        """Return what comes of a call on which nobody decided in time."""
        run_id = self.active.record.run_id

        def also(writer: Writer) -> None:
            now = call_of(writer, call.id)
            if now is not None and not now.is_open and now.state != calls.EXPIRED:
                raise Came
            put_call(writer, replace(call, state=calls.EXPIRED, settled_us=call.expires_us))

        if self.gate.kind == calls.TIMER:
            return Verdict(answer=Happened(), also=also)
        if call.on_expiry == calls.CANCEL:

            def cancelled(writer: Writer) -> None:
                assert self.active.lease is not None
                self.active.lease.check(writer)
                also(writer)
                ask_to_cancel(writer, run_id)

            self.active.place.session.write_together(cancelled)
            self.active.cancelling = True
            raise Cancelled(run_id)
        entry = self._noted(call, {"expired": True})
        return Verdict(refused=Expired("nobody decided on it in time"), entries=(entry,), also=also)

    def _noted(self, call: CallRecord, told: Mapping[str, Any]) -> Entry:
        """Return the event that tells of a decision."""
        place = self.active.place
        state = calls.EXPIRED if "expired" in told else call.state
        cells = cells_of(place.codec, {"call": call.id, **told}, "a decision")
        asked = {"name": self.question.name, "key": self.question.key, "digest": ""}
        return place.entry(call.run_id, f"call.{state}", **asked, **holding(cells))


def wait_for(active: Active, call: CallRecord, *, leave: bool) -> None:
    """Wait for one call: its run is suspended at once, or the agent that asks for it is told so.

    Raises:
        NotYet: `leave`; all calls of a turn are waited for together.
        Suspend: nobody has decided.
    """
    if leave:
        raise NotYet([call])
    _suspend(active, [call])


def wait_for_all(active: Active, waiting: Sequence[CallRecord], noted: Callable[[int], bytes]) -> None:
    """Suspend the run until somebody decides on one of these, or one expires. Raises Suspend in any case.

    If somebody has meanwhile, the run waits to be worked on.

    Args:
        noted: returns what is kept beside the run while it waits, given how often that was done, this time included.
    """
    _suspend(active, waiting, noted)


def _suspend(active: Active, waiting: Sequence[CallRecord], noted: Callable[[int], bytes] | None = None) -> None:
    """Record that these calls wait, and the run for them."""
    place = active.place
    why = told_of(waiting)
    entry = place.entry(active.record.run_id, SUSPENDED, effect="call", digest="", error=why)
    ends = [call.expires_us for call in waiting if call.expires_us]

    asked_us = place.now_us()  # in their order, though they may have been asked for in threads

    def came(writer: Writer) -> bool:
        found = False
        for at, call in enumerate(waiting):
            known = call_of(writer, call.id)
            if known is None:
                # one that comes from another store may be decided
                known = replace(call, requested_us=asked_us + at) if call.is_open else call
                put_call(writer, known)
            found = found or not known.is_open or known.is_over(place.now_us())
        if noted is not None:
            calls.put_note(writer, active.record.run_id, noted)
        return found

    suspend(active, entry, why, WAITS_FOR_CALLS, min(ends, default=None), came, leave=noted is not None)


def told_of(waiting: Sequence[CallRecord]) -> str:
    """Return what a run waits for, for people."""
    first = waiting[0]
    more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    return f"{_TOLD[first.kind].format(step=repr(first.label))} (call {first.id}){more}"


_TOLD = {
    calls.APPROVAL: "somebody who allows step {step}",
    calls.QUESTION: "somebody who answers step {step}",
    calls.EXTERNAL: "the result of step {step}",
    calls.TIMER: "the end of step {step}",
    calls.DOUBT: "somebody who knows whether step {step} happened",
}
"""What a run waits for, by the kind of the call."""


# Calls in doubt


@dataclass(frozen=True, slots=True)
class Settlement:
    """What somebody has told of a call in doubt.

    Attributes:
        happened: None if it did not.
    """

    happened: Happened | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A call of which nobody knows whether it happened.

    Attributes:
        attempt: which attempt at it this was, from 1: each is settled by itself.
        args, seen: what it was called with, and a hash of that.
        approvers: who may tell; anybody if it is empty.
    """

    active: Active
    question: Question
    attempt: int
    args: bytes
    seen: str
    approvers: tuple[str, ...]
    site: Site | None

    @property
    def _id(self) -> str:
        return calls.id_of(self.active.record.run_id, self.question.label, calls.DOUBT, self.attempt)

    def close(self, writer: Writer) -> None:
        """Take note that it is known by now what became of it, if anybody was asked."""
        known = call_of(writer, self._id)
        if known is not None and known.is_open:
            put_call(writer, replace(known, state=calls.CANCELLED, settled_us=self.active.place.now_us()))

    def settlement(self) -> Settlement | None:
        """Return what somebody has told of it, if anybody has."""
        call_id = self._id
        with self.active.place.session.read() as reader:
            known = call_of(reader, call_id)
        if known is None or known.is_open or known.decision is None:
            return None
        if is_forged(known, known.decision):
            raise Untrusted(
                f"what {known.decision.by} told of call {call_id} is not what was signed; somebody has changed it in"
                " the store. Fork the run before this step"
            )
        answer = value_in(self.active.place.codec, known.decision.payload, f"what was told of call {call_id}")
        return Settlement(Happened(answer["result"]) if answer["happened"] else None)

    def settled(self) -> Settlement:
        """Return what somebody has told; wait until somebody has. Raises NotYet, Suspend."""
        while (found := self.settlement()) is None:
            site = self.site or Site()
            call = doubt_of(
                self.active.record.run_id, self.question.label, self.question.name, self.attempt,
                self.active.place.now_us(), args=self.args, seen=self.seen,
                approvers=self.approvers, path=site.path, call=site.call,
                agent=dict(site.agent),
            )  # fmt: skip
            wait_for(self.active, call, leave=self.site is not None)
        return found


def doubt_of(run_id: str, label: str, name: str, attempt: int, now_us: int, **known: Any) -> CallRecord:  # noqa: ANN401
    """Return a call in doubt, as it is asked about."""
    return CallRecord(
        id=calls.id_of(run_id, label, calls.DOUBT, attempt), run_id=run_id, label=label, name=name, kind=calls.DOUBT,
        state=calls.IN_DOUBT, requested_us=now_us, **known,
    )  # fmt: skip
