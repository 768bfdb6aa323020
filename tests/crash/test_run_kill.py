"""Goal: a run that is killed anywhere ends with each message, event and row once (G1 to G3; D1, D3, D5).

Method: bodies with effects outside of the store are killed at points of their writing to the file, entered again and
killed again, until they are complete; what they leave is what an undisturbed one leaves. Only what was in flight at a
kill was done twice. The short form takes every few points of each body, the long form all of them.

Seen to fail: the state committed apart from the journal; a recorded step that leaves the log of its strand pending.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from holdfast.testing.crashing import CrashingDisk, CrashPoints
from tests.crash.run_bodies import BODIES, Effects, prepare, seen, work
from tests.crash.sweep import in_child

STRIDE = 23
DEATHS_MAX = 40


def _dying(path: Path, effects: Path, name: str, at: int | None, log: Path) -> None:
    points = CrashPoints(at)
    CrashingDisk(points).install()
    log.write_text(work(path, Effects(effects), name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BODIES, "tasks"])
def test_d1_d3_g3_a_run_that_is_killed_anywhere_ends_as_if_it_had_not_been(
    tmp_path: Path, name: str, soak: bool
) -> None:
    whole = tmp_path / "whole.db"
    prepare(whole)
    assert work(whole, Effects(tmp_path / "whole.log"), name) == "complete"
    expected, once = seen(whole), Effects(tmp_path / "whole.log").done()
    deaths = 0
    for first in itertools.count(1) if soak else itertools.count(5, STRIDE):
        path, effects = tmp_path / f"{first}.db", tmp_path / f"{first}.log"
        prepare(path)
        died = 0
        ended = in_child(_dying, path, effects, name, first, log=tmp_path / "said")
        while ended.exit_code != 0:
            died += 1
            assert died < DEATHS_MAX, f"it gets nowhere: {first}"
            again = None if died > 2 else first * died  # at another point, then to the end
            ended = in_child(_dying, path, effects, name, again, log=tmp_path / "said")
        assert ended.said == ["complete"]
        assert seen(path) == expected, f"killed at {first}"
        _check_effects(Effects(effects).done(), once, died)
        deaths += died
        if not died:  # there is no such point
            break
    assert deaths > 3


def _check_effects(done: dict[str, int], once: dict[str, int], deaths: int) -> None:
    """Check that each was done, and only what was in flight at a kill more than once."""
    assert done.keys() == once.keys()
    assert all(number >= once[what] for what, number in done.items())
    in_flight = 3  # as many as go on beside each other
    assert sum(done.values()) - sum(once.values()) <= deaths * in_flight
