"""Goal: know what is certain of a commit whose process died in COMMIT. Method: kill it there, beside a living reader.

All of its log is on the disk, but the index that the living share does not know of it yet. They do not see it; who
opens the store after all of them are gone does. The next commit, of anybody, writes over it.
"""

from __future__ import annotations

import multiprocessing.connection
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import holdfast
from holdfast.testing.crashing import CrashingDisk, CrashPoints
from tests.crash.sweep import PROCESSES, in_child

pytestmark = pytest.mark.slow


def _hold(path: Path, ready: multiprocessing.connection.Connection) -> None:
    """Write, so that there is a log, and stay."""
    with holdfast.connect(path) as db:
        db.execute("INSERT INTO steps VALUES (1)")
        ready.send("ready")
        ready.recv()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Let another process have the store open for the block, and kill it."""
    ours, theirs = PROCESSES.Pipe()
    holder = PROCESSES.Process(target=_hold, args=(path, theirs), daemon=True)
    holder.start()
    try:
        assert ours.poll(60)
        ours.recv()
        yield
    finally:
        holder.kill()
        holder.join()


def _die_in_commit(path: Path, log: Path) -> None:
    CrashingDisk(CrashPoints("after the sync of store.db-wal")).install()
    with holdfast.connect(path) as db:
        db.execute("INSERT INTO steps VALUES (2)")


def _steps(path: Path) -> list[int]:
    with holdfast.connect(path) as db:
        db.verify()
        return [row["step"] for row in db.execute("SELECT step FROM steps ORDER BY step")]


@pytest.mark.parametrize("write_first", [False, True])
def test_what_is_not_there_stays_away_once_somebody_has_written(tmp_path: Path, write_first: bool) -> None:
    path = tmp_path / "store.db"
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE steps (step INT PRIMARY KEY)")
    with _held(path):
        assert in_child(_die_in_commit, path, log=tmp_path / "log").exit_code == -9
        assert _steps(path) == [1]
        if write_first:
            with holdfast.connect(path) as db:
                db.execute("INSERT INTO steps VALUES (3)")
    assert _steps(path) == ([1, 3] if write_first else [1, 2])
