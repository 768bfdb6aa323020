"""The corpus on Holdfast, in three places that show the same rows and came to them differently.

- main: the rows were written there.
- branch of a branch: some rows are main's, some of the branch's, some were changed, deleted and written again, or
  merged from a branch beside it; what main and the first branch did later is not seen.
- past commit: everything was changed on the branch after it.
"""

from __future__ import annotations

import functools
import itertools
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import holdfast
from holdfast.testing.stand_ins import FakeClock
from tests.sql.corpus.answers import Answer, Contents, difference
from tests.sql.corpus.rows import ROWS, Row
from tests.sql.corpus.schema import INDEXES, KEYS, LAST_NUMBER, NOW, NUMBERED, SCHEMA, UNIQUE
from tests.sql.corpus.statement import Json, Parameters, Statement, Vector

Built = tuple[str, bool]
"""The ref that shows the rows, and whether it can be written."""


def converted(parameters: Parameters) -> Any:
    """Return parameters as Holdfast takes them."""
    if parameters is None:
        return None
    if isinstance(parameters, dict):
        return {name: _value(value) for name, value in parameters.items()}
    return [_value(value) for value in parameters]


def _value(value: Any) -> Any:
    if isinstance(value, Vector):
        return list(value.values)
    return value.value if isinstance(value, Json) else value


def connected(path: Path, branch: str = "main") -> holdfast.Store:
    """Open a store whose clock stands still."""
    clock = FakeClock(int(NOW.timestamp() * 1_000_000))
    return holdfast.connect(path, branch=branch, durability="process", clock=clock)


