"""Goal: what stands beside a column is compared as a value of its type, or refused. Method: both, on one table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import holdfast

AT = datetime(2026, 11, 20, 10, 1, tzinfo=UTC)


@pytest.fixture
def moments(db: holdfast.Store) -> holdfast.Store:
    db.execute("CREATE TABLE s (id INT PRIMARY KEY, j JSONB, at TIMESTAMP, d DATE, b BOOLEAN, c NUMERIC, u UUID)")
    uuid = "12345678-1234-5678-1234-567812345678"
    for number, part in enumerate([9, 2, 10, 100]):
        at = f"2026-11-20T10:0{number}:00Z"
        row = [number, {"k": part, "l": [5, 6]}, at, "2026-01-02", number % 2 == 0, f"{number}.50", uuid]
        db.execute("INSERT INTO s VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
    return db


@pytest.mark.parametrize(
    ("condition", "parameters", "ids"),
    [
        ("at > '2026-11-20T10:01:00+00:00'", None, [2, 3]),
        ("at > '2026-11-20 10:01:00'", None, [2, 3]),
        ("at > '2026-11-20 12:01:00+02:00'", None, [2, 3]),
        ("'2026-11-20T10:01:00Z' < at", None, [2, 3]),
        ("s.at = '2026-11-20 10:01:00+00:00'", None, [1]),
        ("at > %s", ["2026-11-20T10:01:00+00:00"], [2, 3]),
        ("at > %s", [AT], [2, 3]),
        ("max(at, at) > %(at)s", {"at": "2026-11-20T10:01:00Z"}, [2, 3]),
        ("at BETWEEN %s AND '2026-11-20T10:02:00Z'", [AT], [1, 2]),
        ("at NOT IN ('2026-11-20T10:02:00Z', %s)", ["2026-11-20T10:03:00Z"], [0, 1]),
        ("at < '2026-11-20T00:00:00'", None, []),
        ("d = '2026-01-02' AND d < %s", [date(2026, 1, 3)], [0, 1, 2, 3]),
        ("b = 'true'", None, [0, 2]),
        ("b = %s", ["no"], [1, 3]),
        ("c > 0.5 AND c < '10'", None, [1, 2, 3]),
        ("c = %s", [1.5], [1]),
        ("u = '12345678123456781234567812345678' AND id < 1", None, [0]),
        ("j->'k' = 9", None, [0]),
        ("j->'k' = %s", [9], [0]),
        ("j->'k' <> '9'", None, [1, 2, 3]),
        ("j->'l' = '[5, 6]' AND id = 0", None, [0]),
        ("j = %s", [{"l": [5, 6], "k": 2}], [1]),
        ("CAST(j->>'k' AS INT) > %s", [9], [2, 3]),
        ("j->>'k' = %s", ["100"], [3]),
        ("j->>'k' IN ('2', %s)", ["10"], [1, 2]),
    ],
)
def test_values_are_compared_as_the_column_holds_them(
    moments: holdfast.Store, condition: str, parameters: Any, ids: list[int]
) -> None:
    found = moments.execute(f"SELECT id FROM s WHERE {condition} ORDER BY id", parameters)
    assert [row["id"] for row in found] == ids
    deleted = moments.execute(f"DELETE FROM s WHERE {condition}", parameters)
    assert deleted.rowcount == len(ids)


@pytest.mark.parametrize(
    ("sql", "error", "names"),
    [
        ("SELECT at + at FROM s", holdfast.Unsupported, "TIMESTAMP"),
        ("SELECT at * 2 FROM s", holdfast.Unsupported, "TIMESTAMP"),
        ("SELECT id FROM s WHERE j->'k' = id", holdfast.Unsupported, "CAST"),
        ("UPDATE s SET at = at + 1", holdfast.Unsupported, "TIMESTAMP"),
        ("SELECT avg(at) FROM s", holdfast.Unsupported, "avg"),
        ("SELECT id FROM s WHERE j->'k' > 5", holdfast.Unsupported, "CAST"),
        ("SELECT id FROM s WHERE j->'k' = true", holdfast.Unsupported, "CAST"),
        ("SELECT id FROM s WHERE j->'k' BETWEEN 1 AND 2", holdfast.Unsupported, "CAST"),
        ("SELECT max(j->'k') FROM s", holdfast.Unsupported, "CAST"),
        ("SELECT id FROM s ORDER BY j->'k' DESC", holdfast.Unsupported, "CAST"),
        ("SELECT CAST(id AS money) FROM s", holdfast.Unsupported, "MONEY"),
        ("SELECT id FROM s WHERE at > 'soon'", holdfast.InvalidValue, "soon"),
        ("SELECT id FROM s WHERE j = '{'", holdfast.InvalidValue, "JSON"),
    ],
)
def test_what_has_no_faithful_meaning_is_refused(
    moments: holdfast.Store, sql: str, error: type[Exception], names: str
) -> None:
    with pytest.raises(error, match=names):
        moments.execute(sql)


@pytest.mark.parametrize("parameters", [[50], [5.5]])
def test_a_number_beside_text_of_json_is_refused(moments: holdfast.Store, parameters: list[Any]) -> None:
    with pytest.raises(holdfast.InvalidValue, match="CAST"):
        moments.execute("SELECT id FROM s WHERE j->>'k' > %s", parameters)


@pytest.mark.parametrize("condition", ["id IN %s", "id = ANY(%s)", "id = ANY(%s::int[])", "NOT id <> ALL(%s)"])
def test_a_list_can_be_one_parameter(moments: holdfast.Store, condition: str) -> None:
    found = moments.execute(f"SELECT id FROM s WHERE {condition} ORDER BY id", [[1, 2]])
    assert [row["id"] for row in found] == [1, 2]
    assert moments.execute(f"SELECT id FROM s WHERE {condition}", [[]]).fetchall() == []
    with pytest.raises(holdfast.InvalidValue, match="a list of values is expected"):
        moments.execute(f"SELECT id FROM s WHERE {condition}", ["1"])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("CAST(at AS DATE)", date(2026, 11, 20)),
        ("CAST('2026-01-02' AS TIMESTAMP)", datetime(2026, 1, 2, tzinfo=UTC)),
        ("CAST('yes' AS BOOLEAN)", True),
        ("CAST('[1, 2]' AS JSONB)", [1, 2]),
        ("CAST(CAST('{\"a\": 1}' AS JSONB) ->> 'a' AS INT)", 1),
        ("(j->'l')", [5, 6]),
        ("j->'l'->-1", 6),
        ("coalesce(j->'l', '[]')", [5, 6]),
        ("max(at) - min(at)", timedelta(minutes=3)),
        ("max(d) - min(d)", 0),
        ("max(d) + 1", date(2026, 1, 3)),
        ("max(id)-min(id)", 3),
        ("count(DISTINCT id)", 4),
    ],
)
def test_results_come_back_as_values_of_their_type(moments: holdfast.Store, expression: str, value: Any) -> None:
    assert moments.execute(f"SELECT {expression} AS found FROM s LIMIT 1").fetchone() == {"found": value}
