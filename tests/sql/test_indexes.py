"""Goal: the branch's queries use the indexes that a user asked for, and UNIQUE ones hold as seen from the branch.

Method: ask SQLite for the plan of the very statement that the engine runs, on main, on a branch of a branch, in a
checkout of the past and in a merge's recheck; look at the catalogue and at the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast import (
    AlreadyExists,
    ConstraintFailed,
    HoldfastError,
    InvalidValue,
    MergeConflict,
    NotFound,
    SqlError,
    Unsupported,
)


def plan(store: holdfast.Store, sql: str) -> str:
    """Return how SQLite carries out a statement, through the views that it had when it was run."""
    store.execute(sql)
    connection: Any = store._session._driver.connection  # type: ignore[attr-defined]
    return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))


def on_disk(store: holdfast.Store) -> list[str]:
    """Return the columns of the indexes that table 1 has on disk, besides those that every table has."""
    connection: Any = store._session._driver.connection  # type: ignore[attr-defined]
    found = connection.execute("SELECT sql FROM main.sqlite_schema WHERE type = 'index' AND tbl_name = 'hf_v1'")
    listed = [re.findall(r"\((.*)\)", sql)[0] for (sql,) in found if sql]
    return sorted(columns for columns in listed if columns not in ("line, n", "c1, line, n"))


def catalogue(store: holdfast.Store) -> Any:
    with store._session.read() as reader:
        return reader.catalogue()


@pytest.fixture
def filled(db: holdfast.Store) -> holdfast.Store:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, run TEXT, step INT, note TEXT, state JSONB, v VECTOR(2))")
    db.executemany("INSERT INTO t (k, run, step) VALUES (%s, %s, %s)", [[k, f"r{k % 7}", k] for k in range(70)])
    return db


QUERIES = [
    ("SELECT k FROM t WHERE run = 'r1'", "SEARCH v USING INDEX hf_v1_on_2_3 (c2=?)"),
    ("SELECT k FROM t WHERE run = 'r1' AND step > 5", "SEARCH v USING INDEX hf_v1_on_2_3 (c2=? AND c3>?)"),
    ("SELECT k FROM t WHERE run = 'r1' ORDER BY step DESC LIMIT 1", "SEARCH v USING INDEX hf_v1_on_2_3 (c2=?)"),
    ("SELECT x.k FROM t x JOIN t y ON x.run = y.run AND x.step = y.step + 1 WHERE y.k = 5", "on_2_3 (c2=? AND c3=?)"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_queries_of_every_branch_use_an_index(filled: holdfast.Store, sql: str, expected: str) -> None:
    filled.tag("past")
    assert "hf_v1_on_2_3" not in plan(filled, sql)
    branch = filled.branch("a")
    below = branch.branch("a/b")
    below.execute("CREATE INDEX by_run ON t (run, step DESC)")
    below.execute("UPDATE t SET step = step + 1 WHERE k < 10")
    for store in (filled, branch, below, filled.checkout("past")):
        assert expected in plan(store, sql), store.ref
        assert "TEMP B-TREE" not in plan(store, sql)
    filled.execute("DROP INDEX by_run")
    for store in (filled, branch, below):
        assert "hf_v1_on_2_3" not in plan(store, sql)


def test_writes_use_an_index(filled: holdfast.Store) -> None:
    filled.execute("CREATE INDEX ON t (run, step)")
    branch = filled.branch("a")
    branch.execute("DELETE FROM t WHERE run = 'r1'")
    connection: Any = branch._session._driver.connection  # type: ignore[attr-defined]
    sql = 'SELECT "hf:vid" FROM hf_rows_1 WHERE run = ?'
    assert "hf_v1_on_2_3" in "".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", ("r1",)))
    assert catalogue(filled).find("t").indexes[0].name == "t_run_step_idx"
    assert filled.execute("SELECT count(*) AS n FROM t WHERE run = 'r1'").fetchone() == {"n": 10}
    assert branch.execute("SELECT count(*) AS n FROM t WHERE run = 'r1'").fetchone() == {"n": 0}


def test_one_index_on_disk_does_the_work_of_two(filled: holdfast.Store) -> None:
    for sql, expected in [
        ("CREATE INDEX a ON t (run)", ["c2, line, n"]),
        ("CREATE UNIQUE INDEX b ON t (step)", ["c2, line, n", "c3, line, n"]),
        ("CREATE INDEX c ON t (step)", ["c2, line, n", "c3, line, n"]),
        ("CREATE INDEX d ON t (k)", ["c2, line, n", "c3, line, n"]),
        ("DROP INDEX b", ["c2, line, n", "c3, line, n"]),
        ("ALTER TABLE t ADD CONSTRAINT e UNIQUE (step)", ["c2, line, n", "c3, line, n"]),
        ("DROP INDEX a, c", ["c3, line, n"]),
        ("ALTER TABLE t DROP CONSTRAINT e", []),
        ("ALTER TABLE t ADD FOREIGN KEY (step) REFERENCES t (k)", ["c3, line, n"]),
        ("CREATE INDEX f ON t (step, run)", ["c3, c2, line, n"]),
        ("DROP INDEX d, f", ["c3, line, n"]),
        ("ALTER TABLE t DROP CONSTRAINT t_step_fkey", []),
    ]:
        filled.execute(sql)
        assert on_disk(filled) == expected, sql
    filled.verify()


def test_an_index_that_create_table_made_can_be_dropped(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (a INT PRIMARY KEY, b INT UNIQUE, c INT, CONSTRAINT pair UNIQUE (b, c), UNIQUE (c))")
    assert on_disk(db) == ["c2, c3, line, n", "c2, line, n", "c3, line, n"]
    db.execute("DROP INDEX pair")
    db.execute("ALTER TABLE t DROP CONSTRAINT t_b_key")
    assert on_disk(db) == ["c3, line, n"]
    db.execute("INSERT INTO t VALUES (1, 1, 1), (2, 1, 2)")
    with pytest.raises(ConstraintFailed, match=r"UNIQUE constraint failed: t\.c"):
        db.execute("INSERT INTO t VALUES (3, 1, 1)")


def test_a_unique_index_holds_as_seen_from_the_branch(filled: holdfast.Store) -> None:
    a, b = filled.branch("a"), filled.branch("b")
    a.execute("CREATE UNIQUE INDEX one ON t (run, step)")
    for store in (filled, a, b):
        with pytest.raises(ConstraintFailed, match=r"UNIQUE constraint failed: t\.run, t\.step"):
            store.execute("INSERT INTO t (k, run, step) VALUES (100, 'r1', 1)")
        store.execute("INSERT INTO t (k, run, step) VALUES (101, NULL, 1), (102, NULL, 1)")
    a.execute("INSERT INTO t (k, run, step) VALUES (200, 'new', 1)")
    b.execute("INSERT INTO t (k, run, step) VALUES (201, 'new', 1)")
    filled.merge("a", policy="ours")
    with pytest.raises(MergeConflict, match=r"UNIQUE \(run, step\)"):
        filled.merge("b", policy="ours")
    filled.execute("DROP INDEX one")
    filled.merge("b", policy="ours")
    filled.verify()


@pytest.mark.parametrize(
    ("using", "language"),
    [
        ("bm25 (note)", "english"),
        ("gin (to_tsvector('simple', note))", "simple"),
        ("gin ((to_tsvector(note)))", "english"),
    ],
)
def test_text_indexes_are_in_the_catalogue(filled: holdfast.Store, using: str, language: str) -> None:
    filled.execute(f"CREATE INDEX words ON t USING {using}")
    _, index = catalogue(filled).find_index("words")
    assert (index.kind, index.language) == ("text", language)
    with pytest.raises(AlreadyExists, match="'words' has the words of this column"):
        filled.execute("CREATE INDEX others ON t USING bm25 (note)")
    filled.execute("DROP INDEX words")
    with pytest.raises(NotFound, match="CREATE INDEX"):
        filled.execute("SELECT * FROM t WHERE note @@ 'a'")
    filled.execute(f"CREATE INDEX words ON t USING {using}")
    filled.verify()


@pytest.mark.parametrize(
    "using",
    [
        "hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 64)",
        "ivfflat (v vector_cosine_ops) WITH (lists = 100)",
        "hnsw (v)",
        "deeplake_index (v DESC)",
    ],
)
def test_a_vector_index_writes_nothing(filled: holdfast.Store, using: str) -> None:
    filled.execute(f"CREATE INDEX near ON t USING {using}")
    _, index = catalogue(filled).find_index("NEAR")
    assert (index.kind, index.columns) == ("vector", (6,))
    assert on_disk(filled) == []
    filled.execute("ALTER TABLE t RENAME v TO embedding")
    with pytest.raises(SqlError, match="the index near"):
        filled.execute("ALTER TABLE t DROP embedding")
    filled.execute("DROP INDEX near RESTRICT")
    filled.execute("ALTER TABLE t DROP embedding")


@pytest.mark.parametrize(
    ("sql", "error", "part"),
    [
        ("CREATE INDEX i ON nowhere (a)", NotFound, "no table 'nowhere'"),
        ("CREATE INDEX i ON t (z)", NotFound, "no column 'z'"),
        ("CREATE INDEX i ON t (run, run)", SqlError, "twice"),
        ("CREATE INDEX i ON t (lower(run))", Unsupported, "lower(run)"),
        ("CREATE INDEX i ON t ((state ->> 'a'))", Unsupported, "state ->> 'a'"),
        ('CREATE INDEX i ON t (run COLLATE "C")', Unsupported, "run COLLATE"),
        ("CREATE INDEX i ON t (run NULLS FIRST)", Unsupported, "NULLS FIRST"),
        ("CREATE INDEX i ON t (run) WHERE step > 5", Unsupported, "WHERE step > 5"),
        ("CREATE INDEX i ON t (run) INCLUDE (step)", Unsupported, "INCLUDE"),
        ("CREATE INDEX i ON t (run) WITH (fillfactor = 70)", Unsupported, "WITH"),
        ("CREATE INDEX i ON t USING gin (state)", Unsupported, "USING gin"),
        ("CREATE INDEX i ON t USING gin (run gin_trgm_ops)", Unsupported, "gin_trgm_ops"),
        ("CREATE INDEX i ON t USING brin (run)", Unsupported, "USING brin"),
        ("CREATE INDEX i ON t USING gin (to_tsvector('german', note))", Unsupported, "'german'"),
        ("CREATE INDEX i ON t USING gin (to_tsvector('english', note || run))", Unsupported, "note || run"),
        ("CREATE INDEX i ON t USING bm25 (note, run)", InvalidValue, "one column of type TEXT"),
        ("CREATE INDEX i ON t USING bm25 (step)", InvalidValue, "one column of type TEXT"),
        ("CREATE INDEX i ON t USING hnsw (run)", InvalidValue, "one column of type VECTOR"),
        ("CREATE UNIQUE INDEX i ON t USING hnsw (v)", SqlError, "UNIQUE"),
        ("CREATE INDEX i ON t (v)", InvalidValue, "USING hnsw"),
        ("CREATE INDEX taken ON t (run)", AlreadyExists, "'taken'"),
        ("CREATE INDEX IF NOT EXISTS taken ON t (run)", AlreadyExists, "another definition"),
        ("CREATE UNIQUE INDEX i ON t (run)", ConstraintFailed, "UNIQUE (run) of t does not hold on branch 'main'"),
        ("CREATE INDEX i", SqlError, "ON"),
        ("CREATE INDEX i ON t", SqlError, "columns in parentheses"),
        ("CREATE INDEX i ON t ()", Unsupported, "''"),
        ("DROP INDEX i", NotFound, "no index 'i'"),
        ("DROP INDEX taken garbage", SqlError, "garbage"),
    ],
)
def test_what_cannot_be_is_refused(filled: holdfast.Store, sql: str, error: type[HoldfastError], part: str) -> None:
    filled.execute("CREATE INDEX taken ON t (step)")
    head, before = filled.head, on_disk(filled)
    with pytest.raises(error) as caught:
        filled.execute(sql)
    assert type(caught.value) is error
    assert part in str(caught.value)
    assert (filled.head, on_disk(filled)) == (head, before)


def test_an_index_is_rolled_back_with_its_transaction(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, a INT)")
        with pytest.raises(ZeroDivisionError), db.transaction():
            db.execute("CREATE INDEX i ON t (a)")
            raise ZeroDivisionError
        assert on_disk(db) == []
        db.execute("CREATE INDEX i ON t (a)")
        db.execute("CREATE INDEX IF NOT EXISTS I ON t (a)")
        assert on_disk(db) == ["c2, line, n"]
        assert [commit.message for commit in db.log(limit=2)] == ["CREATE INDEX i", "CREATE TABLE t"]
        db.verify()
    names = apsw.Connection(str(path)).execute("SELECT name FROM sqlite_schema WHERE name LIKE 'hf_v1_on%'").fetchall()
    assert names == [("hf_v1_on_2",)]
