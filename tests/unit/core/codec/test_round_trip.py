"""Goal: what is stored comes back the same in value, type and order. Method: random nested values of every type."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.codec import Codec, Encoded
from tests.unit.core.codec.samples import same
from tests.unit.core.codec.strategies import elements, json_values, values

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),  # some values are 140 KB of text
]
codec = Codec()


@given(values)
def test_s3_a_value_comes_back_the_same_in_value_type_and_order(value: Any) -> None:
    encoded = codec.encode(value, "x")
    assert same(codec.decode(encoded, "x"), value)


@given(values)
def test_u4_what_came_back_is_stored_the_same(value: Any) -> None:
    """A state that was only read has not changed."""
    encoded = codec.encode(value, "x")
    assert codec.encode(codec.decode(encoded, "x"), "x") == encoded


@given(values)
def test_the_text_is_canonical_json(value: Any) -> None:
    """Sorted by code point, without spaces, NUL and NaN, as a strict parser and the standard library read it."""
    text = codec.encode(value, "x").text
    assert "\0" not in text
    assert orjson.loads(text) == json.loads(text, parse_constant=_refuse)
    assert msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode() == text
    for found in _objects(json.loads(text)):
        assert list(found) == sorted(found)
        assert not any("\0" in key for key in found)


def _refuse(constant: str) -> Any:
    raise AssertionError(constant)


def _objects(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for inner in node for found in _objects(inner)]
    if isinstance(node, dict):
        return [node, *(found for inner in node.values() for found in _objects(inner))]
    return []


@given(json_values)
def test_json_is_itself_so_that_sql_can_read_it(value: Any) -> None:
    encoded = codec.encode(value, "x")
    if '"$' not in encoded.text and "\\u0000" not in encoded.text:
        assert json.loads(encoded.text) == value
    assert encoded.buffers == ()


def test_a_message_is_stored_as_it_looks() -> None:
    value = {"role": "user", "n": 1, "x": [1.5, None, True], "é": {"b": 1, "a": 2}}
    encoded = codec.encode(value, "x")
    assert encoded == Encoded('{"n":1,"role":"user","x":[1.5,null,true],"é":{"a":2,"b":1}}', "1,0,2,3;1,0")


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), json_values, min_size=1, max_size=5
    )
)
def test_the_order_of_keys_stands_beside_the_text(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert codec.encode(turned, "x").text == codec.encode(value, "x").text
    assert list(codec.decode(codec.encode(turned, "x"), "x")) == list(turned)


@given(st.lists(elements, max_size=6))
def test_u4_equal_sets_are_stored_equally_in_whatever_order_they_were_made(items: list[Any]) -> None:
    forward, backward = set[Any](), set[Any]()
    for item in dict.fromkeys(items):  # of equal items, such as 1 and True, both sets shall keep the same
        forward.add(item)
    for item in reversed(dict.fromkeys(items)):
        backward.add(item)
    assert codec.encode({"s": forward}, "x") == codec.encode({"s": backward}, "x")
    assert codec.encode(frozenset({frozenset(forward), 1}), "x") == codec.encode(
        frozenset({1, frozenset(backward)}), "x"
    )


def test_decoded_values_share_nothing_with_what_was_encoded() -> None:
    encoded = codec.encode({"a": [1], "b": bytearray(b"x" * 2000)}, "x")
    one, other = codec.decode(encoded, "x"), codec.decode(encoded, "x")
    one["a"].append(2)
    one["b"][0] = 0
    assert other == {"a": [1], "b": bytearray(b"x" * 2000)}


def test_encoding_changes_nothing() -> None:
    value = {"z": [1, (2, {3})], "a": {"$k": b"x"}}
    codec.encode(value, "x")
    assert repr(value) == "{'z': [1, (2, {3})], 'a': {'$k': b'x'}}"


def test_long_texts_and_bytes_leave_the_text() -> None:
    encoded = codec.encode([b"x" * 1023, b"x" * 1024, "x" * 65_536, "x" * 65_537, bytearray(1024)], "x")
    assert [len(buffer) for buffer in encoded.buffers] == [1024, 65_537, 1024]
    assert encoded.text.count("$str") == 1


class TrackedList(list[Any]):
    __holdfast_plain__ = list


class TrackedDict(dict[str, Any]):
    __holdfast_plain__ = dict


class TrackedSet(set[Any]):
    __holdfast_plain__ = set


def test_containers_that_stand_for_a_plain_one_are_stored_as_it() -> None:
    tracked = TrackedDict(b=TrackedList([TrackedSet({2, 1}), 1]), a=1)
    plain = {"b": [{1, 2}, 1], "a": 1}
    assert codec.encode(tracked, "x") == codec.encode(plain, "x")
    assert same(codec.decode(codec.encode(tracked, "x"), "x"), plain)
