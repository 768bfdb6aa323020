"""Killing an operation at each of its points, and looking at what is left.

A child does the operation on a disk that crashes (`holdfast.testing.crashing`), and writes into a log of its own, with
fsync, when it has returned: the witness of what was acknowledged. Children are forked from a server that has imported
everything, which makes a death cost some ten milliseconds.

What may be seen after a death is what was seen, from outside, at some point of an undisturbed run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

import holdfast
from holdfast.testing.crashing import CrashingDisk, CrashPoints, Loss
from tests.crash.operations import OPERATIONS, connect, nothing

DEADLINE_SECONDS = 60
ACKNOWLEDGED = "acknowledged"
REFUSED = "refused"
SPARED = "spared"

State = dict[str, Any] | None
"""All that can be seen of a store: the head and the rows of each branch, the tags, and how runs are. None: none yet."""

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["holdfast", "holdfast.engine.postgres", "pytest", "tests.crash.sweep", "tests.crash.worker"]
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it said before."""

    exit_code: int | None
    said: list[str]


def in_child(work: Callable[..., None], *arguments: object, log: Path) -> Ended:
    """Run `work(*arguments, log)` in a process of its own; `say` is how it tells what came out.

    Raises:
        AssertionError: it neither ended nor died in `DEADLINE_SECONDS`.
    """
    log.unlink(missing_ok=True)
    child = PROCESSES.Process(target=work, args=(*arguments, log), daemon=True)
    child.start()
    child.join(DEADLINE_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        raise AssertionError(f"{work.__name__}{arguments} hangs")
    exit_code = child.exitcode
    child.close()
    return Ended(exit_code, log.read_text().splitlines() if log.exists() else [])


def say(log: Path, line: str) -> None:
    """Write a line that is on the disk when this returns."""
    with log.open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def state_of(path: Path) -> State:
    """Return all that can be seen of a store, or None where there is none yet. Makes none."""
    if not path.exists():
        return None
    raw = apsw.Connection(str(path))
    try:
        if not raw.execute("SELECT count(*) FROM sqlite_schema").get:
            return None
    finally:
        raw.close()
    with holdfast.connect(path, create=False) as db:
        with db._session.read() as reader:
            heads = {name: line.head_hash.hex() for name, line in reader.branches().items()}
        branches = {
            name: {"head": head, "rows": repr(sorted(db._versions.snapshot(name).items()))}
            for name, head in heads.items()
        }
        runs = {info.run_id: info.status for info in db.runs()}
        return {"branches": branches, "tags": {tag.name: tag.head for tag in db.tags()}, "runs": runs}


def rows_of(state: State) -> dict[str, str]:
    """Return the rows alone, without the hashes that depend on how often somebody tried."""
    return {name: branch["rows"] for name, branch in state["branches"].items()} if state else {}


def prepare(name: str, path: Path) -> None:
    """Make the store that an operation starts with."""
    operation = OPERATIONS[name]
    operation.file(path)
    if operation.prepare is not nothing:  # else it would be upgraded here
        with connect(path, seed=2) as db:
            operation.prepare(db)


def undisturbed(name: str, path: Path, log: Path) -> list[State]:
    """Run an operation to its end; return what is seen of it, in turn, from outside."""
    ended = in_child(_watched, name, path, log=log)
    assert ended.exit_code == 0, f"{name} fails undisturbed: exit code {ended.exit_code}"
    states: list[State] = json.loads(ended.said[-1])
    return states


def _watched(name: str, path: Path, log: Path) -> None:
    states: list[State] = []

    def watch(label: str) -> None:
        if label.startswith("statement") or label == ACKNOWLEDGED:
            now = state_of(path)
            if not states or states[-1] != now:
                states.append(now)

    points = CrashPoints(watch=watch)
    CrashingDisk(points, checkpoint_pages=OPERATIONS[name].checkpoint_pages).install()
    points.reach("statement before all")
    _do(name, path, points, log)
    say(log, json.dumps(states))


@dataclass(frozen=True, slots=True)
class Death:
    """Where and how an operation is killed: see `CrashPoints` and `CrashingDisk`."""

    name: str
    at: int | str
    loss: Loss = Loss.PROCESS
    durability: str = "full"
    seed: int = 0
    kept: float | None = None


def killed(death: Death, path: Path, log: Path) -> Ended:
    """Run an operation and kill it at a point; it survives (exit code 0) if it has fewer."""
    return in_child(_crashing, death, path, log=log)


def _crashing(death: Death, path: Path, log: Path) -> None:
    def last_words(label: str) -> None:
        if death.at in (points.reached, label):
            say(log, f"died at: {label}")

    points = CrashPoints(death.at, last_words)
    pages = OPERATIONS[death.name].checkpoint_pages
    CrashingDisk(points, death.loss, seed=death.seed, kept=death.kept, checkpoint_pages=pages).install()
    _do(death.name, path, points, log, death.durability)


def _do(name: str, path: Path, points: CrashPoints, log: Path, durability: str = "full") -> None:
    with connect(path, durability, seed=3) as db:
        OPERATIONS[name].run(db)
        say(log, ACKNOWLEDGED)
        points.reach(ACKNOWLEDGED)


def refused(death: Death, path: Path, log: Path) -> Ended:
    """Run an operation on a disk that is full from a point on; then make room, and run it again if it was refused."""
    return in_child(_filling, death, path, log=log)


def _filling(death: Death, path: Path, log: Path) -> None:
    """Checkpoints are left out, and closing finds room, for the reason that `CrashingDisk.fill_up` gives.

    Both are in tests/crash/test_full.py.
    """
    points = CrashPoints(death.at)
    disk = CrashingDisk(points, Loss.ROOM, checkpoint_pages=0)
    disk.install()
    said: list[str] = []
    try:
        with connect(path, death.durability, seed=3) as db:
            try:
                OPERATIONS[death.name].run(db)
            except holdfast.StoreFull:
                said = [REFUSED, json.dumps(state_of(path))]
                disk.make_room()
                OPERATIONS[death.name].run(db)
            said.append(ACKNOWLEDGED)
            spared = points.reached < int(death.at)
            points.strike = disk.make_room  # the log needs some, too
            disk.make_room()
    except (holdfast.StoreFull, apsw.IOError):
        spared = False
        disk.make_room()
        assert not said, "closing is never refused"
    for line in [*said, SPARED] if spared else said:
        say(log, line)


def check_after_refusal(death: Death, path: Path, ended: Ended, states: list[State]) -> bool:
    """Check that what was refused changed nothing, and was done when there was room; return whether there always was.

    A store that is refused while it is made may be there: opening it again is all there is to do.
    """
    assert ended.exit_code == 0, ended
    if REFUSED in ended.said:
        seen = json.loads(ended.said[ended.said.index(REFUSED) + 1])
        assert seen in (states if OPERATIONS[death.name].in_parts else states[:-1]), "it was refused, and is there"
    else:
        assert state_of(path) in states
    if ACKNOWLEDGED in ended.said:
        assert rows_of(state_of(path)) == rows_of(states[-1]), "it was acknowledged and is gone"
    _check_sound(path)
    _check_usable(path)
    return SPARED in ended.said


def check_after_death(death: Death, path: Path, ended: Ended, states: list[State]) -> None:
    """Check what a death left, or a survival.

    Only a loss of power with durability "process" may lose what was acknowledged.
    """
    assert ended.exit_code in (-signal.SIGKILL, 0), f"neither killed nor alive but {ended.exit_code}"
    found = state_of(path)
    assert found in states, f"neither before nor after: {found}"
    at = states.index(found)
    if ACKNOWLEDGED in ended.said and (death.loss, death.durability) != (Loss.POWER, "process"):
        assert at == len(states) - 1, "it was acknowledged and is gone"
    _check_sound(path)
    if at == 0 and len(states) > 1:  # it can be done again, and comes to the same
        with connect(path, seed=3) as db:
            OPERATIONS[death.name].run(db)
        assert rows_of(state_of(path)) == rows_of(states[-1])
    _check_usable(path)


def _check_sound(path: Path) -> None:
    if state_of(path) is not None:
        with holdfast.connect(path) as db:
            db.verify()


def _check_usable(path: Path) -> None:
    """Write, branch and merge: the next operation works."""
    with connect(path, seed=4) as db:
        db.execute("CREATE TABLE IF NOT EXISTS afterwards (id INT PRIMARY KEY)")
        with db.branch("afterwards") as branch:
            branch.execute("INSERT INTO afterwards VALUES (1)")
        db.merge("afterwards")
        assert db.execute("SELECT id FROM afterwards").fetchall() == [{"id": 1}]
        db.verify()


def copy_store(source: Path, target: Path) -> None:
    """Copy a folder with a store in it, over what is there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
