"""Goal: a branch, however it came to its rows, answers as a database that has only these rows would.

Method: each statement runs on a plain SQLite database and in three places of a store that show the same rows; rows,
their order where one was asked for, the count of touched rows, and what the tables hold afterwards must be the same, or
both must refuse and nothing changes. Where PostgreSQL, whose dialect Holdfast speaks, answers differently from SQLite,
the expected answer stands below with the reason.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apsw
import pytest

import holdfast
from tests.sql import agents
from tests.sql.statements import READS, WRITES

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Place:
    """A store, and the ref in it that shows the rows."""

    db: holdfast.Store
    ref: str


@pytest.fixture(scope="module", params=["main", "branch of a branch", "past commit"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with holdfast.connect(":memory:") as db:
        for statement in agents.SCHEMA:
            db.execute(statement)
        if request.param == "main":
            agents.written_on_main(db)
            found = Place(db, "main")
        elif request.param == "branch of a branch":
            found = Place(db, agents.inherited(db).ref)
        else:
            found = Place(db, agents.changed_since(db))
        yield found
        with db.checkout(found.ref) as store:  # what other branches wrote is not seen
            assert _contents_of_store(store) == _contents_of(agents.plain())
        db.verify()


@pytest.fixture(scope="module")
def reader(place: Place) -> Iterator[holdfast.Store]:
    with place.db.checkout(place.ref) as store:
        yield store


@pytest.fixture(scope="module")
def plain() -> Iterator[apsw.Connection]:
    database = agents.plain()
    yield database
    database.close()


def _comparable(value: Any) -> Any:
    """Return a value that Holdfast gave in the form in which SQLite gives it."""
    return agents.stored(value)


def _rows(store: holdfast.Store, sql: str, parameters: Any = None) -> list[Row]:
    return [tuple(map(_comparable, row.values())) for row in store.execute(sql, parameters)]


def _arranged(rows: list[Row], sql: str) -> list[Row]:
    return rows if "ORDER BY" in sql.rsplit(")", 1)[-1] else sorted(rows, key=repr)


def _for_sqlite(sql: str, parameters: list[Any]) -> tuple[str, Any]:
    """Return the statement in SQLite's own words. None of them has a %s inside a string."""
    if parameters and isinstance(parameters[0], dict) and "%(" in sql:
        named = {name: agents.stored(value) for name, value in parameters[0].items()}
        for name in named:
            sql = sql.replace(f"%({name})s", f":{name}")
        return sql, named
    return sql.replace("%s", "?").replace("%%", "%"), tuple(map(agents.stored, parameters))


def _given(sql: str, parameters: list[Any]) -> Any:
    return parameters[0] if "%(" in sql else parameters


