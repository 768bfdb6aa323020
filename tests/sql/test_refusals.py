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
    Wrong("SELECT FROM t", SqlError, "no column"),
    Wrong("INSERT", SqlError, "INTO"),
    Wrong("INSERT INTO", SqlError, "table name"),
    Wrong("INSERT INTO t", SqlError, "VALUES"),
    Wrong("INSERT INTO t VALUES", SqlError, "a row"),
    Wrong("UPDATE", SqlError, "table name"),
    Wrong("UPDATE t", SqlError, "SET"),
    Wrong("UPDATE t SET", SqlError, "assignment"),
    Wrong("UPDATE t SET n", SqlError, "assignment"),
    Wrong("UPDATE t SET n =", SqlError, "SET n ="),
    Wrong("UPDATE t SET n = 1,", SqlError, "assignment"),
    Wrong("UPDATE t SET n = 1 WHERE", SqlError, "WHERE"),
    Wrong("DELETE", SqlError, "FROM"),
    Wrong("DELETE FROM", SqlError, "table name"),
    Wrong("DELETE FROM t WHERE", SqlError, "WHERE"),
    Wrong("CREATE", Unsupported, "CREATE TABLE"),
    Wrong("CREATE TABLE", SqlError, "table name"),
    Wrong("CREATE TABLE IF NOT EXISTS", SqlError, "table name"),
    Wrong("CREATE TABLE u", SqlError, "columns"),
    Wrong("CREATE TABLE u (a INT", SqlError, "not closed"),
    Wrong("WITH", SqlError, "common table"),
    Wrong("WITH x AS (SELECT 1)", SqlError, "SELECT, INSERT, UPDATE or DELETE"),
    Wrong("WITH x AS (SELECT 1) INSERT", SqlError, "INTO"),
    Wrong("SELECT (1", SqlError, "not closed"),
    Wrong("SELECT 1)", SqlError, "not opened"),
    Wrong("INSERT INTO t (id) VALUES (1", SqlError, "not closed"),
    Wrong("INSERT INTO t (id) VALUES 1)", SqlError, "not opened"),
    Wrong("UPDATE t SET n = (1 WHERE id = 1", SqlError, "not closed"),
    Wrong("SELEC 1", SqlError, "SELEC"),
    Wrong("42", SqlError, "42"),
    Wrong("(UPDATE t SET n = 1)", SqlError, "SELECT"),
    Wrong("SELECT ((1)", SqlError, "not closed: ((1)"),
    Wrong("SELECT 1 UNION", SqlError, "SELECT"),
    Wrong("SELECT n FROM t ORDER BY", SqlError, "incomplete"),
    Wrong("SELECT n FROM t GROUP BY", SqlError, "incomplete"),
    Wrong("SELECT CASE WHEN ok THEN 1", SqlError, "'END'"),
    Wrong("SELECT CAST(n AS) FROM t", SqlError, "a type"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT", SqlError, "'DO'"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT DO", SqlError, "NOTHING"),
    Wrong("UPDATE t SET n = 1 RETURNING", SqlError, "incomplete"),
    Wrong("UPDATE t SET n = 1 FROM", SqlError, "table name"),
    Wrong("UPDATE t SET (n, name) = (1)", SqlError, "SET (n, name) is given 1 values"),
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
    Wrong("SELECT " + ", ".join(["%s"] * 40_000), ValueTooLarge, "40000 parameters", list(range(40_000))),
)  # fmt: skip


