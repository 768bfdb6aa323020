"""From the parameters of execute() to what is bound: each in the stored form of the column it goes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from holdfast.core.canonical import json_text
from holdfast.core.types import Stored, bind, encode
from holdfast.engine.sql.translate.typed import Place
from holdfast.errors import InvalidValue

Parameters = Sequence[Any] | Mapping[str, Any] | None
"""A list or tuple for `%s`, a mapping for `%(name)s`."""


def bound(names: tuple[str | None, ...], places: list[Place], parameters: Parameters) -> list[Stored]:
    """Return the values to bind, in the order in which the parameters were written.

    `places` may be longer: those that follow are filled in when the statement runs.

    Raises:
        InvalidValue: their number or names do not fit, or a value cannot be stored where it goes.
    """
    values = given(names, parameters)
    return [_stored(*each) for each in placed(names, places, values)]


def given(names: tuple[str | None, ...], parameters: Parameters) -> Sequence[Any]:
    """Return the values as they were given, in the order in which they were written. Raises InvalidValue."""
    return _named(names, parameters) if any(names) else _positional(len(names), parameters)


def placed(
    names: tuple[str | None, ...], places: list[Place], values: Sequence[Any]
) -> Iterator[tuple[Any, Place, str]]:
    """Yield values with the places where they go, and what they are called in messages."""
    for at, (value, place) in enumerate(zip(values, places, strict=False)):
        yield value, place, f"parameter {names[at] or at + 1}"


def _stored(value: object, place: Place, name: str) -> Stored:
    if place.many:
        return _list(value, place, name)
    if place.type is not None:
        return encode(value, place.type, place.where)
    refuse_number(value, place, name)
    return bind(value, name)


def refuse_number(value: object, place: Place, name: str) -> None:
    """Raise InvalidValue for a number beside text that was computed."""
    if place.no_number and isinstance(value, (int, float)):
        raise InvalidValue(
            f"{name} is the number {value}, and {place.where} gives text: write CAST({place.where} AS INTEGER), or"
            " pass a str"
        )


def _list(value: object, place: Place, name: str) -> str | None:
    """Return a list of values as JSON; each in its stored form."""
    items = items_of(value, place, name)
    if items is None:
        return None
    one = Place(place.type, place.where, place.no_number)
    return json_text([_stored(item, one, name) for item in items], name)


def items_of(value: object, place: Place, name: str) -> Iterable[object] | None:
    """Return the values of a list. Raises InvalidValue."""
    if value is None:
        return None
    kind = type(value).__name__
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidValue(f"{name} is a {kind}, and beside {place.where} a list of values is expected")
    return cast("Iterable[object]", value)


def _positional(count: int, parameters: Parameters) -> Sequence[Any]:
    given = () if parameters is None else parameters
    if isinstance(given, (str, bytes, bytearray, Mapping)) or not isinstance(given, Sequence):
        raise InvalidValue(f"the parameters of %s are a list or a tuple, not {type(given).__name__}: pass [value]")
    if len(given) != count:
        raise InvalidValue(f"the statement has {count} parameters, {len(given)} were given")
    return given


def _named(names: tuple[str | None, ...], parameters: Parameters) -> Sequence[Any]:
    if not isinstance(parameters, Mapping):
        raise InvalidValue(f"the parameters of %(name)s are a dict, not {type(parameters).__name__}")
    missing = sorted({str(name) for name in names} - set(parameters))
    if missing:
        raise InvalidValue(f"no value was given for the parameters {missing}")
    return [parameters[str(name)] for name in names]
