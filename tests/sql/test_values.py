"""Goal: what is put into a column comes back as the Python value of its type, whichever way it went in and out.

Method: each type with its values goes in as a parameter, as a literal, computed, by INSERT ... SELECT and by UPDATE,
and comes back from plain columns, functions, subqueries, WITH and UNION. Equal values must be equal content: an UPDATE
to an equal value makes no commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy
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
        ("SELECT coalesce(state, '{}') FROM t WHERE id = 2", [["list"]]),
        ("SELECT max(cost) FROM t", [Decimal(20)]),
        ("SELECT state->'a' FROM t WHERE id = 1", [[1, {"b": None}]]),
        ("SELECT state->'a'->1 FROM t WHERE id = 1", [{"b": None}]),
        ("SELECT state->'a'->1->'b' FROM t WHERE id = 1", [None]),
        ("SELECT state->'s' FROM t WHERE id = 1", ["x"]),
        ("SELECT state->>'s' FROM t WHERE id = 1", ["x"]),
        ("SELECT state->'a'->>0 FROM t WHERE id = 1", ["1"]),
        ("SELECT state->'a'->>1 FROM t WHERE id = 1", ['{"b":null}']),
        ("SELECT state->'a'->1->>'b' FROM t WHERE id = 1", [None]),
        ("SELECT state->'a' = '[1,{\"b\":null}]' FROM t WHERE id = 1", [True]),
        ("SELECT state->'s' IS NULL FROM t ORDER BY id", [False, True]),
        ("SELECT DISTINCT state->'s' FROM t WHERE id = 1", ["x"]),
        ("SELECT state->'a'->-1->'b' FROM t WHERE id = 1", [None]),
        ("SELECT state->'s' = state->'s' FROM t WHERE id = 1", [True]),
        ("SELECT (state->>'s') || text FROM t WHERE id = 1", ["xone"]),
        ("SELECT state->'s' s FROM t WHERE id = 1", ["x"]),
        ("SELECT CASE WHEN ok THEN state->'s' END FROM t WHERE id = 1", ["x"]),
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
        ("SELECT count(DISTINCT id), count(ALL id), count(*) FROM t", ["count", "count:1", "count:2"]),
        ("SELECT DISTINCT id + 1 FROM t", ["?column?"]),
        ("SELECT 1 ORDER BY 1", ["?column?"]),
        ("SELECT count(*) HAVING TRUE", ["count"]),
        ("SELECT 1 UNION SELECT 2", ["?column?"]),
        ("SELECT %s, %s AS b", ["?column?", "b"]),
        ("SELECT id + 1 total, id - id FROM t", ["total", "?column?"]),
        (
            "SELECT id, state->>'s', lower(text), id::text, now()::date FROM t",
            ["id", "?column?", "lower", "id:1", "now"],
        ),
        ("SELECT CASE WHEN ok THEN 1 END, coalesce(id, 0), EXISTS (SELECT 1) FROM t", ["case", "coalesce", "exists"]),
        ("SELECT x.*, state->>'s' FROM (SELECT id, state FROM t) x", ["id", "state", "?column?"]),
        ("SELECT ID, T.Text FROM t", ["id", "text"]),
        ("SELECT n FROM (SELECT count(*) AS n FROM t) x", ["n"]),
        ("SELECT count FROM (SELECT count(*) FROM t) x", ["count"]),
        ("VALUES (1, 2)", ["column1", "column2"]),
        ("SELECT id FROM t WHERE 1 = 0", ["id"]),
    ],
)
def test_results_name_their_columns_as_postgresql_does(filled: holdfast.Store, sql: str, names: list[str]) -> None:
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
    assert db.execute(
        "SELECT interval, t.similar, max(interval) AS m FROM t WHERE interval > 0 GROUP BY 1, 2"
    ).fetchall() == [{"interval": 2, "similar": "x", "m": 2}]


FLOATS = numpy.array([1.5, -2.0, 0.1], dtype=numpy.float32)
LONG = Decimal("123456789012345678901234567890.123456789")
FIXED = timezone(timedelta(hours=5, minutes=30))

# Type, what is given, what comes back, and the SQL (in SQLite's and PostgreSQL's words) of an equal value or None.
ROUND_TRIPS: list[tuple[str, Any, Any, str | None]] = [
    ("INT", 5, 5, "2 + 3"),
    ("INT", -(2**63), -(2**63), None),
    ("INT", 2**63 - 1, 2**63 - 1, "9223372036854775807"),
    ("BIGINT", "12", 12, "'12'"),
    ("SMALLINT", 3.0, 3, "6 / 2.0"),
    ("INT", True, 1, "TRUE"),
    ("INT", Decimal("5.0"), 5, None),
    ("INT", numpy.int64(7), 7, None),
    ("INT", numpy.uint8(7), 7, None),
    ("INT", numpy.array(7), 7, None),
    ("REAL", 0.1, 0.1, "0.1"),
    ("REAL", 3, 3.0, "1 + 2"),
    ("DOUBLE PRECISION", "1.5", 1.5, "'1.5'"),
    ("FLOAT", float("inf"), float("inf"), "9e999"),
    ("REAL", -0.0, 0.0, None),
    ("REAL", 5e-324, 5e-324, None),
    ("REAL", numpy.float32(1.5), 1.5, None),
    ("REAL", numpy.float64(0.1), 0.1, None),
    ("TEXT", "", "", "''"),
    ("TEXT", "it's \u00e9 \U0001f600 %s ; --", "it's \u00e9 \U0001f600 %s ; --", "'it''s \u00e9 \U0001f600 %s ; --'"),
    ("TEXT", 5, "5", "2 + 3"),
    ("TEXT", MOMENT, "2026-03-01 09:30:00.000000", None),
    ("TEXT", WHO, str(WHO), None),
    ("TEXT", "x" * 100_000, "x" * 100_000, "replace(hex(zeroblob(50000)), '00', 'xx')"),
    ("VARCHAR(3)", "abc", "abc", "'a' || 'bc'"),
    ("CHAR(2)", "\U0001f600\u00e9", "\U0001f600\u00e9", None),
    ("BLOB", b"\x00\xff", b"\x00\xff", "x'00ff'"),
    ("BYTEA", b"", b"", "x''"),
    ("BLOB", bytearray(b"ab"), b"ab", None),
    ("BLOB", memoryview(b"abcd")[::2], b"ac", None),
    ("BOOLEAN", True, True, "1 = 1"),
    ("BOOLEAN", False, False, "FALSE"),
    ("BOOL", "yes", True, "'t'"),
    ("BOOLEAN", 0, False, "0"),
    ("BOOLEAN", numpy.bool_(True), True, None),
    ("NUMERIC", Decimal("1.50"), Decimal("1.5"), "'1.500'"),
    ("NUMERIC", Decimal("-0.00"), Decimal(0), "0"),
    ("NUMERIC", Decimal("1E+3"), Decimal(1000), "10 * 100"),
    ("NUMERIC", LONG, LONG, f"'{LONG}'"),
    ("NUMERIC", 0.1, Decimal("0.1"), "0.1"),
    ("NUMERIC(6, 2)", "1.005", Decimal("1.01"), "'1.005'"),
    ("NUMERIC(6, 2)", Decimal("9999.99"), Decimal("9999.99"), "9999.994"),
    ("DECIMAL(6)", 2.5, Decimal(3), "2.5"),
    ("JSONB", {"b": [1, 2.5, None, True, "x"], "a": {}}, {"a": {}, "b": [1, 2.5, None, True, "x"]},
     """json_object('b', json('[1, 2.5, null, true, "x"]'), 'a', json('{}'))"""),
    ("JSONB", [], [], "'[ ]'"),
    ("JSON", {}, {}, "'{}'"),
    ("JSONB", (1, (2,)), [1, [2]], "json_array(1, json_array(2))"),
    ("JSONB", '{"b": 1, "a": 2}', {"a": 2, "b": 1}, """'{"b": 1, "a": 2}'"""),
    ("JSONB", '"text"', "text", """'"text"'"""),
    ("JSONB", 5, 5, "'5'"),
    ("JSONB", True, True, "'true'"),
    ("JSONB", {'\u00e9\n"': "\u2028"}, {'\u00e9\n"': "\u2028"}, None),
    ("JSONB", {"big": 2**70, "deep": [[[[[[]]]]]]}, {"big": 2**70, "deep": [[[[[[]]]]]]}, None),
    ("TIMESTAMP", MOMENT, MOMENT, "'2026-03-01T09:30:00Z'"),
    ("TIMESTAMPTZ", MOMENT.astimezone(FIXED), MOMENT, "'2026-03-01 15:00+05:30'"),
    ("TIMESTAMP WITH TIME ZONE", datetime(2026, 3, 1, 9, 30), MOMENT, "'2026-03-01 09:30'"),  # noqa: DTZ001
    ("TIMESTAMP(6)", datetime(2026, 3, 1, 9, 30, 0, 123456, UTC), datetime(2026, 3, 1, 9, 30, 0, 123456, UTC),
     "'2026-03-01 09:30:00.123456'"),
    ("TIMESTAMP", date(2026, 3, 2), LATER, "'2026-03-02'"),
    ("TIMESTAMP", datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), "'0001-01-01'"),
    ("TIMESTAMP", datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), None),
    ("DATE", date(2026, 3, 1), date(2026, 3, 1), "'2026-03-01'"),
    ("DATE", "2026-03-01", date(2026, 3, 1), "date('2026-02-28', '+1 day')"),
    ("UUID", WHO, WHO, "upper('12345678-1234-5678-1234-567812345678')"),
    ("UUID", "{12345678123456781234567812345678}", WHO, None),
    ("VECTOR(3)", [1.5, -2, 0.1], FLOATS, "'[1.5, -2, 0.1]'"),
    ("VECTOR(3)", (1.5, -2, 0.1), FLOATS, None),
    ("VECTOR(3)", FLOATS, FLOATS, None),
    ("VECTOR(3)", FLOATS.astype(">f8"), FLOATS, None),
    ("VECTOR(3)", numpy.array([9, 1.5, 9, -2, 9, 0.1])[1::2], FLOATS, None),
    ("VECTOR(3)", FLOATS.tobytes(), FLOATS, None),
    ("ANY", 5, 5, "5"),
    ("", "five", "five", "'five'"),
    ("", b"5", b"5", "x'35'"),
    ("", 5.5, 5.5, "5.5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "given", "expected", "computed"),
    [pytest.param(*case, id=f"{at:02d} {case[0]} {type(case[1]).__name__}") for at, case in enumerate(ROUND_TRIPS)],
)
def test_a_value_comes_back_whichever_way_it_went_in(
    db: holdfast.Store, type_: str, given: Any, expected: Any, computed: str | None
) -> None:
    db.execute(f"CREATE TABLE t (id INT PRIMARY KEY, x {type_})")
    db.execute("INSERT INTO t VALUES (1, %s), (2, NULL)", [given])
    db.execute("INSERT INTO t VALUES (%(id)s, %(x)s)", {"id": 3, "x": given})
    db.executemany("INSERT INTO t (x, id) VALUES (%s, %s)", [[given, 4], [None, 5]])
    db.execute("INSERT INTO t SELECT 6, x FROM t WHERE id = 1")
    branch = db.branch("b")
    branch.execute("UPDATE t SET x = %s WHERE id = 5", [given])
    branch.execute("UPDATE t SET x = (SELECT x FROM t WHERE id = 1) WHERE id = 2")
    branch.execute('INSERT INTO t SELECT id + 10, x FROM "t@main" WHERE id < 3')
    if computed is not None:
        branch.execute(f"INSERT INTO t VALUES (20, {computed}), (21, coalesce(NULL, {computed}))")
        branch.execute(f"INSERT INTO t SELECT 22, {computed}")
        branch.execute(f"UPDATE t SET x = {computed} WHERE id = 12")
    _all_equal(db, expected, {2, 5})
    _all_equal(branch, expected, set() if computed else {12})
    head = branch.head
    branch.execute("UPDATE t SET x = %s WHERE x IS NOT NULL", [given])
    branch.execute("UPDATE t SET x = x")
    if computed is not None:
        branch.execute(f"UPDATE t SET x = {computed} WHERE x IS NOT NULL")
    assert branch.head == head  # equal values are equal content
    db.merge("b")
    _all_equal(db, expected, set() if computed else {12})
    db.verify()


def _all_equal(store: holdfast.Store, expected: Any, nulls: set[int]) -> None:
    for row in store.execute("SELECT id, x FROM t"):
        found = row["x"]
        if row["id"] in nulls:
            assert found is None
        elif isinstance(expected, numpy.ndarray):
            assert found.dtype == expected.dtype
            assert found.tolist() == expected.tolist()
        else:
            assert (found, type(found)) == (expected, type(expected))


def test_parameters_in_conditions_have_the_stored_form(filled: holdfast.Store) -> None:
    for name in ("at", "day", "state", "ok", "cost", "uid", "text"):
        for row in filled.execute("SELECT * FROM t").fetchall():
            assert column(filled, f"SELECT id FROM t WHERE {name} = %s", [row[name]]) == [row["id"]]
            assert column(filled, f"SELECT id FROM t WHERE {name} IN (%s, %s)", [row[name], None]) == [row["id"]]


def test_equal_json_is_no_change_and_other_json_is_one(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB)")
    db.execute("INSERT INTO t VALUES (1, %s)", [{"a": 1, "b": {"x": [1, 2], "y": None}}])
    head = db.head
    db.execute("UPDATE t SET j = %s", [{"b": {"y": None, "x": (1, 2)}, "a": 1}])
    db.execute("""UPDATE t SET j = ' { "b" : {"y":null, "x": [1,2]}, "a": 1 } '""")
    db.execute("UPDATE t SET j = json_set(j, '$.a', 1)")
    db.execute("UPDATE t SET j = json_set(json_remove(j, '$.a'), '$.a', 1)")
    assert db.head == head
    db.execute("UPDATE t SET j = %s", [{"a": 1, "b": {"x": [2, 1], "y": None}}])
    assert db.head != head


def test_rows_and_cursors_are_as_documented(filled: holdfast.Store) -> None:
    cursor = filled.execute("SELECT id, text FROM t ORDER BY id")
    assert (cursor.columns, cursor.rowcount) == (("id", "text"), 2)
    assert cursor.fetchone() == {"id": 1, "text": "one"}
    assert cursor.fetchmany(5) == [{"id": 2, "text": "two"}]
    assert (cursor.fetchone(), cursor.fetchmany(), cursor.fetchall(), list(cursor)) == (None, [], [], [])
    with filled.transaction(), pytest.raises(LookupError), filled.transaction():
        cursor = filled.execute("UPDATE t SET text = 'x'")
        assert (cursor.columns, cursor.rowcount, cursor.fetchall()) == ((), 2, [])
        raise LookupError


def test_a_result_is_not_changed_by_what_is_written_later(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (j JSONB, v VECTOR(2))")
    db.execute("INSERT INTO t VALUES (%s, %s)", [[1], [1, 2]])
    cursor = db.execute("SELECT * FROM t")
    db.execute("DELETE FROM t")
    row = cursor.fetchone()
    assert row is not None
    row["j"].append(2)
    row["v"][0] = 9  # the caller's own
    assert (row["j"], row["v"].tolist()) == ([1, 2], [9.0, 2.0])


@pytest.mark.parametrize(
    ("type_", "given", "why"),
    [
        ("VARCHAR(3)", 12345, "a number is longer than the column"),
        ("DATE", "2026-03-01 and more", "what follows the date is dropped"),
        ("VECTOR(2)", numpy.array([1 + 2j, 1]), "the imaginary part is dropped, with a warning"),
        ("NUMERIC", Decimal("1E+1000000"), "a million digits are written out"),
    ],
    ids=["number", "date", "complex", "digits"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_would_be_lost_is_refused(db: holdfast.Store, type_: str, given: Any, why: str) -> None:
    db.execute(f"CREATE TABLE t (x {type_})")
    with pytest.raises(holdfast.InvalidValue):
        db.execute("INSERT INTO t VALUES (%s)", [given])


@pytest.mark.parametrize("given", [numpy.int64(5), numpy.float32(5)], ids=["int64", "float32"])
def test_numpy_numbers_go_into_numeric_columns(db: holdfast.Store, given: Any) -> None:
    db.execute("CREATE TABLE t (x NUMERIC)")
    db.execute("INSERT INTO t VALUES (%s)", [given])
    assert column(db, "SELECT x FROM t") == [Decimal(5)]


def test_a_numeric_column_has_the_digits_it_was_given(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (x NUMERIC(40, 5))")
    db.execute("INSERT INTO t VALUES (%s)", ["12345678901234567890123456789012345"])
    assert column(db, "SELECT x FROM t") == [Decimal(12345678901234567890123456789012345)]
