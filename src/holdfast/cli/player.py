"""The process that the demo kills: it plays a trace, one step a commit, and goes on after the last committed step.

It takes a step each time it reads a line from stdin, and tells on stdout what it has done. A step has an effect in the
outside world: it appends to the effect log, before and after its commit, and forces each line to disk. The log is
written without Holdfast, and so can testify against it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import holdfast
from holdfast.capture import INSERT_STEP, ITERATIONS, TraceStep, read_traces, step_row
from holdfast.errors import InvalidValue

STEPS_MAX = 100


def steps_of(trace: Path) -> tuple[TraceStep, ...]:
    """Return the steps that the demo plays: those of the first trajectory that has any, at most `STEPS_MAX`.

    Raises:
        NotFound, InvalidValue, Unsupported: the trace cannot be read.
    """
    for trajectory in read_traces(trace):
        if trajectory.steps:
            return tuple(islice(trajectory.steps, STEPS_MAX))
    raise InvalidValue(f"{trace}: has no step to play")


def read_effects(log: Path) -> Iterator[tuple[str, int]]:
    """Yield what the effect log says: `began` or `ended`, and the step. A line that was cut off says nothing."""
    if log.exists():
        for line in log.read_text().split("\n"):
            word, _, step = line.partition(" ")
            if word in ("began", "ended") and step.endswith("."):
                yield word, int(step[:-1])


def last_step(db: holdfast.Store, run_id: str) -> int:
    """Return the last committed step of the run, or 0."""
    if "iterations" not in db.tables():
        return 0
    row = db.execute("SELECT max(step) AS step FROM iterations WHERE run_id = %s", [run_id]).fetchone()
    return row["step"] or 0 if row else 0


def play(url: str, branch: str, run_id: str, trace: Path, log: Path) -> None:
    """Play the trace from the last committed step to its end, a step for each line on stdin."""
    steps = steps_of(trace)
    with holdfast.connect(url, branch=branch) as db, log.open("ab", buffering=0) as effects:
        if "iterations" not in db.tables():
            db.execute(ITERATIONS)
        done = last_step(db, run_id)
        effects.write(b"\n")  # ends what the last kill may have cut off
        _tell("resumed", done)
        for step in steps[done:]:
            sys.stdin.readline()
            _witness(effects.fileno(), "began", step.step)
            with db.transaction(f"{run_id}: step {step.step}"):
                db.execute(INSERT_STEP, step_row(run_id, step))
            _witness(effects.fileno(), "ended", step.step)
            _tell("committed", step.step)


def _witness(log: int, word: str, step: int) -> None:
    os.write(log, f"{word} {step}.\n".encode())
    os.fsync(log)


def _tell(word: str, step: int) -> None:
    sys.stdout.write(json.dumps([word, step]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _, _url, _branch, _run_id, _trace, _log = sys.argv
    play(_url, _branch, _run_id, Path(_trace), Path(_log))
