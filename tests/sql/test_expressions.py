"""Goal: expressions and queries answer what PostgreSQL does, where SQLite has other words for them, or none.

Method: each query gives one value for the one row of a table; the value was worked out by hand from PostgreSQL's rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

import holdfast


@pytest.fixture(scope="module")
def filled() -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:") as store:
        store.execute("CREATE TABLE t (id INT, name TEXT, cost NUMERIC(8, 2), at TIMESTAMP, state JSONB)")
        store.execute(
            "INSERT INTO t VALUES (1, 'Anna', 1.50, '2026-01-31 10:00Z', %s)",
            [{"a": {"b": "c"}, "l": [1, [2, 3]], "0": "zero"}],
        )
        yield store


def value(store: holdfast.Store, sql: str, parameters: Any = None) -> Any:
    """Return the one value of a query."""
    (row,) = store.execute(sql, parameters).fetchall()
    (found,) = row.values()
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("id::text || 'a'", "1a"),
        ("'12'::int + id", 13),
        ("name::varchar(2)", "An"),
        ("name ILIKE 'a%'", True),
        ("name NOT ILIKE '%NN%'", False),
        ("name LIKE 'a%'", False),
        ("name ~ '^An+a$'", True),
        ("name ~ '^a'", False),
        ("name ~* '^a'", True),
        ("name !~ 'n'", False),
        ("name !~* 'N'", False),
        ("DATE '2026-01-31' + 1", date(2026, 2, 1)),
        ("TIMESTAMP '2026-01-31 10:00'", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("at + INTERVAL '1 month'", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("at - interval '90 minutes'", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
        ("NOW() - INTERVAL '1 day' < NOW()", True),
        ("2 ^ 3", 8.0),
        ("ARRAY[1, id + 1]", [1, 2]),
        ("E'a\\n\\x41'", "a\nA"),
        ("'a'\n'b'", "ab"),
        ("NOT NOT TRUE", True),
        ("NOT NOT name = 'Anna'", True),
        ("2 BETWEEN SYMMETRIC 3 AND 1", True),
        ("4 BETWEEN SYMMETRIC 3 AND 1", False),
        ("4 NOT BETWEEN SYMMETRIC 3 AND 1", True),
        ("2 NOT BETWEEN SYMMETRIC 3 AND 1", False),
        ("2 BETWEEN SYMMETRIC NULL AND 1", None),
        ("cost BETWEEN SYMMETRIC 10 AND 1.5", True),
        ("nullif(cost, 1.5)", None),
        ("nullif(cost, 2)", Decimal("1.50")),
        ("state @> '{\"a\": {}}'", True),
        ("'[2]'::jsonb <@ (state -> 'l' -> 1)", True),
        ("state ? 'a'", True),
        ("state ? 'b'", False),
        ("state #> '{a}'", {"b": "c"}),
        ("state #>> '{a,b}'", "c"),
        ("state #>> '{a,b,c}'", None),
        ("state #>> '{l,0}'", "1"),
        ("state #> '{l,1}'", [2, 3]),
        ("state #>> '{l,1,-1}'", "3"),
        ("state #>> '{l,5}'", None),
        ("state #>> '{l,b}'", None),
        ("state #>> '{0}'", "zero"),
        ("state #>> '{1}'", None),
        ("state #> '{l,0,0}'", None),
        ("id = ANY('{1,2}')", True),
        ("id <> ALL(ARRAY[2, 3])", True),
        ("((SELECT 1) + 1)", 2),
        ("((SELECT 1))", 1),
        ("((SELECT 1) UNION (SELECT 1))", 1),
        ("EXISTS (SELECT 1 FROM t x WHERE x.id = t.id)", True),
    ],
)
def test_an_expression_has_the_value_that_postgresql_gives_it(
    filled: holdfast.Store, expression: str, expected: Any
) -> None:
    found = value(filled, f"SELECT {expression} FROM t")
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("condition", "parameters"),
    [
        ("id IN %s", [[1, 2]]),
        ("id IN %(ids)s AND name = ANY(%(names)s)", {"ids": (3, 1), "names": ["Anna"]}),
        ("id NOT IN %s", [[2]]),
        ("id <> ALL(%s)", [[2]]),
        ("(id, name) IN ((1, 'Anna'), (2, 'Bo'))", None),
        ("at = ANY(%s)", [["2026-01-31T12:00:00+02:00"]]),
        ("cost IN %s", [[Decimal("1.5")]]),
        ("state ->> '0' ILIKE %s", ["ZE%"]),
    ],
)
def test_a_condition_takes_its_parameters_as_postgresql_does(
    filled: holdfast.Store, condition: str, parameters: Any
) -> None:
    assert value(filled, f"SELECT count(*) FROM t WHERE {condition}", parameters) == 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("(SELECT 1 AS a)", [1]),
        ("((SELECT 1 AS a)) ORDER BY 1", [1]),
        ("(SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY a DESC", [2, 1]),
        ("VALUES (2), (1) ORDER BY 1 LIMIT 1", [1]),
        ("SELECT a FROM ((SELECT 1 AS a) UNION (SELECT 2)) x ORDER BY a", [1, 2]),
        ("SELECT a FROM ((SELECT 1 AS a)) x", [1]),
        ("SELECT a FROM (((SELECT 1 AS a) x CROSS JOIN t))", [1]),
        ("SELECT DISTINCT ON (a) b FROM (VALUES (1, 3), (1, 2), (2, 5)) x (a, b) ORDER BY a, b", [2, 5]),
        ("SELECT x FROM generate_series(1, 3) x ORDER BY x DESC", [3, 2, 1]),
        ("SELECT id FROM public.t", [1]),
        ("SELECT id FROM t WHERE id = 1" + " OR id = 2" * 700, [1]),
        ("SELECT id" + " + 1" * 700 + " FROM t", [701]),
        ("SELECT " + "(" * 40 + "id" + ")" * 40 + " FROM t", [1]),
        ("SELECT id FROM " + "(SELECT * FROM " * 40 + "t" + ") x" * 40, [1]),
    ],
)
def test_a_query_gives_what_postgresql_does(filled: holdfast.Store, sql: str, expected: list[Any]) -> None:
    assert [next(iter(row.values())) for row in filled.execute(sql).fetchall()] == expected
