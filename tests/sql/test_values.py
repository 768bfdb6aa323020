"""Goal: what is put into a column comes back as the Python value of its type, whichever way it went in and out.

Method: each type with its values goes in as a parameter, as a literal, computed, by INSERT ... SELECT and by UPDATE,
and comes back from plain columns, functions, subqueries, WITH and UNION. Equal values must be equal content: an UPDATE
to an equal value makes no commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import holdfast

MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 3, 2, tzinfo=UTC)
WHO = UUID("12345678-1234-5678-1234-567812345678")


@pytest.fixture(scope="module")
def filled() -> Iterator[holdfast.Store]:
    """Return a store with two rows of most types."""
    with holdfast.connect(":memory:") as store:
        store.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP, day DATE, state JSONB, ok BOOLEAN, cost NUMERIC,"
            " uid UUID, text TEXT)"
        )
        first = (1, MOMENT, MOMENT.date(), {"a": [1, {"b": None}], "s": "x"}, True, Decimal("1.50"), WHO, "one")
        second = (2, LATER, LATER.date(), ["list"], False, Decimal(20), UUID(int=1), "two")
        store.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", [first, second])
        yield store


def column(store: holdfast.Store, sql: str, parameters: Any = None) -> list[Any]:
    """Return the first column of a result."""
    return [next(iter(row.values())) for row in store.execute(sql, parameters)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT at FROM t ORDER BY id", [MOMENT, LATER]),
        ("SELECT x.at AS moment FROM t x ORDER BY x.id", [MOMENT, LATER]),
        ("SELECT max(at) FROM t", [LATER]),
        ("SELECT MAX ( at ) last FROM t", [LATER]),
        ("SELECT min(t.at) FROM t", [MOMENT]),
        ("SELECT max(at) FILTER (WHERE ok) FROM t", [MOMENT]),
        ("SELECT coalesce(at, at) FROM t ORDER BY id", [MOMENT, LATER]),
        ("SELECT lag(at) OVER (ORDER BY id) FROM t ORDER BY id", [None, MOMENT]),
        ("SELECT first_value(at) OVER w FROM t WINDOW w AS (ORDER BY id) ORDER BY id", [MOMENT, MOMENT]),
        ("SELECT max(id) - min(id) FROM t", [1]),
        ("SELECT max(id) || max(text) FROM t", ["2two"]),
        ("SELECT (max(id)) FROM t", [2]),
        ("SELECT (SELECT at FROM t ORDER BY id LIMIT 1)", [MOMENT]),
        ("SELECT at FROM (SELECT * FROM t WHERE id = 1)", [MOMENT]),
        ("WITH x AS (SELECT at AS a FROM t) SELECT a FROM x ORDER BY 1", [MOMENT, LATER]),
        ("SELECT at FROM t UNION SELECT at FROM t ORDER BY 1", [MOMENT, LATER]),
        ("SELECT at FROM t UNION ALL SELECT 'never' ORDER BY 1", [MOMENT, LATER, "never"]),
        ("SELECT uid FROM t WHERE id = 1 UNION ALL SELECT 'nobody'", [WHO, "nobody"]),
        ("SELECT day FROM t WHERE id = 1 UNION ALL SELECT 'some day'", [date(2026, 3, 1), "some day"]),
        ("SELECT cost FROM t WHERE id = 1 UNION ALL SELECT 'much'", [Decimal("1.5"), "much"]),
        ("SELECT ok FROM t UNION SELECT 7 ORDER BY 1", [False, True, 7]),
        ("SELECT state FROM t WHERE id = 2 UNION ALL SELECT 'no JSON'", [["list"], "no JSON"]),
        ("SELECT coalesce(state, 'none') FROM t WHERE id = 2", [["list"]]),
        ("SELECT max(cost) FROM t", [Decimal(20)]),
        ("SELECT state->'a' FROM t WHERE id = 1", [[1, {"b": None}]]),
        ("SELECT state->'a'->1 FROM t WHERE id = 1", [{"b": None}]),
        ("SELECT state->'a'->1->'b' FROM t WHERE id = 1", [None]),
        ("SELECT state->'s' FROM t WHERE id = 1", ["x"]),
        ("SELECT state->>'s' FROM t WHERE id = 1", ["x"]),
        ("SELECT state->'a'->>0 FROM t WHERE id = 1", ["1"]),
        ("SELECT state->'a'->>1 FROM t WHERE id = 1", ['{"b":null}']),
        ("SELECT state->'a'->1->>'b' FROM t WHERE id = 1", [None]),
        ("SELECT state->'a' = '[1,{\"b\":null}]' FROM t WHERE id = 1", [1]),
        ("SELECT state->'s' IS NULL FROM t ORDER BY id", [0, 1]),
        ("SELECT DISTINCT state->'s' FROM t WHERE id = 1", ["x"]),
        ("SELECT state->'a'->-1->'b' FROM t WHERE id = 1", [None]),
        ("SELECT state->'s' = state->'s' FROM t WHERE id = 1", [1]),
        ("SELECT state->'s' || text FROM t WHERE id = 1", ['"x"one']),
        ("SELECT state->'s' s FROM t WHERE id = 1", ["x"]),
        ("SELECT CASE WHEN ok THEN state->'s' END FROM t WHERE id = 1", ['"x"']),
    ],
)
def test_results_have_the_types_of_their_columns(filled: holdfast.Store, sql: str, expected: list[Any]) -> None:
    found = column(filled, sql)
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))
    assert column(filled, sql) == expected  # and now that the statement is known


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT id, text FROM t", ["id", "text"]),
        ("SELECT t.id, x.id FROM t, t x", ["id", "id:1"]),
        ("SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a", ["a", "a:1", "b", "a:2"]),
        ('SELECT 1 AS a, 2 AS "a:1", 3 AS a', ["a", "a:1", "a:2"]),
        (
            "SELECT count(DISTINCT id), count(ALL id), count(*) FROM t",
            ["count(DISTINCT id)", "count(ALL id)", "count(*)"],
        ),
        ("SELECT DISTINCT id + 1 FROM t", ["id + 1"]),
        ("SELECT ALL id + 1 FROM t", ["id + 1"]),
        ("SELECT 1 ORDER BY 1", ["1"]),
        ("SELECT 1 LIMIT 1", ["1"]),
        ("SELECT count(*) HAVING 1", ["count(*)"]),
        ("SELECT 1 UNION SELECT 2", ["1"]),
        ("SELECT id IS DISTINCT FROM 1, text FROM t", ["id IS DISTINCT FROM 1", "text"]),
        ("SELECT %s, %s AS b", ["%s", "b"]),
        ("SELECT %s + id, %s IS NULL FROM t", ["%s + id", "%s IS NULL"]),
        ("SELECT id + 1 total, id - id FROM t", ["total", "id - id"]),
        ("SELECT id, state->>'s' FROM t", ["id", "state->>'s'"]),
        ("SELECT id, text, state->>'s', max(at) FROM t", ["id", "text", "state->>'s'", "max(at)"]),
        ("SELECT x.*, state->>'s' FROM (SELECT id, state FROM t) x", ["id", "state", "state->>'s'"]),
        ("SELECT state->>'s', x.* , 1 FROM (SELECT id, state FROM t) x", ["state->>'s'", "id", "state", "1"]),
        ("VALUES (1, 2)", ["column1", "column2"]),
        ("SELECT id FROM t WHERE 1 = 0", ["id"]),
    ],
)
def test_results_name_their_columns_as_they_were_written(filled: holdfast.Store, sql: str, names: list[str]) -> None:
    cursor = filled.execute(sql, [1, 2] if "%s" in sql else None)
    assert list(cursor.columns) == names
    assert all(list(row) == names for row in cursor)


KEYS = [
    "a",
    "$ref",
    "$",
    "$.a",
    "[0]",
    "0",
    "a.b",
    "",
    " ",
    "it's",
    'say "hi"',
    "back\\slash",
    "new\nline",
    "\u00e9",
    "%s",
]


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_text_after_an_arrow_is_a_key_whatever_is_in_it(db: holdfast.Store, key: str) -> None:
    """SQLite itself takes '$ref' for a path, and does not find a key with a quote in it."""
    db.execute("CREATE TABLE t (state JSONB, key TEXT)")
    db.execute("INSERT INTO t VALUES (%s, %s)", [{"a": "wrong", "b": [0], key: {"found": key}, "z": 1}, key])
    assert column(db, "SELECT state->%s FROM t", [key]) == [{"found": key}]
    assert column(db, "SELECT state->%s->>'found' FROM t", [key]) == [key]
    assert column(db, "SELECT state->%(k)s->'found' FROM t", {"k": key}) == [key]
    assert column(db, "SELECT state->key FROM t") == [{"found": key}]
    assert column(db, "SELECT t.state -> t.key ->> 'found' FROM t") == [key]
    if not key.startswith(("$.", "[")) and key != "$":
        literal = key.replace("'", "''")
        assert column(db, f"SELECT state->'{literal}' FROM t") == [{"found": key}]
        assert column(db, f"SELECT state -> '{literal}' ->> 'found' FROM t") == [key]


def test_a_number_after_an_arrow_is_a_place_in_a_list(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (state JSONB, at INT)")
    db.execute("INSERT INTO t VALUES (%s, 1)", [["a", "b", {"0": "zero"}]])
    assert column(db, "SELECT state->0 FROM t") == ["a"]
    assert column(db, "SELECT state->-1->'0' FROM t") == ["zero"]
    assert column(db, "SELECT state->%s FROM t", [1]) == ["b"]
    assert column(db, "SELECT state->at FROM t") == ["b"]
    assert column(db, "SELECT state->(at - 1) FROM t") == ["a"]
    assert column(db, "SELECT state->7 FROM t") == [None]
    assert column(db, "SELECT state->'0' FROM t") == [None]
    assert column(db, "SELECT state->%s FROM t", ["0"]) == [None]
    assert column(db, "SELECT state->2->0 FROM t") == [None]
    assert column(db, "SELECT state->%s FROM t", [None]) == [None]


def test_words_of_refused_operators_may_name_columns(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (interval INT, similar TEXT, date DATE, timestamp TIMESTAMP, key TEXT, value ANY)")
    db.execute("INSERT INTO t (interval, similar) VALUES (1, 'x')")
    db.execute("UPDATE t SET interval = interval + 1 WHERE similar = 'x'")
    assert db.execute("SELECT interval, t.similar, max(interval) AS m FROM t WHERE interval > 0").fetchall() == [
        {"interval": 2, "similar": "x", "m": 2}
    ]
