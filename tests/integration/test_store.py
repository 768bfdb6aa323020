"""Goal: a Store does what its docstrings say. Method: real files, a second connection where it matters."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

import holdfast
from holdfast import Store


def notes(store: Store) -> list[str]:
    return [row["note"] for row in store.execute("SELECT note FROM steps ORDER BY run_id, step")]


class TestCommits:
    def test_a_statement_that_writes_is_one_commit(self, db: Store) -> None:
        before = db.log()
        cursor = db.execute("UPDATE steps SET note = note || '!'")
        assert cursor.rowcount == 3
        assert len(db.log()) == len(before) + 1
        assert db.log(limit=1)[0].parents == (before[0].hash,)

    def test_a_statement_that_changes_nothing_makes_no_commit(self, db: Store) -> None:
        head = db.head
        assert db.execute("UPDATE steps SET note = 'x' WHERE step = 99").rowcount == 0
        assert db.execute("UPDATE steps SET note = note").rowcount == 3
        assert db.execute("DELETE FROM steps WHERE FALSE").rowcount == 0
        with db.transaction("there and back"):
            db.execute("UPDATE steps SET note = 'z' WHERE step = 1")
            db.execute("UPDATE steps SET note = 'a' WHERE step = 1")
        assert db.head == head

    def test_a_transaction_is_one_commit_with_its_message_and_metadata(self, db: Store) -> None:
        with db.transaction("why", metadata={"cost": 3}) as same:
            assert same is db
            db.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
            db.execute("DELETE FROM steps WHERE step = 1")
            assert notes(db) == ["b", "c", "d"]
        commit, changes = db.show()
        assert (commit.message, commit.metadata) == ("why", {"cost": 3})
        assert [(change.key, change.before is None, change.after is None) for change in changes] == [
            (("r", 1), False, True),
            (("r", 4), True, False),
        ]

    def test_an_exception_takes_back_the_transaction(self, db: Store) -> None:
        head = db.head
        with pytest.raises(ZeroDivisionError), db.transaction("no"):
            db.execute("DELETE FROM steps")
            _ = 1 / 0
        assert db.head == head
        assert notes(db) == ["a", "b", "c"]

    def test_a_nested_transaction_is_a_savepoint(self, db: Store) -> None:
        with db.transaction("outer"):
            db.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
            with pytest.raises(ZeroDivisionError), db.transaction("inner"):
                db.execute("DELETE FROM steps")
                db.execute("CREATE TABLE gone (x INT)")
                _ = 1 / 0
            db.execute("INSERT INTO steps VALUES ('r', 5, 'e', NULL)")
        assert notes(db) == ["a", "b", "c", "d", "e"]
        assert db.tables() == ["steps"]
        assert db.verify().commits == len(db.log())

    def test_executemany_is_all_or_nothing(self, db: Store) -> None:
        head = db.head
        with pytest.raises(holdfast.ConstraintFailed, match=r"UNIQUE constraint failed: steps.run_id, steps.step"):
            db.executemany("INSERT INTO steps (run_id, step) VALUES (%s, %s)", [["s", 1], ["s", 2], ["s", 1]])
        assert db.head == head
        with db.transaction("survives it"):
            with pytest.raises(holdfast.ConstraintFailed):
                db.executemany("INSERT INTO steps (run_id, step) VALUES (%s, %s)", [["s", 1], ["s", 1]])
            db.execute("INSERT INTO steps (run_id, step, note) VALUES ('s', 1, 'one')")
        assert notes(db) == ["a", "b", "c", "one"]

    def test_now_is_the_same_for_a_transaction_and_aware(self, path: Path) -> None:
        with holdfast.connect(path) as db:
            db.execute("CREATE TABLE t (x INT, at TIMESTAMP DEFAULT NOW())")
            with db.transaction("both"):
                db.execute("INSERT INTO t (x) VALUES (1)")
                db.execute("INSERT INTO t (x) VALUES (2)")
            first, second = db.execute("SELECT at FROM t").fetchall()
            assert first == second
            assert abs((datetime.now(UTC) - first["at"]).total_seconds()) < 60


class TestOtherConnections:
    def test_d11_another_handle_sees_a_commit_at_its_next_read(self, db: Store, path: Path) -> None:
        with holdfast.connect(path) as other:
            assert notes(other) == ["a", "b", "c"]
            db.execute("DELETE FROM steps WHERE step = 2")
            assert notes(other) == ["a", "c"]
            with db.branch("side") as side:
                side.execute("UPDATE steps SET note = 'side' WHERE step = 1")
            db.merge("side")
            assert notes(other) == ["side", "c"]
            other.execute("INSERT INTO steps VALUES ('r', 9, 'other', NULL)")
            assert notes(db) == ["side", "c", "other"]

    def test_a_table_made_by_another_handle_is_there(self, db: Store, path: Path) -> None:
        with holdfast.connect(path) as other:
            notes(other)
            db.execute("CREATE TABLE more (x INT)")
            other.execute("INSERT INTO more VALUES (1)")
            assert db.execute("SELECT x FROM more").fetchall() == [{"x": 1}]

    def test_d4_opening_again_lands_on_the_head_and_writes_nothing(self, db: Store, path: Path) -> None:
        head = db.head
        db.close()
        apsw.Connection(str(path)).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        before = path.read_bytes()
        with holdfast.connect(path) as again:
            assert again.head == head
            assert notes(again) == ["a", "b", "c"]
        assert path.read_bytes() == before

    def test_threads_share_a_store_and_lose_nothing(self, db: Store) -> None:
        """C8: four threads, fifty commits each, through one Store."""

        def work(name: str) -> None:
            for step in range(50):
                db.execute("INSERT INTO steps (run_id, step) VALUES (%s, %s)", [name, step])

        threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert db.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 203}
        assert len(db.log()) == 203

    def test_threads_with_a_store_each_lose_nothing(self, db: Store) -> None:
        """C9: writers on branches of their own never conflict."""

        def work(name: str) -> None:
            with db.branch(name) as store:
                for step in range(25):
                    store.execute("INSERT INTO steps (run_id, step) VALUES (%s, %s)", [name, step])

        threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(4):
            db.merge(f"t{number}")
        assert db.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 103}

    def test_d15_processes_make_and_write_one_store_at_once(self, tmp_path: Path) -> None:
        """Six processes make the store and its table, and commit ten times each: no error, no lost row, one history."""
        code = """
