"""Entering a run, which makes or claims it, and leaving it."""

# pyright: basic
# (inputs and results are whatever a user has)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace as replace_wish
from functools import partial
from typing import Any

from msgspec.structs import replace

from holdfast.core.durations import microseconds_of
from holdfast.core.flows import Flow, Work
from holdfast.core.points import Point
from holdfast.engine.contract import Reader, Writer
from holdfast.engine.leases.leases import Lease, claiming
from holdfast.engine.leases.owners import myself
from holdfast.errors import (
    AlreadyExists,
    HoldfastError,
    InputMismatch,
    MergeConflict,
    NotFound,
    NotStorable,
    RunFinished,
)
from holdfast.runs import records
from holdfast.runs.active import Active
from holdfast.runs.calls import close_calls
from holdfast.runs.control import Cancelled, Suspend
from holdfast.runs.inputs import digest_of_input
from holdfast.runs.journal import Journal
from holdfast.runs.records import RunRecord, branch_of_run, put_record, record_of
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
from holdfast.versions.resolve import branch_of, resolve


def entering(place: Workplace, wish: Wish, home: object) -> Flow[Active]:
    """Enter a run: claim it, and make it if there is none of this id; one that is finished is only looked at.

    Args:
        home: the task or thread that enters it.

    Raises:
        RunBusy: somebody works on it.
        InputMismatch: it has another input.
        NotFound, AlreadyExists, ReadOnly: what it is to be forked from, or merged into, is not there; the fork is there
            already, and is one of something else; the store can only be read.
    """
    record: RunRecord | None = yield Work(lambda: place.record(wish.run_id), reads=True)
    if record is not None and record.is_finished:
        active: Active = yield Work(partial(_looked_at, place, wish, record, home))
        return active
    held: list[Lease] = []
    try:
        branch, desk = branch_of_run(wish.run_id), place.desk
        yield from claiming(desk.session, branch, myself(), wish.lease, held, desk.heart.given_up(branch))
        active = yield Work(lambda: _claimed(place, wish, held[0], home))
    except BaseException:
        if held:
            yield Work(lambda: _put_back(place, wish.run_id, held[0]))
        raise
    return active


def _looked_at(place: Workplace, wish: Wish, record: RunRecord, home: object) -> Active:
    """Return a run that is finished; one that was killed before it was merged is merged."""
    if record.merge and not place.engine.read_only:
        with suppress(MergeConflict):  # it was told when the run was complete
            merge_finished(place, record)
    return _opened(place, wish, record, None, home)


def _claimed(place: Workplace, wish: Wish, lease: Lease, home: object) -> Active:
    """Make the run, or go on with it."""
    place.desk.heart.keep(lease)
    record = place.record(wish.run_id)
    if record is None:
        record = create(place, wish, records.RUNNING, lease)
        return _opened(place, wish, record, lease, home)
    active = _opened(place, wish, record, lease, home)

    def work(writer: Writer) -> RunRecord | None:
        lease.check(writer)
        now = record_of(writer, wish.run_id)
        if now is None or now.is_finished:
            return now
        running = _running(now, wish, active.journal.seq, place.now_us())
        put_record(writer, running)
        active.cancelling = records.is_to_be_cancelled(writer, wish.run_id)
        return running

    running = place.session.write_together(work)
    if running is None or running.is_finished:  # meanwhile
        place.let_go(lease)
        return _looked_at(place, wish, place.known(wish.run_id), home)
    active.record = running
    if active.cancelling:
        _cancelled(active)
        return _looked_at(place, wish, place.known(wish.run_id), home)
    if running.deaths >= wish.attempts_max > 1:
        why = f"its worker died {running.deaths} times in a row without getting further"
        active.wish = replace_wish(wish, attempts_max=1)
        _end(active, records.FAILED, why, [place.entry(wish.run_id, FAILED, error=why)])
        raise RunFinished(f"run {wish.run_id!r} failed: {why}")
    if active.journal.last is not active.journal.created:  # else it only waited to be begun
        active.note(place.entry(record.run_id, RESUMED, error=f"by {lease.owner}"), None)
    return active


def _running(record: RunRecord, wish: Wish, seq: int, now_us: int) -> RunRecord:
    """Return the record of a run that is worked on from now on; of one whose worker died with how often that was."""
    deaths = 0
    if record.status == records.RUNNING and wish.attempts_max > 1:
        deaths = record.deaths + 1 if record.died_at == seq else 1
    return replace(
        record, status=records.RUNNING, waiting="", due_us=0, why="", updated_us=now_us, deaths=deaths, died_at=seq
    )


def _put_back(place: Workplace, run_id: str, lease: Lease) -> None:
    """Give back a run that was claimed, in one commit, so that somebody else goes on with it."""

    def work(writer: Writer) -> None:
        lease.check(writer)
        record = record_of(writer, run_id)
        if record is not None and record.status == records.RUNNING:
            now_us = place.now_us()
            put_record(writer, replace(record, status=records.QUEUED, due_us=now_us, updated_us=now_us))
        lease.give_back(writer)

    with suppress(HoldfastError):
        place.session.write_together(work)
        lease.lost = True
    place.let_go(lease)


