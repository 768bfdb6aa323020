"""Goal: what is too large, too long or not allowed is refused, and costs nothing. Method: go past each bound."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

import holdfast
from holdfast import Store
from holdfast.core import limits
from holdfast.core.durations import seconds_of

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def notes(db: Store) -> list[object]:
    return [row["note"] for row in db.execute("SELECT note FROM steps ORDER BY run_id, step")]


class TestSizes:
    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch, db: Store, path: Path) -> Store:
        """Return a store whose rows may have a million bytes: SQLite would refuse 256 MiB only after it has them."""
        monkeypatch.setattr("holdfast.engine.sqlite.driver.ROW_BYTES_MAX", 1_000_000)
        return holdfast.connect(path)

    @pytest.mark.parametrize("inside", [False, True], ids=["alone", "in-a-transaction"])
    def test_g9_a_value_that_is_too_large_is_refused_and_nothing_else(self, small: Store, inside: bool) -> None:
        insert = "INSERT INTO steps VALUES ('t', %s, %s, NULL)"
        with small:
            if inside:
                with small.transaction():
                    small.execute(insert, [1, "before"])
                    with pytest.raises(holdfast.ValueTooLarge, match=str(limits.ROW_BYTES_MAX)):
                        small.execute(insert, [2, "x" * 1_000_001])
                    small.execute(insert, [3, "after"])
            else:
                with pytest.raises(holdfast.ValueTooLarge):
                    small.execute(insert, [2, "x" * 1_000_001])
            assert notes(small) == ["a", "b", "c"] + ["before", "after"] * inside
            small.execute(insert, [4, "x" * 900_000])
            small.verify()

    def test_so_is_one_that_sql_makes(self, small: Store) -> None:
        with small:
            with pytest.raises(holdfast.ValueTooLarge):
                small.execute("UPDATE steps SET note = hex(zeroblob(600000)) WHERE step = 1")
            assert notes(small) == ["a", "b", "c"]

    def test_so_is_a_row_of_values_that_each_would_fit(self, small: Store) -> None:
        with small:
            with pytest.raises(holdfast.ValueTooLarge):
                small.execute("INSERT INTO steps VALUES ('t', 1, %s, %s)", ["x" * 600_000, {"x": "y" * 600_000}])
            assert notes(small) == ["a", "b", "c"]

    def test_a_statement_has_so_many_parameters_and_no_more(self, db: Store) -> None:
        marks = ", ".join(["%s"] * (limits.PARAMETERS_MAX + 1))
        with pytest.raises(holdfast.ValueTooLarge, match="32767 parameters"):
            db.execute(f"SELECT 1 FROM steps WHERE step IN ({marks})", list(range(limits.PARAMETERS_MAX + 1)))
        marks = ", ".join(["%s"] * limits.PARAMETERS_MAX)
        found = db.execute(
            f"SELECT count(*) AS n FROM steps WHERE step IN ({marks})", list(range(limits.PARAMETERS_MAX))
        )
        assert found.fetchone() == {"n": 3}

    def test_a_commit_touches_so_many_rows_and_no_more(self, db: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("holdfast.engine.sql.writer.COMMIT_ROWS_MAX", 10)
        rows = [["t", n] for n in range(11)]
        insert = "INSERT INTO steps (run_id, step) VALUES (%s, %s)"
        with pytest.raises(holdfast.ValueTooLarge, match="10 rows"):
            db.executemany(insert, rows)
        with pytest.raises(holdfast.ValueTooLarge), db.transaction():
            for row in rows:
                db.execute(insert, row)
        assert notes(db) == ["a", "b", "c"]
        db.executemany(insert, rows[:10])
        db.verify()

    @pytest.mark.parametrize("name", ["b" * 256, "", "a//b", "ä"])
    def test_the_names_of_branches_are_bounded(self, db: Store, name: str) -> None:
        with pytest.raises(holdfast.InvalidValue):
            db.branch(name)


class TestRoom:
    def test_g8_k5_a_full_store_keeps_what_it_has_and_can_be_read(self, path: Path) -> None:
        """Rows are added until it is full; each that was acknowledged is there, also for the next who opens it."""
        acknowledged = []
        with holdfast.connect(path, size_limit=300_000) as db:
            db.execute("CREATE TABLE t (n INT PRIMARY KEY, x TEXT)")
            with pytest.raises(holdfast.StoreFull, match="nothing committed was lost"):
                for n in range(1000):
                    db.execute("INSERT INTO t VALUES (%s, %s)", [n, "x" * 3000])
                    acknowledged.append(n)
            assert [row["n"] for row in db.execute("SELECT n FROM t ORDER BY n")] == acknowledged
            assert len(acknowledged) > 20
            with pytest.raises(holdfast.StoreFull):
                db.execute("INSERT INTO t VALUES (-1, %s)", ["x" * 100_000])
            db.verify()
        assert path.stat().st_size <= 300_000
        with holdfast.connect(path) as db:
            db.execute("INSERT INTO t VALUES (-1, 'there is room again')")
            assert db.execute("SELECT count(*) AS n FROM t").fetchone() == {"n": len(acknowledged) + 1}
            db.verify()

    @pytest.mark.parametrize("limit", [0, -1, "1 GB", 1.5])
    def test_a_limit_that_is_none_is_refused(self, path: Path, limit: object) -> None:
        with pytest.raises(holdfast.InvalidValue, match="size_limit"):
            holdfast.connect(path, size_limit=limit)  # type: ignore[arg-type]
        assert not path.exists()


class TestStatementTimeout:
    @pytest.fixture
    def hasty(self, db: Store, path: Path) -> Store:
        return holdfast.connect(path, statement_timeout="50ms")

    def test_a_query_that_runs_too_long_is_stopped(self, hasty: Store) -> None:
        with hasty:
            for _ in range(2):
                with pytest.raises(holdfast.Timeout, match=r"0\.05 s"):
                    hasty.execute(FOREVER)
            assert notes(hasty) == ["a", "b", "c"]
            with hasty.transaction(read_only=True):
                with pytest.raises(holdfast.Timeout):
                    hasty.execute(FOREVER)
                assert notes(hasty) == ["a", "b", "c"]

    def test_a_write_that_runs_too_long_is_taken_back(self, hasty: Store) -> None:
        slow = f"UPDATE steps SET note = 'd' WHERE step < ({FOREVER.replace('SELECT count', 'SELECT 1 + count')})"
        with hasty:
            with pytest.raises(holdfast.Timeout):
                hasty.execute(slow)
            assert notes(hasty) == ["a", "b", "c"]
            with pytest.raises(holdfast.StoreError), hasty.transaction():
                hasty.execute("DELETE FROM steps")
                with pytest.raises(holdfast.Timeout):
                    hasty.execute(slow)
                hasty.execute("DELETE FROM steps WHERE step = 1")
            assert notes(hasty) == ["a", "b", "c"]
            hasty.execute("DELETE FROM steps WHERE step = 1")
            hasty.verify()

    def test_without_one_statements_run_as_long_as_they_take(self, db: Store) -> None:
        count = FOREVER.replace("FROM n)", "FROM n LIMIT 300000)")
        assert db.execute(count.replace("count(*)", "count(*) AS n")).fetchone() == {"n": 300000}


class TestDurations:
    @pytest.mark.parametrize(
        ("duration", "seconds"),
        [
            (3, 3.0),
            (0.5, 0.5),
            ("10m", 600.0),
            ("1h 30m", 5400.0),
            ("250ms", 0.25),
            ("7d", 604_800.0),
            ("2w", 1_209_600.0),
        ],
    )
    def test_they_are_numbers_or_texts(self, duration: object, seconds: float) -> None:
        assert seconds_of(duration, "timeout") == seconds

    def test_or_timedeltas(self) -> None:
        assert seconds_of(timedelta(minutes=2), "timeout") == 120.0

    @pytest.mark.parametrize(
        "duration", ["", "10", "m", "-1s", "1y", -1, float("nan"), float("inf"), True, None, "1e3s"]
    )
    def test_what_is_none_is_refused_by_name(self, path: Path, duration: object) -> None:
        with pytest.raises(holdfast.InvalidValue, match="timeout"):
            holdfast.connect(path, timeout=duration)  # type: ignore[arg-type]
        assert not path.exists()


AS_NOBODY = """
import os, sys
import holdfast
import holdfast.engine.sqlite, holdfast.engine.sql.translate.queries, holdfast.tables.runner, holdfast.versions.history
import datetime, tempfile, encodings.idna
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with holdfast.connect(sys.argv[1], read_only=True) as db:
        print([row["n"] for row in db.execute("SELECT n FROM t")], db.read_only, len(db.log()))
        try:
            db.execute("INSERT INTO t VALUES (9)")
        except holdfast.ReadOnly:
            print("ReadOnly")
