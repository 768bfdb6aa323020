"""The order of keys. JSON text has them sorted, so that equal dicts are equal text; their order is kept beside it.

The objects of a text that have two keys or more are counted in the order in which the text has them. For each there is
a *mark*: which of the sorted keys came first, second, third, such as `1,0`; empty if they were sorted. Marks are
separated by `;`, `mark*n` stands for n equal ones, and empty ones at the end are left out. All sorted is "".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, repeat
from math import isfinite
from typing import Any

DEPTH_MAX = 300
"""How deep JSON values nest. Python recurses 1,000 calls deep by default, and decoding takes up to two a level."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
TEXT_BYTES_MAX = 64 * 1024
"""A longer text goes into a buffer, where SQL does not drag it along."""

_SHORT = TEXT_BYTES_MAX // 4
_KEYS_CACHED_MAX = 16
Shape = tuple[tuple[str, ...], str]


def is_long(text: str) -> bool:
    """Return whether a text is too long for the JSON text."""
    if len(text) <= _SHORT:
        return False
    return len(text) > TEXT_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX


def scan(value: Any, marks: list[str], depth: int = DEPTH_MAX) -> bool:
    """Return whether a value is JSON as it stands, and add the marks of its dicts.

    It does not look for NUL, lone surrogates and keys that begin with `$`: the written text shows them at less cost.
    """
    if type(value) is dict:
        return _scan_dict(value, marks, depth)
    if type(value) is list:
        return _scan_list(value, marks, depth)
    return _is_scalar(value)


def _scan_dict(value: dict[Any, Any], marks: list[str], depth: int) -> bool:  # noqa: C901 - calls cost more than branches
    if depth <= 0:
        return False
    count = len(value)
    found = _shape(*value) if count <= _KEYS_CACHED_MAX else shape(tuple(value))
    if found is None:
        return False
    keys, mark = found
    if count > 1:
        marks.append(mark)
    for key in keys:
        item = value[key]
        kind = type(item)
        if kind is str:
            if len(item) > _SHORT and is_long(item):
                return False
        elif kind is dict:
            if not _scan_dict(item, marks, depth - 1):
                return False
        elif kind is list:
            if not _scan_list(item, marks, depth - 1):
                return False
        elif not _is_scalar(item):
            return False
    return True


def _scan_list(value: list[Any], marks: list[str], depth: int) -> bool:
    if depth <= 0:
        return False
    kinds = set(map(type, value))  # long lists are mostly of one type, and C looks at them quicker
    if kinds <= _SIMPLE:
        return True
    if kinds == _FLOATS:
        return isfinite(sum(value)) or all(map(isfinite, value))
    for item in value:
        if type(item) is dict:
            if not _scan_dict(item, marks, depth - 1):
                return False
        elif type(item) is list:
            if not _scan_list(item, marks, depth - 1):
                return False
        elif not _is_scalar(item):
            return False
    return True


_SIMPLE = {bool, type(None)}
_FLOATS = {float}


def _is_scalar(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= _SHORT or not is_long(value)
    if kind is int:
        return INT_MIN <= value <= INT_MAX
    if kind is float:
        return isfinite(value)
    return value is None or kind is bool


def shape(keys: tuple[Any, ...]) -> Shape | None:
    """Return the sorted keys and the mark of a dict, or None if not all keys are texts that JSON text can have."""
    if any(type(key) is not str or len(key) > _SHORT for key in keys):
        return None
    ordered = tuple(sorted(keys))
    if ordered == keys:
        return keys, ""
    rank = {key: str(index) for index, key in enumerate(ordered)}
    return ordered, ",".join([rank[key] for key in keys])


@lru_cache(maxsize=1024, typed=True)  # typed: a key that equals a str need not be one
def _shape(*keys: Any) -> Shape | None:
    """Do as `shape`. The dicts of an agent have few shapes, over and over."""
    return shape(keys)


def order_text(marks: list[str]) -> str:
    """Return the marks as a text."""
    if not any(marks):
        return ""
    if len(marks) == 1:
        return marks[0]
    runs = [(mark, sum(1 for _ in run)) for mark, run in groupby(marks)]
    if not runs[-1][0]:
        del runs[-1]
    return ";".join(mark if count == 1 else f"{mark}*{count}" for mark, count in runs)


def reordered(value: Any, order: str) -> Any:
    """Return a value that was read from canonical text with the keys of its dicts in the order that was kept.

    Raises:
        ValueError: the order is not one of this value.
    """
    marks = _marks(order)
    fresh = _reorder(value, marks)
    if next(marks, None) is not None:
        raise ValueError("the order of keys tells of more objects than there are")
    return fresh


def _reorder(value: Any, marks: Iterator[str]) -> Any:
    if type(value) is list:
        for index, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                value[index] = _reorder(item, marks)
        return value
    if type(value) is not dict:
        return value
    mark = next(marks, "") if len(value) > 1 else ""
    for key, item in value.items():
        if type(item) is dict or type(item) is list:
            value[key] = _reorder(item, marks)
    if not mark:
        return value
    keys = list(value)
    places = _places(mark, len(keys))
    return {keys[place]: value[keys[place]] for place in places}


@lru_cache(maxsize=1024)
def _places(mark: str, count: int) -> tuple[int, ...]:
    places = tuple(int(part) for part in mark.split(","))
    if sorted(places) != list(range(count)):
        raise ValueError(f"{mark!r} is no order of {count} keys")
    return places


def _marks(order: str) -> Iterator[str]:
    if not order:
        return
    for entry in order.split(";"):
        mark, star, count = entry.partition("*")
        if star:
            yield from repeat(mark, int(count))
        else:
            yield mark
