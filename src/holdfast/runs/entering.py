"""Entering a run, which makes or claims it, and leaving it."""

# pyright: basic
# (inputs and results are whatever a user has)

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from holdfast.core.flows import Flow, Work
from holdfast.core.points import Point
from holdfast.engine.contract import Reader, Writer
from holdfast.engine.leases.leases import Lease, claiming
from holdfast.engine.leases.owners import myself
from holdfast.errors import AlreadyExists, HoldfastError, InputMismatch, NotFound, NotStorable
from holdfast.runs import records
from holdfast.runs.active import Active
from holdfast.runs.control import Cancelled, Suspend
from holdfast.runs.inputs import digest_of_input
from holdfast.runs.journal import Journal
from holdfast.runs.records import RunRecord, put_record, record_of
from holdfast.runs.steps import told
from holdfast.runs.tables import (
    CANCELLED,
    COMPLETE,
    CREATED,
    FAILED,
    REPORTED,
    RESUMED,
    Entry,
    cells_of,
    holding,
    read_entries,
)
from holdfast.runs.wish import GIVEN_NOTHING, Wish
from holdfast.runs.workplace import Workplace, head_of, write_entries
from holdfast.state.working.copy import WorkingCopy
from holdfast.versions.resolve import resolve


def entering(place: Workplace, wish: Wish) -> Flow[Active]:
    """Enter a run: claim it, and make it if there is none of this id; one that is finished is only looked at.

    Raises:
        RunBusy: somebody works on it.
        InputMismatch: it has another input.
        NotFound, AlreadyExists, ReadOnly: what it is to be forked from is not there; the fork is there already, and is
            one of something else; the store can only be read.
    """
    record: RunRecord | None = yield Work(lambda: place.record(wish.run_id), reads=True)
    if record is not None and record.is_finished:
        active: Active = yield Work(lambda: _opened(place, wish, record, None), reads=True)
        return active
    held: list[Lease] = []
    try:
        yield from claiming(place.desk.session, f"runs/{wish.run_id}", myself(), wish.lease, held)
        active = yield Work(lambda: _claimed(place, wish, held[0]))
    except BaseException:
        if held:
            yield Work(lambda: place.let_go(held[0]))
        raise
    return active


def _claimed(place: Workplace, wish: Wish, lease: Lease) -> Active:
    """Make the run, or go on with it."""
    place.desk.heart.keep(lease)
    record = place.record(wish.run_id)
    if record is None:
        record = create(place, wish, records.RUNNING, lease)
        return _opened(place, wish, record, lease)
    if record.is_finished:  # meanwhile
        place.let_go(lease)
        return _opened(place, wish, record, None)
    active = _opened(place, wish, record, lease)
    active.record = running = replace(
        record, status=records.RUNNING, waiting="", due_us=0, why="", updated_us=place.now_us()
    )
    if running != replace(record, updated_us=running.updated_us):

        def work(writer: Writer) -> None:
            lease.check(writer)
            put_record(writer, running)

        place.session.write_together(work)
    if active.journal.last is not active.journal.created:  # else it only waited to be begun
        active.note(place.entry(record.run_id, RESUMED, error=f"by {lease.owner}"), None)
    return active


def _opened(place: Workplace, wish: Wish, record: RunRecord, lease: Lease | None) -> Active:
    journal = Journal(record.run_id, place.entries(record))
    assert journal.created is not None
    _check_wish(wish, record, journal.created)
    active = Active(place, record, journal, WorkingCopy(place.ground(record), place.codec), lease, wish)
    if not wish.replay:
        active.skip()
    return active


def check_input(place: Workplace, wish: Wish, record: RunRecord) -> None:
    """Raise InputMismatch if a run has another input than is wished for."""
    created = Journal(record.run_id, place.entries(record)).created
    if created is not None:
        _check_wish(wish, record, created)


