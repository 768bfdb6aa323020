"""0009 and 0012: what a commit costs over key-value stores, by the rows there are and the states beside the tree."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.workload import exchange, live_bytes
from holdfast.engine.contract import Engine
from holdfast.engine.kv import Disk, Memory
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine, node, recent
from holdfast.state import Versioned
from holdfast.testing.schemas import STEPS
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions

COMMITS = 200
STEPS_TAKEN = 1_000
STATES = (0, 16, 64, 256)
ROUNDS = 5
NODE_BYTES = ((500, 150), (1_000, 300), (2_500, 600))


class Counting(Memory):
    """Counts what is written."""

    nodes = size = 0

    def set_many(self, **values: bytes) -> None:
        self.nodes += sum(key.startswith("hf/n/") for key in values)
        self.size += sum(map(len, values.values()))
        super().set_many(**values)


def _filled(engine: Engine, rows: int) -> Versions:
    versions = Versions(engine.session())
    versions.create_table("main", STEPS)
    for first in range(0, rows, 1_000):
        numbers = range(first, min(first + 1_000, rows))
        versions.commit("main", [_step(number, f"{number} {'x' * 40}") for number in numbers])
    return versions


def _step(number: int, note: str) -> Put:
    return Put("steps", {"run_id": f"run-{number // 100}", "step": number, "note": note})


def _milliseconds(versions: Versions, rows: int) -> float:
    taken = []
    for count in range(COMMITS):
        began = time.perf_counter()
        versions.commit("main", [_step(count * 7_919 % rows, f"{count} {'y' * 40}")])
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000


def _conversation(states: int) -> tuple[float, ...]:
    """Return what 1,000 steps of a conversation in a folder take, with so many states beside the tree.

    Milliseconds of a late step, its ratio to an early one, milliseconds of the mean and of the longest step; what the
    disk was given, and the size in the end, against the live state as JSON; milliseconds to open and read all of it.
    """
    recent.STATES_MAX = states
    with tempfile.TemporaryDirectory() as folder:
        with closing(Counted(folder)) as disk, closing(Versioned(disk)) as state:
            state["messages"] = []
            taken: list[float] = []
            for number in range(STEPS_TAKEN):
                began = time.perf_counter()
                state["messages"].extend(exchange(number))
                state["step"] = number
                state.commit()
                taken.append((time.perf_counter() - began) * 1_000)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        began = time.perf_counter()
        with closing(Disk(folder)) as again, closing(Versioned(again)) as state:
            assert len(state["messages"]) == 2 * STEPS_TAKEN
        opened = (time.perf_counter() - began) * 1_000
    late, live = statistics.median(taken[-200:]), live_bytes(STEPS_TAKEN)
    times = late, late / statistics.median(taken[4:104]), statistics.mean(taken), max(taken)
    return *times, disk.size / live, size / live, opened


class Counted(Disk):
    """Counts the bytes that it is given."""

    size = 0

    def set_many(self, **values: bytes) -> None:
        self.size += sum(map(len, values.values()))
        super().set_many(**values)


def main() -> None:
    """Print tables of what a commit writes, how long it takes, and what the states beside the tree spare."""
    print("| bytes of a node | rows | nodes a commit | bytes a commit |\n|--:|--:|--:|--:|")
    usual = node.NODE_BYTES, node.NODE_BYTES_MIN
    for sizes in NODE_BYTES:
        node.NODE_BYTES, node.NODE_BYTES_MIN = sizes
        for rows in (100, 10_000):
            store = Counting()
            versions = _filled(TreeEngine.open(store), rows)
            store.nodes = store.size = 0
            _milliseconds(versions, rows)
            print(f"| {sizes[0]} | {rows} | {store.nodes / COMMITS:.1f} | {store.size / COMMITS:.0f} |")
    node.NODE_BYTES, node.NODE_BYTES_MIN = usual
    print("\n| rows | memory | folder, process | folder, full | SQLite file, full |\n|--:|--:|--:|--:|--:|")
    for rows in (100, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            engines: list[Engine] = [
                TreeEngine.open(Memory()),
                TreeEngine.open(Disk(Path(folder, "a"), durability="process")),
                TreeEngine.open(Disk(Path(folder, "b"))),
                SqliteEngine.open(Path(folder, "c.db")),
            ]
            times = [_milliseconds(_filled(engine, rows), rows) for engine in engines]
            print(f"| {rows} | " + " | ".join(f"{each:.2f} ms" for each in times) + " |")
    print("\n| states beside the tree | late step | to early | mean | longest | given to the disk | size | open |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    rounds = [{states: _conversation(states) for states in STATES} for _ in range(ROUNDS)]
    for states in STATES:
        figures = map(statistics.median, zip(*(round_[states] for round_ in rounds), strict=True))
        late, ratio, mean, longest, given, size, opened = figures
        print(
            f"| {states} | {late:.1f} ms | {ratio:.2f} | {mean:.1f} ms | {longest:.0f} ms"
            f" | {given:.2f} | {size:.2f} | {opened:.0f} ms |"
        )
