"""Goal: branches of state merge by the rules of each type, and tell what they cannot merge.

Method: let two branches do something to the same value, merge both ways, look at what came of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import holdfast
from holdfast import Conflict, Counter, MergeConflict, Versioned
from tests.integration.state_stores import Stores, state, stores
from tests.unit.state.states import kept, settled

__all__ = ["state", "stores"]

Act = Callable[[Versioned], object]

MERGES: dict[str, tuple[Any, Act, Act, Any]] = {
    "appends of both, theirs behind ours as one block": (
        ["base"], lambda s: s["v"].extend(["o1", "o2"]), lambda s: s["v"].extend(["t1", "t2"]),
        ["base", "o1", "o2", "t1", "t2"],
    ),
    "equal appends stay two": (
        ["base"], lambda s: s["v"].append("x"), lambda s: s["v"].append("x"), ["base", "x", "x"],
    ),
    "appends and a removal": ([1, 2, 3], lambda s: s["v"].append("o"), lambda s: s["v"].pop(0), [2, 3, "o"]),
    "an item changed and another": (
        [{"n": 1}, {"n": 2}], lambda s: s["v"][0].update(o=1), lambda s: s["v"][1].update(t=1),
        [{"n": 1, "o": 1}, {"n": 2, "t": 1}],
    ),
    "one item, other keys of it": ([{"n": 1}], lambda s: s["v"][0].update(o=1), lambda s: s["v"][0].update(t=1),
                                   [{"n": 1, "o": 1, "t": 1}]),
    "an order of one side": ([1, 2, 3], lambda s: s["v"].reverse(), lambda s: s["v"].append(4), None),
    "an item moved and removed": (["a", "b", "c"], lambda s: s["v"].append(s["v"].pop(0)), lambda s: s["v"].remove("a"),
                                  ["b", "c"]),
    "an item moved and changed": (["a", "b", "c"], lambda s: s["v"].append(s["v"].pop(0)),
                                  lambda s: s["v"].__setitem__(0, "t"), ["b", "c", "t"]),
    "sets unite": ({1, 2}, lambda s: s["v"].update({"o", 3}), lambda s: s["v"].symmetric_difference_update({1, 3}),
                   {2, 3, "o"}),
    "mappings key by key": (
        {"a": 1, "b": 1, "c": 1}, lambda s: s["v"].update(a=2, o=1), lambda s: (s["v"].pop("b"), s["v"].update(t=1)),
        {"a": 2, "c": 1, "o": 1, "t": 1},
    ),
    "nested mappings": (
        {"x": {"y": {"z": [1], "w": 1}}}, lambda s: s["v"]["x"]["y"]["z"].append("o"),
        lambda s: s["v"]["x"]["y"].update(w=2), {"x": {"y": {"z": [1, "o"], "w": 2}}},
    ),
    "a small mapping and one that got parts": (
        {"a": 1}, lambda s: s["v"].update(list=[1]), lambda s: s["v"].update(b=2), {"a": 1, "list": [1], "b": 2},
    ),
    "a large mapping": (
        {f"k{n}": "x" * 20 for n in range(300)}, lambda s: s["v"].update(k1="o"), lambda s: s["v"].update(k2="t"),
        {f"k{n}": "x" * 20 for n in range(300)} | {"k1": "o", "k2": "t"},
    ),
    "counters add": (Counter(5), lambda s: s["v"].add(1), lambda s: s["v"].add(1), 7),
    "counters inside": ({"n": Counter(), "l": [1]}, lambda s: s["v"]["n"].add(1), lambda s: s["v"]["n"].add(-3),
                        {"n": -2, "l": [1]}),
    "the same done by both": (1, lambda s: s.update(v=2), lambda s: s.update(v=2), 2),
}  # fmt: skip


@pytest.mark.parametrize("what", MERGES)
def test_c7_values_merge_by_the_rules_of_their_type(state: Versioned, what: str) -> None:
    base, mine, theirs, expected = MERGES[what]
    state["v"] = copy.deepcopy(base)
    state.commit()
    with state.branch("b") as other:
        theirs(other)
        mine(state)
        other.commit()
        state.commit()
        merge = state.merge(other)
        assert merge.changed
        assert merge.conflicts == ()
        found = kept(state)["v"]
        assert found == state["v"]
        if expected is None:
            assert sorted(found) == [1, 2, 3, 4]
            assert [item for item in found if item < 4] == [3, 2, 1]
        else:
            assert found == expected
        if isinstance(expected, dict):
            assert list(found) == list(expected)
        assert not state.merge("b").changed
        assert settled(state)
        other.merge("main")
        assert other["v"] == found


def test_c7_counters_add_once_in_criss_cross_merges(state: Versioned) -> None:
    state["n"] = Counter()
    state.commit()
    with state.branch("x") as x, state.branch("y") as y:
        x["n"] += 1
        y["n"] += 1
        first = x.commit(), y.commit()
        x.merge(first[1])
        y.merge(first[0])
        x["n"] += 1
        y["n"] += 1
        x.commit()
        y.commit()
        x.merge("y")
        y.merge("x")
        assert (x["n"], y["n"]) == (4, 4)
        state.merge("x")
        state.merge("y")
        assert state["n"] == kept(state)["n"] == 4


def test_b1_criss_cross_merges_know_what_each_side_removed_and_changed(state: Versioned) -> None:
    """With no commit that both came from, a removed item came back, and counters counted twice."""
    state["list"] = ["a", "b", "c", "d"]
    state["map"] = {"k1": [1], "k2": [2]}
    state["set"] = {1, 2, 3}
    state.commit()
    with state.branch("x") as x, state.branch("y") as y:
        x["list"].append("x")
        y["list"].append("y")
        first = x.commit(), y.commit()
        x.merge(first[1])
        y.merge(first[0], "theirs")
        x["list"].remove("b")
        y["list"][y["list"].index("c")] = "C"
        del x["map"]["k1"]
        y["map"]["k2"].append("y")
        x["set"].discard(1)
        y["set"].add(4)
        x.commit()
        y.commit()
        x.merge("y")
        assert sorted(x["list"]) == sorted(["a", "C", "d", "x", "y"])
        assert x["map"] == {"k2": [2, "y"]}
        assert x["set"] == {2, 3, 4}
        assert settled(x)
        y.merge("x")
        assert dict(y) == dict(x) == kept(x)


CONFLICTS: dict[str, tuple[Any, Act, Act, tuple[Any, ...], Any, Any, Any]] = {
    "a value": (1, lambda s: s.update(v=2), lambda s: s.update(v=3), (), 1, 2, 3),
    "a type": ([1], lambda s: s.update(v={"a": 1}), lambda s: s["v"].append(2), (), [1], {"a": 1}, [1, 2]),
    "deep in a mapping": (
        {"k": {"d": 1}, "l": [1]}, lambda s: s["v"]["k"].update(d=2), lambda s: s["v"]["k"].update(d=3),
        ("k", "d"), 1, 2, 3,
    ),
    "an item of a list": ([0, 1], lambda s: s["v"].__setitem__(1, "o"), lambda s: s["v"].__setitem__(1, "t"),
                          (1,), 1, "o", "t"),
    "removed and changed": ({"k": [1]}, lambda s: s["v"].pop("k"), lambda s: s["v"]["k"].append(2),
                            ("k",), [1], None, [1, 2]),
    "a key removed and changed": ([1], lambda s: s.pop("v"), lambda s: s["v"].append(2), (), [1], None, [1, 2]),
    "two orders of a list": ([1, 2, 3, 4], lambda s: s["v"].reverse(), lambda s: s["v"].sort(key=lambda n: n % 2),
                             (), [1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]),
    "a text": ("base " * 20_000, lambda s: s.update(v="o" + s["v"]), lambda s: s.update(v="t" + s["v"]),
               (), "base " * 20_000, "o" + "base " * 20_000, "t" + "base " * 20_000),
}  # fmt: skip


@pytest.mark.parametrize("what", CONFLICTS)
def test_b1_anything_else_conflicts_with_base_ours_and_theirs(state: Versioned, what: str) -> None:
    base, mine, theirs, path, was, ours, other_value = CONFLICTS[what]
    state["v"] = copy.deepcopy(base)
    state["more"] = 1
    state.commit()
    with state.branch("b") as other:
        mine(state)
        theirs(other)
        other["unrelated"] = 1
        other.commit()
        head = state.commit()
        shown = dict(state)
        with pytest.raises(MergeConflict, match="state") as raised:
            state.merge("b")
        (conflict,) = raised.value.conflicts
        assert conflict.key == ("", "v", *path)
        assert (conflict.base, conflict.ours, conflict.theirs) == (was, ours, other_value)
        assert (state.head, dict(state), state.pending()) == (head, shown, [])
        for policy, expected in (("ours", state.get("v")), ("theirs", other.get("v"))):
            with state.branch(f"by-{policy}") as tried:
                merge = tried.merge("b", policy)
                assert len(merge.conflicts) == 1
                assert kept(tried).get("v") == tried.get("v") == expected
                assert tried["unrelated"] == 1
                assert settled(tried)


class TestPolicies:
    @pytest.fixture
    def split(self, state: Versioned) -> Versioned:
        """Return a state whose keys all conflict with those of branch b."""
        names = ["plan", "cache_a", "cache_ab", "other"]
        state.update(dict.fromkeys(names, "base"))
        state.namespace("sub")["k"] = "base"
        state.commit()
        with state.branch("b") as other:
            for side, word in ((state, "ours"), (other, "theirs")):
                side.update(dict.fromkeys(names, word))
                side.namespace("sub")["k"] = word
                side.commit()
        return state

    def test_exact_goes_before_beginnings_and_longer_before_shorter(self, split: Versioned) -> None:
        policy: Any = {
            "plan": lambda conflict: f"{conflict.base} {conflict.ours} {conflict.theirs}",
            "cache_*": "theirs", "cache_a*": "ours", "cache_ab": "theirs", "sub/*": "theirs", ...: "ours",
        }  # fmt: skip
        merge = split.merge("b", policy)
        assert dict(split) == kept(split) == {
            "cache_a": "ours", "cache_ab": "theirs", "other": "ours", "plan": "base ours theirs",
        }  # fmt: skip
        assert split.namespace("sub")["k"] == "theirs"
        assert len(merge.conflicts) == 5

    def test_without_a_default_the_rest_fails_and_nothing_is_merged(self, split: Versioned) -> None:
        head = split.head
        with pytest.raises(MergeConflict) as raised:
            split.merge("b", {"plan": "ours", "cache_*": "ours"})
        assert [conflict.key for conflict in raised.value.conflicts] == [("", "other"), ("sub", "k")]
        assert split.head == head

    def test_b2_a_policy_that_fails_leaves_all_as_it_was(self, split: Versioned) -> None:
        head = split.head

        def broken(conflict: Conflict) -> object:
            raise ZeroDivisionError(conflict)

        with pytest.raises(ZeroDivisionError):
            split.merge("b", broken)
        with pytest.raises(holdfast.NotStorable, match=r'state\["cache_a"\]'):
            split.merge("b", lambda _: (n for n in ()))  # type: ignore[var-annotated]
        for wrong in ("mine", 3, {"plan": "mine"}, {3: "ours"}):
            with pytest.raises(holdfast.InvalidValue):
                split.merge("b", wrong)  # type: ignore[arg-type]
        assert (split.head, split.pending()) == (head, [])

    def test_a_policy_can_merge_by_itself(self, state: Versioned) -> None:
        state["v"] = {"tags": (1,)}
        state.commit()
        with state.branch("b") as other:
            state["v"], other["v"] = {"tags": (1, 2)}, {"tags": (1, 3)}
            state.commit()
            other.commit()
            state.merge("b", lambda conflict: tuple(sorted({*conflict.ours, *conflict.theirs})))
        assert kept(state) == {"v": {"tags": (1, 2, 3)}}


class TestSources:
    def test_a_checkout_is_merged_as_it_is(self, state: Versioned) -> None:
        """Its branch has gone on; the merge took all of that."""
        with state.branch("b") as other:
            other["x"] = 1
            other.commit()
            with other.checkout("b") as then:
                other["x"] = 2
                other.commit()
                state.merge(then)
        assert dict(state) == {"x": 1}

    def test_g9_a_state_of_another_store_is_refused(self, state: Versioned) -> None:
        with Versioned() as strange, state.branch("b") as b:
            strange["x"] = 1
            strange.commit()
            with strange.branch("b") as other:
                other["x"] = 2
                other.commit()
                with pytest.raises(holdfast.NotFound):
                    state.merge(other)
            b.close()
        assert dict(state) == {}

    def test_pending_changes_go_with_the_merge_or_stay(self, state: Versioned) -> None:
        state["list"] = [1]
        state.commit()
        with state.branch("b") as other:
            other["list"].append("theirs")
            other.commit()
        state["list"].append("mine")
        state["new"] = 1
        state.merge("b")
        assert state.pending() == ["list", "new"]
        assert state["list"] == [1, "theirs", "mine"]
        state.commit()
        assert kept(state) == {"list": [1, "theirs", "mine"], "new": 1}


def test_events_of_both_sides_are_kept(stores: Stores) -> None:
    state = stores.open()
    with state.branch("b") as other:
        for side, word in ((state, "ours"), (other, "theirs")):
            side.log(word)
            side.commit()
        state.merge("b")
    assert sorted(event.kind for event in state.events()) == ["ours", "theirs"]
    assert [event.seq for event in stores.open().events()] == [1, 2]
