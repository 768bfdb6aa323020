"""Goal: one owner at a time among real processes (G4, G5). Method: owners that are killed, stopped, and go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.engine.contract import Engine
from holdfast.engine.kv import Disk
from holdfast.engine.kv.valkey import Valkey
from holdfast.engine.leases import heart as hearts
from holdfast.engine.leases.heart import Heart
from holdfast.engine.leases.leases import Lease, claim, hold_of, renew
from holdfast.engine.leases.owners import here, myself
from holdfast.engine.postgres import PostgresEngine
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.errors import Fenced, RunBusy, StoreFull, StoreUnavailable
from tests import valkey_server
from tests.postgresql import fresh_url

pytestmark = pytest.mark.skipif(not here(), reason="this system does not tell which processes live")

OWNER = """
import sys
from holdfast.engine.kv import Disk
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.errors import Fenced
from holdfast.engine.leases.heart import Heart
from holdfast.engine.leases.leases import claim
from holdfast.engine.leases.owners import myself

_, kind, path, length = sys.argv
engine = SqliteEngine.open(path) if kind == "file" else TreeEngine.open(Disk(path))
session = engine.session()
lease = claim(session, "run-1", myself(), float(length))
heart = Heart(engine.session)
heart.keep(lease)
print("owns", flush=True)
for word in sys.stdin:
    def work(writer):
        lease.check(writer)
        writer.put_entry("work", "last", word.strip().encode())
    try:
        session.write_together(work)
        print("landed", flush=True)
    except Fenced:
        print("fenced", flush=True)
