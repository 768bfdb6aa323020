"""What the SQL tests share: a store in memory, on its first branch."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import holdfast
from tests.postgresql import fresh_url


@pytest.fixture
def db() -> Iterator[holdfast.Store]:
    with holdfast.connect(fresh_url() if os.environ.get("HF_PG") else ":memory:") as store:
        yield store
