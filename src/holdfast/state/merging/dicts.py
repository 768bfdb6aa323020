"""Merging dicts of JSON-like values key by key."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

Ask = Callable[[list[Any], Any, Any, Any], Any]
"""Given the path to a conflict and what base, ours and theirs have there, returns what shall be there."""

Same = Callable[[Any, Any], bool]

ABSENT: Any = object()
"""Stands for a value that is not there."""


def merge_dicts(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], ask: Ask, same: Same
) -> dict[str, Any]:
    """Return what both sides made of a dict: its keys in the order of ours, then what theirs added.

    Args:
        ask: asked where both sides did something else to a key.
        same: tells whether two values are the same.
    """
    merged: dict[str, Any] = {}
    for key in {**ours, **theirs, **base}:
        was, mine, other = (side.get(key, ABSENT) for side in (base, ours, theirs))
        chosen = _merged(key, was, mine, other, ask, same)
        if chosen is not ABSENT:
            merged[key] = chosen
    return merged


def _merged(key: str, was: Any, mine: Any, other: Any, ask: Ask, same: Same) -> Any:  # noqa: ANN401
    if same(mine, other) or same(other, was):
        return mine
    if same(mine, was):
        return other
    if type(mine) is dict and type(other) is dict:
        inner: Ask = lambda path, *sides: ask([key, *path], *sides)  # noqa: E731
        return merge_dicts(cast("Any", was) if type(was) is dict else {}, mine, other, inner, same)
    return ask([key], was, mine, other)
