"""Goal: tables change for every branch at once, the past keeps the columns of its time, and no hash of it changes.

Method: one history with a branch of a branch and a tag; each change is looked at from all of them, from another
connection and from another process, and the store is verified.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast import AlreadyExists, ConstraintFailed, HoldfastError, InvalidValue, NotFound, SqlError, Unsupported


class Clock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 1, tzinfo=UTC)

    def now_us(self) -> int:
        return int(self.at.timestamp() * 1_000_000)


def rows(store: holdfast.Store, sql: str = "SELECT * FROM t ORDER BY 1") -> list[dict[str, Any]]:
    return store.execute(sql).fetchall()


class History:
    """Main, a branch, a branch of that, and a tag, each with a row of its own."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.main = holdfast.connect(path, clock=self.clock)
        self.main.execute("CREATE TABLE t (k INT PRIMARY KEY, a TEXT, n INT)")
        self.main.execute("INSERT INTO t VALUES (1, 'main', 10)")
        self.main.tag("before")
        self.branch = self.main.branch("branch")
        self.branch.execute("INSERT INTO t VALUES (2, 'branch', 20)")
        self.below = self.branch.branch("branch/below")
        self.below.execute("INSERT INTO t VALUES (3, 'below', 30)")
        self.below.execute("UPDATE t SET n = 11 WHERE k = 1")
        self.stores = (self.main, self.branch, self.below)
        self.past = {store: (store.head, rows(store)) for store in self.stores}

    def check_past(self) -> None:
        """See that commits made before show what they showed, and still are what their hashes say."""
        for head, was in self.past.values():
            with self.main.checkout(head) as then:
                assert rows(then) == was
            assert rows(self.main, f'SELECT * FROM "t@{head}" ORDER BY 1') == was
        with self.main.checkout("before") as then:
            assert rows(then) == [{"k": 1, "a": "main", "n": 10}]
        self.main.verify()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "store.db")
    yield history
    history.main.close()


# ADD COLUMN


def test_an_added_column_is_on_every_branch_and_not_in_the_past(history: History) -> None:
    history.branch.execute("ALTER TABLE t ADD COLUMN note TEXT DEFAULT 'new'")
    for store in history.stores:
        assert [row["note"] for row in rows(store)] == ["new"] * len(rows(store))
        store.execute("INSERT INTO t (k) VALUES (9)")
        store.execute("UPDATE t SET a = 'x' WHERE k = 1")
        assert rows(store, "SELECT note FROM t WHERE k IN (1, 9)") == [{"note": "new"}] * 2
    history.below.execute("UPDATE t SET note = NULL WHERE k = 2")
    assert rows(history.below, "SELECT k FROM t WHERE note IS NULL") == [{"k": 2}]
    assert rows(history.branch, "SELECT k FROM t WHERE note IS NULL") == []
    history.check_past()


