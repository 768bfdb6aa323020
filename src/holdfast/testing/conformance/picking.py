"""What one commit did, done again elsewhere or taken back."""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from typing import Any

from holdfast.errors import InvalidValue, MergeConflict, NotFound, ReadOnly, Unsupported
from holdfast.testing.conformance.stores import OpenStore, equal, filled, holds, raises, step, user, users
from holdfast.versions.edits import Delete, Put, Update


def _ages(versions: Any, ref: str) -> dict[object, object]:  # noqa: ANN401
    """Return the ages of users, by id."""
    return {key[0]: values[2] for key, values in users(versions, ref).items()}


def check_pick_copies_one_commit(open_store: OpenStore) -> None:
    """A pick brings what one commit did, neither what was before it nor what came after, as a commit of one parent."""
    with filled(open_store) as versions:
        versions.commit("main", [user(2, None, 2), user(3, None, 3)])
        versions.branch("a")
        versions.commit("a", [user(4, None, 4)])
        wanted = versions.commit("a", [user(2, None, 22), Delete("users", (3,)), user(5, None, 5)], "the one")
        versions.commit("a", [user(6, None, 6)])
        head = versions.head("main")
        picked = versions.cherry_pick(wanted, "main")
        equal((versions.head("main"), True, ()), (picked.commit, picked.changed, picked.conflicts), "the pick")
        equal({1: 30, 2: 22, 5: 5}, _ages(versions, "main"), "main")
        commit = versions.log("main")[0]
        equal((head,), tuple(commit.parents), "the parents")
        equal(f"cherry-pick {wanted[:12]}: the one", commit.message, "the message")


def check_pick_of_what_is_there_writes_nothing(open_store: OpenStore) -> None:
    """Picking again, or what the branch has by any other way, makes no commit."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [user(1, "ann", 31), user(2, None, 2)])
        versions.commit("main", [user(1, "ann", 31), user(2, None, 2)])
        head = versions.head("main")
        for ref in ("a", head, "main", versions.log("main")[-1].hash, versions.log("main")[-2].hash):
            picked = versions.cherry_pick(ref, "main")
            equal((head, False), (picked.commit, picked.changed), f"picking {ref}")
        versions.branch("b", versions.log("main")[1].hash)
        holds(versions.cherry_pick("a", "b").changed, "the first pick")
        holds(not versions.cherry_pick("a", "b").changed, "the second")
        holds(not versions.cherry_pick("main", "b").changed, "the same by another commit")


def check_picked_rows_are_merged_once(open_store: OpenStore) -> None:
    """Rows that came by a pick and by a merge are one row each, with or without a key, and stay so when they change."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [user(2, None, 2), Put("journal", {"line": "x"}), user(1, None, 31)])
        versions.cherry_pick("a", "main")
        equal(versions.snapshot("a"), versions.snapshot("main"), "main, after the pick")
        expected = versions.snapshot("a")
        for source, into in (("a", "main"), ("main", "a"), ("a", "main")):
            equal((), versions.merge(source, into).conflicts, "conflicts")
            equal(expected, versions.snapshot(into), into)
        versions.commit("a", [user(2, None, 3)])
        versions.merge("a", "main")
        equal({1: 31, 2: 3}, _ages(versions, "main"), "main")


def check_pick_meets_what_is_here(open_store: OpenStore) -> None:
    """Cells merge; what both changed is a conflict, for the policy, with the commit's parent as its base."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [Put("users", {"id": 1, "email": "anna"})])
        versions.commit("a", [Put("users", {"id": 1, "age": 32})])
        versions.commit("main", [Put("users", {"id": 1, "age": 31})])
        versions.cherry_pick(versions.log("a")[1].hash, "main")
        equal({(1,): (1, "anna", 31)}, users(versions, "main"), "cell by cell")
        head = versions.head("main")
        (conflict,) = raises(MergeConflict, lambda: versions.cherry_pick("a", "main")).conflicts
        equal((30, 31, 32), (conflict.base, conflict.ours, conflict.theirs), "base, ours and theirs")
        kept = versions.cherry_pick("a", "main", "ours")
        equal((head, False, 1), (kept.commit, kept.changed, len(kept.conflicts)), "ours is there already")
        holds(versions.cherry_pick("a", "main", {"users": {1: "theirs"}}, "why").changed, "theirs is written")
        equal(({1: 32}, "why"), (_ages(versions, "main"), versions.log("main")[0].message), "main")


def check_pick_follows_a_renamed_row(open_store: OpenStore) -> None:
    """A row that has another key here is the same row: updating it there is a conflict, and never makes it two."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("main", [Update("users", (1,), {"id": 7})])
        versions.commit("a", [user(1, "ann", 31)])
        keys = {conflict.key for conflict in raises(MergeConflict, lambda: versions.cherry_pick("a", "main")).conflicts}
        equal({(1,), (7,)}, keys, "the keys in conflict")
        for policy, ages in (("ours", {7: 30}), ("theirs", {1: 31})):
            versions.branch(policy)
            versions.cherry_pick("a", policy, policy)
            equal(ages, _ages(versions, policy), policy)


