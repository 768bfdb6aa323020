"""Goal: keys, UNIQUE, NOT NULL, CHECK and defaults hold as seen from the branch; a commit keeps only what it changed.

Method: small tables; each test writes on a branch what another branch has, had or has deleted, or touches one key
several times in one commit, and looks at the rows, at the commit's changes and at the error.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

import holdfast
from holdfast import ConstraintFailed, HoldfastError, InvalidValue, RowChange, SqlError


def rows(store: holdfast.Store, sql: str = "SELECT * FROM t ORDER BY 1") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.execute(sql)]


def changes(store: holdfast.Store) -> list[tuple[Any, Any]]:
    """Return what the newest commit did: (before, after) of each row."""
    _, changed = store.show()
    return sorted(((_row(change.before), _row(change.after)) for change in changed), key=repr)


def _row(values: Any) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values.values())


def fails(store: holdfast.Store, sql: str, parameters: Any = None, part: str = "") -> None:
    """Run what must break a constraint, and see that it changed nothing."""
    before, head = rows(store), store.head
    with pytest.raises(ConstraintFailed, match=part):
        store.execute(sql, parameters)
    assert (rows(store), store.head) == (before, head)


# Primary keys


def test_a_primary_key_is_unique_and_not_null(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (a TEXT, b INT, x TEXT, PRIMARY KEY (a, b))")
    db.execute("INSERT INTO t VALUES ('k', 1, 'one'), ('k', 2, 'two'), ('l', 1, 'other')")
    fails(db, "INSERT INTO t VALUES ('k', 2, 'again')", part=r"UNIQUE constraint failed: t\.a, t\.b")
    fails(db, "INSERT INTO t VALUES ('k', NULL, 'x')", part=r"NOT NULL constraint failed: t\.b")
    fails(db, "INSERT INTO t (b) VALUES (3)", part=r"NOT NULL constraint failed: t\.a")
    fails(db, "UPDATE t SET b = 2 WHERE x = 'one'", part=r"UNIQUE constraint failed: t\.a, t\.b")
    fails(db, "UPDATE t SET a = NULL WHERE x = 'one'", part=r"NOT NULL constraint failed: t\.a")
    fails(db, "INSERT INTO t VALUES ('m', 1, 'x'), ('m', 1, 'y')", part="UNIQUE")
    db.execute("UPDATE t SET a = a, b = b")  # a row does not collide with itself


def test_equal_keys_are_equal_whatever_their_python_type(db: holdfast.Store) -> None:
    db.execute(
        "CREATE TABLE t (n INT PRIMARY KEY, r REAL UNIQUE, c NUMERIC UNIQUE, at TIMESTAMP UNIQUE, j JSONB UNIQUE)"
    )
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    db.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s)", [1, 1, "1.50", moment, {"a": 1, "b": 2}])
    for n, r, c, at, j in [
        ("1", 9, 9, None, None), (True, 9, 9, None, None), (1.0, 9, 9, None, None),
        (2, 1.0, 9, None, None), (2, "1", 9, None, None),
        (2, 9, 1.5, None, None), (2, 9, "01.500", None, None),
        (2, 9, 9, "2026-01-01T13:00:00+01:00", None), (2, 9, 9, "2026-01-01 12:00", None),
        (2, 9, 9, None, '{"b": 2, "a": 1}'),
    ]:  # fmt: skip
        fails(db, "INSERT INTO t VALUES (%s, %s, %s, %s, %s)", [n, r, c, at, j], part="UNIQUE")
    db.execute("INSERT INTO t VALUES (2, 2, 2, NULL, NULL)")


def test_texts_are_compared_exactly(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (a TEXT PRIMARY KEY)")
    db.executemany("INSERT INTO t VALUES (%s)", [["a"], ["A"], ["a "], [""], ["\u00e9"], ["e\u0301"], ["1"], ["1.0"]])
    assert len(rows(db)) == 8
    fails(db, "INSERT INTO t VALUES (%s)", [1], part="UNIQUE")


def test_a_key_that_the_branch_deleted_can_be_inserted_again_there(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, u TEXT UNIQUE)")
    db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    a, b = db.branch("a"), db.branch("b")
    a.execute("DELETE FROM t WHERE k = 1")
    a.execute("INSERT INTO t VALUES (1, 'a')")
    fails(a, "INSERT INTO t VALUES (1, 'c')", part="UNIQUE")
    fails(b, "INSERT INTO t VALUES (1, 'c')", part="UNIQUE")
    fails(b, "INSERT INTO t VALUES (3, 'a')", part=r"UNIQUE constraint failed: t\.u")
    a.execute("UPDATE t SET u = 'free' WHERE k = 2")
    a.execute("INSERT INTO t VALUES (3, 'b')")
    assert rows(a) == [(1, "a"), (2, "free"), (3, "b")]
    assert rows(b) == rows(db) == [(1, "a"), (2, "b")]


def test_a_key_on_a_sibling_or_inserted_later_below_is_no_conflict(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, u TEXT UNIQUE)")
    a, b = db.branch("a"), db.branch("b")
    below = a.branch("a/below")
    a.execute("INSERT INTO t VALUES (1, 'a')")
    b.execute("INSERT INTO t VALUES (1, 'a')")
    db.execute("INSERT INTO t VALUES (1, 'a')")
    below.execute("INSERT INTO t VALUES (1, 'a')")
    assert rows(a) == rows(b) == rows(db) == rows(below) == [(1, "a")]
    after = a.branch("a/after")
    fails(after, "INSERT INTO t VALUES (1, 'x')", part="UNIQUE")
    fails(after, "INSERT INTO t VALUES (2, 'a')", part="UNIQUE")


def test_a_key_that_was_moved_away_is_free_and_its_new_place_is_taken(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, x TEXT)")
    db.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    a = db.branch("a")
    a.execute("UPDATE t SET k = 3 WHERE k = 1")
    fails(a, "INSERT INTO t VALUES (3, 'x')", part="UNIQUE")
    a.execute("INSERT INTO t VALUES (1, 'new one')")
    assert rows(a) == [(1, "new one"), (2, "two"), (3, "one")]
    fails(db, "INSERT INTO t VALUES (1, 'x')", part="UNIQUE")
    db.execute("INSERT INTO t VALUES (3, 'x')")


# UNIQUE, NOT NULL, CHECK


def test_unique_takes_nulls_for_distinct(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, a TEXT, b INT, c TEXT UNIQUE, CONSTRAINT pair UNIQUE (a, b))")
    db.execute("INSERT INTO t VALUES (1, 'a', 1, NULL), (2, 'a', 2, NULL), (3, 'a', NULL, 'c'), (4, 'a', NULL, 'd')")
    fails(db, "INSERT INTO t VALUES (5, 'a', 1, NULL)", part=r"UNIQUE constraint failed: t\.a, t\.b")
    fails(db, "INSERT INTO t VALUES (5, 'b', 1, 'c')", part=r"UNIQUE constraint failed: t\.c")
    fails(db, "UPDATE t SET b = 1 WHERE k = 3", part=r"t\.a, t\.b")
    db.execute("INSERT INTO t VALUES (5, NULL, 1, NULL), (6, NULL, 1, NULL)")
    db.execute("UPDATE t SET c = c, a = a, b = b")


def test_not_null_holds_for_inserts_updates_and_omitted_columns(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL DEFAULT 'b', c TEXT NULL)")
    db.execute("INSERT INTO t (k, a) VALUES (1, '')")  # the empty text is a text
    fails(db, "INSERT INTO t (k) VALUES (2)", part=r"NOT NULL constraint failed: t\.a")
    fails(db, "INSERT INTO t (k, a, b) VALUES (2, 'a', NULL)", part=r"NOT NULL constraint failed: t\.b")
    fails(db, "INSERT INTO t (k, a, b) SELECT k + 1, a, c FROM t", part=r"t\.b")
    fails(db, "UPDATE t SET a = %s", [None], part=r"NOT NULL constraint failed: t\.a")
    fails(db, "UPDATE t SET a = DEFAULT", part=r"NOT NULL constraint failed: t\.a")
    fails(db, "UPDATE t SET b = (SELECT c FROM t)", part=r"t\.b")
    db.execute("UPDATE t SET b = DEFAULT, c = NULL")
    assert rows(db) == [(1, "", "b", None)]


def test_check_holds_unless_it_is_false(db: holdfast.Store) -> None:
    db.execute(
        "CREATE TABLE t (k INT PRIMARY KEY, n INT CHECK (n >= 0), s TEXT CONSTRAINT known CHECK (s IN ('a', 'it''s')),"
        " j JSONB CHECK (j->>'kind' IS NOT NULL), low INT, high INT, CHECK (low <= high),"
        " CONSTRAINT sum CHECK (low + high < 9))"
    )
    db.execute("INSERT INTO t VALUES (1, NULL, NULL, %s, NULL, 20)", [{"kind": 1}])
    db.execute("INSERT INTO t (k, n, s, j, low, high) VALUES (2, 0, 'it''s', %s, 1, 1)", [{"kind": ""}])
    fails(db, "INSERT INTO t (k, n) VALUES (3, -1)", part="CHECK constraint failed: t: n >= 0")
    fails(db, "INSERT INTO t (k, s) VALUES (3, 'b')", part="CHECK constraint failed: t: known")
    fails(db, "INSERT INTO t (k, j) VALUES (3, %s)", [{"sort": 1}], part="CHECK constraint failed: t: j->>'kind'")
    fails(db, "INSERT INTO t (k, j, low, high) VALUES (3, %s, 2, 1)", [{"kind": 1}], part="low <= high")
    fails(db, "UPDATE t SET low = 5, high = 6", part="CHECK constraint failed: t: sum")
    fails(db, "UPDATE t SET n = n - 1 WHERE k = 2", part="n >= 0")


@pytest.mark.parametrize(
    ("type_", "check", "good", "bad"),
    [
        ("INT", "x > 5", ["7", 7.0, 6], ["3", 3.0, True]),
        ("INT", "x / 2 = 3", ["7", 7.0], [8]),
        ("INT", "typeof(x) = 'integer'", ["7", 7.0, True], []),
        ("REAL", "x / 2 = 0.5", [1, 1.0, "1"], [2, "2.0"]),
        ("TEXT", "length(x) = 2", [12, "12", "ab"], [1.25, "a"]),
        ("TEXT", "x > '5'", ["6", 6], [4, "10"]),
        ("NUMERIC", "x > 0", [1, "0.01", 0.5, "10"], [-1, "-0.01", 0, "0.00"]),
        ("NUMERIC", "x BETWEEN 5 AND 20", [5, "20.00", "9"], [4, "100", 21, "20.01"]),
        ("NUMERIC(10, 2)", "x <> 1", ["1.01", 2], ["1.00", 1, "1.001"]),
        ("BOOLEAN", "x", [True, "yes", 1], [False, "no", 0]),
        ("TIMESTAMP", "x >= '2026-01-01'", ["2026-01-01T00:00Z", "2026-01-01T01:00+01:00"], ["2026-01-01T00:00+01:00"]),
        ("ANY", "x = 1", [1, 1.0, True], ["1", 2]),
    ],
)  # fmt: skip
def test_check_sees_values_as_they_will_be_stored(
    db: holdfast.Store, type_: str, check: str, good: Iterable[Any], bad: Iterable[Any]
) -> None:
    """A parameter or a literal need not have the column's type yet: '7' is 7 in an INTEGER column."""
    db.execute(f"CREATE TABLE t (k SERIAL PRIMARY KEY, x {type_} CHECK ({check}))")
    for value in good:
        db.execute("INSERT INTO t (x) VALUES (%s)", [value])
        db.execute("INSERT INTO t (x) SELECT %s", [value])
        db.execute("UPDATE t SET x = %s", [value])
    for value in bad:
        fails(db, "INSERT INTO t (x) VALUES (%s)", [value], part="CHECK")
        fails(db, "INSERT INTO t (x) SELECT %s", [value], part="CHECK")
        fails(db, "UPDATE t SET x = %s", [value], part="CHECK")


