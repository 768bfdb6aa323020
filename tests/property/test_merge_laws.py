"""Goal: merging keeps its laws, whatever was done before. Method: branches part arbitrarily and merge in several ways.

The laws say nothing of how a merge works, and hold for the oracle too: an oracle that broke one would agree with an
engine that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Conflict, MergeConflict
from holdfast.testing import FakeClock, SeededIds
from holdfast.testing.schemas import USERS
from holdfast.versions.edits import Delete, Edit, Put, Update
from tests.property.histories import commit_what_can_be, commits, edits, merges, parted, runs, values
from tests.property.stores import STORES

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("store", sorted(STORES))]


@runs
@given(past=edits, a=commits, b=commits)
def test_merging_again_writes_nothing(store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]]) -> None:
    with parted(store, past, a=a, b=b) as versions:
        if merges(versions, "a", "b", "ours"):
            head = versions.head("b")
            assert versions.merge("a", "b").changed is False
            assert versions.head("b") == head


@runs
@given(past=edits, a=commits, b=commits, policy=st.sampled_from(["fail", "ours", "theirs"]))
def test_a_merge_leaves_its_source_and_the_past_alone(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]], policy: str
) -> None:
    with parted(store, past, a=a, b=b) as versions:
        before = {ref: versions.snapshot(ref) for ref in ("main", "a", versions.head("b"))}
        heads = versions.head("main"), versions.head("a")
        merged = merges(versions, "a", "b", policy)
        assert {ref: versions.snapshot(ref) for ref in before} == before
        assert (versions.head("main"), versions.head("a")) == heads
        assert merged or values(versions, "b") == values(versions, next(ref for ref in before if len(ref) == 64))


@runs
@given(past=edits, a=commits, b=commits)
def test_a_clean_merge_is_the_same_from_both_sides(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]]
) -> None:
    with parted(store, past, a=a, b=b) as versions:
        old_a, old_b = versions.head("a"), versions.head("b")
        one, other = merges(versions, old_b, "a"), merges(versions, old_a, "b")
        assert one == other
        if one:
            assert versions.snapshot("a") == versions.snapshot("b")
            assert merges(versions, "a", "b"), "what is equal merges"
            assert versions.snapshot("a") == versions.snapshot("b")


@runs
@given(past=edits, a=commits, b=commits)
def test_conflicts_are_the_same_from_both_sides_with_their_sides_exchanged(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]]
) -> None:
    def found(into: str, source: str) -> list[Conflict]:
        try:
            versions.merge(source, into)
        except MergeConflict as error:
            return [conflict for conflict in error.conflicts if not conflict.constraint]
        versions.reset(into, old[into])
        return []

    with parted(store, past, a=a, b=b) as versions:
        old = {name: versions.head(name) for name in ("a", "b")}
        forwards = {(c.table, c.key, c.column, repr((c.base, c.ours, c.theirs))) for c in found("a", "b")}
        backwards = {(c.table, c.key, c.column, repr((c.base, c.theirs, c.ours))) for c in found("b", "a")}
        assert forwards == backwards


@runs
@given(past=edits, a=commits, b=commits)
def test_ours_of_one_is_theirs_of_the_other(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]]
) -> None:
    with parted(store, past, a=a, b=b) as versions:
        old_a, old_b = versions.head("a"), versions.head("b")
        if merges(versions, old_b, "a", "ours") and merges(versions, old_a, "b", "theirs"):
            assert values(versions, "a") == values(versions, "b")


@runs
@given(past=edits, a=commits, b=commits)
def test_what_neither_touched_stays_and_what_one_touched_is_as_that_one_left_it(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]]
) -> None:
    with parted(store, past, a=a, b=b) as versions:
        shown = [versions.snapshot(ref) for ref in ("main", "a", "b")]
        if not merges(versions, "a", "b"):
            return
        merged = versions.snapshot("b")
        for table in ("steps", "users", "journal"):
            base, left, right = (snapshot[table] for snapshot in shown)
            for key in {*base, *left, *right, *merged[table]}:
                was, one, other = base.get(key), left.get(key), right.get(key)
                if len({repr(one), repr(other), repr(was)}) < 3:
                    assert merged[table].get(key) == (other if one in (was, other) else one)


@runs
@given(a=commits, b=commits, c=commits)
def test_disjoint_changes_merge_in_any_order(
    store: str, a: list[list[Edit]], b: list[list[Edit]], c: list[list[Edit]]
) -> None:
    apart = {
        name: [_moved(one, place) for one in history]
        for place, (name, history) in enumerate([("a", a), ("b", b), ("c", c)])
    }
    with parted(store, [], **apart) as versions:
        results = []
        for order in (("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")):
            into = versions.branch("-".join(order)) and "-".join(order)
            for source in order:
                assert merges(versions, source, into)
            results.append(values(versions, into))
        assert results[0] == results[1] == results[2]


def _moved(one: Sequence[Edit], place: int) -> list[Edit]:
    """Return edits whose keys and unique values are those of one branch alone."""
    moved: list[Edit] = []
    for edit in one:
        if isinstance(edit, Delete):
            key = (edit.key[0] + 10 * place,) if edit.table == "users" else (f"{edit.key[0]}-{place}", *edit.key[1:])
            moved.append(Delete(edit.table, key))
        else:
            values_ = dict(edit.values)
            if edit.table == "users":
                values_["id"] += 10 * place  # type: ignore[operator]
                values_["email"] = values_["email"] and f"{values_['email']}-{place}"
            elif edit.table == "steps":
                values_["run_id"] = f"{values_['run_id']}-{place}"
            moved.append(Put(edit.table, values_))
    return moved


@runs
@given(past=edits, a=commits, b=commits, policy=st.sampled_from(["ours", "theirs"]))
def test_a_decision_reaches_everyone_who_merges_it(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]], policy: str
) -> None:
    """After a merge was decided, those who merge the result, from either side's past, see just that, without asking."""
    with parted(store, past, a=a, b=b) as versions:
        versions.branch("was-a", "a")
        versions.branch("was-b", "b")
        if not merges(versions, "a", "b", policy):
            return
        for branch in ("was-a", "was-b", "main"):
            assert merges(versions, "b", branch)
            assert versions.snapshot(branch) == versions.snapshot("b")
        assert merges(versions, "was-a", "b")
        assert versions.snapshot("b") == versions.snapshot("was-b")