ENDLESS = cases(
    Wrong("SELECT " + "+".join("1" * 5000), SqlError, "800 operators"),
    Wrong("SELECT * FROM t WHERE id = 1" + " OR id = 2" * 50_000, SqlError, "800 operators"),
    Wrong("SELECT '{}'" + " -> 'a'" * 5000, SqlError, "800 operators"),
    Wrong("SELECT cost" + " + cost" * 700 + " FROM t", SqlError, "too many follow each other"),
    Wrong("SELECT 1" + " IS NULL" * 700, SqlError, "too many follow each other"),
    Wrong("SELECT 1" + "::int" * 50_000, SqlError, "too many follow each other"),
    Wrong("SELECT 1" + " UNION ALL SELECT 1" * 20_000, SqlError, "too many terms"),
    Wrong("SELECT 1 FROM t" + ", t" * 20_000, SqlError, "too many follow each other"),
    Wrong("UPDATE t SET n = n" + " + 1" * 50_000, SqlError, "800 operators"),
    Wrong("SELECT " + "(" * 50_000, SqlError, "not closed"),
    Wrong("SELECT 1" + ")" * 50_000, SqlError, "not opened"),
    Wrong("SELECT " + "(" * 50_000 + "1" + ")" * 50_000, SqlError, "deep"),
    Wrong("SELECT " + "((SELECT 1) + " * 5000 + "1" + ")" * 5000, SqlError, "deep"),
    Wrong("SELECT " + "(SELECT " * 5000 + "1" + ")" * 5000, SqlError, "deep"),
    Wrong("SELECT " + "abs(" * 5000 + "1" + ")" * 5000, SqlError, "deep"),
    Wrong("SELECT " + "NOT " * 50_000 + "TRUE", SqlError, "deep"),
    Wrong("SELECT " + "- " * 50_000 + "1", SqlError, "deep"),
    Wrong("SELECT " + "CASE WHEN TRUE THEN " * 5000 + "1" + " END" * 5000, SqlError, "deep"),
    Wrong("SELECT " + " ->> (".join(["'{}'"] * 1500) + ")" * 1499, SqlError, "deep"),
    Wrong("(" * 50_000 + "SELECT 1" + ")" * 50_000, SqlError, "deep"),
    Wrong("SELECT * FROM " + "(" * 50_000 + "t" + ")" * 50_000, SqlError, "deep"),
    Wrong("SELECT * FROM " + "(" * 50_000 + "SELECT 1" + ")" * 50_000, SqlError, "deep"),
    Wrong("SELECT * FROM " + "(SELECT * FROM " * 5000 + "t" + ") x" * 5000, SqlError, "deep"),
    Wrong("WITH a AS (" * 5000 + "SELECT 1" + ") SELECT 1" * 5000, SqlError, "deep"),
    Wrong("INSERT INTO t (id) " + "(" * 5000 + "SELECT 3" + ")" * 5000, SqlError, "deep"),
    Wrong("CREATE TABLE u (a INT CHECK (a" + "::int" * 20_000 + " > 0))", SqlError, "deep"),
    Wrong("CREATE TABLE u (a INT DEFAULT (1" + "::int" * 20_000 + "))", SqlError, "deep"),
    Wrong("CREATE TABLE u (a INT CHECK (" + "(" * 20_000 + "a" + ")" * 20_000 + " > 0))", SqlError, "deep"),
    Wrong("SELECT " + "nullif(" * 40 + "cost" + ", 1)" * 40 + " FROM t", SqlError, "10000000 characters"),
    Wrong("SELECT " + "(1 BETWEEN SYMMETRIC " * 22 + "0" + " AND 2)" * 22, SqlError, "10000000 characters"),
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
    Wrong("SELECT * FROM t, hf_ref", Unsupported, "hf_ref"),
    Wrong("SELECT (SELECT count(*) FROM hf_commit)", Unsupported, "hf_commit"),
    Wrong("SELECT 1 UNION SELECT n FROM hf_leaf", Unsupported, "hf_leaf"),
    Wrong("WITH x AS (SELECT * FROM hf_meta) SELECT * FROM x", Unsupported, "hf_meta"),
    Wrong("WITH hf_rows_1 AS (SELECT 1 AS id) SELECT * FROM hf_rows_1", Unsupported, "hf_rows_1"),
    Wrong("WITH hf_rows_1 AS (SELECT * FROM t) UPDATE t SET n = 1", Unsupported, "hf_rows_1"),
    Wrong("WITH HF_Update_1 AS (SELECT 1) DELETE FROM t", Unsupported, "HF_Update_1"),
    Wrong('WITH "hf:source" AS (SELECT 3) INSERT INTO t (id) SELECT * FROM "hf:source"', Unsupported, "hf:source"),
    Wrong('INSERT INTO "hf_rows_1" VALUES (1)', Unsupported, "hf_rows_1"),
    Wrong("INSERT INTO t (id) SELECT n FROM hf_line", Unsupported, "hf_line"),
    Wrong("INSERT INTO main.hf_ref VALUES (1)", Unsupported, "main.hf_ref"),
    Wrong("UPDATE temp.hf_rows_1 SET a = 1", Unsupported, "temp.hf_rows_1"),
    Wrong("UPDATE t SET n = (SELECT max(n) FROM hf_commit)", Unsupported, "hf_commit"),
    Wrong("UPDATE t SET n = x.n FROM hf_line x", Unsupported, "hf_line"),
    Wrong("DELETE FROM t USING hf_line x", Unsupported, "hf_line"),
    Wrong("DELETE FROM sqlite_schema", Unsupported, "sqlite_schema"),
    Wrong("DELETE FROM pragma_table_list", Unsupported, "pragma_table_list"),
    Wrong("SELECT * FROM pragma_table_list", Unsupported, "pragma_table_list"),
    Wrong("SELECT * FROM hf_count(1)", Unsupported, "hf_count"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = hf_ordinal()", Unsupported, "hf_ordinal"),
    Wrong("DELETE FROM t RETURNING hf_ordinal()", Unsupported, "hf_ordinal"),
    Wrong("SELECT n FROM t ORDER BY hf_ordinal()", Unsupported, "hf_ordinal"),
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
    Wrong('INSERT INTO t (id, "hf:vid") VALUES (3, 4)', Unsupported, "hf:vid"),
    Wrong('UPDATE t SET n = t."Hf:Vid"', Unsupported, "Hf:Vid"),
    Wrong('DELETE FROM t RETURNING "hf:vid"', Unsupported, "hf:vid"),
    Wrong('INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = "hf:1"', Unsupported, "hf:1"),
    Wrong('SELECT * FROM t AS "hf:0"', Unsupported, "hf:0"),
    Wrong("SELECT * FROM 'hf_line'", SqlError, "double quotes"),
    Wrong("SELECT * FROM 't'", SqlError, "double quotes"),
    Wrong("SELECT * FROM t, 't'", SqlError, "double quotes"),
    Wrong("SELECT * FROM (t JOIN 'hf_line')", SqlError, "double quotes"),
    Wrong("SELECT 1 IN 'hf_line'", SqlError, "double quotes"),
    Wrong("SELECT main.'hf_line'", SqlError, "double quotes"),
    Wrong("SELECT 't'.n FROM t", SqlError, "double quotes"),
    Wrong("INSERT INTO 't' (id) VALUES (3)", SqlError, "double quotes"),
    Wrong("UPDATE 't' SET n = 1", SqlError, "double quotes"),
    Wrong("DELETE FROM 't'", SqlError, "double quotes"),
    Wrong("SELECT n AS 'alias' FROM t", SqlError, "double quotes"),
    Wrong("SELECT count(*) 'alias' FROM t", SqlError, "double quotes"),
    Wrong("SELECT 'a' 'b'", SqlError, "an operator is expected"),
    Wrong("SELECT * FROM nosuch", NotFound, "nosuch"),
    Wrong("SELECT * FROM t JOIN nosuch USING (id)", NotFound, "nosuch"),
    Wrong("SELECT nosuch FROM t", SqlError, "no such column: nosuch; there are id, name"),
    Wrong("SELECT t.nosuch FROM t", SqlError, "no such column: t.nosuch; there are id, name"),
    Wrong("SELECT x.n FROM t", SqlError, "no table in FROM is called 'x'"),
    Wrong("SELECT t.n FROM t x", SqlError, "no table in FROM is called 't'"),
    Wrong("SELECT nosuch", SqlError, "no table is in FROM"),
    Wrong("SELECT n AS m FROM t WHERE m > 1", SqlError, "no such column: m"),
    Wrong("SELECT u.n FROM t CROSS JOIN (SELECT t.n FROM t x) u", SqlError, "'t'"),
    Wrong("SELECT oid FROM t", SqlError, "oid"),
    Wrong("SELECT t._rowid_ FROM t", SqlError, "_rowid_"),
    Wrong("UPDATE t SET n = nosuch", SqlError, "nosuch"),
    Wrong("UPDATE t SET n = rowid", SqlError, "rowid"),
    Wrong("DELETE FROM t WHERE nosuch = 1", SqlError, "nosuch"),
    Wrong("INSERT INTO t (id, n) VALUES (3, id)", SqlError, "no such column: id"),
    Wrong("INSERT INTO t (id) VALUES (3) RETURNING nosuch", SqlError, "nosuch"),
    Wrong("DELETE FROM t RETURNING excluded.n", SqlError, "excluded"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = NEW.n", SqlError, "'NEW'"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = old.n", SqlError, "'old'"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (nosuch) DO NOTHING", SqlError, "its keys are ['id']"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET nosuch = 1", NotFound, "nosuch"),
    Wrong("SELECT nosuch(1)", Unsupported, "nosuch"),
    Wrong('SELECT "nosuch" FROM t', SqlError, "nosuch"),
    Wrong("SELECT rowid FROM t", SqlError, "rowid"),
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
    Wrong("UPDATE t SET t.n = 1", Unsupported, "t.n"),
)  # fmt: skip

ROWS = cases(
    Wrong("INSERT INTO t (id, id) VALUES (3, 4)", SqlError, "twice"),
    Wrong("INSERT INTO t (id, n) VALUES (3)", SqlError, "1 values for 2"),
    Wrong("INSERT INTO t (id, n) VALUES (3, 4), (5)", SqlError, "1 values for 2"),
    Wrong("INSERT INTO t (id) VALUES (3, 4)", SqlError, "2 values for 1"),
    Wrong("INSERT INTO t (id) VALUES ()", SqlError, "before ')', after 'id) VALUES ('"),
    Wrong("INSERT INTO t (id, n) VALUES (3,)", SqlError, "before ')', after 'VALUES (3,'"),
    Wrong("INSERT INTO t (id) VALUES (3) garbage", SqlError, "garbage"),
    Wrong("INSERT INTO t (id) VALUES (3) (4)", SqlError, "(4)"),
    Wrong("INSERT INTO t (id) VALUES (3 x)", SqlError, "x"),
    Wrong("INSERT INTO t DEFAULT VALUES garbage", SqlError, "garbage"),
    Wrong("INSERT INTO t (id) SELECT 3, 4", SqlError, "2 values for 1"),
    Wrong("UPDATE t SET n = 1, n = 2", SqlError, "n twice"),
    Wrong("UPDATE t SET n = 1, N = 2", SqlError, "n twice"),
    Wrong("UPDATE t SET n = max(n)", SqlError, "max"),
    Wrong("UPDATE t SET n = 1 + count(*) WHERE id = 1", SqlError, "count"),
    Wrong("UPDATE t SET name = 'x', n = sum(n)", SqlError, "sum"),
    Wrong("UPDATE t SET n = (SELECT max(t.n))", SqlError, "max() in UPDATE t"),
    Wrong("UPDATE t SET n = (SELECT max(t.n + 1) FROM t x)", SqlError, "max"),
    Wrong("UPDATE t SET n = (SELECT (SELECT count(t.n)))", SqlError, "count"),
    Wrong("UPDATE t SET n = 1 WHERE n = max(n)", SqlError, "max"),
    Wrong("UPDATE t SET n = sum(x.n) FROM t x", SqlError, "sum"),
    Wrong("INSERT INTO t (id) VALUES (count(*))", SqlError, "count"),
    Wrong("INSERT INTO t (id) VALUES (3) RETURNING max(id)", SqlError, "max() in RETURNING"),
    Wrong("DELETE FROM t RETURNING row_number() OVER ()", SqlError, "row_number"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = max(excluded.n)", SqlError, "max"),
    Wrong("UPDATE t SET n = row_number() OVER (ORDER BY id)", SqlError, "row_number"),
    Wrong("UPDATE t SET n = 1 garbage", SqlError, "garbage"),
    Wrong("UPDATE t SET n = 1 AS m", SqlError, "AS"),
    Wrong("UPDATE t SET n = *", SqlError, "*"),
    Wrong("UPDATE t SET n == 1", SqlError, "assignment"),
    Wrong("UPDATE t SET 5 = 1", SqlError, "5 = 1"),
    Wrong("UPDATE t SET n = 1 WHERE id = 1 WHERE id = 2", SqlError, "WHERE is there twice"),
    Wrong("UPDATE t SET n = 1 WHERE id = 1) OR (1 = 1", SqlError, "parenthesis"),
    Wrong("SELECT n FROM t LIMIT 1 WHERE id = 1", SqlError, "WHERE"),
    Wrong("SELECT n FROM t ORDER BY n ORDER BY id", SqlError, "ORDER is there twice"),
    Wrong("DELETE FROM t garbage garbage", SqlError, "garbage"),
    Wrong("DELETE FROM t WHERE id = 1 WHERE id = 2", SqlError, "WHERE is there twice"),
    Wrong("DELETE FROM t WHERE max(n) > 1", SqlError, "max"),
    Wrong("SELECT id FROM t WHERE max(n) > 1", SqlError, "HAVING"),
)  # fmt: skip

LATER = cases(
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT DO UPDATE SET n = 1", SqlError, "names the columns of the key"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (n) DO NOTHING", SqlError, "ON CONFLICT (n)"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) WHERE id > 0 DO NOTHING", Unsupported, "WHERE"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 5", Unsupported, "SET id"),
    Wrong("INSERT INTO t (id) VALUES (1) ON CONFLICT ON CONSTRAINT nosuch DO NOTHING", Unsupported, "nosuch"),
    Wrong("UPDATE t SET n = 1 FROM t u RETURNING *", Unsupported, "write t.*"),
    Wrong("UPDATE t x SET n = 1 FROM t u RETURNING x.id, u.n + 1", Unsupported, "write x.*"),
    Wrong("DELETE FROM t USING t u RETURNING u.*", Unsupported, "write t.*"),
    Wrong("UPDATE t SET (n, name) = (SELECT 1, 'x')", Unsupported, "SET (n, name)"),
    Wrong("SELECT name FROM t WHERE name LIKE ANY (%s)", Unsupported, "LIKE ANY", [["a"]]),
    Wrong("SELECT id FROM t WHERE n > ALL (SELECT 1)", Unsupported, "> ALL"),
    Wrong("SELECT state[0] FROM t", Unsupported, "elements of arrays"),
    Wrong("SELECT n::int[] FROM t", Unsupported, "INT[]"),
    Wrong("SELECT n::money FROM t", Unsupported, "MONEY"),
    Wrong('SELECT name COLLATE "de_DE" FROM t', Unsupported, "de_DE"),
    Wrong("SELECT at AT TIME ZONE 'Europe/Oslo' FROM t", Unsupported, "AT TIME ZONE"),
    Wrong("SELECT at * 2 FROM t", Unsupported, "at * 2"),
    Wrong("SELECT name + 1 FROM t", SqlError, "name is text"),
    Wrong("SELECT state + 1 FROM t", Unsupported, "state + 1"),
    Wrong("SELECT id FROM t WHERE at = n", SqlError, "at = n"),
    Wrong("SELECT id FROM t ORDER BY state", Unsupported, "no order"),
    Wrong("SELECT 1 INTERSECT ALL SELECT 1", Unsupported, "INTERSECT ALL"),
    Wrong("SELECT 1 EXCEPT ALL SELECT 1", Unsupported, "EXCEPT ALL"),
    Wrong("SELECT count(*) FROM t GROUP BY ROLLUP (n)", Unsupported, "ROLLUP"),
    Wrong("SELECT n INTO u FROM t", Unsupported, "INTO"),
    Wrong("SELECT * FROM t TABLESAMPLE SYSTEM (1)", Unsupported, "TABLESAMPLE"),
    Wrong("SELECT * FROM t, LATERAL (SELECT t.n) x", Unsupported, "LATERAL"),
    Wrong("SELECT nextval('a')", Unsupported, "nextval"),
    Wrong("SELECT date('now')", Unsupported, "NOW()"),
    Wrong("UPDATE t SET n = 1 ORDER BY id LIMIT 1", Unsupported, "ORDER in UPDATE"),
    Wrong("DELETE FROM t WHERE id = 1 LIMIT 1", Unsupported, "LIMIT in DELETE"),
    Wrong("INSERT OR REPLACE INTO t (id) VALUES (1)", Unsupported, "INSERT OR"),
    Wrong("REPLACE INTO t (id) VALUES (1)", Unsupported, "REPLACE"),
    Wrong("UPDATE OR IGNORE t SET n = 1", Unsupported, "UPDATE OR"),
    Wrong("DROP VIEW t", Unsupported, "DROP VIEW"),
    Wrong("ALTER INDEX t RENAME TO u", Unsupported, "ALTER INDEX"),
    Wrong("CREATE VIEW w AS SELECT 1", Unsupported, "CREATE VIEW"),
    Wrong("CREATE TEMP TABLE w (a INT)", Unsupported, "TEMP"),
    Wrong("CREATE TABLE w AS SELECT 1", Unsupported, "CREATE TABLE ... AS"),
    Wrong("SELECT name FROM t WHERE name SIMILAR TO 'a%'", Unsupported, "SIMILAR"),
    Wrong("SELECT * FROM t WHERE id = ?", Unsupported, "'?'", [1]),
    Wrong("SELECT * FROM t WHERE id = :id", Unsupported, "':'", {"id": 1}),
    Wrong("SELECT * FROM t WHERE id = $1", Unsupported, "'$'", [1]),
    Wrong("SELECT `name` FROM t", Unsupported, "`"),
    Wrong("SELECT [name] FROM t", Unsupported, "["),
    Wrong("BEGIN", Unsupported, "transaction()"),
    Wrong("COMMIT", Unsupported, "transaction()"),
    Wrong("SAVEPOINT a", Unsupported, "transaction()"),
    Wrong("PRAGMA journal_mode", Unsupported, "PRAGMA"),
    Wrong("ATTACH 'x.db' AS x", Unsupported, "ATTACH"),
    Wrong("VACUUM", Unsupported, "VACUUM"),
    Wrong("EXPLAIN SELECT 1", Unsupported, "EXPLAIN"),
    Wrong("TRUNCATE t", Unsupported, "TRUNCATE"),
    Wrong("SELECT * FROM t FOR UPDATE", Unsupported, "transaction()"),
    Wrong("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", Unsupported, "DELETE in WITH"),
)  # fmt: skip

