"""Goal: writes do what PostgreSQL does: ON CONFLICT, RETURNING, FROM and USING, several columns at once, aliases.

Method: one statement on two small tables; what it gives and what the table holds after it were worked out by hand from
PostgreSQL's rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import holdfast
from holdfast import InvalidValue, Unsupported

Rows = list[tuple[Any, ...]]
FIRST, SECOND = (1, "x", 10), (2, "x", 20)


@pytest.fixture
def filled() -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:") as store:
        store.execute("CREATE TABLE t (id INT PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x', n INT UNIQUE)")
        store.execute("CREATE TABLE u (t_id INT, n INT)")
        store.execute("INSERT INTO t (id, n) VALUES (1, 10), (2, 20)")
        store.execute("INSERT INTO u (t_id, n) VALUES (1, 7), (1, 7), (3, 9)")
        yield store


def rows(cursor: holdfast.Cursor) -> Rows:
    return [tuple(row.values()) for row in cursor.fetchall()]


INSERTS: list[tuple[str, Rows, Rows]] = [
    ("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", [], [FIRST, SECOND]),
    ("INSERT INTO t (id, n) VALUES (3, 10) ON CONFLICT DO NOTHING RETURNING id", [], [FIRST, SECOND]),
    ("INSERT INTO t (id) VALUES (3), (3) ON CONFLICT (id) DO NOTHING", [], [FIRST, SECOND, (3, "x", None)]),
    ("INSERT INTO t (id) SELECT t_id FROM u ON CONFLICT DO NOTHING", [], [FIRST, SECOND, (3, "x", None)]),
    (
        "INSERT INTO t (id, n) VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n RETURNING id, n",
        [(1, 15)],
        [(1, "x", 15), SECOND],
    ),
    (
        "INSERT INTO t (id, n) VALUES (1, 5), (3, 6) ON CONFLICT (id) DO UPDATE SET n = 0 WHERE t.n > 10 RETURNING id",
        [(3,)],
        [FIRST, SECOND, (3, "x", 6)],
    ),
    (
        "INSERT INTO t (id, n) VALUES (8, 20) ON CONFLICT (n) DO UPDATE SET (name, id) = ('y', 5)",
        [],
        [FIRST, (5, "y", 20)],
    ),
    (
        "INSERT INTO t AS x (id) VALUES (2) ON CONFLICT ON CONSTRAINT t_pkey DO UPDATE SET n = x.n + 1",
        [],
        [FIRST, (2, "x", 21)],
    ),
    ("INSERT INTO t (id, n) VALUES (3, DEFAULT) RETURNING n", [(None,)], [FIRST, SECOND, (3, "x", None)]),
    ("INSERT INTO t (id, n) SELECT 3, max(n) FROM u RETURNING *", [(3, "x", 9)], [FIRST, SECOND, (3, "x", 9)]),
    ("INSERT INTO t (id) VALUES (3) UNION SELECT 3", [], [FIRST, SECOND, (3, "x", None)]),
    ("INSERT INTO t (id) VALUES (4), (3) ORDER BY 1 LIMIT 1", [], [FIRST, SECOND, (3, "x", None)]),
    ("INSERT INTO public.t AS x (id) VALUES (3) RETURNING x.id + 1", [(4,)], [FIRST, SECOND, (3, "x", None)]),
]  # fmt: skip

CHANGES: list[tuple[str, Rows, Rows]] = [
    ("UPDATE t SET n = n + 1 WHERE id = 1 RETURNING id, n * 2", [(1, 22)], [(1, "x", 11), SECOND]),
    ("UPDATE t SET (n, name) = (n + 1, 'y') WHERE id = 2", [], [FIRST, (2, "y", 21)]),
    ("UPDATE t SET id = n, n = id WHERE id = 1", [], [SECOND, (10, "x", 1)]),
    ("UPDATE t SET n = DEFAULT WHERE id = 1", [], [(1, "x", None), SECOND]),
    ("UPDATE t SET n = u.n FROM u WHERE u.t_id = t.id RETURNING t.id, t.n", [(1, 7)], [(1, "x", 7), SECOND]),
    ("UPDATE t AS a SET n = b.n + 100 FROM t b WHERE b.id = a.id + 1", [], [(1, "x", 120), SECOND]),
    ("WITH m AS (SELECT max(n) AS n FROM u) UPDATE t SET n = m.n FROM m WHERE id = 1", [], [(1, "x", 9), SECOND]),
    ("UPDATE t SET n = (SELECT max(u.n) FROM u WHERE t_id = id)", [], [(1, "x", 7), (2, "x", None)]),
    ("UPDATE t SET n = (SELECT max(u.n + t.id) FROM u) WHERE id = 1", [], [FIRST, SECOND]),
    ("DELETE FROM t WHERE id = 2 RETURNING *", [SECOND], [FIRST]),
    ("DELETE FROM t USING u WHERE u.t_id = t.id RETURNING t.id", [(1,)], [SECOND]),
    ("DELETE FROM t x USING t y WHERE x.n < y.n", [], [SECOND]),
    ("WITH d AS (SELECT t_id FROM u) DELETE FROM t WHERE id IN (SELECT t_id FROM d)", [], [SECOND]),
]


@pytest.mark.parametrize(("sql", "given", "after"), [*INSERTS, *CHANGES])
def test_a_write_gives_and_leaves_what_postgresql_does(
    filled: holdfast.Store, sql: str, given: Rows, after: Rows
) -> None:
    head = filled.head
    assert rows(filled.execute(sql)) == given
    assert rows(filled.execute("SELECT * FROM t ORDER BY id")) == after
    assert (filled.head == head) == (after == [FIRST, SECOND])  # what changes nothing is no commit


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("INSERT INTO t (id) VALUES (1), (3) ON CONFLICT DO NOTHING", 1),
        ("INSERT INTO t (id) VALUES (1), (3) ON CONFLICT (id) DO UPDATE SET n = 5", 2),
        ("UPDATE t SET n = u.n FROM u WHERE u.t_id = t.id", 1),
        ("DELETE FROM t USING u WHERE u.t_id = t.id", 1),
    ],
)
def test_a_write_counts_the_rows_that_it_wrote(filled: holdfast.Store, sql: str, count: int) -> None:
    assert filled.execute(sql).rowcount == count


def test_parameters_of_an_upsert_go_where_they_stand(filled: holdfast.Store) -> None:
    """Those of DO UPDATE are handed to a trigger, which takes none; each is converted for its own column."""
    sql = (
        "INSERT INTO t (id, name) VALUES (%(id)s, %(name)s) ON CONFLICT (id)"
        " DO UPDATE SET name = %(other)s || excluded.name, n = %(n)s WHERE t.id = %(id)s RETURNING name, n"
    )
    assert rows(filled.execute(sql, {"id": 1, "name": "a", "other": "b", "n": 3})) == [("ba", 3)]
    assert rows(filled.execute(sql, {"id": 5, "name": "a", "other": "b", "n": 3})) == [("a", None)]
    with pytest.raises(InvalidValue, match=r"t\.n"):
        filled.execute(sql, {"id": 1, "name": "a", "other": "b", "n": "no number"})


def test_returning_is_not_for_many_runs(filled: holdfast.Store) -> None:
    with pytest.raises(Unsupported, match=r"use execute\(\)"):
        filled.executemany("INSERT INTO t (id) VALUES (%s) RETURNING id", [[3], [4]])
    assert rows(filled.execute("SELECT * FROM t ORDER BY id")) == [FIRST, SECOND]


def test_checks_and_defaults_may_use_postgresqls_operators(filled: holdfast.Store) -> None:
    filled.execute(
        "CREATE TABLE c (a TEXT DEFAULT ('x' || 1::text) CHECK (a ILIKE 'x%'), at TIMESTAMP"
        " DEFAULT (TIMESTAMP '2026-01-31' + INTERVAL '1 month'))"
    )
    filled.execute("INSERT INTO c DEFAULT VALUES")
    assert rows(filled.execute("SELECT a, at::date::text FROM c")) == [("x1", "2026-02-28")]
    with pytest.raises(holdfast.ConstraintFailed, match=r"(?i)ilike"):
        filled.execute("INSERT INTO c (a) VALUES ('y')")