@runs
@given(past=edits, a=commits, b=commits, more=edits)
def test_criss_cross_of_clean_merges_takes_what_came_after(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]], more: list[Edit]
) -> None:
    with parted(store, past, a=a, b=b) as versions:
        old_a, old_b = versions.head("a"), versions.head("b")
        if not (merges(versions, old_b, "a") and merges(versions, old_a, "b")):
            return
        commit_what_can_be(versions, "a", more)
        assert merges(versions, "a", "b"), "only one side went on"
        assert versions.snapshot("b") == versions.snapshot("a")


@runs
@given(past=edits, a=commits, b=commits, policy=st.sampled_from(["fail", "ours", "theirs"]))
def test_history_is_sound(store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]], policy: str) -> None:
    with parted(store, past, a=a, b=b) as versions:
        merges(versions, "a", "b", policy)
        merges(versions, "b", "main", policy)
        assert versions.verify() == [] if store == "oracle" else versions.verify()


def test_rows_that_changed_keys_are_kept_once(store: str) -> None:
    """Both sides hold equal rows, but a row that kept its key on one side has another on the other: it stays once.

    Which version stays follows from the lines' uids, so several are tried.
    """
    for seed in range(40):
        pair = STORES[store](FakeClock(), SeededIds(seed))
        versions = pair.first
        versions.create_table("main", USERS)
        versions.commit("main", [Put("users", {"id": 1, "age": 0})])
        for branch, at, edit in (
            ("t1", "main", Put("users", {"id": 1, "age": 9})),
            ("t2", "t1", Put("users", {"id": 3, "age": 9})),
            ("o1", "main", Update("users", (1,), {"id": 3, "age": 9})),
            ("o2", "o1", Put("users", {"id": 1, "age": 9})),
        ):
            versions.branch(branch, at)
            versions.commit(branch, [edit])
        expected = versions.snapshot("o2")
        versions.merge("t2", "o2")
        assert versions.snapshot("o2") == expected
        versions.branch("later", "o2")
        versions.commit("later", [Delete("users", (3,))])
        versions.commit("o2", [Put("users", {"id": 1, "age": 10})])
        assert merges(versions, "later", "o2"), "two different rows were changed"
        assert versions.snapshot("o2")["users"] == {(1,): (1, None, 10)}
        versions.verify()
        pair.close()
