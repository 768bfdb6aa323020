"""sqlite-vec: an extension of SQLite with vector columns."""

from __future__ import annotations

import sys
from pathlib import Path

import apsw
import numpy
import sqlite_vec

from bench.peers import serve


def main(folder: Path, count: int, dimensions: int) -> None:
    matrix = numpy.random.default_rng(1).standard_normal((count, dimensions), dtype=numpy.float32)
    db = apsw.Connection(str(folder / "vec.db"))
    db.enable_load_extension(True)  # noqa: FBT003 - its only argument
    db.load_extension(sqlite_vec.loadable_path())
    db.execute(f"CREATE VIRTUAL TABLE v USING vec0(v float[{dimensions}])")
    with db:
        db.executemany("INSERT INTO v (rowid, v) VALUES (?, ?)", ((at, row.tobytes()) for at, row in enumerate(matrix)))

    def nearest(number: int) -> object:
        sql = "SELECT rowid, distance FROM v WHERE v MATCH ? AND k = 10"
        return db.execute(sql, (matrix[number].tobytes(),)).fetchall()

    serve({"nearest": nearest})


main(Path(sys.argv[1]), *map(int, sys.argv[3:]))
