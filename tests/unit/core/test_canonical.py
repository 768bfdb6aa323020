"""Goal: JSON keeps its meaning or is refused by path. Method: compare with the standard library's strict encoder."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.canonical import json_text, json_value
from holdfast.errors import InvalidValue

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(leaves | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@given(values)
def test_a_value_comes_back_the_same_and_its_text_is_canonical(value: Any) -> None:
    text = json_text(value, "x")
    assert json_value(text, "x") == value == json.loads(text)
    assert json_text(json_value(text, "x"), "x") == text


@given(st.dictionaries(texts, leaves, min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert json_text(value, "x") == json_text(dict(reversed(value.items())), "x")


def test_tuples_become_lists() -> None:
    assert json_text({"a": (1, (2, 3))}, "x") == '{"a":[1,[2,3]]}'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": float("nan")}]}, r"x\['a'\]\[1\]\['b'\]: nan"),
        ([float("-inf")], r"x\[0\]: -inf"),
        ({"a": b"raw"}, r"x\['a'\]: a bytes"),
        ({"a": {1, 2}}, r"x\['a'\]: a set"),
        ({"a": object()}, r"x\['a'\]: a object"),
        ({1: 2}, "the key 1 "),
        ({"a": {None: 1}}, "the key None "),
        (["nul\0"], r"x\[0\]: text with a NUL"),
        ({"nul\0": 1}, "without NUL"),
        (["\ud800"], "x"),
    ],
)
def test_s3_what_json_would_change_is_refused_by_its_path(value: object, path: str) -> None:
    with pytest.raises(InvalidValue, match=path):
        json_text(value, "x")


def test_deep_and_cyclic_values_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for value in (deep, cyclic):
        with pytest.raises(InvalidValue):
            json_text(value, "x")


def test_text_that_looks_like_an_escaped_nul_is_kept() -> None:
    assert json_value(json_text(["\\u0000"], "x"), "x") == ["\\u0000"]
