"""Values for the state machines of state, and when two of them are the same: in value, in type and in order."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

TEXT_BYTES_MIN = 40_000


def big_text(seed: int) -> str:
    """Return a text that does not fit into one row, and cannot be compressed much."""
    choose = random.Random(seed)
    return choose.randbytes(TEXT_BYTES_MIN + choose.randrange(60_000)).hex()[: TEXT_BYTES_MIN * 2]


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(width=32),
    st.sampled_from(["", "x", "é", "\x00", "=", "/", "%2F", '"', "\ud800", "long " * 300]),
    st.binary(max_size=4),
    st.sampled_from([b"b" * 2_000, (), (1, "t"), (1, [2]), frozenset({"f"})]),
)
"""What has no parts that a test changes."""

KEYS: st.SearchStrategy[Any] = st.sampled_from(
    ["a", "b", "c", "=", "/", "%", "==x", "", "\x01", 0, 7, -1, None, (1, "t"), b"k"]
)
"""Keys of dicts inside; no two of them are equal."""

ELEMENTS: st.SearchStrategy[Any] = st.sampled_from(["a", "b", "c", "", 0, 7, None, (1, "t"), b"k", 2.5])
"""Elements of sets; likewise."""


def _wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    )


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.recursive(st.one_of(SCALARS, st.sets(ELEMENTS, max_size=4)), _wider, max_leaves=8),
    st.integers(0, 3).map(big_text),
    st.integers(0, 3).map(lambda seed: big_text(seed).encode()),
    st.integers(200, 400).map(lambda count: {f"key {number}": "v" * 20 for number in range(count)}),
)
"""Anything; the last are a text and bytes of several chunks, and a mapping with a row for each entry."""


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
