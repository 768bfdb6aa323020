"""Goal: a gc that dies, or runs beside writers, loses nothing. Method: kill it at every statement, and at random.

The first test knows all that the store showed before, and compares. The second has writers in other processes that
branch, write, merge and delete without pause; what they were told is written is an effect log outside the store.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.testing import FakeClock, SeededIds

COLLECTOR = """
import os, signal, sys
import holdfast
from holdfast.engine.sqlite import SqliteDriver

path, left, call = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def dying(run):
    def killed(driver, sql, parameters=()):
        global left
        if not sql.startswith(("SELECT", "BEGIN")) and (not sql.startswith("PRAGMA") or "wal_checkpoint" in sql):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return run(driver, sql, parameters)
    return killed

db = holdfast.connect(path)
SqliteDriver.rows, SqliteDriver.many = dying(SqliteDriver.rows), dying(SqliteDriver.many)
if call == "gc":
    db.gc(keep_last=2, budget=3)
else:
    db.erase({"notes": [2]}, texts=True)
"""


def build(path: Path) -> None:
    """Make a store with something for each stage of gc to do."""
    with holdfast.connect(path, clock=FakeClock(), ids=SeededIds()) as db:
        db.execute("CREATE TABLE notes (id INT PRIMARY KEY, text TEXT)")
        db.executemany("INSERT INTO notes VALUES (%s, 'a')", [[1], [2], [3]])
        for name in ("merged", "open", "gone"):
            with db.branch(name) as branch:
                branch.execute("UPDATE notes SET text = %s WHERE id = 1", [name])
                branch.execute("INSERT INTO notes VALUES (%s, 'b')", [len(name) + 4])
        db.execute("UPDATE notes SET text = 'main' WHERE id = 1")
        db.merge("merged", policy="ours")
        db.tag("then")
        for round_ in range(3):
            db.execute("UPDATE notes SET text = %s WHERE id = 2", [f"round {round_}"])
        db.execute("DELETE FROM notes WHERE id = 3")
        for name in ("merged", "gone"):
            db.delete_branch(name)


def shown(db: holdfast.Store) -> dict[str, Any]:
    refs = ["main", "open", "then"]
    read = "SELECT * FROM notes ORDER BY id"
    return {ref: db.checkout(ref).execute(read).fetchall() for ref in refs} | {"log": [c.hash for c in db.log()]}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", ["gc", "erase"])
def test_k6_killed_at_every_statement(tmp_path: Path, call: str, soak: bool) -> None:
    original, copy = tmp_path / "original.db", tmp_path / "copy.db"
    build(original)
    with holdfast.connect(original) as db:
        before = shown(db)
    erased = {key: [row for row in rows if row["id"] != 2] if key != "log" else rows for key, rows in before.items()}
    kills = 0
    step = 1 if soak else 5
    for left in range(1, 10_000, step):
        for file in tmp_path.glob("copy.db*"):
            file.unlink()
        shutil.copy(original, copy)
        died = subprocess.run([sys.executable, "-c", COLLECTOR, copy, str(left), call], check=False).returncode
        with holdfast.connect(copy) as db:
            db.verify()
            assert shown(db) in ([before] if call == "gc" else [before, erased])
            db.gc(keep_last=2)
            assert shown(db) in ([before] if call == "gc" else [before, erased])
            assert db.gc(keep_last=2, dry_run=True) == holdfast.Collected()
            db.merge("open", policy="theirs")
            db.verify()
        if died == 0:
            break
        assert died == -signal.SIGKILL
        kills += 1
    assert kills > (8 if call == "gc" else 2)


WRITER = """
import random, sys
import holdfast

path, me = sys.argv[1], sys.argv[2]
choose = random.Random(me)
db = holdfast.connect(path, durability="process")
number = 0
while True:
    number += 1
    name = f"{me}/{number}"
    with db.branch(name) as branch:
        branch.execute("INSERT INTO work VALUES (%s, %s, 'x')", [me, number])
        branch.execute("UPDATE work SET text = 'y' WHERE who = %s AND number = %s", [me, number])
        branch.execute("UPDATE work SET text = %s WHERE who = 'shared' AND number = 0", [name])
    if choose.random() < 0.7:
        db.merge(name, policy="theirs")
        print("merged", number, flush=True)
    db.delete_branch(name)
    if choose.random() < 0.1:
        db.tag(f"{me}-{number}")
"""

GC = """
import sys
import holdfast

db = holdfast.connect(sys.argv[1], durability="process")
tell = lambda found: print(found.rows, found.commits_removed, found.commits_pruned, flush=True)
while True:
    db.gc(keep_last=int(sys.argv[2]), budget=100, progress=tell)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_k7_beside_writers_and_killed_at_random(tmp_path: Path, soak: bool) -> None:
    path = tmp_path / "store.db"
    choose = random.Random(7)
    with holdfast.connect(path, durability="process") as db:
        db.execute("CREATE TABLE work (who TEXT, number INT, text TEXT, PRIMARY KEY (who, number))")
        db.execute("INSERT INTO work VALUES ('shared', 0, 'start')")
    logs = {me: tmp_path / f"{me}.log" for me in ("ann", "bob")}
    writers = []
    for me, log in logs.items():
        with log.open("w") as file:
            command = [sys.executable, "-c", WRITER, str(path), me]
            writers.append(subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE))
    collected = [0, 0, 0]
    try:
        for _ in range(200 if soak else 8):
            command = [sys.executable, "-c", GC, str(path), str(choose.randint(1, 5))]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
                assert collector.stdout
                said = [collector.stdout.readline() for _ in range(choose.randint(1, 9))]
                collector.send_signal(signal.SIGKILL)
            counts = [[int(part) for part in line.split()] for line in said]
            collected = [max(pair) for pair in zip(collected, *counts, strict=True)]
            assert [writer.poll() for writer in writers] == [None, None], "a writer was disturbed"
            with holdfast.connect(path) as db:
                db.verify()
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    with holdfast.connect(path) as db:
        db.gc(keep_last=1)
        db.verify()
        there = {(row["who"], row["number"]): row["text"] for row in db.execute("SELECT * FROM work")}
        for me, log in logs.items():
            told = [int(line.split()[1]) for line in log.read_text().splitlines()]
            assert len(told) > 3
            assert {there.get((me, number)) for number in told} == {"y"}
        for tag in db.tags():
            with db.checkout(tag.name) as then:
                assert then.execute("SELECT count(*) AS n FROM work").fetchone() is not None
    assert all(collected), "rows, commits removed and commits pruned"
