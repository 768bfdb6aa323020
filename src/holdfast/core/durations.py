"""Durations: seconds, timedeltas, or strings such as "10m"."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from holdfast.errors import InvalidValue

Duration = float | str | timedelta
"""Seconds, a timedelta, or a string: numbers with units, as in "90s", "1h 30m", "250ms" or "7d"."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+")


def seconds_of(duration: object, what: str) -> float:
    """Return a duration in seconds.

    Args:
        what: names it in messages, such as "timeout".

    Raises:
        InvalidValue: it is none, or negative, or not finite.
    """
    seconds = _seconds(duration)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        raise InvalidValue(f'{what} is a number of seconds, a timedelta, or a text such as "10m", not {duration!r}')
    return seconds


SECONDS_MAX = 1_000 * 366 * 86_400
"""A thousand years: what is longer is a mistake, and would leave the calendar."""


def microseconds_of(duration: object, what: str) -> int:
    """Return a duration in microseconds. Raises InvalidValue as `seconds_of`, and for more than a thousand years."""
    seconds = seconds_of(duration, what)
    if seconds > SECONDS_MAX:
        raise InvalidValue(f"{what}: {duration!r} is longer than a thousand years; give a shorter duration")
    return round(seconds * 1_000_000)


def _seconds(duration: object) -> float | None:
    if isinstance(duration, bool):
        return None
    if isinstance(duration, (int, float)):
        return _as_float(duration)
    if isinstance(duration, str):
        if not _WHOLE.fullmatch(duration):
            return None
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
    return duration.total_seconds() if isinstance(duration, timedelta) else None


def _as_float(number: float) -> float | None:
    try:
        return float(number)
    except OverflowError:  # an int of too many digits
        return None
