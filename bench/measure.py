"""The one harness: whoever is compared works in turns, and what counts is the ratio to the floor of the same round.

A machine that others use is at times twice as fast as at others, so a figure alone says little. In a round each does
its work, A B C, and in the next one B C A, for whoever comes after another finds the disk and the processor as that one
left them. Of the ratios of all rounds the median is told, and between which the middle half lies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple, Protocol

IO = Path("/proc/self/io")
"""Where Linux says what a process has written."""


class Took(NamedTuple):
    """What one time of some work took: seconds, seconds of the processor, and bytes that were written."""

    seconds: float
    cpu: float = 0.0
    written: float = 0.0


class Timed(Protocol):
    """Something that knows itself how long its work took."""

    def took(self, number: int, calls: int) -> Took:
        """Do the work of a round, so many times in a row; return what one time took."""
        ...


Step = Callable[[int], object] | Timed


@dataclass(frozen=True)
class Prepared:
    """Work that needs something to be there first, which is not counted."""

    prepare: Callable[[int], object]
    step: Callable[[int], object]

    def took(self, number: int, _: int) -> Took:
        self.prepare(number)
        return took(self.step, number)


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


def written_bytes() -> int:
    """Return how many bytes this process has handed over to be written; 0 where the system does not say."""
    if not IO.exists():
        return 0
    return int(IO.read_text().partition("wchar: ")[2].split()[0])


def took(step: Step, number: int, calls: int = 1) -> Took:
    """Return what one of so many calls takes."""
    if not callable(step):
        return step.took(number, calls)
    written, cpu, start = written_bytes(), time.process_time(), time.perf_counter()
    for _ in range(calls):
        step(number)
    elapsed, used = time.perf_counter() - start, time.process_time() - cpu
    return Took(elapsed / calls, used / calls, (written_bytes() - written) / calls)


def seconds(step: Step, number: int, calls: int = 1) -> float:
    """Return how long one of so many calls takes."""
    return took(step, number, calls).seconds


def in_turns(
    contestants: Mapping[str, Step], times: int, *, calls: int = 1, warm: bool = True
) -> dict[str, list[Took]]:
    """Let all work in turns, after a round that is not counted (unless `warm` is false); return what each round took.

    What takes microseconds is called several times in a row, else it is measured with what the others left in the
    processor's caches.
    """
    found: dict[str, list[Took]] = {name: [] for name in contestants}
    for number in range(0 if warm else 1, times + 1):
        names = list(contestants)
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            one = took(contestants[name], number, calls)
            if number:
                found[name].append(one)
    return found


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
    """Let all work in turns, and compare how long they take."""
    found = in_turns({"": ours, floor_name: floor, **(peers or {})}, times, calls=calls, warm=warm)
    return compared(work, found[""], floor_name, found[floor_name], budget, {name: found[name] for name in peers or {}})


def compared(
    work: str,
    ours: Sequence[Took],
    floor_name: str,
    floor: Sequence[Took],
    budget: Budget | None = None,
    peers: Mapping[str, Sequence[Took]] | None = None,
) -> Row:
    """Return the row of how long the work of some rounds took."""
    return Row(
        work,
        median(one.seconds for one in ours) * 1e6,
        floor_name,
        median(one.seconds for one in floor) * 1e6,
        budget,
        ratios_of(ours, floor),
        median(one.cpu for one in ours) * 1e6,
        {name: median(ratios_of(of, floor)) for name, of in (peers or {}).items()},
    )


def ratios_of(of: Sequence[Took], floor: Sequence[Took]) -> tuple[float, ...]:
    """Return how many times the floor each round took."""
    return tuple(one.seconds / least.seconds for one, least in zip(of, floor, strict=True))


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
