"""Goal: what was acknowledged survives kill -9. Method: a child commits and says so; it is killed at random moments.

The child's acknowledgements are an effect log outside the store: a line, flushed, after each call that returned.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

CHILD = """
import sys
import holdfast

db = holdfast.connect(sys.argv[1], durability=sys.argv[2])
db.execute("CREATE TABLE IF NOT EXISTS steps (step INT PRIMARY KEY, text TEXT)")
last = db.execute("SELECT max(step) AS step FROM steps").fetchone()["step"] or 0
step = last
while True:
    step += 1
    kind = step % 4
    if kind == 0:
        with db.transaction("two rows"):
            db.execute("INSERT INTO steps VALUES (%s, %s)", [step, "x" * 3000])
            db.execute("UPDATE steps SET text = 'again' WHERE step = %s", [step - 1])
    elif kind == 1:
        name = f"branch-{step}"
        known = [branch.name for branch in db.branches()]
        with db.checkout(name) if name in known else db.branch(name) as branch:
            if branch.execute("SELECT 1 FROM steps WHERE step = %s", [step]).fetchone() is None:
                branch.execute("INSERT INTO steps VALUES (%s, %s)", [step, "b"])
        db.merge(name)
        db.delete_branch(name)
    else:
        db.execute("INSERT INTO steps VALUES (%s, %s)", [step, "y" * 500])
    print(step, db.head, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "process"])
def test_d7_what_returned_is_there_after_kill_9(tmp_path: Path, durability: str, soak: bool) -> None:
    path = tmp_path / "store.db"
    choose = random.Random(20)
    acknowledged: dict[int, str] = {}
    kills = 100 if soak else 12
    for _ in range(kills):
        command = [sys.executable, "-c", CHILD, str(path), durability]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            said = [child.stdout.readline() for _ in range(choose.randint(1, 25))]
            child.send_signal(signal.SIGKILL)
            said += child.stdout.read().splitlines(keepends=True)  # said before the signal came
        for line in said:
            if line.endswith("\n"):
                step, head = line.split()
                acknowledged[int(step)] = head
        with holdfast.connect(path) as db:
            found = [row["step"] for row in db.execute("SELECT step FROM steps ORDER BY step")]
            assert found == list(range(1, len(found) + 1)), "no step is lost, doubled or half there"
            assert max(acknowledged) <= len(found) <= max(acknowledged) + 1
            assert db.checkout(acknowledged[max(acknowledged)]).head == acknowledged[max(acknowledged)]
            db.verify()
    assert len(acknowledged) > kills
