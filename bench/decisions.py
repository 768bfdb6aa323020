"""The measurements behind docs/decisions."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import apsw

from bench.measure import Row, interleaved, print_table
from holdfast.core.canonical import row_bytes
from holdfast.core.hashing import Leaf, changes_digest

ROWS = 100_000


def hash_order() -> None:
    """0002: sorting the changes of a commit by row id, against sorting them by key."""
    rids = [bytes(16) + (3).to_bytes(8) + number.to_bytes(8) for number in range(ROWS)]
    marks = [hashlib.sha256(rid).digest() for rid in rids]
    keys = [("run-42", f"step-{number}") for number in range(ROWS)]

    def by_rid(_: int) -> bytes:
        return changes_digest(Leaf(1, rid, mark) for rid, mark in zip(rids, marks, strict=True))

    def by_key(_: int) -> bytes:
        digest = hashlib.sha256()
        leaves = [(row_bytes(key), Leaf(1, rid, mark)) for key, rid, mark in zip(keys, rids, marks, strict=True)]
        for key, leaf in sorted(leaves):
            digest.update(key + leaf.rid + leaf.mark)
        return digest.digest()

    print_table("0002: the order of a commit's changes", [interleaved("by row id", by_rid, "by key", by_key, 9)])


def vector_place() -> None:
    """0004: bytes a vector takes in a row, by page size, and out of it."""
    print("\n0004: 2,000 rows with a vector of 1,536 float32 (6,144 bytes)\n")
    print("| page | place | bytes a row | scan of the other columns, ms |\n|--:|---|--:|--:|")
    for page in (4096, 8192, 32768):
        for place in ("last column", "own table"):
            size, milliseconds = _vectors(page, place)
            print(f"| {page} | {place} | {size} | {milliseconds:.2f} |")


def _vectors(page: int, place: str) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v.db")
        db = apsw.Connection(str(path))
        db.execute(f"PRAGMA page_size = {page}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, run TEXT, step INT, text TEXT, v BLOB)")
        db.execute("CREATE TABLE x (id INTEGER PRIMARY KEY, v BLOB)")
        with db:
            for number in range(2000):
                vector = os.urandom(6144)
                inline = place == "last column"
                row = (number, number, "o" * 200, vector if inline else None)
                db.execute("INSERT INTO t VALUES (?, 'r', ?, ?, ?)", row)
                if not inline:
                    db.execute("INSERT INTO x VALUES (?, ?)", (number, vector))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size // 2000
        start = time.perf_counter()
        db.execute("SELECT sum(step), sum(length(text)) FROM t").fetchall()
        return size, (time.perf_counter() - start) * 1e3


ENCRYPTED = """
import sys, time, statistics, apsw
path, key = sys.argv[1:]
db = apsw.Connection(path)
if key: db.execute(f"PRAGMA key = '{key}'")
db.execute("PRAGMA journal_mode = WAL"); db.execute("PRAGMA synchronous = NORMAL")
db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
def timed(f, n):
    took = []
    for i in range(n):
        start = time.perf_counter(); f(i); took.append(time.perf_counter() - start)
    return statistics.median(took) * 1e6
print(timed(lambda i: db.execute("INSERT INTO t VALUES (?, ?)", (i, "x" * 2000)), 2000))
print(timed(lambda i: db.execute("SELECT sum(length(b)) FROM t").fetchall(), 20))
"""


def encryption() -> None:
    """0001: SQLite with pages encrypted by SQLite3 Multiple Ciphers, against without a key, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "v"), with_pip=True)
        python = Path(folder, "v", "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "apsw-sqlite3mc"], check=True, stderr=subprocess.DEVNULL)
        found = []
        for key in ("secret", ""):
            out = subprocess.run(
                [python, "-c", ENCRYPTED, Path(folder, f"e{key}.db"), key], check=True, capture_output=True, text=True
            ).stdout.split()
            found.append([float(part) for part in out])
            head = Path(folder, f"e{key}.db").read_bytes()[:15]
            print(f"key={key!r}: the file begins with {head!r}", file=sys.stderr)
    (insert, scan), (plain_insert, plain_scan) = found
    print_table(
        "0001: encrypted pages",
        [Row("insert 2 KB", insert, "no key", plain_insert), Row("scan 4 MB", scan, "no key", plain_scan)],
    )


def main() -> None:
    hash_order()
    vector_place()
    encryption()
