"""Lengths of time, as PostgreSQL writes them.

A length is a whole number of months and a number of microseconds: a month has no fixed length, a day has 24 hours here,
since all moments are UTC.
"""

from __future__ import annotations

import re
from decimal import Decimal

from holdfast.errors import InvalidValue

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
US_MAX = 2**63 - 1

_UNITS_US = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": SECOND_US,
    "minute": 60 * SECOND_US,
    "hour": 3_600 * SECOND_US,
    "day": DAY_US,
    "week": 7 * DAY_US,
}
_UNITS_MONTHS = {"month": 1, "year": 12, "decade": 120, "century": 1_200, "millennium": 12_000}
_OTHER_NAMES = {
    "us": "microsecond", "usec": "microsecond", "ms": "millisecond", "msec": "millisecond", "s": "second",
    "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour", "d": "day", "w": "week",
    "mon": "month", "y": "year", "yr": "year", "centurie": "century", "millennia": "millennium",
}  # fmt: skip
_CLOCK = re.compile(r"([+-]?)(\d+):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?")
_PART = re.compile(r"([+-]?\s*(?:\d+\.?\d*|\.\d+))\s*([a-zA-Z]*)")
_ISO = re.compile(
    r"P(?:(?P<year>-?\d+)Y)?(?:(?P<month>-?\d+)M)?(?:(?P<week>-?\d+)W)?(?:(?P<day>-?\d+)D)?"
    r"(?:T(?:(?P<hour>-?\d+)H)?(?:(?P<minute>-?\d+)M)?(?:(?P<second>-?\d+(?:\.\d+)?)S)?)?"
)


def unit_named(word: str) -> str | None:
    """Return the singular name of a unit of time, or None if the word names none."""
    name = word.lower()
    for candidate in (name, name.removesuffix("s")):
        found = _OTHER_NAMES.get(candidate, candidate)
        if found in _UNITS_US or found in _UNITS_MONTHS:
            return found
    return None


def length_of(unit: str, amount: Decimal) -> tuple[int, int]:
    """Return (months, microseconds) of an amount of a unit: "hour" or "hours", "mon", ...

    Raises:
        InvalidValue: there is no such unit, or a part of a month is asked for.
    """
    name = unit_named(unit)
    if name is None:
        raise InvalidValue(f"{unit!r} is no unit of time; write days, hours, minutes, seconds, weeks, months or years")
    if name in _UNITS_MONTHS:
        months = amount * _UNITS_MONTHS[name]
        if months != int(months):
            raise InvalidValue(f"{amount} {unit} is no whole number of months; write days instead")
        return int(months), 0
    us = int((amount * _UNITS_US[name]).to_integral_value())
    if abs(us) > US_MAX:
        raise InvalidValue(f"{amount} {unit} is longer than a moment can be away")
    return 0, us


def parse_interval(text: str) -> tuple[int, int]:
    """Return (months, microseconds) of '1 day 02:30:00', '-3 hours', '1 month ago', 'P1DT2H', '90' (seconds), ...

    Raises:
        InvalidValue: it is no length of time.
    """
    stripped = text.strip()
    iso = _ISO.fullmatch(stripped.upper()) if stripped[:1] in ("P", "p") else None
    if iso is not None:
        parts = [(name, value) for name, value in iso.groupdict().items() if value is not None]
    else:
        parts = _parts(stripped)
    if not parts:
        raise InvalidValue(f"{text!r} is no length of time; write it as '1 day 02:30:00' or '90 seconds'")
    lengths = [length_of(unit, Decimal(amount)) for unit, amount in parts]
    return sum(months for months, _ in lengths), sum(us for _, us in lengths)


def _parts(text: str) -> list[tuple[str, str]]:
    """Return the parts as (unit, amount); none if anything in the text is no part."""
    ago = text.lower().endswith(" ago")
    rest = text[:-4] if ago else text
    parts: list[tuple[str, str]] = []
    at = 0
    while at < len(rest):
        if rest[at].isspace() or rest[at] in ",@":
            at += 1
            continue
        clock, part = _CLOCK.match(rest, at), _PART.match(rest, at)
        if clock is not None:
            sign, hours, minutes, seconds = clock.groups(default="")
            parts += [("hour", sign + hours), ("minute", sign + minutes), ("second", sign + (seconds or "0"))]
            at = clock.end()
        elif part is not None:
            parts.append((part[2] or "second", part[1].replace(" ", "")))
            at = part.end()
        else:
            return []
    return [(unit, f"-{amount}".replace("--", "").replace("-+", "-")) for unit, amount in parts] if ago else parts
