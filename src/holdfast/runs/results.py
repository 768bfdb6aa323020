"""What questions about runs are answered with."""

# pyright: basic
# (arguments and results are whatever a user has)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from holdfast.core.codec import Codec
from holdfast.core.types import decode
from holdfast.engine.contract import Commit
from holdfast.errors import HoldfastError
from holdfast.runs.records import RunRecord
from holdfast.runs.tables import MOMENT, STEP_DONE, STEP_FAILED, STEPS, Entry
from holdfast.state.rows.log import Event
from holdfast.state.versioned import Unsaid
from holdfast.versions.results import moment


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is known of a run without entering it.

    Attributes:
        run_id: its id.
        status: queued | running | suspended | complete | failed | cancelled. A run whose program was killed is still
            running until somebody goes on with it.
        name: the function or agent that works on it; "" if that is not known.
        created, updated: when it was made, and when its status changed last, in UTC.
        forked_from: the run that it is a fork of, or None.
        parent: the run that it is a child of, or None.
        attempts: how often it failed.
        waiting: the name of the signal that it waits for, or None.
        due: when it is to be worked on again, if a time is known.
        why: of a suspended run, what it waits for; of a failed one, the error.
    """

    run_id: str
    status: str
    name: str
    created: datetime
    updated: datetime
    forked_from: str | None
    parent: str | None
    attempts: int
    waiting: str | None
    due: datetime | None
    why: str

    @classmethod
    def of(cls, record: RunRecord) -> RunInfo:
        """Return what people see of a record."""
        return cls(
            record.run_id,
            record.status,
            record.name,
            moment(record.created_us),
            moment(record.updated_us),
            record.forked_from or None,
            record.parent or None,
            record.attempts,
            record.waiting or None,
            moment(record.due_us) if record.due_us else None,
            record.why,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """An attempt at a step of a run.

    Attributes:
        seq: the number of the step in the run, from 1: what `before_step` takes. None for one that was not done.
        name: the step's name.
        key: that of the caller; else the how manieth of this name it is, such as "#2".
        attempt: which attempt at it this was, from 1.
        effect: what repeating it would do.
        status: "done", "failed", or "in doubt" if nobody knows whether it happened.
        args: its arguments by the names of its parameters; of those that have no stored form, their type.
        result: what it returned.
        error, traceback: what it raised, as text.
        usage: tokens and the like.
        at: when it ended, in UTC.
        seconds: how long it took.
        code: the version of its function's code.
        before: the hash of the commit that it began from; `state.checkout(before)` is what it saw.
        commit_hash: that of the commit which it became.
    """

    seq: int | None
    name: str
    key: str
    attempt: int
    effect: str
    status: str
    args: Any
    result: Any
    error: str | None
    traceback: str | None
    usage: Mapping[str, Any] | None
    at: datetime
    seconds: float | None
    code: str
    before: str | None
    commit_hash: str | None


_STATUS = {STEP_DONE: "done", STEP_FAILED: "failed"}


def step_of(entry: Entry, codec: Codec, before: str | None, own: str | None) -> Step:
    """Return what people see of an attempt at a step. What cannot be read again stands there as the error's words."""
    return Step(
        entry.number,
        entry.name or "",
        entry.key or "",
        entry.attempt or 1,
        entry.effect or "",
        _STATUS.get(entry.kind, "in doubt"),
        _read(entry.arguments, codec),
        _read(entry.value, codec),
        entry.error,
        entry.traceback,
        usage_of(entry),
        moment_of(entry),
        entry.seconds,
        entry.code or "",
        before,
        own,
    )


def event_of(entry: Entry, run_id: str, codec: Codec, before: str | None, own: str | None) -> Event:
    """Return an entry as an event."""
    return Event(
        entry.seq, entry.kind, moment_of(entry), run_id, entry.label, before, own, _data(entry, codec), usage_of(entry)
    )


def _data(entry: Entry, codec: Codec) -> Any:  # noqa: ANN401
    value = _read(entry.value, codec)
    if entry.kind in STEPS:
        told = {
            "number": entry.number,
            "attempt": entry.attempt,
            "effect": entry.effect,
            "seconds": entry.seconds,
            "error": entry.error,
            "args": _read(entry.arguments, codec),
            "result": value,
        }
        return {name: part for name, part in told.items() if part is not None}
    if entry.error is not None:
        return {"why": entry.error, **({} if value is None else {"data": value})}
    return value


def _read(question: Any, codec: Codec) -> Any:  # noqa: ANN401
    try:
        return question(codec)
    except HoldfastError as error:
        return Unsaid(str(error))


def usage_of(entry: Entry) -> dict[str, Any] | None:
    """Return what a step used."""
    return None if entry.usage is None else msgspec.json.decode(entry.usage, type=dict[str, Any])


def moment_of(entry: Entry) -> datetime:
    """Return when an entry was written."""
    at: datetime = decode(entry.at, MOMENT)
    return at


def total(usages: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of the numbers in what steps used."""
    sums: dict[str, Any] = {}
    for usage in usages:
        for name, number in usage.items():
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                sums[name] = sums.get(name, 0) + number
    return sums


def hashes_of(commit: Commit) -> tuple[str | None, str]:
    """Return the hash of the commit before, and of the commit."""
    return (commit.parents[0].hex() if commit.parents else None), commit.hash.hex()