def test_a_constraint_of_a_sibling_or_of_the_past_is_the_same(db: holdfast.Store) -> None:
    """The catalogue is store-wide: a table made on a branch is there on every branch, empty."""
    a = db.branch("a")
    a.execute("CREATE TABLE t (k INT PRIMARY KEY CHECK (k > 0))")
    a.execute("INSERT INTO t VALUES (1)")
    fails(db, "INSERT INTO t VALUES (0)", part="CHECK")
    assert rows(db) == []


# Defaults and numbers


class _Clock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def now_us(self) -> int:
        return int(self.at.timestamp() * 1_000_000)


def test_defaults_are_constants_expressions_and_the_time_of_the_transaction() -> None:
    clock = _Clock()
    with holdfast.connect(":memory:", clock=clock) as db:
        db.execute(
            "CREATE TABLE t (k INT PRIMARY KEY, i INT DEFAULT -1, s TEXT DEFAULT 'it''s', e INT DEFAULT (2 * 3 + 1),"
            " f TEXT DEFAULT lower('ABC'), b BOOLEAN DEFAULT TRUE, n TEXT DEFAULT NULL,"
            """ j JSONB DEFAULT '{"b": 1, "a": []}',"""
            " c NUMERIC(8, 2) DEFAULT 1.5, v VECTOR(2) DEFAULT '[1, 2]', at TIMESTAMP DEFAULT NOW(),"
            " now TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, day DATE DEFAULT CURRENT_DATE, z)"
        )
        db.execute("INSERT INTO t (k) VALUES (1)")
        clock.at = datetime(2026, 5, 2, tzinfo=UTC)
        with db.transaction():
            db.execute("INSERT INTO t (k, s, at) VALUES (2, DEFAULT, NULL), (3, NULL, DEFAULT)")
            clock.at = datetime(2026, 5, 3, tzinfo=UTC)
            db.execute("INSERT INTO t (k) SELECT 4")
            db.executemany("INSERT INTO t (k, i) VALUES (%s, DEFAULT)", [[5], [6]])
        found = db.execute("SELECT * FROM t ORDER BY k").fetchall()
        first = found[0]
        assert list(first.pop("v")) == [1.0, 2.0]
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        assert first == {
            "k": 1, "i": -1, "s": "it's", "e": 7, "f": "abc", "b": True, "n": None, "j": {"a": [], "b": 1},
            "c": first["c"], "at": noon, "now": noon, "day": noon.date(), "z": None,
        }  # fmt: skip
        assert str(first["c"]) == "1.50"
        second = datetime(2026, 5, 2, tzinfo=UTC)
        assert [(row["s"], row["at"]) for row in found[1:3]] == [("it's", None), (None, second)]
        assert [(row["k"], row["at"], row["i"]) for row in found[3:]] == [(k, second, -1) for k in (4, 5, 6)]


