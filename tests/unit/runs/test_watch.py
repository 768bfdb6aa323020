"""Goal: whoever waits for a commit sees it also if it was told of before it could be seen."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.runs.watch import LOOK_SECONDS, Watch

LONG = 3600.0
"""Seconds; longer than a test may take."""


def _engine(*pulses: int) -> Any:
    """Return an engine whose pulse is each of these, and the last from then on."""
    told = chain(pulses, repeat(pulses[-1]))
    return SimpleNamespace(beside={}, pulse=lambda: next(told))


@pytest.mark.parametrize("pulses", [(1, 1), (1, 2)], ids=["begun before", "begun since"])
def test_a_commit_that_is_being_written_is_looked_for_again(pulses: tuple[int, ...]) -> None:
    """Seen to fail (at the limit of the test) when another commit was waited for."""
    watch = Watch(_engine(*pulses))
    for _ in range(3):
        watch.wait(LONG)


def test_the_same_on_a_loop() -> None:
    watch = Watch(_engine(1, 2))

    async def waiting() -> None:
        for _ in range(3):
            await watch.wait_async(LONG)

    asyncio.run(waiting())


def test_it_is_looked_ever_more_rarely() -> None:
    watch = Watch(_engine(1))
    first, *others = [watch._until(LONG) for _ in range(30)]  # pyright: ignore[reportPrivateUsage]
    assert LOOK_SECONDS < others[4] - first < LONG / 2 < others[-1] - first
