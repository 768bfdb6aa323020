"""Goal: what a reading of the translation found wrong stays right, with PostgreSQL's answers."""

from __future__ import annotations

from typing import Any

import pytest

import holdfast
from holdfast import HoldfastError, Unsupported


def asked(db: holdfast.Store, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in db.execute(sql, list(parameters))]


@pytest.fixture
def filled(db: holdfast.Store) -> holdfast.Store:
    db.execute("CREATE TABLE a (id INT, x INT)")
    db.execute("CREATE TABLE b (id INT, y INT)")
    db.execute("CREATE TABLE c (n NUMERIC(8, 2), r REAL, at TIMESTAMP)")
    db.execute("INSERT INTO a VALUES (1, 1), (2, 2)")
    db.execute("INSERT INTO b VALUES (2, 2), (3, 3)")
    db.execute("INSERT INTO c VALUES (9, 2.5, '2026-01-02'), (10, 3.5, '2026-01-03'), (100, 0.5, NULL)")
    return db


def test_a_column_that_an_outer_join_shows_once_has_a_value_in_every_row(filled: holdfast.Store) -> None:
    full = [(1, 1, None), (2, 2, 2), (3, None, 3)]
    assert asked(filled, "SELECT * FROM a FULL JOIN b USING (id) ORDER BY 1") == full
    assert asked(filled, "SELECT * FROM a NATURAL FULL JOIN b ORDER BY 1") == full
    assert asked(filled, "SELECT * FROM a RIGHT JOIN b USING (id) ORDER BY id") == [(2, 2, 2), (3, None, 3)]
    assert asked(filled, "SELECT * FROM (SELECT * FROM a RIGHT JOIN b USING (id)) x ORDER BY id DESC LIMIT 1") == [
        (3, None, 3)
    ]


def test_percentiles_of_decimals_are_those_of_numbers(filled: holdfast.Store) -> None:
    sql = "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n), percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM c"
    assert asked(filled, sql) == [(10, 10)]
    with pytest.raises(Unsupported, match="DESC"):
        filled.execute("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n DESC) FROM c")


def test_a_range_counts_from_numbers_only(filled: holdfast.Store) -> None:
    frame = "RANGE BETWEEN 5 PRECEDING AND CURRENT ROW"
    assert asked(filled, f"SELECT count(*) OVER (ORDER BY id {frame}) FROM a") == [(1,), (2,)]
    with pytest.raises(Unsupported, match="RANGE"):
        filled.execute(f"SELECT count(*) OVER (ORDER BY n {frame}) FROM c")


def test_only_the_order_of_the_result_goes_by_the_names_of_the_result(filled: holdfast.Store) -> None:
    sql = "SELECT id, 10 - x AS x, row_number() OVER w AS r FROM a WINDOW w AS (ORDER BY x) ORDER BY id"
    assert asked(filled, sql) == [(1, 9, 1), (2, 8, 2)]
    assert asked(filled, "SELECT id, 10 - x AS x FROM a ORDER BY x") == [(2, 8), (1, 9)]


def test_nobody_knows_whether_a_null_has_a_word(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INT, body TEXT)")
    db.execute("CREATE INDEX ON t USING bm25 (body)")
    db.execute("INSERT INTO t VALUES (1, 'a fox'), (2, 'a crow'), (3, NULL)")
    assert asked(db, "SELECT id FROM t WHERE NOT body @@ 'fox'") == [(2,)]
    assert asked(db, "SELECT id FROM t WHERE (body @@ 'fox') IS NULL") == [(3,)]
    assert asked(db, "SELECT id FROM t WHERE NOT body @@ %s", None) == []
    with pytest.raises(Unsupported, match="simple"):
        db.execute(
            "SELECT to_tsvector('english', body) @@ plainto_tsquery('foxes'),"
            " to_tsvector('simple', body) @@ plainto_tsquery('foxes') FROM t"
        )


def test_a_series_goes_the_way_of_its_step(db: holdfast.Store) -> None:
    assert asked(db, "SELECT g FROM generate_series(5, 1, %s) g", -2) == [(5,), (3,), (1,)]
    assert asked(db, "SELECT g FROM generate_series(1, 5, 2) g") == [(1,), (3,), (5,)]
    days = asked(db, "SELECT g::text FROM generate_series('2026-01-03'::date, '2026-01-01', -INTERVAL '1 day') g")
    assert [day[:10] for (day,) in days] == ["2026-01-03", "2026-01-02", "2026-01-01"]
    with pytest.raises(HoldfastError, match="never ends"):
        db.execute("SELECT g FROM generate_series(1, 5, 0) g")


def test_floats_are_rounded_to_the_even_number(filled: holdfast.Store) -> None:
    assert asked(filled, "SELECT round(r) FROM c ORDER BY r") == [(0.0,), (2.0,), (4.0,)]


def test_an_interval_below_zero_can_be_taken_away(filled: holdfast.Store) -> None:
    sql = "SELECT (at - INTERVAL '-1 day')::date::text FROM c WHERE at IS NOT NULL ORDER BY at"
    assert asked(filled, sql) == [("2026-01-03",), ("2026-01-04",)]


def test_the_nearest_may_be_chosen_by_a_common_table(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE n (id INT, v VECTOR(2))")
    db.executemany("INSERT INTO n VALUES (%s, %s)", [[at, [at, 0]] for at in range(9)])
    chosen = "WITH c AS (SELECT 7 AS k UNION SELECT 5) SELECT id FROM n WHERE id IN (SELECT k FROM c)"
    sql = f"{chosen} ORDER BY v <-> %s LIMIT 1"
    assert asked(db, sql, [6.1, 0]) == [(7,)]
