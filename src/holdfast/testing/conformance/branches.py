"""What a branch sees, and what a commit does."""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from holdfast.errors import (
    AlreadyExists,
    ConstraintFailed,
    InvalidValue,
    NotFound,
)
from holdfast.testing.conformance.stores import (
    ANN,
    OpenStore,
    equal,
    filled,
    holds,
    opened,
    opened_twice,
    raises,
    step,
    user,
    users,
)
from holdfast.testing.schemas import TEXT, table
from holdfast.versions.edits import Delete, Put


def check_new_store_is_main_with_one_commit(open_store: OpenStore) -> None:
    """A new store has the branch `main` with a single commit that has no parent, and no table."""
    with opened(open_store) as versions:
        (commit,) = versions.log("main")
        equal(("store created", ()), (commit.message, commit.parents), "the first commit")
        equal(["main"], [branch.name for branch in versions.branches()], "the branches")
        equal({}, versions.snapshot("main"), "the tables")


def check_first_commit_can_be_gone_back_to(open_store: OpenStore) -> None:
    """A branch that stands at the very first commit shows the tables of today without rows, and can be committed to."""
    with filled(open_store) as versions:
        first = versions.log("main")[-1].hash
        versions.branch("a", first)
        equal({"steps": {}, "users": {}, "journal": {}}, versions.snapshot("a"), "the tables of a")
        versions.commit("a", [user(2, "bob", 20)])
        equal({(2,): (2, "bob", 20)}, users(versions, "a"), "a, after its commit")
        equal(ANN, users(versions, "main"), "main")


def check_branch_is_isolated(open_store: OpenStore) -> None:
    """What is committed on a branch is seen there, and nowhere else before it is merged."""
    with filled(open_store) as versions:
        equal(versions.head("main"), versions.branch("a"), "the head of a new branch")
        versions.commit("a", [user(1, "ann", 31), user(2, "bob", 20)])
        equal(ANN, users(versions, "main"), "main, after a commit on a")
        equal({(1,): (1, "ann", 31), (2,): (2, "bob", 20)}, users(versions, "a"), "a, after its commit")


def check_branch_keeps_its_past(open_store: OpenStore) -> None:
    """What is committed on the parent after a branch was made is not seen on the branch."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("main", [Delete("users", (1,)), user(2, "bob", 20)])
        equal(ANN, users(versions, "a"), "a, after a commit on main")


def check_branch_writes_no_commit(open_store: OpenStore) -> None:
    """A branch begins as its parent's commit: the same hash and log, at any depth of branches of branches."""
    with filled(open_store) as versions:
        head, log = versions.head("main"), [commit.hash for commit in versions.log("main")]
        name = "main"
        for depth in range(20):
            equal(head, versions.branch(f"b{depth}", name), f"the head of branch {depth}")
            name = f"b{depth}"
        equal(log, [commit.hash for commit in versions.log(name)], "the log of the deepest branch")
        equal(ANN, users(versions, name), "the deepest branch")


def check_long_lineages_are_seen_through(open_store: OpenStore) -> None:
    """A branch sees the rows of many lines: those it descends from and those it merged."""
    with filled(open_store) as versions:
        for number in range(2, 22):
            versions.branch(f"b{number}", f"b{number - 1}" if number > 2 else "main")
            versions.commit(f"b{number}", [user(number, None, number)])
            versions.branch(f"side{number}")
            versions.commit(f"side{number}", [step(number, "side", None)])
            versions.merge(f"side{number}", f"b{number}")
        shown = versions.snapshot("b21")
        equal(set(range(1, 22)), {key[0] for key in shown["users"]}, "the users of 20 lines")
        equal(set(range(1, 22)), {key[1] for key in shown["steps"]}, "the steps of 20 merges")