import sys, holdfast
with holdfast.connect(sys.argv[1]) as db:
    db.execute("CREATE TABLE IF NOT EXISTS t (who TEXT, n INT, PRIMARY KEY (who, n))")
    for n in range(10):
        db.execute("INSERT INTO t VALUES (%s, %s)", [sys.argv[2], n])
"""
        path = tmp_path / "shared.db"
        children = [
            subprocess.Popen([sys.executable, "-c", code, str(path), str(who)], stderr=subprocess.PIPE, text=True)
            for who in range(6)
        ]
        assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0)] * 6
        with holdfast.connect(path) as db:
            assert db.execute("SELECT count(*) AS n FROM t").fetchone() == {"n": 60}
            assert len(db.log()) == 62
            db.verify()

    def test_c14_a_forked_child_is_told_to_connect_again(self, db: Store, path: Path) -> None:
        code = f"""
import os, holdfast
db = holdfast.connect({str(path)!r})
if os.fork() == 0:
    try:
        db.execute("DELETE FROM steps")
    except holdfast.StoreUnavailable:
        db.close()
        with holdfast.connect({str(path)!r}) as mine:
            mine.execute("DELETE FROM steps WHERE step = 1")
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
print([row["step"] for row in db.execute("SELECT step FROM steps")])
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[2, 3]\n"

    def test_a_writer_that_waits_too_long_is_told(self, db: Store, path: Path) -> None:
        with holdfast.connect(path, timeout=0.05) as other, db.transaction("long"):
            db.execute("DELETE FROM steps")
            with ThreadPoolExecutor(1) as thread, pytest.raises(holdfast.Timeout):
                thread.submit(other.execute, "DELETE FROM steps").result()
            assert notes(other) == ["a", "b", "c"]
        assert notes(db) == []


