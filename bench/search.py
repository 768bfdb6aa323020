"""Searches against their floors: numpy on a ready matrix, and FTS5 on a plain table of just the rows that are seen.

Both the search and its floor are asked below the SQL that people write.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import numpy

import holdfast
from bench.measure import Budget, Row, interleaved, print_table
from bench.peers import Peer
from holdfast.engine.contract import Metric, WordSyntax
from holdfast.engine.sql.text_index import text_index_statements

VECTORS, DIMENSIONS, TEXTS, TIMES = 10_000, 1_536, 100_000, 30
BUDGET_MS = 3.0

Numbers = Any


class Bench:
    """A store with a table, and a branch of it that is searched."""

    def __init__(self, folder: Path, columns: str) -> None:
        self.db = holdfast.connect(folder / "holdfast.db", durability="process")
        self.db.execute(f"CREATE TABLE t (k INT PRIMARY KEY, {columns})")

    def search(self, db: holdfast.Store, ask: Callable[[Any, Any, Any, Any], int]) -> object:
        """Search, and read what was found."""
        with db._session.read() as reader:
            line = reader.branch(db.ref)
            table = reader.catalogue().tables[0]
            reader.show(table, "hf_seen", line, versioned=True)  # type: ignore[attr-defined]
            number = ask(reader, table, table.columns[1], line)
            sql = "SELECT vid, score FROM temp.hf_found WHERE search = ? ORDER BY place LIMIT 10"
            return reader.query(sql, (number,))  # type: ignore[attr-defined]


def nearest(query: Numbers, among: tuple[str, tuple[object, ...]] | None = None) -> Callable[[Any, Any, Any, Any], int]:
    return lambda reader, table, column, at: reader.nearest(table, column, at, Metric.L2, query.tobytes(), 10, among)


def matching(words: str) -> Callable[[Any, Any, Any, Any], int]:
    return lambda reader, table, column, at: reader.matching(table, column, at, words, WordSyntax.PLAIN, None, 10)


def vectors(folder: Path) -> list[Row]:
    numbers = numpy.random.default_rng(1)
    matrix = numbers.standard_normal((VECTORS, DIMENSIONS), dtype=numpy.float32)
    queries = numbers.standard_normal((TIMES + 1, DIMENSIONS), dtype=numpy.float32)
    squares = (matrix * matrix).sum(axis=1)
    bench = Bench(folder, f"v VECTOR({DIMENSIONS}), n INT")
    bench.db.executemany("INSERT INTO t VALUES (%s, %s, %s)", ([at, matrix[at], at] for at in range(VECTORS)))
    branch = bench.db.branch("side")
    plain = apsw.Connection(str(folder / "plain.db"))
    plain.execute("CREATE TABLE t (k INT PRIMARY KEY, v BLOB)")
    with plain:
        plain.executemany("INSERT INTO t VALUES (?, ?)", ((at, matrix[at].tobytes()) for at in range(VECTORS)))

    def ready(at: int) -> object:
        distances = squares - 2 * (matrix @ queries[at])
        return numpy.argpartition(distances, 10)[:10]

    def from_blobs(at: int) -> object:
        rows: list[Any] = plain.execute("SELECT v FROM t").fetchall()
        return numpy.frombuffer(b"".join(row[0] for row in rows), "<f4").reshape(-1, DIMENSIONS) @ queries[at]

    def cold(at: int) -> object:
        bench.db._engine._memory._kept = None  # type: ignore[attr-defined]
        return bench.search(branch, nearest(queries[at]))

    def after_insert(at: int) -> object:
        branch.execute("INSERT INTO t VALUES (%s, %s, 0)", [VECTORS + at, queries[at]])
        return bench.search(branch, nearest(queries[at]))

    some = ('SELECT "hf:vid" FROM hf_seen WHERE k BETWEEN 5000 AND 5500', ())
    search = bench.search
    found = [
        interleaved("cold: nothing in memory", cold, "all blobs, then numpy", from_blobs, 5),
        interleaved("top 10", lambda at: search(branch, nearest(queries[at])), "numpy, ready matrix", ready, TIMES),
        interleaved(
            "top 10 among 500", lambda at: search(branch, nearest(queries[at], some)),
            "numpy, ready matrix", ready, TIMES,
        ),
        interleaved("insert one, then top 10", after_insert, "numpy, ready matrix", ready, TIMES),
    ]  # fmt: skip
    bench.db.close()
    return found


def top_ten(folder: Path, count: int) -> Row:
    """The row of the budget: the nearest of vectors that are in memory, beside the others' ways of finding them."""
    matrix = numpy.random.default_rng(1).standard_normal((count, DIMENSIONS), dtype=numpy.float32)
    squares = (matrix * matrix).sum(axis=1)
    bench = Bench(folder, f"v VECTOR({DIMENSIONS}), n INT")
    bench.db.executemany("INSERT INTO t VALUES (%s, %s, %s)", ([at, matrix[at], at] for at in range(count)))
    branch = bench.db.branch("side")
    peers = [Peer(name, folder / name, "vectors", count, DIMENSIONS) for name in ("deeplake", "sqlite_vec")]

    def ready(at: int) -> object:
        distances = squares - 2 * (matrix @ matrix[at])
        return numpy.argpartition(distances, 9)[:10]

    found = interleaved(
        f"top 10 of {count:,} x {DIMENSIONS} vectors", lambda at: bench.search(branch, nearest(matrix[at])),
        "numpy, ready matrix", ready, TIMES, Budget(most_us=BUDGET_MS * 1000),
        {name: step for peer in peers for name, step in peer.asked("nearest").items()},
    )  # fmt: skip
    bench.db.close()
    for peer in peers:
        peer.close()
    return found


