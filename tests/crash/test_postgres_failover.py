"""Goal: when a standby takes over, nothing is missing that was acknowledged, and nothing is done again (G1 to G3).

Method: a primary that acknowledges nothing before its standby has it is killed with SIGKILL in the middle of what
several processes do, and the standby promoted; what was the primary follows the other, and so on. Clients name both
hosts, and get `StoreUnavailable` or go on. What they were told stands in files outside.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
import pytest

import holdfast
from holdfast.engine.postgres.driver import PostgresDriver
from tests.crash.failing_over import (
    CONCURRENCY,
    PATIENCE_SECONDS,
    TURNS,
    Pair,
    Witness,
    count,
    counted,
    replicated,
    until,
    work,
)
from tests.crash.run_bodies import Effects
from tests.crash.served_runs import done_twice, start, until_complete
from tests.crash.sweep import PROCESSES
from tests.integration.postgres.test_postgres_cuts import proxied
from tests.postgresql import DURABLE, MISSING, Server, installed

WORKERS = 2
COUNTERS = ("a", "b")


@pytest.fixture
def pair() -> Iterator[Pair]:
    if not installed():
        pytest.skip(MISSING)
    with replicated() as found:
        yield found


@pytest.mark.slow
def test_g1_g3_a_standby_that_takes_over_has_all_that_was_acknowledged(pair: Pair, tmp_path: Path, soak: bool) -> None:
    rounds = 30 if soak else 2
    choose, names = random.Random(12), [f"r{at}" for at in range(3 * rounds)]
    with holdfast.connect(pair.url) as db:
        for name in COUNTERS:
            db.branch(name)
    clients: list[BaseProcess] = [
        *(PROCESSES.Process(target=work, args=(pair.url, tmp_path), daemon=True) for _ in range(WORKERS)),
        *(PROCESSES.Process(target=count, args=(pair.url, tmp_path, name), daemon=True) for name in COUNTERS),
    ]
    try:
        for client in clients:
            client.start()
        until_all_count(tmp_path)
        for at in range(rounds):
            for name in names[3 * at : 3 * at + 3]:
                start(pair.url, name)
            time.sleep(choose.random() * 0.5)  # the harm comes at any time
            pair.fail_over()
            until_all_count(tmp_path)
            if at + 1 < rounds:
                pair.rejoin()
        until_complete(pair.url, names)
    finally:
        for client in clients:
            client.kill()
            client.join()
    assert Witness(tmp_path / "complaints").said() == []
    check(pair.url, tmp_path, names, rounds)


def until_all_count(folder: Path) -> None:
    """Wait until each counter was told that it counted, as it was not yet when this is called."""
    witnesses = [Witness(folder / name) for name in COUNTERS]
    before = [len(witness.said()) for witness in witnesses]

    def on() -> bool:
        assert Witness(folder / "complaints").said() == []
        return all(len(witness.said()) > told for witness, told in zip(witnesses, before, strict=True))

    until(on)


def check(url: str, folder: Path, names: list[str], rounds: int) -> None:
    """Hold what is there against what each client was told."""
    done = Effects(folder / "effects.log").done()
    with holdfast.connect(url) as db:
        assert db.verify().commits
        for counter in COUNTERS:
            told = [number for (number,) in Witness(folder / counter).said()]
            assert told == sorted(set(told)), "none was given up and counted again"
            assert told[-1] <= counted(db.checkout(counter)) <= told[-1] + 1
        twice = done_twice(db, names, done, TURNS)
    assert 0 <= twice <= rounds * WORKERS * CONCURRENCY
    assert done_again(Witness(folder / "witness").said()) == []


def done_again(said: list[list[str]]) -> list[str]:
    """Return what somebody did who began after it was acknowledged, to whomever."""
    acknowledged: dict[str, int] = {}
    began: dict[str, int] = {}
    again: list[str] = []
    for at, (what, *rest) in enumerate(said):
        if what == "enters":
            began[rest[0]] = at
        elif what == "done":
            acknowledged.setdefault(rest[0], at)
        elif acknowledged.get(rest[1], at) < began[rest[0]]:
            again.append(rest[1])
    return again


def waiting(url: str) -> list[int]:
    """Return the processes of a server that wait for its standby."""
    with psycopg.connect(url, autocommit=True) as admin:
        found = admin.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchall()
    return [pid for (pid,) in found]


@contextmanager
def without_standby(pair: Pair) -> Iterator[None]:
    """Kill the standby, and start it again at the end."""
    pair.standby.stop(signal.SIGKILL)
    try:
        yield
    finally:
        pair.standby.start()


@pytest.mark.slow
def test_g1_a_commit_waits_for_the_standby_also_on_a_new_connection(pair: Pair) -> None:
    """Whoever finds a commit that had no answer is told that it is there, and the standby must have it by then."""
    with ThreadPoolExecutor(1) as pool, proxied(f"{pair.primary.url}&workspace=w") as (proxy, through):
        with holdfast.connect(through) as db:
            db.state["x"] = 1
            with without_standby(pair):
                commit = pool.submit(db.state.commit)
                until(lambda: bool(waiting(pair.primary.url)))
                left = waiting(pair.primary.url)
                proxy.cut()
                until(lambda: commit.done() or not set(waiting(pair.primary.url)) <= set(left))
                acknowledged = commit.done()
            commit.result(timeout=PATIENCE_SECONDS)
        assert not acknowledged
        pair.fail_over()
        with holdfast.connect(f"{pair.url}&workspace=w") as db:
            assert db.state["x"] == 1


@pytest.mark.slow
def test_g1_a_commit_whose_waiting_for_the_standby_was_ended_is_in_doubt(pair: Pair) -> None:
    """The server answers as if all were well."""
    with holdfast.connect(pair.url) as db, ThreadPoolExecutor(1) as pool:
        db.state["x"] = 1
        with without_standby(pair):
            commit = pool.submit(db.state.commit)
            until(lambda: bool(waiting(pair.primary.url)))
            with psycopg.connect(pair.primary.url) as admin:
                admin.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            with pytest.raises(holdfast.StoreUnavailable, match="its standby has not confirmed"):
                commit.result(timeout=PATIENCE_SECONDS)
        db.state.commit()  # it looks, and finds it
        assert len(list(db.log())) == 2
        pair.fail_over()
        assert db.state["x"] == 1
        assert db.verify().commits


@pytest.mark.slow
def test_a_standby_is_read_and_keeps_no_reader_waiting(pair: Pair) -> None:
    with holdfast.connect(pair.url) as db:
        db.state["x"] = 1
        db.state.commit()
        db.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        for at in range(15):  # what is seen of them is a long vector
            with db.branch(f"b{at}") as branch:
                branch.execute("INSERT INTO t VALUES (%s)", [at])
            db.merge(f"b{at}")
    pair.wait_for_standby()
    with holdfast.connect(pair.standby.url, read_only=True) as db:
        until(lambda: len(db.log(limit=100)) >= 17)  # it has what is committed before it shows it
        assert db.state["x"] == 1
        assert db.execute("SELECT count(*) AS n FROM t").fetchall() == [{"n": 15}]
        assert db.verify().commits
    with holdfast.connect(pair.standby.url) as db:
        with pytest.raises(holdfast.ReadOnly, match="; name the primary: host=a,b&target_session_attrs="):
            db.execute("INSERT INTO t VALUES (99)")
        assert db.state["x"] == 1

    def read() -> object:
        with holdfast.connect(pair.url) as db:
            return db.state["x"]

    with ThreadPoolExecutor(1) as pool, without_standby(pair):
        assert pool.submit(read).result(timeout=PATIENCE_SECONDS) == 1


def crashed(url: str, driver: PostgresDriver) -> None:
    """Kill the server's process of a connection, with all that the server had in its memory; hand on its number."""
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as admin:
        os.kill(driver._process[0], signal.SIGKILL)
        until(lambda: not admin.execute("SELECT 1").fetchall())
    number = 0

    def given_again() -> bool:
        nonlocal number
        with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as admin:
            ((number,),) = admin.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()
        return number >= int(driver._xid or 0)

    until(given_again)
    assert number == int(driver._xid or 0), "the number was not given again, and this tests nothing"


@pytest.mark.slow
def test_g1_a_commit_is_not_taken_for_another_that_a_crashed_server_numbered_alike() -> None:
    """What a server had not written to its disk it forgets, numbers of transactions included."""
    if not installed():
        pytest.skip(MISSING)
    server = Server({**DURABLE, "wal_writer_delay": "10s"})
    crashes: list[PostgresDriver] = []
    revive = PostgresDriver._revive

    def crash(driver: PostgresDriver) -> None:
        if driver._committing and not crashes:
            crashes.append(driver)
            crashed(server.url, driver)
        revive(driver)

    try:
        server.start()
        with pytest.MonkeyPatch.context() as patch, proxied(f"{server.url}&workspace=w") as (proxy, through):
            with holdfast.connect(through) as db:
                db.state["x"] = 1
                db.state.commit()
                patch.setattr(PostgresDriver, "_revive", crash)
                db.state["x"] = 2
                proxy.message, proxy.delivered = b"COMMIT", False
                with suppress(holdfast.StoreUnavailable):
                    db.state.commit()
                db.state.commit()  # it looks, and does it again
            assert (proxy.cuts, len(crashes)) == (1, 1)
            with holdfast.connect(through) as db:
                assert db.state["x"] == 2
    finally:
        server.close()
