"""Goal: a run that a full disk stops anywhere goes on when there is room, as if it had not been (G1 to G3, G8).

Method: no file of a child may grow beyond a limit. Each time that it is refused it leaves the run, finds room, and
enters it again at once through the same store. The limits grow from nothing, so that each stops it somewhere else.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import holdfast
from tests.crash.fullness import file_size_limit
from tests.crash.run_bodies import BODIES, Effects, prepare, seen
from tests.crash.sweep import in_child, say

ENTERED_MAX = 40


def _fill(path: Path, effects: Path, name: str, size_bytes: int, log: Path) -> None:
    """Do a run on a disk without much room, which is given more whenever it is refused. Says how often it was."""
    room, refused = file_size_limit(size_bytes), 0
    with holdfast.connect(path, durability="process") as db:
        db.log()  # see `fill`
        room(True)
        while refused < ENTERED_MAX:
            try:
                with db.run("r", input={"body": name}) as run:
                    BODIES[name](run, Effects(effects))
                    run.result = len(run.state["messages"])
                break
            except holdfast.StoreFull:
                refused += 1
                size_bytes += 70_000  # entering takes half of it
                room(False)
                room = file_size_limit(size_bytes)
                room(True)
        room(False)
        say(log, json.dumps([refused, db.run("r").status]))


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_g8_d1_a_run_that_a_full_disk_stops_goes_on(tmp_path: Path, name: str, soak: bool) -> None:
    whole = tmp_path / "whole.db"
    prepare(whole)
    assert in_child(_fill, whole, tmp_path / "whole.log", name, 10_000_000, log=tmp_path / "said").exit_code == 0
    expected, once = seen(whole), Effects(tmp_path / "whole.log").done()
    refusals = 0
    for size in range(8_192, 500_000, 3_000 if soak else 120_000):
        path, effects = tmp_path / f"{size}.db", tmp_path / f"{size}.log"
        prepare(path)
        ended = in_child(_fill, path, effects, name, size, log=tmp_path / "said")
        assert ended.exit_code == 0, size
        refused, status = json.loads(ended.said[0])
        refusals += refused
        assert status == "complete"
        assert seen(path) == expected, f"stopped at {size} bytes"
        done = Effects(effects).done()
        assert done.keys() == once.keys()
        assert sum(done.values()) - sum(once.values()) <= refused * 3, "as many as go on beside each other"
    assert refusals > 5
