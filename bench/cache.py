"""Cached calls: what a hit and a miss take, against looking a text up, and writing it, in plain SQLite."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import msgspec

import holdfast
from bench.measure import Row, interleaved, print_table
from bench.store import plain_database

ANSWER = {"hits": [{"title": f"title {number}", "score": number / 7} for number in range(20)], "took": 0.5}
KEPT = 10_000
TIMES = 200
INSERT = "INSERT INTO t VALUES ('c', ?, ?)"


def search(q: str, k: int = 10) -> dict[str, Any]:  # noqa: ARG001 - what is asked
    """Answer at once, so that what is measured is the cache."""
    return ANSWER


def measure(durability: str, folder: Path) -> list[Row]:
    db = holdfast.connect(folder / f"{durability}.db", durability=durability)
    cache = db.cache.options(ttl="1h")
    plain = plain_database(folder / f"plain-{durability}.db", durability)
    text = msgspec.json.encode(ANSWER).decode()
    numbers = itertools.count()
    with plain:
        plain.executemany(INSERT, ((number, text) for number in range(KEPT)))
    for number in range(TIMES):
        cache.call(search, f"kept {number}")

    def look(number: int) -> None:
        rows: list[Any] = plain.execute("SELECT x FROM t WHERE run_id = 'c' AND step = ?", (number,)).fetchall()
        assert msgspec.json.decode(rows[0][0])

    def write(_: int) -> None:
        plain.execute(INSERT, (KEPT + next(numbers), text))

    hit = interleaved(
        f"a hit, `{durability}`", lambda at: cache.call(search, f"kept {at % TIMES}"), "plain SQLite, JSON", look, TIMES
    )
    miss = interleaved(
        f"a miss, `{durability}`", lambda _: cache.call(search, f"new {next(numbers)}"), "bare insert", write, TIMES
    )
    plain.close()
    db.close()
    return [hit, miss]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print_table("cache", [row for level in ("process", "full") for row in measure(level, Path(folder))])
