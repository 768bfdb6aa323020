"""States of agents: long conversations, many keys, large values; against plain SQLite and against kvgit and agex.

The peers wait for no disk, which is what `process` promises: they stand beside that.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import apsw
import msgspec

from bench.measure import Budget, Row, Step, Took, compared, in_turns, interleaved, print_table, ratios_of, took
from bench.peers import Peer
from bench.report import RESULTS, save
from bench.store import plain_database
from bench.workload import (
    ARRAY_BYTES,
    INSERTED,
    KEYS,
    PROSE,
    ROUNDS,
    TEXT_BYTES,
    Kept,
    Works,
    a_value,
    exchange,
    large_array,
    live_bytes,
)
from holdfast.state import Versioned
from holdfast.state.kv import Disk

STEPS = 1_000
EARLY = 4
"""The first steps of a conversation, which are not compared."""

TIMES = 20
PEERS = ("kvgit", "agex")
INSERT = "INSERT INTO t VALUES (?, ?, ?)"
UPDATE = "UPDATE t SET x = ? WHERE run_id = ? AND step = ?"
BIG = "the whole value in plain SQLite"


class Ours:
    """A state of Holdfast, which finds changes in place itself."""

    def __init__(self, state: Versioned) -> None:
        self.state = state

    def get(self, key: str) -> Any:  # noqa: ANN401
        return self.state[key]

    def set(self, key: str, value: object) -> None:
        self.state[key] = value

    def changed(self, key: str, value: object) -> None:
        pass

    def commit(self) -> None:
        self.state.commit()

    def close(self) -> None:
        self.state.close()


def in_file(durability: str) -> Callable[[Path], Kept]:
    return lambda folder: Ours(Versioned(folder / "state.db", durability=durability))


def in_disk(folder: Path) -> Kept:
    return Ours(Versioned(Disk(folder / "disk")))


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def written(rounds: Sequence[Took]) -> float:
    return median(one.written for one in rounds)


class Bench:
    """A place for states, plain databases of the same durability beside them, and peers."""

    def __init__(self, folder: Path, opened: Callable[[Path], Kept], steps: int, durability: str, how: str) -> None:
        folder.mkdir()
        (folder / "ours").mkdir()
        self.folder = folder
        self.steps = steps
        self.how = how
        self.works = Works(opened, folder / "ours", steps)
        self.plain = plain_database(folder / "plain.db", durability)
        self.peers: list[Peer] = []
        self.numbers = itertools.count()

    def join(self, names: Sequence[str]) -> None:
        """Let peers take part."""
        self.peers = [Peer(name, self.folder / name, self.steps) for name in names]

    def asked(self, work: str) -> dict[str, Step]:
        return {name: step for peer in self.peers for name, step in peer.asked(work).items()}

    def _rounds(self, contestants: Mapping[str, Step]) -> dict[str, list[Took]]:
        return {name: rounds[EARLY:] for name, rounds in in_turns(contestants, ROUNDS).items()}

    def let_all(self, work: str) -> None:
        """Let all do something that is not compared."""
        self.works.works[work](0)
        for step in self.asked(work).values():
            took(step, 0)

    def bare(self, number: int) -> None:
        """Insert the bytes of a step."""
        text = msgspec.json.encode(exchange(number)).decode()
        self.plain.execute(INSERT, ("bare", next(self.numbers), text))

    def bare_small(self, number: int) -> None:
        self.plain.execute(INSERT, ("small", number, str(number)))

    def conversation(self, budget: Budget | None, *, processor: bool = False) -> list[Row]:
        """Compare the last steps of a conversation with a bare insert, and with the first steps of another one."""
        works = self.works.works
        self.works.grow(0)
        found = self._rounds({"bare": self.bare, "late": works["late step"], "early": works["early step"]})
        late, early, bare = found["late"], found["early"], found["bare"]
        row = compared(f"a step of a conversation, {self.how}", late, "bare insert", bare, budget)
        peers = [peer.name for peer in self.peers if peer.works]
        for name in peers:  # by themselves, and later: what they write keeps the disk busy for long
            of = {when: self.asked(f"{when} step")[name] for when in ("late", "early")}
            took(self.asked("grow")[name], 0)
            rounds = self._rounds({"bare": self.bare, **of})
            found |= {f"{when} {name}": rounds[when] for when in ("late", "early", "bare")}
        rows = [_with(row, {name: median(ratios_of(found[f"late {name}"], found[f"bare {name}"])) for name in peers})]
        if processor:
            used, floor = ([one._replace(seconds=one.cpu) for one in of] for of in (late, bare))
            name = "… time of the processor"
            rows.append(compared(name, used, "bare insert", floor, Budget(most_us=100)))
        times = compared(f"step {self.steps:,} against step 10, {self.how}", late, "step 10", early, Budget(1.2))
        ratios = {name: median(ratios_of(found[f"late {name}"], found[f"early {name}"])) for name in peers}
        rows.append(_with(times, ratios))
        if written(early):
            rows.append(
                Row(
                    f"… bytes written, {self.how}", written(late), "step 10", written(early), Budget(1.2),
                    peers={name: written(found[f"late {name}"]) / written(found[f"early {name}"]) for name in peers},
                    unit="bytes",
                )
            )  # fmt: skip
        self.let_all("close")
        live = live_bytes(self.steps)
        sizes = {name: folder_bytes(self.folder / name / "long") / live for name in peers}
        ours = folder_bytes(self.works.folder("long"))
        name = f"size of {self.steps:,} steps, {self.how}"
        rows.append(Row(name, ours, "the live state as JSON", live, Budget(1.2), peers=sizes, unit="bytes"))
        return rows

    def reopening(self) -> Row:
        """Open a conversation, and read it."""
        path = self.folder / "conversation.db"
        plain = plain_database(path, "process")
        with plain:
            plain.executemany(
                INSERT, (("r", step, msgspec.json.encode(exchange(step)).decode()) for step in range(self.steps))
            )
        plain.close()

        def floor(_: int) -> None:
            plain = apsw.Connection(str(path))
            rows: list[Any] = plain.execute("SELECT x FROM t WHERE run_id = 'r' ORDER BY step").fetchall()
            messages = [message for (text,) in rows for message in msgspec.json.decode(text)]
            assert len(messages) == 2 * self.steps
            plain.close()

        name = f"open and read {2 * self.steps:,} messages"
        return interleaved(
            name, self.works.reopen, "plain SQLite, JSON", floor, TIMES, None, self.asked("reopen")
        )  # fmt: skip

    def many_keys(self) -> Iterator[Row]:
        with self.plain:
            values = ((number, msgspec.json.encode(a_value(number)).decode()) for number in range(KEYS))
            self.plain.executemany(INSERT, (("q", *value) for value in values))

        def update(number: int) -> None:
            text = msgspec.json.encode(a_value(number + 1)).decode()
            self.plain.execute(UPDATE, (text, "q", number * 97 % KEYS))

        def open_plain(_: int) -> None:
            plain = apsw.Connection(str(self.folder / "plain.db"))
            rows: list[Any] = plain.execute("SELECT x FROM t WHERE run_id = 'q' AND step = 7").fetchall()
            assert msgspec.json.decode(rows[0][0]) == a_value(7)
            plain.close()

        name = f"change one of {KEYS:,} keys"
        yield from self._both(name, self.works.one_of_many, "bare update", update, self.asked("one of many"), ROUNDS)
        self.let_all("close")
        yield interleaved(
            f"open, read one of {KEYS:,} keys", self.works.open_many, "plain SQLite", open_plain, TIMES,
            None, self.asked("open many"),
        )  # fmt: skip

    def untouched(self) -> Iterator[Row]:
        for kind, what in (("bytes", "50 MB of bytes"), ("array", "a 50 MB array"), ("list", "100,000 dicts")):
            work = f"untouched {kind}"
            yield interleaved(
                f"read {what}, commit something else", self.works.works[work], "bare insert", self.bare_small,
                TIMES, Budget(most_us=3_000), self.asked(work),
            )  # fmt: skip
            self.let_all("close")
            self.plain.execute("DELETE FROM t WHERE run_id = 'small'")

    def parts(self) -> Iterator[Row]:
        """Change a little of a large value."""
        array = large_array(ARRAY_BYTES)
        text = [(PROSE * 3)[:TEXT_BYTES]]
        self.plain.execute(INSERT, ("large", 0, array.tobytes()))
        self.plain.execute(INSERT, ("large", 1, text[0]))

        def element(number: int) -> None:
            array[number * 10_007 % len(array)] = number
            self.plain.execute(UPDATE, (memoryview(array).cast("B"), "large", 0))

        def insertion(number: int) -> None:
            at = number * 10_007 % len(text[0])
            text[0] = text[0][:at] + INSERTED + text[0][at:]
            self.plain.execute(UPDATE, (text[0], "large", 1))

        for work, what, floor in (
            ("element", "one element of a 20 MB array", element),
            ("text", "10 bytes into a text of 1 MB", insertion),
        ):
            yield from self._both(what, self.works.works[work], BIG, floor, self.asked(work), TIMES)

    def _both(
        self, work: str, ours: Step, name: str, floor: Step, peers: Mapping[str, Step], times: int
    ) -> Iterator[Row]:
        """Compare times, and bytes written."""
        found = in_turns({"": ours, name: floor, **peers}, times)
        yield compared(work, found[""], name, found[name], None, {peer: found[peer] for peer in peers})
        least = written(found[name])
        if least:
            ratios = {peer: written(found[peer]) / least for peer in peers}
            yield Row(f"{work}, bytes written", written(found[""]), name, least, peers=ratios, unit="bytes")

    def close(self) -> None:
        self.works.close()
        self.plain.close()
        for peer in self.peers:
            peer.close()
        shutil.rmtree(self.folder)


def _with(row: Row, peers: Mapping[str, float]) -> Row:
    """Return a row with peers whose ratios are to a floor of their own."""
    return Row(row.work, row.ours, row.floor, row.of_floor, row.budget, row.ratios, row.cpu_us, peers)


def measure(folder: Path, steps: int = STEPS) -> Iterator[Row]:
    """Yield all rows."""
    bench = Bench(folder / "full", in_file("full"), steps, "full", "`full`")
    yield from bench.conversation(Budget(1.3), processor=True)
    bench.close()
    bench = Bench(folder / "process", in_file("process"), steps, "process", "`process`")
    bench.join(PEERS)
    yield from bench.conversation(Budget(6))
    yield bench.reopening()
    yield from bench.many_keys()
    yield from bench.untouched()
    yield from bench.parts()
    bench.close()
    bench = Bench(folder / "disk", in_disk, steps, "full", "`Disk`")
    yield from bench.conversation(None)
    bench.close()


def main() -> None:
    load, began, rows = os.getloadavg()[0], time.monotonic(), list[Row]()
    with tempfile.TemporaryDirectory(dir=os.environ.get("HOLDFAST_BENCH_FOLDER")) as folder:
        for row in measure(Path(folder)):
            print(f"{time.monotonic() - began:4.0f} s: {row.work}: {row.ratio:.2f} x {row.floor}", flush=True)
            rows.append(row)
    print_table("states", rows)
    save(rows, RESULTS / "state", load)
