"""Work on a disk that fills up, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

import holdfast
from tests.crash.sweep import say

ROWS = 6
CHECKPOINT_PAGES = 20

Room = Callable[[bool], None]
"""Takes the room away (True), or gives it back."""


def prepare(path: Path) -> None:
    """Make the store that grows."""
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE acts (act INT, part INT, text TEXT)")
        db.branch("side").close()


def _acts(db: holdfast.Store) -> Iterator[Callable[[int], object]]:
    """Yield things to do: each is given its number, and adds `ROWS` rows with it in one commit on main."""
    side = db.checkout("side")

    def insert(act: int, at: holdfast.Store = db) -> None:
        at.execute(
            "WITH RECURSIVE p(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM p WHERE n < %s)"
            " INSERT INTO acts SELECT %s, n, %s FROM p",
            [ROWS, act, "x" * 900],
        )

    def many(act: int) -> None:
        db.executemany("INSERT INTO acts VALUES (%s, %s, %s)", [[act, n, "y" * 900] for n in range(1, ROWS + 1)])

    def transaction(act: int) -> None:
        with db.transaction("several"):
            for part in range(1, ROWS + 1):
                db.execute("INSERT INTO acts VALUES (%s, %s, %s)", [act, part, "z"])
            db.execute("UPDATE acts SET text = %s WHERE act = %s", ["z" * 900, act])

    def merge(act: int) -> None:
        if not side.execute("SELECT 1 FROM acts WHERE act = %s", [act]).fetchone():
            insert(act, side)
        db.merge("side")

    while True:
        yield from (insert, many, transaction, merge)


def fill(path: Path, room: Room, acts: int, log: Path) -> None:
    """Do things until there is no room; look; get room again; do what failed, and some more.

    Says: the numbers of what was acknowledged, and "full" when it was refused.
    """
    apsw.connection_hooks.append(lambda connection: connection.wal_autocheckpoint(CHECKPOINT_PAGES))
    with holdfast.connect(path) as db:
        db.log()  # where there is no room at all, the index of the log cannot be made, and not even reading works
        room(True)
        done: list[int] = []
        for number, act in enumerate(_acts(db), start=1):
            try:
                act(number)
            except holdfast.StoreFull:
                say(log, "full")
                _check_reads(db, done)
                room(False)
                act(number)  # the same connection goes on
                room(True)
            done.append(number)
            say(log, json.dumps(number))
            if number == acts:
                break
        room(False)


def _check_reads(db: holdfast.Store, done: list[int]) -> None:
    found = db.execute("SELECT act, count(*) AS n FROM acts GROUP BY act ORDER BY act").fetchall()
    assert found == [{"act": act, "n": ROWS} for act in done], "reads still work, and see no half of what failed"
    db.log()


def file_size_limit(size_bytes: int) -> Room:
    """Return how no file of this process may grow beyond a size: as with a quota, the system refuses the write."""

    def room(taken: bool) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes if taken else hard, hard))

    return room


def ballast(path: Path, left_bytes: int) -> Room:
    """Return how a file beside the store takes all of a small disk but `left_bytes`."""

    def room(taken: bool) -> None:
        path.unlink(missing_ok=True)
        if taken:
            with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            with path.open("r+b") as file:
                file.truncate(max(0, path.stat().st_size - left_bytes))

    return room


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a small disk on a folder, which keeps its owner; skip where this process may not mount one."""
    status = folder.stat()
    options = f"size={size_bytes},uid={status.st_uid},gid={status.st_gid},mode=700"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here, which takes root: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up_to(path: Path, size_bytes: int, acts: int, log: Path) -> None:
    """See `fill`."""
    fill(path, file_size_limit(size_bytes), acts, log)


def fill_disk(path: Path, left_bytes: int, acts: int, log: Path) -> None:
    """See `fill`."""
    fill(path, ballast(path.with_name("ballast"), left_bytes), acts, log)


def make(path: Path, size_bytes: int, log: Path) -> None:
    """Make a store where there is no room for it, and then where there is."""
    room = file_size_limit(size_bytes)
    room(True)
    full = False
    try:
        holdfast.connect(path).close()
    except holdfast.StoreFull:
        full = True
    room(False)  # the log needs some, too
    if full:
        say(log, "full")
    prepare(path)
