"""Goal: whoever dies anywhere leaves the state before or after. Method: die everywhere, and look.

Each operation of `OPERATIONS` is killed at each of its points: with its writes left in the files (kill -9), and with
what was not synced lost (power). All are killed when they have just returned, with nothing left that was not synced.
The short form takes every few points of each besides; the long form takes all of them, and lets the power choose
three times what is left.

Seen to fail: docs/durability.md, "Breaks that were caught".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.testing.crashing import Loss
from tests.crash.operations import OPERATIONS
from tests.crash.sweep import (
    ACKNOWLEDGED,
    Death,
    check_after_death,
    check_after_refusal,
    copy_store,
    killed,
    prepare,
    refused,
    undisturbed,
)

MODES = [(Loss.PROCESS, "full"), (Loss.PROCESS, "process"), (Loss.POWER, "full"), (Loss.POWER, "process")]
STRIDE = 29
"""Points from one death to the next in the short form."""


def _deaths(name: str, soak: bool) -> Iterator[Iterator[Death]]:
    """Yield, for each way to die, the deaths to try until one is survived."""
    for number, (loss, durability) in enumerate(MODES):
        yield iter([Death(name, ACKNOWLEDGED, loss, durability, kept=0.0)])
        for seed in range(3 if soak and loss is Loss.POWER else 1):
            points = itertools.count(1) if soak else itertools.count(1 + 5 * number, STRIDE)
            yield (Death(name, at, loss, durability, seed * 1000 + at) for at in points)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_d5_d7_every_point_yields_old_or_new(
    tmp_path: Path, name: str, soak: bool, record_property: Callable[[str, object], None]
) -> None:
    log = tmp_path / "log"
    before, work = tmp_path / "before", tmp_path / "work"
    before.mkdir()
    prepare(name, before / "store.db")
    copy_store(before, work)
    states = undisturbed(name, work / "store.db", log)
    assert len(states) == OPERATIONS[name].commits + 1
    deaths = 0
    for series in _deaths(name, soak):
        for death in series:
            copy_store(before, work)
            ended = killed(death, work / "store.db", log)
            try:
                check_after_death(death, work / "store.db", ended, states)
            except BaseException as error:
                error.add_note(f"{death}, which said {ended.said}")
                raise
            if ended.exit_code == 0:  # it has no more points
                break
            deaths += 1
    if soak:
        record_property("told", f"deaths: {name}\n{deaths} deaths, {len(states) - 1} commits")
    assert deaths


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_g8_a_disk_that_is_full_at_any_point_refuses_and_goes_on(tmp_path: Path, name: str, soak: bool) -> None:
    """What raised StoreFull changed nothing, and the same connection does it when there is room."""
    log = tmp_path / "log"
    before, work = tmp_path / "before", tmp_path / "work"
    before.mkdir()
    prepare(name, before / "store.db")
    copy_store(before, work)
    states = undisturbed(name, work / "store.db", log)
    for at in itertools.count(1) if soak else itertools.count(11, STRIDE):
        death = Death(name, at, Loss.ROOM)
        copy_store(before, work)
        ended = refused(death, work / "store.db", log)
        try:
            if check_after_refusal(death, work / "store.db", ended, states):
                break
        except BaseException as error:
            error.add_note(f"{death}, which said {ended.said}")
            raise
