"""doltlite: SQLite over a versioned tree. Importing it makes it the SQLite of the process."""

from __future__ import annotations

import doltlite  # isort: skip - it has to come before sqlite3
import itertools
import sqlite3
import sys
from pathlib import Path

from bench.peers import serve

LAST = "SELECT step, x FROM t WHERE run_id = 'q' ORDER BY step DESC LIMIT 1"
TABLE = "CREATE TABLE t (run_id TEXT, step INT, x TEXT, PRIMARY KEY (run_id, step))"


def opened(path: Path) -> sqlite3.Connection:
    assert doltlite
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(TABLE)
    db.execute("SELECT dolt_commit('-A', '-m', 'table')").fetchall()
    return db


def main(folder: Path, rows: int, branches: int, text: int) -> None:
    db = opened(folder / "dolt.db")

    def run(sql: str, *values: object) -> list[tuple[object, ...]]:
        return db.execute(sql, values).fetchall()

    def commit() -> None:
        run("SELECT dolt_commit('-A', '-m', 'work')")

    def insert(_: int) -> None:
        run("INSERT INTO t VALUES ('r', ?, ?)", next(numbers), "y" * text)
        commit()

    def load(into: sqlite3.Connection) -> None:
        into.execute("BEGIN")
        into.executemany("INSERT INTO t VALUES ('q', ?, ?)", ((step, "z" * 50) for step in range(rows)))
        into.execute("COMMIT")
        into.execute("SELECT dolt_commit('-A', '-m', 'rows')").fetchall()

    def make(number: int) -> None:
        other.append(opened(folder / f"load{number}.db"))

    def side(number: int) -> None:
        run("SELECT dolt_branch(?)", f"m{number}")
        run("SELECT dolt_checkout(?)", f"m{number}")
        run("INSERT INTO t VALUES ('m', ?, 'k'), ('m', ?, 'k')", 2 * number, 2 * number + 1)
        commit()
        run("SELECT dolt_checkout('main')")

    def update(number: int) -> None:
        run("UPDATE t SET x = 'k' WHERE run_id = 'q' AND step = ?", number)
        commit()

    numbers = itertools.count()
    other: list[sqlite3.Connection] = []
    load(db)
    size = (folder / "dolt.db").stat().st_size / rows
    for number in range(branches):
        run("SELECT dolt_branch(?)", f"old{number}")
    serve(
        {
            "insert": insert,
            "load": (make, lambda _: load(other.pop())),
            "branch": lambda _: run("SELECT dolt_branch(?)", f"b{next(numbers)}"),
            "merge": (side, lambda number: run("SELECT dolt_merge(?)", f"m{number}")),
            "scan": lambda _: run("SELECT count(*), sum(length(x)) FROM t"),
            "last": lambda _: run(LAST),
            "update": update,
        },
        size,
    )


main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
