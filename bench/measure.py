"""Timing two things in turns, and printing what came of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Step = Callable[[int], object]


@dataclass(frozen=True)
class Row:
    """A line of the table: microseconds (medians) of the work and of its floor, and the budget for their ratio."""

    work: str
    ours_us: float
    floor: str
    floor_us: float
    budget: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours_us / self.floor_us


def seconds(step: Step, number: int) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    step(number)
    return time.perf_counter() - start


def interleaved(work: str, ours: Step, floor_name: str, floor: Step, times: int, budget: float | None = None) -> Row:
    """Run both in turns, after one of each that is not counted, and return their medians."""
    seconds(ours, 0)
    seconds(floor, 0)
    pairs = [(seconds(ours, number), seconds(floor, number)) for number in range(1, times + 1)]
    mine, theirs = zip(*pairs, strict=True)
    return Row(work, statistics.median(mine) * 1e6, floor_name, statistics.median(theirs) * 1e6, budget)


def print_table(title: str, rows: list[Row]) -> None:
    """Print rows as a Markdown table, with a bar for each ratio."""
    print(f"\n{title}\n\n| work | us | floor | us | ratio | budget | |\n|---|--:|---|--:|--:|--:|---|")
    for row in rows:
        bar = "#" * min(40, max(1, round(row.ratio * 4)))
        budget = f"{row.budget:g}" if row.budget else ""
        figures = f"{row.ours_us:.1f} | {row.floor} | {row.floor_us:.1f} | {row.ratio:.2f}"
        print(f"| {row.work} | {figures} | {budget} | {bar} |")
