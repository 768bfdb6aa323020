"""JSON values, as text in the stored form: keys sorted, no spaces."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from holdfast.core.canonical import json_text, json_value
from holdfast.engine.functions.strict import Functions, strict
from holdfast.errors import InvalidValue

Json = Any


def _read(text: Any) -> Json:
    return json_value(text, "JSONB") if isinstance(text, str) else text


def _is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict)


def _is_list(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)


def _text(value: Json) -> str:
    return json_text(value, "JSONB")


def contains(outer: Json, inner: Json) -> bool:
    """Tell whether a JSON value contains another, as `@>` says: parts of objects and lists, whatever their order."""
    if _is_object(outer):
        return _is_object(inner) and all(key in outer and contains(outer[key], inner[key]) for key in inner)
    if _is_list(outer):
        if _is_list(inner):
            return all(any(contains(item, part) for item in outer) for part in inner)
        return not _is_object(inner) and any(_equal(item, inner) for item in outer)
    return _equal(outer, inner)


def _contains(outer: str, inner: str) -> int:
    return int(contains(_read(outer), _read(inner)))


def _equal(a: Json, b: Json) -> bool:
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _joined(a: str, b: str) -> str:
    """`||`: objects unite, and lists follow each other; anything else is a list of one."""
    left, right = _read(a), _read(b)
    if _is_object(left) and _is_object(right):
        return _text({**left, **right})
    first = left if _is_list(left) else [left]
    second = right if _is_list(right) else [right]
    return _text([*first, *second])


def _without(text: str, key: Any) -> str:
    """`-`: an object without a key, a list without a text or without the item at a place."""
    value = _read(text)
    if _is_object(value) and isinstance(key, str):
        return _text({name: part for name, part in value.items() if name != key})
    if _is_list(value):
        if isinstance(key, str):
            return _text([item for item in value if item != key])
        place = key if key >= 0 else len(value) + key
        return _text([item for at, item in enumerate(value) if at != place])
    raise InvalidValue(f"{text[:40]} has no part {key!r} to take away")


def _without_all(text: str, keys: str) -> str:
    for key in _read(keys):
        text = _without(text, key)
    return text


def _has(text: str, key: str) -> int:
    value = _read(text)
    return int(key in value if _is_object(value) or _is_list(value) else value == key)


def _at(text: str, *path: str) -> str | None:
    """`#>`: the part at a path, or None; a number is a place in a list, and a key in an object."""
    at = _read(text)
    for step in path:
        if _is_object(at) and step in at:
            at = at[step]
        elif _is_list(at) and step.lstrip("-").isdigit() and (place := _place(at, step)) is not None:
            at = at[place]
        else:
            return None
    return _text(at)


def _set(text: str, new: str, create: int, *path: str) -> str:
    """jsonb_set(): change, or add, the part at a path; a part of the path that is not there changes nothing."""
    value = _read(text)
    at: Any = value
    for step in path[:-1]:
        at = _step(at, step)
        if not _is_object(at) and not _is_list(at):
            return _text(value)
    _put(at, path[-1], _read(new), create=bool(create))
    return _text(value)


def _step(at: Any, step: str) -> Any:
    if _is_object(at):
        return at.get(step)
    place = _place(at, step)
    return at[place] if place is not None else None


def _place(items: list[Json], step: str) -> int | None:
    if not step.lstrip("-").isdigit():
        raise InvalidValue(f"the path has {step!r} where a list has a place; write a number")
    place = int(step)
    place = place if place >= 0 else len(items) + place
    return place if 0 <= place < len(items) else None


def _put(at: Any, step: str, new: Json, *, create: bool) -> None:
    if _is_object(at):
        if create or step in at:
            at[step] = new
        return
    place = _place(at, step)
    if place is not None:
        at[place] = new
    elif create:
        at.insert(0 if step.startswith("-") else len(at), new)


_TYPE_NAMES = {"dict": "object", "list": "array", "str": "string", "bool": "boolean"}


def _type(text: str) -> str:
    value = _read(text)
    return "null" if value is None else _TYPE_NAMES.get(type(value).__name__, "number")


def _strip(text: str) -> str:
    return _text(_without_nulls(_read(text)))


def _without_nulls(value: Json) -> Json:
    if _is_object(value):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if _is_list(value) else value


def _pretty(text: str) -> str:
    return json.dumps(_read(text), indent=4, ensure_ascii=False)


JSON_FUNCTIONS: Functions = {
    "hf_json_contains": (strict(_contains), 2),
    "hf_json_joined": (strict(_joined), 2),
    "hf_json_without": (strict(_without), 2),
    "hf_json_without_all": (strict(_without_all), 2),
    "hf_json_has": (strict(_has), 2),
    "hf_json_at": (strict(_at), -1),
    "hf_json_set": (strict(_set), -1),
    "hf_json_type": (strict(_type), 1),
    "hf_json_strip": (strict(_strip), 1),
    "hf_json_pretty": (strict(_pretty), 1),
}
