"""Goal: what a folder acknowledged survives loss of power (G1, D6). Method: lose it at each write and sync of the disk.

Of what was not synced some sectors stay and some do not. The nodes of a commit are not synced by themselves: should the
comparison that publishes them not sync them too, this finds a root without its nodes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holdfast.engine.kv import Disk
from holdfast.engine.tree import TreeEngine, recent
from holdfast.engine.tree.sweep import orphans
from holdfast.testing import FakeClock, SeededIds
from holdfast.testing.crashing import CrashingDisk, CrashPoints, Loss
from holdfast.testing.schemas import STEPS
from holdfast.testing.stand_ins import EPOCH_US
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions
from tests.crash.sweep import in_child, say

COMMITS = 3
STRIDE = 8
"""Every eighth point; from which one is the seed."""


def _opened(folder: Path, seed: int) -> tuple[Versions, TreeEngine, Disk]:
    disk, ids = Disk(folder), SeededIds(seed)
    engine = TreeEngine.open(disk, clock=FakeClock(EPOCH_US + seed * 60_000_000), ids=ids)
    return Versions(engine.session(), ids), engine, disk


def _row(number: int) -> Put:
    return Put("steps", {"run_id": "r", "step": number, "note": f"{number} " * 20})


def _writing(folder: Path, at: int, seed: int, log: Path) -> None:
    points = CrashPoints(at)
    CrashingDisk(points, Loss.POWER, seed=seed, checkpoint_pages=30).install()
    versions, _, _ = _opened(folder, 1)
    for number in range(100, 100 + COMMITS):
        versions.commit("main", [_row(number), _row(number % 7)], f"more {number}")
        say(log, str(number))
        points.reach("returned")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "states"), [(1, 0), (2, 1), (3, 64)])
def test_g1_d6_a_commit_that_returned_survives_loss_of_power(
    seed: int, states: int, tmp_path: Path, soak: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With trees made at each commit, at each second one, and at none."""
    monkeypatch.setattr(recent, "STATES_MAX", states)
    whole, folder, log = tmp_path / "whole", tmp_path / "store", tmp_path / "log"
    versions, engine, disk = _opened(whole, 0)
    versions.create_table("main", STEPS)
    versions.commit("main", [_row(number) for number in range(40)])
    engine.close()
    disk.close()
    deaths = 0
    for at in range(1 if soak else seed, 2_000, 1 if soak else STRIDE):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        ended = in_child(_writing, folder, at, seed * 10_000 + at, log=log)
        versions, engine, disk = _opened(folder, 2)
        there = {key[1] for key in versions.snapshot("main")["steps"]}
        acknowledged = {int(line) for line in ended.said}
        assert acknowledged | set(range(40)) <= there
        assert len(there) <= 40 + len(acknowledged) + 1
        versions.verify()
        versions.gc()
        assert orphans(engine.session()._shared) == []
        versions.commit("main", [_row(500)])
        versions.verify()
        engine.close()
        disk.close()
        if ended.exit_code == 0:
            break
        deaths += 1
    assert deaths > 4
