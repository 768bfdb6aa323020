"""Goal: a Valkey that is killed and started again loses nothing that it acknowledged, and runs go on (G1 to G3, G5).

Method: as on PostgreSQL (test_postgres_kill.py), on a server of its own with `appendfsync always`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import valkey_server
from tests.crash.served_runs import kill_under_load


@pytest.mark.slow
def test_g1_g5_a_valkey_that_is_killed_loses_nothing(tmp_path: Path, soak: bool) -> None:
    with valkey_server.running() as server:
        kill_under_load(server, tmp_path, *((60, 60) if soak else (5, 10)))