"""
DEADLINE_SECONDS = 30


def opened(kind: str, path: Path) -> Engine:
    return SqliteEngine.open(path) if kind == "file" else TreeEngine.open(Disk(path))


@contextmanager
def owning(kind: str, path: Path, length: float) -> Iterator[subprocess.Popen[str]]:
    """Start a process that owns a run, and renews its lease."""
    command = [sys.executable, "-c", OWNER, kind, str(path), str(length)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "owns\n"
        try:
            yield child
        finally:
            child.kill()


def write(child: subprocess.Popen[str], word: str) -> str:
    assert child.stdin
    assert child.stdout
    child.stdin.write(word + "\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


def until(found: Callable[[], Any]) -> Any:
    """Return what is found at last."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        with suppress(RunBusy):
            if result := found():
                return result
        time.sleep(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_g5_an_owner_that_is_killed_is_replaced_at_once(kind: str, tmp_path: Path) -> None:
    """Its lease would last for ten minutes."""
    engine = opened(kind, tmp_path / "store")
    with owning(kind, tmp_path / "store", 600) as child:
        with pytest.raises(RunBusy, match=f"process {child.pid} on"):
            claim(engine.session(), "run-1", myself())
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert claim(engine.session(), "run-1", myself()).epoch == 2
    engine.close()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_c3_c5_an_owner_that_renews_is_not_stolen_from_and_one_that_is_stopped_is_fenced(
    kind: str, tmp_path: Path
) -> None:
    engine = opened(kind, tmp_path / "store")
    session = engine.session()

    def beats() -> int:
        with session.read() as reader:
            return hold_of(reader, "run-1").beats

    with owning(kind, tmp_path / "store", 1.5) as child:
        tried = 0
        while beats() < 5:  # longer than a lease lasts
            tried += 1
            with pytest.raises(RunBusy):
                claim(session, "run-1", myself())
        assert tried > 5
        assert write(child, "first") == "landed"
        child.send_signal(signal.SIGSTOP)
        mine = until(lambda: claim(session, "run-1", myself(), 600))
        child.send_signal(signal.SIGCONT)
        assert write(child, "second") == "fenced"
        assert write(child, "third") == "fenced"
    with session.read() as reader:
        assert reader.entry("work", "last") == b"first"
        assert hold_of(reader, "run-1").epoch == mine.epoch == 2
    engine.close()


def test_c1_of_many_that_claim_at_once_one_owns(tmp_path: Path) -> None:
    """Threads, each with a connection of its own, round after round."""
    engine = opened("file", tmp_path / "store.db")
    barrier, owned = threading.Barrier(8), Counter[int]()

    def contest() -> None:
        session = engine.session()
        for _ in range(20):
            barrier.wait()
            with suppress(RunBusy):
                lease = claim(session, "run-1", myself())
                owned[lease.epoch] += 1
            barrier.wait()
            with suppress(NameError, UnboundLocalError):
                lease.release(session)
            barrier.wait()

    threads = [threading.Thread(target=contest) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert owned == dict.fromkeys(range(1, 21), 1)
    engine.close()


@pytest.fixture(params=["file", "postgres", "valkey"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    kept: dict[str, Callable[[], Engine]] = {
        "file": lambda: opened("file", tmp_path / "store.db"),
        "postgres": lambda: PostgresEngine.open(fresh_url()),
        "valkey": lambda: TreeEngine.open(Valkey(valkey_server.fresh_url())),
    }
    engine = kept[request.param]()
    yield engine
    engine.close()


def heart_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "holdfast-heart"]


def test_one_thread_renews_all_leases_and_ends_with_the_last(engine: Engine) -> None:
    session, heart = engine.session(), Heart(engine.session)
    leases = [claim(session, f"run-{number}", myself(), 0.6) for number in range(50)]
    for lease in leases:
        heart.keep(lease)
    assert len(heart_threads()) == 1
    until(lambda: all(lease.beats > 4 for lease in leases))
    assert all(lease.is_sure for lease in leases)
    for lease in leases[:-1]:
        heart.drop(lease)
    leases[-1].release(session)
    until(lambda: not heart_threads())
    heart.keep(again := claim(session, "run-again", myself(), 0.6))
    until(lambda: again.beats > 2)
    heart.drop(again)
    until(lambda: not heart_threads())


def test_a_lease_that_is_forgotten_is_not_renewed_for_ever(engine: Engine) -> None:
    session, heart = engine.session(), Heart(engine.session)

    def forget() -> None:
        heart.keep(claim(session, "run-1", myself(), 0.5))

    forget()
    assert until(lambda: claim(session, "run-1", myself())).epoch == 2
    until(lambda: not heart_threads())


def test_c5_a_renewal_that_fails_is_tried_again_and_nobody_counts_on_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, heart = engine.session(), Heart(engine.session)
    lease = claim(session, "run-1", myself(), 0.6)
    failing, failed = threading.Event(), Counter[str]()
    failing.set()

    def failing_renewal(session: Any, leases: list[Lease]) -> None:
        if failing.is_set():
            failed["renewals"] += 1
            raise StoreUnavailable("cut off")
        renew(session, leases)

    monkeypatch.setattr(hearts, "renew", failing_renewal)
    heart.keep(lease)
    until(lambda: failed["renewals"] > 3)
    until(lambda: not lease.is_sure)
    with pytest.raises(Fenced, match="without being renewed"):
        lease.check_sure()
    failing.clear()
    until(lambda: lease.is_sure)
    lease.check_sure()
    heart.drop(lease)


def test_what_could_not_be_given_back_is_given_back_later(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then this process knows that nobody works on it any more, and others trust the lease."""
    session, heart = engine.session(), Heart(engine.session)
    lease = claim(session, "run-1", myself(), 1)
    full, failed = threading.Event(), Counter[str]()
    full.set()
    release = Lease.release

    def failing_release(self: Lease, session: Any) -> None:
        if full.is_set():
            failed["releases"] += 1
            raise StoreFull("no room")
        release(self, session)

    monkeypatch.setattr(Lease, "release", failing_release)
    heart.give_up(lease)
    until(lambda: failed["releases"] > 1)
    assert heart.given_up("run-1") == (lease.owner,)
    with pytest.raises(RunBusy):
        claim(session, "run-1", myself())
    full.clear()
    until(lambda: not heart_threads())
    assert lease.lost
    assert heart.given_up("run-1") == ()
    assert claim(session, "run-1", myself()).epoch == 2


def test_what_is_never_given_back_ends_by_itself(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    session, heart = engine.session(), Heart(engine.session)
    lease = claim(session, "run-1", myself(), 0.6)

    def failing_release(*_: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(Lease, "release", failing_release)
    heart.give_up(lease)
    until(lambda: not heart_threads())
    assert heart.given_up("run-1") == ()


def test_a_closed_store_ends_the_thread(engine: Engine) -> None:
    heart = Heart(engine.session)
    lease = claim(engine.session(), "run-1", myself(), 0.5)
    heart.keep(lease)
    engine.close()
    until(lambda: not heart_threads())
    assert os.getpid() == lease.owner.pid