def test_an_added_column_merges(history: History) -> None:
    history.main.execute("ALTER TABLE t ADD note TEXT DEFAULT 'new'")
    history.branch.execute("UPDATE t SET note = 'ours' WHERE k = 1")
    merged = history.branch.merge("branch/below")
    assert merged.conflicts == ()
    assert [(row["k"], row["n"], row["note"]) for row in rows(history.branch)] == [
        (1, 11, "ours"), (2, 20, "new"), (3, 30, "new"),
    ]  # fmt: skip
    history.check_past()


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("x INT", None),
        ("x INT DEFAULT 7", 7),
        ("x INT DEFAULT '7'", 7),
        ("x REAL DEFAULT 1", 1.0),
        ("x REAL DEFAULT -2.5e10", -2.5e10),
        ("x TEXT DEFAULT 'it''s'", "it's"),
        ("x TEXT DEFAULT 5", "5"),
        ("x BYTEA DEFAULT x'00ff'", b"\x00\xff"),
        ("x BOOLEAN NOT NULL DEFAULT true", True),
        ("""x JSONB DEFAULT '{"b": 1, "a": [2]}'""", {"a": [2], "b": 1}),
        ("x DATE DEFAULT CURRENT_DATE", datetime(2026, 5, 1, tzinfo=UTC).date()),
        ("x TIMESTAMP NOT NULL DEFAULT NOW()", datetime(2026, 5, 1, tzinfo=UTC)),
        ("x TEXT DEFAULT lower('ABC')", "abc"),
        ("x INT DEFAULT (2 * 3)", 6),
        ("x DEFAULT 2.5", 2.5),
        ("x INT CHECK (x > 3) DEFAULT 4", 4),
        ("x VARCHAR(3) DEFAULT 'abc'", "abc"),
    ],
)
def test_rows_that_are_there_get_the_default_once(history: History, definition: str, expected: object) -> None:
    history.main.execute(f"ALTER TABLE t ADD COLUMN {definition}")
    history.clock.at = datetime(2027, 1, 1, tzinfo=UTC)
    for store in history.stores:
        found = rows(store)
        assert [row["x"] for row in found] == [expected] * len(found)
        assert {type(row["x"]) for row in found} == {type(expected)}
    history.main.execute("INSERT INTO t (k) VALUES (9)")
    (row,) = rows(history.main, "SELECT x FROM t WHERE k = 9")
    later = history.clock.at if isinstance(expected, datetime) else history.clock.at.date()
    assert row["x"] == (later if "NOW" in definition or "CURRENT" in definition else expected)
    history.main.execute("UPDATE t SET a = 'again'")
    assert rows(history.main, "SELECT x FROM t WHERE k = 1") == [{"x": expected}]
    history.check_past()


def test_the_default_can_be_dropped_and_what_it_gave_stays(history: History) -> None:
    history.main.execute("ALTER TABLE t ADD COLUMN x INT DEFAULT 7")
    history.main.execute("ALTER TABLE t ALTER COLUMN x DROP DEFAULT")
    history.main.execute("INSERT INTO t (k) VALUES (9)")
    assert [row["x"] for row in rows(history.main)] == [7, None]
    history.main.execute("ALTER TABLE t ALTER x SET DEFAULT 8, ALTER COLUMN a SET DEFAULT 'none'")
    history.branch.execute("INSERT INTO t (k) VALUES (10)")
    assert [(row["x"], row["a"]) for row in rows(history.branch)] == [(7, "main"), (7, "branch"), (8, "none")]
    history.check_past()


