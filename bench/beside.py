"""Runs beside each other in one process, against as many bare connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Protocol

import holdfast
from bench.measure import Row
from bench.runs import Loop

BESIDE = (1, 8, 64)


class Bare(Protocol):
    """A connection that writes what a step holds."""

    def step(self, number: int, /) -> None:
        """Write it."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def rate(works: list[Callable[[int], None]], seconds: float) -> float:
    """Return how often a second all of these are done, each in a thread of its own."""
    done = [0] * len(works)
    until = time.perf_counter() + seconds

    def work(at: int) -> None:
        while time.perf_counter() < until:
            works[at](0)
            done[at] += 1

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def beside(url: str, make_bare: Callable[[], Bare], number: int, *, quick: bool) -> Row:
    """Compare the steps a second of several runs in one process with those of as many bare connections."""
    seconds, rounds = (0.5, 1) if quick else (2.0, 3)
    with holdfast.connect(url) as db, ExitStack() as stack:
        loops = [Loop(db, f"r{at}") for at in range(number)]
        bare = [make_bare() for _ in range(number)]
        for one in bare:
            stack.callback(one.close)
        rates = [
            (rate([loop.step for loop in loops], seconds), rate([one.step for one in bare], seconds))
            for _ in range(rounds)
        ]
        for loop in loops:
            loop.close()
    ours, theirs = (median(found) for found in zip(*rates, strict=True))
    runs = f"{number} run{'s' if number > 1 else ''} in a process, a step"
    return Row(runs, 1e6 / ours, f"{number} bare", 1e6 / theirs, None, tuple(b / a for a, b in rates))
