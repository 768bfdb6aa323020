"""Many writers on one file: how fair processes are to each other, and what threads gain by sharing a sync.

The first table compares the line of processes with SQLite's own lock alone: the file of the line is made a folder, so
that there is none. The second lets 1, 8 and 64 threads insert a row a commit, each on its branch; in turns, so that all
of them meet the same disk. Its second half runs on a disk whose syncs take 0.2 ms longer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import apsw

import holdfast

PROCESSES = (2, 4, 16)
THREADS = (1, 8, 64)
SECONDS = 2.0
ROUNDS = 5
TABLE = "CREATE TABLE t (run_id TEXT, step INT, x TEXT, PRIMARY KEY (run_id, step))"
INSERT = "INSERT INTO t VALUES (%s, %s, %s)"
SLOWER_SECONDS = 0.0002

WRITER = f"""
import json, sys, time
import holdfast

db = holdfast.connect(sys.argv[1], timeout=120)
db.execute({INSERT!r}, [sys.argv[2], -1, "x"])
print("ready", flush=True)
input()
waits, until = [], time.perf_counter() + {SECONDS}
while (began := time.perf_counter()) < until:
    db.execute({INSERT!r}, [sys.argv[2], len(waits), "x" * 1000])
    waits.append(time.perf_counter() - began)
print(json.dumps(waits))
"""


def processes_write(number: int, *, line: bool) -> str:
    """Let processes write as fast as they can, and return a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.db")
        if not line:
            Path(folder, "s.db-turn").mkdir()
        with holdfast.connect(path) as db:
            db.execute(TABLE)
        command = [sys.executable, "-c", WRITER, str(path)]
        children = [
            subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for n in range(number)
        ]
        said = [child.stdout.readline() for child in children if child.stdout]
        assert said == ["ready\n"] * number
        for child in children:
            assert child.stdin
            child.stdin.write("\n")
            child.stdin.flush()
        waits: list[list[float]] = [json.loads(child.communicate()[0]) for child in children]
    every = sorted(wait for each in waits for wait in each)
    fairness = min(map(len, waits)) / max(map(len, waits))
    ms = [every[len(every) // 2], every[int(len(every) * 0.99)], every[-1]]
    how = "line" if line else "SQLite's lock alone"
    figures = " | ".join(f"{wait * 1000:.2f}" for wait in ms)
    return f"| {number} | {how} | {len(every) / SECONDS:.0f} | {figures} | {fairness:.2f} |"


def threads_write(number: int, durability: str) -> float:
    """Return the commits a second of so many threads, each on its branch."""
    with tempfile.TemporaryDirectory() as folder, holdfast.connect(Path(folder, "s.db"), durability=durability) as db:
        db.execute(TABLE)
        stores = [db.branch(f"b{n}") for n in range(number)]
        counts, stop, go = [0] * number, threading.Event(), threading.Barrier(number + 1)

        def work(n: int) -> None:
            stores[n].execute(INSERT, [str(n), -1, "x"])
            go.wait()
            while not stop.is_set():
                stores[n].execute(INSERT, [str(n), counts[n], "x" * 500])
                counts[n] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(number)]
        for thread in threads:
            thread.start()
        go.wait()
        began = time.perf_counter()
        stop.wait(SECONDS / 2)
        stop.set()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - began)


@contextmanager
def slower_disk() -> Iterator[None]:
    """Let every sync take longer."""
    below = apsw.vfs_names()[0]

    class File(apsw.VFSFile):
        def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
            time.sleep(SLOWER_SECONDS)
            super().xSync(flags)

    class Disk(apsw.VFS):
        def xOpen(self, name: Any, flags: list[int]) -> File:  # noqa: ANN401, N802 - SQLite's name
            return File(below, name, flags)

    disk = Disk("slower", below, makedefault=True)
    try:
        yield
    finally:
        disk.unregister()


def print_threads(title: str, durability: str) -> None:
    rates: dict[int, list[float]] = {number: [] for number in THREADS}
    for _ in range(ROUNDS):
        for number in THREADS:
            rates[number].append(threads_write(number, durability))
    alone = median(rates[1])
    print(f"\n{title}\n\n| threads | commits/s | of one | budget |\n|--:|--:|--:|--:|")
    for number, found in rates.items():
        budget = "2" if number == 64 and durability == "full" else ""
        print(f"| {number} | {median(found):.0f} | {median(found) / alone:.2f} | {budget} |")


def main() -> None:
    print("\nprocesses that write without a pause, durability='full', 1 KB rows; waits of a whole execute() in ms\n")
    print("| processes | apart by | commits/s | p50 | p99 | max | fewest/most commits |\n|--:|---|--:|--:|--:|--:|--:|")
    for number in PROCESSES:
        for line in (False, True):
            print(processes_write(number, line=line), flush=True)
    print_threads("threads, durability='full'", "full")
    print_threads("threads, durability='process'", "process")
    with slower_disk():
        print_threads(f"threads, durability='full', a disk that takes {SLOWER_SECONDS * 1000} ms more", "full")
