"""What the SQL tests share: a store in memory, on its first branch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import holdfast


@pytest.fixture
def db() -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:") as store:
        yield store