def test_default_values_inserts_a_row_of_defaults(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k SERIAL PRIMARY KEY, a TEXT DEFAULT 'x', b TEXT)")
    db.execute("INSERT INTO t DEFAULT VALUES")
    db.execute("INSERT INTO t DEFAULT VALUES;")
    assert rows(db) == [(1, "x", None), (2, "x", None)]


@pytest.mark.parametrize(
    "key", ["INTEGER PRIMARY KEY", "SERIAL PRIMARY KEY", "INTEGER NOT NULL PRIMARY KEY", "BIGINT PRIMARY KEY NOT NULL",
            "INTEGER PRIMARY KEY AUTOINCREMENT"],
)  # fmt: skip
def test_a_whole_number_as_primary_key_numbers_the_rows(db: holdfast.Store, key: str) -> None:
    db.execute(f"CREATE TABLE t (id {key}, x TEXT)")
    db.execute("INSERT INTO t (x) VALUES ('a'), ('b')")
    db.execute("INSERT INTO t VALUES (NULL, 'c'), (10, 'd')")
    db.execute("INSERT INTO t (x) SELECT x || '+' FROM t WHERE id < 3 ORDER BY id")
    db.execute("INSERT INTO t VALUES (%s, %s)", [None, "e"])
    assert rows(db) == [(1, "a"), (2, "b"), (3, "c"), (10, "d"), (11, "a+"), (12, "b+"), (13, "e")]
    fails(db, "UPDATE t SET id = NULL WHERE id = 1", part=r"NOT NULL constraint failed: t\.id")
    fails(db, "INSERT INTO t VALUES (1, 'x')", part="UNIQUE")


