"""JSON values, as text in the stored form: keys sorted, no spaces."""

from __future__ import annotations

import json
from typing import Any, cast

from holdfast.core.canonical import json_text, json_value
from holdfast.engine.functions.strict import Functions, strict
from holdfast.errors import InvalidValue

Json = Any


def _read(text: Any) -> Json:  # noqa: ANN401
    return json_value(text, "JSONB") if isinstance(text, str) else text


def _text(value: Json) -> str:
    return json_text(value, "JSONB")


def contains(outer: Json, inner: Json) -> bool:
    """Tell whether a JSON value contains another, as `@>` says: parts of objects and lists, whatever their order."""
    if isinstance(outer, dict):
        mine = cast("dict[str, Json]", outer)
        return isinstance(inner, dict) and all(
            key in mine and contains(mine[key], value) for key, value in cast("dict[str, Json]", inner).items()
        )
    if isinstance(outer, list):
        items = cast("list[Json]", outer)
        if isinstance(inner, list):
            return all(any(contains(item, part) for item in items) for part in cast("list[Json]", inner))
        return not isinstance(inner, dict) and any(_equal(item, inner) for item in items)
    return _equal(outer, inner)


def _equal(a: Json, b: Json) -> bool:
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _joined(a: str, b: str) -> str:
    """`||`: objects unite, and lists follow each other; anything else is a list of one."""
    left, right = _read(a), _read(b)
    if isinstance(left, dict) and isinstance(right, dict):
        return _text({**left, **right})
    first = left if isinstance(left, list) else [left]
    second = right if isinstance(right, list) else [right]
    return _text([*first, *second])


def _without(text: str, key: Any) -> str:  # noqa: ANN401
    """`-`: an object without a key, a list without a text or without the item at a place."""
    value = _read(text)
    if isinstance(value, dict) and isinstance(key, str):
        return _text({name: part for name, part in cast("dict[str, Json]", value).items() if name != key})
    if isinstance(value, list):
        items = cast("list[Json]", value)
        if isinstance(key, str):
            return _text([item for item in items if item != key])
        place = key if key >= 0 else len(items) + key
        return _text([item for at, item in enumerate(items) if at != place])
    raise InvalidValue(f"{text[:40]} has no part {key!r} to take away")


def _without_all(text: str, keys: str) -> str:
    for key in _read(keys):
        text = _without(text, key)
    return text


def _has(text: str, key: str) -> bool:
    value = _read(text)
    return key in value if isinstance(value, (dict, list)) else value == key


def _at(text: str, *path: str) -> str | None:
    """`#>`: the part at a path, or None; a number is a place in a list, and a key in an object."""
    at = _read(text)
    for step in path:
        if isinstance(at, dict):
            if step not in at:
                return None
            at = cast("dict[str, Json]", at)[step]
        elif isinstance(at, list) and step.lstrip("-").isdigit():
            place = _place(cast("list[Json]", at), step)
            if place is None:
                return None
            at = cast("list[Json]", at)[place]
        else:
            return None
    return _text(at)


def _set(text: str, new: str, create: int, *path: str) -> str:
    """jsonb_set(): change, or add, the part at a path; a part of the path that is not there changes nothing."""
    value = _read(text)
    at: Any = value
    for step in path[:-1]:
        at = _step(at, step)
        if not isinstance(at, (dict, list)):
            return _text(value)
    _put(at, path[-1], _read(new), create=bool(create))
    return _text(value)


def _step(at: Any, step: str) -> Any:  # noqa: ANN401
    if isinstance(at, dict):
        return cast("dict[str, Json]", at).get(step)
    place = _place(cast("list[Json]", at), step)
    return at[place] if place is not None else None


def _place(items: list[Json], step: str) -> int | None:
    if not step.lstrip("-").isdigit():
        raise InvalidValue(f"the path has {step!r} where a list has a place; write a number")
    place = int(step)
    place = place if place >= 0 else len(items) + place
    return place if 0 <= place < len(items) else None


def _put(at: Any, step: str, new: Json, *, create: bool) -> None:  # noqa: ANN401
    if isinstance(at, dict):
        if create or step in at:
            at[step] = new
        return
    items = cast("list[Json]", at)
    place = _place(items, step)
    if place is not None:
        items[place] = new
    elif create:
        items.insert(0 if step.startswith("-") else len(items), new)


def _type(text: str) -> str:
    value = _read(text)
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _strip(text: str) -> str:
    return _text(_without_nulls(_read(text)))


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        parts = cast("dict[str, Json]", value)
        return {key: _without_nulls(part) for key, part in parts.items() if part is not None}
    return [_without_nulls(part) for part in cast("list[Json]", value)] if isinstance(value, list) else value


def _pretty(text: str) -> str:
    return json.dumps(_read(text), indent=4, ensure_ascii=False)


JSON_FUNCTIONS: Functions = {
    "hf_json_contains": (strict(lambda outer, inner: int(contains(_read(outer), _read(inner)))), 2),
    "hf_json_joined": (strict(_joined), 2),
    "hf_json_without": (strict(_without), 2),
    "hf_json_without_all": (strict(_without_all), 2),
    "hf_json_has": (strict(lambda text, key: int(_has(text, key))), 2),
    "hf_json_at": (strict(_at), -1),
    "hf_json_set": (strict(_set), -1),
    "hf_json_type": (strict(_type), 1),
    "hf_json_strip": (strict(_strip), 1),
    "hf_json_pretty": (strict(_pretty), 1),
}