ARROWS = cases(
    Wrong("SELECT state->>'n' = 1 FROM t", Unsupported, "gives text"),
    Wrong("SELECT id FROM t WHERE state ->> 'n' >= -1", Unsupported, "gives text"),
    Wrong("SELECT id FROM t WHERE (state->>'n') > 5", Unsupported, "gives text"),
    Wrong("SELECT id FROM t WHERE ( (state->'a'->>0) ) <> 5.5 AND id = 1", Unsupported, "gives text"),
    Wrong("SELECT id FROM t WHERE 5 < state->>'n'", Unsupported, "gives text"),
    Wrong("DELETE FROM t WHERE 5 < (state->>'n')", Unsupported, "gives text"),
    Wrong("UPDATE t SET ok = (state->>'n') = 5", Unsupported, "gives text"),
    Wrong("CREATE TABLE u (j JSONB CHECK (j->>'n' > 0))", Unsupported, "gives text"),
    Wrong("SELECT state->'$.a' FROM t", Unsupported, "$.a"),
    Wrong("SELECT state->>'$[0]' FROM t", Unsupported, "$[0]"),
    Wrong("SELECT state->>'$' FROM t", Unsupported, "'$'"),
    Wrong("SELECT state->'a'->'[0]' FROM t", Unsupported, "[0]"),
    Wrong("SELECT state->> FROM t", SqlError, "after 'SELECT state->>'"),
    Wrong("SELECT ->> 'a'", SqlError, "a value is expected"),
    Wrong("SELECT state ->>", SqlError, "after 'SELECT state ->>'"),
    Wrong("SELECT state ->", SqlError, "after 'SELECT state ->'"),
    Wrong("SELECT name->'a' FROM t", SqlError, "malformed JSON"),
)  # fmt: skip

