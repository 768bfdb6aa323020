"""Moments and lengths of time. Moments are stored as text in UTC, lengths as microseconds."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from holdfast.core.intervals import SECOND_US, length_of, unit_named
from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.functions.strict import Functions, strict
from holdfast.errors import InvalidValue

_TIMESTAMP = ColumnType(Kind.TIMESTAMP)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _read(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise InvalidValue(f"{text!r} is no moment") from error


def _stored(moment: datetime) -> str:
    return str(encode(moment, _TIMESTAMP, "a computed moment"))


def shift(moment: str, months: int, us: int) -> str:
    """hf_shift: return a moment that is months and then microseconds later; the 31st becomes the last of a month."""
    at = _read(moment)
    try:
        if months:
            year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
            at = at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))
        return _stored(at + timedelta(microseconds=us))
    except (OverflowError, ValueError, calendar.IllegalMonthError) as error:
        raise InvalidValue(f"{months} months and {us} microseconds after {moment} is no moment: {error}") from error


def between(later: str, earlier: str) -> int:
    """hf_between: return the microseconds from `earlier` to `later`."""
    return (_read(later) - _read(earlier)) // _MICROSECOND


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


_STARTS: dict[str, Callable[[datetime], datetime]] = {
    "microsecond": lambda at: at,
    "millisecond": lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000),
    "second": lambda at: at.replace(microsecond=0),
    "minute": lambda at: at.replace(second=0, microsecond=0),
    "hour": lambda at: at.replace(minute=0, second=0, microsecond=0),
    "day": _day,
    "week": lambda at: _day(at) - timedelta(days=at.weekday()),
    "month": lambda at: _day(at).replace(day=1),
    "quarter": lambda at: _day(at).replace(month=(at.month - 1) // 3 * 3 + 1, day=1),
    "year": lambda at: _day(at).replace(month=1, day=1),
    "decade": lambda at: _day(at).replace(year=at.year // 10 * 10, month=1, day=1),
    "century": lambda at: _day(at).replace(year=(at.year - 1) // 100 * 100 + 1, month=1, day=1),
}


def start(unit: str, moment: str) -> str:
    """hf_moment_start: return the beginning of the unit of time that a moment lies in."""
    name = "quarter" if unit.lower() == "quarter" else unit_named(unit)
    found = _STARTS.get(name or "")
    if found is None:
        raise InvalidValue(f"date_trunc: {unit!r} is no unit; there are {', '.join(_STARTS)}")
    return _stored(found(_read(moment)))


_PARTS: dict[str, Callable[[datetime], float]] = {
    "epoch": lambda at: (at.replace(tzinfo=UTC) - _EPOCH) / timedelta(seconds=1),
    "microsecond": lambda at: at.second * SECOND_US + at.microsecond,
    "millisecond": lambda at: at.second * 1000 + at.microsecond / 1000,
    "second": lambda at: at.second + at.microsecond / SECOND_US,
    "minute": lambda at: at.minute,
    "hour": lambda at: at.hour,
    "day": lambda at: at.day,
    "week": lambda at: at.isocalendar().week,
    "month": lambda at: at.month,
    "quarter": lambda at: (at.month - 1) // 3 + 1,
    "year": lambda at: at.year,
    "decade": lambda at: at.year // 10,
    "century": lambda at: (at.year - 1) // 100 + 1,
    "dow": lambda at: at.isoweekday() % 7,
    "isodow": lambda at: at.isoweekday(),
    "doy": lambda at: at.timetuple().tm_yday,
    "isoyear": lambda at: at.isocalendar().year,
}
_LENGTH_PARTS: dict[str, Callable[[int], float]] = {
    "epoch": lambda us: us / SECOND_US,
    "microsecond": lambda us: _rest(us, 60 * SECOND_US),
    "millisecond": lambda us: _rest(us, 60 * SECOND_US) / 1000,
    "second": lambda us: _rest(us, 60 * SECOND_US) / SECOND_US,
    "minute": lambda us: int(us / (60 * SECOND_US)) - int(us / (3600 * SECOND_US)) * 60,
    "hour": lambda us: int(us / (3600 * SECOND_US)) - int(us / (86400 * SECOND_US)) * 24,
    "day": lambda us: int(us / (86400 * SECOND_US)),
    "month": lambda _: 0,
    "year": lambda _: 0,
}


def _rest(us: int, unit: int) -> int:
    return us - int(us / unit) * unit


def _named(field: str, parts: dict[str, Any]) -> Any:
    name = field.lower() if field.lower() in parts else unit_named(field)
    if name not in parts:
        raise InvalidValue(f"EXTRACT: {field!r} is no part; there are {', '.join(parts)}")
    return parts[name]


def _number(value: float) -> float:
    """Return a whole number without its point."""
    return int(value) if float(value).is_integer() else value


def moment_part(field: str, moment: str) -> float:
    """hf_moment_part: return a part of a moment."""
    return _number(_named(field, _PARTS)(_read(moment)))


def length_part(field: str, us: int) -> float:
    """hf_length_part: return a part of a length of time."""
    return _number(_named(field, _LENGTH_PARTS)(us))


_SHOWN: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda at: f"{at.year:04d}",
    "YY": lambda at: f"{at.year % 100:02d}",
    "IYYY": lambda at: f"{at.isocalendar().year:04d}",
    "MM": lambda at: f"{at.month:02d}",
    "DD": lambda at: f"{at.day:02d}",
    "DDD": lambda at: f"{at.timetuple().tm_yday:03d}",
    "D": lambda at: str(at.isoweekday() % 7 + 1),
    "ID": lambda at: str(at.isoweekday()),
    "IW": lambda at: f"{at.isocalendar().week:02d}",
    "Q": lambda at: str((at.month - 1) // 3 + 1),
    "HH24": lambda at: f"{at.hour:02d}",
    "HH12": lambda at: f"{(at.hour - 1) % 12 + 1:02d}",
    "HH": lambda at: f"{(at.hour - 1) % 12 + 1:02d}",
    "MI": lambda at: f"{at.minute:02d}",
    "SS": lambda at: f"{at.second:02d}",
    "MS": lambda at: f"{at.microsecond // 1000:03d}",
    "US": lambda at: f"{at.microsecond:06d}",
    "AM": lambda at: "AM" if at.hour < 12 else "PM",
    "PM": lambda at: "AM" if at.hour < 12 else "PM",
    "am": lambda at: "am" if at.hour < 12 else "pm",
    "pm": lambda at: "am" if at.hour < 12 else "pm",
    "Month": lambda at: f"{calendar.month_name[at.month]:<9}",
    "FMMonth": lambda at: calendar.month_name[at.month],
    "Mon": lambda at: calendar.month_abbr[at.month],
    "MON": lambda at: calendar.month_abbr[at.month].upper(),
    "Day": lambda at: f"{calendar.day_name[at.weekday()]:<9}",
    "FMDay": lambda at: calendar.day_name[at.weekday()],
    "Dy": lambda at: calendar.day_abbr[at.weekday()],
    "DY": lambda at: calendar.day_abbr[at.weekday()].upper(),
    "TZ": lambda _: "UTC",
}
_PATTERN = re.compile('"([^"]*)"|' + "|".join(sorted(_SHOWN, key=len, reverse=True)) + "|FM(?:MM|DD|HH24|HH12|MI|SS)")
_LETTERS = re.compile(r"[A-Za-z]{2,}")


def moment_shown(moment: str, pattern: str) -> str:
    """hf_moment_shown: return a moment by a pattern of PostgreSQL's to_char()."""
    at = _read(moment)

    def one(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        shown = _SHOWN.get(found[0])
        return shown(at) if shown is not None else _SHOWN[found[0][2:]](at).lstrip("0") or "0"

    unknown = _LETTERS.search(_PATTERN.sub("", pattern))
    if unknown is not None:
        raise InvalidValue(f"to_char: the pattern {unknown[0]!r} is not supported; there are {', '.join(_SHOWN)}")
    return _PATTERN.sub(one, pattern)


def moment_of(seconds: float) -> str:
    """hf_moment_of: return the moment that is so many seconds after 1970."""
    try:
        _, us = length_of("second", Decimal(str(seconds)))
        return _stored(_EPOCH + timedelta(microseconds=us))
    except OverflowError as error:
        raise InvalidValue(f"{seconds} seconds after 1970 is no moment") from error


def json_moment(moment: str) -> str:
    """hf_json_moment: return a moment as it stands in JSON, in ISO 8601."""
    return _read(moment).isoformat()


MOMENT_FUNCTIONS: Functions = {
    "hf_shift": (strict(shift), 3),
    "hf_between": (strict(between), 2),
    "hf_moment_start": (strict(start), 2),
    "hf_moment_part": (strict(moment_part), 2),
    "hf_length_part": (strict(length_part), 2),
    "hf_moment_shown": (strict(moment_shown), 2),
    "hf_moment_of": (strict(moment_of), 1),
    "hf_json_moment": (strict(json_moment), 1),
}
