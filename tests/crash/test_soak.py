"""Goal: with many writers and sudden deaths, all that was acknowledged is there once, and nothing by half.

Method: processes that announce and report each operation in files of their own are killed and stopped at random.
The long form kills 600 times. Seen to fail: docs/durability.md, "Breaks that were caught".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.soak import WORKERS, Soak


@pytest.mark.slow
def test_c8_d7_d12_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path, soak: bool, record_property: Callable[[str, object], None]
) -> None:
    kills, seconds = (600, 1200) if soak else (20, 120)
    report = Soak(tmp_path, kills, seed=7, deadline_seconds=seconds).run()
    record_property("told", f"soak\n{report}")
    assert report.kills == kills
    assert not report.errors
    assert all(report.by_worker[number] for number in range(1, WORKERS + 1)), "one of them never got its turn"