def _check_wish(wish: Wish, record: RunRecord, created: Entry) -> None:
    """Raise an error if the run is another one than is wished for."""
    if wish.input is not GIVEN_NOTHING and created.digest:
        digest = digest_of_input(wish.input)
        if digest and digest != created.digest and wish.on_change != "warn":
            raise InputMismatch(
                f"run {record.run_id!r} was made with another input; leave the input away to go on with it, take"
                " another id, or fork it"
            )
    if wish.fork is not None and record.forked_from != wish.fork:
        raise AlreadyExists(f"run {record.run_id!r} is there already, and is no fork of {wish.fork!r}; take another id")


# Making one


def create(place: Workplace, wish: Wish, status: str, lease: Lease | None = None, due_us: int = 0) -> RunRecord:
    """Make a run, in one commit on a branch of its own. Raises AlreadyExists if there is one of this id."""
    given = None if wish.input is GIVEN_NOTHING else wish.input
    cells = cells_of(place.codec, given, "the input of the run")
    uid, now_us = place.ids.line_uid(), place.now_us()

    def work(writer: Writer) -> RunRecord:
        if lease is not None:
            lease.check(writer)
        chain, point, entries = _origin(writer, place, wish)
        record = RunRecord(
            run_id=wish.run_id,
            status=status,
            name=wish.name,
            created_us=now_us,
            updated_us=now_us,
            chain=(*chain, wish.run_id),
            forked_from=wish.fork or "",
            parent=wish.parent,
            merge=wish.merge,
            due_us=due_us,
        )
        if record_of(writer, wish.run_id) is not None or writer.branch(record.branch) is not None:
            raise AlreadyExists(f"run {wish.run_id!r} is there already; enter it, or take another id")
        line = writer.create_line(uid, point)
        writer.point_branch(record.branch, line.uid, None)
        writer.open(line)
        seq = entries[-1].seq + 1 if entries else 1
        created = place.entry(wish.run_id, CREATED, digest=digest_of_input(given))
        if chain and wish.input is GIVEN_NOTHING:
            first = entries[0]
            created = replace(created, digest=first.digest, form=first.form, data=first.data, rest=first.rest)
        else:
            created = replace(created, **holding(cells))
        write_entries(writer, [replace(created, seq=seq)])
        writer.seal(f"run {wish.run_id} begins", None)
        put_record(writer, record)
        return record

    return place.session.write_together(work)


def _origin(reader: Reader, place: Workplace, wish: Wish) -> tuple[tuple[str, ...], Point, list[Entry]]:
    """Return the runs that a new one goes on from, the commit where it begins, and what it shares of their journal."""
    if wish.fork is None:
        return (), resolve(reader, place.ref).point, []
    parent = record_of(reader, wish.fork)
    if parent is None:
        raise NotFound(f"no run {wish.fork!r} to fork; runs() lists those that there are")
    head = head_of(reader, parent)
    entries = read_entries(reader, reader.vector(head), parent.chain)
    if wish.before_step is None:
        return parent.chain, head, entries
    step = next((entry for entry in entries if entry.number == wish.before_step), None)
    if step is None:
        last = max((entry.number or 0 for entry in entries), default=0)
        raise NotFound(f"run {wish.fork!r} has {last} steps, and no step {wish.before_step} to begin before")
    first = next(entry for entry in entries if (entry.name, entry.key) == (step.name, step.key))
    assert first.born is not None
    shared = [entry for entry in entries if entry.born != first.born and entry.seq < first.seq]
    return parent.chain, Point(first.born.line, first.born.n - 1), shared


# Leaving one


def leaving(active: Active, error: BaseException | None, result: Any) -> Flow[bool]:  # noqa: ANN401
    """Leave a run: record that it is complete, or why it is not; return whether the error is taken in."""
    if active.lease is None:
        active.close("was left")
        return False
    if error is None:
        try:
            yield Work(lambda: _complete(active, result))
        except Cancelled as cancelled:
            error = cancelled
        except Exception as failure:
            yield Work(partial(_failed, active, failure))
            raise
        else:
            yield Work(lambda: merge_finished(active.place, active.record))
            return False
    if isinstance(error, Suspend):
        yield Work(lambda: active.close("is suspended"))
        return error.run_id == active.record.run_id
    if isinstance(error, Cancelled) and error.run_id == active.record.run_id:
        yield Work(lambda: _cancelled(active))
        return True
    if isinstance(error, Exception):
        yield Work(partial(_failed, active, error))
        return False
    yield Work(lambda: _interrupted(active))
    return False


