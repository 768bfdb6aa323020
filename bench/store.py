"""The store against plain SQLite in the same folder: same rows, same durability, in turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import apsw

import holdfast
from bench.measure import Row, interleaved, print_table, seconds

TABLE = "CREATE TABLE t (run_id TEXT, step INT, x TEXT, PRIMARY KEY (run_id, step))"
ROWS = 100_000
BRANCHES = 50
TEXT = "y" * 2000


def rows(run: str) -> Iterator[list[object]]:
    return ([run, step, "z" * 50] for step in range(ROWS))


class Bench:
    """A store and a plain database, side by side."""

    def __init__(self, folder: Path, durability: str) -> None:
        self.db = holdfast.connect(folder / "holdfast.db", durability=durability)
        self.plain = apsw.Connection(str(folder / "plain.db"))
        self.plain.execute("PRAGMA journal_mode = WAL")
        self.plain.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        self.db.execute(TABLE)
        self.plain.execute(TABLE)

    def bare(self, number: int) -> None:
        self.plain.execute("INSERT INTO t VALUES (?, ?, ?)", ("bare", self.count(number), TEXT))

    _bare = 0

    def count(self, _: int) -> int:
        self._bare += 1
        return self._bare

    def writes(self) -> list[Row]:
        db = self.db
        insert = "INSERT INTO t VALUES (%s, %s, %s)"
        one = lambda i: db.execute(insert, ["r", i, TEXT])  # noqa: E731
        found = [interleaved("insert 2 KB", one, "bare insert", self.bare, 500, 1.3)]
        ours = seconds(lambda _: db.executemany(insert, rows("q")), 0)
        self.plain.execute("BEGIN")
        floor = seconds(lambda _: self.plain.executemany("INSERT INTO t VALUES (?, ?, ?)", rows("q")), 0)
        self.plain.execute("COMMIT")
        found.append(Row(f"{ROWS} rows in one commit", ours * 1e6, "plain transaction", floor * 1e6))
        branch = lambda i: db.branch(f"b{i}").close()  # noqa: E731
        found.append(interleaved("create a branch", branch, "bare insert", self.bare, BRANCHES, 1.5))
        return found

    def reads(self) -> list[Row]:
        branch = self.db.checkout("b7")
        last = "SELECT step, x FROM t WHERE run_id = %s ORDER BY step DESC LIMIT 1"
        scan = "SELECT count(*), sum(length(x)) FROM t"
        return [
            interleaved(
                "last step on a branch",
                lambda _: branch.execute(last, ["q"]).fetchone(),
                "plain",
                lambda _: self.plain.execute(last.replace("%s", "?"), ["q"]).fetchone(),
                500,
            ),
            interleaved(
                "scan of a branch",
                lambda _: branch.execute(scan).fetchone(),
                "plain",
                lambda _: self.plain.execute(scan).fetchone(),
                15,
                1.5,
            ),
            interleaved(
                "update an inherited row",
                lambda i: branch.execute("UPDATE t SET x = 'k' WHERE run_id = 'q' AND step = %s", [i]),
                "bare insert",
                self.bare,
                200,
            ),
        ]

    def merges(self) -> Row:
        pairs = []
        for number in range(21):
            with self.db.branch(f"m{number}") as branch:
                branch.executemany("INSERT INTO t VALUES ('m', %s, 'k')", [[2 * number], [2 * number + 1]])
            ours = seconds(lambda i: self.db.merge(f"m{i}"), number)
            pairs.append((ours, seconds(self.bare, number)))
        mine, floor = zip(*pairs[1:], strict=True)
        return Row("merge a 2-row branch", median(mine) * 1e6, "bare insert", median(floor) * 1e6, 1.5)


def main() -> None:
    folder = os.environ.get("HOLDFAST_BENCH_FOLDER")
    for durability in ("full", "process"):
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            bench = Bench(Path(temporary), durability)
            found = [*bench.writes(), *bench.reads(), bench.merges()]
            bench.db.close()
            print_table(f"durability={durability!r}, {ROWS} rows, {BRANCHES} branches", found)
