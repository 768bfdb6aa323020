"""One worker of the soak of state: changes its namespace in place, and counts with all others, commit after commit.

What its namespace holds after commit n is a function of n, so that anything lost, doubled or half there can be seen.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from holdfast import Counter, Disk, Versioned
from tests.crash.ledger import Entry, Fate, Ledger

TEXT_CHARS = 60_000
MAP_KEYS = 7


def opened(folder: Path, kind: str) -> Versioned:
    """Open the state of a soak."""
    if kind == "disk":
        return Versioned(Disk(folder / "store"))
    if kind == "valkey":
        return Versioned((folder / "url").read_text())
    return Versioned(folder / "store.db", durability="process")


def prepare(folder: Path, kind: str) -> None:
    """Make what all share."""
    with opened(folder, kind) as state:
        state["total"] = Counter()
        state.commit("0")


def values(number: int) -> dict[str, Any]:
    """Return what a worker's namespace holds after its commit of this number."""
    text = ["-"] * TEXT_CHARS
    for n in range(1, number + 1):
        text[n * 997 % TEXT_CHARS] = "#"
    return {
        "n": number,
        "log": [{"n": n, "done": n < number} for n in range(1, number + 1)],
        "map": {f"k{key}": [n for n in range(1, number + 1) if n % MAP_KEYS == key] for key in range(MAP_KEYS)},
        "last": set(range(max(number - 4, 1), number + 1)),
        "text": noise() + "".join(text),
    }


def noise() -> str:
    """Return text that cannot be compressed into one row."""
    return random.Random(5).randbytes(TEXT_CHARS // 2).hex()


def advance(state: Versioned, number: int) -> None:
    """Make in place of what is held after one commit what is held after the next."""
    if number == 1:
        state.update(values(0))
    state["n"] = number
    if state["log"]:
        state["log"][-1]["done"] = True
    state["log"].append({"n": number, "done": False})
    state["map"][f"k{number % MAP_KEYS}"].append(number)
    state["last"].add(number)
    state["last"].discard(number - 5)
    text, at = state["text"], TEXT_CHARS + number * 997 % TEXT_CHARS
    state["text"] = f"{text[:at]}#{text[at + 1 :]}"


def work(worker: int, folder: Path, kind: str, complaints: Path) -> None:
    """Find out what came of the last life, then commit until a file says stop."""
    try:
        _work(worker, folder, kind)
    except BaseException as error:
        with complaints.open("a") as file:
            file.write(f"{worker}: {error!r}\n")
        raise


def _work(worker: int, folder: Path, kind: str) -> None:
    ledger = Ledger(folder / f"worker-{worker}.log")
    with opened(folder, kind) as state:
        mine = state.namespace(f"w{worker}")
        number = mine.get("n", 0)
        if ledger.doubtful:
            ledger.settle(Fate.FOUND if ledger.doubtful.name == str(number) else Fate.ABSENT)
        said = [int(entry.name) for entry in ledger.entries if entry.kept]
        assert number == max(said, default=0), f"{number} is there, and {said[-3:]} were acknowledged"
        while not (folder / "stop").exists():
            number += 1
            advance(mine, number)
            state["total"] += 1
            mine.log("action", number)
            ledger.intend(Entry(str(number), "commit", f"w{worker}"))
            state.commit(f"{worker} {number}")
            ledger.settle(Fate.ACKNOWLEDGED)
        assert dict(mine) == (values(number) if number else {})
