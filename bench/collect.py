"""0007: what merged and deleted branches cost a reader of main, before gc and after it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import apsw

import holdfast
from bench.measure import Row, interleaved, print_table, seconds

ROWS = 20_000
LAST = "SELECT step, x FROM t WHERE run_id = 'q' ORDER BY step DESC LIMIT 1"
SCAN = "SELECT count(*), sum(length(x)) FROM t"


def measure(merged: int, folder: Path) -> list[Row]:
    db = holdfast.connect(folder / f"{merged}.db", durability="process")
    plain = apsw.Connection(str(folder / f"plain-{merged}.db"))
    for execute in (db.execute, plain.execute):
        execute("CREATE TABLE t (run_id TEXT, step INT, x TEXT, PRIMARY KEY (run_id, step))")  # type: ignore[operator]
    own = max(ROWS - merged, 0)
    db.executemany("INSERT INTO t VALUES ('q', %s, %s)", ([step, "z" * 50] for step in range(own)))
    with plain:
        rows = [("q", step) for step in range(own)] + [(f"r{number}", 1) for number in range(merged)]
        plain.executemany("INSERT INTO t VALUES (?, ?, ?)", ((*row, "z" * 50) for row in rows))
    branches_off(db, merged)
    before = reads(db, plain, f"{merged} merged branches")
    took = seconds(lambda _: db.gc(), 0)
    db.close()
    db = holdfast.connect(folder / f"{merged}.db", durability="process")
    found = [*before, *reads(db, plain, f"{merged} after gc")]
    print(f"gc took {took:.1f} s")
    db.close()
    return found


def branches_off(db: holdfast.Store, merged: int) -> None:
    """Merge branches of one row each, through the rooms below `Store`: 100,000 connections would take an hour."""
    versions = db._versions  # noqa: SLF001
    for number in range(merged):
        name = f"run-{number}"
        versions.branch(name)
        with versions.open_commit(name, "step") as writer:
            table = writer.catalogue().find("t")
            assert table is not None
            writer.insert(table, [f"r{number}", 1, "z" * 50])
        versions.merge(name, "main")
        versions.delete_branch(name)
        if number % 1_000 == 999:
            db.gc()  # else each merge costs what there were before it, and building the store takes days
            if number + 1 == merged:
                unseal(db)


def unseal(db: holdfast.Store) -> None:
    """Bring the store to where it would be without gc."""
    with db._session.write() as writer:  # noqa: SLF001
        writer._db.rows(  # type: ignore[attr-defined]  # noqa: SLF001
            "INSERT OR IGNORE INTO hf_merge SELECT trunk, trunk_n, id, head_n FROM hf_line WHERE trunk IS NOT NULL"
        )
        writer._db.rows("UPDATE hf_line SET trunk = NULL, trunk_n = NULL")  # type: ignore[attr-defined]  # noqa: SLF001
        writer._db.rows("UPDATE hf_line SET epoch = epoch + 1")  # type: ignore[attr-defined]  # noqa: SLF001


def reads(db: holdfast.Store, plain: apsw.Connection, what: str) -> list[Row]:
    opened = seconds(lambda _: db.checkout("main").execute(LAST).fetchone(), 0)
    first = seconds(lambda _: plain.execute(LAST).fetchone(), 0)
    return [
        Row(f"first read of a connection, {what}", opened * 1e6, "plain", first * 1e6),
        interleaved(f"last step, {what}", lambda _: db.execute(LAST).fetchone(), "plain",
                    lambda _: plain.execute(LAST).fetchone(), 300),
        interleaved(f"scan, {what}", lambda _: db.execute(SCAN).fetchone(), "plain",
                    lambda _: plain.execute(SCAN).fetchone(), 9),
    ]  # fmt: skip


def main() -> None:
    counts = (1_000, 10_000, 100_000) if os.environ.get("HOLDFAST_BENCH_LONG") else (1_000, 10_000)
    with tempfile.TemporaryDirectory(dir=os.environ.get("HOLDFAST_BENCH_FOLDER")) as folder:
        for merged in counts:
            print_table(f"0007: {merged} merged and deleted branches", measure(merged, Path(folder)))
