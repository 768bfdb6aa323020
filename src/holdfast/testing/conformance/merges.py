"""What merges take, what they ask, and what outlives them."""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.schema import Key
from holdfast.core.types import Stored
from holdfast.errors import (
    Conflict,
    InvalidValue,
    MergeConflict,
)
from holdfast.testing.conformance.stores import (
    OpenStore,
    equal,
    filled,
    holds,
    opened_twice,
    part,
    raises,
    step,
    user,
    users,
)
from holdfast.versions.edits import Delete, Put


def check_merge_takes_what_one_side_did(open_store: OpenStore) -> None:
    """Inserts, updates and deletes of one side are taken; the source stays as it was; the merge has two parents."""
    with filled(open_store) as versions:
        versions.commit("main", [user(2, None, 2), user(3, None, 3)])
        versions.branch("a")
        versions.commit("a", [user(2, None, 22), Delete("users", (3,)), user(4, None, 4)])
        versions.commit("main", [user(5, None, 5)])
        source, into = versions.head("a"), versions.head("main")
        before = versions.snapshot("a")
        merged = versions.merge("a", "main")
        equal((True, ()), (merged.changed, merged.conflicts), "the merge")
        equal((source, before), (versions.head("a"), versions.snapshot("a")), "the source")
        equal((into, source), tuple(versions.log("main")[0].parents), "the parents, the branch's own first")
        ages = {key[0]: values[2] for key, values in users(versions, "main").items()}
        equal({1: 30, 2: 22, 4: 4, 5: 5}, ages, "main")


def check_merge_twice_is_once(open_store: OpenStore) -> None:
    """Merging what is seen already, the same head again or an ancestor, writes nothing."""
    with filled(open_store) as versions:
        old = versions.head("main")
        versions.branch("a")
        versions.commit("a", [user(2, None, 2)])
        head = versions.merge("a", "main").commit
        for source in ("a", old, head, versions.head("a")):
            merged = versions.merge(source, "main")
            equal((head, False), (merged.commit, merged.changed), f"merging {source} again")
        versions.branch("b", "a")
        holds(not versions.merge("b", "a").changed, "a branch without a commit of its own has nothing to merge")
        equal(head, versions.head("main"), "the head")


def check_cells_merge_by_column(open_store: OpenStore) -> None:
    """Two sides that changed different columns of a row are both right."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [Put("users", {"id": 1, "email": "anna"})])
        versions.commit("main", [Put("users", {"id": 1, "age": 31})])
        equal((), versions.merge("a", "main").conflicts, "conflicts")
        equal({(1,): (1, "anna", 31)}, users(versions, "main"), "the row")


def check_conflict_says_base_ours_theirs(open_store: OpenStore) -> None:
    """A cell that both changed is a conflict with its three values in Python form, and nothing is merged."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [step(1, "start", {"n": 2}), user(2, None, 2)])
        versions.commit("main", [step(1, "start", {"n": 3})])
        before = (versions.head("main"), versions.snapshot("main"))
        (conflict,) = raises(MergeConflict, lambda: versions.merge("a", "main")).conflicts
        equal(
            ("steps", ("r", 1), "state", None),
            (conflict.table, conflict.key, conflict.column, conflict.constraint),
            "it",
        )
        equal(({"n": 1}, {"n": 3}, {"n": 2}), (conflict.base, conflict.ours, conflict.theirs), "its values")
        equal(before, (versions.head("main"), versions.snapshot("main")), "main")


