"""Goal: a server that refuses, or is silent, gets an error that says what to do. Method: real servers that do so."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

import holdfast
from holdfast.engine.contract import Durability
from holdfast.engine.postgres.driver import PostgresDriver
from holdfast.engine.postgres.engine import _options
from tests.crash.failing_over import PATIENCE_SECONDS, until
from tests.integration.postgres.test_postgres_cuts import proxied
from tests.postgresql import MISSING, SETTINGS, Server, fresh_url, installed, server


@pytest.fixture
def url() -> str:
    return fresh_url()


@pytest.fixture
def own_server() -> Iterator[Server]:
    if not installed():
        pytest.skip(MISSING)
    made = Server({**SETTINGS, "max_connections": "6", "superuser_reserved_connections": "1"})
    made.start()
    yield made
    made.close()


def folder_of(url: str) -> Path:
    """Return the folder of the server of a URL."""
    return Path(parse_qs(urlsplit(url).query)["host"][0])


@pytest.fixture
def guarded(url: str) -> str:
    """Return the URL of a role that has to say its password, which is not in it."""
    rules = folder_of(url) / "data" / "pg_hba.conf"
    with psycopg.connect(server(), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS guarded")
        admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'geheim'")
        rules.write_text("local all guarded scram-sha-256\nlocal all all trust\n")
        admin.execute("SELECT pg_reload_conf()")
        until(lambda: _asks_for_password(url))
    return url.replace("postgres@", "guarded@")


def _asks_for_password(url: str) -> bool:
    try:
        psycopg.connect(f"host={folder_of(url)} user=guarded dbname=postgres").close()
    except psycopg.OperationalError:
        return True
    return False


@pytest.mark.parametrize("password", ["falsch", ""])
def test_a_wrong_password_is_told_and_not_repeated(guarded: str, password: str) -> None:
    with pytest.raises(holdfast.StoreUnavailable, match="; look at the user and the password of the URL") as raised:
        holdfast.connect(guarded.replace("guarded@", f"guarded:{password}@"))
    assert not password or password not in str(raised.value)


def test_a_right_password_is_enough(guarded: str) -> None:
    """What the role may not do is told next."""
    with pytest.raises(holdfast.StoreUnavailable, match=r"permission denied for database .*; ask whoever owns"):
        holdfast.connect(guarded.replace("guarded@", "guarded:geheim@"))


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("postgresql://postgres@/nowhere?host=HERE", 'database "nowhere" does not exist; make that database'),
        ("postgresql://postgres@/postgres?host=/nowhere", "; look whether the server runs"),
        ("postgresql://nobody_here@/postgres?host=HERE", 'role "nobody_here" does not exist; look whether'),
    ],
    ids=["database", "server", "role"],
)
def test_what_is_not_there_is_told(url: str, given: str, advice: str) -> None:
    with pytest.raises(holdfast.StoreUnavailable, match=f"cannot be connected to: .*{advice}"):
        holdfast.connect(given.replace("HERE", str(folder_of(url))))


@pytest.mark.slow
def test_a_server_without_a_connection_to_give_says_so(own_server: Server) -> None:
    with psycopg.connect(own_server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE guest LOGIN")
        admin.execute("GRANT CREATE ON DATABASE postgres TO guest")
    with ExitStack() as others, holdfast.connect(own_server.url) as db:
        db.state["x"] = 1
        db.state.commit()
        with pytest.raises(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(own_server.url))
        for given in (own_server.url, own_server.url.replace("postgres@", "guest@")):
            with pytest.raises(holdfast.StoreUnavailable, match="close connections that nobody needs, or raise"):
                holdfast.connect(given)
        db.state["x"] = 2
        db.state.commit()  # who has a connection goes on
        others.close()
        until(lambda: _can_connect(own_server.url))
        with holdfast.connect(own_server.url) as other:
            assert other.state["x"] == 2


def _can_connect(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up_while_connecting(own_server: Server) -> None:
    os.kill(own_server.process, signal.SIGSTOP)
    try:
        with pytest.raises(holdfast.StoreUnavailable, match=r"cannot be connected to: .*timeout"):
            holdfast.connect(own_server.url, timeout=0.1)  # 2 s are the least that the client waits
    finally:
        os.kill(own_server.process, signal.SIGCONT)
    with holdfast.connect(own_server.url) as db:
        assert db.verify().commits


def test_a_server_that_stops_in_the_middle_is_waited_for(url: str) -> None:
    """What was sent to it is done once, as soon as it goes on."""
    calls: list[int] = []
    with holdfast.connect(url) as db, ThreadPoolExecutor(1) as pool, db.run("r") as run:
        run.step("one", calls.append, 0)
        with psycopg.connect(server(), autocommit=True) as admin:
            pids = admin.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast'").fetchall()
        for (pid,) in pids:
            os.kill(pid, signal.SIGSTOP)
        step = pool.submit(run.step, "one", calls.append, 1)
        until(lambda: len(calls) == 2)
        assert not step.done()
        for (pid,) in pids:
            os.kill(pid, signal.SIGCONT)
        step.result(timeout=PATIENCE_SECONDS)
    assert calls == [0, 1]
    with holdfast.connect(url) as db:
        assert [step.status for step in db.run("r").steps()] == ["done"] * 2


def test_a_network_that_brings_nothing_is_noticed(url: str) -> None:
    """Nobody can be cut off here, so this looks at what the system was told."""
    with proxied(url) as (_, through):
        options = _options(through, Durability.FULL, 7.5, None, read_only=False)
        driver = PostgresDriver(options)
        with socket.socket(fileno=os.dup(driver.connection.fileno())) as connection:
            told = [
                connection.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            ]
        driver.close()
    assert told == [10, 5, 4, 30_000]
    assert "connect_timeout=8" in options.conninfo
    named = _options(f"{through}&connect_timeout=3&keepalives_idle=99", Durability.FULL, 7.5, None, read_only=False)
    assert [named.conninfo.count(name) for name in ("connect_timeout=", "keepalives_idle=")] == [1, 1]
    assert "connect_timeout=3" in named.conninfo
