"""Looking at runs without entering them."""

# pyright: basic
# (inputs and results are whatever a user has)

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from msgspec.structs import replace

from holdfast.core.points import Point
from holdfast.core.refs import check_name
from holdfast.core.texts import is_text
from holdfast.engine.contract import Reader, Writer
from holdfast.engine.leases.leases import hold_of
from holdfast.errors import AlreadyDecided, InDoubt, InvalidValue, NotFound
from holdfast.runs import deciding, records, waits
from holdfast.runs.calls import close_calls
from holdfast.runs.control import Happened
from holdfast.runs.gates import doubt_of
from holdfast.runs.journal import Journal
from holdfast.runs.payloads import payload_of
from holdfast.runs.records import RunRecord, put_record, record_of
from holdfast.runs.results import RunInfo, Step, event_of, hashes_of, step_of, total, usage_of
from holdfast.runs.tables import (
    CANCELLED,
    COMPLETE,
    CREATED,
    OWN_KINDS,
    STEP_INTENT,
    STEPS,
    entry_of,
    journal_table,
    read_entries,
)
from holdfast.runs.watch import Watch
from holdfast.runs.workplace import Workplace, head_of, write_entries
from holdfast.state.rows.log import Event

FOLLOW_SECONDS = 1.0
"""How often a run that is followed is looked at where nobody seems to have committed."""

PAGE = 256
"""How many events are read in one snapshot."""


def infos(
    place: Workplace, status: str | Sequence[str] | None, prefix: str = "", limit: int | None = None
) -> list[RunInfo]:
    """Return what is known of the runs of a store, the newest first. Raises InvalidValue."""
    given: object = status
    wanted = [given] if isinstance(given, str) else given
    if wanted is not None and not (isinstance(wanted, (list, tuple, set)) and set(wanted) <= set(records.STATUSES)):
        raise InvalidValue(f"the status of a run is one of {', '.join(records.STATUSES)}, not {status!r}")
    check_range(0, limit)
    if not is_text(prefix):
        raise InvalidValue(f"the prefix of runs is text that their ids begin with, not {prefix!r}")
    with place.session.read() as reader:
        found = [record for record in records.records(reader, prefix) if wanted is None or record.status in wanted]
    found.sort(key=lambda record: (-record.created_us, record.run_id))
    return [RunInfo.of(record) for record in found[:limit]]


def steps(place: Workplace, run_id: str) -> list[Step]:
    """Return the attempts at steps of a run, in order; one that was begun and of which nobody knows the end, too."""
    record = place.known(run_id)
    entries = place.entries(record)
    ended = {(entry.name, entry.key, entry.attempt) for entry in entries if entry.kind in STEPS - {STEP_INTENT}}
    with place.session.read() as reader:
        hashes = _hashes(reader)
        return [
            step_of(entry, place.codec, *hashes(entry.born))
            for entry in entries
            if entry.kind in STEPS
            and not (entry.kind == STEP_INTENT and (entry.name, entry.key, entry.attempt) in ended)
        ]


def _hashes(reader: Reader) -> Callable[[Point | None], tuple[str | None, str | None]]:
    """Return what gives the hash of the commit before a commit, and its own; None where gc removed it."""

    @cache
    def hashes(at: Point | None) -> tuple[str | None, str | None]:
        try:
            return (None, None) if at is None else hashes_of(reader.commit(at))
        except NotFound:
            return None, None

    return hashes


def events(
    place: Workplace,
    run_id: str,
    after: int = 0,
    limit: int | None = None,
    kind: str | None = None,
    *,
    follow: bool = False,
) -> Iterator[Event]:
    """Yield the events of a run whose numbers come after one, in order, read page by page."""
    check_range(after, limit)
    record = place.known(run_id)
    pages = _followed(place, record, after) if follow else _pages(place, record, after)
    found = (event for page in pages for event in page if kind is None or event.kind == kind)
    return islice(found, limit)


def check_range(after: object, limit: object) -> None:
    """Raise InvalidValue unless events, or runs, can be asked for so."""
    for name, number in {"after": after, "limit": limit}.items():
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**62):
            raise InvalidValue(f"{name} is a whole number of at least 0, not {number!r}")


def page_of(place: Workplace, run_id: str, after: int) -> tuple[list[Event], bool]:
    """Return the next events of a run, and whether it was finished before they were read."""
    record = place.known(run_id)
    return _page(place, record, after), record.is_finished


def _pages(place: Workplace, record: RunRecord, after: int) -> Iterator[list[Event]]:
    """Yield the events of a run, page by page, as far as there are any."""
    while page := _page(place, record, after):
        yield page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def _followed(place: Workplace, record: RunRecord, after: int) -> Iterator[list[Event]]:
    """Yield the events of a run, and those that come, until it is finished."""
    watch = Watch(place.engine)
    while True:
        page, ended = page_of(place, record.run_id, after)
        if page:
            after = page[-1].seq
            yield page
        if len(page) < PAGE:
            if ended:
                return
            watch.wait(FOLLOW_SECONDS)


