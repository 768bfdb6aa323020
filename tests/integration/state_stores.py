"""The stores that tests of state run on: a file, a key-value store in memory, one on disk, PostgreSQL and Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from holdfast import Disk, Memory, Versioned
from tests import valkey_server
from tests.postgresql import fresh_url

KINDS = ("file", "memory", "disk", "postgres", "valkey")


class Stores:
    """Opens states on one store."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._stack = ExitStack()
        self._folder = folder
        self._memory = Memory()
        self._url = ""

    @property
    def source(self) -> Any:
        """What a state is opened with."""
        servers = {"postgres": fresh_url, "valkey": valkey_server.fresh_url}
        if self.kind in servers:
            self._url = self._url or servers[self.kind]()
            return self._url
        return {"file": self._folder / "s.db", "memory": self._memory}.get(self.kind) or Disk(self._folder / "s")

    def open(self, **options: Any) -> Versioned:
        """Return a handle of its own, which is closed with the test; what is pending then is forgotten."""
        state = Versioned(self.source, **options)
        self._stack.callback(state.close)
        self._stack.callback(_forget, state)
        return state

    def close(self) -> None:
        """Close all."""
        self._stack.close()


def _forget(state: Versioned) -> None:
    if not state.read_only and not state._copy.closed:
        state.discard()


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Yield a store of each kind."""
    found = Stores(request.param, tmp_path)
    yield found
    found.close()


@pytest.fixture
def state(stores: Stores) -> Versioned:
    """Return a state on it."""
    return stores.open()
