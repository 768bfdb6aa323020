"""Merging dicts of JSON-like values key by key."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

Ask = Callable[[list[Any], Any, Any, Any], Any]
"""Given the path to a conflict and what base, ours and theirs have there, returns what shall be there."""

ABSENT: Any = object()
"""Stands for a value that is not there."""


def merge_dicts(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], ask: Ask) -> dict[str, Any]:
    """Return what both sides made of a dict: its keys in the order of ours, then what theirs added.

    Args:
        ask: asked where both sides did something else to a key.
    """
    merged: dict[str, Any] = {}
    for key in {**ours, **theirs, **base}:
        was, mine, other = (side.get(key, ABSENT) for side in (base, ours, theirs))
        chosen = _merged(key, was, mine, other, ask)
        if chosen is not ABSENT:
            merged[key] = chosen
    return merged


def _merged(key: str, was: Any, mine: Any, other: Any, ask: Ask) -> Any:  # noqa: ANN401
    if _same(mine, other) or _same(other, was):
        return mine
    if _same(mine, was):
        return other
    if type(mine) is dict and type(other) is dict:
        inner: Ask = lambda path, *sides: ask([key, *path], *sides)  # noqa: E731
        return merge_dicts(cast("Any", was) if type(was) is dict else {}, mine, other, inner)
    return ask([key], was, mine, other)


def _same(a: Any, b: Any) -> bool:  # noqa: ANN401
    """Tell whether two values are the same; 1, 1.0 and True are not."""
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
