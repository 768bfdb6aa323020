"""The events of a run while it is worked on, for who wants to show them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context

from holdfast.agents.results import Done, Suspended
from holdfast.runs.loop import Loop
from holdfast.runs.views import FOLLOW_SECONDS, page_of
from holdfast.runs.watch import Watch
from holdfast.state.rows.log import Event


def streamed(loop: Loop, work: Callable[[], Done | Suspended]) -> Iterator[Event | Done | Suspended]:
    """Do some work on a run in a thread; yield the events that are new, and then what came of it."""
    place, run_id = loop.place, loop.run_id
    after = _last(loop)
    ended, watch, woken = Future[Done | Suspended](), Watch(place.engine), threading.Event()
    ended.add_done_callback(lambda _: woken.set())
    thread = threading.Thread(
        target=copy_context().run, args=(_worked, work, ended), name="holdfast-stream", daemon=True
    )
    thread.start()
    try:
        while True:
            is_over = ended.done()
            page = page_of(place, run_id, after)[0] if place.record(run_id) is not None else []
            for event in page:
                yield event
                after = event.seq
            if is_over and not page:
                break
            if not page:
                watch.wait(FOLLOW_SECONDS, woken)
        yield ended.result()
    finally:
        thread.join()


def _last(loop: Loop) -> int:
    """Return the number of the last event of a run that is there, 0 if there is none."""
    record = loop.place.record(loop.run_id)
    return 0 if record is None else loop.place.entries(record)[-1].seq


def _worked(work: Callable[[], Done | Suspended], ended: Future[Done | Suspended]) -> None:
    try:
        ended.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where the events are taken
        ended.set_exception(error)
