"""Goal: the disk that crashes is as hard as it says. Method: write, fail, and look at the file."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from holdfast.testing.crashing import CrashPoints, Unsynced

SEEDS = range(60)


def _left(path: Path, seed: int) -> bytes | None:
    """Return what is left of a file of which 2000 bytes were synced, and 2048 written over and past them."""
    path.unlink(missing_ok=True)
    file = Unsynced(path)
    file.write(0, b"a" * 2000)
    file.sync()
    path.write_bytes(b"a" * 1500 + b"b" * 2048)  # as the process sees it
    file.write(1500, b"b" * 2048)
    file.lose(random.Random(seed))
    return path.read_bytes() if path.exists() else None


def test_what_was_synced_is_there_and_the_rest_is_lost_by_sectors(tmp_path: Path) -> None:
    left = [_left(tmp_path / "file", seed) for seed in SEEDS]
    assert all(found is not None and found[:1500] == b"a" * 1500 for found in left)
    assert b"a" * 2000 in left, "all of it is lost"
    assert b"a" * 1500 + b"b" * 2048 in left, "none of it is lost"
    sector = slice(2048, 2560)
    torn = {found[sector] for found in left if found and len(found) == 3548}
    assert torn == {bytes(512), b"b" * 512}, "a sector is there or not"


def test_a_file_that_was_never_synced_may_be_missing(tmp_path: Path) -> None:
    there: set[bool] = set()
    for seed in SEEDS:
        path = tmp_path / str(seed)
        file = Unsynced(path)
        path.write_bytes(b"new")
        file.write(0, b"new")
        file.lose(random.Random(seed))
        there.add(path.exists())
    assert there == {True, False}


def test_a_truncation_happens_or_not(tmp_path: Path) -> None:
    sizes: set[int] = set()
    for seed in SEEDS:
        path = tmp_path / str(seed)
        path.write_bytes(b"x" * 1024)
        file = Unsynced(path)
        file.truncate(0)
        file.lose(random.Random(seed))
        sizes.add(path.stat().st_size)
    assert sizes == {0, 1024}


def test_a_process_dies_at_its_point_and_flushes_nothing() -> None:
    program = """
from holdfast.testing.crashing import CrashPoints
points = CrashPoints(at=2)
print("first", flush=True)
points.reach("one")
print("second", flush=True)
print("never flushed", end="")
points.reach("two")
"""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=buffered)
    assert (died.returncode, died.stdout) == (-9, "first\nsecond\n")


def test_a_watcher_sees_labels_and_reaches_no_points_itself() -> None:
    labels: list[str] = []

    def watch(label: str) -> None:
        labels.append(label)
        points.reach("within")

    points = CrashPoints(watch=watch)
    points.reach("one")
    points.reach("two")
    assert (labels, points.reached) == (["one", "two"], 2)
