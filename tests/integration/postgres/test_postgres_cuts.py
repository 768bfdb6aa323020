"""Goal: whatever a connection is cut in the middle of is there once, or not at all, and its writer knows which.

Method: a proxy before a real server, which lets everything through up to a message, and then cuts the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import holdfast
from tests.postgresql import fresh_url
from tests.proxy import Proxy, check_recorded_once


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """Yield a proxy before the server of a URL, and the URL through it."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    proxy = Proxy(Path(asked["host"][0]) / ".s.PGSQL.5432")
    try:
        yield (
            proxy,
            f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?workspace={asked['workspace'][0]}&sslmode=disable",
        )
    finally:
        proxy.close()


@pytest.fixture
def url() -> str:
    return fresh_url()


@pytest.mark.parametrize("delivered", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("said", [b"COMMIT", b"INSERT INTO hf_commit", b"pg_try_advisory"])
def test_a_step_whose_connection_is_cut_is_recorded_once(url: str, said: bytes, delivered: bool) -> None:
    """The step's function runs once, and nobody hears of the cut: its commit is found, or done again."""
    with proxied(url) as (proxy, through):
        check_recorded_once(proxy, through, url, said, delivered=delivered)


@pytest.mark.parametrize("delivered", [True, False], ids=["after", "before"])
def test_a_transaction_whose_connection_is_cut_says_whether_it_is_there(url: str, delivered: bool) -> None:
    """It cannot be done again, since what is in its block is the user's."""
    with proxied(url) as (proxy, through), holdfast.connect(through) as db:
        db.state["x"] = 1
        db.state.commit()
        proxy.delivered = delivered

        def write() -> None:
            with db.transaction("cut"):
                db.state["x"] = 2
                db.state.commit()
                proxy.message = b"COMMIT"

        if delivered:
            write()
        else:
            with pytest.raises(holdfast.StoreUnavailable, match="Nothing was committed; do it again"):
                write()
            db.state.discard()
        assert proxy.cuts == 1
        with holdfast.connect(url) as other:
            assert other.state["x"] == 1 + delivered
            assert len([commit for commit in other.log() if commit.message == "cut"]) == delivered
        db.state["x"] = 3
        db.state.commit()
        assert db.verify().commits