except holdfast.HoldfastError as error:
    print(type(error).__name__, str(error))
"""


class TestReadOnly:
    @pytest.mark.parametrize(
        "write",
        [
            lambda db: db.execute("DELETE FROM steps"),
            lambda db: db.executemany("DELETE FROM steps WHERE step = %s", iter([[1]])),
            lambda db: db.execute("CREATE TABLE other (id INT)"),
            lambda db: db.branch("b"),
            lambda db: db.tag("b"),
            lambda db: db.reset("main"),
            lambda db: db.delete_branch("side"),
            lambda db: db.merge("side"),
            lambda db: db.transaction().__enter__(),
            lambda db: db.checkout("side").execute("DELETE FROM steps"),
        ],
        ids=[
            "execute",
            "executemany",
            "create",
            "branch",
            "tag",
            "reset",
            "delete",
            "merge",
            "transaction",
            "checkout",
        ],
    )
    def test_every_write_is_refused(self, db: Store, path: Path, write: Callable[[Store], object]) -> None:
        with db.branch("side") as side:
            side.execute("DELETE FROM steps WHERE step = 1")
        before = db.head
        with holdfast.connect(path, read_only=True) as reader:
            assert reader.read_only
            with pytest.raises(holdfast.ReadOnly):
                write(reader)
            assert notes(reader) == ["a", "b", "c"]
            assert reader.diff("main", "side")
            reader.verify()
        assert db.head == before
        assert [branch.name for branch in db.branches()] == ["main", "side"]

    def test_it_sees_what_others_write(self, db: Store, path: Path) -> None:
        with holdfast.connect(path, read_only=True) as reader:
            db.execute("DELETE FROM steps WHERE step = 1")
            assert notes(reader) == ["b", "c"]

    def test_nothing_is_made(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.db", tmp_path / "no" / "folder.db"):
            with pytest.raises(holdfast.NotFound):
                holdfast.connect(path, read_only=True)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_store_is_told_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        other = apsw.Connection(str(path))
        other.execute("CREATE TABLE mine (x)")
        other.close()
        with pytest.raises(holdfast.StoreCorrupt):
            holdfast.connect(path, read_only=True)

    @pytest.mark.skipif(not hasattr(os, "setuid"), reason="there are no users here")
    @pytest.mark.parametrize(
        "case", ["file", "folder", "folder-in-use"], ids=["closed_file", "closed_folder", "closed_folder_in_use"]
    )
    def test_a_file_or_a_folder_that_cannot_be_written_can_be_read(self, tmp_path: Path, case: str) -> None:
        """In a folder where nothing can be made there must be a writer, or the error says what to do."""
        folder = tmp_path / "shared"
        folder.mkdir()
        for above in [folder, *folder.parents][:-1]:
            if above.stat().st_uid == os.getuid():
                above.chmod(above.stat().st_mode | 0o755)
        db = holdfast.connect(folder / "s.db")
        db.execute("CREATE TABLE t (n INT)")
        db.execute("INSERT INTO t VALUES (1)")
        if case != "folder-in-use":
            db.close()
        (folder / "s.db").chmod(0o444)
        folder.chmod(0o777 if case == "file" else 0o555)
        command = [sys.executable, "-c", AS_NOBODY, str(folder / "s.db")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        folder.chmod(0o755)
        db.close()
        if case == "folder":
            assert done.stdout.startswith("StoreUnavailable"), done.stderr
            assert "read a copy" in done.stdout
        else:
            assert done.stdout.splitlines() == ["[1] True 3", "ReadOnly"], done.stderr