def test_numbers_are_not_given_twice_on_any_branch(db: holdfast.Store) -> None:
    """Two branches that both insert would otherwise collide when they are merged."""
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
    db.execute("INSERT INTO t (x) VALUES ('main')")
    a, b = db.branch("a"), db.branch("b")
    a.execute("INSERT INTO t (x) VALUES ('a')")
    b.execute("INSERT INTO t (x) VALUES ('b')")
    a.execute("DELETE FROM t WHERE x = 'a'")
    a.execute("INSERT INTO t (x) VALUES ('a again')")
    assert (rows(a), rows(b)) == ([(1, "main"), (4, "a again")], [(1, "main"), (3, "b")])
    db.merge("a")
    db.merge("b")
    assert rows(db) == [(1, "main"), (3, "b"), (4, "a again")]


def test_check_sees_the_number_that_a_row_is_given(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY CHECK (id <= 2), x TEXT)")
    db.execute("INSERT INTO t (x) VALUES ('a'), ('b')")
    fails(db, "INSERT INTO t (x) VALUES ('c')", part="id <= 2")


def test_after_the_largest_number_there_is_none(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
    db.execute("INSERT INTO t VALUES (%s, 'last')", [2**63 - 1])
    with pytest.raises(HoldfastError):
        db.execute("INSERT INTO t (x) VALUES ('one more')")
    assert rows(db) == [(2**63 - 1, "last")]


# One key several times in one commit


@pytest.mark.parametrize(
    ("statements", "left", "changed"),
    [
        (["INSERT INTO t VALUES (9, 'new')", "DELETE FROM t WHERE k = 9"], {1: "one", 2: "two"}, None),
        (
            ["INSERT INTO t VALUES (9, 'a')", "DELETE FROM t WHERE k = 9", "INSERT INTO t VALUES (9, 'b')"],
            {1: "one", 2: "two", 9: "b"}, [(None, (9, "b"))],
        ),
        (
            ["INSERT INTO t VALUES (9, 'a')", "UPDATE t SET x = 'b' WHERE k = 9", "UPDATE t SET k = 8 WHERE k = 9"],
            {1: "one", 2: "two", 8: "b"}, [(None, (8, "b"))],
        ),
        (
            ["UPDATE t SET x = 'a' WHERE k = 1", "UPDATE t SET x = 'b' WHERE k = 1"],
            {1: "b", 2: "two"}, [((1, "one"), (1, "b"))],
        ),
        (["UPDATE t SET x = 'a' WHERE k = 1", "UPDATE t SET x = 'one' WHERE k = 1"], {1: "one", 2: "two"}, None),
        (["UPDATE t SET k = 5 WHERE k = 1", "UPDATE t SET k = 1 WHERE k = 5"], {1: "one", 2: "two"}, None),
        (["UPDATE t SET x = x"], {1: "one", 2: "two"}, None),
        (
            ["UPDATE t SET x = 'a' WHERE k = 1", "DELETE FROM t WHERE k = 1"],
            {2: "two"}, [((1, "one"), None)],
        ),
        (
            ["DELETE FROM t WHERE k = 1", "INSERT INTO t VALUES (1, 'new')"],
            {1: "new", 2: "two"}, [((1, "one"), None), (None, (1, "new"))],
        ),
        (
            ["DELETE FROM t WHERE k = 1", "INSERT INTO t VALUES (1, 'a')", "DELETE FROM t WHERE k = 1"],
            {2: "two"}, [((1, "one"), None)],
        ),
        (
            ["DELETE FROM t WHERE k = 1", "INSERT INTO t VALUES (1, 'a')", "UPDATE t SET x = 'b' WHERE k = 1"],
            {1: "b", 2: "two"}, [((1, "one"), None), (None, (1, "b"))],
        ),
        (
            ["UPDATE t SET k = 3 WHERE k = 1", "UPDATE t SET k = 1 WHERE k = 2", "UPDATE t SET k = 2 WHERE k = 3"],
            {1: "two", 2: "one"}, [((1, "one"), (2, "one")), ((2, "two"), (1, "two"))],
        ),
        (
            ["UPDATE t SET k = k + 10", "INSERT INTO t VALUES (1, 'new')", "DELETE FROM t WHERE k > 1"],
            {1: "new"}, [((1, "one"), None), ((2, "two"), None), (None, (1, "new"))],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("inherited", [False, True], ids=["own rows", "inherited rows"])
def test_a_commit_has_the_net_change_of_each_row(
    db: holdfast.Store, statements: list[str], left: dict[int, str], changed: Any, inherited: bool
) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, x TEXT UNIQUE)")
    db.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    store = db.branch("b") if inherited else db
    head = store.head
    with store.transaction():
        for statement in statements:
            assert store.execute(statement).rowcount > 0
        assert dict(rows(store)) == left
    assert dict(rows(store)) == left
    if changed is None:
        assert store.head == head
    else:
        assert changes(store) == changed
    assert dict(rows(db.checkout(head))) == {1: "one", 2: "two"}
    if inherited:
        assert dict(rows(db)) == {1: "one", 2: "two"}
    fails(store, "INSERT INTO t VALUES (%s, 'x')", [min(left)], part="UNIQUE")
    db.verify()


def test_one_statement_may_touch_what_it_reads(db: holdfast.Store) -> None:
    """It reads the rows as they were before it."""
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, x INT)")
    db.execute("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    db.execute("UPDATE t SET x = (SELECT sum(x) FROM t)")
    assert rows(db) == [(1, 6), (2, 6), (3, 6)]
    db.execute("INSERT INTO t SELECT k + 10, x FROM t")
    assert len(rows(db)) == 6
    db.execute("DELETE FROM t WHERE k > (SELECT avg(k) FROM t)")
    assert [k for k, _ in rows(db)] == [1, 2, 3]


# Failing midway, transactions, savepoints


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (3, 'c', 1), (4, 'd', 1), (1, 'again', 1)",
        "INSERT INTO t SELECT k + 2, x || '!', n - 2 FROM t ORDER BY k DESC",
        "UPDATE t SET n = n - 2",
        "UPDATE t SET k = k + 1",
        "UPDATE t SET x = 'same'",
        "UPDATE t SET x = CASE k WHEN 1 THEN 'fine' END",
        "UPDATE t SET n = CASE k WHEN 1 THEN 5 ELSE 'many' END",
        "INSERT INTO t SELECT k + 2, x || 1, json_extract(CASE k WHEN 1 THEN '5' ELSE '{' END, '$') FROM t ORDER BY k",
    ],
)
def test_a_statement_that_fails_midway_leaves_nothing(db: holdfast.Store, sql: str) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, x TEXT NOT NULL UNIQUE, n INT CHECK (n >= 0))")
    db.execute("INSERT INTO t VALUES (1, 'a', 3), (2, 'b', 1)")
    before, head = rows(db), db.head
    with pytest.raises((SqlError, InvalidValue)):
        db.execute(sql)
    assert (rows(db), db.head) == (before, head)
    with db.transaction():
        db.execute("INSERT INTO t VALUES (7, 'kept', 7)")
        with pytest.raises((SqlError, InvalidValue)):
            db.execute(sql)
        db.execute("INSERT INTO t VALUES (8, 'kept, too', 8)")
    assert rows(db) == [*before, (7, "kept", 7), (8, "kept, too", 8)]
    assert len(changes(db)) == 2
    db.verify()


