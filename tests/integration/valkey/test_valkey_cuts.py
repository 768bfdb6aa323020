"""Goal: whatever a connection to Valkey is cut in the middle of is there once, and the step's function ran once.

Method: a proxy before a real server, which lets everything through up to a message, and then cuts the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import holdfast
from tests.proxy import Proxy, check_recorded_once
from tests.valkey_server import Server, running


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@contextmanager
def proxied(server: Server) -> Iterator[tuple[Proxy, str]]:
    """Yield a proxy before a server, and the URL through it."""
    proxy = Proxy(server.socket)
    try:
        yield proxy, f"valkey://127.0.0.1:{proxy.port}"
    finally:
        proxy.close()


@pytest.mark.parametrize("delivered", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("said", [b"holdfast_1_publish", b"MGET"])
@pytest.mark.parametrize("replicas", ["", "?replicas=0"])
def test_d16_a_step_whose_connection_is_cut_is_recorded_once(
    server: Server, said: bytes, delivered: bool, replicas: str
) -> None:
    with proxied(server) as (proxy, through):
        check_recorded_once(proxy, through + replicas, server.url, said, delivered=delivered)


@pytest.mark.parametrize("delivered", [True, False], ids=["after", "before"])
def test_a_transaction_whose_connection_is_cut_is_there_once(server: Server, delivered: bool) -> None:
    """The block of a transaction cannot be done again; what it sent at its end can."""
    with proxied(server) as (proxy, through), holdfast.connect(through) as db:
        db.state["x"] = 1
        db.state.commit()
        proxy.delivered = delivered
        with db.transaction("cut"):
            db.state["x"] = 2
            proxy.message = b"holdfast_1_publish"
        assert proxy.cuts == 1
        with holdfast.connect(server.url) as other:
            assert other.state["x"] == 2
            assert len([commit for commit in other.log() if commit.message == "cut"]) == 1


@pytest.mark.parametrize("delivered", [True, False], ids=["after", "before"])
def test_the_turn_is_taken_and_given_back_once(server: Server, delivered: bool) -> None:
    """A comparison whose answer is lost is asked for again, and found to have been made."""
    with proxied(server) as (proxy, through), holdfast.connect(through) as db:
        proxy.message, proxy.delivered = b"holdfast_1_compare", delivered
        with db.transaction("one"):
            db.state["x"] = 1
        assert proxy.cuts == 1
        with holdfast.connect(server.url, timeout=5) as other:
            other.state["y"] = 2
            other.state.commit()
        assert db.verify().commits
