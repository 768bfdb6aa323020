"""Goal: kill -9 at any moment leaves a folder whole (D5). Method: processes that commit in a loop, and a log beside.

What a child was told is durable it notes in a log that is synced; what it was about to write, before. After each kill
all that was acknowledged is there, at most the one in flight in addition, and gc leaves no orphan.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.engine.kv import Disk
from holdfast.engine.tree import TreeEngine
from holdfast.engine.tree.sweep import GRACE_SECONDS, orphans
from holdfast.testing import FakeClock
from holdfast.testing.schemas import STEPS
from holdfast.versions.history import Versions
from tests.conftest import SOAK

CHILD = """
import os, sys
from holdfast.engine.kv import Cache, Disk
from holdfast.engine.tree import TreeEngine, recent
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions

recent.STATES_MAX = 5  # so that trees are made often
_, folder, log_file, name, number, stop = sys.argv
log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
versions = Versions(TreeEngine.open(Cache(Disk(folder, durability="process")), timeout=60).session())
print("ready", flush=True)
sys.stdin.readline()

def note(word, number):
    os.write(log, f"{word} {name} {number}\\n".encode())
    os.fsync(log)

number = int(number)
while number < int(stop):
    number += 1
    note("begin", number)
    row = {"run_id": name, "step": number % 40, "note": str(number), "state": {"n": "x" * (number % 3000)}}
    versions.commit("main", [Put("steps", row)], f"{name} {number}")
    note("done", number)
    print(number, flush=True)
"""

ROUNDS = 100 if SOAK else 4


def _start(folder: Path, log: Path, names: str, stop: int = 10**9) -> list[subprocess.Popen[str]]:
    """Start a writer for each name; they begin when all of them have the store open."""
    children: list[subprocess.Popen[str]] = []
    for name in names:
        arguments = [str(folder), str(log), name, str(_told(log, "begin", name)), str(stop)]
        command = [sys.executable, "-c", CHILD, *arguments]
        children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    return children


def _all_told(log: Path, word: str, name: str) -> set[int]:
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return {int(number) for said, who, number in lines if (said, who) == (word, name)}


def _told(log: Path, word: str, name: str) -> int:
    return max(_all_told(log, word, name), default=0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_d5_k6_a_killed_writer_loses_nothing_and_leaves_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folder, log, randomness = tmp_path / "store", tmp_path / "log", random.Random(11)
    setup = TreeEngine.open(Disk(folder))
    Versions(setup.session()).create_table("main", STEPS)
    setup.close()
    orphans_seen = 0
    for _ in range(ROUNDS):
        children = _start(folder, log, "ab")
        for _ in range(randomness.randrange(1, 25)):  # until it is time to die, in the middle of something
            for child in children:
                assert child.stdout
                child.stdout.readline()
        for child in children:
            child.send_signal(signal.SIGKILL)
        for child in children:
            child.communicate()
        disk, clock = Disk(folder), FakeClock(_later())
        engine = TreeEngine.open(disk, clock=clock, timeout=30)
        session = engine.session()
        versions = Versions(session)
        messages = [commit.message for commit in versions.log("main")]
        assert len(set(messages)) == len(messages), "nothing is committed twice"
        for name in "ab":
            there = {int(message.split()[1]) for message in messages if message.startswith(f"{name} ")}
            assert _all_told(log, "done", name) <= there <= _all_told(log, "begin", name)
        versions.verify()
        orphans_seen += len(orphans(session._shared))
        versions.gc()
        assert orphans(session._shared) == []
        versions.verify()
        engine.close()
        disk.close()
    assert _told(log, "done", "a") > 10
    assert _told(log, "done", "b") > 10
    commits = sum(len(_all_told(log, "done", name)) for name in "ab")
    record_property("told", f"kill -9 of a folder's writers\n{ROUNDS} kills, {commits} commits, {orphans_seen} orphans")


def _later() -> int:
    return time.time_ns() // 1000 + (GRACE_SECONDS + 1) * 1_000_000


@pytest.mark.slow
def test_c9_processes_that_write_at_once_all_get_through(tmp_path: Path) -> None:
    """Four processes, disjoint and shared keys: no error surfaces, and nothing is lost."""
    folder, log = tmp_path / "store", tmp_path / "log"
    setup = TreeEngine.open(Disk(folder))
    Versions(setup.session()).create_table("main", STEPS)
    setup.close()
    children = _start(folder, log, "abcd", stop=40)
    assert [child.wait(120) for child in children] == [0, 0, 0, 0]
    for child in children:
        child.communicate()
    disk = Disk(folder)
    versions = Versions(TreeEngine.open(disk).session())
    assert len(versions.log("main")) == 2 + 4 * 40
    versions.verify()
    disk.close()
    assert (folder / "kv.db").stat().st_size < 20_000_000
