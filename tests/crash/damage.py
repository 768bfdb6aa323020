"""Stores to be damaged, and what is seen of them afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

import holdfast
from tests.crash.operations import connect, usual_file
from tests.crash.sweep import State, state_of

BLOCK_BYTES = 512
FILES = ("store.db", "store.db-wal", "store.db-shm")

_TABLES = ("steps", "names", "calls")


@dataclass(frozen=True, slots=True)
class Sample:
    """A store's files as they lie there when its last process was killed, and its states, oldest first."""

    files: dict[str, bytes]
    history: list[State]

    def put(self, folder: Path, changed: dict[str, bytes]) -> Path:
        """Lay the files down, some of them changed; return the store's path."""
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        for name, content in {**self.files, **changed}.items():
            (folder / name).write_bytes(content)
        return folder / FILES[0]


def sample(folder: Path, *, written_back: bool, at_rest: bool = False) -> Sample:
    """Make a store, with some commits in its log.

    Args:
        written_back: whether the log was copied into the file as well, as a checkpoint does and leaves it.
        at_rest: whether the store was closed: then it has no log.
    """
    path = folder / FILES[0]
    usual_file(path)
    history = [state_of(path)]
    with connect(path, seed=2) as db:
        for number, act in enumerate(_acts()):
            db.execute(*act) if isinstance(act, tuple) else getattr(db, act)(_names(act))
            history.append(state_of(path))
            if written_back and number == 8:
                _write_back(path)
        if written_back:
            _write_back(path)
        files = {name: (folder / name).read_bytes() for name in FILES}
    return Sample({FILES[0]: path.read_bytes()} if at_rest else files, history)


def _acts() -> Iterator[str | tuple[str, list[object]]]:
    columns = "id INT PRIMARY KEY, tool TEXT, args JSONB, cost NUMERIC(8, 4), at TIMESTAMP, done BOOLEAN"
    yield f"CREATE TABLE calls ({columns})", []
    for number in range(6):
        row = [number, f"tool {number}" * 20, {"number": number}, "1.25", "2026-01-02T03:04:05Z", True]
        yield "INSERT INTO calls VALUES (%s, %s, %s, %s, %s, %s)", row
    yield "merge"
    yield "branch"
    yield "tag"
    yield "UPDATE calls SET tool = 'again' WHERE id > 2", []
    yield "DELETE FROM steps WHERE step = 1", []
    yield "INSERT INTO names VALUES (%s, 1)", ["x" * 9000]


def _names(act: str) -> str:
    return {"merge": "apart", "branch": "later", "tag": "second"}[act]


def _write_back(path: Path) -> None:
    raw = apsw.Connection(str(path))
    busy, in_log, written = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").get
    assert (busy, written) == (0, in_log)
    raw.close()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a damaged store shows. `state` is None where it says that it is damaged, as `said`."""

    state: State
    said: str


def look(path: Path) -> Seen:
    """Read everything as users do, and verify. Whatever is raised is an error of ours, or the test fails."""
    with contextlib.suppress(holdfast.HoldfastError):  # verify has to say so, too
        _read(path)
    try:
        with holdfast.connect(path, create=False) as db:
            db.verify()
    except (holdfast.StoreCorrupt, holdfast.NotFound) as error:
        return Seen(None, str(error))
    return Seen(state_of(path), "")


def _read(path: Path) -> None:
    with holdfast.connect(path, create=False) as db:
        for branch in db.branches():
            with db.checkout(branch.name) as at:
                for table in _TABLES:
                    if table in at.tables():
                        at.execute(f"SELECT * FROM {table}").fetchall()
        db.log()
        db.tags()


def flipped(content: bytes, at: int, bit: int) -> bytes:
    """Return the content with one bit changed."""
    changed = bytearray(content)
    changed[at] ^= 1 << bit
    return bytes(changed)