def test_executemany_is_all_or_nothing(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, x TEXT)")
    head = db.head
    wrong: list[Any] = [[1, "again"], ["x", "x"], [1], {"k": 1}, [2**63, "x"], 5]
    for bad in wrong:
        with pytest.raises(HoldfastError):
            db.executemany("INSERT INTO t VALUES (%s, %s)", [[1, "a"], [2, "b"], bad])
        assert (rows(db), db.head) == ([], head)
    assert db.executemany("INSERT INTO t VALUES (%s, %s)", []).rowcount == 0
    assert db.head == head
    assert db.executemany("INSERT INTO t VALUES (%s, %s)", ([n, "x"] for n in range(5))).rowcount == 5
    assert db.executemany("UPDATE t SET x = %s WHERE k >= %s", [["y", 3], ["z", 4]]).rowcount == 3
    assert [x for _, x in rows(db)] == ["x", "x", "x", "y", "z"]


def test_what_the_caller_s_iterator_raises_passes_through_and_leaves_nothing(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY)")
    head = db.head

    def numbers() -> Iterable[list[int]]:
        yield [1]
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        db.executemany("INSERT INTO t VALUES (%s)", numbers())
    assert (rows(db), db.head) == ([], head)
    db.execute("INSERT INTO t VALUES (1)")


