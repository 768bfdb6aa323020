"""The store against plain SQLite, with the same rows and durability in the same folder, and against its peers."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw

import holdfast
from bench.measure import Budget, Prepared, Row, Step, interleaved
from bench.peers import Peer

TABLE = "CREATE TABLE t (run_id TEXT, step INT, x TEXT, PRIMARY KEY (run_id, step))"
INSERT = "INSERT INTO t VALUES (%s, %s, %s)"
LAST = "SELECT step, x FROM t WHERE run_id = %s ORDER BY step DESC LIMIT 1"
SCAN = "SELECT count(*), sum(length(x)) FROM t"
UPDATE = "UPDATE t SET x = 'k' WHERE run_id = 'q' AND step = %s"
ROWS = 100_000
BRANCHES = 50
TEXT_BYTES = 2000
PAGE_BYTES = 4096
IN_A_ROW = 10
"""Calls of one, before it is another's turn: what comes first finds none of its code in the processor's caches."""
TEXT = "y" * TEXT_BYTES
LEVELS = {"full": "FULL", "process": "NORMAL"}

KILLED = f"""
import os, signal, sys
import holdfast

db = holdfast.connect(sys.argv[1])
db.execute({TABLE!r})
for step in range(500):
    db.execute({INSERT!r}, ["r", step, {TEXT!r}])
