"""Goal: cherry-pick and revert as users see them. Method: SQL on branches; the laws are held in tests/property."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast import Conflict, Store
from holdfast.core.hashing import derive_salt, leaf_of
from holdfast.core.points import Rid
from holdfast.versions.resolve import resolve


@pytest.fixture
def pair(db: Store) -> Iterator[tuple[Store, Store]]:
    """Return main and a branch of it."""
    with db.branch("side") as side:
        yield db, side


def rows(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.execute("SELECT step, note FROM steps ORDER BY step")]


def rids(store: Store, ref: str) -> dict[tuple[Any, ...], Rid]:
    """Return the identity of each row of steps, by its key."""
    with store._session.read() as reader:
        table = reader.catalogue().find("steps")
        assert table
        seen = reader.rows(table, reader.vector(resolve(reader, ref).point))
        return {row.values[:2]: row.rid for row in seen}


def test_one_commit_of_many_is_picked_with_its_rows_identities(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
    with side.transaction("the one"):
        side.execute("INSERT INTO steps VALUES ('r', 5, 'e', NULL)")
        side.execute("UPDATE steps SET note = 'A' WHERE step = 1")
        side.execute("DELETE FROM steps WHERE step = 2")
    wanted = side.head
    side.execute("INSERT INTO steps VALUES ('r', 6, 'f', NULL)")

    picked = db.cherry_pick(wanted)

    assert picked == holdfast.Merge(db.head, changed=True)
    assert rows(db) == [(1, "A"), (3, "c"), (5, "e")]
    (commit,) = db.log(limit=1)
    assert commit.message == f"cherry-pick {wanted[:12]}: the one"
    assert len(commit.parents) == 1
    assert rids(db, "main")["r", 5] == rids(db, "side")["r", 5]
    assert rids(db, "main")["r", 1] == rids(db, "side")["r", 1]
    db.verify()


def test_what_is_there_already_is_not_picked_again(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    side.execute("DELETE FROM steps WHERE step = 2")
    for commit in reversed(db.log("side", limit=2)):
        assert db.cherry_pick(commit.hash).changed
    head = db.head
    for ref in ("side", side.log()[1].hash, head):
        assert db.cherry_pick(ref) == holdfast.Merge(head, changed=False)
    db.execute("INSERT INTO steps VALUES ('r', 4, 'same', NULL)")
    side.execute("INSERT INTO steps VALUES ('r', 4, 'same', NULL)")
    assert not db.cherry_pick("side").changed, "an equal row, though another"
    assert not db.cherry_pick(db.log()[-1].hash).changed, "the first commit did nothing"
    assert not db.cherry_pick(db.log()[-2].hash).changed, "a table is there for all branches"


@pytest.mark.parametrize("first", ["main", "side"])
def test_a_picked_row_is_neither_lost_nor_doubled_by_later_merges(pair: tuple[Store, Store], first: str) -> None:
    db, side = pair
    stores = {"main": db, "side": side}
    side.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
    side.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    side.execute("DELETE FROM steps WHERE step = 2")
    expected = rows(side)
    for commit in reversed(db.log("side", limit=3)):
        db.cherry_pick(commit.hash)
    for into, source in ((first, "side" if first == "main" else "main"), ("main", "side"), ("side", "main")):
        merged = stores[into].merge(source)
        assert merged.conflicts == ()
        assert rows(stores[into]) == expected
    assert rids(db, "main") == rids(db, "side")
    side.execute("UPDATE steps SET note = 'later' WHERE step = 4")
    db.merge("side")
    assert rows(db) == rows(side)
    db.verify()


def test_rows_without_a_key_are_picked_once(db: Store) -> None:
    db.execute("CREATE TABLE log (what TEXT)")
    with db.branch("side") as side:
        side.execute("INSERT INTO log VALUES ('same'), ('same')")
        assert db.cherry_pick("side").changed
        assert not db.cherry_pick("side").changed
        db.merge("side")
        assert db.execute("SELECT count(*) AS n FROM log").fetchone() == {"n": 2}
        db.revert(db.log()[1].hash)
        assert db.execute("SELECT count(*) AS n FROM log").fetchone() == {"n": 0}
        side.merge("main")
        assert side.execute("SELECT count(*) AS n FROM log").fetchone() == {"n": 0}


def test_a_pick_meets_what_is_here_cell_by_cell(pair: tuple[Store, Store]) -> None:
    db, side = pair
    side.execute("UPDATE steps SET state = %s WHERE step = 1", [{"x": 1}])
    db.execute("UPDATE steps SET note = 'mine' WHERE step = 1")
    assert db.cherry_pick("side").conflicts == ()
    assert db.execute("SELECT note, state FROM steps WHERE step = 1").fetchone() == {"note": "mine", "state": {"x": 1}}

    side.execute("UPDATE steps SET note = 'other' WHERE step = 1")
    head = db.head
    with pytest.raises(
        holdfast.MergeConflict, match=r"^1 conflict; nothing was cherry-picked; pass policy='ours'"
    ) as it:
        db.cherry_pick("side")
    (conflict,) = it.value.conflicts
    assert (conflict.column, conflict.base, conflict.ours, conflict.theirs) == ("note", "a", "mine", "other")
    kept = db.cherry_pick("side", policy="ours")
    assert (kept.commit, kept.changed, len(kept.conflicts)) == (head, False, 1)
    assert db.cherry_pick("side", "both", policy=lambda c: f"{c.ours}+{c.theirs}").changed
    assert (db.log(limit=1)[0].message, rows(db)[0]) == ("both", (1, "mine+other"))


def test_a_pick_follows_a_row_that_has_another_key_here(pair: tuple[Store, Store]) -> None:
    """A row renamed here and updated there is a conflict, and never two rows."""
    db, side = pair
    db.execute("UPDATE steps SET step = 10 WHERE step = 1")
    side.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    with pytest.raises(holdfast.MergeConflict) as caught:
        db.cherry_pick("side")
    assert [conflict.key for conflict in caught.value.conflicts] == [("r", 1), ("r", 10)]
    db.cherry_pick("side", policy="theirs")
    assert rows(db) == [(1, "A"), (2, "b"), (3, "c")]
    db.revert("main")
    assert rows(db) == [(2, "b"), (3, "c"), (10, "a")]


def test_a_pick_follows_a_row_that_had_another_key_there(pair: tuple[Store, Store]) -> None:
    """Renamed there before the picked commit updated it: here it still has its old key."""
    db, side = pair
    side.execute("UPDATE steps SET step = 10 WHERE step = 1")
    side.execute("UPDATE steps SET note = 'A' WHERE step = 10")
    with pytest.raises(holdfast.MergeConflict) as caught:
        db.cherry_pick("side")
    assert [conflict.key for conflict in caught.value.conflicts] == [("r", 1), ("r", 10)]
    db.cherry_pick("side", policy="theirs")
    assert rows(db) == [(2, "b"), (3, "c"), (10, "A")]
    assert rids(db, "main") == rids(db, "side")


def test_a_merge_is_picked_and_reverted_whole(pair: tuple[Store, Store]) -> None:
    """All that it brought to its own branch, its first parent."""
    db, side = pair
    with db.branch("other") as other:
        other.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
        other.execute("UPDATE steps SET note = 'C' WHERE step = 3")
    side.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    merge = side.merge("other").commit
    db.cherry_pick(merge)
    assert rows(db) == [(1, "a"), (2, "b"), (3, "C"), (4, "d")]
    side.revert(merge)
    assert rows(side) == [(1, "A"), (2, "b"), (3, "c")]
    assert side.log(limit=1)[0].message == f"revert {merge[:12]}: merge other into side"
    assert not side.merge("other").changed, "it has been merged, and taken back"
    side.revert("side")
    assert rows(side) == [(1, "A"), (2, "b"), (3, "C"), (4, "d")]
    side.verify()


def test_a_revert_takes_back_one_commit_and_leaves_what_came_after(db: Store) -> None:
    with db.transaction("mistake"):
        db.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
        db.execute("UPDATE steps SET note = 'A' WHERE step = 1")
        db.execute("DELETE FROM steps WHERE step = 2")
    mistake, identities = db.head, rids(db, db.log()[1].hash)
    db.execute("UPDATE steps SET state = %s WHERE step = 1", [{"x": 1}])
    db.execute("INSERT INTO steps VALUES ('r', 5, 'e', NULL)")
    assert db.revert(mistake).changed
    assert rows(db) == [(1, "a"), (2, "b"), (3, "c"), (5, "e")]
    assert db.execute("SELECT state FROM steps WHERE step = 1").fetchone() == {"state": {"x": 1}}
    assert {key: rids(db, "main")[key] for key in identities} == identities
    assert db.log(limit=1)[0].message == f"revert {mistake[:12]}: mistake"
    assert not db.revert(mistake).changed
    db.verify()


def test_a_revert_of_what_was_changed_again_is_a_conflict(db: Store) -> None:
    db.execute("UPDATE steps SET note = 'A' WHERE step = 1")
    mistake = db.head
    db.execute("UPDATE steps SET note = 'again' WHERE step = 1")
    with pytest.raises(holdfast.MergeConflict, match="nothing was reverted") as caught:
        db.revert(mistake)
    (conflict,) = caught.value.conflicts
    assert (conflict.base, conflict.ours, conflict.theirs) == ("A", "again", "a")
    assert db.revert(mistake, policy="theirs").changed
    assert rows(db)[0] == (1, "a")


def test_a_revert_reaches_who_merges_it(pair: tuple[Store, Store]) -> None:
    db, side = pair
    db.execute("DELETE FROM steps WHERE step = 2")
    side.merge("main")
    db.revert("main")
    side.merge("main")
    assert rows(side) == rows(db) == [(1, "a"), (2, "b"), (3, "c")]


def test_the_schema_is_not_reverted(db: Store) -> None:
    created = db.log(limit=2)[1]
    assert created.message == "CREATE TABLE steps"
    for ref, name in ((created.hash, "CREATE TABLE steps"), (db.log()[-1].hash, "store created")):
        with pytest.raises(holdfast.Unsupported, match=rf"{ref[:12]} \('{name}'\) changed no rows but the schema"):
            db.revert(ref)
    with db.branch("side") as side:
        side.execute("CREATE TABLE early (id INT PRIMARY KEY)")
        merge = db.merge("side")
    assert db.revert(merge.commit) == holdfast.Merge(merge.commit, changed=False), "it brought no rows"
    with db.transaction("both"):
        db.execute("CREATE TABLE more (id INT PRIMARY KEY)")
        db.execute("INSERT INTO more VALUES (1)")
    db.revert("main")
    assert db.execute("SELECT * FROM more").fetchall() == []


def test_constraints_hold_through_a_pick_and_a_revert(db: Store) -> None:
    db.execute("CREATE TABLE spans (id INT PRIMARY KEY, low INT, high INT, name TEXT UNIQUE, CHECK (low <= high))")
    db.execute("INSERT INTO spans VALUES (1, 0, 10, 'x')")
    with db.branch("side") as side:
        side.execute("UPDATE spans SET low = 8, name = 'y'")
        db.execute("UPDATE spans SET high = 2")
        db.execute("INSERT INTO spans VALUES (2, 0, 0, 'y')")
        head = db.head
        with pytest.raises(holdfast.MergeConflict) as caught:
            db.cherry_pick("side", policy="theirs")
        found: dict[str | None, Conflict] = {conflict.constraint: conflict for conflict in caught.value.conflicts}
        assert set(found) == {"CHECK (low <= high)", "UNIQUE (name)"}
        unique = found["UNIQUE (name)"]
        assert (unique.ours["id"], unique.theirs["id"]) == (2, 1), "ours was here, theirs came"
        assert db.head == head
    db.execute("DELETE FROM spans WHERE id = 2")
    freed = db.head
    db.execute("INSERT INTO spans VALUES (3, 0, 0, 'y')")
    with pytest.raises(holdfast.MergeConflict) as caught:
        db.revert(freed)
    (conflict,) = caught.value.conflicts
    assert (conflict.constraint, conflict.ours["id"], conflict.theirs["id"]) == ("UNIQUE (name)", 3, 2)


def test_only_a_branch_is_written_and_only_by_itself(db: Store) -> None:
    past = db.checkout(db.head)
    calls: list[Callable[[Store], object]] = [
        lambda store: store.cherry_pick("main"),
        lambda store: store.revert("main"),
    ]
    for call in calls:
        with pytest.raises(holdfast.ReadOnly):
            call(past)
        with pytest.raises(holdfast.TransactionOpen, match="commit of its own"), db.transaction():
            call(db)
        with db.branch("gone") as gone:
            db.delete_branch("gone")
            with pytest.raises(holdfast.NotFound):
                call(gone)
    for bad in ("nope", 5):
        with pytest.raises((holdfast.NotFound, holdfast.InvalidValue)):
            db.cherry_pick(bad)  # type: ignore[arg-type]
    with pytest.raises(holdfast.InvalidValue, match="message"):
        db.revert("main", 5)  # type: ignore[arg-type]


def erase(path: Path, store: Store, ref: str, step: int, *, remove: bool = False) -> None:
    """Erase a row from a commit by hand, as docs/format.md says: its values, or the version as a whole."""
    with store._session.read() as reader:
        commit = reader.commit(resolve(reader, ref).point)
        changes = reader.changes(commit.point)
    assert commit.salt
    raw = apsw.Connection(str(path))
    for change in changes:
        leaf, shown = leaf_of(change, commit.salt), change.after or change.before
        assert shown
        salt = None if shown.values[1] == step else derive_salt(commit.salt, leaf.table_id, leaf.rid)
        sql = "INSERT INTO hf_leaf SELECT line, n, ?, ?, ?, ? FROM hf_commit WHERE hash = ?"
        raw.execute(sql, (leaf.table_id, leaf.rid, leaf.mark, salt, commit.hash))
    raw.execute("UPDATE hf_commit SET salt = NULL WHERE hash = ?", (commit.hash,))
    sql = "DELETE FROM hf_v1" if remove else "UPDATE hf_v1 SET c3 = NULL"
    sql += " WHERE c2 = ? AND (line, n) = (SELECT line, n FROM hf_commit WHERE hash = ?)"
    raw.execute(sql, (step, commit.hash))


def test_what_was_erased_is_not_brought_back(pair: tuple[Store, Store], path: Path) -> None:
    """Neither by picking the commit, nor by reverting one that changed the row; its neighbours are free."""
    db, side = pair
    side.execute("UPDATE steps SET note = 'secret' WHERE step IN (1, 2)")
    secret = side.head
    side.execute("UPDATE steps SET note = 'public' WHERE step = 1")
    public = side.head
    side.execute("UPDATE steps SET note = 'public' WHERE step = 2")
    erase(path, side, secret, step=1)
    before = rows(db), rows(side)
    for store, call, ref in (
        (db, Store.cherry_pick, secret),
        (side, Store.revert, secret),
        (side, Store.revert, public),
    ):
        with pytest.raises(holdfast.Unsupported, match="was erased"):
            call(store, ref)
    assert (rows(db), rows(side)) == before
    with pytest.raises(holdfast.Unsupported, match="was erased"):
        db.cherry_pick(public)
    assert (rows(db), rows(side)) == before
    side.revert("side")
    assert rows(side) == [(1, "public"), (2, "secret"), (3, "c")]


def test_a_commit_is_not_picked_in_part(pair: tuple[Store, Store], path: Path) -> None:
    """Of two rows that it changed, one was erased so that nothing of it is left."""
    db, side = pair
    side.execute("INSERT INTO steps VALUES ('r', 4, 'secret', NULL), ('r', 5, 'e', NULL)")
    both = side.head
    side.execute("DELETE FROM steps WHERE step = 4")
    erase(path, side, both, step=4, remove=True)
    for call in (db.cherry_pick, side.revert):
        with pytest.raises(holdfast.Unsupported, match="was erased"):
            call(both)
