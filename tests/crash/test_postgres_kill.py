"""Goal: a server that is killed and started again loses nothing that it acknowledged, and runs go on (G1 to G3, G5).

Method: processes with workers on a PostgreSQL of its own, which is killed with SIGKILL in the middle of what they do,
and started again. They get `StoreUnavailable` and work on. At the end each run is complete, has each message and event
once, what may happen once happened once, and only what was in flight when the server died was done twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.served_runs import kill_under_load
from tests.postgresql import DURABLE, MISSING, Server, installed


@pytest.fixture
def own_server() -> Iterator[Server]:
    if not installed():
        pytest.skip(MISSING)
    made = Server(DURABLE)
    made.start()
    yield made
    made.close()


@pytest.mark.slow
def test_g1_g5_a_server_that_is_killed_loses_nothing(own_server: Server, tmp_path: Path, soak: bool) -> None:
    kill_under_load(own_server, tmp_path, *((60, 60) if soak else (5, 10)))
