"""Goal: what Python takes for equal, and is not the same, is kept as it is.

Method: replace keys and elements by equal ones of another type, and look at what is stored.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from holdfast import NotStorable, Versioned
from tests.unit.state.states import kept, settled


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (True,))])
def test_a_value_that_is_equal_and_another_is_written(old: object, new: object) -> None:
    with Versioned() as state:
        state.update(x=old, list=[old], map={"k": old, "l": []})
        state.commit()
        state["x"] = state["list"][0] = state["map"]["k"] = new
        state.commit()
        found = kept(state)
        assert repr(found["x"]) == repr(found["list"][0]) == repr(found["map"]["k"]) == repr(new)


def test_a_key_is_replaced_by_an_equal_one_of_another_type() -> None:
    with Versioned() as state:
        state["map"] = {1: "a", "l": []}
        state.commit()
        del state["map"][1]
        state["map"][True] = "a"
        state.commit()
        assert [repr(key) for key in kept(state)["map"]] == ["'l'", "True"]


def test_an_element_is_replaced_by_an_equal_one_of_another_type() -> None:
    with Versioned() as state:
        state["set"] = {1}
        state.commit()
        state["set"].discard(1)
        state["set"].add(True)
        state.commit()
        assert repr(kept(state)["set"]) == "{True}"


def test_a_key_of_another_type_takes_the_place_of_an_equal_one_in_a_value_that_is_set_anew() -> None:
    with Versioned() as state:
        for keys in ([1, 2.0, (0.0,)], [True, 2, (-0.0,)], [1.0, 2.0, (False,)]):
            state["map"] = {**{key: ["a"] for key in keys}, "l": []}
            state.commit()
            assert [repr(key) for key in kept(state)["map"]] == [*map(repr, keys), "'l'"]
            state["map"][keys[0]].append("b")
            state.commit()
            assert kept(state)["map"][keys[0]] == ["a", "b"]
            assert settled(state)


def test_an_element_that_is_stored_like_one_that_went_stands_for_it() -> None:
    with Versioned() as state:
        state.update(set={math.nan}, map={math.nan: [1], "x": [2]})
        state.commit()
        nan = float("nan")
        state["set"].clear()
        state["set"].add(nan)
        state["map"][nan] = state["map"].pop(math.nan)
        state["map"][nan].append(3)
        state.commit()
        assert repr(kept(state)["set"]) == "{nan}"
        assert repr(kept(state)["map"]) == "{'x': [2], nan: [1, 3]}"
        state["set"].discard(nan)
        del state["map"][nan]
        state.commit()
        assert kept(state) == {"set": set(), "map": {"x": [2]}}
        assert settled(state)


@pytest.mark.parametrize("value", [{math.nan, float("nan")}, {math.nan: [], float("nan"): []}], ids=["set", "map"])
def test_g9_two_that_would_be_stored_alike_are_refused_by_their_path(value: Any) -> None:
    with Versioned() as state:
        state["inner"] = {"value": value}
        with pytest.raises(NotStorable, match=r'^state\["inner"\]\["value"\].*nan.*: there are two of it'):
            state.commit()
        state["inner"]["value"] = 1
        state.commit()
        assert kept(state) == {"inner": {"value": 1}}