class TestBranches:
    def test_a_diff_is_in_the_order_of_the_keys(self, db: Store) -> None:
        before = db.head
        db.executemany("INSERT INTO steps (run_id, step) VALUES ('s', %s)", [[10], [9], [2], [11]])
        assert [change.key[1] for change in db.diff(before)] == [2, 9, 10, 11]
        assert [change.key[1] for change in db.show()[1]] == [2, 9, 10, 11]

    def test_b4_a_branch_costs_one_row(self, db: Store, path: Path) -> None:
        raw = apsw.Connection(str(path))
        counted = [name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]

        def sizes() -> dict[str, int]:
            return {
                str(name): int(raw.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] or 0) for name in counted
            }

        before = sizes()
        db.branch("x/y")
        assert {name: size - before[name] for name, size in sizes().items() if size > before[name]} == {
            "hf_line": 1,
            "hf_ref": 1,
        }

    def test_a_branch_starts_where_its_store_is_or_where_it_is_told(self, db: Store) -> None:
        first = db.head
        a = db.branch("a")
        a.execute("DELETE FROM steps")
        assert notes(a.branch("a/b")) == []
        assert notes(a.branch("a/c", at=first)) == ["a", "b", "c"]
        assert notes(a.branch("a/d", at=first[:9])) == ["a", "b", "c"]

    def test_a_deleted_branch_leaves_what_was_merged_and_tagged(self, db: Store) -> None:
        a = db.branch("a")
        a.execute("UPDATE steps SET note = 'A' WHERE step = 1")
        db.merge("a")
        a.execute("UPDATE steps SET note = 'late' WHERE step = 2")
        late = db.tag("late", at="a")
        db.delete_branch("a")
        assert notes(db) == ["A", "b", "c"]
        assert notes(db.checkout("late")) == notes(db.checkout(late)) == ["A", "late", "c"]
        assert [branch.name for branch in db.branches()] == ["main"]
        again = db.branch("a")
        assert notes(again) == ["A", "b", "c"]

    def test_reset_goes_on_from_another_ref_and_loses_nothing(self, db: Store) -> None:
        old = db.head
        db.execute("DELETE FROM steps")
        newest = db.head
        assert db.reset(old) == old
        assert notes(db) == ["a", "b", "c"]
        db.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
        assert notes(db) == ["a", "b", "c", "d"]
        assert notes(db.checkout(newest)) == []

    def test_refs_are_looked_up_as_branch_then_tag_then_commit(self, db: Store) -> None:
        commit = db.head
        db.execute("DELETE FROM steps WHERE step = 1")
        db.tag(commit[:8])
        assert notes(db.checkout(commit[:8])) == ["b", "c"]
        db.delete_tag(commit[:8])
        assert notes(db.checkout(commit[:8])) == ["a", "b", "c"]
        with db.branch(commit[:8]) as branch:
            branch.execute("DELETE FROM steps")
        assert notes(db.checkout(commit[:8])) == []

    def test_a_tag_and_a_branch_have_different_names(self, db: Store) -> None:
        db.tag("point")
        with db.branch("idea"):
            pass
        with pytest.raises(holdfast.AlreadyExists, match="'point' is a tag"):
            db.branch("point")
        with pytest.raises(holdfast.AlreadyExists, match="'idea' is a branch"):
            db.tag("idea", at="idea")
        db.delete_tag("point")
        db.delete_branch("idea")
        db.branch("point").close()
        assert db.tag("idea") == db.head

    def test_a_store_that_has_both_of_a_name_keeps_them(self, db: Store, path: Path) -> None:
        """Older stores may: the branch goes first, and what names the tag goes on working."""
        tagged = db.tag("both")
        apsw.Connection(str(path)).execute(
            "INSERT INTO hf_ref SELECT kind, 'both', line, n FROM hf_ref WHERE name = 'main'"
        )
        db.execute("DELETE FROM steps WHERE step = 1")
        assert notes(db.checkout("both")) == ["b", "c"]
        assert db.tag("both", at=tagged) == tagged
        with pytest.raises(holdfast.AlreadyExists, match="another commit"):
            db.tag("both")
        db.delete_branch("both")
        assert db.checkout("both").head == tagged


BAD_REFS: list[Callable[[Store], object]] = [
    lambda db: db.checkout("nope"),
    lambda db: db.checkout("abcdef0"),
    lambda db: db.branch("b", at="nope"),
    lambda db: db.branch("b", at=db.head[:6]),
    lambda db: db.merge("nope"),
    lambda db: db.merge("main", into="nope"),
    lambda db: db.diff("main", "nope"),
    lambda db: db.log("nope"),
    lambda db: db.delete_branch("nope"),
    lambda db: db.delete_tag("nope"),
    lambda db: db.tag("t", at="nope"),
    lambda db: db.reset("nope"),
    lambda db: db.execute('SELECT * FROM "steps@nope"'),
    lambda db: db.execute('SELECT * FROM "nope@main"'),
    lambda db: db.execute("SELECT * FROM nope"),
    lambda db: db.execute("DELETE FROM nope"),
    lambda db: db.execute("UPDATE steps SET nope = 1"),
]
BAD_VALUES: list[Callable[[Store], object]] = [
    lambda db: db.merge("main"),
    lambda db: db.merge("main", into="main"),
    lambda db: db.merge("main", into="other", policy="mine"),
    lambda db: db.delete_branch("main"),
    lambda db: db.branch(""),
    lambda db: db.branch("a//b"),
    lambda db: db.branch("a b"),
    lambda db: db.branch("a/../b\0"),
    lambda db: db.branch("x" * 256),
    lambda db: db.tag("bad name"),
    lambda db: db.branch(7),  # type: ignore[arg-type]
    lambda db: db.checkout(None),  # type: ignore[arg-type]
    lambda db: db.execute(7),  # type: ignore[arg-type]
    lambda db: db.execute("INSERT INTO steps VALUES (%s, %s, %s, %s)", ["r", 9]),
    lambda db: db.execute("INSERT INTO steps (run_id, step, state) VALUES ('r', 9, %s)", ["{no json"]),
    lambda db: db.execute("INSERT INTO steps (run_id, step, state) VALUES ('r', 9, %s)", [{"x": float("nan")}]),
    lambda db: db.execute("INSERT INTO steps (run_id, step) VALUES ('r', %s)", [2**63]),
    lambda db: db.execute("INSERT INTO steps (run_id, step) VALUES (%s, 9)", ["nul\0"]),
]


