"""Forgetting runs that have ended long ago. Those that somebody works on, or that wait, stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import cast

from holdfast.core.durations import Duration, microseconds_of
from holdfast.engine.contract import Reader, Writer
from holdfast.engine.leases.leases import forget_lease
from holdfast.errors import InvalidValue
from holdfast.runs import records
from holdfast.runs.calls import forget_calls
from holdfast.runs.records import RunRecord, record_of
from holdfast.runs.workplace import Workplace

ENDED = (records.COMPLETE, records.FAILED, records.CANCELLED)
"""The statuses of runs that may be forgotten."""
_BATCH = 64

Keep = Duration | int | Mapping[str, Duration | int]
"""How long ended runs are kept: a duration such as "30d", or a number of the newest ones; or either by status."""


def remove_runs(place: Workplace, keep: Keep, *, dry_run: bool = False) -> int:
    """Forget runs that have ended and are not to be kept, in short transactions; return how many those are.

    A run goes with its branch, its journal and what it was sent. What others merged from it, or forked off, stays. One
    whose parent has not finished, or that is still to be merged, stays.

    Raises:
        InvalidValue: `keep` is none.
    """
    limits = _limits(keep)
    now_us = place.now_us()
    with place.session.read() as reader:
        found = [record.run_id for record in _too_old(reader, limits, now_us)]
    if dry_run:
        return len(found)
    removed = 0
    for first in range(0, len(found), _BATCH):
        removed += place.session.write_together(partial(_remove, run_ids=found[first : first + _BATCH]))
    return removed


def _limits(keep: Keep) -> dict[str, tuple[int | None, int | None]]:
    """Return for each status how long runs are kept, in microseconds, or how many."""
    given: object = keep
    if not isinstance(given, Mapping):
        return dict.fromkeys(ENDED, _limit(given))
    limits: dict[str, tuple[int | None, int | None]] = {}
    for status, limit in cast("Mapping[object, object]", given).items():
        if status not in ENDED:
            raise InvalidValue(f"keep says how long runs are kept that are {', '.join(ENDED)}, not {status!r}")
        limits[str(status)] = _limit(limit)
    return limits


def _limit(limit: object) -> tuple[int | None, int | None]:
    if isinstance(limit, int) and not isinstance(limit, bool):
        if limit < 0:
            raise InvalidValue(f"keep is a duration, or a number of runs, not {limit!r}")
        return None, limit
    return microseconds_of(limit, "keep"), None


def _too_old(reader: Reader, limits: Mapping[str, tuple[int | None, int | None]], now_us: int) -> Iterable[RunRecord]:
    ended = [record for record in records.records(reader) if record.status in limits]
    ended.sort(key=lambda record: record.updated_us, reverse=True)
    newer = Counter[str]()
    for record in ended:
        age_us, number = limits[record.status]
        is_kept = newer[record.status] < number if number is not None else now_us - record.updated_us < (age_us or 0)
        newer[record.status] += 1
        if not is_kept and _may_go(reader, record):
            yield record


def _may_go(reader: Reader, record: RunRecord) -> bool:
    """Tell whether nobody goes on with a run, or with one that it is a part of: that may be, if it failed."""
    if record.status not in ENDED or record.merge:
        return False
    parent = record_of(reader, record.parent) if record.parent else None
    return parent is None or (parent.is_finished and _may_go(reader, parent))


def _remove(writer: Writer, run_ids: Iterable[str]) -> int:
    removed = 0
    for run_id in run_ids:
        record = record_of(writer, run_id)
        if record is None or not _may_go(writer, record):  # somebody went on with it meanwhile
            continue
        writer.hold(record.branch)
        if writer.branch(record.branch) is not None:
            writer.delete_branch(record.branch)
        records.forget_run(writer, record)
        forget_calls(writer, record.run_id)
        forget_lease(writer, record.branch)
        removed += 1
    return removed