def texts(folder: Path) -> list[Row]:
    choose = random.Random(1)
    words = [f"word{at}" for at in range(20_000)]
    shares = [1 / (at + 10) for at in range(len(words))]  # as in texts: few words make the most of them
    rows = [" ".join(part) for part in (choose.choices(words, shares, k=40) for _ in range(TEXTS))]
    bench = Bench(folder, "body TEXT")
    with bench.db._session.write() as writer:
        table = writer.catalogue().tables[0]
        for statement in text_index_statements(table, table.columns[1]):
            writer.query(statement, ())  # type: ignore[attr-defined]
    plain = apsw.Connection(str(folder / "plain.db"))
    plain.execute("PRAGMA journal_mode = WAL")
    plain.execute("PRAGMA synchronous = NORMAL")
    plain.execute("CREATE VIRTUAL TABLE t USING fts5(body, tokenize = 'porter unicode61')")
    with plain:
        plain.executemany("INSERT INTO t (rowid, body) VALUES (?, ?)", enumerate(rows))
    bench.db.executemany("INSERT INTO t VALUES (%s, %s)", ([at, row] for at, row in enumerate(rows)))
    branch = bench.db.branch("side")

    def ours(asked: str, _at: int) -> object:
        return bench.search(branch, matching(asked))

    def fts(asked: str, _at: int) -> object:
        sql = "SELECT rowid, bm25(t) FROM t WHERE t MATCH ? ORDER BY rank LIMIT 10"
        return plain.execute(sql, (asked,)).fetchall()

    def insert(at: int) -> object:
        return branch.execute("INSERT INTO t VALUES (%s, %s)", [TEXTS + at, rows[at]])

    def bare(at: int) -> object:
        return plain.execute("INSERT INTO t (rowid, body) VALUES (?, ?)", (TEXTS + at, rows[at])).fetchall()

    found = [
        interleaved(
            name, partial(ours, asked),
            "FTS5 bm25", partial(fts, asked), TIMES,
        )
        for name, asked in (
            ("a word of 300 rows", "word2000"),
            ("a word of 9,000 rows", "word40"),
            ("two words", "word100 word200"),
        )
    ]  # fmt: skip
    found.append(interleaved("insert into an indexed table", insert, "into the FTS5 table", bare, 100))
    bench.db.close()
    return found


def main() -> None:
    folder = os.environ.get("HOLDFAST_BENCH_FOLDER")
    with tempfile.TemporaryDirectory(dir=folder) as one, tempfile.TemporaryDirectory(dir=folder) as two:
        title = f"nearest of {VECTORS} x {DIMENSIONS} on a branch; the budget of a warm search is {BUDGET_MS:g} ms"
        print_table(title, vectors(Path(one)))
        print_table(f"words in {TEXTS} texts of 40 words, on a branch", texts(Path(two)))
