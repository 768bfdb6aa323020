"""Goal: whatever cannot be done is refused by an error of ours that names the part, and changes nothing.

Method: run each wrong statement on a store with some rows; look at the type and the message of the error, and then
whether head, tables and rows are what they were and the store still works.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import numpy
import pytest

import holdfast
from holdfast import (
    AlreadyExists,
    ConstraintFailed,
    HoldfastError,
    InvalidValue,
    NotFound,
    SqlError,
    Unsupported,
    ValueTooLarge,
)

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
    Wrong("SELECT " + ", ".join(["%s"] * 40_000), ValueTooLarge, "40000 parameters", list(range(40_000))),
)  # fmt: skip


NAMES = cases(
    Wrong("SELECT * FROM hf_line", Unsupported, "hf_line"),
    Wrong('SELECT * FROM "HF_V1"', Unsupported, "HF_V1"),
    Wrong("SELECT * FROM main.hf_commit", Unsupported, "hf_commit"),
    Wrong("SELECT * FROM temp.hf_rows_1", Unsupported, "hf_rows_1"),
    Wrong("INSERT INTO hf_delete_1 VALUES (1)", Unsupported, "hf_delete_1"),
    Wrong("DELETE FROM hf_ref", Unsupported, "hf_ref"),
    Wrong("UPDATE hf_line SET head_n = 0", Unsupported, "hf_line"),
    Wrong("SELECT * FROM sqlite_schema", Unsupported, "sqlite_schema"),
    Wrong("SELECT * FROM pragma_table_info('t')", Unsupported, "pragma_table_info"),
    Wrong("SELECT * FROM dbstat", Unsupported, "dbstat"),
    Wrong("SELECT hf_ordinal()", Unsupported, "hf_ordinal"),
    Wrong("SELECT hf_count ()", Unsupported, "hf_count"),
    Wrong('UPDATE t SET n = "hf_count"()', Unsupported, "hf_count"),
    Wrong("SELECT last_insert_rowid()", Unsupported, "last_insert_rowid"),
    Wrong("SELECT changes(), total_changes()", Unsupported, "changes"),
    Wrong("SELECT load_extension('x')", Unsupported, "load_extension"),
    Wrong('SELECT 1 FROM t WHERE "hf:vid" = 1', Unsupported, "hf:vid"),
    Wrong('UPDATE t SET "hf:vid" = 1', Unsupported, "hf:vid"),
    Wrong("SELECT * FROM 'hf_line'", Unsupported, "hf_line"),
    Wrong("SELECT * FROM 't'", Unsupported, "'t'"),
    Wrong("SELECT * FROM t, 't'", Unsupported, "'t'"),
    Wrong("SELECT * FROM (t JOIN 'hf_line')", Unsupported, "hf_line"),
    Wrong("SELECT 1 IN 'hf_line'", Unsupported, "hf_line"),
    Wrong("SELECT main.'hf_line'", Unsupported, "hf_line"),
    Wrong("SELECT 't'.n FROM t", Unsupported, "'t'"),
    Wrong("INSERT INTO 't' (id) VALUES (3)", Unsupported, "'t'"),
    Wrong("UPDATE 't' SET n = 1", Unsupported, "'t'"),
    Wrong("DELETE FROM 't'", Unsupported, "'t'"),
    Wrong("SELECT n AS 'alias' FROM t", Unsupported, "'alias'"),
    Wrong("SELECT count(*) 'alias' FROM t", Unsupported, "'alias'"),
    Wrong("SELECT DATE '2026-01-31'", Unsupported, "DATE"),
    Wrong("SELECT TIMESTAMP '2026-01-31 10:00:00'", Unsupported, "TIMESTAMP"),
    Wrong("SELECT 'a' 'b'", Unsupported, "'b'"),
    Wrong("SELECT * FROM nosuch", NotFound, "nosuch"),
    Wrong("SELECT * FROM t JOIN nosuch USING (id)", NotFound, "nosuch"),
    Wrong("SELECT nosuch FROM t", SqlError, "nosuch"),
    Wrong("SELECT nosuch(1)", Unsupported, "nosuch"),
    Wrong('SELECT "nosuch" FROM t', SqlError, "nosuch"),
    Wrong("SELECT rowid FROM t", SqlError, "rowid"),
    Wrong("SELECT * FROM public.t", NotFound, "public.t"),
    Wrong('SELECT * FROM "t@nosuch"', NotFound, "nosuch"),
    Wrong('SELECT * FROM "nosuch@main"', NotFound, "nosuch"),
    Wrong('SELECT * FROM "t@"', NotFound, "''"),
    Wrong("SELECT * FROM t@main", Unsupported, "'@'"),
    Wrong('INSERT INTO "t@main" (id) VALUES (3)', Unsupported, "t@main"),
    Wrong('UPDATE "t@main" SET n = 1', Unsupported, "t@main"),
    Wrong('DELETE FROM "t@main"', Unsupported, "t@main"),
    Wrong("INSERT INTO main.t (id) VALUES (3)", Unsupported, "schema"),
    Wrong("INSERT INTO nosuch VALUES (3)", NotFound, "nosuch"),
    Wrong("UPDATE nosuch SET n = 1", NotFound, "nosuch"),
    Wrong("DELETE FROM nosuch", NotFound, "nosuch"),
    Wrong("INSERT INTO t (id, nosuch) VALUES (3, 1)", NotFound, "nosuch"),
    Wrong("UPDATE t SET nosuch = 1", NotFound, "nosuch"),
    Wrong("UPDATE t SET t.n = 1", NotFound, "'t'"),
)  # fmt: skip

ROWS = cases(
    Wrong("INSERT INTO t (id, id) VALUES (3, 4)", SqlError, "twice"),
    Wrong("INSERT INTO t (id, n) VALUES (3)", SqlError, "1 values for 2"),
    Wrong("INSERT INTO t (id, n) VALUES (3, 4), (5)", SqlError, "1 values for 2"),
    Wrong("INSERT INTO t (id) VALUES (3, 4)", SqlError, "2 values for 1"),
    Wrong("INSERT INTO t (id) VALUES ()", SqlError, "t.id"),
    Wrong("INSERT INTO t (id, n) VALUES (3,)", SqlError, "t.n"),
    Wrong("INSERT INTO t (id) VALUES (3) garbage", SqlError, "garbage"),
    Wrong("INSERT INTO t (id) VALUES (3) (4)", SqlError, "(4)"),
    Wrong("INSERT INTO t (id) VALUES (3), (4) UNION SELECT 5", SqlError, "UNION"),
    Wrong("INSERT INTO t (id) VALUES (3) ORDER BY 1", SqlError, "ORDER"),
    Wrong("INSERT INTO t (id) VALUES (3 x)", SqlError, "x"),
    Wrong("INSERT INTO t DEFAULT VALUES garbage", SqlError, "garbage"),
    Wrong("INSERT INTO t (id) SELECT 3, 4", SqlError, "the SELECT of the INSERT has 2 values"),
    Wrong("UPDATE t SET n = 1, n = 2", SqlError, "n twice"),
    Wrong("UPDATE t SET n = 1, N = 2", SqlError, "n twice"),
    Wrong("UPDATE t SET n = max(n)", SqlError, "max"),
    Wrong("UPDATE t SET n = 1 + count(*) WHERE id = 1", SqlError, "count"),
    Wrong("UPDATE t SET name = 'x', n = sum(n)", SqlError, "sum"),
    Wrong("UPDATE t SET n = (SELECT max(t.n))", SqlError, "max"),
    Wrong("UPDATE t SET n = row_number() OVER (ORDER BY id)", SqlError, "row_number"),
    Wrong("UPDATE t SET n = 1 garbage", SqlError, "garbage"),
    Wrong("UPDATE t SET n = 1 AS m", SqlError, "AS"),
    Wrong("UPDATE t SET n = *", SqlError, "*"),
    Wrong("UPDATE t SET n == 1", SqlError, "assignment"),
    Wrong("UPDATE t SET 5 = 1", NotFound, "5"),
    Wrong("UPDATE t SET n = 1 WHERE id = 1 WHERE id = 2", SqlError, "WHERE is there twice"),
    Wrong("UPDATE t SET n = 1 WHERE id = 1) OR (1 = 1", SqlError, "parenthesis"),
    Wrong("DELETE FROM t garbage garbage", SqlError, "garbage"),
    Wrong("DELETE FROM t WHERE id = 1 WHERE id = 2", SqlError, "WHERE is there twice"),
    Wrong("DELETE FROM t WHERE max(n) > 1", SqlError, "max"),
)  # fmt: skip

LATER = cases(
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", Unsupported, "ON CONFLICT"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 1", Unsupported, "ON CONFLICT"),
    Wrong("INSERT INTO t (id) SELECT 3 ON CONFLICT DO NOTHING", Unsupported, "ON CONFLICT"),
    Wrong("INSERT INTO t DEFAULT VALUES ON CONFLICT DO NOTHING", Unsupported, "ON CONFLICT"),
    Wrong("INSERT INTO t (id) VALUES (3) RETURNING id", Unsupported, "RETURNING"),
    Wrong("INSERT INTO t (id) SELECT 3 RETURNING id", Unsupported, "RETURNING"),
    Wrong("INSERT INTO t DEFAULT VALUES RETURNING id", Unsupported, "RETURNING"),
    Wrong("UPDATE t SET n = 1 RETURNING id", Unsupported, "RETURNING"),
    Wrong("UPDATE t SET n = 1 WHERE id = 1 RETURNING *", Unsupported, "RETURNING"),
    Wrong("DELETE FROM t RETURNING id", Unsupported, "RETURNING"),
    Wrong("DELETE FROM t WHERE id = 1 RETURNING id", Unsupported, "RETURNING"),
    Wrong("UPDATE t SET n = u.n FROM t u WHERE u.id = t.id", Unsupported, "FROM in UPDATE"),
    Wrong("DELETE FROM t USING t u WHERE u.id = t.id", Unsupported, "USING in DELETE"),
    Wrong("UPDATE t SET n = 1 ORDER BY id LIMIT 1", Unsupported, "ORDER in UPDATE"),
    Wrong("DELETE FROM t WHERE id = 1 LIMIT 1", Unsupported, "LIMIT in DELETE"),
    Wrong("UPDATE t SET (n, name) = (1, 'x')", Unsupported, "SET (a, b)"),
    Wrong("INSERT OR REPLACE INTO t (id) VALUES (1)", Unsupported, "INSERT OR"),
    Wrong("REPLACE INTO t (id) VALUES (1)", Unsupported, "REPLACE"),
    Wrong("UPDATE OR IGNORE t SET n = 1", Unsupported, "UPDATE OR"),
    Wrong("INSERT INTO t AS x (id) VALUES (3)", Unsupported, "alias"),
    Wrong("DROP VIEW t", Unsupported, "DROP VIEW"),
    Wrong("ALTER INDEX t RENAME TO u", Unsupported, "ALTER INDEX"),
    Wrong("CREATE VIEW w AS SELECT 1", Unsupported, "CREATE VIEW"),
    Wrong("CREATE TEMP TABLE w (a INT)", Unsupported, "TEMP"),
    Wrong("CREATE TABLE w AS SELECT 1", Unsupported, "CREATE TABLE ... AS"),
    Wrong("SELECT n::text FROM t", Unsupported, "::"),
    Wrong("SELECT name FROM t WHERE name ILIKE 'a%'", Unsupported, "ILIKE"),
    Wrong("SELECT name FROM t WHERE name NOT ILIKE 'a%'", Unsupported, "ILIKE"),
    Wrong("SELECT name FROM t WHERE name SIMILAR TO 'a%'", Unsupported, "SIMILAR"),
    Wrong("SELECT at + INTERVAL '1 day' FROM t", Unsupported, "INTERVAL"),
    Wrong("SELECT NOW() - interval '1 day'", Unsupported, "INTERVAL"),
    Wrong("SELECT id FROM t ORDER BY v <-> %s LIMIT 1", Unsupported, "<->", [[1, 2, 3]]),
    Wrong("SELECT id FROM t ORDER BY v <=> %s LIMIT 1", Unsupported, "<=>", [[1, 2, 3]]),
    Wrong("SELECT id FROM t ORDER BY v <#> %s LIMIT 1", Unsupported, "<#>", [[1, 2, 3]]),
    Wrong("SELECT state @> '{}' FROM t", Unsupported, "@>"),
    Wrong("SELECT state #>> '{a,b}' FROM t", Unsupported, "#>>"),
    Wrong("SELECT state ? 'a' FROM t", Unsupported, "'?'"),
    Wrong("SELECT * FROM t WHERE id = ?", Unsupported, "'?'", [1]),
    Wrong("SELECT * FROM t WHERE id = :id", Unsupported, "':'", {"id": 1}),
    Wrong("SELECT * FROM t WHERE id = $1", Unsupported, "'$'", [1]),
    Wrong("SELECT name ~ 'a' FROM t", Unsupported, "~"),
    Wrong("SELECT `name` FROM t", Unsupported, "`"),
    Wrong("SELECT [name] FROM t", Unsupported, "["),
    Wrong("SELECT ARRAY[1, 2]", Unsupported, "["),
    Wrong("SELECT 2 ^ 3", Unsupported, "^"),
    Wrong("SELECT E'a\\n'", Unsupported, "E'...'"),
    Wrong("BEGIN", Unsupported, "transaction()"),
    Wrong("COMMIT", Unsupported, "transaction()"),
    Wrong("SAVEPOINT a", Unsupported, "transaction()"),
    Wrong("PRAGMA journal_mode", Unsupported, "PRAGMA"),
    Wrong("ATTACH 'x.db' AS x", Unsupported, "ATTACH"),
    Wrong("VACUUM", Unsupported, "VACUUM"),
    Wrong("EXPLAIN SELECT 1", Unsupported, "EXPLAIN"),
    Wrong("TRUNCATE t", Unsupported, "TRUNCATE"),
    Wrong("SELECT * FROM t FOR UPDATE", SqlError, "UPDATE"),
    Wrong("SELECT DISTINCT ON (n) n FROM t", SqlError, "ON"),
    Wrong("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", SqlError, "DELETE"),
)  # fmt: skip

ARROWS = cases(
    Wrong("SELECT state->>'n' = 1 FROM t", Unsupported, "->> gives text"),
    Wrong("SELECT id FROM t WHERE state ->> 'n' >= -1", Unsupported, "->> gives text"),
    Wrong("SELECT id FROM t WHERE (state->>'n') > 5", Unsupported, "->> gives text"),
    Wrong("SELECT id FROM t WHERE ( (state->'a'->>0) ) <> 5.5 AND id = 1", Unsupported, "->> gives text"),
    Wrong("SELECT id FROM t WHERE 5 < state->>'n'", Unsupported, "->> gives text"),
    Wrong("DELETE FROM t WHERE 5 < (state->>'n')", Unsupported, "->> gives text"),
    Wrong("UPDATE t SET ok = (state->>'n') = 5", Unsupported, "->> gives text"),
    Wrong("CREATE TABLE u (j JSONB CHECK (j->>'n' > 0))", Unsupported, "->> gives text"),
    Wrong("SELECT state->'$.a' FROM t", Unsupported, "$.a"),
    Wrong("SELECT state->>'$[0]' FROM t", Unsupported, "$[0]"),
    Wrong("SELECT state->>'$' FROM t", Unsupported, "'$'"),
    Wrong("SELECT state->'a'->'[0]' FROM t", Unsupported, "[0]"),
    Wrong("SELECT state->> FROM t", SqlError, ""),
    Wrong("SELECT ->> 'a'", SqlError, "nothing on its left"),
    Wrong("SELECT state ->>", SqlError, "nothing on its right"),
    Wrong("SELECT state ->", SqlError, "nothing on its right"),
    Wrong("SELECT name->'a' FROM t", SqlError, "malformed JSON"),
    Wrong("SELECT " + " ->> (".join(["'{}'"] * 1500) + ")" * 1499, SqlError, "deep"),
    Wrong("SELECT '{}'" + " -> 'a'" * 5000, SqlError, ""),
)  # fmt: skip

TABLES = cases(
    Wrong("CREATE TABLE t (a INT)", AlreadyExists, "'t'"),
    Wrong("CREATE TABLE T (a INT)", AlreadyExists, "'t'"),
    Wrong("CREATE TABLE IF NOT EXISTS t (a INT)", AlreadyExists, "another definition"),
    Wrong("CREATE TABLE hf_mine (a INT)", InvalidValue, "hf_mine"),
    Wrong('CREATE TABLE "HF_mine" (a INT)', InvalidValue, "HF_mine"),
    Wrong("CREATE TABLE sqlite_mine (a INT)", Unsupported, "sqlite_mine"),
    Wrong('CREATE TABLE "a@b" (a INT)', InvalidValue, "a@b"),
    Wrong('CREATE TABLE "" (a INT)', InvalidValue, "''"),
    Wrong("CREATE TABLE 'u' (a INT)", Unsupported, "'u'"),
    Wrong("CREATE TABLE main.u (a INT)", SqlError, "'.'"),
    Wrong("CREATE TABLE u ()", SqlError, "comma"),
    Wrong("CREATE TABLE u (a INT,)", SqlError, "comma"),
    Wrong("CREATE TABLE u (a INT, , b INT)", SqlError, "comma"),
    Wrong("CREATE TABLE u (PRIMARY KEY (a))", SqlError, "no columns"),
    Wrong("CREATE TABLE u (a INT, b TEXT, A REAL)", SqlError, "'A' is there twice"),
    Wrong('CREATE TABLE u ("" INT)', InvalidValue, "''"),
    Wrong('CREATE TABLE u ("True" INT)', InvalidValue, "'True'"),
    Wrong("CREATE TABLE u (a INT, false INT)", InvalidValue, "'false'"),
    Wrong('CREATE TABLE u ("a@b" INT)', InvalidValue, "a@b"),
    Wrong('CREATE TABLE u ("HF:vid" INT)', Unsupported, "HF:vid"),
    Wrong("CREATE TABLE u ('a' INT)", SqlError, "'a'"),
    Wrong("CREATE TABLE u (1 INT)", SqlError, "'1'"),
    Wrong(f"CREATE TABLE u ({', '.join(f'c{n} INT' for n in range(1001))})", SqlError, "1000"),
    Wrong("CREATE TABLE u (a FOO)", Unsupported, "u.a: the type FOO"),
    Wrong("CREATE TABLE u (a INT[])", Unsupported, "'['"),
    Wrong("CREATE TABLE u (a INTERVAL)", Unsupported, "INTERVAL"),
    Wrong("CREATE TABLE u (a UNSIGNED INT)", Unsupported, "UNSIGNED INT"),
    Wrong("CREATE TABLE u (a VECTOR)", SqlError, "u.a: VECTOR takes 1 size"),
    Wrong("CREATE TABLE u (a VECTOR(0))", InvalidValue, "1 to 65536"),
    Wrong("CREATE TABLE u (a VECTOR(65537))", InvalidValue, "1 to 65536"),
    Wrong("CREATE TABLE u (a VECTOR(-1))", SqlError, "'-1'"),
    Wrong("CREATE TABLE u (a VECTOR(3, 4))", SqlError, "1 size"),
    Wrong("CREATE TABLE u (a VECTOR(x))", SqlError, "'x'"),
    Wrong("CREATE TABLE u (a VARCHAR(0))", InvalidValue, "u.a"),
    Wrong("CREATE TABLE u (a VARCHAR(\u00b2))", SqlError, "size"),
    Wrong(f"CREATE TABLE u (a VARCHAR({'1' * 5000}))", SqlError, "size"),
    Wrong("CREATE TABLE u (a NUMERIC(0))", InvalidValue, "u.a"),
    Wrong("CREATE TABLE u (a NUMERIC(1001))", InvalidValue, "1000"),
    Wrong("CREATE TABLE u (a NUMERIC(3, 4))", InvalidValue, "NUMERIC(3, 4)"),
    Wrong("CREATE TABLE u (a NUMERIC(3, 2, 1))", SqlError, "2 sizes"),
    Wrong("CREATE TABLE u (a JSONB(3))", SqlError, "0 sizes"),
    Wrong("CREATE TABLE u (a INT PRIMARY KEY, b INT PRIMARY KEY)", SqlError, "two primary keys"),
    Wrong("CREATE TABLE u (a INT, PRIMARY KEY (b))", SqlError, "'b'"),
    Wrong("CREATE TABLE u (a INT, UNIQUE (a, b))", SqlError, "'b'"),
    Wrong("CREATE TABLE u (a INT, PRIMARY KEY (a, A))", SqlError, "twice"),
    Wrong("CREATE TABLE u (a INT, UNIQUE (a, a))", SqlError, "twice"),
    Wrong("CREATE TABLE u (a INT, PRIMARY KEY ())", Unsupported, "columns only"),
    Wrong("CREATE TABLE u (a INT, UNIQUE (lower(a)))", Unsupported, "columns only"),
    Wrong("CREATE TABLE u (a INT PRIMARY KEY DESC)", Unsupported, "DESC"),
    Wrong("CREATE TABLE u (a TEXT, b SERIAL, PRIMARY KEY (a))", Unsupported, "SERIAL"),
    Wrong("CREATE TABLE u (a TEXT COLLATE NOCASE)", Unsupported, "COLLATE"),
    Wrong("CREATE TABLE u (a INT GENERATED ALWAYS AS (1))", Unsupported, "GENERATED"),
    Wrong("CREATE TABLE u (a INT, EXCLUDE USING gist (a WITH =))", Unsupported, "EXCLUDE"),
    Wrong("CREATE TABLE u (LIKE t)", Unsupported, "LIKE"),
    Wrong("CREATE TABLE u (a INT) STRICT", Unsupported, "STRICT"),
    Wrong("CREATE TABLE u (a INT) PARTITION BY RANGE (a)", Unsupported, "PARTITION"),
    Wrong("CREATE TABLE u (a INT garbage)", Unsupported, "INT GARBAGE"),
    Wrong("CREATE TABLE u (a INT UNIQUE garbage)", Unsupported, "garbage"),
    Wrong("CREATE TABLE u (a INT, UNIQUE (a) garbage)", Unsupported, "garbage"),
    Wrong("CREATE TABLE u (a INT DEFAULT)", SqlError, "DEFAULT"),
    Wrong("CREATE TABLE u (a INT DEFAULT, b INT)", SqlError, "DEFAULT"),
    Wrong("CREATE TABLE u (a INT DEFAULT NOT NULL)", SqlError, "DEFAULT"),
    Wrong("CREATE TABLE u (a INT DEFAULT 1 + 1)", Unsupported, "+ 1"),
    Wrong("CREATE TABLE u (a INT DEFAULT ())", SqlError, "u.a"),
    Wrong("CREATE TABLE u (a INT DEFAULT (1 +))", SqlError, "the default of u.a"),
    Wrong("CREATE TABLE u (a INT, b INT DEFAULT (a))", SqlError, "the default of u.b"),
    Wrong("CREATE TABLE u (a INT DEFAULT nosuch)", SqlError, "the default of u.a"),
    Wrong("CREATE TABLE u (a INT DEFAULT nosuch())", SqlError, "nosuch"),
    Wrong("CREATE TABLE u (a INT DEFAULT (count(*)))", SqlError, "count"),
    Wrong("CREATE TABLE u (a INT DEFAULT (SELECT 1))", Unsupported, "subquery"),
    Wrong("CREATE TABLE u (a JSONB DEFAULT 'no JSON')", InvalidValue, "the default of u.a"),
    Wrong("CREATE TABLE u (a TIMESTAMP DEFAULT 'soon')", InvalidValue, "soon"),
    Wrong("CREATE TABLE u (a VECTOR(2) DEFAULT '[1]')", InvalidValue, "shape"),
    Wrong("CREATE TABLE u (a INT DEFAULT %s)", Unsupported, "parameters", [1]),
    Wrong("CREATE TABLE u (a INT CHECK (a > %s))", Unsupported, "parameters", [1]),
    Wrong("CREATE TABLE u (a INT CHECK a > 1)", SqlError, "condition"),
    Wrong("CREATE TABLE u (a INT CHECK ())", SqlError, "CHECK"),
    Wrong("CREATE TABLE u (a INT CHECK (a >))", SqlError, "CHECK (a >)"),
    Wrong("CREATE TABLE u (a INT CHECK (b > 0))", SqlError, "no such column: b"),
    Wrong("CREATE TABLE u (a INT CHECK (max(a) > 0))", SqlError, "max"),
    Wrong("CREATE TABLE u (a INT CHECK (a IN (SELECT id FROM t)))", Unsupported, "subquery"),
    Wrong("CREATE TABLE u (a INT CHECK (a ILIKE 'x'))", Unsupported, "ILIKE"),
    Wrong("CREATE TABLE u (a INT CHECK (a::text = 'x'))", Unsupported, "::"),
)  # fmt: skip

PARAMETERS = cases(
    Wrong("SELECT %s", InvalidValue, "1 parameters, 0 were given"),
    Wrong("SELECT %s", InvalidValue, "0 were given", []),
    Wrong("SELECT %s, %s", InvalidValue, "2 parameters, 1 were given", [1]),
    Wrong("SELECT %s", InvalidValue, "1 parameters, 2 were given", [1, 2]),
    Wrong("SELECT 1", InvalidValue, "0 parameters, 1 were given", [1]),
    Wrong("SELECT '%s'", InvalidValue, "0 parameters", [1]),
    Wrong("SELECT 1 -- %s", InvalidValue, "0 parameters", [1]),
    Wrong("SELECT 1 /* %s */", InvalidValue, "0 parameters", [1]),
    Wrong("SELECT 7 %% s", SqlError, "s"),
    Wrong("SELECT %s", InvalidValue, "str", "a"),
    Wrong("SELECT %s", InvalidValue, "bytes", b"a"),
    Wrong("SELECT %s", InvalidValue, "int", 1),
    Wrong("SELECT %s", InvalidValue, "dict", {"a": 1}),
    Wrong("SELECT %s", InvalidValue, "set", {1}),
    Wrong("SELECT %s", InvalidValue, "generator", (n for n in [1])),
    Wrong("SELECT %s", InvalidValue, "ndarray", numpy.array([1])),
    Wrong("SELECT %(a)s", InvalidValue, "list", [1]),
    Wrong("SELECT %(a)s", InvalidValue, "NoneType"),
    Wrong("SELECT %(a)s, %(b)s", InvalidValue, "['b']", {"a": 1}),
    Wrong("SELECT %(a)s, %s", InvalidValue, "not both", [1]),
    Wrong("INSERT INTO t (id) VALUES (%s)", InvalidValue, "0 were given"),
    Wrong("UPDATE t SET n = %s WHERE id = %s", InvalidValue, "1 were given", [1]),
    Wrong("DELETE FROM t WHERE id = %(id)s", InvalidValue, "['id']", {"n": 1}),
)  # fmt: skip


NAN, INFINITY = float("nan"), float("inf")
BAD: dict[str, list[Any]] = {
    "n": [2**63, -(2**63) - 1, 1.5, "x", "1.5", [1], {"a": 1}, (1,), b"1", object(), date(2026, 1, 1)],
    "r": [NAN, "x", [1.0], b"1.0", 2**63, "nan"],
    "name": [{"a": 1}, [1], (), b"text", "a\0b", "\ud800", "\udc00x", None, object()],
    "short": ["four"],
    "b": ["text", 1, [1], 1.5, numpy.array([1])],
    "ok": ["maybe", 2, -1, "", [True], b"1", type(None)],
    "cost": [
        Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), NAN, INFINITY, "x", "", [1], b"1", Decimal(1_000_000),
        "999999.995",
    ],
    "state": [
        "no JSON", "", "{'a': 1}", {1: 2}, {"a": NAN}, [INFINITY], {"a": {1, 2}}, {"a": b"x"}, {"a": object()},
        {"a\0": 1}, ["\0"], ["\ud800"], {"\ud800": 1}, b"{}", '{"a": NaN}', '["\\ud800"]', '["\\u0000"]',
        {"d": Decimal(1)}, [date(2026, 1, 1)],
    ],
    "at": [
        "soon", "", "2026-13-01", "2026-02-30", "2026-01-01 25:00", 5, 1.5, [2026], b"2026-01-01", timedelta(1),
    ],
    "day": ["soon", "", "2026-02-30", 20260101, [2026]],
    "uid": ["x", "", 5, "12345678-1234-5678-1234-56781234567", b"x" * 16, ["x"]],
    "v": [
        [1, 2], [1, 2, 3, 4], [], [[1, 2, 3]], [1, 2, NAN], [1, 2, INFINITY], [1, 2, 1e300], [1, None, 3],
        ["a", "b", "c"], "x", "[1, 2]", '{"a": 1}', 1, b"1234", b"123", numpy.zeros(4), numpy.zeros((1, 3)),
        numpy.array([1, 2, NAN]), {"a": 1},
    ],
    "free": [2**63, NAN, "a\0b", "\ud800", Decimal("NaN"), {"a": {1}}, object(), timedelta(1), 1j],
}  # fmt: skip

LOOP: list[Any] = []
LOOP.append(LOOP)
FOREIGN: list[tuple[str, Any, str]] = [
    ("at", datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-1))), "OverflowError: no such year in UTC"),
    ("at", "9999-12-31T23:59:59-01:00", "OverflowError: no such year in UTC"),
    ("ok", numpy.array([1, 0]), "ValueError: numpy compares element by element"),
    ("cost", Decimal("1e50"), "decimal.InvalidOperation: quantize() has 28 digits"),
    ("v", [1, 2, 10**400], "OverflowError: an int beyond any float"),
]


def values() -> list[Any]:
    """Return the columns with their bad values, named by number and type."""
    pairs = [(column, value) for column, bad in BAD.items() for value in bad]
    return [
        pytest.param(column, value, id=f"{at:03d} {column} {type(value).__name__}")
        for at, (column, value) in enumerate(pairs)
    ]


@pytest.mark.parametrize("wrong", INCOMPLETE)
def test_a_statement_that_is_not_whole_is_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


@pytest.mark.parametrize("wrong", NAMES)
def test_names_that_are_not_there_or_not_the_users_are_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


@pytest.mark.parametrize("wrong", ROWS)
def test_writes_that_say_too_much_or_too_little_are_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


@pytest.mark.parametrize("wrong", LATER)
def test_what_is_not_supported_is_refused_by_name(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


@pytest.mark.parametrize("wrong", ARROWS)
def test_arrows_that_would_not_mean_what_they_do_in_postgresql_are_refused(
    shared: holdfast.Store, wrong: Wrong
) -> None:
    """A text is greater than every number in SQLite, where PostgreSQL has no such comparison; and a key is no path."""
    check(shared, wrong)


@pytest.mark.parametrize("wrong", TABLES)
def test_tables_that_cannot_be_are_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    """At CREATE TABLE, not at the first row: a table with a default that cannot be computed would be of no use."""
    check(shared, wrong)


@pytest.mark.parametrize("wrong", PARAMETERS)
def test_parameters_that_do_not_fit_the_statement_are_refused(shared: holdfast.Store, wrong: Wrong) -> None:
    check(shared, wrong)


def refuses(store: holdfast.Store, column: str, value: Any) -> None:
    """Try to get a value into a column as a parameter, computed, and by UPDATE."""
    head, rows = store.head, store.execute("SELECT * FROM t ORDER BY id").fetchall()
    for sql in (
        f"INSERT INTO t (id, {column}) VALUES (3, %s)",
        f"INSERT INTO t (id, {column}) SELECT 3, %s",
        f"INSERT INTO t (id, {column}) VALUES (3, coalesce(%s, NULL))",
        f"UPDATE t SET {column} = %s",
        f"UPDATE t SET {column} = coalesce(%s, NULL) WHERE id = 1",
    ):
        if "VALUES (3, %s)" not in sql and _only_plain(column, value):
            continue
        with pytest.raises((InvalidValue, ConstraintFailed)) as caught:
            store.execute(sql, [value])
        named = f"t.{column}" in str(caught.value) or "parameter 1" in str(caught.value)
        assert named, str(caught.value)
    assert store.head == head
    assert store.execute("SELECT * FROM t ORDER BY id").fetchall() == rows


def _only_plain(column: str, value: Any) -> bool:
    """Tell whether a value is only refused where its column is known: elsewhere it is the text or the number it is."""
    containers = isinstance(value, dict | list | tuple) and column in ("name", "cost", "free")
    bytes_like = column in ("uid", "b") and isinstance(value, bytes | numpy.ndarray)
    return containers or bytes_like


@pytest.mark.parametrize(("column", "value"), values())
def test_values_that_a_column_cannot_hold_are_refused(shared: holdfast.Store, column: str, value: Any) -> None:
    refuses(shared, column, value)


@pytest.mark.parametrize(
    ("column", "value"),
    [pytest.param(column, value, id=f"{at} {column} {why}") for at, (column, value, why) in enumerate(FOREIGN)],
)
def test_values_beyond_all_bounds_are_refused(shared: holdfast.Store, column: str, value: Any) -> None:
    refuses(shared, column, value)


@pytest.mark.parametrize("column", ["state", "free"])
def test_a_list_that_contains_itself_is_refused(shared: holdfast.Store, column: str) -> None:
    refuses(shared, column, LOOP)


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
        ("SELECT count(*) AS a FROM t WHERE name IS DISTINCT FROM 'x' AND name IN ('x', 'y')", 0),
        ("SELECT count(*) AS a FROM t, json_each('[1, 2]', '$')", 4),
        ("SELECT changes AS a FROM (SELECT 1 AS changes)", 1),
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
