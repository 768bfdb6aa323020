"""Goal: `Versioned` and `Live` are mappings with namespaces, and `Versioned` has a past.

Method: on each kind of store, do what the docstrings say and look at it through a second handle.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import ActionEvent, Live, Versioned, events, view
from holdfast.state.rows.storing import read_names
from holdfast.state.rows.tables import Name
from holdfast.state.working import held
from tests.integration.state_stores import Stores, state, stores
from tests.unit.state.states import kept

__all__ = ["state", "stores"]


class TestMapping:
    @pytest.mark.parametrize("kind", [Live, Versioned])
    def test_it_is_a_mutable_mapping(self, kind: type[Live | Versioned]) -> None:
        with kind() as state:
            assert isinstance(state, MutableMapping)
            state.update(b=2, a=1)
            assert sorted(state) == ["a", "b"]
            assert len(state) == 2
            assert state.setdefault("c", []) is state["c"]
            assert state.pop("a") == 1
            assert state.pop("a", None) is None
            assert "a" not in state
            odd: Any = 1
            assert odd not in state
            assert state.get("a", 7) == 7
            with pytest.raises(KeyError, match="a"):
                state["a"]
            with pytest.raises(KeyError, match="a"):
                del state["a"]
            state.clear()
            assert dict(state) == {}

    @pytest.mark.parametrize("kind", [Live, Versioned])
    @pytest.mark.parametrize("key", [1, None, b"a", ("a",), "a\0b", "hf:events", "\ud800"])
    def test_what_can_be_no_key_is_not_there(self, kind: type[Live | Versioned], key: Any) -> None:
        with kind() as state:
            assert key not in state
            assert state.get(key) is None
            assert state.get(key, 7) == 7
            for use in (lambda: state[key], lambda: state.pop(key), lambda: state.__delitem__(key)):
                with pytest.raises(holdfast.InvalidValue):
                    use()

    @pytest.mark.parametrize("kind", [Live, Versioned])
    @pytest.mark.parametrize("key", [1, None, b"a", ("a",), "a\0b", "hf:events", "\ud800"])
    def test_g9_a_key_that_can_be_none_is_refused(self, kind: type[Live | Versioned], key: Any) -> None:
        with kind() as state:
            with pytest.raises(holdfast.InvalidValue):
                state[key] = 1
            assert list(state) == []

    @pytest.mark.parametrize("kind", [Live, Versioned])
    @pytest.mark.parametrize("name", ["", "a/b", 1, "a\0", "\ud800"])
    def test_g9_a_namespace_that_can_be_none_is_refused(self, kind: type[Live | Versioned], name: Any) -> None:
        with kind() as state, pytest.raises(holdfast.InvalidValue):
            state.namespace(name)

    @pytest.mark.parametrize("kind", [Live, Versioned])
    def test_a_key_that_looks_like_one_of_a_namespace_is_refused(self, kind: type[Live | Versioned]) -> None:
        with kind() as state:
            with pytest.raises(holdfast.InvalidValue, match=r"'a/b/c'.*use namespace\(…\)"):
                state["a/b/c"] = 1
            with pytest.raises(holdfast.InvalidValue, match=r"use namespace\(…\)"):
                state["/"] = 1
            assert "a/b" not in state
            assert state.get("a/b", 7) == 7
            with pytest.raises(KeyError):
                state["a/b"]
            assert list(state) == []

    @pytest.mark.parametrize("kind", [Live, Versioned])
    def test_namespaces_nest_and_do_not_see_each_other(self, kind: type[Live | Versioned]) -> None:
        with kind() as state:
            state["x"] = 0
            a, b = state.namespace("a"), state.namespace("b")
            a["x"], b["x"], a.namespace("b")["x"] = 1, 2, 3
            state.namespace("ab")["x"] = 4
            assert (dict(state), dict(a), dict(b)) == ({"x": 0}, {"x": 1}, {"x": 2})
            assert dict(state.namespace("a").namespace("b")) == {"x": 3}
            assert state.namespaces() == ["a", "ab", "b"]
            assert a.namespaces() == ["b"]
            assert state.all_values() == {"x": 0, "a/x": 1, "b/x": 2, "a/b/x": 3, "ab/x": 4}
            assert a.all_values() == {"a/x": 1, "a/b/x": 3}
            state.discard()

    @pytest.mark.parametrize("levels", [None, 400, 2_000])
    def test_g9_a_dict_that_is_too_deep_is_refused_by_its_path(self, state: Versioned, levels: int | None) -> None:
        deep: Any = {"list": [1]}
        if levels is None:
            deep["self"] = deep
        else:
            for _ in range(levels):
                deep = {"a": deep, "tags": {1}}
        state["deep"] = deep
        with pytest.raises(holdfast.NotStorable, match=r'state\["deep"\]'):
            state.commit()
        state.discard()

    def test_a_dict_that_is_deep_is_kept(self, state: Versioned) -> None:
        deep: Any = {"list": [1]}
        for _ in range(200):
            deep = {"a": deep}
        state["deep"] = deep
        state.commit()
        while "a" in deep:
            deep = deep["a"]
        deep["list"].append(2)
        state.commit()
        assert str(kept(state)["deep"]).strip("{}'a: ") == "list': [1, 2]"

    def test_u2_none_and_deletion_shadow_what_is_committed(self, state: Versioned) -> None:
        state["x"] = 1
        state.commit()
        state["x"] = None
        assert state["x"] is None
        assert state.commit() == state.head
        assert kept(state) == {"x": None}
        state["x"] = 2
        del state["x"]
        assert "x" not in state
        assert list(state) == []
        state.commit()
        assert kept(state) == {}
        state["x"] = 3
        del state["x"]
        assert state.pending() == []
        assert "x" not in state

    def test_whether_a_key_is_there_is_asked_without_its_value(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = stores.open()
        state["long"] = [{"n": n} for n in range(10)]
        state["text"] = "x"
        state.commit()
        other = stores.open()

        def read(*_: object) -> None:
            raise AssertionError("the rows of a value were read")

        with monkeypatch.context() as patch:
            patch.setattr("holdfast.state.working.held.read_rows", read)
            assert "long" in other
            assert "none" not in other
            del other["long"]
            with pytest.raises(KeyError):
                del other["none"]
            assert other.pending() == ["long"]
        other.commit()
        assert kept(other) == {"text": "x"}

    @pytest.mark.parametrize("kind", [Live, Versioned])
    def test_all_is_taken_out_of_one_namespace(self, kind: type[Live | Versioned]) -> None:
        with kind() as state:
            inner = state.namespace("n")
            for part in (state, inner):
                part.update(a=1, b=2, c=3)
            state.commit()
            state["d"] = 4
            found = [state.popitem() for _ in range(2)]
            state["e"] = 5
            found += [state.popitem() for _ in range(3)]
            assert sorted(found) == [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)]
            with pytest.raises(KeyError, match="empty"):
                state.popitem()
            assert dict(inner) == {"a": 1, "b": 2, "c": 3}
            state["a"] = 1
            inner.clear()
            inner.clear()
            assert (dict(state), dict(inner)) == ({"a": 1}, {})
            state.discard()

    def test_taking_out_all_does_not_list_the_keys_for_each(
        self, state: Versioned, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state.update({str(n): n for n in range(20)})
        state.commit()
        listed: list[object] = []

        def counted(*given: Any) -> Iterator[Name]:
            listed.append(given)
            return read_names(*given)

        monkeypatch.setattr(held, "read_names", counted)
        state.clear()
        assert len(listed) == 1
        state.discard()
        assert sorted(state.popitem()[1] for _ in range(20)) == list(range(20))
        assert len(listed) == 2

    def test_live_has_what_versioned_has_and_says_what_it_does_not_do(self) -> None:
        inner = {"on", "over", "join", "joined", "transaction_ended"}
        public = {name for name in dir(Versioned) if not name.startswith("_")} - inner
        assert public <= set(dir(Live))
        live: Any = Live()
        with live:
            live["file"] = unstorable = threading.Lock()
            assert live["file"] is unstorable
            assert live.commit("nothing") is None
            assert (live.head, live.history(), live.pending(), live.refresh()) == (None, [], [], None)
            live.discard()
            assert live["file"] is unstorable
            for method in (live.checkout, live.diff, live.branch, live.merge, live.revert_to):
                with pytest.raises(holdfast.Unsupported, match=r"use Versioned\(\)"):
                    method("main")


class TestPast:
    def test_commits_checkouts_and_history(self, stores: Stores) -> None:
        state = stores.open()
        empty = state.head
        state["plan"] = ["a"]
        first = state.commit("one", {"cost": 1})
        state["plan"].append("b")
        second = state.commit("two")
        assert [(commit.hash, commit.message) for commit in state.history(2)] == [(second, "two"), (first, "one")]
        assert state.history(2)[1].metadata == {"cost": 1}
        assert [dict(state.checkout(ref)) for ref in (empty, first, second[:12])] == [
            {}, {"plan": ["a"]}, {"plan": ["a", "b"]},
        ]  # fmt: skip
        other = stores.open()
        assert (other.head, dict(other)) == (second, {"plan": ["a", "b"]})
        assert other.checkout(state.history()[1])["plan"] == ["a"]

    def test_d4_opening_writes_nothing(self, stores: Stores) -> None:
        state = stores.open()
        state["x"] = 1
        head = state.commit()
        assert [stores.open().head for _ in range(3)] == [head] * 3
        assert len(state.history()) == len(stores.open().history())

    def test_c10_a_checkout_is_read_only_at_any_depth(self, state: Versioned) -> None:
        state["plan"] = {"steps": [{"done": False}], "tags": {"a"}, "calls": holdfast.Counter()}
        past = state.checkout(state.commit())
        inside = past["plan"]["steps"]
        for change in (
            lambda: past.update(plan=1), lambda: past.pop("plan"), past.commit, lambda: past.revert_to(past.head),
            lambda: past.merge("main"), lambda: past.log("noted"), lambda: inside.append(1),
            lambda: inside[0].update(done=True), lambda: past["plan"]["tags"].add("b"),
            lambda: past["plan"]["calls"].add(1), lambda: past.namespace("a").update(x=1),
        ):  # fmt: skip
            with pytest.raises(holdfast.ReadOnly):
                change()
        assert past["plan"] == {"steps": [{"done": False}], "tags": {"a"}, "calls": 0}
        assert past.read_only
        past.close()

    @pytest.mark.parametrize("limit", ["x", -1, 1.5, True])
    def test_g9_a_limit_of_history_is_a_number(self, state: Versioned, limit: Any) -> None:
        with pytest.raises(holdfast.InvalidValue, match=repr(limit)):
            state.history(limit)

    @pytest.mark.parametrize("pending", [False, True])
    def test_g9_what_a_commit_is_given_is_checked_whether_or_not_it_writes(
        self, state: Versioned, pending: bool
    ) -> None:
        if pending:
            state["x"] = 1
        wrongs: list[tuple[Any, ...]] = [(5,), (None,), ("a\0",), ("", object()), ("", {"x": {1}})]
        for wrong in wrongs:
            with pytest.raises(holdfast.InvalidValue):
                state.commit(*wrong)
        assert state.pending() == ["x"][: int(pending)]
        assert len(state.history()) == 1

    @pytest.mark.parametrize("ref", [5, None, object()])
    def test_g9_what_can_be_no_ref_is_refused(self, state: Versioned, ref: Any) -> None:
        for call in (state.checkout, state.revert_to, state.diff, state.merge):
            with pytest.raises(holdfast.InvalidValue):
                call(ref)

    def test_unknown_refs_are_named(self, state: Versioned) -> None:
        for call in (state.checkout, state.diff, state.revert_to, state.merge, lambda ref: state.branch("b", at=ref)):
            with pytest.raises(holdfast.NotFound, match="0000000"):
                call("0000000")
        with pytest.raises(holdfast.NotFound):
            state.branch("b", create=False)

    def test_b7_a_removal_is_a_commit_and_a_diff_shows_all_three(self, state: Versioned) -> None:
        state.update(a=1, b=[1], c={"x": 1})
        state.namespace("n")["k"] = 1
        first = state.commit()
        state["b"].append(2)
        del state["c"]
        state["d"] = None
        state.namespace("n")["k"] = 2
        second = state.commit()
        found = state.diff(first)
        assert (found.added, found.removed) == ({"d": None}, {"c": {"x": 1}})
        assert found.modified == {"b": ([1], [1, 2]), "n/k": (1, 2)}
        assert state.diff(second, first).added == {"c": {"x": 1}}
        assert state.namespace("n").diff(first).modified == {"n/k": (1, 2)}
        assert not state.diff(second)
        assert "- c = {'x': 1}" in str(found)
        del state["a"]
        third = state.commit()
        assert third != second
        assert state.diff(second, third).removed == {"a": 1}

    def test_discard_and_revert_to(self, state: Versioned) -> None:
        state["x"] = [1]
        first = state.commit()
        own = state["x"]
        own.append(2)
        state.discard()
        own.append(3)
        assert state["x"] == [1]
        assert state.pending() == []
        state["x"].append(9)
        state["y"] = 1
        state.commit()
        reverted = state.revert_to(first)
        assert dict(state) == kept(state) == {"x": [1]}
        assert state.history(1)[0].hash == reverted
        assert state.revert_to(first) == reverted

    def test_a_branch_costs_nothing_and_leaves_its_parent(self, state: Versioned) -> None:
        state["x"] = [1]
        state.commit()
        state["pending"] = 1
        with state.branch("b") as b:
            assert dict(b) == {"x": [1]}
            b["x"].append(2)
            b.commit()
            assert (state["x"], b["x"]) == ([1], [1, 2])
        with state.branch("b", create=False) as again:
            assert again["x"] == [1, 2]
        with pytest.raises(holdfast.AlreadyExists):
            state.branch("b")
        assert state.pending() == ["pending"]


class TestLog:
    def test_b8_events_carry_the_commit_before_and_their_own(self, state: Versioned) -> None:
        before = state.head
        data = {"tool": "search"}
        state.log("action", data, step="1", usage={"tokens": 3})
        data["tool"] = "changed later"
        state.namespace("sub").log("note")
        assert [event.commit_hash for event in events(state)] == [None, None]
        state["x"] = 1
        head = state.commit()
        action, note = events(state)
        assert isinstance(action, ActionEvent)
        assert not isinstance(note, ActionEvent)
        assert (action.before, action.commit_hash, action.data) == (before, head, {"tool": "search"})
        assert (action.step, action.usage, note.run_id) == ("1", {"tokens": 3}, "sub")
        assert [event.kind for event in events(state.namespace("sub"))] == ["note"]
        assert state.checkout(action.commit_hash)["x"] == 1
        assert "x" not in state.checkout(action.before)
        assert events(state.checkout(before)) == []

    def test_g9_an_event_that_cannot_be_stored_is_refused_at_once(self, state: Versioned) -> None:
        with pytest.raises(holdfast.NotStorable, match=r'the event .*"bad"'):
            state.log("noted", {"bad": threading.Lock()})
        with pytest.raises(holdfast.InvalidValue):
            state.log("")
        wrong: Any = 5
        with pytest.raises(holdfast.InvalidValue, match="5"):
            state.log("noted", step=wrong)
        assert events(state) == []

    def test_only_an_event_is_a_commit_and_survives_a_revert(self, stores: Stores) -> None:
        state = stores.open()
        first = state.head
        state.log("noted", {"large": "x" * 100_000})
        second = state.commit()
        assert second != first
        state.revert_to(first)
        assert [len(event.data["large"]) for event in events(stores.open())] == [100_000]
        assert dict(state) == {}

    @pytest.mark.parametrize("how", ["picked", "squashed"])
    def test_an_event_outlives_its_commit(self, tmp_path: Path, how: str) -> None:
        with holdfast.connect(tmp_path / "s.db") as db, db.state.branch("other") as other:
            other.log("noted", 1)
            head = other.commit()
            for n in range(3):
                other["n"] = n
                other.commit()
            if how == "picked":
                db.cherry_pick(head)
                db.delete_branch("other")
                db.gc()
                kept = db.state
                kept.refresh()
            else:
                db.gc(keep_last=1)
                kept = other
            (event,) = events(kept)
            assert (event.kind, event.data) == ("noted", 1)


class TestView:
    def test_it_shows_what_is_new_or_everything_and_cuts(self, state: Versioned) -> None:
        state.update(a=1, b="x" * 500)
        state.namespace("n")["k"] = [1]
        state.commit()
        state["c"] = 3
        assert view(state) == "c = 3"
        state.commit()
        assert view(state) == "c = 3"
        full = view(state, focus="full", max_chars=200)
        assert len(full) <= 200
        assert "a = 1\n" in full
        assert "n/k = [1]" in full
        assert " … " in full
        del state["a"]
        assert view(state) == "a was removed"
        assert len(view(state, focus="full", max_chars=40)) <= 40
        wrongs: list[dict[str, Any]] = [{"focus": "all"}, {"max_chars": 3}]
        for wrong in wrongs:
            with pytest.raises(holdfast.InvalidValue):
                view(state, **wrong)

    def test_what_is_recent_is_all_that_is_read(self, stores: Stores) -> None:
        state = stores.open()
        state["long"] = list(range(10))
        state.commit()
        state.namespace("n")["k"] = [1]
        state.commit()
        other = stores.open()
        assert view(other) == "n/k = [1]"
        assert view(other.namespace("n")) == "n/k = [1]"
        del other.namespace("n")["k"]
        other["new"] = 1
        assert view(other) == "new = 1\nn/k was removed"
        assert {name.key for name in other._copy._values} == {"new"}
        assert view(other, focus="full").startswith("long = [0, 1")

    @pytest.mark.parametrize("kind", [Live, Versioned])
    def test_some_values_are_asked_for_by_name(self, kind: type[Live | Versioned]) -> None:
        with kind() as state:
            state.update(a=1, b=2)
            state.namespace("n")["a"] = 3
            assert state.all_values(["n/a", "b", "none"]) == {"b": 2, "n/a": 3}
            assert state.namespace("n").all_values(["n/a", "b"]) == {"n/a": 3}
            state.discard()