def _page(place: Workplace, record: RunRecord, after: int) -> list[Event]:
    """Return the next events of a run. Their numbers have no gaps, so they are looked up by them."""
    keys = [(run_id, seq) for seq in range(after + 1, after + 1 + PAGE) for run_id in record.chain]
    with place.session.read() as reader:
        table = journal_table(reader)
        if table is None:
            return []
        rows = reader.rows(table, reader.vector(head_of(reader, record)), keys)
        entries = sorted(map(entry_of, rows), key=lambda entry: entry.seq)
        hashes = _hashes(reader)
        return [event_of(entry, record.run_id, place.codec, *hashes(entry.born)) for entry in entries]


def result(place: Workplace, record: RunRecord) -> Any:  # noqa: ANN401
    """Return the result of a run; None if it has none yet."""
    found = place.last(record, COMPLETE) if record.status == records.COMPLETE else None
    return None if found is None else found.value(place.codec)


def given(place: Workplace, record: RunRecord) -> Any:  # noqa: ANN401
    """Return the input of a run."""
    created = place.last(record, CREATED)
    return None if created is None else created.value(place.codec)


def usage(place: Workplace, record: RunRecord) -> dict[str, Any]:
    """Return the sums of the numbers in what the steps of a run used; of a fork those of its own steps."""
    found = [usage_of(entry) for entry in place.entries(record) if entry.run_id == record.run_id]
    return total([one for one in found if one is not None])


def check_kind(kind: object) -> str:
    """Return the kind of an event of a user's. Raises InvalidValue if it can be none."""
    if not is_text(kind) or not kind:
        raise InvalidValue(f"the kind of an event is a word, not {kind!r}")
    if kind.startswith(OWN_KINDS):
        raise InvalidValue(f"{kind!r} is a kind of Holdfast's own events: those of runs, steps, waits and sleeps")
    return kind


# What is asked of a run from outside


def signal(place: Workplace, run_id: str, name: str, data: Any) -> None:  # noqa: ANN401
    """Send a signal to a run; it is received once, in the order in which signals of its name were sent."""
    waits.check_signal_name(name)
    check_name(run_id, "run")
    payload = payload_of(place.codec, data, f"the data of signal {name!r}")

    def work(writer: Writer) -> None:
        waits.send(writer, records.going(writer, run_id, f"signal {name!r}"), name, payload, place.now_us())

    place.session.write_together(work)


def settle(place: Workplace, run_id: str, label: str, happened: Happened | None) -> None:
    """Tell a run whether a step in doubt happened. Raises InDoubt if it is not in doubt, or somebody has told."""
    given: object = happened
    if given is not None and not isinstance(given, Happened):
        raise InvalidValue(f"what became of a step is Happened(result), or None if it did not happen, not {given!r}")
    record = place.known(run_id)
    journal = Journal(run_id, place.entries(record))
    intent = journal.in_doubt().get(label)
    if intent is None:
        there = ", ".join(journal.in_doubt()) or "none"
        raise InDoubt(f"step {label!r} of run {run_id!r} is not in doubt; those that are: {there}")
    now_us, attempt = place.now_us(), intent.attempt or 1
    call = doubt_of(run_id, label, intent.name or label, attempt, now_us, seen=intent.digest or "")
    try:
        deciding.decide(place, call.id, deciding.told_of(happened), by="settle", unasked=call)
    except AlreadyDecided as error:
        raise InDoubt(f"somebody has told already what became of step {label!r} of run {run_id!r}") from error


def cancel(place: Workplace, run_id: str, check: Callable[[Writer, RunRecord], None] = lambda *_: None) -> None:
    """Cancel a run: at once if nobody works on it, else with the end of the step that is being done. Idempotent.

    Args:
        check: raises an error if it is not to be.

    Raises:
        NotFound: there is no such run; RunFinished: it is complete.
    """
    check_name(run_id, "run")

    def work(writer: Writer) -> None:
        record = record_of(writer, run_id)
        if record is not None:
            check(writer, record)
        if record is not None and record.status == records.CANCELLED:
            return
        record = records.going(writer, run_id, "a cancellation")
        owner = hold_of(writer, record.branch).owner
        if record.status == records.RUNNING and owner is not None and not owner.is_dead:
            records.ask_to_cancel(writer, run_id)
            return
        writer.hold(record.branch)
        line = writer.branch(record.branch)
        if line is not None:
            writer.open(line)
            entries = read_entries(writer, writer.vector(Point(line.uid, line.head)), record.chain)
            write_entries(writer, [replace(place.entry(run_id, CANCELLED), seq=entries[-1].seq + 1)])
            writer.seal(f"run {run_id} is cancelled", None)
        now_us = place.now_us()
        close_calls(writer, run_id, now_us)
        put_record(
            writer,
            replace(record, status=records.CANCELLED, waiting="", due_us=0, why="", updated_us=now_us),
        )

    place.session.write_together(work)