def _contents_of(database: apsw.Connection) -> dict[str, list[Row]]:
    return {table: sorted(database.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in agents.ROWS}


def _contents_of_store(store: holdfast.Store) -> dict[str, list[Row]]:
    return {table: sorted(_rows(store, f"SELECT * FROM {table}"), key=repr) for table in agents.ROWS}


def _named(statements: list[tuple[str, list[Any]]]) -> list[Any]:
    return [pytest.param(*pair, id=f"{at:03d} {pair[0][:60]}") for at, pair in enumerate(statements)]


@pytest.mark.parametrize(("sql", "parameters"), _named(READS))
def test_a_read_answers_as_plain_sqlite_does(
    reader: holdfast.Store, plain: apsw.Connection, sql: str, parameters: list[Any]
) -> None:
    try:
        theirs = plain.execute(*_for_sqlite(sql, parameters)).fetchall()
    except apsw.Error:
        with pytest.raises(holdfast.HoldfastError):
            reader.execute(sql, parameters)
        return
    ours = _rows(reader, sql, parameters)
    assert _arranged(ours, sql) == _arranged(theirs, sql)
    assert [[type(value) for value in row] for row in _arranged(ours, sql)] == [
        [type(value) for value in row] for row in _arranged(theirs, sql)
    ]
    assert reader.execute(sql, parameters).rowcount == len(theirs)  # and now that the statement is known


_branches = itertools.count()


@pytest.mark.parametrize(("sql", "parameters"), _named(WRITES))
def test_a_write_does_what_it_does_on_plain_sqlite(
    place: Place, plain: apsw.Connection, sql: str, parameters: list[Any]
) -> None:
    store = place.db.branch(f"writes/{next(_branches)}", at=place.ref)
    before = store.head
    plain.execute("SAVEPOINT test")
    try:
        try:
            plain.execute(*_for_sqlite(sql, parameters))
            touched = plain.changes()
        except apsw.Error:
            with pytest.raises(holdfast.HoldfastError):
                store.execute(sql, _given(sql, parameters))
            assert store.head == before
        else:
            assert store.execute(sql, _given(sql, parameters)).rowcount == touched
        assert _contents_of_store(store) == _contents_of(plain)
    finally:
        plain.execute("ROLLBACK TO test")
        plain.execute("RELEASE test")
        store.close()


# Statement, its parameters, what Holdfast answers, what plain SQLite answers, and why they differ.
DIFFERENT: list[tuple[str, list[Any], list[Row], list[Row], str]] = [
    (
        "SELECT args->>'k' FROM tool_calls WHERE call_id = 'call-3'", [], [("3",)], [(3,)],
        "->> gives text in PostgreSQL, a number in SQLite",
    ),
    (
        "SELECT state->>'done' FROM steps WHERE run_id = 'r1' AND step = 6", [], [("true",)], [(1,)],
        "->> gives text in PostgreSQL, 1 for true in SQLite",
    ),
    (
        "SELECT config->'model' FROM runs WHERE run_id = 'r2'", [], [("o3",)], [('"o3"',)],
        "JSON comes back as Python values, not as JSON text",
    ),
    (
        "SELECT state->'done', state->'step' FROM steps WHERE run_id = 'r1' AND step = 6",
        [], [(1, 6)], [("true", "6")],
        "JSON comes back as Python values, not as JSON text",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "parameters", "ours", "theirs"),
    [pytest.param(*case[:4], id=case[4] + f" {at}") for at, case in enumerate(DIFFERENT)],
)
def test_a_read_differs_from_sqlite_where_postgresql_does(
    reader: holdfast.Store, plain: apsw.Connection, sql: str, parameters: list[Any], ours: list[Row], theirs: list[Row]
) -> None:
    assert _rows(reader, sql, parameters) == ours
    assert plain.execute(*_for_sqlite(sql, parameters)).fetchall() == theirs


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("INSERT INTO runs (run_id, agent) VALUES (NULL, 'x')", id="a primary key is not null"),
        pytest.param("INSERT INTO steps (run_id, step, action, tokens) VALUES ('n', 1, 'x', 'many')", id="types hold"),
        pytest.param("INSERT INTO runs (run_id, agent, config) VALUES ('n', 'x', 'no JSON')", id="JSON is checked"),
        pytest.param("UPDATE runs SET budget = 1, budget = 2", id="a column is assigned once"),
        pytest.param("INSERT OR IGNORE INTO notes VALUES (1, 2)", id="INSERT OR is not PostgreSQL"),
    ],
)
def test_a_write_is_refused_where_postgresql_refuses_it(place: Place, plain: apsw.Connection, sql: str) -> None:
    plain.execute("SAVEPOINT test")
    plain.execute(sql)  # SQLite takes it
    plain.execute("ROLLBACK TO test")
    plain.execute("RELEASE test")
    with place.db.branch(f"writes/{next(_branches)}", at=place.ref) as store:
        before = store.head
        with pytest.raises(holdfast.HoldfastError):
            store.execute(sql)
        assert store.head == before


def test_numbers_of_rows_go_on_after_the_largest(place: Place) -> None:
    """Of any branch: rows of branches that are merged later do not collide. Hence no comparison with SQLite."""
    with place.db.branch(f"writes/{next(_branches)}", at=place.ref) as store:
        cursor = store.execute("INSERT INTO messages (run_id, role) SELECT run_id, 'user' FROM runs ORDER BY run_id")
        assert cursor.rowcount == 5
        added = store.execute(
            "SELECT id, run_id, tokens FROM messages WHERE id > 24 AND id < 1000000 ORDER BY id"
        ).fetchall()
        assert [(row["run_id"], row["tokens"]) for row in added] == [(f"r{n}", 2) for n in range(1, 6)]
        assert [row["id"] - added[0]["id"] for row in added] == [0, 1, 2, 3, 4]


def test_another_ref_is_read_beside_this_one(place: Place) -> None:
    """The same join, of the place with itself as a branch, is a join of equal rows."""
    store = place.db.branch(f"writes/{next(_branches)}", at=place.ref)
    store.execute("UPDATE steps SET tokens = tokens + 1 WHERE run_id = 'r1'")
    changed = store.execute(
        f'SELECT a.run_id, count(*) AS n, sum(a.tokens - b.tokens) AS more FROM steps a JOIN "steps@{place.ref}" b'
        " USING (run_id, step) GROUP BY a.run_id ORDER BY 1"
    ).fetchall()
    assert [tuple(row.values()) for row in changed] == [("r1", 7, 7), ("r2", 4, 0), ("r3", 5, 0), ("r4", 1, 0)]
    store.close()


def test_the_rows_of_each_place_are_those_of_the_plain_database(reader: holdfast.Store) -> None:
    assert _contents_of_store(reader) == _contents_of(agents.plain())
    assert json.loads(_contents_of_store(reader)["runs"][0][5]) == agents.ROWS["runs"][0][5]