class TestBadInput:
    """G9: an error of ours that says what, and nothing is changed."""

    @pytest.mark.parametrize("act", BAD_REFS, ids=range(len(BAD_REFS)))
    def test_what_is_not_there_is_not_found(self, db: Store, act: Callable[[Store], object]) -> None:
        head = db.head
        with pytest.raises(holdfast.NotFound, match=r"nope|abcdef0|at least 7 digits"):
            act(db)
        assert db.head == head
        assert [branch.name for branch in db.branches()] == ["main"]

    @pytest.mark.parametrize("act", BAD_VALUES, ids=range(len(BAD_VALUES)))
    def test_a_bad_value_is_refused(self, db: Store, act: Callable[[Store], object]) -> None:
        db.branch("other").close()
        head = db.head
        with pytest.raises(holdfast.InvalidValue):
            act(db)
        assert db.head == head
        assert notes(db) == ["a", "b", "c"]

    def test_names_that_are_taken(self, db: Store) -> None:
        db.branch("a").close()
        with pytest.raises(holdfast.AlreadyExists, match="'a'"):
            db.branch("a")
        db.tag("t")
        db.tag("t")  # the same point: idempotent
        db.execute("DELETE FROM steps")
        with pytest.raises(holdfast.AlreadyExists, match="'t'"):
            db.tag("t")
        with pytest.raises(holdfast.AlreadyExists, match="steps"):
            db.execute("CREATE TABLE steps (x INT)")
        with pytest.raises(holdfast.AlreadyExists, match="another definition"):
            db.execute("CREATE TABLE IF NOT EXISTS steps (x INT)")

    def test_create_table_if_not_exists_again_changes_nothing(self, db: Store) -> None:
        head = db.head
        db.execute(
            "create table if not exists STEPS (run_id TEXT, step INTEGER, note text, state JSON,"
            " primary key(run_id,step))"
        )
        assert db.head == head

    def test_the_past_is_read_only(self, db: Store) -> None:
        old = db.checkout(db.head)
        db.tag("t")
        for act in (
            lambda: old.execute("DELETE FROM steps"),
            lambda: old.executemany("DELETE FROM steps WHERE step = %s", [[1]]),
            lambda: old.execute("CREATE TABLE x (y INT)"),
            lambda: old.transaction().__enter__(),
            lambda: old.reset("main"),
            lambda: old.merge("main"),
            lambda: db.merge("main", into="t"),
            lambda: db.merge("main", into=old.head),
            lambda: holdfast.connect(db.url, branch="t"),
        ):
            with pytest.raises(holdfast.ReadOnly):
                act()
        assert notes(db) == ["a", "b", "c"]

    def test_what_is_a_commit_of_its_own_is_refused_in_a_transaction(self, db: Store) -> None:
        db.branch("a").close()
        with db.transaction("open"):
            db.execute("DELETE FROM steps WHERE step = 1")
            for act in (
                lambda: db.branch("b"),
                lambda: db.merge("a"),
                lambda: db.tag("t"),
                lambda: db.delete_branch("a"),
                lambda: db.reset("a"),
            ):
                with pytest.raises(holdfast.TransactionOpen):
                    act()
            assert notes(db) == ["b", "c"]
        assert notes(db) == ["b", "c"]

    def test_an_ambiguous_prefix_is_refused(self, db: Store, path: Path) -> None:
        """Two hashes with a common prefix of seven digits cannot be waited for, so one is written by hand."""
        db.execute("DELETE FROM steps WHERE step = 1")
        head = db.head
        twin = bytes.fromhex(head[:8]) + bytes(28)
        raw = apsw.Connection(str(path))
        raw.execute("UPDATE hf_commit SET hash = ? WHERE n = 1", (twin,))
        with pytest.raises(holdfast.InvalidValue, match="several commits"):
            db.checkout(head[:7])
        assert db.checkout(head[:40]).head == head

    def test_a_closed_store_says_so(self, db: Store) -> None:
        a = db.branch("a")
        db.close()
        db.close()
        for act in (lambda: db.execute("SELECT 1"), lambda: db.head, lambda: db.branch("x"), lambda: a.head):
            with pytest.raises(holdfast.StoreClosed):
                act()