def insert(db: holdfast.Store, table: str, rows: list[Row]) -> None:
    """Insert rows in one commit."""
    if rows:
        places = ", ".join(["%s"] * len(rows[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({places})", [converted(row) for row in rows])


def delete(db: holdfast.Store, table: str, rows: list[Row]) -> None:
    """Delete rows by their keys, or all of the table if it has none."""
    keys = KEYS[table]
    if not keys:
        db.execute(f"DELETE FROM {table}")
        return
    condition = " AND ".join(f'"{key}" = %s' for key in keys)
    for row in rows:
        db.execute(f"DELETE FROM {table} WHERE {condition}", list(row[: len(keys)]))


def draft(db: holdfast.Store, table: str, rows: list[Row]) -> None:
    """Insert rows of the same keys that say something else."""
    insert(db, table, _rotated(table, rows))


def _rotated(table: str, rows: list[Row]) -> list[Row]:
    """Return rows of the same keys with each other's values, where no UNIQUE columns would become equal on the way."""
    keys = len(KEYS[table])
    others = rows[1:] + rows[:1] if table not in UNIQUE else rows
    return [(*row[:keys], *other[keys:]) for row, other in zip(rows, others, strict=True)]


def settle(db: holdfast.Store, table: str, rows: list[Row]) -> None:
    """Bring rows to what they should be, one UPDATE each."""
    keys = KEYS[table]
    names = db.execute(f"SELECT * FROM {table} LIMIT 0").columns
    columns = ", ".join(f'"{name}" = %s' for name in names[len(keys) :])
    condition = " AND ".join(f'"{key}" = %s' for key in keys)
    for row in rows:
        values = converted((*row[len(keys) :], *row[: len(keys)]))
        db.execute(f"UPDATE {table} SET {columns} WHERE {condition}", values)


def numbered_elsewhere(db: holdfast.Store) -> None:
    """Give the last numbers on a branch of their own: numbers are not given twice, on whatever branch."""
    far = db.branch("far")
    for table in NUMBERED:
        columns, values = {
            "conversations": ("user_id", "'far'"),
            "messages": ("conversation_id, role", "1, 'user'"),
            "documents": ("source, body", "'far', ''"),
            "jobs": ("queue", "'far'"),
        }[table]
        far.execute(f"INSERT INTO {table} (id, {columns}) VALUES ({LAST_NUMBER}, {values})")
    far.close()


def on_main(db: holdfast.Store) -> Built:
    """Write the rows on main."""
    for table, rows in ROWS.items():
        insert(db, table, rows)
    return "main", True


def on_a_branch_of_a_branch(db: holdfast.Store) -> Built:
    """Write the rows here and there, so that a branch of a branch shows them all."""
    parts = {table: [rows[at::6] for at in range(6)] for table, rows in ROWS.items()}
    for table, (plain, drafted, gone, _, _, _) in parts.items():
        insert(db, table, plain)
        if KEYS[table]:
            draft(db, table, drafted)
            insert(db, table, gone)
    first = db.branch("work/first")
    for table, (_, drafted, gone, early, _, _) in parts.items():
        if KEYS[table]:
            settle(first, table, drafted)
        else:
            delete(first, table, [])
        delete(first, table, gone)
        insert(first, table, early)
    side = first.branch("work/side")
    second = first.branch("work/second")
    for table, (plain, drafted, gone, _, merged, late) in parts.items():
        if KEYS[table]:
            insert(second, table, gone)
        else:
            insert(second, table, plain + drafted + gone)
        with second.transaction():
            insert(second, table, late)
        insert(side, table, merged)
    second.merge("work/side")
    for table, (plain, *_) in parts.items():
        delete(db, table, plain)
        delete(first, table, plain)
    for store in (first, side, second):
        store.close()
    return "work/second", True


def in_the_past(db: holdfast.Store) -> Built:
    """Write the rows, then change and delete them, and write others."""
    on_main(db)
    then = db.head
    for table, rows in ROWS.items():
        if not KEYS[table]:
            insert(db, table, rows[:3])
            db.execute(f"DELETE FROM {table} WHERE kind = 'start'")
            continue
        delete(db, table, rows[::2])
        settle(db, table, _rotated(table, rows[1::2]))
        insert(db, table, rows[:1])
    return then, False


BUILDERS: dict[str, Callable[[holdfast.Store], Built]] = {
    "main": on_main,
    "branch of a branch": on_a_branch_of_a_branch,
    "past commit": in_the_past,
}

_copies = itertools.count(1)


class Place:
    """A store with tables and rows at one ref. Every statement that writes finds a copy of it."""

    def __init__(
        self, name: str, path: Path, build: Callable[[holdfast.Store], Built], tables: Collection[str]
    ) -> None:
        self.name = name
        self.tables = tables
        self._path = path
        with connected(path) as db:
            self.ref, self.writable = build(db)
        self._db = connected(path)
        self.reader = self._db.checkout(self.ref)

    def close(self) -> None:
        """Close the store."""
        self.reader.close()
        self._db.close()

    def answer(self, statement: Statement) -> Answer:
        """Run a statement: one that reads on the store, one that writes on a copy of it."""
        if not statement.writes:
            return self._read(statement)
        with self._copied() as db:
            before = db.head
            answer = _answer(db, statement)
            if answer.error is not None and db.head != before:
                raise AssertionError(f"{statement.label} was refused and changed the head") from answer.error
            return replace(answer, contents=contents_of(db, self.tables))

    def _read(self, statement: Statement) -> Answer:
        """Run a statement, and once more now that it is known."""
        first, again = _answer(self.reader, statement), _answer(self.reader, statement)
        if repr(first.error) != repr(again.error) or difference(first, again, in_order=statement.ordered):
            raise AssertionError(f"{statement.label} answers otherwise the second time: {first}, {again}")
        return again

    @contextmanager
    def _copied(self) -> Iterator[holdfast.Store]:
        path = self._path.with_name(f"copy-{next(_copies)}.db")
        shutil.copyfile(self._path, path)
        try:
            with connected(path, self.ref) as db:
                yield db
        finally:
            for part in path.parent.glob(f"{path.name}*"):
                part.unlink()


class _TakenBack(Exception):
    """What takes back what a statement did."""


class ServerPlace(Place):
    """The same in a PostgreSQL database. What a statement writes is taken back."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.tables = SCHEMA
        clock = FakeClock(int(NOW.timestamp() * 1_000_000))
        self._db = holdfast.connect(url, durability="process", clock=clock)
        self.ref, self.writable = _built(name, self._db)
        self.reader = self._db.checkout(self.ref)

    @contextmanager
    def _copied(self) -> Iterator[holdfast.Store]:
        with self._db.checkout(self.ref) as db, suppress(_TakenBack), db.transaction():
            yield db
            raise _TakenBack


def _built(name: str, db: holdfast.Store) -> Built:
    for made in (*SCHEMA.values(), *INDEXES):
        db.execute(made)
    built = BUILDERS[name](db)
    numbered_elsewhere(db)
    return built


def contents_of(db: holdfast.Store, tables: Collection[str] = SCHEMA) -> Contents:
    """Return the rows of tables."""
    return {table: [tuple(row.values()) for row in db.execute(f"SELECT * FROM {table}")] for table in tables}


def _answer(db: holdfast.Store, statement: Statement) -> Answer:
    try:
        cursor = db.execute(statement.sql, converted(statement.parameters))
        rows = [tuple(row.values()) for row in cursor]
    except Exception as error:  # noqa: BLE001 - what is no error of ours is told apart later
        return Answer(error=error)
    return Answer(tuple(cursor.columns), rows, cursor.rowcount)


@contextmanager
def all_places(folder: Path) -> Iterator[list[Place]]:
    """Make the places in a folder, and close them at the end."""
    places = [
        Place(name, folder / f"{name.replace(' ', '-')}.db", functools.partial(_built, name), SCHEMA)
        for name in BUILDERS
    ]
    try:
        yield places
    finally:
        for place in places:
            place.close()