def check_deletes_are_hidden(open_store: OpenStore) -> None:
    """A deleted row is gone where it was deleted, stays elsewhere, and its key can be used again."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [Delete("users", (1,))])
        equal({}, users(versions, "a"), "a, after the delete")
        equal(ANN, users(versions, "main"), "main")
        versions.commit("a", [user(1, "eve", 1)])
        equal({(1,): (1, "eve", 1)}, users(versions, "a"), "a, with the key used again")


def check_time_travel(open_store: OpenStore) -> None:
    """A commit shows for ever what it showed when it was made, whatever comes after it."""
    with filled(open_store) as versions:
        expected = {versions.head("main"): versions.snapshot("main")}
        for edits in ([user(1, "ann", 31)], [user(2, "bob", 1)], [Delete("users", (1,))], [user(1, "z", 1)]):
            commit = versions.commit("main", edits)
            expected[commit] = versions.snapshot("main")
        versions.branch("a", next(iter(expected)))
        versions.commit("a", [step(9, "aside", None)])
        versions.merge("a", "main")
        for commit, snapshot in expected.items():
            equal(snapshot, versions.snapshot(commit), f"commit {commit[:12]}")


def check_schema_is_of_the_store(open_store: OpenStore) -> None:
    """A table made on one branch is there on all, empty; a commit from before shows only the tables of its time."""
    with filled(open_store) as versions:
        versions.branch("a")
        before = versions.head("main")
        versions.create_table("a", table("late", {"id": TEXT}, primary_key=("id",)))
        equal({}, versions.snapshot("main")["late"], "the new table on main")
        equal(before, versions.head("main"), "the head of main")
        holds("late" not in versions.snapshot(before), "a commit must not show a table that came after it")
        raises(AlreadyExists, lambda: versions.create_table("main", table("Late", {"id": TEXT})))
        versions.commit("main", [Put("late", {"id": "x"})])
        equal({("x",): ("x",)}, versions.snapshot("main")["late"], "a row of the new table")


def check_commit_is_atomic(open_store: OpenStore) -> None:
    """Of a commit that fails, at whichever edit, nothing is there."""
    with filled(open_store) as versions:
        before = (versions.head("main"), versions.snapshot("main"))
        good = user(2, "bob", 20)
        for error, bad in (
            (ConstraintFailed, user(3, "ann", 1)),
            (NotFound, Delete("users", (77,))),
            (NotFound, Put("nowhere", {"id": 1})),
            (NotFound, Put("users", {"id": 4, "shoe_size": 9})),
            (InvalidValue, step(2, "x", {"number": float("nan")})),
        ):
            raises(error, lambda bad=bad: versions.commit("main", [good, bad]))  # type: ignore[misc]
            equal(before, (versions.head("main"), versions.snapshot("main")), f"main, after {bad} failed")


def check_no_change_is_no_commit(open_store: OpenStore) -> None:
    """A commit without net change makes no commit: nothing at all, equal values, there and back, in and out."""
    with filled(open_store) as versions:
        head = versions.head("main")
        for edits in (
            [],
            [user(1, "ann", 30)],
            [user(1, "ann", 31), user(1, "ann", 30)],
            [user(2, "bob", 1), Delete("users", (2,))],
            [step(1, "start", {"n": 1})],
        ):
            equal(head, versions.commit("main", edits, "nothing"), f"the head after {edits}")


def check_put_updates_the_columns_it_names(open_store: OpenStore) -> None:
    """A Put of a key that exists changes the columns it names; in a new row the others are NULL."""
    with filled(open_store) as versions:
        versions.commit("main", [Put("users", {"id": 1, "age": 31}), Put("users", {"id": 2})])
        equal({(1,): (1, "ann", 31), (2,): (2, None, None)}, users(versions, "main"), "the users")


def check_values_have_one_form(open_store: OpenStore) -> None:
    """Equal values are stored alike, whichever way they are written."""
    with filled(open_store) as versions:
        head = versions.commit("main", [step(1, "start", {"b": [1, {"d": 2, "c": 3}], "a": None})])
        again = versions.commit("main", [step(1, "start", '{"a": null, "b": [1, {"c": 3, "d": 2}]}')])
        equal(head, again, "the head after the same JSON in another order")
        equal(("r", 1, "start", '{"a":null,"b":[1,{"c":3,"d":2}]}'), versions.snapshot("main")["steps"]["r", 1], "it")


def check_rows_without_key_stay_two(open_store: OpenStore) -> None:
    """In a table without primary key equal rows are two, each with its row id, and are deleted by it."""
    with filled(open_store) as versions:
        versions.branch("a")
        row = Put("journal", {"line": "hello", "size": 1})
        versions.commit("a", [row, row])
        versions.commit("main", [row])
        versions.merge("a", "main")
        keys = list(versions.snapshot("main")["journal"])
        equal(3, len(keys), "rows after the merge of two and one")
        versions.commit("main", [Delete("journal", keys[1])])
        equal({keys[0], keys[2]}, set(versions.snapshot("main")["journal"]), "the rows that are left")


def check_unique_is_as_seen_from_the_branch(open_store: OpenStore) -> None:
    """UNIQUE holds among the rows that a branch sees: values of other branches and of deleted rows are free."""
    with filled(open_store) as versions:
        versions.branch("a")
        versions.commit("a", [user(2, "bob", 1)])
        versions.commit("main", [user(3, "bob", 1)])
        raises(ConstraintFailed, lambda: versions.commit("main", [user(4, "bob", 1)]))
        versions.commit("main", [Delete("users", (3,)), user(4, "bob", 1), user(5, None, 1), user(6, None, 1)])
        equal({1, 4, 5, 6}, {key[0] for key in users(versions, "main")}, "the users of main")


def check_connections_see_each_other(open_store: OpenStore) -> None:
    """What one connection committed, created or merged, the next operation of another one sees."""
    with opened_twice(open_store) as (first, second):
        equal(ANN, users(second, "main"), "main, by the other connection")
        first.branch("a")
        second.commit("a", [user(2, "bob", 1)])
        equal(2, len(users(first, "a")), "users of a")
        holds(first.merge("a", "main").changed, "there was something to merge")
        equal(users(first, "main"), users(second, "main"), "main, by both connections")
        first.create_table("main", table("late", {"id": TEXT}, primary_key=("id",)))
        second.commit("main", [Put("late", {"id": "x"})])
        first.reset("main", "a")
        equal({}, second.snapshot("main")["late"], "the late table after the reset")
        second.delete_branch("a")
        raises(NotFound, lambda: first.head("a"))