class TestOpening:
    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(holdfast.NotFound, match="does not exist"):
            holdfast.connect(tmp_path / "no" / "store.db")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_is_no_store(self, tmp_path: Path) -> None:
        with pytest.raises(holdfast.InvalidValue, match="is a folder"):
            holdfast.connect(tmp_path)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.txt"
        file.write_bytes(b"my notes, which are longer than a header of SQLite is" * 40)
        with pytest.raises(holdfast.StoreCorrupt, match="no database"):
            holdfast.connect(file)
        assert file.read_bytes() == b"my notes, which are longer than a header of SQLite is" * 40

    def test_a_database_of_something_else(self, tmp_path: Path) -> None:
        file = tmp_path / "other.db"
        other = apsw.Connection(str(file))
        other.execute("CREATE TABLE mine (x)")
        with pytest.raises(holdfast.StoreCorrupt, match="something else"):
            holdfast.connect(file)
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]

    @pytest.mark.parametrize("newer", ["PRAGMA user_version = 4", "UPDATE hf_meta SET value = '[\"sealed\"]'"])
    def test_s9_a_newer_format_is_refused_untouched(self, db: Store, path: Path, newer: str) -> None:
        db.close()
        raw = apsw.Connection(str(path))
        raw.execute(newer)
        raw.close()
        before = path.read_bytes()
        with pytest.raises(holdfast.Unsupported, match="update it"):
            holdfast.connect(path)
        assert path.read_bytes() == before

    def test_no_store_is_made_unless_wanted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
        for url in (tmp_path / "s.db", "holdfast://acme/agents"):
            with pytest.raises(holdfast.NotFound, match="no store"):
                holdfast.connect(url, create=False)
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file_is_no_store_yet(self, tmp_path: Path) -> None:
        empty = tmp_path / "z.db"
        empty.touch()
        with pytest.raises(holdfast.NotFound, match="no store"):
            holdfast.connect(empty, create=False)
        assert empty.stat().st_size == 0
        with holdfast.connect(empty) as db:
            assert db.log(limit=1)[0].message == "store created"

    def test_a_branch_that_is_not_there_makes_no_store(self, path: Path) -> None:
        with pytest.raises(holdfast.NotFound):
            holdfast.connect(path, branch="nope")
        assert not path.exists()

    @pytest.mark.parametrize(
        "url", ["", "mysql://x", "valkey://x?workspace={}", "http://x", "holdfast://x", "holdfast://../x"]
    )
    def test_urls_without_an_engine(self, url: str) -> None:
        with pytest.raises((holdfast.Unsupported, holdfast.InvalidValue)):
            holdfast.connect(url)

    def test_a_name_becomes_a_file_or_what_is_configured(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
        with holdfast.connect("holdfast://acme/agents") as db:
            assert db.url == str(tmp_path / "acme" / "agents.db")
        (tmp_path / "stores.toml").write_text(f'"acme/other" = "{tmp_path / "other.db"}"\n')
        with holdfast.connect("holdfast://acme/other") as db:
            assert db.url == str(tmp_path / "other.db")

    def test_a_store_in_memory_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)
        with holdfast.connect(":memory:") as db:
            db.execute("CREATE TABLE t (x INT)")
            with db.branch("a") as a, db.transaction("one"):
                db.execute("INSERT INTO t VALUES (1)")
                assert a.execute("SELECT * FROM t").fetchall() == []
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("options", [{"durability": "hope"}, {"timeout": -1}])
    def test_l7_options_are_checked(self, path: Path, options: dict[str, object]) -> None:
        with pytest.raises(holdfast.InvalidValue):
            holdfast.connect(path, **options)  # type: ignore[arg-type]
        assert not path.exists()


def test_refs_that_differ_in_case_are_two(db: Store) -> None:
    with db.branch("A") as upper, db.branch("a"):
        upper.execute("DELETE FROM steps")
    counts = 'SELECT x.n, y.n FROM (SELECT count(*) n FROM "steps@A") x, (SELECT count(*) n FROM "steps@a") y'
    assert db.execute(counts).fetchone() == {"n": 0, "n:1": 3}
