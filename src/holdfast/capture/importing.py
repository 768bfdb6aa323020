"""Writing trajectories into a store: each one a commit, whole or not at all, and never twice.

Two tables on the branch take them. `iterations` has a row for each step; `trajectories` a row for each run, with the
fingerprint that tells an import that was done from a run of the same name with other content.

A file is read twice: first all of it is checked, so that nothing of a malformed file is written; then each trajectory
that is not there yet is written. An import that was interrupted goes on where it stopped when it is started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.capture import conversations, swe_agent
from holdfast.capture.documents import OnBytes
from holdfast.capture.trajectory import TraceStep, Trajectory, run_name
from holdfast.errors import AlreadyExists, InvalidValue, Unsupported

if TYPE_CHECKING:
    from holdfast.store.store import Store

ITERATIONS = """CREATE TABLE IF NOT EXISTS iterations (
    run_id TEXT NOT NULL,
    step INT NOT NULL,
    role TEXT,
    kind TEXT,
    tool TEXT,
    thought TEXT,
    action TEXT,
    observation TEXT,
    embedding VECTOR(1536),
    state_snapshot JSONB,
    tokens_used INT,
    execution_seconds REAL,
    raw JSONB,
    created_at TIMESTAMP DEFAULT NOW(),
    PRIMARY KEY (run_id, step))"""

TRAJECTORIES = """CREATE TABLE IF NOT EXISTS trajectories (
    run_id TEXT NOT NULL PRIMARY KEY,
    source TEXT,
    format TEXT,
    task TEXT,
    trial TEXT,
    reward REAL,
    steps INT,
    metadata JSONB,
    fingerprint TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT NOW())"""

INSERT_STEP = """INSERT INTO iterations
    (run_id, step, role, kind, tool, thought, action, observation, state_snapshot, tokens_used, execution_seconds, raw)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""

_INSERT_TRAJECTORY = """INSERT INTO trajectories
    (run_id, source, format, task, trial, reward, steps, metadata, fingerprint)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""

_READERS = {".traj": swe_agent.read, ".jsonl": conversations.read, ".ndjson": conversations.read}


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the runs and steps it added, and the runs that were there before."""

    source: str
    runs_added: int
    steps_added: int
    runs_present: int


def _ignore(_: int) -> None:
    """Nobody watches."""


def read_traces(path: Path, *, on_bytes: OnBytes = _ignore) -> Iterator[Trajectory]:
    """Yield the trajectories of a file, one at a time. The format goes by the ending: `.traj`, `.jsonl` or `.ndjson`.

    Raises:
        NotFound: there is no such file.
        InvalidValue: the file is malformed, or holds no trajectory; the message has file, line, and what is wrong.
        Unsupported: no reader knows the ending.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise Unsupported(
            f"{path}: no reader knows {path.suffix or 'a name without an ending'!r};"
            " .traj is a SWE-agent trajectory, .jsonl one conversation a line"
            " (an array in a .json file becomes one with: jq -c '.[]')"
        )
    empty = True
    for trajectory in reader(path, on_bytes):
        empty = False
        yield trajectory
    if empty:
        raise InvalidValue(f"{path}: holds no trajectory")


def step_row(run_id: str, step: TraceStep) -> list[object]:
    """Return the parameters of `INSERT_STEP`."""
    return [
        run_id,
        step.step,
        step.role,
        step.kind,
        step.tool,
        step.thought,
        step.action,
        step.observation,
        step.state,
        step.tokens_used,
        step.execution_seconds,
        step.raw,
    ]


def import_trace(
    db: Store,
    path: Path,
    *,
    prefix: str = "",
    on_bytes: OnBytes = _ignore,
    on_run: Callable[[Trajectory], None] | None = None,
) -> Imported:
    """Write the trajectories of a file to the branch of `db`, each in a commit of its own.

    A trajectory that is there already is left as it is, so that repeating an import adds nothing. A malformed file
    leaves no trace.

    Args:
        prefix: put before each run's name, with a `/` between.
        on_bytes: told how many more bytes were read; the file is read twice.
        on_run: told each trajectory after its commit.

    Raises:
        NotFound, InvalidValue, Unsupported: as `read_traces`.
        AlreadyExists: a run of that name is there with other steps. Nothing was imported.
    """
    missing: set[str] = set()
    present = 0
    for trajectory in read_traces(path, on_bytes=on_bytes):
        run_id = run_name(prefix, trajectory.run_id)
        if _is_present(db, run_id, trajectory, path):
            present += 1
        else:
            missing.add(run_id)
    if not missing:
        return Imported(path.name, 0, 0, present)
    _make_tables(db)
    runs = steps = 0
    for trajectory in read_traces(path, on_bytes=on_bytes):
        run_id = run_name(prefix, trajectory.run_id)
        if run_id not in missing:
            continue
        if not _write(db, run_id, trajectory, path):
            present += 1
            continue
        runs, steps = runs + 1, steps + len(trajectory.steps)
        if on_run:
            on_run(trajectory)
    return Imported(path.name, runs, steps, present)


def _make_tables(db: Store) -> None:
    if not {"iterations", "trajectories"} <= set(db.tables()):
        with db.transaction("make the tables for traces"):
            db.execute(ITERATIONS)
            db.execute(TRAJECTORIES)


def _is_present(db: Store, run_id: str, trajectory: Trajectory, path: Path) -> bool:
    tables = db.tables()
    if "trajectories" in tables:
        found = db.execute("SELECT fingerprint FROM trajectories WHERE run_id = %s", [run_id]).fetchone()
        if found:
            if found["fingerprint"] == trajectory.fingerprint:
                return True
            raise AlreadyExists(_taken(run_id, trajectory, path, "with other content"))
    if "iterations" in tables and db.execute("SELECT 1 FROM iterations WHERE run_id = %s LIMIT 1", [run_id]).fetchone():
        raise AlreadyExists(_taken(run_id, trajectory, path, "and was not imported"))
    return False


def _taken(run_id: str, trajectory: Trajectory, path: Path, how: str) -> str:
    where = path if trajectory.line is None else f"{path}:{trajectory.line}"
    return f"{where}: a run {run_id!r} is there already {how}; give the new ones a prefix, or import to another branch"


def _write(db: Store, run_id: str, trajectory: Trajectory, path: Path) -> bool:
    """Commit a trajectory, unless another import, of the same file at the same time, has done so meanwhile."""
    steps = len(trajectory.steps)
    with db.transaction(f"import {run_id}: {steps} {'step' if steps == 1 else 'steps'} from {trajectory.source}"):
        if _is_present(db, run_id, trajectory, path):
            return False
        db.executemany(INSERT_STEP, [step_row(run_id, step) for step in trajectory.steps])
        db.execute(
            _INSERT_TRAJECTORY,
            [
                run_id,
                trajectory.source,
                trajectory.format,
                trajectory.task,
                trajectory.trial,
                trajectory.reward,
                steps,
                trajectory.metadata,
                trajectory.fingerprint,
            ],
        )
    return True
