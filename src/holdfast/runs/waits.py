"""Waiting: for a signal, or for a time. The run is suspended, and its program may end."""

# pyright: basic
# (what a signal brings is whatever a user sends)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from holdfast.core.codec import Codec
from holdfast.core.durations import Duration, microseconds_of
from holdfast.core.flows import Flow, Work
from holdfast.core.texts import is_text
from holdfast.engine.contract import Writer
from holdfast.errors import InvalidValue, Timeout
from holdfast.runs.active import Active, strand
from holdfast.runs.journal import Question
from holdfast.runs.payloads import fields_of
from holdfast.runs.records import RunRecord, first_signal, let_go_on, put_signal, take_signal
from holdfast.runs.suspending import Came, suspend
from holdfast.runs.tables import SIGNAL, SLEEP, WAIT_EXPIRED, Entry, cells_of, holding
from holdfast.runs.tables import SUSPENDED as SUSPENSION

_NAME_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that is waited for, as it was asked for.

    Attributes:
        ticket: how often it was asked for, this time included.
        length_us: how long at most, or how long to sleep; None for as long as it takes.
    """

    active: Active
    family: str
    name: str
    ticket: int
    length_us: int | None

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(self.family, self.name, f"#{self.ticket}", given=False, digest="")


def waiting(active: Active, name: str, timeout: Duration | None) -> Waiting:
    """Return what waits for a signal. Raises InvalidValue."""
    check_signal_name(name)
    length_us = None if timeout is None else microseconds_of(timeout, "timeout")
    return _asked(active, "wait", name, length_us)


def sleeping(active: Active, length: Duration) -> Waiting:
    """Return what waits for a time. Raises InvalidValue."""
    return _asked(active, "sleep", "sleep", microseconds_of(length, "the length of a sleep"))


def _asked(active: Active, family: str, name: str, length_us: int | None) -> Waiting:
    active.check_between_steps(f"a {family}", "; a run waits between its steps")
    return Waiting(active, family, name, active.journal.ticket(family, name), length_us)


def check_signal_name(name: object) -> str:
    """Return the name of a signal. Raises InvalidValue if it can be none."""
    if not is_text(name, _NAME_LENGTH_MAX) or not name:
        raise InvalidValue(f"the name of a signal is a text of 1 to {_NAME_LENGTH_MAX} characters, not {name!r}")
    return name


def wait(asked: Waiting) -> Flow[Any]:
    """Return what a signal brought, once it was received; suspend the run until it is there.

    Raises:
        Timeout: it did not come in time. That is recorded, too.
    """
    active, who = asked.active, strand()

    def received() -> Any:  # noqa: ANN401
        question, entry = active.ask(asked.question, who)
        if entry is None:
            entry = _received(active, question, asked.length_us, who)
        if entry.kind == WAIT_EXPIRED:
            raise Timeout(f"signal {question.name!r} did not come in time")
        return entry.value(active.place.codec)

    return (yield Work(received))


def _received(active: Active, question: Question, length_us: int | None, who: object) -> Entry:
    """Receive a signal, or the end of the wait; or suspend the run."""
    place, run_id = active.place, active.record.run_id
    until_us = _until(active, question, length_us)
    while True:
        with place.session.read() as reader:
            found = first_signal(reader, run_id, question.name)
        if found is None and (until_us is None or place.now_us() < until_us):
            _suspend(active, question, f"signal {question.name!r}", question.name, until_us)
            continue
        kind = WAIT_EXPIRED if found is None else SIGNAL
        entry = place.entry(run_id, kind, name=question.name, key=question.key, digest="")
        try:
            if found is None:
                active.commit(f"{kind} {question.label}", [entry], (who,))
                return entry
            return _taken(active, question, replace(entry, **fields_of(found[1])), found[0], who)
        except Came:  # another wait of this run was quicker
            continue


def _taken(active: Active, question: Question, entry: Entry, key: str, who: object) -> Entry:
    """Record a signal, and remove it, in one commit. Raises Came if it is not there any more."""

    def also(writer: Writer) -> None:
        if not take_signal(writer, key):
            raise Came

    active.commit(f"{entry.kind} {question.label}", [entry], (who,), also)
    return entry


def _until(active: Active, question: Question, length_us: int | None) -> int | None:
    """Return when a wait ends: counted from when it was begun, however often the run was entered since."""
    if length_us is None:
        return None
    begun = active.journal.suspension(question)
    until_us: Any = None if begun is None else begun.value(active.place.codec)
    return active.place.now_us() + length_us if until_us is None else until_us


def sleep(asked: Waiting) -> Flow[None]:
    """Suspend the run until the time has come, counted from when it was asked for first."""
    active, who = asked.active, strand()
    yield Work(lambda: _slept(active, asked, who))


def _slept(active: Active, asked: Waiting, who: object) -> None:
    place, run_id, length_us = active.place, active.record.run_id, asked.length_us or 0
    question, entry = active.ask(asked.question, who)
    if entry is None:
        until = _time(place.codec, place.now_us() + length_us)
        entry = place.entry(run_id, SLEEP, name=question.name, key=question.key, digest="", **until)
        active.commit(f"sleep {question.label}", [entry], (who,))
    until_us: Any = entry.value(place.codec)
    if active.lease is not None and place.now_us() < until_us:
        _suspend(active, question, "a time", "", until_us)


def _time(codec: Codec, at_us: int | None) -> dict[str, Any]:
    return holding(cells_of(codec, at_us, "a time"))


def _suspend(active: Active, question: Question, why: str, name: str, until_us: int | None) -> None:
    """Record that the run waits, and end its block. Returns if what it waits for has come meanwhile."""
    place, run_id = active.place, active.record.run_id
    until = _time(place.codec, until_us)
    told = {"name": question.name, "key": question.key, "effect": question.family, "digest": "", "error": why, **until}
    entry = place.entry(run_id, SUSPENSION, **told)
    suspend(
        active, entry, why, name, until_us,
        lambda writer: bool(name) and first_signal(writer, run_id, name) is not None,
    )  # fmt: skip


# Signals


def send(writer: Writer, record: RunRecord, name: str, payload: bytes, now_us: int) -> None:
    """Keep a signal for a run, and let the run be worked on if it waits for that."""
    put_signal(writer, record.run_id, name, payload)
    let_go_on(writer, record, name, now_us)
