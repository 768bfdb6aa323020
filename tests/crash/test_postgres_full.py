"""Goal: a server whose disk is full loses nothing, and goes on when there is room (G8).

Method: a server of its own with a small disk, which a ballast fills: for the tables, or for the server's log. Where the
log has no room the server ends itself, as PostgreSQL does, and clients see that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import holdfast
from tests.crash.fullness import ballast, small_disk
from tests.postgresql import DURABLE, MISSING, Server, installed

pytestmark = pytest.mark.slow
BIG = 40_000
STEPS = 100
FULL = "No space left on device; free some and retry; nothing committed was lost"


@pytest.fixture
def own_server() -> Iterator[Server]:
    """Yield a server that is not started yet."""
    if not installed():
        pytest.skip(MISSING)
    made = Server(DURABLE)
    yield made
    made.close()


def disk_of(server: Server) -> Path:
    """Make a folder that is the server's."""
    disk = server.folder / "disk"
    disk.mkdir()
    owner = server.folder.stat()
    os.chown(disk, owner.st_uid, owner.st_gid)
    return disk


def write_for_ever(db: holdfast.Store, done: dict[str, bytes]) -> None:
    """Commit values until one is refused; that one is pending then."""
    while True:
        name = f"v{len(done)}"
        db.state[name] = value = os.urandom(BIG)
        db.state.commit()
        done[name] = value


def write_again(db: holdfast.Store, done: dict[str, bytes]) -> None:
    """Commit what is pending."""
    name = f"v{len(done)}"
    db.state.commit()
    done[name] = db.state[name]


def check_reads(url: str, done: dict[str, bytes]) -> None:
    """See over a connection of one's own that what was acknowledged can be read, and nothing else."""
    with holdfast.connect(url) as db:
        assert {name: db.state[name] for name in db.state} == done


def test_g8_a_full_disk_below_the_tables_loses_nothing(own_server: Server, tmp_path: Path, soak: bool) -> None:
    with small_disk(disk_of(own_server), 24_000_000) as disk:
        own_server.start()
        with psycopg.connect(own_server.url, autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        url = f"{own_server.url}&options=-c%20default_tablespace%3Dsmall"
        done: dict[str, bytes] = {}
        with holdfast.connect(url) as db:
            for left in range(0, 400_000, 20_000 if soak else 130_000):
                room = ballast(disk / "ballast", left)
                room(True)
                with pytest.raises(holdfast.StoreFull, match=FULL):
                    write_for_ever(db, done)
                check_reads(url, done)
                room(False)
                write_again(db, done)
            check_reads(url, done)
            steps_on_a_full_disk(db, disk)
            assert db.verify().commits
        own_server.stop()


def steps_on_a_full_disk(db: holdfast.Store, disk: Path) -> None:
    """See that a step whose record finds no room is done again, and no other."""
    calls: list[int] = []

    def work(number: int) -> bytes:
        calls.append(number)
        return os.urandom(BIG)

    def enter() -> None:
        with db.run("r") as run:
            for number in range(STEPS):
                run.step("work", work, number)

    room = ballast(disk / "ballast", 1_000_000)
    room(True)
    with pytest.raises(holdfast.StoreFull):
        enter()
    room(False)
    refused = calls[-1]
    enter()
    assert calls == [*range(refused + 1), *range(refused, STEPS)]
    assert db.run("r").status == "complete"


def test_g8_a_full_disk_below_the_log_ends_the_server_and_loses_nothing(own_server: Server) -> None:
    with small_disk(disk_of(own_server), 60_000_000) as disk:
        log = own_server.folder / "data" / "pg_wal"
        shutil.copytree(log, disk / "pg_wal", copy_function=copied)
        copied(log, disk / "pg_wal")
        shutil.rmtree(log)
        log.symlink_to(disk / "pg_wal")
        own_server.start()
        done: dict[str, bytes] = {}
        with holdfast.connect(own_server.url) as db:
            ballast(disk / "ballast", 0)(True)
            with pytest.raises(holdfast.StoreUnavailable, match=r"is there, or is not|cannot be connected to"):
                write_for_ever(db, done)
            own_server.stop()
            (disk / "ballast").unlink()
            own_server.start()
            write_again(db, done)  # unless it is there
            check_reads(own_server.url, done)
            assert db.verify().commits
        own_server.stop()


def copied(source: str | Path, target: str | Path) -> None:
    """Copy a file, with its owner; of a folder the owner alone."""
    if Path(source).is_file():
        shutil.copy2(source, target)
    shutil.copystat(source, target)
    owner = Path(source).stat()
    os.chown(target, owner.st_uid, owner.st_gid)