TABLES = cases(
    Wrong("CREATE TABLE t (a INT)", AlreadyExists, "'t'"),
    Wrong("CREATE TABLE T (a INT)", AlreadyExists, "'t'"),
    Wrong("CREATE TABLE IF NOT EXISTS t (a INT)", AlreadyExists, "another definition"),
    Wrong("CREATE TABLE hf_mine (a INT)", InvalidValue, "hf_mine"),
    Wrong('CREATE TABLE "HF_mine" (a INT)', InvalidValue, "HF_mine"),
    Wrong("CREATE TABLE sqlite_mine (a INT)", InvalidValue, "sqlite_mine"),
    Wrong('CREATE TABLE "a@b" (a INT)', InvalidValue, "a@b"),
    Wrong('CREATE TABLE "" (a INT)', InvalidValue, "''"),
    Wrong("CREATE TABLE 'u' (a INT)", SqlError, "double quotes"),
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
    Wrong('ALTER TABLE t RENAME COLUMN n TO "hf:vid"', Unsupported, "hf:vid"),
    Wrong("CREATE TABLE u ('a' INT)", SqlError, "'a'"),
    Wrong("CREATE TABLE u (1 INT)", SqlError, "'1'"),
    Wrong(f"CREATE TABLE u ({', '.join(f'c{n} INT' for n in range(1001))})", SqlError, "1000"),
    Wrong("CREATE TABLE u (a FOO)", Unsupported, "u.a: the type FOO"),
    Wrong("CREATE TABLE u (a INT[])", Unsupported, "'[]'"),
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
    "free": [2**63, NAN, "a\0b", "\ud800", Decimal("NaN"), {"a": {1}}, object(), 1j],
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


@pytest.mark.parametrize("wrong", ENDLESS)
def test_what_goes_deeper_or_on_for_longer_than_can_be_followed_is_refused(
    shared: holdfast.Store, wrong: Wrong
) -> None:
    """By an error of ours rather than Python's, and soon: nothing takes time by the square of its length."""
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
