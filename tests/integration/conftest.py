"""Stores for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import holdfast
from holdfast.testing import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store of a test is."""
    return tmp_path / "store.db"


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def db(path: Path) -> Iterator[holdfast.Store]:
    """Return a store with a table of steps, three of them on main."""
    with holdfast.connect(path) as store:
        store.execute("CREATE TABLE steps (run_id TEXT, step INT, note TEXT, state JSONB, PRIMARY KEY (run_id, step))")
        store.executemany("INSERT INTO steps (run_id, step, note) VALUES ('r', %s, %s)", [[1, "a"], [2, "b"], [3, "c"]])
        yield store
