"""Record the trace that `holdfast demo` plays: a small scripted agent repairs a small real program.

The agent runs real commands in a temporary folder and decides by what they print: it reads, runs the tests, and tries
its repairs one after the other until the tests pass. Nothing in the recording is made up; paths are shown relative to
the folder. The format is SWE-agent's.

    python bench/record_demo_trace.py src/holdfast/cli/slots.traj
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = '''\
"""Bookings of a room: slots are (start, end) in minutes after midnight."""


def merge(slots):
    """Return the slots with those that overlap or touch joined, in order."""
    merged = []
    for start, end in slots:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def free(slots, opens, closes):
    """Return the gaps between the slots while the room is open."""
    gaps, at = [], opens
    for start, end in merge(slots):
        if start > at:
            gaps.append((at, start))
        at = end
    if at < closes:
        gaps.append((at, closes))
    return gaps


def fits(slots, minutes, opens, closes):
    """Return the start of the first gap that is long enough, or None."""
    for start, end in free(slots, opens, closes):
        if end - start >= minutes:
            return start
    return None
'''

TESTS = """\
import unittest

from slots import fits, free, merge


class Merge(unittest.TestCase):
    def test_overlapping_slots_are_joined(self):
        self.assertEqual([(540, 660)], merge([(540, 600), (570, 660)]))

    def test_slots_that_touch_are_joined(self):
        self.assertEqual([(540, 660)], merge([(540, 600), (600, 660)]))

    def test_a_slot_inside_another_changes_nothing(self):
        self.assertEqual([(540, 720)], merge([(540, 720), (600, 630)]))

    def test_the_order_of_booking_does_not_matter(self):
        self.assertEqual([(540, 660)], merge([(570, 660), (540, 600)]))


class Free(unittest.TestCase):
    def test_the_gaps_are_what_is_not_booked(self):
        self.assertEqual([(480, 540), (720, 1080)], free([(540, 720), (600, 630)], 480, 1080))

    def test_a_room_without_bookings_is_free_all_day(self):
        self.assertEqual([(480, 1080)], free([], 480, 1080))

    def test_the_first_gap_that_is_long_enough_is_taken(self):
        self.assertEqual(720, fits([(510, 600), (540, 720)], 60, 480, 1080))


if __name__ == "__main__":
    unittest.main()
"""

# What an assertion shows, the text at fault, its repair, and why.
REPAIRS = [
    (
        "AssertionError: Lists differ: [(540, 660)] != [(540, 600), (600, 660)]",
        "start < merged[-1][1]",
        "start <= merged[-1][1]",
        "Slots that touch stay apart: the comparison leaves out the case where one starts as the other ends.",
    ),
    (
        "AssertionError: Lists differ: [(540, 720)] != [(540, 630)]",
        "(merged[-1][0], end)",
        "(merged[-1][0], max(merged[-1][1], end))",
        "A slot inside another cuts it short: the end must be the later of the two.",
    ),
    (
        "AssertionError: Lists differ: [(540, 660)] != ",
        "in slots:\n        if merged",
        "in sorted(slots):\n        if merged",
        "The slots come in the order of booking, but joining neighbours needs them in the order of time.",
    ),
]

Step = tuple[str, str]
"""A thought and a command."""


@dataclass
class Workplace:
    folder: Path
    steps: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=lambda: {"working_dir": ".", "failing": None, "repairs": []})

    def run(self, thought: str, command: str) -> str:
        started = time.perf_counter()
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=os.environ
            | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        observation = done.stdout.replace(f"{self.folder}/", "")
        if failed := re.search(r"FAILED \(failures=(\d+)\)", observation):
            self.state["failing"] = int(failed[1])
        elif observation.rstrip().endswith("OK"):
            self.state["failing"] = 0
        self.steps.append(
            {
                "thought": thought,
                "action": command,
                "observation": observation,
                "execution_time": round(time.perf_counter() - started, 4),
                "state": json.loads(json.dumps(self.state)),
            }
        )
        return observation


def agent(at: Workplace) -> Iterator[Step]:
    """Yield what to do next; what came of it is the last observation of the workplace."""
    yield "I look at what is here.", "ls -1"
    yield "I read the program before I run anything.", "cat slots.py"
    yield "And what is expected of it.", "cat test_slots.py"
    yield "Now I see which of the expectations fail.", "python -m unittest -q"
    while at.state["failing"]:
        seen = at.steps[-1]["observation"]
        repair = next(repair for repair in REPAIRS if repair[0] in seen and repair[1] not in at.state["repairs"])
        _, old, new, why = repair
        line = old.split("\n")[0]
        yield f"{why} Where is it?", f"grep -nF {line!r} slots.py"
        at.state["repairs"].append(old)
        script = f"import pathlib; p = pathlib.Path('slots.py'); p.write_text(p.read_text().replace({old!r}, {new!r}))"
        yield "I repair that, and only that.", f'python -c "{script}" && diff slots.orig slots.py'
        yield "Did it help, and did it break anything else?", "python -m unittest -q"
    yield (
        "All expectations hold. One more case that no test has: three bookings that chain.",
        ("python -c 'import slots; print(slots.merge([(9, 12), (1, 4), (4, 9)]))'"),
    )
    yield "Done. This is the whole repair.", "diff -u slots.orig slots.py"


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        at = Workplace(Path(folder).resolve())
        (at.folder / "slots.py").write_text(PROGRAM)
        (at.folder / "slots.orig").write_text(PROGRAM)
        (at.folder / "test_slots.py").write_text(TESTS)
        for thought, command in agent(at):
            at.run(thought, command)
    outcome = {"exit_status": "submitted", "submission": at.steps[-1]["observation"], "failing": at.state["failing"]}
    record = {"environment": "slots", "trajectory": at.steps, "info": outcome}
    target.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{target}: {len(at.steps)} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