def test_an_inner_transaction_that_fails_takes_back_only_itself(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, x TEXT)")
    with db.transaction("outer"):
        db.execute("INSERT INTO t VALUES (1, 'outer')")
        with pytest.raises(LookupError), db.transaction():
            db.execute("INSERT INTO t VALUES (2, 'inner')")
            db.execute("UPDATE t SET x = 'changed'")
            with db.transaction():
                db.execute("DELETE FROM t WHERE k = 1")
            assert rows(db) == [(2, "changed")]
            raise LookupError
        assert rows(db) == [(1, "outer")]
        with db.transaction():
            db.execute("INSERT INTO t VALUES (2, 'second try')")
        assert rows(db) == [(1, "outer"), (2, "second try")]
    assert changes(db) == [(None, (1, "outer")), (None, (2, "second try"))]
    assert db.log(limit=1)[0].message == "outer"
    db.verify()


def test_a_transaction_that_fails_leaves_no_commit_and_no_table(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY)")
    head = db.head
    with pytest.raises(LookupError), db.transaction():
        db.execute("INSERT INTO t VALUES (1)")
        db.execute("CREATE TABLE u (a INT)")
        db.execute("INSERT INTO u VALUES (1)")
        raise LookupError
    assert (db.head, db.tables(), rows(db)) == (head, ["t"], [])
    db.execute("CREATE TABLE u (a INT, b INT)")  # another one
    db.execute("INSERT INTO u VALUES (1, 2)")
    assert rows(db, "SELECT * FROM u") == [(1, 2)]


