"""Aggregates that SQLite lacks: sums of decimals, means of lengths of time, and how far numbers spread."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from holdfast.engine.functions.numbers import numeric, stored
from holdfast.errors import InvalidValue

Result = Callable[..., Any]


class Gathered:
    """An aggregate, also over a window: it keeps the values, and computes from all of them. NULLs do not count."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._values: list[Any] = []
        self._argument: Any = None

    def step(self, value: Any, argument: Any = None) -> None:
        """Take another value in; an argument is the same for all."""
        self._argument = argument
        if value is not None:
            self._values.append(value)

    def inverse(self, value: Any, _argument: Any = None) -> None:
        """Let a value go that leaves the window."""
        if value is not None:
            self._values.remove(value)

    def value(self) -> Any:
        """Return what the values come to; NULL without any."""
        if not self._values:
            return None
        return self._result(self._values) if self._argument is None else self._result(self._values, self._argument)

    final = value


def _sum(values: list[Any]) -> str:
    return stored(sum((Decimal(str(value)) for value in values), Decimal(0)))


def _mean(values: list[Any]) -> str:
    return numeric("/", _sum(values), len(values))


def _mean_length(values: list[int]) -> int:
    return round(sum(values) / len(values))


def _spread(values: list[Any], *, sample: bool, root: bool) -> float | None:
    count = len(values) - sample
    if count <= 0:
        return None
    numbers = [float(value) for value in values]
    mean = math.fsum(numbers) / len(numbers)
    variance = math.fsum((number - mean) ** 2 for number in numbers) / count
    return math.sqrt(variance) if root else variance


def _percentile_cont(values: list[Any], fraction: float) -> float:
    """Interpolate between the two values around the place, as SQL:2003 says."""
    ordered = sorted(values)
    place = _fraction(fraction) * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low]) + (float(ordered[high]) - float(ordered[low])) * (place - low)


def _percentile_disc(values: list[Any], fraction: float) -> Any:
    ordered = sorted(values)
    return ordered[max(math.ceil(_fraction(fraction) * len(ordered)) - 1, 0)]


def _fraction(value: float) -> float:
    if not 0 <= float(value) <= 1:
        raise InvalidValue(f"a percentile lies between 0 and 1, not at {value}; write 0.95 for 95 %")
    return float(value)


ONE_VALUE, WITH_ARGUMENT = 1, 2

AGGREGATES: dict[str, tuple[Result, int]] = {
    "hf_sum": (_sum, ONE_VALUE),
    "hf_avg": (_mean, ONE_VALUE),
    "hf_mean": (_mean_length, ONE_VALUE),
    "hf_percentile_cont": (_percentile_cont, WITH_ARGUMENT),
    "hf_percentile_disc": (_percentile_disc, WITH_ARGUMENT),
    "hf_stddev_samp": (partial(_spread, sample=True, root=True), ONE_VALUE),
    "hf_stddev_pop": (partial(_spread, sample=False, root=True), ONE_VALUE),
    "hf_var_samp": (partial(_spread, sample=True, root=False), ONE_VALUE),
    "hf_var_pop": (partial(_spread, sample=False, root=False), ONE_VALUE),
}
"""Name in SQL -> what its values come to, and how many arguments it takes."""
