"""Goal: parts that were built apart hold together. Method: two or three of them in one small story each."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast import Store, aio


def rows(store: Store, sql: str, parameters: list[object] | None = None) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.execute(sql, parameters)]


@pytest.fixture
def family(db: Store) -> Store:
    """Return a store with parents, and children that go, or are let go, with them."""
    db.execute("CREATE TABLE parents (id INT PRIMARY KEY, name TEXT UNIQUE)")
    db.execute("CREATE TABLE goes (k INT PRIMARY KEY, p INT REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE)")
    db.execute("CREATE TABLE stays (k INT PRIMARY KEY, p INT REFERENCES parents ON DELETE SET NULL ON UPDATE SET NULL)")
    db.execute("INSERT INTO parents VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    db.execute("INSERT INTO goes VALUES (10, 1), (11, 1), (12, 2)")
    db.execute("INSERT INTO stays VALUES (20, 1), (21, 3)")
    return db


class TestCopiesAndSchemaChanges:
    def test_a_commit_from_before_a_column_is_picked_after_it(self, db: Store) -> None:
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'old' WHERE step = 1")
            side.execute("INSERT INTO steps VALUES ('r', 4, 'new', NULL)")
        changed, added = reversed([commit.hash for commit in db.log("side", limit=2)])
        db.execute("ALTER TABLE steps ADD COLUMN cost INT DEFAULT 7")
        db.execute("UPDATE steps SET cost = 1 WHERE step = 1")
        db.cherry_pick(changed)
        db.cherry_pick(added)
        assert rows(db, "SELECT step, note, cost FROM steps ORDER BY step") == [
            (1, "old", 1), (2, "b", 7), (3, "c", 7), (4, "new", 7),
        ]  # fmt: skip
        assert db.merge("side").conflicts == ()
        assert rows(db, "SELECT step, note, cost FROM steps WHERE step IN (1, 4) ORDER BY step") == [
            (1, "old", 1),
            (4, "new", 7),
        ]
        db.verify()

    def test_a_commit_from_before_a_column_is_reverted_after_it(self, db: Store) -> None:
        db.execute("UPDATE steps SET note = 'x' WHERE step = 1")
        changed = db.head
        db.execute("DELETE FROM steps WHERE step = 2")
        deleted = db.head
        db.execute("ALTER TABLE steps ADD COLUMN cost INT DEFAULT 7")
        db.execute("UPDATE steps SET cost = 2 WHERE step = 1")
        db.revert(changed)
        db.revert(deleted)
        assert rows(db, "SELECT step, note, cost FROM steps ORDER BY step") == [(1, "a", 2), (2, "b", 7), (3, "c", 7)]
        db.verify()

    def test_what_a_commit_wrote_into_a_column_that_was_dropped_is_left_out(self, db: Store) -> None:
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'gone', state = '{}' WHERE step = 1")
            both = side.head
            side.execute("UPDATE steps SET note = 'gone' WHERE step = 2")
            only = side.head
        db.execute("ALTER TABLE steps DROP COLUMN note")
        assert db.cherry_pick(both).changed
        assert not db.cherry_pick(only).changed
        assert rows(db, "SELECT step, state FROM steps ORDER BY step") == [(1, {}), (2, None), (3, None)]
        picked = db.head
        assert db.revert(picked).changed
        assert rows(db, "SELECT state FROM steps") == [(None,)] * 3
        db.verify()

    def test_a_column_of_the_same_name_made_anew_gets_nothing_of_the_old(self, db: Store) -> None:
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'old' WHERE step = 1")
            commit = side.head
        db.execute("ALTER TABLE steps DROP COLUMN note")
        db.execute("ALTER TABLE steps ADD COLUMN note TEXT")
        db.execute("UPDATE steps SET note = 'new' WHERE step = 1")
        assert not db.cherry_pick(commit).changed
        assert not db.merge("side").conflicts
        assert rows(db, "SELECT note FROM steps ORDER BY step") == [("new",), (None,), (None,)]
        with db.checkout(commit) as then:
            assert rows(then, "SELECT note FROM steps ORDER BY step") == [("old",), ("b",), ("c",)]
        db.verify()

    def test_a_commit_to_a_table_that_was_dropped_or_renamed(self, db: Store) -> None:
        db.execute("CREATE TABLE other (id INT PRIMARY KEY)")
        with db.branch("side") as side:
            side.execute("INSERT INTO other VALUES (1)")
            other = side.head
            side.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
            step = side.head
        db.execute("DROP TABLE other")
        db.execute("ALTER TABLE steps RENAME TO stages")
        db.execute("ALTER TABLE stages RENAME COLUMN note TO remark")
        assert not db.cherry_pick(other).changed
        assert db.cherry_pick(step).changed
        assert rows(db, "SELECT remark FROM stages WHERE step = 4") == [("d",)]
        db.verify()

    def test_a_picked_row_has_to_meet_a_newer_constraint(self, db: Store) -> None:
        with db.branch("side") as side:
            side.execute("INSERT INTO steps VALUES ('r', 4, NULL, NULL)")
            commit = side.head
        db.execute("CREATE UNIQUE INDEX one ON steps (note)")
        db.execute("INSERT INTO steps VALUES ('r', 5, 'd', NULL)")
        with db.branch("two", at=commit) as two:
            two.execute("INSERT INTO steps VALUES ('r', 6, 'd', NULL)")
        with pytest.raises(holdfast.MergeConflict):
            db.cherry_pick("two")
        assert db.cherry_pick(commit).changed
        db.verify()

    def test_a_ref_from_before_a_change_shows_what_it_had(self, db: Store) -> None:
        db.tag("before")
        then = db.head
        db.execute("ALTER TABLE steps ADD COLUMN cost INT DEFAULT 7")
        db.execute("ALTER TABLE steps DROP COLUMN note")
        assert list(db.execute('SELECT * FROM "steps@before" LIMIT 1').fetchone() or {}) == [
            "run_id", "step", "note", "state",
        ]  # fmt: skip
        joined = (
            f'SELECT now.step, old.note, now.cost FROM steps AS now JOIN "steps@{then[:12]}" AS old'
            " ON old.step = now.step ORDER BY 1"
        )
        assert rows(db, joined) == [(1, "a", 7), (2, "b", 7), (3, "c", 7)]
        with pytest.raises(holdfast.SqlError, match="no such column: cost"):
            db.execute('SELECT cost FROM "steps@before"')
        db.execute('UPDATE steps SET cost = length(old.note) FROM "steps@before" AS old WHERE old.step = steps.step')
        db.execute('INSERT INTO steps (run_id, step) SELECT run_id, step + 10 FROM "steps@before" RETURNING cost')
        assert rows(db, "SELECT step, cost FROM steps ORDER BY step") == [
            (1, 1), (2, 1), (3, 1), (11, 7), (12, 7), (13, 7),
        ]  # fmt: skip


class TestCollecting:
    def test_a_commit_whose_parent_was_pruned_can_neither_be_picked_nor_reverted(self, db: Store) -> None:
        db.execute("UPDATE steps SET note = 'x' WHERE step = 1")
        changed = db.head
        db.tag("kept")
        db.execute("UPDATE steps SET note = 'y' WHERE step = 1")
        db.execute("UPDATE steps SET note = 'z' WHERE step = 1")
        with db.branch("side", at="kept") as side:
            db.gc(keep_last=1)
            for call in (db.revert, side.cherry_pick, side.revert):
                for ref in ("kept", changed):
                    with pytest.raises(holdfast.NotFound, match="was pruned by gc"):
                        call(ref)
                    with pytest.raises(holdfast.NotFound, match="was pruned by gc"):
                        call(ref, dry_run=True)
            with pytest.raises(holdfast.NotFound, match="was pruned by gc"):
                db.revert("main")
            side.execute("UPDATE steps SET note = 'w' WHERE step = 2")
            assert db.cherry_pick("side").changed
            assert db.revert("main").changed
        db.verify()

    def test_a_line_whose_row_was_picked_outlives_its_own_fork(self, db: Store) -> None:
        """What stays of it is its identity, which the row has in its own; the commit it was forked from may go."""
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'x' WHERE step = 1")
            with side.branch("deeper") as deeper:
                deeper.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
                db.cherry_pick("deeper")
        db.delete_branch("deeper")
        db.delete_branch("side")
        assert db.gc(keep_last=1).commits_removed == 2
        db.verify()
        assert rows(db, "SELECT step, note FROM steps ORDER BY step") == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
        with db.branch("again") as again:
            again.execute("UPDATE steps SET note = 'e' WHERE step = 4")
        db.merge("again")
        assert db.gc(keep_last=1).more is False
        db.verify()

    def test_a_source_that_is_pruned_while_its_merge_is_decided(self, db: Store) -> None:
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'theirs' WHERE step = 1")
            source = side.head
            side.execute("UPDATE steps SET note = 'later' WHERE step = 1")
        db.execute("UPDATE steps SET note = 'ours' WHERE step = 1")
        head = db.head

        def collecting(_: holdfast.Conflict) -> object:
            with holdfast.connect(db.url) as other:
                other.gc(keep_last=1)
            return "both"

        with pytest.raises(holdfast.NotFound):
            db.merge(source, policy=collecting)
        assert db.head == head
        with pytest.raises(holdfast.NotFound):
            db.cherry_pick(source, policy=collecting)
        db.verify()

    def test_a_branch_that_is_deleted_while_its_merge_is_decided(self, db: Store) -> None:
        with db.branch("side") as side:
            side.execute("UPDATE steps SET note = 'theirs' WHERE step = 1")
        db.execute("UPDATE steps SET note = 'ours' WHERE step = 1")
        head = db.head

        def deleting(_: holdfast.Conflict) -> object:
            with holdfast.connect(db.url) as other:
                other.delete_branch("side")
                other.branch("newest").close()
                other.gc(keep_last=1)
            return "both"

        with pytest.raises(holdfast.NotFound):
            db.merge("side", policy=deleting)
        assert db.head == head
        db.verify()


UPSERT = "INSERT INTO parents VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name"


class TestWritesAndForeignKeys:
    def test_what_is_returned_of_an_upsert(self, family: Store) -> None:
        assert rows(family, UPSERT, [1, "A"]) == [(1, "A")]
        assert rows(family, UPSERT, [4, "d"]) == [(4, "d")]
        assert rows(family, "SELECT k, p FROM goes ORDER BY k") == [(10, 1), (11, 1), (12, 2)]
        with pytest.raises(holdfast.ConstraintFailed):
            family.execute(UPSERT, [5, "b"])
        upsert = "INSERT INTO goes VALUES (%s, %s) ON CONFLICT (k) DO UPDATE SET p = excluded.p RETURNING k, p"
        assert rows(family, upsert, [10, 3]) == [(10, 3)]
        with pytest.raises(holdfast.ConstraintFailed, match="FOREIGN KEY"):
            family.execute(upsert, [10, 99])
        family.verify()

    def test_an_upsert_that_changes_what_others_refer_to(self, family: Store) -> None:
        upsert = "INSERT INTO parents VALUES (9, 'a') ON CONFLICT (name) DO UPDATE SET id = excluded.id RETURNING *"
        assert rows(family, upsert) == [(9, "a")]
        assert rows(family, "SELECT k, p FROM goes ORDER BY k") == [(10, 9), (11, 9), (12, 2)]
        assert rows(family, "SELECT k, p FROM stays ORDER BY k") == [(20, None), (21, 3)]
        family.verify()

    def test_rows_that_go_with_others_are_not_returned(self, family: Store) -> None:
        gone = family.execute("DELETE FROM parents WHERE id < 3 RETURNING name")
        assert [row["name"] for row in gone] == ["a", "b"]
        assert gone.rowcount == 2
        assert rows(family, "SELECT * FROM goes") == []
        assert rows(family, "SELECT * FROM stays ORDER BY k") == [(20, None), (21, 3)]
        family.verify()

    def test_an_update_from_another_table(self, family: Store) -> None:
        moved = family.execute(
            "UPDATE parents SET id = parents.id + 100 FROM goes WHERE goes.p = parents.id RETURNING parents.id, name"
        )
        assert sorted(tuple(row.values()) for row in moved) == [(101, "a"), (102, "b")]
        assert rows(family, "SELECT k, p FROM goes ORDER BY k") == [(10, 101), (11, 101), (12, 102)]
        assert rows(family, "SELECT k, p FROM stays ORDER BY k") == [(20, None), (21, 3)]
        family.execute("UPDATE goes SET p = parents.id FROM parents WHERE parents.name = 'c'")
        assert rows(family, "SELECT DISTINCT p FROM goes") == [(3,)]
        with pytest.raises(holdfast.ConstraintFailed, match="FOREIGN KEY"):
            family.execute("UPDATE goes SET p = stays.k FROM stays")
        family.verify()

    def test_threads_that_upsert_together(self, family: Store) -> None:
        def upsert(n: int) -> list[dict[str, Any]]:
            sql = "INSERT INTO goes VALUES (%s, %s) ON CONFLICT (k) DO UPDATE SET p = excluded.p RETURNING k, p"
            return family.execute(sql, [n % 5, n % 4 + 1]).fetchall()

        with ThreadPoolExecutor(8) as pool:
            done = [pool.submit(upsert, n) for n in range(80)]
        for n, future in enumerate(done):
            if n % 4 == 3:
                assert isinstance(future.exception(), holdfast.ConstraintFailed)
            else:
                assert future.result() == [{"k": n % 5, "p": n % 4 + 1}]
        assert len(family.log()) == len({commit.hash for commit in family.log()})
        assert {k for k, _ in rows(family, "SELECT * FROM goes")} == {0, 1, 2, 3, 4, 10, 11, 12}
        family.verify()

    def test_threads_that_delete_parents_while_others_add_children(self, family: Store) -> None:
        family.executemany("INSERT INTO parents VALUES (%s, %s)", [[n, str(n)] for n in range(100, 140)])

        def child(n: int) -> object:
            return family.execute("INSERT INTO goes VALUES (%s, %s) RETURNING p", [n, n]).fetchone()

        def parent(n: int) -> object:
            return family.execute("DELETE FROM parents WHERE id = %s RETURNING id", [n]).fetchone()

        with ThreadPoolExecutor(8) as pool:
            done = [(n, pool.submit(child, n), pool.submit(parent, n)) for n in range(100, 140)]
        for n, added, deleted in done:
            assert deleted.result() == {"id": n}
            assert added.exception() is None or isinstance(added.exception(), holdfast.ConstraintFailed)
        assert rows(family, "SELECT * FROM goes WHERE k >= 100") == []
        family.verify()

    def test_what_is_returned_within_savepoints(self, family: Store) -> None:
        with family.transaction("all"):
            assert rows(family, UPSERT, [4, "d"]) == [(4, "d")]
            with pytest.raises(ZeroDivisionError), family.transaction():
                assert rows(family, "DELETE FROM parents WHERE id = 1 RETURNING name") == [("a",)]
                assert rows(family, "SELECT p FROM stays WHERE k = 20") == [(None,)]
                raise ZeroDivisionError
            assert rows(family, "SELECT p FROM stays WHERE k = 20") == [(1,)]
            with family.transaction():
                kept = family.execute("UPDATE parents SET id = 8 WHERE id = 1 RETURNING id, name")
            with pytest.raises(holdfast.ConstraintFailed):
                family.execute("INSERT INTO goes VALUES (13, 1) RETURNING *")
        assert kept.fetchall() == [{"id": 8, "name": "a"}]
        assert rows(family, "SELECT k, p FROM goes ORDER BY k") == [(10, 8), (11, 8), (12, 2)]
        assert [commit.message for commit in family.log(limit=1)] == ["all"]
        family.verify()

    def test_tasks_that_write_together_get_what_they_wrote(self, path: Path) -> None:
        async def main() -> None:
            async with aio.connect(path) as db:
                await db.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT DEFAULT 1)")
                sql = "INSERT INTO t (id) VALUES (%s) ON CONFLICT (id) DO UPDATE SET n = t.n + 1 RETURNING id, n"
                cursors = await asyncio.gather(*(db.execute(sql, [n % 3]) for n in range(30)))
                returned = [cursor.fetchall() for cursor in cursors]
                assert sorted(row["n"] for got in returned for row in got if row["id"] == 0) == list(range(1, 11))
                async with db.transaction():
                    assert (await db.execute("DELETE FROM t RETURNING id")).rowcount == 3
                await db.verify()

        asyncio.run(main())

    def test_picks_and_reverts_keep_foreign_keys(self, family: Store) -> None:
        with family.branch("side") as side:
            side.execute("INSERT INTO goes VALUES (30, 2)")
            child = side.head
        family.execute("DELETE FROM parents WHERE id = 2")
        gone = family.head
        with pytest.raises(holdfast.MergeConflict):
            family.cherry_pick(child)
        family.revert(gone)
        assert rows(family, "SELECT k, p FROM goes ORDER BY k") == [(10, 1), (11, 1), (12, 2)]
        assert family.cherry_pick(child).changed
        family.verify()


FIND = "SELECT id FROM notes WHERE to_tsvector(text) @@ plainto_tsquery(%s) ORDER BY id"


class TestSearches:
    @pytest.fixture
    def notes(self, db: Store) -> Store:
        """Return a store with a text index made on a table that has a history."""
        db.execute("CREATE TABLE notes (id INT PRIMARY KEY, text TEXT)")
        db.execute("INSERT INTO notes VALUES (1, 'a storm'), (2, 'the harbour'), (3, 'a storm again')")
        db.tag("old")
        db.branch("side").close()
        db.execute("UPDATE notes SET text = 'calm' WHERE id = 1")
        db.execute("DELETE FROM notes WHERE id = 3")
        db.execute("CREATE INDEX by_text ON notes USING gin (to_tsvector('english', text))")
        return db

    def test_an_index_on_a_history_finds_what_each_ref_shows(self, notes: Store) -> None:
        assert rows(notes, FIND, ["storms"]) == []
        assert rows(notes, FIND, ["calm"]) == [(1,)]
        for ref in ("old", "side"):
            with notes.checkout(ref) as then:
                assert rows(then, FIND, ["storms"]) == [(1,), (3,)]
        notes.revert(notes.log()[1].hash)
        assert rows(notes, FIND, ["storms"]) == [(3,)]
        notes.verify()

    def test_what_is_erased_is_not_found_and_leaves_no_word(self, notes: Store, path: Path) -> None:
        notes.execute("INSERT INTO notes VALUES (4, 'm4rker storm')")
        notes.execute("UPDATE notes SET text = 'm4rker calm' WHERE id = 4")
        assert rows(notes, FIND, ["m4rker"]) == [(4,)]
        notes.erase({"notes": [4, 3]})
        assert rows(notes, FIND, ["m4rker"]) == []
        with notes.checkout("old") as then:
            assert rows(then, FIND, ["storm"]) == [(1,)]
        assert [file.name for file in path.parent.iterdir() if b"m4rker" in file.read_bytes()] == []
        notes.execute("INSERT INTO notes VALUES (4, 'storm')")
        assert rows(notes, FIND, ["storm"]) == [(4,)]
        notes.verify()

    def test_gc_does_not_give_a_number_again(self, notes: Store, path: Path) -> None:
        """A version that goes takes its words along; what comes after it is not found by them."""
        with notes.branch("away") as away:
            away.execute("INSERT INTO notes VALUES (9, 'unique')")
        assert rows(notes, FIND, ["unique"]) == []
        notes.delete_branch("away")
        with notes.checkout("main") as other:
            assert rows(other, FIND, ["unique"]) == []
            highest = _highest_vid(notes, path)
            notes.gc(keep_last=1)
            notes.execute("INSERT INTO notes VALUES (10, 'plain')")
            assert _highest_vid(notes, path) > highest
            for store in (notes, other):
                assert rows(store, FIND, ["unique"]) == []
                assert rows(store, FIND, ["plain"]) == [(10,)]
        notes.verify()


def _highest_vid(store: Store, path: Path) -> int:
    with store._session.read() as reader:
        table = reader.catalogue().find("notes")
    assert table is not None
    rows: Any = apsw.Connection(str(path)).execute(f"SELECT max(vid) FROM hf_v{table.id}").fetchall()
    return int(rows[0][0])
