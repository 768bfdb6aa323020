"""Goal: what is put into a value later is followed as what was there from the start.

Method: put a container into a part of a value that is kept, commit, change it through a fresh read or through one's
own reference, commit, and read what is stored.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Versioned
from tests.unit.state.states import kept

Put = Callable[[Any, Any], None]

HOLES: dict[str, tuple[Any, Put, Callable[[Any], Any]]] = {
    "a small dict": ({"a": 1}, lambda v, x: v.__setitem__("x", x), lambda v: v["x"]),
    "a dict in it": ({"a": {"b": 1}}, lambda v, x: v["a"].__setitem__("x", x), lambda v: v["a"]["x"]),
    "an item of a list": ([{"a": 1}], lambda v, x: v[0].__setitem__("x", x), lambda v: v[0]["x"]),
    "a list in a list": ([[1], [2]], lambda v, x: v[1].append(x), lambda v: v[1][1]),
    "deep in an item": ([{"a": [{"b": []}]}], lambda v, x: v[0]["a"][0]["b"].append(x), lambda v: v[0]["a"][0]["b"][0]),
    "a mapping of rows": ({"l": [1], "m": {"n": 1}}, lambda v, x: v["m"].__setitem__("x", x), lambda v: v["m"]["x"]),
}


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("held", [False, True])
def test_u1_u3_what_is_put_in_later_is_followed(hole: str, held: bool) -> None:
    start, put, part = HOLES[hole]
    with Versioned() as state:
        state["v"] = copy.deepcopy(start)  # nobody else holds it
        state.commit()
        late: dict[str, Any] = {"y": 1}
        put(state["v"], late)
        own = late if held else None
        del late
        state.commit()
        (part(state["v"]) if own is None else own)["y"] = 2
        state.commit()
        assert part(kept(state)["v"]) == {"y": 2}
        (part(state["v"]) if own is None else own)["z"] = [3]
        state.commit()
        part(state["v"])["z"].append(4)
        state.commit()
        assert part(kept(state)["v"]) == {"y": 2, "z": [3, 4]}
        assert state.pending() == []
