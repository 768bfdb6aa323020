"""The one harness: whoever is compared works in turns, and what counts is the ratio to the floor of the same round.

A machine that others use is at times twice as fast as at others, so a figure alone says little. In a round each does
its work, A B C, and in the next one B C A, for whoever comes after another finds the disk and the processor as that one
left them. Of the ratios of all rounds the median is told, and between which the middle half lies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Protocol


class Timed(Protocol):
    """Something that knows itself how long its work took."""

    def seconds(self, number: int, calls: int) -> float:
        """Do the work of a round, so many times in a row; return the seconds of one time."""
        ...


Step = Callable[[int], object] | Timed


@dataclass(frozen=True)
class Prepared:
    """Work that needs something to be there first, which is not counted."""

    prepare: Callable[[int], object]
    step: Callable[[int], object]

    def seconds(self, number: int, _: int) -> float:
        self.prepare(number)
        return seconds(self.step, number)


@dataclass(frozen=True)
class Budget:
    """What a figure should be: at most, or at least, so many times the floor, or at most so many microseconds."""

    most: float | None = None
    most_us: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        if self.most_us is not None:
            return f"<= {self.most_us:g} us"
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"


@dataclass(frozen=True)
class Row:
    """A line of the table: of the work and of its floor the medians, of their ratios the median and the middle half.

    Attributes:
        ours, of_floor: the medians, in `unit`.
        cpu_us: of ours, microseconds of the processor.
        peers: what others take for the same, as ratios to the same floor.
    """

    work: str
    ours: float
    floor: str
    of_floor: float
    budget: Budget | None = None
    ratios: tuple[float, ...] = ()
    cpu_us: float | None = None
    peers: Mapping[str, float] = field(default_factory=dict)
    unit: str = "us"

    @property
    def ratio(self) -> float:
        return median(self.ratios) if self.ratios else self.ours / self.of_floor

    @property
    def spread(self) -> tuple[float, float]:
        """Between which ratios the middle half lies."""
        low, _, high = quantiles(self.ratios, n=4) if len(self.ratios) > 1 else (self.ratio,) * 3
        return low, high

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept; None without one."""
        budget = self.budget
        if budget is None:
            return None
        if budget.most_us is not None:
            return self.ours <= budget.most_us
        return self.ratio <= budget.most if budget.most is not None else self.ratio >= (budget.least or 0)

    def as_json(self) -> dict[str, object]:
        """Return what another program may want to know."""
        return {
            "work": self.work,
            "floor": self.floor,
            "ratio": round(self.ratio, 3),
            "middle_half": [round(bound, 3) for bound in self.spread],
            "median": round(self.ours, 1),
            "unit": self.unit,
            "cpu_microseconds": None if self.cpu_us is None else round(self.cpu_us, 1),
            "budget": None if self.budget is None else str(self.budget),
            "met": self.met,
            "peers": {name: round(ratio, 3) for name, ratio in self.peers.items()},
        }


def seconds(step: Step, number: int, calls: int = 1) -> float:
    """Return how long one of so many calls takes."""
    if not callable(step):
        return step.seconds(number, calls)
    start = time.perf_counter()
    for _ in range(calls):
        step(number)
    return (time.perf_counter() - start) / calls


def interleaved(  # noqa: PLR0913 - what is compared, and how
    work: str,
    ours: Step,
    floor_name: str,
    floor: Step,
    times: int,
    budget: Budget | None = None,
    peers: Mapping[str, Step] | None = None,
    *,
    calls: int = 1,
    warm: bool = True,
) -> Row:
    """Let all work in turns, after a round that is not counted (unless `warm` is false), and compare them.

    What takes microseconds is called several times in a row, else it is measured with what the others left in the
    processor's caches.
    """
    contestants: dict[str, Step] = {"": ours, floor_name: floor, **(peers or {})}
    took: dict[str, list[float]] = {name: [] for name in contestants}
    cpu: list[float] = []
    for number in range(0 if warm else 1, times + 1):
        names = list(contestants)
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            before = time.process_time()
            found = seconds(contestants[name], number, calls)
            if number:
                took[name].append(found)
                if not name:
                    cpu.append((time.process_time() - before) / calls)
    ratios = {name: [a / b for a, b in zip(of, took[floor_name], strict=True)] for name, of in took.items()}
    return Row(
        work,
        median(took[""]) * 1e6,
        floor_name,
        median(took[floor_name]) * 1e6,
        budget,
        tuple(ratios[""]),
        None if isinstance(ours, Prepared) else median(cpu) * 1e6,
        {name: median(ratios[name]) for name in peers or {}},
    )


def print_table(title: str, rows: list[Row]) -> None:
    """Print rows as a Markdown table."""
    print(f"\n{title}\n\n{markdown(rows)}", flush=True)


def markdown(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    others = sorted({name for row in rows for name in row.peers})
    heads = ["work", "median", "CPU us", "floor", "ratio", "middle half", "budget", "met", *others]
    lines = [f"| {' | '.join(heads)} |", "|---|--:|--:|---|--:|--:|--:|---|" + "--:|" * len(others)]
    for row in rows:
        low, high = row.spread
        cells = [
            row.work,
            f"{_brief(row.ours)} {row.unit}",
            "" if row.cpu_us is None else _brief(row.cpu_us),
            row.floor,
            _brief(row.ratio),
            f"{_brief(low)} - {_brief(high)}" if row.ratios else "",
            str(row.budget or ""),
            {None: "", True: "yes", False: "no"}[row.met],
            *(_brief(row.peers[name]) if name in row.peers else "" for name in others),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _brief(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"
