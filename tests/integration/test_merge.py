"""Goal: merges as users see them. Method: SQL on branches; the laws of merging are held in tests/property."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest

import holdfast
from holdfast import Conflict, Merge, Store


@pytest.fixture
def pair(db: Store) -> Iterator[tuple[Store, Store]]:
    """Return main and a branch of it."""
    with db.branch("side") as side:
        yield db, side


def rows(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.execute("SELECT step, note, state FROM steps ORDER BY step")]


def conflict_of(db: Store, **options: Any) -> Conflict:
    head = db.head
    with pytest.raises(holdfast.MergeConflict) as caught:
        db.merge("side", **options)
    assert db.head == head
    (conflict,) = caught.value.conflicts
    return conflict


def test_what_one_side_changed_is_taken(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    side.execute("DELETE FROM steps WHERE step = 2")
    db.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
    db.execute("UPDATE steps SET note = 'C' WHERE step = 3")
    merged = db.merge("side", into="main")
    assert merged.changed
    assert (merged.commit, merged.conflicts) == (db.head, ())
    assert rows(db) == [(1, "A", None), (3, "C", None), (4, "d", None)]
    assert rows(side) == [(1, "A", None), (3, "c", None)]
    assert len(db.log(limit=1)[0].parents) == 2


def test_b1_different_columns_of_a_row_merge_and_the_same_column_conflicts(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET state = %s WHERE step = 1", [{"x": 1}])
    db.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    db.merge("side")
    assert rows(db)[0] == (1, "A", {"x": 1})

    side.execute("UPDATE steps SET state = %s WHERE step = 1", [{"x": 2}])
    db.execute("UPDATE steps SET state = %s WHERE step = 1", [{"x": 3}])
    conflict = conflict_of(db)
    assert (conflict.table, conflict.key, conflict.column) == ("steps", ("r", 1), "state")
    assert (conflict.base, conflict.ours, conflict.theirs) == ({"x": 1}, {"x": 3}, {"x": 2})


def test_a_removed_row_that_the_other_side_changed_is_a_conflict_of_rows(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("DELETE FROM steps WHERE step = 1")
    db.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    conflict = conflict_of(db)
    assert (conflict.column, conflict.theirs) == (None, None)
    assert (conflict.base["note"], conflict.ours["note"]) == ("a", "A")


@pytest.mark.parametrize(
    ("policy", "note"),
    [
        ("ours", "mine"),
        ("theirs", "other"),
        (lambda conflict: f"{conflict.ours}+{conflict.theirs}", "mine+other"),
        ({"steps": "theirs"}, "other"),
        ({"STEPS": lambda conflict: max(conflict.ours, conflict.theirs)}, "other"),
    ],
)
def test_a_policy_resolves_and_its_mark_stays(pair: tuple[Store, Store], policy: Any, note: str) -> None:
    """What a policy decided is not undone by merging the same branch, or the other way, again."""
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")
    merged = db.merge("side", policy=policy)
    assert [(c.key, c.column) for c in merged.conflicts] == [(("r", 1), "note")]
    assert rows(db)[0][1] == note
    assert not db.merge("side").changed
    side.merge("main")
    assert rows(side)[0][1] == note
    side.execute("UPDATE steps SET note = 'later' WHERE step = 1")
    db.merge("side")
    assert rows(db)[0][1] == "later"
    db.verify()


def test_keeping_a_row_that_theirs_removed_survives_later_merges(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("DELETE FROM steps WHERE step = 1")
    db.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    db.merge("side", policy="ours")
    side.execute("INSERT INTO steps VALUES ('r', 9, 'z', NULL)")
    db.merge("side")
    side.merge("main")
    assert rows(db) == rows(side)
    assert rows(db)[0] == (1, "A", None)


def test_a_policy_may_leave_a_conflict_or_raise(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step IN (1, 2)")
    db.execute("UPDATE steps SET note = 'mine' WHERE step IN (1, 2)")
    conflict = conflict_of(db, policy=lambda c: c.ours if c.key == ("r", 1) else NotImplemented)
    assert conflict.key == ("r", 2)
    head = db.head
    with pytest.raises(ZeroDivisionError):
        db.merge("side", policy=lambda _: 1 / 0)
    with pytest.raises(holdfast.InvalidValue, match=r"steps\.note"):
        db.merge("side", policy=lambda _: "nul\0")
    assert db.head == head


def test_a_policy_sees_and_returns_rows_as_python_values(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("INSERT INTO steps VALUES ('r', 4, 'theirs', %s)", [{"b": [2]}])
    db.execute("INSERT INTO steps VALUES ('r', 4, 'ours', %s)", [{"a": [1]}])

    def both(conflict: Conflict) -> Any:
        return conflict.ours | {"state": conflict.ours["state"] | conflict.theirs["state"]}

    db.merge("side", policy=both)
    assert rows(db)[-1] == (4, "ours", {"a": [1], "b": [2]})
    with pytest.raises(holdfast.InvalidValue, match="all its columns"):
        side.execute("INSERT INTO steps VALUES ('r', 5, 'x', NULL)")
        db.execute("INSERT INTO steps VALUES ('r', 5, 'y', NULL)")
        db.merge("side", policy=lambda _: {"note": "z"})


def test_the_store_is_not_locked_while_a_policy_thinks(pair: tuple[Store, Store], path: Path) -> None:
    """A policy may ask a person; others write meanwhile, also on the branch that is merged into."""
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")
    asked: list[Conflict] = []

    def policy(conflict: Conflict) -> object:
        asked.append(conflict)
        if len(asked) == 1:
            with holdfast.connect(path, timeout=1) as other:
                other.execute("UPDATE steps SET note = 'meanwhile' WHERE step = 1")
        return f"{conflict.ours}/{conflict.theirs}"

    db.merge("side", policy=policy)
    assert [conflict.ours for conflict in asked] == ["mine", "meanwhile"]
    assert rows(db)[0][1] == "meanwhile/other"


def test_b2_unique_holds_through_a_merge(db: Store) -> None:
    db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, age INT CHECK (age > 0))")
    with db.branch("side") as side:
        side.execute("INSERT INTO users (mail) VALUES ('a@x')")
        db.execute("INSERT INTO users (mail) VALUES ('a@x')")
        for policy in ("fail", "ours", "theirs"):
            conflict = conflict_of(db, policy=policy)
            assert conflict.constraint == "UNIQUE (mail)"
            assert (conflict.ours["mail"], conflict.theirs["mail"]) == ("a@x", "a@x")
        side.execute("UPDATE users SET mail = 'b@x'")
        db.merge("side")
    assert [tuple(row.values()) for row in db.execute("SELECT * FROM users ORDER BY id")] == [
        (1, "b@x", None),
        (2, "a@x", None),
    ]


def test_check_holds_through_a_merge_of_cells(db: Store) -> None:
    db.execute("CREATE TABLE spans (id INT PRIMARY KEY, low INT, high INT, CHECK (low <= high))")
    db.execute("INSERT INTO spans VALUES (1, 0, 10)")
    with db.branch("side") as side:
        side.execute("UPDATE spans SET low = 8")
        db.execute("UPDATE spans SET high = 2")
        assert conflict_of(db).constraint == "CHECK (low <= high)"


def test_numbered_rows_of_branches_do_not_collide(db: Store) -> None:
    db.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)")
    with db.branch("a") as a, db.branch("b") as b:
        a.execute("INSERT INTO log (what) VALUES ('a')")
        b.execute("INSERT INTO log (what) VALUES ('b')")
    db.merge("a")
    db.merge("b")
    assert [row["what"] for row in db.execute("SELECT what FROM log ORDER BY id")] == ["a", "b"]


def test_tables_without_a_key_keep_equal_rows_of_both_sides(db: Store) -> None:
    """Two rows that say the same are two rows."""
    db.execute("CREATE TABLE log (what TEXT)")
    with db.branch("side") as side:
        side.execute("INSERT INTO log VALUES ('same')")
        db.execute("INSERT INTO log VALUES ('same')")
        db.merge("side")
        db.merge("side")
    assert db.execute("SELECT count(*) AS n FROM log").fetchone() == {"n": 2}


def test_criss_cross_merges_find_their_base(pair: tuple[Store, Store]) -> None:
    db, side = pair
    db.execute("UPDATE steps SET note = 'main' WHERE step = 1")
    side.execute("UPDATE steps SET note = 'side' WHERE step = 2")
    at_main, at_side = db.tag("at-main"), db.tag("at-side", at="side")
    db.merge(at_side)
    side.merge(at_main)
    db.execute("UPDATE steps SET note = 'again' WHERE step = 1")
    db.merge("side")
    assert [row[1] for row in rows(db)] == ["again", "side", "c"]


def test_an_unknown_base_is_a_conflict_that_lists_the_candidates(pair: tuple[Store, Store]) -> None:
    """After a criss-cross no single commit is the base; what both changed since cannot be merged by cell."""
    db, side = pair
    db.execute("UPDATE steps SET note = 'main' WHERE step = 1")
    side.execute("UPDATE steps SET note = 'side' WHERE step = 1")
    at_main, at_side = db.tag("at-main"), db.tag("at-side", at="side")
    db.merge(at_side, policy="ours")
    side.merge(at_main, policy="ours")
    conflict = conflict_of(db)
    assert conflict.base is None
    assert sorted(row["note"] for row in conflict.candidates) == ["main", "side"]
    assert (conflict.ours["note"], conflict.theirs["note"]) == ("main", "side")


def test_a_merge_of_a_tag_or_commit_and_of_many_branches(db: Store) -> None:
    """More lines than a CASE takes: the vector moves into a temporary table."""
    for number in range(40):
        with db.branch(f"b{number}") as branch:
            branch.execute("INSERT INTO steps (run_id, step) VALUES ('m', %s)", [number])
            branch.tag(f"t{number}")
        db.delete_branch(f"b{number}")
        db.merge(f"t{number}")
    assert db.execute("SELECT count(*) AS n, max(step) AS top FROM steps WHERE run_id = 'm'").fetchone() == {
        "n": 40,
        "top": 39,
    }
    old = db.checkout(db.log()[20].hash)
    assert old.execute("SELECT count(*) AS n FROM steps WHERE run_id = 'm'").fetchone() == {"n": 20}
    with db.branch("more") as more:
        more.execute("DELETE FROM steps WHERE run_id = 'm' AND step < 30")
        assert db.execute("SELECT count(*) AS n FROM \"steps@more\" WHERE run_id = 'm'").fetchone() == {"n": 10}
    db.verify()


def test_a_conflict_reads_well(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")
    with pytest.raises(holdfast.MergeConflict) as caught:
        db.merge("side")
    assert str(caught.value) == (
        "1 conflict; nothing was merged; pass policy='ours', 'theirs' or a function, or change one side:\n"
        "  steps['r', 1].note: base 'a', ours 'mine', theirs 'other'"
    )
    assert caught.value.code == "merge_conflict"


def test_opposite_decisions_about_a_removal_conflict(pair: tuple[Store, Store]) -> None:
    """Main keeps its update of a row that side removed; side, merging what main was before, removes it again.

    Main's decision changed nothing that main shows. Without the mark it leaves, side's removal would win in silence.
    """
    db, side = pair
    db.execute("UPDATE steps SET note = 'kept' WHERE step = 1")
    side.execute("DELETE FROM steps WHERE step = 1")
    before = db.head
    db.merge("side", policy="ours")
    assert [change.key for change in db.show()[1]] == [("r", 1)]
    side.merge(before, policy="ours")
    conflict = conflict_of(db)
    assert (conflict.key, conflict.ours["note"], conflict.theirs) == (("r", 1), "kept", None)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda conflict: None, "forgotten return"),
        (None, "no merge policy"),
        ("mine", "no merge policy"),
        ({"stepz": "ours"}, "stepz"),
        ({5: "ours"}, "names the table 5"),
        ({"steps": "mine"}, "no merge policy"),
        ({"steps": {("r", 1): "mine"}}, "no merge policy"),
        ({"steps": {("r", 1): {...: "ours"}}}, "no merge policy"),
        ({"steps": {"r": "ours"}}, r"the key of steps has 2 parts \(run_id, step\), not 1"),
        ({"steps": {("r", 1, 2): "ours"}}, r"has 2 parts \(run_id, step\), not 3"),
        ({"steps": {("r", "one"): "ours"}}, "steps.step is INTEGER"),
        ({"steps": {(1, 1): "ours"}}, "steps.run_id is TEXT"),
        ({"steps": {("r", None): "ours"}}, "steps.step is INTEGER"),
        ({"steps": {("r", 1): "ours", ...: "mine"}}, "no merge policy"),
        ({...: "mine"}, "no merge policy"),
    ],
)
def test_a_policy_that_is_none_is_refused(pair: tuple[Store, Store], policy: Any, message: str) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")
    head = db.head
    with pytest.raises(holdfast.InvalidValue, match=message):
        db.merge("side", policy=policy)
    assert db.head == head


def test_a_policy_cannot_move_a_row_to_another_key(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("INSERT INTO steps VALUES ('r', 4, 'theirs', NULL)")
    db.execute("INSERT INTO steps VALUES ('r', 4, 'ours', NULL)")
    with pytest.raises(holdfast.InvalidValue, match="changed the key"):
        db.merge("side", policy=lambda conflict: conflict.ours | {"step": 5})


@pytest.mark.parametrize(
    ("policy", "notes"),
    [
        ({"steps": {("r", 1): "theirs", ("r", 2): lambda c: c.ours + c.theirs, ...: "ours"}}, ["x1", "m2x2", "m3"]),
        ({"steps": {("r", 3): "ours", ...: "theirs"}, ...: "fail"}, ["x1", "x2", "m3"]),
        ({...: "theirs"}, ["x1", "x2", "x3"]),
        ({"Steps": "ours", ...: "theirs"}, ["m1", "m2", "m3"]),
    ],
)
def test_a_policy_may_name_tables_and_keys(pair: tuple[Store, Store], policy: Any, notes: list[str]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'x' || step")
    db.execute("UPDATE steps SET note = 'm' || step")
    assert len(db.merge("side", policy=policy).conflicts) == 3
    assert [row[1] for row in rows(db)] == notes


def test_keys_without_a_policy_stay_conflicts(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'x' WHERE step < 3")
    db.execute("UPDATE steps SET note = 'm' WHERE step < 3")
    assert conflict_of(db, policy={"steps": {("r", 1): "theirs"}}).key == ("r", 2)


def test_a_key_of_one_column_is_named_by_its_value(db: Store) -> None:
    """In any form that the column takes."""
    uid = "0b4a1a52-6a0e-4a30-9c53-2d3f8d3d9f10"
    db.execute("CREATE TABLE facts (id UUID PRIMARY KEY, body TEXT)")
    db.execute("INSERT INTO facts VALUES (%s, 'x')", [uid])
    for key in (uid, UUID(uid), (UUID(uid),)):
        with db.branch("side") as side:
            side.execute("UPDATE facts SET body = body || 't'")
            db.execute("UPDATE facts SET body = body || 'm'")
            db.merge("side", policy={"facts": {key: "theirs"}})
        db.delete_branch("side")
    assert db.execute("SELECT body FROM facts").fetchone() == {"body": "xttt"}
    with pytest.raises(holdfast.InvalidValue, match="twice"):
        db.merge(db.log()[1].hash, policy={"facts": {uid: "ours", UUID(uid): "theirs"}})


def test_rows_without_a_primary_key_are_named_by_their_row_id(db: Store) -> None:
    db.execute("CREATE TABLE log (what TEXT)")
    db.execute("INSERT INTO log VALUES ('a'), ('b')")
    first, second = (change.key for change in db.show()[1])
    with db.branch("side") as side:
        side.execute("UPDATE log SET what = 'theirs'")
        db.execute("UPDATE log SET what = 'ours'")
        db.merge("side", policy={"log": {first: "ours", second: "theirs"}})
    assert sorted(row["what"] for row in db.execute("SELECT what FROM log")) == ["ours", "theirs"]


def test_a_dry_run_tells_what_a_merge_would_do_and_does_nothing(pair: tuple[Store, Store], path: Path) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    side.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
    side.execute("DELETE FROM steps WHERE step = 3")
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")
    head, before = db.head, apsw.Connection(str(path)).execute(CONTENT).fetchall()

    refused = db.merge("side", dry_run=True)
    assert (refused.commit, refused.changed, refused.dry_run, refused.conflicts) == (head, False, True, ())
    assert [(c.key, c.column, c.ours, c.theirs) for c in refused.left] == [(("r", 1), "note", "mine", "other")]
    assert [change.key for change in refused.changes] == [("r", 3), ("r", 4)], "what is left open is taken as ours"

    foretold = db.merge("side", policy="theirs", dry_run=True)
    assert (foretold.commit, foretold.changed, foretold.left) == (head, True, ())
    assert foretold == side.merge("side", into="main", policy="theirs", dry_run=True)
    assert apsw.Connection(str(path)).execute(CONTENT).fetchall() == before
    merged = db.merge("side", policy="theirs")
    assert (merged.dry_run, merged.left, merged.changes) == (False, (), ())
    assert foretold.conflicts == merged.conflicts
    assert list(foretold.changes) == db.diff(head, "main")
    assert foretold.changes[0].key_columns == ("run_id", "step")
    assert db.merge("side", dry_run=True) == Merge(db.head, changed=False, dry_run=True)


CONTENT = "SELECT 'v', vid, line, n, dead, c3 FROM hf_v1 UNION ALL SELECT 'k', vid, line, n, 0, '' FROM hf_k1"


def test_a_dry_run_finds_constraints_that_only_the_merge_breaks(db: Store) -> None:
    db.execute("CREATE TABLE users (id INT PRIMARY KEY, mail TEXT UNIQUE, low INT, high INT, CHECK (low <= high))")
    db.execute("INSERT INTO users VALUES (1, 'a@x', 0, 10)")
    with db.branch("side") as side:
        side.execute("INSERT INTO users VALUES (2, 'b@x', 0, 0)")
        side.execute("UPDATE users SET low = 8 WHERE id = 1")
        db.execute("INSERT INTO users VALUES (3, 'b@x', 0, 0)")
        db.execute("UPDATE users SET high = 2 WHERE id = 1")
        foretold = db.merge("side", policy="ours", dry_run=True)
        with pytest.raises(holdfast.MergeConflict) as caught:
            db.merge("side", policy="ours")
    assert not foretold.changed
    assert {conflict.constraint for conflict in foretold.left} == {"UNIQUE (mail)", "CHECK (low <= high)"}
    assert foretold.left == caught.value.conflicts


def test_a_dry_run_lets_others_write_while_it_asks(pair: tuple[Store, Store], path: Path) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")

    def policy(conflict: Conflict) -> object:
        with holdfast.connect(path, timeout=1) as other:
            other.execute("UPDATE steps SET note = 'C' WHERE step = 3")
        return conflict.theirs

    foretold = db.merge("side", policy=policy, dry_run=True)
    assert [change.key for change in foretold.changes] == [("r", 1)]
    assert rows(db)[0] == (1, "mine", None)
    db.execute("UPDATE steps SET note = 'D' WHERE step = 2")
    assert [row[1] for row in rows(db)] == ["mine", "D", "C"]


def test_a_dry_run_gives_the_write_lock_back(pair: tuple[Store, Store], path: Path) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    db.merge("side", dry_run=True)
    with holdfast.connect(path, timeout=0) as other:
        other.execute("UPDATE steps SET note = 'C' WHERE step = 3")
    with pytest.raises(holdfast.TransactionOpen), db.transaction():
        db.merge("side", dry_run=True)
