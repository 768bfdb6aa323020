"""Stores for the tests of agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import holdfast
from holdfast.testing import FakeClock
from tests.sources import source_of


@pytest.fixture(params=["file", "memory", "postgres", "valkey"])
def db(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[holdfast.Store]:
    """Return a store of each kind, whose clock stands still."""
    with holdfast.connect(source_of(request.param, tmp_path), clock=clock) as store:
        yield store


@pytest.fixture
def here(clock: FakeClock) -> Iterator[holdfast.Store]:
    """Return a store in memory, whose clock stands still."""
    with holdfast.connect(":memory:", clock=clock) as store:
        yield store
