"""Goal: a copy that is killed goes on where it was. Method: processes that copy, each killed at a random moment.

What they leave is refused as a store until one comes to its end; then it is what an undisturbed copy is. Meanwhile the
source goes on: it gets commits, and gc takes some.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Disk
from holdfast.engine.urls import open_engine
from holdfast.versions.copying import sum_of
from tests import valkey_server
from tests.conftest import SOAK
from tests.postgresql import fresh_url

COPIER = """
import sys
from holdfast import Disk
from holdfast.engine.urls import open_engine
from holdfast.versions.copying import Copying

source, target = open_engine(sys.argv[1], read_only=True), sys.argv[2]
target = open_engine(Disk(target) if target.endswith("folder") else target, timeout=60)
tell = lambda found: print(found.commits, found.commits_present, flush=True)
Copying(source.session(), target.session(), tell, batch=int(sys.argv[3])).run()
"""

COMMITS = 1_000 if SOAK else 100
ROUNDS = 20 if SOAK else 1


def fill(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE notes (id INT PRIMARY KEY, text TEXT)")
    db.executemany("INSERT INTO notes VALUES (%s, 'a')", [[number] for number in range(20)])
    for number in range(COMMITS):
        db.execute("UPDATE notes SET text = %s WHERE id = %s", [f"{number}", number % 20])
        if number % 10 == 0:
            change(db, number)
    db.start("agent", run_id="r")


def change(db: holdfast.Store, number: int) -> None:
    """Do something that a copy has to bring over: a branch, a merge, a name, an entry."""
    with db.branch(f"b{number}") as branch:
        branch.execute("UPDATE notes SET text = 'branch' WHERE id = %s", [number % 7])
    db.execute("DELETE FROM notes WHERE id = %s", [number % 20])
    db.merge(f"b{number}", policy="theirs")
    if number % 3:
        db.delete_branch(f"b{number}")
    db.tag(f"t{number}")


def summed(place: Any) -> str:
    engine = open_engine(place, read_only=True)
    try:
        with engine.session().read() as reader:
            return sum_of(reader).with_names(reader)
    finally:
        engine.close()


def copied(command: list[str], choose: random.Random) -> bool:
    """Copy in a process, and kill it at a random moment, unless it ends before; tell whether it ended."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(choose.choice([0, 1, 2, 3, 5, 10])):
            if not child.stdout.readline():
                break
        time.sleep(choose.choice([0, 0.001, 0.01, 0.05]))
        child.send_signal(signal.SIGKILL)
        _, errors = child.communicate()
        assert child.returncode in (0, -signal.SIGKILL), errors
        return child.returncode == 0


def is_refused(place: Any, source: Path) -> bool:
    """Tell whether a store that was begun is refused. Before that there is none, or a new one; at the end all."""
    try:
        with holdfast.connect(place, create=False) as db:
            is_new = [commit.message for commit in db.log()] == ["store created"]
        assert is_new or summed(place) == summed(source)
    except holdfast.NotFound:
        return False
    except holdfast.StoreUnavailable as error:
        assert "run holdfast copy again" in str(error)  # noqa: PT017 - both outcomes are right
        return True
    return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["file", "folder", "postgres", "valkey"])
def test_a_killed_copy_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    choose = random.Random(kind)
    source = tmp_path / "source.db"
    with holdfast.connect(source, durability="process") as db:
        fill(db)
        for round_ in range(ROUNDS):
            servers = {"postgres": fresh_url, "valkey": valkey_server.fresh_url}
            target = servers[kind]() if kind in servers else str(tmp_path / f"{round_}-{kind}")
            place = Disk(target) if kind == "folder" else target
            kills = refused = 0
            while True:
                batch = choose.choice([1, 5, 20, 50]) * (1 + kills) if kills > 2 else 5  # at first not so quick
                if copied([sys.executable, "-c", COPIER, str(source), target, str(batch)], choose):
                    break
                kills += 1
                refused += is_refused(place, source)
                if kills % 4 == 1:
                    change(db, 1_000 * (round_ + 1) + kills)
                    db.gc(keep_last=max(COMMITS // 2 - kills, 5))
            assert kills > 1
            assert refused > 0
            assert summed(place) == summed(source)
            with holdfast.connect(place) as copy:
                assert str(copy.verify()) == str(db.verify())
                assert [commit.hash for commit in copy.log()] == [commit.hash for commit in db.log()]
                assert copy.branches() == db.branches()
                assert copy.runs() == db.runs()