def _complete(active: Active, result: Any) -> None:  # noqa: ANN401
    place, run_id = active.place, active.record.run_id
    cells = cells_of(place.codec, result, f"the result of run {run_id!r}")
    complete = place.entry(run_id, COMPLETE, **holding(cells))
    unused = active.journal.unused()
    noted = [place.entry(run_id, REPORTED, error=f"recorded, and not asked for: {', '.join(unused)}")] if unused else []
    _end(active, records.COMPLETE, "", [*noted, complete], with_state=True)


def _failed(active: Active, error: Exception) -> None:
    """Record why a run failed, and what it had changed; it may be resumed. What cannot be recorded is let go."""
    place, record = active.place, active.record
    why, trace = told(error)
    pending = cells_of(place.codec, {"changed": _pending(active)}, "what was changed")
    failed = place.entry(record.run_id, FAILED, error=why, traceback=trace, **holding(pending))
    try:
        _end(active, records.FAILED, why, [failed])
    except (HoldfastError, Cancelled):  # the error that it failed with says more
        active.close("failed")


def end_as_forked(active: Active, fork: str) -> None:
    """End the work on a run that goes on as a fork."""
    if active.lease is None:
        active.close("was left")
        return
    why = f"it goes on as run {fork!r}"
    _end(active, records.FAILED, why, [active.place.entry(active.record.run_id, FAILED, error=why)])


def _pending(active: Active) -> list[str]:
    """Return the names of the variables that were changed and are not recorded."""
    try:
        return ["/".join(filter(None, name)) for name in active.copy.pending()]
    except NotStorable as error:
        return [str(error)]
    except HoldfastError:
        return []


def _cancelled(active: Active) -> None:
    run_id = active.record.run_id
    _end(active, records.CANCELLED, "", [active.place.entry(run_id, CANCELLED)])


def _interrupted(active: Active) -> None:
    """Let somebody else go on with a run whose program was stopped."""
    try:
        record = replace(
            active.record, status=records.QUEUED, due_us=active.place.now_us(), updated_us=active.place.now_us()
        )

        def work(writer: Writer) -> None:
            assert active.lease is not None
            active.lease.check(writer)
            put_record(writer, record)
            active.lease.give_back(writer)

        active.place.session.write_together(work)
    except HoldfastError:
        active.close("was interrupted")
    else:
        active.left("was interrupted")


def _end(active: Active, status: str, why: str, entries: list[Entry], *, with_state: bool = False) -> None:
    """Record the end of the work on a run, and give it back, in one commit."""
    place, before = active.place, active.record
    now_us, attempts = place.now_us(), before.attempts + (status == records.FAILED)
    record = replace(before, status=status, why=why, waiting="", due_us=0, updated_us=now_us, attempts=attempts)
    if status == records.FAILED and attempts < active.wish.attempts_max:
        pause_us = round(active.wish.backoff_seconds * 2.0 ** min(attempts - 1, 20) * 1_000_000)
        record = replace(record, status=records.QUEUED, due_us=now_us + pause_us)

    def also(writer: Writer) -> None:
        if active.cancelling and status != records.CANCELLED:
            return
        records.cancelled(writer, record.run_id)
        put_record(writer, record)
        active.give_back(writer)

    message = f"run {record.run_id} is {status}"
    try:
        if with_state:
            active.commit(message, entries, None, also)
        else:
            active.discard()
            active.record_only(message, entries, also)
    except Cancelled:
        if status != records.CANCELLED:
            raise
    active.record = record
    active.left(f"is {status}")


def merge_finished(place: Workplace, record: RunRecord) -> None:
    """Merge a complete run into the branch that it was to be merged into. Idempotent.

    Raises:
        MergeConflict: it needs a decision; the run is complete, and can be merged by hand.
    """
    if not record.merge:
        return
    place.versions.merge(record.branch, record.merge, "fail", f"run {record.run_id}")

    def work(writer: Writer) -> None:
        now = record_of(writer, record.run_id)
        if now is not None:
            put_record(writer, replace(now, merge=""))

    place.session.write_together(work)