def test_a_statement_is_not_run_as_it_was_for_a_table_that_was_taken_back(db: holdfast.Store) -> None:
    """The version of the catalogue comes again; statements are remembered by it."""
    for type_, default, expected in (("INT", "1", [1, 5]), ("TEXT", "'two'", ["two", "5"]), ("JSONB", "'[]'", [[], 5])):
        with pytest.raises(LookupError), db.transaction():
            db.execute(f"CREATE TABLE t (k INT PRIMARY KEY, x {type_} DEFAULT {default})")
            db.execute("INSERT INTO t (k) VALUES (1)")
            db.execute("INSERT INTO t (k, x) VALUES (2, %s)", ["5"])
            assert [x for _, x in rows(db)] == expected
            raise LookupError


def test_a_table_made_in_an_inner_transaction_that_failed_is_forgotten(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY)")
    with db.transaction():
        with pytest.raises(LookupError), db.transaction():
            db.execute("CREATE TABLE u (a INT)")
            db.execute("INSERT INTO u VALUES (1)")
            raise LookupError
        db.execute("INSERT INTO t VALUES (1)")
    assert (db.tables(), rows(db)) == (["t"], [(1,)])


def test_changes_of_a_transaction_are_seen_inside_it_only(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY)")
    other = db.checkout("main")
    with db.transaction():
        db.execute("INSERT INTO t VALUES (1)")
        assert rows(db) == rows(db, 'SELECT * FROM "t@main"') == [(1,)]
        assert rows(other) == []
        assert db.head == other.head
    assert rows(other) == [(1,)]


def test_rows_without_a_primary_key_may_repeat(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (a TEXT, b INT)")
    db.execute("INSERT INTO t VALUES ('x', 1), ('x', 1), ('x', 1), ('y', NULL)")
    a = db.branch("a")
    assert a.execute("UPDATE t SET b = 2 WHERE a = 'x'").rowcount == 3
    assert a.execute("DELETE FROM t WHERE a = 'x'").rowcount == 3
    assert a.execute("INSERT INTO t SELECT * FROM \"t@main\" WHERE a = 'x'").rowcount == 3
    assert rows(a) == [("x", 1), ("x", 1), ("x", 1), ("y", None)]
    assert len(db.diff("main", "a")) == 6  # other rows with equal values


def test_the_diff_of_a_write_names_the_key(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (a TEXT, b INT, x TEXT, PRIMARY KEY (b, a))")
    db.execute("INSERT INTO t VALUES ('k', 1, 'x')")
    (change,) = db.show()[1]
    assert change == RowChange("t", (1, "k"), None, {"a": "k", "b": 1, "x": "x"}, ("b", "a"))


@pytest.mark.parametrize("many", [5, None, "ab", {"k": 1}, [5], [None], [{"k": 1}], [[1, 2]], [[]]], ids=repr)
def test_executemany_takes_an_iterable_of_parameters(db: holdfast.Store, many: Any) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY)")
    head = db.head
    with pytest.raises(InvalidValue):
        db.executemany("INSERT INTO t VALUES (%s)", many)
    assert (rows(db), db.head) == ([], head)
