"""Suspending a run: it is recorded what it waits for, and its block ends."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from holdfast.engine.contract import Writer
from holdfast.runs.active import Active
from holdfast.runs.control import Suspend
from holdfast.runs.records import QUEUED, SUSPENDED, put_record
from holdfast.runs.tables import Entry


class Came(Exception):
    """What was to be waited for is there."""


def suspend(
    active: Active,
    entry: Entry,
    why: str,
    waiting: str,
    until_us: int | None,
    came: Callable[[Writer], bool],
    *,
    leave: bool = False,
) -> None:
    """Record that the run waits, and end its block. Returns if what it waits for has come meanwhile.

    Args:
        entry: that says so in the journal.
        waiting: what lets the run go on (records.py).
        until_us: when it goes on in any case.
        came: tells within the transaction whether what is waited for is there, and may write what belongs to it.
        leave: whether the block ends even so; the run waits to be worked on then.

    Raises:
        Suspend: the run waits.
    """
    place, run_id = active.place, active.record.run_id

    def also(writer: Writer) -> None:
        if active.cancelling:  # that comes first
            return
        is_there = came(writer)
        if is_there and not leave:
            raise Came
        now_us, status = place.now_us(), QUEUED if is_there else SUSPENDED
        due_us = now_us if is_there else until_us or 0
        put_record(
            writer, replace(active.record, status=status, waiting=waiting, due_us=due_us, why=why, updated_us=now_us)
        )
        active.give_back(writer)

    try:
        active.record_only(f"waits for {why}", [entry], also)
    except Came:
        return
    active.left("is suspended", waits_for=why)
    raise Suspend(run_id, why)