def check_picks_and_reverts_are_rehearsed(open_store: OpenStore) -> None:
    """Their dry runs write nothing, and tell what would change and what would be left."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [user(1, "ann", 31), user(2, None, 2)])
        versions.commit("main", [user(1, "ann", 32)])
        before = (versions.head("main"), versions.snapshot("main"))
        foretold = versions.cherry_pick("a", "main", dry_run=True)
        equal((False, 1, [(2,)]), _told(foretold), "a pick with a conflict")
        foretold = versions.cherry_pick("a", "main", "theirs", dry_run=True)
        equal((True, 0, [(1,), (2,)]), _told(foretold), "a pick that is resolved")
        foretold = versions.revert("main", "main", dry_run=True)
        equal((True, 0, [(1,)]), _told(foretold), "a revert")
        equal((before[0], True), (foretold.commit, foretold.dry_run), "the head")
        equal(before, (versions.head("main"), versions.snapshot("main")), "main")


def _told(foretold: Any) -> tuple[bool, int, list[object]]:  # noqa: ANN401
    return foretold.changed, len(foretold.left), [change.key for change in foretold.changes]


def check_revert_takes_back_one_commit(open_store: OpenStore) -> None:
    """A revert takes back inserts, updates and deletes of one commit, cell by cell, and leaves what came later."""
    with filled(open_store) as versions:
        versions.commit("main", [user(2, "bob", 2), user(3, None, 3)])
        mistake = versions.commit("main", [user(2, "bob", 22), Delete("users", (3,)), user(4, None, 4)], "oh")
        versions.commit("main", [user(2, "robert", 22), user(5, None, 5)])
        versions.revert(mistake, "main")
        equal({1: 30, 2: 2, 3: 3, 5: 5}, _ages(versions, "main"), "the ages")
        equal("robert", users(versions, "main")[(2,)][1], "a cell that was changed later")
        equal(f"revert {mistake[:12]}: oh", versions.log("main")[0].message, "the message")
        holds(not versions.revert(mistake, "main").changed, "it is taken back already")
        versions.revert("main", "main")
        equal({1: 30, 2: 22, 4: 4, 5: 5}, _ages(versions, "main"), "the revert reverted")


def check_revert_of_what_was_changed_again_is_asked_about(open_store: OpenStore) -> None:
    """What was changed again since is a conflict; theirs is what was before the commit."""
    with filled(open_store) as versions:
        mistake = versions.commit("main", [user(1, "ann", 31)])
        versions.commit("main", [user(1, "ann", 32)])
        (conflict,) = raises(MergeConflict, lambda: versions.revert(mistake, "main")).conflicts
        equal((31, 32, 30), (conflict.base, conflict.ours, conflict.theirs), "base, ours and theirs")
        versions.revert(mistake, "main", "theirs")
        equal({1: 30}, _ages(versions, "main"), "main")


def check_merges_are_reverted_and_picked_whole(open_store: OpenStore) -> None:
    """Of a merge all that it brought to its first parent goes, and comes; merging again does not bring it back."""
    with filled(open_store) as versions:
        versions.branch("clean")
        versions.branch("a")
        versions.commit("a", [user(2, None, 2), user(1, "ann", 31)])
        versions.commit("main", [step(2, "x", None)])
        merge = versions.merge("a", "main").commit
        versions.cherry_pick(merge, "clean")
        equal({1: 31, 2: 2}, _ages(versions, "clean"), "where it was picked")
        equal(1, len(versions.snapshot("clean")["steps"]), "the steps, which were not merged")
        versions.revert(merge, "main")
        equal(({1: 30}, 2), (_ages(versions, "main"), len(versions.snapshot("main")["steps"])), "where it was reverted")
        holds(not versions.merge("a", "main").changed, "what was merged and reverted stays so")
        versions.commit("a", [user(3, None, 3)])
        versions.merge("a", "main")
        equal({1: 30, 3: 3}, _ages(versions, "main"), "later changes come")


def check_reverts_reach_others(open_store: OpenStore) -> None:
    """A restored row is restored for whoever merges it, and a removed one removed."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("main", [Delete("users", (1,)), user(2, None, 2)])
        versions.merge("main", "a")
        versions.revert("main", "main")
        versions.merge("main", "a")
        equal({1: 30}, _ages(versions, "a"), "a")
        equal(versions.snapshot("main"), versions.snapshot("a"), "both")


def check_constraints_hold_through_picks(open_store: OpenStore) -> None:
    """A row that may not be beside one that is here is a conflict that names the constraint, whatever the policy."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [user(2, "bob", 2)])
        versions.commit("main", [user(3, "bob", 3)])
        before = (versions.head("main"), versions.snapshot("main"))
        for policy in ("fail", "ours", "theirs"):
            (conflict,) = raises(MergeConflict, lambda p=policy: versions.cherry_pick("a", "main", p)).conflicts  # type: ignore[misc]
            holds(conflict.constraint, "the constraint")
            equal((3, 2), (conflict.ours["id"], conflict.theirs["id"]), "ours was here")
        equal(before, (versions.head("main"), versions.snapshot("main")), "main")


def check_what_cannot_be_picked_is_refused(open_store: OpenStore) -> None:
    """Schema commits are not reverted; only branches are written; a policy that is none is refused."""
    with filled(open_store) as versions:
        old = versions.log("main")[-1].hash
        table = versions.log("main")[-2].hash
        for ref in (old, table):
            raises(Unsupported, lambda ref=ref: versions.revert(ref, "main"))  # type: ignore[misc]
        versions.tag("t", "main")
        for operation in (versions.cherry_pick, versions.revert):
            raises(ReadOnly, lambda operation=operation: operation("main", "t"))  # type: ignore[misc]
            raises(ReadOnly, lambda operation=operation: operation("main", old))  # type: ignore[misc]
            raises(NotFound, lambda operation=operation: operation("main", "nothing"))  # type: ignore[misc]
            raises(NotFound, lambda operation=operation: operation("nothing", "main"))  # type: ignore[misc]
            raises(InvalidValue, lambda operation=operation: operation("main", "main", "both"))  # type: ignore[misc]