@pytest.mark.parametrize(
    ("sql", "error", "part"),
    [
        ("ALTER TABLE t ADD COLUMN x INT NOT NULL", SqlError, "needs a DEFAULT"),
        ("ALTER TABLE t ADD COLUMN x INT NOT NULL DEFAULT NULL", SqlError, "needs a DEFAULT"),
        ("ALTER TABLE t ADD COLUMN x INT DEFAULT 'abc'", InvalidValue, "'abc' is no INTEGER"),
        ("ALTER TABLE t ADD COLUMN x INT DEFAULT 1.5", InvalidValue, "1.5 is no INTEGER"),
        ("ALTER TABLE t ADD COLUMN x BYTEA DEFAULT 'abc'", InvalidValue, "t.x"),
        ("ALTER TABLE t ADD COLUMN x VARCHAR(2) DEFAULT 'abc'", InvalidValue, "t.x"),
        ("ALTER TABLE t ADD COLUMN x TIMESTAMP DEFAULT 'soon'", InvalidValue, "t.x"),
        ("ALTER TABLE t ADD COLUMN x REAL DEFAULT random()", Unsupported, "not the same for all rows"),
        ("ALTER TABLE t ADD COLUMN x INT DEFAULT (k + 1)", HoldfastError, "default of t.x"),
        (
            "ALTER TABLE t ADD COLUMN x INT CHECK (x > 3) DEFAULT 1",
            ConstraintFailed,
            "CHECK (x > 3) of t does not hold",
        ),
        ("ALTER TABLE t ADD COLUMN x INT UNIQUE DEFAULT 1", ConstraintFailed, "on branch 'branch'"),
        ("ALTER TABLE t ADD COLUMN x INT PRIMARY KEY", Unsupported, "primary key"),
        ("ALTER TABLE t ADD COLUMN x SERIAL", Unsupported, "numbers no rows"),
        ("ALTER TABLE t ADD COLUMN A INT", SqlError, "'A' is there twice"),
        ("ALTER TABLE t ADD COLUMN x WRONG", Unsupported, "WRONG"),
        ("ALTER TABLE t ADD COLUMN x INT CHECK (y > 1)", SqlError, "CHECK (y > 1)"),
        ("ALTER TABLE t ADD COLUMN true INT", InvalidValue, "true"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", Unsupported, "primary key"),
        ("ALTER TABLE t ADD CONSTRAINT p PRIMARY KEY (a)", Unsupported, "primary key"),
        ("ALTER TABLE t ADD UNIQUE (z)", SqlError, "'z'"),
        ("ALTER TABLE u ADD COLUMN x INT", NotFound, "no table 'u'"),
        ("ALTER TABLE t RENAME z TO y", NotFound, "no column 'z'"),
        ("ALTER TABLE t RENAME a TO n", AlreadyExists, "'n'"),
        ("ALTER TABLE t RENAME TO hf_x", InvalidValue, "hf_x"),
        ("ALTER TABLE t RENAME TO other", AlreadyExists, "'other'"),
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", Unsupported, "RENAME CONSTRAINT"),
        ("ALTER TABLE t DROP COLUMN z", NotFound, "no column 'z'"),
        ("ALTER TABLE t DROP COLUMN k", SqlError, "the primary key"),
        ("ALTER TABLE t DROP COLUMN a CASCADE", Unsupported, "CASCADE"),
        ("ALTER TABLE t DROP CONSTRAINT z", NotFound, "t_pkey"),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", Unsupported, "primary key"),
        ("ALTER TABLE t ALTER COLUMN k SET DEFAULT 5", Unsupported, "numbers the rows"),
        ("ALTER TABLE t ALTER COLUMN k DROP NOT NULL", SqlError, "never NULL"),
        ("ALTER TABLE t ALTER COLUMN a TYPE INT", Unsupported, "keeps its type"),
        ("ALTER TABLE t ALTER COLUMN a SET DATA TYPE INT", Unsupported, "keeps its type"),
        ("ALTER TABLE t ALTER COLUMN a SET STATISTICS 5", Unsupported, "SET STATISTICS"),
        ("ALTER TABLE t OWNER TO me", Unsupported, "OWNER TO me"),
        ("ALTER TABLE t", SqlError, "an action is missing"),
        ("ALTER TABLE t ADD COLUMN x INT,", SqlError, "an action is missing"),
        ("ALTER TABLE t DROP COLUMN a garbage", Unsupported, "garbage"),
        ("ALTER VIEW t RENAME TO u", Unsupported, "ALTER VIEW"),
        ("DROP TABLE u", NotFound, "no table 'u'"),
        ("DROP TABLE t garbage", SqlError, "garbage"),
        ("DROP SCHEMA public", Unsupported, "DROP SCHEMA"),
        ("CREATE VIEW v AS SELECT 1", Unsupported, "CREATE VIEW"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    history: History, sql: str, error: type[HoldfastError], part: str
) -> None:
    history.main.execute("CREATE TABLE other (a TEXT)")
    head, was = history.main.head, rows(history.main)
    with pytest.raises(error) as caught:
        history.main.execute(sql)
    assert part in str(caught.value)
    with history.main.transaction():
        with pytest.raises(error):
            history.main.execute(sql)
        assert rows(history.main) == was
    assert history.main.head == head
    assert history.main.tables() == ["t", "other"]
    history.check_past()


def test_parameters_are_refused(history: History) -> None:
    with pytest.raises(Unsupported, match="ALTER TABLE t takes no parameters"):
        history.main.execute("ALTER TABLE t ADD COLUMN x INT DEFAULT %s", [1])
    with pytest.raises(Unsupported, match="not DROP"):
        history.main.executemany("DROP TABLE t", [[]])


def test_if_exists_and_if_not_exists_make_no_commit(history: History) -> None:
    history.main.execute("ALTER TABLE t ADD COLUMN x INT")
    head = history.main.head
    for sql in (
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS X TEXT NOT NULL",
        "ALTER TABLE IF EXISTS u ADD COLUMN x INT",
        "ALTER TABLE t DROP COLUMN IF EXISTS y",
        "ALTER TABLE t DROP CONSTRAINT IF EXISTS y",
        "DROP TABLE IF EXISTS u, v",
        "DROP INDEX IF EXISTS u",
    ):
        history.main.execute(sql)
    assert history.main.head == head


def test_each_change_is_a_commit_that_says_so(history: History) -> None:
    for sql, message in [
        ("ALTER TABLE ONLY t ADD x INT", "ALTER TABLE t"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "CREATE UNIQUE INDEX i"),
        ("DROP INDEX IF EXISTS i", "DROP INDEX i"),
        ("CREATE TABLE IF NOT EXISTS u (a INT)", "CREATE TABLE u"),
        ("DROP TABLE IF EXISTS u", "DROP TABLE u"),
    ]:
        before = history.main.head
        history.main.execute(sql)
        (commit,) = history.main.log(limit=1)
        assert (commit.message, commit.parents) == (message, (before,))


# RENAME and DROP


def test_a_renamed_column_is_the_same_column(history: History) -> None:
    history.main.execute("ALTER TABLE t ADD COLUMN x INT CHECK (x > 0 AND CAST(x AS TEXT) <> 'x'), ADD UNIQUE (a, x)")
    history.below.execute("ALTER TABLE t RENAME COLUMN x TO y")
    history.branch.execute('ALTER TABLE t RENAME a TO "the A"')
    history.branch.execute("ALTER TABLE t RENAME COLUMN k TO id")
    for store in history.stores:
        assert list(rows(store)[0]) == ["id", "the A", "n", "y"]
        store.execute("INSERT INTO t VALUES (9, 'x', 1, 5)")
        with pytest.raises(ConstraintFailed, match=r"UNIQUE constraint failed: t\.the A, t\.y"):
            store.execute("INSERT INTO t VALUES (10, 'x', 1, 5)")
        with pytest.raises(ConstraintFailed, match="CHECK constraint failed: t: y > 0 and cast"):
            store.execute("UPDATE t SET y = 0")
        with pytest.raises(SqlError):
            store.execute("SELECT a FROM t")
    (change,) = history.main.diff(history.past[history.main][0], "main")
    assert (change.key, change.before, change.after) == ((9,), None, {"id": 9, "the A": "x", "n": 1, "y": 5})
    history.check_past()


def test_a_renamed_table_is_the_same_table(history: History) -> None:
    history.branch.execute("ALTER TABLE t RENAME TO steps")
    for store in history.stores:
        assert rows(store, "SELECT k FROM steps ORDER BY k") == [{"k": row["k"]} for row in history.past[store][1]]
        with pytest.raises(NotFound, match="no table 't'"):
            store.execute("SELECT * FROM t")
        with pytest.raises(NotFound):
            store.execute("INSERT INTO t VALUES (5)")
    history.main.execute("INSERT INTO steps VALUES (7, 'x', 1)")
    assert [change.table for change in history.main.diff("before", "main")] == ["steps"]
    history.main.execute("CREATE TABLE t (other TEXT)")
    assert rows(history.main) == rows(history.branch) == []
    history.main.execute("ALTER TABLE steps RENAME TO Steps")
    assert history.main.tables() == ["Steps", "t"]
    history.check_past()


def test_a_dropped_column_is_gone_and_its_id_is_not_used_again(history: History) -> None:
    history.main.execute("ALTER TABLE t DROP COLUMN n")
    history.main.execute("ALTER TABLE t ADD COLUMN n TEXT DEFAULT 'other'")
    for store in history.stores:
        assert {row["n"] for row in rows(store)} == {"other"}
        store.execute("UPDATE t SET n = n || '!' WHERE k = 1")
    history.main.execute("ALTER TABLE t DROP n")
    history.main.execute("ALTER TABLE t ADD n INT")
    assert rows(history.branch, "SELECT n FROM t WHERE k = 1") == [{"n": None}]
    history.branch.merge("branch/below")
    history.check_past()


def test_a_column_that_is_used_is_not_dropped(history: History) -> None:
    main = history.main
    main.execute("ALTER TABLE t ADD b INT CHECK (b > 0), ADD c INT UNIQUE, ADD d INT, ADD e INT REFERENCES t (k)")
    main.execute("CREATE INDEX by_d ON t (d)")
    main.execute("CREATE TABLE u (c INT REFERENCES t (c))")
    for column, part in [
        ("b", r"CHECK \(b > 0\)"), ("c", r"UNIQUE \(c\), FOREIGN KEY \(c\) of u"), ("d", "the index by_d"),
        ("e", r"FOREIGN KEY \(e\)"), ("k", r"the primary key, FOREIGN KEY \(e\) of t"),
    ]:  # fmt: skip
        with pytest.raises(SqlError, match=part):
            main.execute(f"ALTER TABLE t DROP COLUMN {column}")
    main.execute("DROP INDEX by_d")
    main.execute("DROP TABLE u")
    main.execute("ALTER TABLE t DROP CONSTRAINT t_b_check, DROP CONSTRAINT t_c_key, DROP CONSTRAINT t_e_fkey")
    main.execute("ALTER TABLE t DROP b, DROP c, DROP d, DROP COLUMN e RESTRICT, DROP a, DROP n")
    with pytest.raises(SqlError, match="the primary key"):
        main.execute("ALTER TABLE t DROP k")
    history.check_past()


def test_a_dropped_table_is_gone_everywhere_but_in_the_past(history: History) -> None:
    for store in history.stores:
        rows(store)  # each connection has its view
    history.below.execute("DROP TABLE t")
    for store in history.stores:
        for sql in ("SELECT * FROM t", "DELETE FROM t", "SELECT 1 WHERE EXISTS (SELECT 1 FROM t)"):
            with pytest.raises(NotFound, match="no table 't'"):
                store.execute(sql)
        assert store.tables() == []
    removed = history.main.diff("before", "main")
    assert [(change.table, change.key, change.after) for change in removed] == [("t", (1,), None)]
    history.main.execute("CREATE TABLE t (k TEXT)")
    history.main.execute("INSERT INTO t VALUES ('new')")
    assert rows(history.main) == [{"k": "new"}]
    assert rows(history.branch) == []
    history.branch.merge("branch/below")
    history.branch.merge("main")
    history.check_past()


def test_values_of_a_dropped_column_are_still_python_values_at_its_ref(history: History) -> None:
    main = history.main
    main.execute("CREATE TABLE j (k INT PRIMARY KEY, state JSONB, at TIMESTAMP)")
    main.execute("INSERT INTO j VALUES (1, %s, '2026-01-01')", [{"a": 1}])
    main.tag("then")
    main.execute("ALTER TABLE j DROP state")
    assert rows(main, 'SELECT * FROM "j@then"') == [{"k": 1, "state": {"a": 1}, "at": datetime(2026, 1, 1, tzinfo=UTC)}]
    main.execute("DROP TABLE j")
    assert rows(main, 'SELECT state FROM "j@then"') == [{"state": {"a": 1}}]


# Transactions


def test_changes_are_rolled_back_with_their_transaction(history: History) -> None:
    main = history.main
    rows(main)
    with pytest.raises(RuntimeError), main.transaction():
        main.execute("ALTER TABLE t ADD x INT DEFAULT 1")
        main.execute("INSERT INTO t VALUES (9, 'x', 1, 2)")
        assert rows(main, "SELECT x FROM t ORDER BY k") == [{"x": 1}, {"x": 2}]
        main.execute("ALTER TABLE t RENAME TO u")
        main.execute("CREATE INDEX i ON u (x)")
        raise RuntimeError
    assert rows(main) == history.past[main][1]
    with main.transaction():
        with pytest.raises(RuntimeError), main.transaction():
            main.execute("DROP TABLE t")
            main.execute("CREATE TABLE t (z INT)")
            raise RuntimeError
        assert rows(main) == history.past[main][1]
        main.execute("ALTER TABLE t ADD x INT DEFAULT 3")
    assert [row["x"] for row in rows(main)] == [3]
    history.check_past()


def test_a_table_is_gone_for_the_rest_of_its_transaction(history: History) -> None:
    main = history.main
    with main.transaction():
        main.execute("INSERT INTO t SELECT k + 1, a, n FROM t")
        assert len(rows(main)) == 2
        main.execute("ALTER TABLE t RENAME TO u")
        with pytest.raises(NotFound, match="no table 't'"):
            rows(main)
        main.execute("CREATE TABLE v (k INT)")
        with pytest.raises(NotFound, match="no table 't'"):
            main.execute("INSERT INTO v SELECT k FROM t")
        main.execute("INSERT INTO v SELECT k FROM u")
        main.execute("DROP TABLE u")
        with pytest.raises(NotFound, match="no table 'u'"):
            main.execute("INSERT INTO v SELECT k FROM u")
    assert rows(main, "SELECT k FROM v ORDER BY k") == [{"k": 1}, {"k": 2}]
    history.check_past()


def test_rows_written_before_and_after_a_change_are_one_commit(history: History) -> None:
    main = history.main
    with main.transaction("both"):
        main.execute("INSERT INTO t VALUES (5, 'x', 1)")
        main.execute("UPDATE t SET n = 100 WHERE k = 1")
        main.execute("ALTER TABLE t ADD x INT DEFAULT 7")
        main.execute("UPDATE t SET x = 8 WHERE k = 5")
        main.execute("CREATE TABLE gone (a INT)")
        main.execute("INSERT INTO gone VALUES (1)")
        main.execute("DROP TABLE gone")
    _, changes = main.show()
    assert [(change.key, change.after) for change in changes] == [
        ((1,), {"k": 1, "a": "main", "n": 100, "x": 7}),
        ((5,), {"k": 5, "a": "x", "n": 1, "x": 8}),
    ]
    with main.transaction("nothing but the column"):
        main.execute("UPDATE t SET n = 1 WHERE k = 1")
        main.execute("ALTER TABLE t DROP n")
    assert main.show()[1] == []
    history.check_past()


def test_a_diff_across_a_change_has_the_rows_that_differ(history: History) -> None:
    main = history.main
    before = main.head
    main.execute("INSERT INTO t VALUES (2, 'two', 2)")
    main.execute("UPDATE t SET n = 99 WHERE k = 1")
    main.execute("ALTER TABLE t ADD x INT DEFAULT 7")
    main.execute("UPDATE t SET n = 10 WHERE k = 1")  # as it was
    assert [(change.key, change.before, change.after) for change in main.diff(before, "main")] == [
        ((2,), None, {"k": 2, "a": "two", "n": 2, "x": 7})
    ]
    main.execute("UPDATE t SET x = 8 WHERE k = 1")
    (first, _) = main.diff(before, "main")
    assert (first.before, first.after) == ({"k": 1, "a": "main", "n": 10}, {"k": 1, "a": "main", "n": 10, "x": 8})
    back = main.diff("main", before)
    assert [(change.before, change.after) for change in back] == [
        (change.after, change.before) for change in main.diff(before, "main")
    ]


# Constraints that come later


def test_a_later_constraint_must_hold_on_every_branch(history: History) -> None:
    history.below.execute("INSERT INTO t VALUES (5, 'below', -1), (6, NULL, NULL)")
    for sql, part in [
        ("ALTER TABLE t ADD CONSTRAINT one UNIQUE (a)", "UNIQUE (a) of t"),
        ("CREATE UNIQUE INDEX one ON t (a)", "UNIQUE (a) of t"),
        ("ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0)", "CHECK (positive) of t"),
        ("ALTER TABLE t ADD CHECK (n > 0)", "CHECK (n > 0) of t"),
        ("ALTER TABLE t ALTER COLUMN n SET NOT NULL", "NOT NULL of t.n"),
        ("ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES t (k)", "FOREIGN KEY (n) REFERENCES t (k) of t"),
    ]:
        with pytest.raises(ConstraintFailed) as caught:
            history.branch.execute(sql)
        assert f"{part} does not hold on branch '" in str(caught.value)
        assert "'k': " in str(caught.value), "the rows are named"
    with pytest.raises(ConstraintFailed, match=r"on branch 'branch/below': .*'k': 6"):
        history.main.execute("ALTER TABLE t ALTER COLUMN a SET NOT NULL")
    history.below.execute("DELETE FROM t WHERE k IN (5, 6)")
    history.main.execute("ALTER TABLE t ADD CONSTRAINT one UNIQUE (a), ADD CHECK (n > 0), ALTER n SET NOT NULL")
    for store in history.stores:
        for row in ("(9, 'main', 1)", "(9, 'x', 0)", "(9, 'x', NULL)"):
            with pytest.raises(ConstraintFailed):
                store.execute(f"INSERT INTO t VALUES {row}")
    with pytest.raises(AlreadyExists, match="'one'"):
        history.main.execute("ALTER TABLE t ADD CONSTRAINT one CHECK (n > 1)")
    history.main.execute("ALTER TABLE t DROP CONSTRAINT one, DROP CONSTRAINT T_N_CHECK, ALTER n DROP NOT NULL")
    history.branch.execute("INSERT INTO t VALUES (9, 'main', 0), (10, 'main', NULL)")
    history.check_past()


def test_a_later_constraint_must_hold_in_the_open_transaction(history: History) -> None:
    main = history.main
    with main.transaction():
        main.execute("INSERT INTO t VALUES (5, 'main', 1)")
        with pytest.raises(ConstraintFailed, match="on branch 'main'"):
            main.execute("ALTER TABLE t ADD UNIQUE (a)")
        main.execute("DELETE FROM t WHERE k = 5")
        main.execute("ALTER TABLE t ADD UNIQUE (a)")
        with pytest.raises(ConstraintFailed, match="UNIQUE"):
            main.execute("INSERT INTO t VALUES (5, 'main', 1)")
    history.check_past()


def test_unnamed_constraints_are_dropped_by_the_names_that_postgresql_gives(history: History) -> None:
    main = history.main
    main.execute(
        "CREATE TABLE c (a INT UNIQUE CHECK (a > 0) CHECK (a < 9), b INT, CHECK (a < b), UNIQUE (b, a),"
        " CONSTRAINT pair UNIQUE (a, b), CONSTRAINT low CHECK (b < 5))"
    )
    with pytest.raises(NotFound) as caught:
        main.execute("ALTER TABLE c DROP CONSTRAINT z")
    for name in ("c_a_key", "c_b_a_key", "pair", "c_a_check1", "c_a_check", "c_check", "low"):
        assert repr(name) in str(caught.value)
        main.execute(f"ALTER TABLE c DROP CONSTRAINT {name}")
    main.execute("INSERT INTO c VALUES (-1, -5), (-1, -5), (9, 8)")


def test_a_merge_of_the_past_is_held_to_later_constraints(history: History) -> None:
    main = history.main
    main.execute("INSERT INTO t VALUES (5, NULL, 1)")
    main.tag("with-null")
    main.execute("DELETE FROM t WHERE k = 5")
    main.execute("ALTER TABLE t ALTER a SET NOT NULL")
    side = main.branch("side", at="before")
    with pytest.raises(holdfast.MergeConflict, match="NOT NULL of a") as caught:
        side.merge("with-null")
    assert [(conflict.key, conflict.constraint) for conflict in caught.value.conflicts] == [((5,), "NOT NULL of a")]
    assert [row["k"] for row in rows(side)] == [1]


# CREATE TABLE again


def test_a_script_that_makes_and_alters_a_table_can_run_again(history: History) -> None:
    script = [
        "CREATE TABLE IF NOT EXISTS s (id INT PRIMARY KEY, a TEXT, CONSTRAINT one UNIQUE (a))",
        "CREATE INDEX IF NOT EXISTS by_a ON s (a)",
        "ALTER TABLE s ADD COLUMN IF NOT EXISTS b INT DEFAULT 0",
        "CREATE UNIQUE INDEX IF NOT EXISTS by_b ON s (id, b)",
    ]
    for sql in script:
        history.main.execute(sql)
    head = history.main.head
    for sql in script:
        history.main.execute(sql)
    assert history.main.head == head
    with pytest.raises(AlreadyExists, match="another definition"):
        history.main.execute("CREATE TABLE IF NOT EXISTS s (id INT PRIMARY KEY, a INT)")


# Other connections, other processes


def test_another_connection_sees_each_change_at_once(history: History, tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "store.db", branch="branch") as other:
        assert len(rows(other)) == 2
        history.main.execute("ALTER TABLE t ADD x INT DEFAULT 1")
        assert list(rows(other)[0]) == ["k", "a", "n", "x"]
        other.execute("UPDATE t SET x = 2 WHERE k = 2")
        history.main.execute("ALTER TABLE t RENAME x TO y")
        assert [row["y"] for row in rows(other)] == [1, 2]
        history.main.execute("ALTER TABLE t ADD CHECK (y < 5)")
        with pytest.raises(ConstraintFailed, match="CHECK"):
            other.execute("UPDATE t SET y = 5")
        history.main.execute("ALTER TABLE t DROP CONSTRAINT t_y_check")
        other.execute("UPDATE t SET y = 5")
        history.main.execute("ALTER TABLE t DROP y")
        assert list(rows(other)[0]) == ["k", "a", "n"]
        history.main.execute("ALTER TABLE t RENAME TO u")
        with pytest.raises(NotFound):
            rows(other)
        assert len(rows(other, "SELECT * FROM u")) == 2
        with pytest.raises(SqlError), other.transaction():
            rows(other, "SELECT nothing FROM u")  # takes back what the connection knew of its views
        history.main.execute("DROP TABLE u")
        with pytest.raises(NotFound):
            rows(other, "SELECT * FROM u")
    history.check_past()


CHILD = """
import sys, holdfast
with holdfast.connect(sys.argv[1], branch="branch") as db:
    for line in sys.stdin:
        try:
            print(db.execute(line.strip()).fetchall(), flush=True)
        except holdfast.HoldfastError as error:
            print(type(error).__name__, flush=True)
"""


@pytest.mark.slow
def test_another_process_sees_each_change_at_once(history: History, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "store.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        def ask(sql: str) -> str:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(sql + "\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        assert ask("SELECT * FROM t WHERE k = 1") == "[{'k': 1, 'a': 'main', 'n': 10}]"
        history.main.execute("ALTER TABLE t ADD x INT DEFAULT 1, DROP a")
        assert ask("SELECT * FROM t WHERE k = 1") == "[{'k': 1, 'n': 10, 'x': 1}]"
        assert ask("ALTER TABLE t RENAME x TO y") == "[]"
        assert rows(history.main) == [{"k": 1, "n": 10, "y": 1}]
        history.main.execute("DROP TABLE t")
        assert ask("SELECT * FROM t") == "NotFound"
        child.stdin.close()  # type: ignore[union-attr]
    assert child.returncode == 0
    history.check_past()


# The format


def test_verify_sees_what_older_rows_show_in_an_added_column(history: History, tmp_path: Path) -> None:
    """No commit's hash covers a value that was never written; the schema's does."""
    history.main.execute("ALTER TABLE t ADD x TEXT DEFAULT 'paid'")
    history.main.close()
    raw = apsw.Connection(str(tmp_path / "store.db"))
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, ?)", ("'paid'", "'owed'"))
    raw.close()
    with holdfast.connect(tmp_path / "store.db") as db:
        assert rows(db, "SELECT x FROM t") == [{"x": "owed"}]
        with pytest.raises(holdfast.StoreCorrupt, match="what older rows show in x"):
            db.verify()


def test_a_store_says_when_it_needs_a_reader_that_knows_changed_tables(tmp_path: Path) -> None:
    path = tmp_path / "s.db"

    def features() -> object:
        return apsw.Connection(str(path)).execute("SELECT value FROM hf_meta WHERE key = 'features'").fetchall()

    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE t (a INT UNIQUE, b INT CHECK (b > 0))")
        assert features() == [("[]",)]
        db.execute("ALTER TABLE t ADD c INT")
        assert features() == [('["changed tables"]',)]
    with holdfast.connect(path) as db:
        db.execute("ALTER TABLE t DROP c")
        assert features() == [('["changed tables"]',)]
    apsw.Connection(str(path)).execute("UPDATE hf_meta SET value = '[\"something else\"]'")
    with pytest.raises(Unsupported, match="something else"):
        holdfast.connect(path)