os.kill(os.getpid(), signal.SIGKILL)
"""


def rows_of(run: str, count: int) -> Iterator[list[object]]:
    return ([run, step, "z" * 50] for step in range(count))


def plain_database(path: Path, durability: str) -> apsw.Connection:
    """Open SQLite as quick as it can be: like the store it does not compile statements again for other values."""
    plain = apsw.Connection(str(path), statementcachesize=512)
    plain.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    plain.execute("PRAGMA journal_mode = WAL")
    plain.execute(f"PRAGMA synchronous = {LEVELS[durability]}")
    plain.execute(TABLE)
    return plain


def load_plain(plain: apsw.Connection, run: str, count: int) -> None:
    with plain:
        plain.executemany("INSERT INTO t VALUES (?, ?, ?)", rows_of(run, count))


class Bench:
    """A store and a plain database, side by side, each with the same rows; the store with other branches, too."""

    def __init__(self, folder: Path, durability: str, rows: int, times: int, peers: list[Peer]) -> None:
        self.folder = folder
        self.durability = durability
        self.rows = rows
        self.times = times
        self.peers = peers
        self.db = holdfast.connect(folder / "holdfast.db", durability=durability)
        self.db.execute(TABLE)
        self.plain = plain_database(folder / "plain.db", durability)
        self.db.executemany(INSERT, rows_of("q", rows))
        load_plain(self.plain, "q", rows)
        beside = apsw.Connection(str(folder / "holdfast.db"))
        self.sizes = [self.size(beside.execute), self.size(self.plain.execute)]
        beside.close()
        for number in range(BRANCHES):
            self.db.branch(f"old{number}").close()
        self.branch = self.db.checkout("old7")
        self.numbers = itertools.count()

    def size(self, execute: Callable[[str], Any]) -> float:
        """Return the bytes a row takes, in the file or still in its log."""
        pages: int = next(iter(execute("PRAGMA page_count")))[0]
        return pages * PAGE_BYTES / self.rows

    def asked(self, work: str) -> dict[str, Step]:
        return {name: step for peer in self.peers for name, step in peer.asked(work).items()}

    def bare(self, _: int) -> None:
        self.plain.execute("INSERT INTO t VALUES (?, ?, ?)", ("bare", next(self.numbers), TEXT))

    def insert(self, _: int) -> None:
        self.db.execute(INSERT, ["r", next(self.numbers), TEXT])

    def inserts(self) -> list[Row]:
        name = f"insert 2 KB, one commit, {self.durability!r}"
        return [
            interleaved(
                name,
                self.insert,
                "bare insert",
                self.bare,
                self.times // IN_A_ROW,
                None,
                self.asked("insert"),
                calls=IN_A_ROW,
            )
        ]

    def branching(self) -> list[Row]:
        db = self.db

        def side(number: int) -> None:
            with db.branch(f"m{number}") as branch:
                branch.executemany(INSERT, [["m", 2 * number, "k"], ["m", 2 * number + 1, "k"]])

        make: Step = lambda _: db.branch(f"b{next(self.numbers)}").close()  # noqa: E731
        merge = Prepared(side, lambda number: db.merge(f"m{number}"))
        few, bare = max(self.times // 5, 5), "bare insert"
        how, budget = f", {self.durability!r}", Budget(1.5) if self.durability == "full" else None
        return [
            interleaved(
                f"create a branch{how}", make, bare, self.bare, few // 4, budget, self.asked("branch"), calls=IN_A_ROW
            ),
            interleaved(f"merge a 2-row branch{how}", merge, bare, self.bare, few, budget, self.asked("merge")),
            interleaved(
                f"update an inherited row{how}", lambda number: self.branch.execute(UPDATE, [number]),
                "bare update", lambda number: self.plain.execute(UPDATE.replace("%s", "?"), [number]),
                few, None, self.asked("update"),
            ),
        ]  # fmt: skip

    def reads(self) -> list[Row]:
        scan = lambda _: self.branch.execute(SCAN).fetchone()  # noqa: E731
        last = lambda _: self.branch.execute(LAST, ["q"]).fetchone()  # noqa: E731
        plain_last = LAST.replace("%s", "?")
        return [
            interleaved(
                "scan of a branch", scan, "plain table", lambda _: self.plain.execute(SCAN).fetchone(),
                max(self.times // 25, 5), Budget(1.5), self.asked("scan"),
            ),
            interleaved(
                "last step of a run, on a branch", last, "plain table",
                lambda _: self.plain.execute(plain_last, ["q"]).fetchone(),
                self.times // 10, Budget(most_us=20), self.asked("last"), calls=100,
            ),
        ]  # fmt: skip

    def loads(self) -> list[Row]:
        stores: list[holdfast.Store] = []
        plains: list[apsw.Connection] = []

        def make(number: int) -> None:
            stores.append(holdfast.connect(self.folder / f"load{number}.db", durability=self.durability))
            stores[-1].execute(TABLE)

        ours = Prepared(make, lambda _: stores[-1].executemany(INSERT, rows_of("q", self.rows)))
        floor = Prepared(
            lambda number: plains.append(plain_database(self.folder / f"plain{number}.db", self.durability)),
            lambda _: load_plain(plains[-1], "q", self.rows),
        )
        name = f"{self.rows:,} rows in one commit"
        found = interleaved(name, ours, "plain transaction", floor, 3, None, self.asked("load"), warm=False)
        for store in stores:
            store.close()
        for plain in plains:
            plain.close()
        return [found]

    def bytes_of_rows(self) -> Row:
        ours, floor = self.sizes
        found = {peer.name: peer.bytes_of_row / floor for peer in self.peers if peer.bytes_of_row}
        return Row("size of a row of 60 bytes", ours, "plain table", floor, peers=found, unit="bytes")

    def close(self) -> None:
        self.db.close()
        self.plain.close()


def recovery(folder: Path, times: int) -> Row:
    """Open what 500 commits and a kill -9 left behind, and read the last step; with nothing but the import done."""
    folder.mkdir()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder / "killed.db")], check=False)
    assert killed.returncode == -signal.SIGKILL
    files = list(folder.iterdir())

    def copy(number: int) -> None:
        there = folder / str(number)
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir()
        for file in files:
            shutil.copy(file, there / file.name)

    def ours(number: int) -> None:
        with holdfast.connect(folder / str(number) / "killed.db") as db:
            assert db.execute(LAST, ["r"]).fetchone() == {"step": 499, "x": TEXT}

    def floor(number: int) -> None:
        plain = apsw.Connection(str(folder / str(number) / "killed.db"))
        sql = "SELECT c2, c3 FROM hf_v1 WHERE c1 = ? ORDER BY c2 DESC LIMIT 1"
        assert plain.execute(sql, ["r"]).fetchall() == [(499, TEXT)]
        plain.close()

    name, budget = "open after kill -9, read the last step", Budget(most_us=50_000)
    return interleaved(
        name,
        Prepared(copy, ours),
        "plain SQLite",
        Prepared(copy, floor),
        times,
        budget,
    )