def check_update_against_delete_is_a_conflict(open_store: OpenStore) -> None:
    """A row that one side updated and the other deleted is a conflict of whole rows, either way round."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [Delete("users", (1,))])
        versions.commit("main", [user(1, "ann", 31)])
        row, was = ({"id": 1, "email": "ann", "age": age} for age in (31, 30))
        (conflict,) = raises(MergeConflict, lambda: versions.merge("a", "main")).conflicts
        equal((None, was, row, None), (conflict.column, conflict.base, conflict.ours, conflict.theirs), "into main")
        (conflict,) = raises(MergeConflict, lambda: versions.merge("main", "a")).conflicts
        equal((None, was, None, row), (conflict.column, conflict.base, conflict.ours, conflict.theirs), "into a")


def check_policies_resolve(open_store: OpenStore) -> None:
    """`ours` keeps the branch merged into, `theirs` the source; a function may answer anything, or leave it open."""
    answers: list[tuple[object, Mapping[Key, tuple[Stored, ...]]]] = [
        ("ours", {(1,): (1, "ann", 31)}),
        ("theirs", {(1,): (1, "ann", 32)}),
        (lambda conflict: conflict.ours + conflict.theirs, {(1,): (1, "ann", 63)}),
    ]
    for policy, expected in answers:
        with filled(open_store) as versions:
            part(versions, [user(1, "ann", 31)], [user(1, "ann", 32)])
            merged = versions.merge("a", "main", policy=policy)
            equal(["age"], [conflict.column for conflict in merged.conflicts], "what was resolved")
            equal(expected, users(versions, "main"), f"main, by {policy}")
    with filled(open_store) as versions:
        part(versions, [user(1, "ann", 31)], [user(1, "ann", 32)])
        raises(MergeConflict, lambda: versions.merge("a", "main", policy=lambda _: NotImplemented))
        raises(InvalidValue, lambda: versions.merge("a", "main", policy="both"))


def check_policies_by_table_and_key(open_store: OpenStore) -> None:
    """A dict decides by table and by key; `...` stands for the rest, which else stays a conflict."""
    mine, other = ([user(id_, None, age) for id_ in (1, 2, 3)] for age in (31, 32))
    with filled(open_store) as versions:
        versions.commit("main", [user(2, None, 2), user(3, None, 3)])
        part(versions, [*mine, step(1, "m", None)], [*other, step(1, "t", None)])
        for policy in ({"users": "ours"}, {"users": {1: "ours", (2,): "theirs"}, ...: "ours"}):
            raises(MergeConflict, lambda policy=policy: versions.merge("a", "main", policy=policy))  # type: ignore[misc]
        for wrong in ({"user": "ours"}, {"users": {(1, 2): "ours"}}, {"users": {1: "both"}}, {...: None}):
            raises(InvalidValue, lambda wrong=wrong: versions.merge("a", "main", policy=wrong))  # type: ignore[misc]
        by_key = {1: "theirs", (2,): lambda conflict: conflict.ours + conflict.theirs, ...: "ours"}
        versions.merge("a", "main", policy={"users": by_key, "steps": {("r", 1): "theirs"}})
        ages = {key: values[2] for key, values in users(versions, "main").items()}
        equal({(1,): 32, (2,): 63, (3,): 31}, ages, "the ages")
        equal("t", versions.snapshot("main")["steps"]["r", 1][2], "the note")


def check_dry_run_tells_and_writes_nothing(open_store: OpenStore) -> None:
    """A dry run tells what a merge would change, resolve and leave, broken constraints included; nothing changes."""
    with filled(open_store) as versions:
        part(versions, [user(1, "ann", 31), user(2, "bob", 1)], [user(1, "ann", 32), user(4, None, 4)])
        before = (versions.head("main"), versions.snapshot("main"))
        foretold = versions.merge("a", "main", dry_run=True)
        equal((before[0], False, True), (foretold.commit, foretold.changed, foretold.dry_run), "with a conflict left")
        equal([((1,), "age")], [(conflict.key, conflict.column) for conflict in foretold.left], "what is left")
        equal([(4,)], [change.key for change in foretold.changes], "what would change, ours where it is left")
        versions.commit("a", [user(3, "bob", 3)])
        (broken,) = versions.merge("a", "main", "theirs", dry_run=True).left
        holds(broken.constraint, "a constraint that only the merge breaks")
        versions.commit("a", [user(3, "eve", 3)])
        foretold = versions.merge("a", "main", "theirs", dry_run=True)
        equal((True, (), 1), (foretold.changed, foretold.left, len(foretold.conflicts)), "with all resolved")
        equal(before, (versions.head("main"), versions.snapshot("main")), "main, after dry runs")
        merged = versions.merge("a", "main", "theirs")
        equal(foretold.conflicts, merged.conflicts, "the conflicts")
        equal(list(foretold.changes), versions.diff(before[0], "main"), "the changes")
        holds(not versions.merge("a", "main", dry_run=True).changed, "nothing is left to merge")


def check_resolution_outlives_later_merges(open_store: OpenStore) -> None:
    """A resolved conflict leaves a mark: who merges the result sees the decision, the loser in sight or not."""
    for policy, age in (("ours", 31), ("theirs", 32)):
        with filled(open_store) as versions:
            part(versions, [user(1, "ann", 31)], [user(1, "ann", 32)])
            versions.branch("before", "main")
            versions.branch("loser", "a")
            versions.commit("loser", [step(2, "on", None)])
            versions.merge("a", "main", policy=policy)
            versions.merge("main", "before")
            versions.merge("main", "loser")
            versions.merge("loser", "main")
            for branch in ("main", "before", "loser"):
                equal({(1,): (1, "ann", age)}, users(versions, branch), f"{branch}, by {policy}")


def check_resolved_row_can_go_on(open_store: OpenStore) -> None:
    """After a conflict over a delete was resolved, the row is neither lost nor back in what merges the result."""
    for policy, there in (("ours", True), ("theirs", False)):
        with filled(open_store) as versions:
            part(versions, [user(1, "ann", 31)], [Delete("users", (1,))])
            versions.branch("b", "a")
            versions.merge("a", "main", policy=policy)
            versions.merge("main", "b")
            versions.merge("b", "main")
            for branch in ("main", "b"):
                equal(there, (1,) in users(versions, branch), f"the row on {branch}, by {policy}")


def check_equal_changes_agree(open_store: OpenStore) -> None:
    """Both sides having come to equal rows is no conflict: one row stays, and later changes of it merge cleanly."""
    with filled(open_store) as versions:
        part(versions, [user(1, "ann", 31), user(2, "bob", 2)], [user(1, "ann", 31), user(2, "bob", 2)])
        versions.branch("b", "a")
        equal((), versions.merge("a", "main").conflicts, "conflicts")
        expected = {(1,): (1, "ann", 31), (2,): (2, "bob", 2)}
        equal(expected, users(versions, "main"), "main")
        versions.merge("main", "b")
        versions.commit("main", [user(2, "bob", 3)])
        versions.merge("main", "b")
        equal({**expected, (2,): (2, "bob", 3)}, users(versions, "b"), "b, after another update and merge")


def check_deletes_of_both_sides_stay(open_store: OpenStore) -> None:
    """A row that both sides deleted is gone, and no later merge brings it back."""
    with filled(open_store) as versions:
        versions.branch("old")
        part(versions, [Delete("users", (1,))], [Delete("users", (1,))])
        versions.commit("old", [step(2, "late", None)])
        versions.merge("a", "main")
        versions.merge("old", "main")
        versions.merge("main", "old")
        for branch in ("main", "old"):
            equal({}, users(versions, branch), branch)


def check_criss_cross_is_asked_about(open_store: OpenStore) -> None:
    """Where two sides merged each other and decided differently, no base is guessed: a conflict with its candidates."""
    with filled(open_store) as versions:
        part(versions, [user(1, "ann", 31)], [user(1, "ann", 32)])
        x, y = versions.head("main"), versions.head("a")
        versions.merge(y, "main", policy="ours")
        versions.merge(x, "a", policy="ours")
        (conflict,) = raises(MergeConflict, lambda: versions.merge("a", "main")).conflicts
        equal((None, None), (conflict.column, conflict.base), "the column and the base")
        ages = {candidate["age"] for candidate in conflict.candidates}
        holds(ages <= {30, 31, 32} and len(ages) > 1, f"the candidates are the rows it may have been: {ages}")
        versions.merge("a", "main", policy="theirs")
        versions.merge("main", "a")
        for branch in ("main", "a"):
            equal({(1,): (1, "ann", 32)}, users(versions, branch), branch)


def check_criss_cross_that_agrees_is_clean(open_store: OpenStore) -> None:
    """Two sides that merged each other without conflict show the same and merge cleanly, also after they go on."""
    with filled(open_store) as versions:
        part(versions, [user(1, "ann", 31)], [step(1, "start", {"n": 2})])
        x, y = versions.head("main"), versions.head("a")
        versions.merge(y, "main")
        versions.merge(x, "a")
        equal(versions.snapshot("main"), versions.snapshot("a"), "what both show")
        versions.commit("main", [user(2, None, 2)])
        versions.commit("a", [user(1, "ann", 32)])
        versions.merge("a", "main")
        equal({(1,): (1, "ann", 32), (2,): (2, None, 2)}, users(versions, "main"), "main")


def check_criss_cross_has_no_known_base(open_store: OpenStore) -> None:
    """After two sides merged each other, changes of one row are asked about as a whole, even of different columns."""
    with filled(open_store) as versions:
        part(versions, [user(2, None, 2)], [step(2, "x", None)])
        x, y = versions.head("main"), versions.head("a")
        versions.merge(y, "main")
        versions.merge(x, "a")
        versions.commit("main", [Put("users", {"id": 2, "email": "bob"})])
        versions.commit("a", [Put("users", {"id": 2, "age": 3})])
        (conflict,) = raises(MergeConflict, lambda: versions.merge("a", "main")).conflicts
        equal((None, None), (conflict.column, conflict.base), "the column and the base")
        equal(({"id": 2, "email": None, "age": 2},), conflict.candidates, "the candidates")


def check_unique_is_rechecked_by_merges(open_store: OpenStore) -> None:
    """Two rows that may not be together are a conflict that names the constraint, which no policy overrules."""
    with filled(open_store) as versions:
        part(versions, [user(2, "bob", 1), user(1, "ann", 31)], [user(3, "bob", 1), user(1, "ann", 32)])
        before = (versions.head("main"), versions.snapshot("main"))
        for policy in ("ours", "theirs", lambda conflict: conflict.ours):
            (conflict,) = raises(MergeConflict, lambda p=policy: versions.merge("a", "main", policy=p)).conflicts  # type: ignore[misc]
            equal(("users", True), (conflict.table, bool(conflict.constraint)), "the conflict")
            equal(before, (versions.head("main"), versions.snapshot("main")), "main")
        versions.commit("main", [user(2, "robert", 1)])
        versions.merge("a", "main", policy="ours")
        equal({1, 2, 3}, {key[0] for key in users(versions, "main")}, "main, once the cause is gone")


def check_commit_while_a_policy_thinks_is_kept(open_store: OpenStore) -> None:
    """A commit that lands on the branch while a merge asks its policy is neither lost nor overlooked."""
    with opened_twice(open_store) as (first, second):
        part(first, [user(1, "ann", 31)], [user(1, "ann", 32)])
        asked: list[Conflict] = []

        def policy(conflict: Conflict) -> object:
            if not asked:
                second.commit("main", [user(1, "ann", 41), user(2, None, 2)])
            asked.append(conflict)
            return conflict.ours

        first.merge("a", "main", policy=policy)
        for versions in (first, second):
            equal({(1,): (1, "ann", 41), (2,): (2, None, 2)}, users(versions, "main"), "main")
