"""Goal: a full disk raises StoreFull and loses nothing (G8). Method: a limit on the size of files, and a small disk.

A child writes until it is refused, reads, is given room, does it again on the same connection, and so on; the log of
what was acknowledged lies elsewhere. The limits grow from nothing, so that each of them stops it somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import holdfast
from tests.crash.fullness import ROWS, fill_disk, fill_up_to, make, prepare, small_disk
from tests.crash.sweep import Ended, in_child

ACTS = 16

pytestmark = pytest.mark.slow


def _check(path: Path, ended: Ended) -> int:
    """Check that all that was acknowledged is there, once; return how often there was no room."""
    assert ended.exit_code == 0, ended
    done = [int(line) for line in ended.said if line != "full"]
    assert done == list(range(1, ACTS + 1))
    with holdfast.connect(path) as db:
        found = db.execute("SELECT act, count(*) AS n, count(DISTINCT part) AS d FROM acts GROUP BY act").fetchall()
        assert found == [{"act": act, "n": ROWS, "d": ROWS} for act in done]
        db.verify()
    return ended.said.count("full")


def _fill(work: Callable[..., None], folder: Path, log: Path, sizes: range) -> int:
    refused = 0
    for size in sizes:
        path = folder / f"{size}.db"
        prepare(path)
        refused += _check(path, in_child(work, path, size, ACTS, log=log))
        path.unlink()
    return refused


def test_g8_a_limit_on_the_size_of_files_loses_nothing(tmp_path: Path, soak: bool) -> None:
    sizes = range(40_000, 400_000, 1_500 if soak else 60_000)
    assert _fill(fill_up_to, tmp_path, tmp_path / "log", sizes) > len(sizes)


def test_g8_a_full_disk_loses_nothing(tmp_path: Path, soak: bool) -> None:
    sizes = range(0, 400_000, 4_096 if soak else 60_000)
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 2_000_000):
        assert _fill(fill_disk, folder, tmp_path / "log", sizes) > len(sizes)


def test_g8_a_store_that_finds_no_room_to_begin_with_can_be_made_later(tmp_path: Path, soak: bool) -> None:
    refused = 0
    for size in range(0, 60_000, 512 if soak else 7_000):
        path = tmp_path / f"{size}.db"
        ended = in_child(make, path, size, log=tmp_path / "log")
        assert ended.exit_code == 0, size
        refused += len(ended.said)
        with holdfast.connect(path) as db:
            db.verify()
    assert refused
