"""A primary and its synchronous standby, which change places, and the clients that work on them meanwhile.

What clients were told stands in a file outside: the witness. Each line is on the disk before its writer goes on.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

import holdfast
from holdfast import Happened
from tests.crash.run_bodies import Effects
from tests.postgresql import DURABLE, VERSION, Server

SETTINGS = {**DURABLE, "wal_retrieve_retry_interval": "50ms"}
TURNS = 10
CONCURRENCY = 2
PATIENCE_SECONDS = 60.0


class Pair:
    """Two servers, one of which follows the other.

    Attributes:
        primary: the one that is written to.
        standby: the one without which no commit is acknowledged.
    """

    def __init__(self, primary: Server, standby: Server) -> None:
        self.primary = primary
        self.standby = standby
        self.url = (
            f"postgresql://postgres@/postgres?host={primary.folder},{standby.folder}&target_session_attrs=read-write"
        )

    def wait_for_standby(self) -> None:
        """Let commits of the primary wait for the standby; return once all that is committed is on it."""
        with psycopg.connect(self.primary.url, autocommit=True) as admin:
            until(lambda: bool(admin.execute("SELECT FROM pg_stat_replication WHERE state = 'streaming'").fetchall()))
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
            until(lambda: bool(admin.execute("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'").fetchall()))
            admin.execute("SELECT pg_logical_emit_message(true, '', '')")

    def fail_over(self) -> None:
        """Kill the primary, and let the standby take over."""
        self.primary.stop(signal.SIGKILL)
        self.primary, self.standby = self.standby, self.primary
        with psycopg.connect(self.primary.url, autocommit=True) as admin:
            assert admin.execute("SELECT pg_promote()").fetchall() == [(True,)]

    def rejoin(self) -> None:
        """Let the one that was killed follow the other, as a copy of it."""
        self.standby.follow(self.primary)
        self.standby.start()
        self.wait_for_standby()


@contextmanager
def replicated(version: int = VERSION) -> Iterator[Pair]:
    """Yield a primary and its synchronous standby."""
    primary = Server(SETTINGS, version)
    try:
        primary.start()
        standby = Server(SETTINGS, version, follows=primary)
        try:
            standby.start()
            pair = Pair(primary, standby)
            pair.wait_for_standby()
            yield pair
        finally:
            standby.close()
    finally:
        primary.close()


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Witness:
    """What one or several processes say, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, *what: object) -> None:
        """Write a line that is on the disk when this returns."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, json.dumps(what).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)

    def said(self) -> list[list[Any]]:
        """Return all lines."""
        return [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []


def agent_of(effects: Effects, witness: Witness) -> Callable[[Any], Any]:
    """Return the function that works on the runs, and says what it begins, does and was told is done."""

    def paid(what: str) -> Happened | None:
        return Happened(f"did {what}") if effects.done()[what] else None

    def agent(run: holdfast.Run) -> int:
        me, entry = run.run_id, os.urandom(8).hex()
        witness.say("enters", entry)

        def do(what: str) -> str:
            witness.say("does", entry, what)
            return effects.do(what)

        for turn in range(TURNS):
            run.state.setdefault("messages", []).append(turn)
            run.log("turn", turn)
            run.step("turn", do, f"{me} turn {turn}")
            witness.say("done", f"{me} turn {turn}")
        run.options(effect="once", verify=paid).step("pay", do, f"{me} pay")
        witness.say("done", f"{me} pay")
        return len(run.state["messages"])

    return agent


def work(url: str, folder: Path) -> None:
    """Work on runs for ever, whatever becomes of the servers."""
    agent = agent_of(Effects(folder / "effects.log"), Witness(folder / "witness"))
    with _complaints(folder):
        while True:
            with suppress(holdfast.StoreUnavailable), holdfast.connect(url, timeout=30) as db:
                db.worker({"agent": agent}, concurrency=CONCURRENCY, backoff=0.01, attempts=1_000, lease=1.0).run()


def count(url: str, folder: Path, branch: str) -> None:
    """Count in two variables at once, on a branch of one's own, over one connection that is never given up."""
    witness = Witness(folder / branch)
    with _complaints(folder), holdfast.connect(url, timeout=30) as store:
        db = store.checkout(branch)
        while True:
            number = counted(db) + 1
            try:
                db.state["left"] = db.state["right"] = number
                db.state.commit()
            except holdfast.StoreUnavailable:
                db.state.discard()
            else:
                witness.say(number)


def counted(db: holdfast.Store) -> int:
    """Return how far a branch has counted; wait while no server can be asked."""
    while True:
        with suppress(holdfast.StoreUnavailable):
            left, right = db.state.get("left", 0), db.state.get("right", 0)
            assert left == right, "half a commit"
            return int(left)


@contextmanager
def _complaints(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        Witness(folder / "complaints").say(repr(error))
        raise
