"""The corpus on a plain PostgreSQL database."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy
import psycopg
from psycopg.adapt import Loader
from psycopg.types.json import Jsonb

from tests.sql.corpus.answers import Answer, Rows
from tests.sql.corpus.rows import ROWS
from tests.sql.corpus.schema import LAST_NUMBER, NOW, NUMBERED, SCHEMA
from tests.sql.corpus.statement import Json, Parameters, Statement, Vector

_databases = itertools.count(1)


class _VectorLoader(Loader):
    def load(self, data: Any) -> Any:
        return numpy.array(json.loads(bytes(data)), dtype="<f4")


class Plain:
    """A database with tables and rows. Every statement finds it as it was made."""

    def __init__(
        self, connection: psycopg.Connection[Any], tables: Collection[str], *, numbered: Collection[str] = ()
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._numbered = numbered
        self._numeric = connection.execute(
            "SELECT attrelid, attnum FROM pg_attribute WHERE atttypid = 'numeric'::regtype AND attnum > 0"
        ).fetchall()

    def answer(self, statement: Statement) -> Answer:
        """Run a statement, and take it back."""
        with self._connection.transaction(force_rollback=True):
            try:
                with self._connection.transaction():
                    answer = self._answer(statement)
            except psycopg.Error as error:
                return Answer(error=error)
            if not statement.writes:
                return answer
            contents = {table: self._rows(table) for table in self._tables}
            return Answer(answer.columns, answer.rows, answer.count, answer.exact, contents)

    def _rows(self, table: str) -> Rows:
        return [tuple(map(_aware, row)) for row in self._connection.execute(f"SELECT * FROM {table}")]

    def _answer(self, statement: Statement) -> Answer:
        for table in self._numbered if statement.writes else ():
            self._connection.execute(f"SELECT setval('{table}_id_seq', {LAST_NUMBER})")
        cursor = self._connection.execute(statement.sql, converted(statement.parameters))
        if cursor.description is None:
            return Answer(count=cursor.rowcount)
        found = cursor.pgresult
        assert found is not None
        columns = range(found.nfields)
        exact = frozenset(at for at in columns if (found.ftable(at), found.ftablecol(at)) in self._numeric)
        names = _distinct([column.name for column in cursor.description])
        rows = [tuple(map(_aware, row)) for row in cursor]
        return Answer(names, rows, cursor.rowcount, exact)


def _aware(value: Any) -> Any:
    """Return a moment without a time zone as the one in UTC, which it is here."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Number the names that are there twice, as a Cursor of Holdfast does: rows are dicts."""
    return tuple(f"{name}:{names[:at].count(name)}" if name in names[:at] else name for at, name in enumerate(names))


def converted(parameters: Parameters) -> Any:
    """Return parameters as PostgreSQL's client takes them."""
    if parameters is None:
        return None
    if isinstance(parameters, dict):
        return {name: _value(value) for name, value in parameters.items()}
    return [_value(value) for value in parameters]


def _value(value: Any) -> Any:
    if isinstance(value, Vector):
        return "[" + ",".join(map(str, value.values)) + "]"
    if isinstance(value, Json):
        return Jsonb(value.value)
    return Jsonb(value) if isinstance(value, dict) else value


@contextmanager
def database(server: str) -> Iterator[psycopg.Connection[Any]]:
    """Make a database on a server, with vectors and a clock that stands still, and remove it at the end.

    NOW() is a function of its own, found before PostgreSQL's, that always says the same.
    """
    name = f"corpus_{next(_databases)}"
    with psycopg.connect(server, autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(f"{server} dbname={name}", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE SCHEMA frozen")
        connection.execute(
            "CREATE FUNCTION frozen.now() RETURNS timestamptz LANGUAGE sql STABLE"
            f" AS $$ SELECT timestamptz '{NOW.isoformat()}' $$"
        )
        connection.execute("SET search_path = public, frozen, pg_catalog")
        (oid,) = connection.execute("SELECT 'vector'::regtype::oid").fetchone() or (0,)
        connection.adapters.register_loader(oid, _VectorLoader)
        yield connection
    with psycopg.connect(server, autocommit=True) as owner:
        owner.execute(f"DROP DATABASE {name}")


@contextmanager
def made(server: str, statements: Sequence[str], tables: Collection[str]) -> Iterator[Plain]:
    """Make a database by statements."""
    with database(server) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield Plain(connection, tables)


@contextmanager
def filled(server: str, *, backwards: bool = False) -> Iterator[Plain]:
    """Make a database with the tables and rows of the corpus.

    Backwards, the last rows are written first: what no ORDER BY decides may come out otherwise.
    """
    with database(server) as connection:
        for made in SCHEMA.values():
            connection.execute(made)
        for table, forwards in ROWS.items():
            rows = forwards[::-1] if backwards else forwards
            places = ", ".join(["%s"] * len(rows[0]))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({places})", [converted(row) for row in rows])
        yield Plain(connection, SCHEMA, numbered=NUMBERED)
