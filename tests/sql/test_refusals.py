"""Goal: whatever cannot be done is refused by an error of ours that names the part, and changes nothing.

Method: run each wrong statement on a store with some rows; look at the type and the message of the error, and then
whether head, tables and rows are what they were and the store still works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import holdfast
from holdfast import HoldfastError, InvalidValue, SqlError, Unsupported

SCHEMA = """CREATE TABLE t (
    id INT PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x', short VARCHAR(3), n INT, r REAL, b BLOB, ok BOOLEAN,
    cost NUMERIC(8, 2), state JSONB, at TIMESTAMP, day DATE, uid UUID, v VECTOR(3), free)"""


class Wrong(NamedTuple):
    """A statement that must be refused, the error, and what its message must have."""

    sql: Any
    error: type[HoldfastError]
    part: str
    parameters: Any = None


@pytest.fixture(scope="module")
def shared() -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:") as store:
        store.execute(SCHEMA)
        store.execute("INSERT INTO t (id, n) VALUES (1, 10), (2, 20)")
        yield store


def check(store: holdfast.Store, wrong: Wrong) -> None:
    """Run a wrong statement, alone and in a transaction, and look at what is left."""
    head, tables, rows = store.head, store.tables(), store.execute("SELECT * FROM t ORDER BY id").fetchall()
    with pytest.raises(HoldfastError) as caught:
        store.execute(wrong.sql, wrong.parameters)
    assert type(caught.value) is wrong.error, str(caught.value)
    assert wrong.part in str(caught.value)
    with store.transaction(), pytest.raises(wrong.error):
        store.execute(wrong.sql, wrong.parameters)
    assert store.head == head
    assert store.tables() == tables
    assert store.execute("SELECT * FROM t ORDER BY id").fetchall() == rows


def cases(*wrong: Wrong) -> list[Any]:
    """Return the cases, each named by its number and the start of its statement."""
    return [pytest.param(case, id=f"{at:02d} {ascii(case.sql)[:50]}") for at, case in enumerate(wrong)]


INCOMPLETE = cases(
    Wrong("", SqlError, "empty"),
    Wrong(" \n\t", SqlError, "empty"),
    Wrong("-- only a comment", SqlError, "empty"),
    Wrong("/* ; */", SqlError, "empty"),
    Wrong(";", SqlError, "empty"),
    Wrong("; ;", SqlError, "empty"),
    Wrong("; SELECT 1", SqlError, "two statements"),
    Wrong("SELECT", SqlError, "incomplete"),
    Wrong("SELECT FROM t", SqlError, "FROM"),
    Wrong("INSERT", SqlError, "INTO"),
    Wrong("INSERT INTO", SqlError, "table name"),
    Wrong("INSERT INTO t", SqlError, ""),
    Wrong("INSERT INTO t VALUES", SqlError, "a row"),
    Wrong("UPDATE", SqlError, "table name"),
    Wrong("UPDATE t", SqlError, "SET"),
    Wrong("UPDATE t SET", SqlError, "assignment"),
    Wrong("UPDATE t SET n", SqlError, "assignment"),
    Wrong("UPDATE t SET n =", SqlError, "t.n"),
    Wrong("UPDATE t SET n = 1,", SqlError, "assignment"),
    Wrong("UPDATE t SET n = 1 WHERE", SqlError, ""),
    Wrong("DELETE", SqlError, "FROM"),
    Wrong("DELETE FROM", SqlError, "table name"),
    Wrong("DELETE FROM t WHERE", SqlError, ""),
    Wrong("CREATE", Unsupported, "CREATE TABLE"),
    Wrong("CREATE TABLE", SqlError, "table name"),
    Wrong("CREATE TABLE IF NOT EXISTS", SqlError, "table name"),
    Wrong("CREATE TABLE u", SqlError, "columns"),
    Wrong("CREATE TABLE u (a INT", SqlError, "not closed"),
    Wrong("WITH", SqlError, "no statement"),
    Wrong("WITH x AS (SELECT 1)", SqlError, "no statement"),
    Wrong("WITH x AS (SELECT 1) INSERT", SqlError, "INTO"),
    Wrong("SELECT (1", SqlError, ""),
    Wrong("SELECT 1)", SqlError, ""),
    Wrong("INSERT INTO t (id) VALUES (1", SqlError, "not closed"),
    Wrong("INSERT INTO t (id) VALUES 1)", SqlError, "not opened"),
    Wrong("UPDATE t SET n = (1 WHERE id = 1", SqlError, "not closed"),
    Wrong("SELEC 1", SqlError, "SELEC"),
    Wrong("42", SqlError, "42"),
    Wrong("(SELECT 1)", SqlError, "("),
    Wrong("SELECT 'open", SqlError, "not closed"),
    Wrong('SELECT "open', SqlError, "not closed"),
    Wrong("SELECT 1 /* open", SqlError, "not closed"),
    Wrong("INSERT INTO t (id, name) VALUES (3, 'it's')", SqlError, ""),
)  # fmt: skip

STATEMENTS = cases(
    Wrong("SELECT 1; SELECT 2", SqlError, "two statements"),
    Wrong("INSERT INTO t (id) VALUES (3); DELETE FROM t", SqlError, "two statements"),
    Wrong("SELECT ';' ; SELECT 2", SqlError, "two statements"),
    Wrong("SELECT 1 -- ;\n; SELECT 2", SqlError, "two statements"),
    Wrong(None, InvalidValue, "NoneType"),
    Wrong(b"SELECT 1", InvalidValue, "bytes"),
    Wrong(["SELECT 1"], InvalidValue, "list"),
    Wrong({"sql": 1}, InvalidValue, "dict"),
    Wrong("SELECT '\ud800'", SqlError, "surrogate"),
    Wrong('SELECT 1 AS "\udfff"', SqlError, "surrogate"),
    Wrong("SELECT 1 -- \ud800", SqlError, "surrogate"),
    Wrong("SELECT 'a\0b'", SqlError, "NUL"),
    Wrong('SELECT 1 AS "a\0b"', SqlError, "NUL"),
    Wrong("SELECT 1 -- a\0b", SqlError, "NUL"),
    Wrong("SELECT 1 /* \0 */", SqlError, "NUL"),
    Wrong("SELECT 1 \0", SqlError, "NUL"),
    Wrong("SELECT '" + "x" * 1_000_000 + "'", SqlError, "characters"),
    Wrong("SELECT " + "+".join("1" * 5000), SqlError, ""),
    Wrong("SELECT * FROM t WHERE id = 1" + " OR id = 2" * 5000, SqlError, ""),
    Wrong("SELECT " + "(" * 50_000, SqlError, ""),
    Wrong("SELECT " + ", ".join(["%s"] * 40_000), SqlError, "variable", list(range(40_000))),
)  # fmt: skip


@pytest.mark.parametrize("wrong", INCOMPLETE)
def test_a_statement_that_is_not_whole_is_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


@pytest.mark.parametrize("wrong", STATEMENTS)
def test_what_is_no_single_statement_is_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 AS a;", 1),
        ("SELECT 1 AS a; ; -- end\n", 1),
        ("/* ; %s */ SELECT 1 AS a -- ; %s (it's", 1),
        ("SELECT '%s' AS a", "%s"),
        ("SELECT 'a;b' AS a", "a;b"),
        ("SELECT '%(x)s -- /*' AS a", "%(x)s -- /*"),
        ("SELECT 'it''s' AS a", "it's"),
        ("SELECT 7 %% 4 AS a", 3),
        ("SELECT 7 % 4 AS a", 3),
        ("select 1 as a", 1),
    ],
)
def test_comments_strings_and_a_semicolon_at_the_end_are_no_error(
    shared: holdfast.Store, sql: str, expected: object
) -> None:
    assert shared.execute(sql).fetchall() == [{"a": expected}]


def test_long_statements_run_and_are_not_remembered(shared: holdfast.Store) -> None:
    """A thousand remembered statements of a megabyte would be gigabytes of tokens."""
    values = list(range(10_000))
    sql = f"SELECT count(*) AS n FROM t WHERE id IN ({', '.join(['%s'] * len(values))})"
    assert shared.execute(sql, values).fetchall() == [{"n": 2}]
    assert all(len(text) < 30_000 for text, _ in shared._runner._rewrites)
