"""Goal: what others committed is taken over in place, and what the user holds stays what it was.

Method: two handles on one branch; one holds references into a value, the other changes it, then the first goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import holdfast
from holdfast import Memory, Versioned
from tests.unit.state.states import kept, settled

Two = Callable[[Callable[[], dict[str, Any]]], tuple[Versioned, Versioned]]


@pytest.fixture
def two() -> Iterator[Two]:
    """Return what opens two handles on a branch with values that nobody else holds."""
    with ExitStack() as stack:

        def opened(make: Callable[[], dict[str, Any]]) -> tuple[Versioned, Versioned]:
            memory = Memory()
            first = stack.enter_context(Versioned(memory))
            first.update(make())
            first.commit()
            return first, stack.enter_context(Versioned(memory))

        yield opened


def test_u1_a_reference_to_an_item_stays_with_the_item(two: Two) -> None:
    """By its place it would have become its neighbour, and a change of it would have hit that."""
    a, b = two(lambda: {"list": [{"n": 0}, {"n": 1}, {"n": 2}]})
    item, whole = a["list"][1], a["list"]
    b["list"].pop(0)
    b["list"][0]["theirs"] = True
    b.commit()
    a.refresh()
    assert a["list"] is whole
    assert a["list"][0] is item
    item["mine"] = True
    a.commit()
    assert kept(a) == {"list": [{"n": 1, "theirs": True, "mine": True}, {"n": 2}]}


def test_u1_a_reference_deep_in_an_item_stays_with_it(two: Two) -> None:
    a, b = two(lambda: {"list": [{"deep": [[1], [2], [3]]}]})
    inner = a["list"][0]["deep"][1]
    del b["list"][0]["deep"][0]
    b.commit()
    a.refresh()
    inner.append("mine")
    a.commit()
    assert kept(a) == {"list": [{"deep": [[2, "mine"], [3]]}]}


def test_u1_a_plain_object_that_is_held_is_compared_again(two: Two) -> None:
    a, b = two(lambda: {"list": [{"n": 0}], "map": {"x": [1]}})
    own: dict[str, Any] = {"n": 1}
    nested: dict[str, Any] = {"y": {"z": 1}}
    a["list"].append(own)
    a["map"]["nested"] = nested
    a.commit()
    b.refresh()
    b["list"][1]["theirs"] = 1
    b["map"]["nested"]["y"]["theirs"] = 1
    b.commit()
    a.refresh()
    assert a["list"][1] is own
    own["mine"] = 2
    nested["y"]["mine"] = 2
    assert a.pending() == ["list", "map"]
    a.commit()
    assert kept(a)["list"] == [{"n": 0}, {"n": 1, "theirs": 1, "mine": 2}]
    assert kept(a)["map"]["nested"] == {"y": {"z": 1, "theirs": 1, "mine": 2}}
    assert settled(a)


def test_an_object_in_two_places_stands_in_for_one(two: Two) -> None:
    """It would have shown in both places what one of them is, and nothing was pending."""
    a, b = two(dict)
    twice = {"n": 0}
    a["list"] = [twice, twice]
    a.commit()
    b.refresh()
    b["list"][0]["n"] = 5
    b.commit()
    a.refresh()
    assert a["list"] == kept(a)["list"] == [{"n": 5}, {"n": 0}]
    assert settled(a)


def test_c9_what_is_pending_survives_a_refresh_and_is_merged(two: Two) -> None:
    a, b = two(lambda: {"list": [1], "map": {"x": 1}, "set": {1}, "gone": 1, "mine": 1})
    own = a["list"]
    own.append("mine")
    a["map"]["mine"] = 1
    a["set"].add("mine")
    del a["mine"]
    b["list"].append("theirs")
    b["map"]["theirs"] = 1
    b["set"].add("theirs")
    del b["gone"]
    b.commit()
    a.refresh()
    assert own is a["list"]
    assert own == [1, "theirs", "mine"]
    assert a.pending() == ["list", "map", "mine", "set"]
    own.append("later")
    a.commit()
    assert kept(a) == {
        "list": [1, "theirs", "mine", "later"],
        "map": {"x": 1, "theirs": 1, "mine": 1},
        "set": {1, "mine", "theirs"},
    }
    assert settled(a)


@pytest.mark.parametrize("removes", [True, False])
def test_what_both_did_otherwise_is_refused_and_stays_pending(two: Two, removes: bool) -> None:
    a, b = two(lambda: {"x": [1], "y": 1})
    a["y"] = "mine"
    a["other"] = 1
    if removes:
        del b["y"]
    else:
        b["y"] = "theirs"
    head = b.commit()
    for act in (a.refresh, a.commit):
        with pytest.raises(Exception, match=r'others changed state\["y"\] too') as raised:
            act()
        assert type(raised.value).__name__ == "BranchMoved"
        assert a.pending() == ["other", "y"]
        assert a["y"] == "mine"
    a.discard()
    assert a.refresh() == head
    assert a.get("y") == (None if removes else "theirs")


def test_the_same_done_by_both_is_nothing(two: Two) -> None:
    a, b = two(lambda: {"x": 1, "gone": 1})
    for state in (a, b):
        state["x"] = 2
        del state["gone"]
    head = b.commit()
    assert a.commit() == head
    assert kept(a) == {"x": 2}


def test_b1_what_was_removed_here_and_changed_there_is_refused(two: Two) -> None:
    a, b = two(lambda: {"x": [1], "y": 1})
    del a["x"]
    b["x"].append(2)
    b["y"] = 2
    b.commit()
    with pytest.raises(holdfast.BranchMoved, match=r'state\["x"\]'):
        a.commit()
    assert "x" not in a
    assert a.pending() == ["x"]
    a.discard()
    a.refresh()
    assert dict(a) == {"x": [1, 2], "y": 2}


def test_u1_an_object_in_two_places_stays_with_its_row(two: Two) -> None:
    a, b = two(lambda: {"map": {"l": []}})
    twice = [1]
    a["map"]["one"] = twice
    a["map"]["two"] = twice
    a.commit()
    b.refresh()
    b["map"]["one"].append("theirs")
    b.commit()
    a.refresh()
    assert a["map"] == kept(a)["map"] == {"l": [], "one": [1, "theirs"], "two": [1]}
    assert settled(a)
