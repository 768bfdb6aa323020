"""0007: what merged and deleted branches cost a reader of main, before gc and after it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import apsw

import holdfast
from bench.measure import Row, interleaved, print_table, seconds

ROWS = 20_000
TABLE = "CREATE TABLE t (run_id TEXT, step INT, x TEXT, PRIMARY KEY (run_id, step))"
LAST = "SELECT step, x FROM t WHERE run_id = 'q' ORDER BY step DESC LIMIT 1"
SCAN = "SELECT count(*), sum(length(x)) FROM t"


def measure(merged: int, folder: Path, *, first: bool = True) -> list[Row]:
    db = holdfast.connect(folder / f"{merged}.db", durability="process")
    plain = apsw.Connection(str(folder / f"plain-{merged}.db"))
    plain.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    db.execute(TABLE)
    plain.execute(TABLE)
    own = max(ROWS - merged, 0)
    db.executemany("INSERT INTO t VALUES ('q', %s, %s)", ([step, "z" * 50] for step in range(own)))
    with plain:
        rows = [("q", step) for step in range(own)] + [(f"r{number}", 1) for number in range(merged)]
        plain.executemany("INSERT INTO t VALUES (?, ?, ?)", ((*row, "z" * 50) for row in rows))
    db.close()
    branches_off(folder / f"{merged}.db", merged)
    db = holdfast.connect(folder / f"{merged}.db", durability="process")
    before = reads(db, plain, f"{merged} merged branches")
    took = seconds(lambda _: db.gc(), 0)
    db.close()
    db = holdfast.connect(folder / f"{merged}.db", durability="process")
    found = [*before, *reads(db, plain, f"{merged} after gc")]
    print(f"gc of {merged} branches took {took:.1f} s")
    db.close()
    return found if first else [row for row in found if not row.work.startswith("first")]


def branches_off(path: Path, merged: int) -> None:
    """Write what merging and deleting branches of one row each leaves behind, but for hashes that would verify.

    Through the store it would take hours: without gc in between, each merge costs what there were before.
    """
    raw = apsw.Connection(str(path))
    raw.execute("PRAGMA synchronous = OFF")
    with raw:
        found: list[Any] = raw.execute(
            "SELECT l.id, l.head_n, c.schema FROM hf_line AS l JOIN hf_commit AS c ON c.line = l.id AND c.n = l.head_n"
        ).fetchall()
        ((line, head, schema),) = found
        at, merge = head, b""
        for number in range(1, merged + 1):
            branch, merge = os.urandom(32), os.urandom(32)
            at = head + number
            raw.execute(
                "INSERT INTO hf_line VALUES (?, ?, ?, ?, 1, ?, 0, NULL, NULL)",
                (line + number, os.urandom(16).hex(), line, at - 1, branch),
            )
            commit = "INSERT INTO hf_commit VALUES (?, ?, ?, x'', ?, 0, '', NULL, ?, x'', x'', 0)"
            raw.execute(commit, (line + number, 1, branch, None, schema))
            raw.execute(commit, (line, at, merge, branch, schema))
            raw.execute("INSERT INTO hf_merge VALUES (?, ?, ?, 1)", (line, at, line + number))
            row = (line + number, line + number, f"r{number}", "z" * 50)
            raw.execute("INSERT INTO hf_v1 (rline, rn, rord, line, n, c1, c2, c3) VALUES (?, 1, 1, ?, 1, ?, 1, ?)", row)
        raw.execute("UPDATE hf_line SET head_n = ?, head_hash = ?, epoch = 9 WHERE id = ?", (at, merge, line))


def reads(db: holdfast.Store, plain: apsw.Connection, what: str) -> list[Row]:
    opened = seconds(lambda _: db.checkout("main").execute(LAST).fetchone(), 0)
    first = seconds(lambda _: plain.execute(LAST).fetchone(), 0)
    return [
        Row(f"first read of a connection, {what}", opened * 1e6, "plain", first * 1e6),
        interleaved(f"last step, {what}", lambda _: db.execute(LAST).fetchone(), "plain",
                    lambda _: plain.execute(LAST).fetchone(), 30, calls=20),
        interleaved(f"scan, {what}", lambda _: db.execute(SCAN).fetchone(), "plain",
                    lambda _: plain.execute(SCAN).fetchone(), 25),
    ]  # fmt: skip


def main() -> None:
    counts = (1_000, 10_000, 100_000) if os.environ.get("HOLDFAST_BENCH_LONG") else (1_000, 10_000)
    with tempfile.TemporaryDirectory(dir=os.environ.get("HOLDFAST_BENCH_FOLDER")) as folder:
        for merged in counts:
            print_table(f"0007: {merged} merged and deleted branches", measure(merged, Path(folder)))
