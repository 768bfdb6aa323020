"""Goal: lists, dicts and sets of a state pass for plain ones. Method: give them to those who look closely."""

from __future__ import annotations

import builtins
import copy
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy
import orjson
import pandas
import pydantic
import pytest

from holdfast import Counter, Versioned
from tests.unit.state.states import kept

PLAIN: dict[str, Any] = {"list": [{"a": [1, 2]}, {"b": {"c": None}}], "n": 1, "nested": {"x": [["y"]]}}


@pytest.fixture
def value() -> Iterator[dict[str, Any]]:
    """Yield a dict that tells its changes, as all in it do."""
    with Versioned() as state:
        state["v"] = copy.deepcopy(PLAIN) | {"set": {1, 2}}
        state.commit()
        assert type(state["v"]) is not dict
        assert type(state["v"]["list"][0]["a"]) is not list
        yield state["v"]
        assert state.pending() == []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    list: builtins.list[dict[str, Any]]
    n: int
    nested: dict[str, builtins.list[builtins.list[str]]]
    set: builtins.set[int]


def test_json_writers_take_them(value: dict[str, Any]) -> None:
    plain = {key: item for key, item in value.items() if key != "set"}
    for dump in (json.dumps, lambda v: orjson.dumps(v).decode(), lambda v: msgspec.json.encode(v).decode()):
        assert json.loads(dump(plain)) == PLAIN
    assert json.loads(json.dumps(value["list"], indent=1)) == PLAIN["list"]
    assert orjson.loads(orjson.dumps(value["list"])) == PLAIN["list"]
    assert msgspec.json.decode(msgspec.json.encode(value))["set"] == [1, 2]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(value["list"])) == PLAIN["list"]


def test_validators_take_them(value: dict[str, Any]) -> None:
    assert Strict.model_validate(value).model_dump() == PLAIN | {"set": {1, 2}}
    assert msgspec.convert(value["list"], list[dict[str, Any]]) == PLAIN["list"]
    assert isinstance(value, dict)
    assert isinstance(value["list"], list)
    assert isinstance(value["set"], set)


def test_frames_and_arrays_take_them(value: dict[str, Any]) -> None:
    assert pandas.DataFrame(value["list"]).shape == (2, 2)
    assert list(pandas.DataFrame({"a": value["list"][0]["a"]})["a"]) == [1, 2]
    assert numpy.array(value["list"][0]["a"]).tolist() == [1, 2]
    assert pandas.Series(value["list"][0]["a"]).sum() == 3


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "pickle, first protocol": lambda value: pickle.loads(pickle.dumps(value, 0)),
    "its own copy": lambda value: value.copy(),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_plain_and_tell_nobody(value: dict[str, Any], how: str) -> None:
    for part, plain in ((value, dict), (value["list"], list), (value["set"], set)):
        found = COPIES[how](part)
        assert type(found) is plain
        assert found == part
        found.clear()
    if how not in {"copy", "its own copy"}:
        found = COPIES[how](value)
        found["list"][0]["a"].append(3)
        assert type(found["list"][0]["a"]) is list
    assert value == PLAIN | {"set": {1, 2}}


def test_they_look_and_compare_like_plain_ones(value: dict[str, Any]) -> None:
    assert repr(value) == repr(PLAIN | {"set": {1, 2}})
    assert str(value["set"]) == "{1, 2}"
    assert value["list"] == PLAIN["list"]
    assert PLAIN["list"] == value["list"]
    assert value["list"] + [1] == [*PLAIN["list"], 1]
    assert value["set"] | {3} == {1, 2, 3}
    assert {**value} == value
    for part in (value, value["list"], value["set"]):
        with pytest.raises(TypeError, match="unhashable"):
            hash(part)
    match value:
        case {"list": [{"a": [first, *_]}, *_]}:
            assert first == 1
        case _:
            pytest.fail("no match")


def test_a_state_itself_is_no_value(value: dict[str, Any]) -> None:
    assert value
    with Versioned() as state:
        for dump in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(Exception, match="cannot be pickled or copied"):
                dump(state)


def test_a_method_that_fails_changes_nothing() -> None:
    with Versioned() as state:
        state.update(list=[1], dict={"a": 1}, set={1})
        state.commit()
        calls: list[Callable[[], Any]] = [
            lambda: state["list"].pop(5), lambda: state["list"].remove(9), lambda: state["list"].insert("x", 1),
            lambda: state["list"].__setitem__(9, 1), lambda: state["list"].extend(3), lambda: state["dict"].pop("z"),
            lambda: state["dict"].__delitem__("z"), lambda: state["dict"].update(3), lambda: state["set"].remove(9),
            lambda: state["set"].add([]), lambda: state["dict"].__setitem__([], 1), lambda: {}[state["list"]],
        ]  # fmt: skip
        for call in calls:
            with pytest.raises((IndexError, ValueError, KeyError, TypeError)):
                call()
        assert state.commit() == state.head
        assert kept(state) == {"list": [1], "dict": {"a": 1}, "set": {1}} == dict(state)


def test_a_counter_is_pickled_by_its_public_name() -> None:
    """What was pickled is read by later releases, wherever the class stands in them."""
    stored = pickle.dumps(Counter(3), protocol=0)
    assert b"holdfast\nCounter\n" in stored
    assert pickle.loads(stored) == 3
