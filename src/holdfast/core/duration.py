"""Durations as people write them."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from holdfast.errors import InvalidValue

Duration = float | timedelta | str
"""Seconds, a timedelta, or a text such as "90s", "10m", "24h", "30d" or "2w"."""

_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SECONDS_MAX = 1_000 * 366 * 86_400
"""A thousand years: what is longer is a mistake, and would leave the calendar."""


def microseconds(duration: object, what: str) -> int:
    """Return a duration in microseconds.

    Raises:
        InvalidValue: it is none, or negative, or longer than a thousand years.
    """
    seconds = math.nan
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        found = _TEXT.fullmatch(duration.strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else math.nan
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        seconds = duration
    if not 0 <= seconds <= SECONDS_MAX:  # not a number is no duration either
        raise InvalidValue(
            f"{what}: {duration!r} is no duration; give seconds, a timedelta, or a text such as '30d' or '12h'"
        )
    return round(seconds * 1_000_000)
