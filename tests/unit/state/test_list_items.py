"""Goal: items of lists are written once, whatever there is in them.

Method: items that hold both what tells its changes and what does not, changed in both.
"""

from __future__ import annotations

from typing import Any

from holdfast import Versioned
from tests.unit.state.states import kept, settled


def test_u3_an_item_with_what_tells_and_what_does_not_is_written_once() -> None:
    """It was drafted twice, and the commit failed with ConstraintFailed."""
    with Versioned() as state:
        state["list"] = [{"told": [1], "not": (1, [2])}, "x"]
        state.commit()
        state["list"][0]["told"].append(2)
        state.commit()
        assert kept(state)["list"][0] == {"told": [1, 2], "not": (1, [2])}
        state["list"][0]["told"].append(3)
        state["list"][0]["not"][1].append(4)
        state["list"].append("y")
        state.commit()
        assert kept(state)["list"] == [{"told": [1, 2, 3], "not": (1, [2, 4])}, "x", "y"]
        assert settled(state)


def test_u1_an_item_whose_part_is_held_is_written_once() -> None:
    held: dict[str, Any] = {"n": 1}
    with Versioned() as state:
        state["list"] = [{"told": [1]}]
        state.commit()
        state["list"][0]["held"] = held
        state.commit()
        state["list"][0]["told"].append(2)
        held["n"] = 2
        state.commit()
        assert kept(state)["list"] == [{"told": [1, 2], "held": {"n": 2}}]
        assert settled(state)
