"""Dates and times, exactly as they are: aware or naive, with their zone and fold."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Lowering, Way
from holdfast.core.codec.places import Attribute
from holdfast.errors import NotStorable, Unreadable


def _date(_at: Lowering, value: date) -> Any:
    return {"$date": value.isoformat()}


def _datetime(at: Lowering, value: datetime) -> Any:
    return {"$datetime": _moment(at, value)}


def _time(at: Lowering, value: time) -> Any:
    return {"$time": _moment(at, value)}


def _moment(at: Lowering, value: datetime | time) -> Any:
    """The usual ones are a text in ISO form; a zone with a name, and a fold, take an object."""
    zone = value.tzinfo
    if not value.fold and (zone is None or _is_offset(zone)):
        return value.isoformat()
    at.place.parts.append(Attribute("tzinfo"))
    lowered = {"at": value.replace(tzinfo=None, fold=0).isoformat(), "fold": value.fold, "zone": at.lower(zone)}
    at.place.parts.pop()
    return lowered


def _is_offset(zone: tzinfo) -> bool:
    """Whether the text `+05:30` says all of a zone."""
    return zone is UTC or (type(zone) is timezone and zone == timezone(_offset(zone)) and _name(zone) is None)


def _offset(zone: timezone) -> timedelta:
    return zone.utcoffset(None)


def _name(zone: timezone) -> str | None:
    arguments: tuple[Any, ...] = zone.__getinitargs__()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    return arguments[1] if len(arguments) > 1 else None


def _timedelta(_at: Lowering, value: timedelta) -> Any:
    return {"$timedelta": _parts(value)}


def _parts(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _timezone(at: Lowering, value: timezone) -> Any:
    name = _name(value)
    return {"$timezone": [*_parts(_offset(value)), None if name is None else at.text(name)]}


def zoneinfo_way(at: Lowering, value: Any) -> Any:
    """Lower a `zoneinfo.ZoneInfo`, which is its key."""
    if value.key is None:
        raise NotStorable(f"{at.place}: a ZoneInfo without a key cannot be stored; make it by its name")
    return {"$zoneinfo": at.text(value.key)}


WAYS: dict[type, Way] = {
    date: _date,
    datetime: _datetime,
    time: _time,
    timedelta: _timedelta,
    timezone: _timezone,
}


def _lift_datetime(at: Lifting, node: Any) -> datetime:
    if type(node) is str:
        return datetime.fromisoformat(node)
    return datetime.fromisoformat(node["at"]).replace(tzinfo=at.lift(node["zone"]), fold=node["fold"])


def _lift_time(at: Lifting, node: Any) -> time:
    if type(node) is str:
        return time.fromisoformat(node)
    return time.fromisoformat(node["at"]).replace(tzinfo=at.lift(node["zone"]), fold=node["fold"])


def _lift_timedelta(_at: Lifting, node: Any) -> timedelta:
    days, seconds, microseconds = node
    return timedelta(days, seconds, microseconds)


def _lift_timezone(at: Lifting, node: Any) -> timezone:
    *parts, name = node
    offset = _lift_timedelta(at, parts)
    return timezone(offset) if name is None else timezone(offset, at.text(name))


def _lift_zoneinfo(at: Lifting, node: Any) -> tzinfo:
    import zoneinfo  # noqa: PLC0415 - milliseconds that a value without zones does not pay

    key = at.text(node)
    try:
        return zoneinfo.ZoneInfo(key)
    except zoneinfo.ZoneInfoNotFoundError as error:
        raise Unreadable(
            f"{at.place}: this system ({sys.platform}) knows no time zone {key!r}; pip install tzdata"
        ) from error


LIFTS: dict[str, Lift] = {
    "$date": lambda _at, node: date.fromisoformat(node),
    "$datetime": _lift_datetime,
    "$time": _lift_time,
    "$timedelta": _lift_timedelta,
    "$timezone": _lift_timezone,
    "$zoneinfo": _lift_zoneinfo,
}
