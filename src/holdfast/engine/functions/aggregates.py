"""Aggregates that SQLite lacks: sums of decimals, means of lengths of time, and how far numbers spread."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from holdfast.engine.functions.numbers import numeric, stored

Result = Callable[[list[Any]], Any]


class Gathered:
    """An aggregate, also over a window: it keeps the values, and computes from all of them. NULLs do not count."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._values: list[Any] = []

    def step(self, value: Any) -> None:  # noqa: ANN401 - whatever the statement hands over
        """Take another value in."""
        if value is not None:
            self._values.append(value)

    def inverse(self, value: Any) -> None:  # noqa: ANN401
        """Let a value go that leaves the window."""
        if value is not None:
            self._values.remove(value)

    def value(self) -> Any:  # noqa: ANN401
        """Return what the values come to; NULL without any."""
        return self._result(self._values) if self._values else None

    final = value


def _sum(values: list[Any]) -> str:
    return stored(sum((Decimal(str(value)) for value in values), Decimal(0)))


def _mean(values: list[Any]) -> str:
    return numeric("/", _sum(values), len(values))


def _mean_length(values: list[Any]) -> int:
    return round(sum(values) / len(values))


def _spread(values: list[Any], *, sample: bool, root: bool) -> float | None:
    count = len(values) - sample
    if count <= 0:
        return None
    numbers = [float(value) for value in values]
    mean = math.fsum(numbers) / len(numbers)
    variance = math.fsum((number - mean) ** 2 for number in numbers) / count
    return math.sqrt(variance) if root else variance


AGGREGATES: dict[str, Result] = {
    "hf_sum": _sum,
    "hf_avg": _mean,
    "hf_mean": _mean_length,
    "hf_stddev_samp": partial(_spread, sample=True, root=True),
    "hf_stddev_pop": partial(_spread, sample=False, root=True),
    "hf_var_samp": partial(_spread, sample=True, root=False),
    "hf_var_pop": partial(_spread, sample=False, root=False),
}
"""Name in SQL -> what its values come to."""
