"""Going on as a fork, where a step is asked for with another input than is recorded."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.flows import Flow, Work
from holdfast.runs.active import Active
from holdfast.runs.entering import end_as_forked, entering
from holdfast.runs.wish import GIVEN_NOTHING, Wish


def forked(active: Active, number: int) -> Flow[Active]:
    """Return a fork of a run before a step, in which all is asked that was asked so far, and waits what waits.

    It is the same fork each time: its id is that of the run with "+" and the number of the step. The run itself ends
    there as failed; one that was finished stays so.
    """
    wish = fork_of(active.wish, number)
    fork = yield from entering(active.place, wish, active.home)
    yield Work(lambda: _take_over(active, fork))
    return fork


def fork_of(wish: Wish, number: int) -> Wish:
    """Return how the fork before a step is entered."""
    return replace(
        wish, run_id=f"{wish.run_id}+{number}", input=GIVEN_NOTHING, fork=wish.run_id, before_step=number, replay=True
    )


def _take_over(active: Active, fork: Active) -> None:
    """Let a fork have what waits in the run that it goes on from, and end that."""
    with active.copy.lock, fork.copy.lock:
        fork.go_on_from(active)
        for name in active.copy.pending():
            if active.copy.has(name):
                fork.copy.put(name, active.copy.get(name))
            else:
                fork.copy.delete(name)
        fork.rows.take_over(active.rows)
    end_as_forked(active, fork.record.run_id)
