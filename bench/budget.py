"""The rows of the performance budget, in one run: the table, its figures as JSON, and a plot."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import collect, search, state, store, writers
from bench.measure import Budget, Row, markdown
from bench.peers import Peer
from bench.report import RESULTS, save

PUBLISHED = Path(__file__).parents[1] / "docs"


def measured_store(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Compare the store with plain SQLite and with doltlite and Deeplake, at both durabilities."""
    rows, times = (10_000, 100) if quick else (store.ROWS, 500)
    for durability in store.LEVELS:
        # Nobody else has two durabilities: they are asked once, and stand beside `full`.
        names = ("doltlite", "deeplake") if durability == "full" else ()
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            others = [Peer(name, Path(temporary, name), rows, store.BRANCHES, store.TEXT_BYTES) for name in names]
            bench = store.Bench(Path(temporary), durability, rows, times, others)
            yield from (*bench.inserts(), *bench.branching())
            if durability == "full":
                yield from (*bench.reads(), *bench.loads(), bench.bytes_of_rows())
            bench.close()
            for peer in others:
                peer.close()
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        yield store.recovery(Path(temporary, "killed"), 5 if quick else 25)


def measured_writers(*, quick: bool) -> Row:
    """Let one thread and 64 write in turns; a ratio above 1 is what they gain by sharing a sync."""
    rounds = 2 if quick else 7
    rates = [(writers.threads_write(64, "full"), writers.threads_write(1, "full")) for _ in range(rounds)]
    many, one = (median(found) for found in zip(*rates, strict=True))
    gains = tuple(many / one for many, one in rates)
    return Row("64 threads, commits a second", 1e6 / many, "one thread", 1e6 / one, Budget(least=2), gains)


def measured(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Yield all rows."""
    yield from measured_store(folder, quick=quick)
    yield measured_writers(quick=quick)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        yield from state.measure(Path(temporary), 200 if quick else state.STEPS)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        yield search.top_ten(Path(temporary), 1_000 if quick else search.VECTORS)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        yield from collect.measure(200 if quick else 2_000, Path(temporary), first=False)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and fewer rounds: for a look")
    parser.add_argument("--publish", action="store_true", help="also write the figures and the plot that docs/ shows")
    options = parser.parse_args(arguments)
    began, load = time.monotonic(), os.getloadavg()[0]
    found: list[Row] = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("HOLDFAST_BENCH_FOLDER")) as temporary:
        for row in measured(Path(temporary), quick=options.quick):
            print(f"{time.monotonic() - began:4.0f} s: {row.work}: {row.ratio:.2f} x {row.floor}", flush=True)
            found.append(row)
    print(f"\n{markdown(found)}\n\n{time.monotonic() - began:.0f} s", flush=True)
    for place in (RESULTS / "latest", *([PUBLISHED / "performance"] if options.publish else [])):
        save(found, place, load, quick=options.quick)
