"""Goal: statements mean the same when a server runs them in its own words. Method: each on a file and on PostgreSQL."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import holdfast
from holdfast import Unsupported
from tests.postgresql import fresh_url


def asked(db: holdfast.Store, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in db.execute(sql, list(parameters))]


def test_more_rows_than_one_question_computes_may_be_written_at_once(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, name TEXT, n INT)")
    rows = ", ".join(["(%s, lower(%s), (SELECT count(*) FROM t))"] * 1200)
    db.execute(f"INSERT INTO t VALUES {rows}", [each for at in range(1200) for each in (at, f"NAME {at}")])
    assert asked(db, "SELECT count(*), sum(n), min(name) FROM t WHERE name LIKE 'name %%'") == [(1200, 0, "name 0")]


def test_a_default_may_be_a_vector_or_a_literal_of_a_type(db: holdfast.Store) -> None:
    db.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(2) DEFAULT '[1, 2]', d INTERVAL DEFAULT INTERVAL '1 hour')"
    )
    db.execute("INSERT INTO t (id) VALUES (1)")
    db.execute("ALTER TABLE t ADD COLUMN w VECTOR(2) DEFAULT '[3, 4]'")
    db.execute("ALTER TABLE t ADD COLUMN e INTERVAL DEFAULT INTERVAL '2 hours'")
    db.execute("ALTER TABLE t ALTER COLUMN id DROP DEFAULT")
    ((v, d, w, e),) = asked(db, "SELECT v, d, w, e FROM t")
    assert (d, e) == (timedelta(hours=1), timedelta(hours=2))
    assert np.array_equal(v, [1, 2])
    assert np.array_equal(w, [3, 4])


def test_a_parameter_may_stand_where_nothing_says_its_type(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, name TEXT, doc JSON)")
    db.execute("INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', NULL)")
    sql = "SELECT id FROM t WHERE %(name)s IS NULL OR name = %(name)s ORDER BY id"
    for name, expected in ((None, [1, 2]), ("b", [2])):
        assert [row["id"] for row in db.execute(sql, {"name": name})] == expected
    sql = "SELECT id FROM t WHERE %(id)s IS NULL OR id = %(id)s ORDER BY id"
    for id_, expected in ((None, [1, 2]), (2, [2])):
        assert [row["id"] for row in db.execute(sql, {"id": id_})] == expected
    assert asked(db, "SELECT concat(%s, '-', %s), jsonb_build_object('k', %s)", "x", None, "v") == [("x-", {"k": "v"})]
    assert asked(db, "SELECT count(%s), jsonb_build_array(%s, 1) FROM t", "x", None) == [(2, [None, 1])]


def test_small_numbers_have_a_sum() -> None:
    with holdfast.connect(fresh_url()) as db:
        assert asked(db, "SELECT sum(CAST(n AS smallint)) FROM (VALUES (1), (2), (NULL)) AS t (n)") == [(3,)]


@pytest.mark.parametrize(
    "call",
    [
        "set_config('work_mem', '1MB', false)",
        "pg_notify('c', 'x')",
        "PG_TERMINATE_BACKEND(1)",
        "pg_read_file('/etc/passwd')",
        '"pg_sleep"(10)',
        "lo_import('/etc/passwd')",
        "query_to_xml('SELECT 1', true, true, '')",
        "nextval('s')",
    ],
)
def test_what_reaches_beyond_the_tables_of_a_store_is_refused(call: str) -> None:
    with holdfast.connect(fresh_url()) as db:
        for sql in (f"SELECT {call}", f"SELECT * FROM {call} AS f"):
            with pytest.raises((Unsupported, holdfast.SqlError), match=r"beyond|not supported|function"):
                db.execute(sql)
        assert asked(db, "SELECT pg_typeof(1)") == [("integer",)]


def test_older_rows_show_the_same_in_a_new_column_on_each_engine() -> None:
    defaults = [
        ("INTERVAL", "'3 hours'"),
        ("JSON", '\'{"b": 1, "a": [1e20, -0.0, 1.50]}\''),
        ("VECTOR(2)", "'[1,2]'"),
        ("NUMERIC(6,2)", "1.5"),
        ("TIMESTAMP", "'2024-01-02 03:04:05+02'"),
        ("BOOLEAN", "true"),
        ("UUID", f"'{uuid.UUID(int=7)}'"),
        ("REAL", "1"),
        ("INT", "'5'"),
    ]
    found: list[list[Any]] = []
    for url in (":memory:", fresh_url()):
        with holdfast.connect(url) as db:
            db.execute("CREATE TABLE t (id INT PRIMARY KEY)")
            db.execute("INSERT INTO t VALUES (1)")
            for at, (kind, default) in enumerate(defaults):
                db.execute(f"ALTER TABLE t ADD COLUMN c{at} {kind} DEFAULT {default}")
            db.execute("INSERT INTO t (id) VALUES (2)")
            with db._engine.session().read() as reader:
                (table,) = reader.catalogue().tables
                found.append([column.fill for column in table.columns])
    assert found[0] == found[1]