def _opened(place: Workplace, wish: Wish, record: RunRecord, lease: Lease | None, home: object) -> Active:
    journal = Journal(record.run_id, place.entries(record))
    assert journal.created is not None
    _check_wish(wish, record, journal.created)
    copy = WorkingCopy(place.ground(record), place.codec)
    active = Active(place, record, journal, copy, lease=lease, wish=wish, home=home)
    if not wish.replay:
        active.skip()
    return active


def check_input(place: Workplace, wish: Wish, record: RunRecord) -> None:
    """Raise InputMismatch if a run has another input than is wished for."""
    created = place.last(record, CREATED)
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
    if wish.merge:
        with place.session.read() as reader:
            branch_of(reader, wish.merge)
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
            first = next(entry for entry in reversed(entries) if entry.kind == CREATED)
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
    same = (step.family, step.name, step.key)
    first = next(entry for entry in entries if (entry.family, entry.name, entry.key) == same)
    assert first.born is not None
    shared = [entry for entry in entries if entry.born != first.born and entry.seq < first.seq]
    return parent.chain, Point(first.born.line, first.born.n - 1), shared


# Leaving one


def leaving(active: Active, error: BaseException | None, result: Any) -> Flow[bool]:  # noqa: ANN401
    """Leave a run: record that it is complete, or why it is not; return whether the error is taken in."""
    if active.lease is None:
        active.close("was left")
        return False
    own = error if error is None else _own(error, active.record.run_id)
    taken_in: bool = yield Work(partial(_left, active, own, result))
    return taken_in


def _own(error: BaseException, run_id: str) -> BaseException:
    """Return the suspension or cancellation of a run that stands for a group of errors which has nothing else in it."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = list(_leaves(error))
    ours = [leaf for leaf in leaves if isinstance(leaf, (Suspend, Cancelled)) and leaf.run_id == run_id]
    others = [leaf for leaf in leaves if leaf not in ours and type(leaf).__name__ != "CancelledError"]
    return ours[0] if ours and not others else error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _left(active: Active, error: BaseException | None, result: Any) -> bool:  # noqa: ANN401
    """Record how the work on a run ended. Whatever comes of that, it is given back."""
    run_id = active.record.run_id
    try:
        if error is None:
            return _completed(active, result)
        if isinstance(error, Suspend) and error.run_id == run_id:
            return True
        if isinstance(error, Cancelled) and error.run_id == run_id:
            _cancelled(active)
            return True
        if isinstance(error, Exception):
            _failed(active, error)
        else:
            assert active.lease is not None
            _put_back(active.place, run_id, active.lease)
        return False
    finally:
        active.close("was left")


def _completed(active: Active, result: Any) -> bool:  # noqa: ANN401
    """Record that a run is complete, and merge it; return whether it was cancelled instead."""
    try:
        _complete(active, result)
    except Cancelled:
        _cancelled(active)
        return True
    except Exception as failure:
        _failed(active, failure)
        raise
    merge_finished(active.place, active.record)
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
    try:
        pending = cells_of(place.codec, {"changed": _pending(active)}, "what was changed")
        failed = place.entry(record.run_id, FAILED, error=why, traceback=trace, **holding(pending))
        _end(active, records.FAILED, why, [failed])
    except Cancelled:
        _cancelled(active)
    except HoldfastError:  # the error that it failed with says more
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


def _end(active: Active, status: str, why: str, entries: list[Entry], *, with_state: bool = False) -> None:
    """Record the end of the work on a run, and give it back, in one commit."""
    place, before = active.place, active.record
    now_us, attempts = place.now_us(), before.attempts + (status == records.FAILED)
    record = replace(before, status=status, why=why, waiting="", due_us=0, updated_us=now_us, attempts=attempts)
    if status == records.FAILED and attempts < active.wish.attempts_max:
        pause_us = round(active.wish.backoff_seconds * 2.0 ** min(attempts - 1, 20) * 1_000_000)
        record = replace(record, status=records.QUEUED, due_us=now_us + pause_us)
    if status == records.COMPLETE and record.merge:  # should this die before it is merged, a worker does it
        record = replace(record, due_us=now_us + microseconds_of(active.wish.lease, "lease"))

    def also(writer: Writer) -> None:
        if active.cancelling and status != records.CANCELLED:
            return
        records.cancelled(writer, record.run_id)
        if record.is_finished:
            close_calls(writer, record.run_id, now_us)
        put_record(writer, record)
        active.give_back(writer)

    message = f"run {record.run_id} is {status}"
    try:
        if with_state:
            active.commit(message, entries, None, also, needs_state=True)
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

    def decided(writer: Writer, merge: str) -> None:
        now = record_of(writer, record.run_id)
        if now is not None:
            put_record(writer, replace(now, merge=merge, due_us=0))

    try:
        place.versions.merge(record.branch, record.merge, "fail", f"run {record.run_id}")
    except MergeConflict:
        place.session.write_together(partial(decided, merge=record.merge))
        raise
    place.session.write_together(partial(decided, merge=""))
