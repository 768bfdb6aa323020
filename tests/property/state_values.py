"""Values for the state machine of state, and when two of them are the same: in value, in type and in order.

They are made with a `random.Random`, not with strategies: what matters is many changes of many kinds, one over the
other, and a strategy that is asked for that much falls back to its simplest values.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

TEXT_CHARS_MIN = 40_000
DEPTH_MAX = 3

SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -7, 2**70, 0.5, -0.0, float("nan"), float("inf"), "", "é", "\x00", "=", "/", "%2F", '"',
    "\ud800", "long " * 300, b"", b"\xff", b"b" * 2_000, (), (1, "t"), (1, [2]), frozenset({"f"}),
)  # fmt: skip
"""What has no parts that a test changes."""

KEYS: tuple[Any, ...] = ("a", "b", "c", "=", "/", "%", "==x", "", "\x01", 0, 7, -1, None, (1, "t"), b"k")
"""Keys of dicts inside; no two of them are equal."""

ELEMENTS: tuple[Any, ...] = ("a", "b", "c", "", 0, 7, None, (1, "t"), b"k", 2.5)
"""Elements of sets; likewise."""


def big_text(choose: random.Random) -> str:
    """Return a text that does not fit into one row, and cannot be compressed much."""
    return (
        random.Random(choose.randrange(4)).randbytes(TEXT_CHARS_MIN).hex()[: choose.randrange(TEXT_CHARS_MIN, 80_000)]
    )


def large_dict(choose: random.Random) -> dict[str, Any]:
    """Return a mapping that has a row for each entry."""
    return {f"key {number}": "v" * 20 for number in range(choose.randrange(200, 300))}


def value_of(choose: random.Random, depth: int = 0) -> Any:
    """Return anything, mostly containers."""
    kind = choose.random()
    if depth == DEPTH_MAX or kind < 0.3:
        return choose.choice(SCALARS)
    if kind > 0.94:
        makers: list[Callable[[random.Random], Any]] = [big_text, lambda some: big_text(some).encode(), large_dict]
        return choose.choice(makers)(choose)
    return container_of(choose, depth)


def container_of(choose: random.Random, depth: int = 0) -> Any:
    """Return a list, a dict or a set."""
    kind, count = choose.random(), choose.randrange(5)
    if kind < 0.4:
        return [value_of(choose, depth + 1) for _ in range(count)]
    if kind < 0.6:
        return {choose.choice("abc"): value_of(choose, depth + 1) for _ in range(count)}
    if kind < 0.85:
        return {choose.choice(KEYS): value_of(choose, depth + 1) for _ in range(count)}
    return {choose.choice(ELEMENTS) for _ in range(count)}


def plain(value: Any) -> Any:
    """Return the type that a value passes for."""
    return getattr(type(value), "__holdfast_plain__", type(value))


def unaliased(value: Any) -> Any:
    """Return a copy of a value in which no two parts are the same object."""
    kind = plain(value)
    if kind is list:
        return [unaliased(item) for item in value]
    if kind is tuple:
        return tuple(unaliased(item) for item in value)
    if kind is dict:
        return {key: unaliased(item) for key, item in value.items()}
    return set(value) if kind is set else value


def shown(value: Any) -> Any:
    """Return what tells a value from all others: its types, the order of its dicts, the bits of its floats."""
    kind = plain(value)
    if kind in (list, tuple):
        return (kind.__name__, [shown(item) for item in value])
    if kind is dict:
        return (kind.__name__, [(shown(key), shown(item)) for key, item in value.items()])
    if kind in (set, frozenset):
        return (kind.__name__, sorted(repr(shown(item)) for item in value))
    return (kind.__name__, repr(value) if kind is float else value)


def contains(outer: Any, inner: Any) -> bool:
    """Tell whether a container is another, or inside of it at any depth."""
    if outer is inner:
        return True
    if isinstance(outer, dict):
        return any(contains(item, inner) for item in outer.values())
    return isinstance(outer, (list, tuple)) and any(contains(item, inner) for item in outer)
