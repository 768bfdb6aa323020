"""Goal: a store works behind a pooler in transaction mode. Method: PgBouncer where there is one, and a stricter one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

import holdfast
from tests.pooler import POOLERS, SERVER_CONNECTIONS
from tests.postgresql import fresh_url, server

PEOPLE = 4


@pytest.fixture(params=POOLERS)
def through(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a store through a pooler."""
    with POOLERS[request.param](fresh_url()) as url:
        yield url


def test_more_clients_than_connections_work_behind_a_pooler(through: str) -> None:
    """Statements, state, runs and time travel, with names of many branches in one connection after the other."""
    url = f"{through}&pooler=transaction"
    with holdfast.connect(url) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, who TEXT, v VECTOR(2), at TIMESTAMPTZ)")

    def work(who: int) -> None:
        with holdfast.connect(url) as db:
            with db.run(f"r{who}") as run:
                for at in range(5):
                    run.state["n"] = at
                    run.step("one", str, at)
            for at in range(5):
                row = [who * 100 + at, str(who), [at, 0], "2026-03-01 09:30"]
                db.execute("INSERT INTO t VALUES (%s, %s, %s, %s)", row)
            with db.transaction():
                db.execute("UPDATE t SET who = upper(who) WHERE id = %s", [who * 100])
                db.execute("DELETE FROM t WHERE id = %s RETURNING id", [who * 100 + 1])

    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(work, range(PEOPLE)))
    with holdfast.connect(url) as db:
        for at in range(20):  # what is seen from here is a long vector
            with db.branch(f"b{at}") as branch:
                branch.execute("INSERT INTO t (id) VALUES (%s)", [1000 + at])
            db.merge(f"b{at}")
        assert db.execute("SELECT count(*) AS n FROM t").fetchall() == [{"n": PEOPLE * 4 + 20}]
        nearest = db.execute("SELECT id FROM t WHERE id < 100 ORDER BY v <-> %s LIMIT 1", [[3.1, 0]]).fetchall()
        assert nearest == [{"id": 3}]
        assert {info.status for info in db.runs()} == {"complete"}
        assert all(db.run(f"r{who}").state["n"] == 4 for who in range(PEOPLE))
        assert db.verify().commits


def test_every_transaction_behind_a_pooler_has_its_settings(through: str) -> None:
    for durability, setting in (("full", "on"), ("process", "off")):
        with holdfast.connect(f"{through}&pooler=transaction", durability=durability, statement_timeout=7) as db:
            for _ in range(3):
                asked = "SELECT current_setting('synchronous_commit') AS s, current_setting('statement_timeout') AS t"
                assert db.execute(asked).fetchall() == [{"s": setting, "t": "7s"}]
    with psycopg.connect(server(), autocommit=True) as raw:  # nothing of it stays with a connection of the server's
        (left,) = raw.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'").fetchall()
        assert left == (0,)


def test_who_waits_behind_a_pooler_hears_of_commits(through: str) -> None:
    url = f"{through}&pooler=transaction"
    with holdfast.connect(url) as db, holdfast.connect(url) as other:
        heard = threading.Event()

        def follow() -> None:
            for event in db.run("r").events(follow=True):
                if event.kind == "said":
                    heard.set()
                    return

        with other.run("r") as run:
            following = threading.Thread(target=follow, daemon=True)
            following.start()
            run.log("said")
            run.step("one", str, 1)
            assert heard.wait(60)
        following.join()


def test_a_pooler_gives_each_transaction_any_connection() -> None:
    """Else the tests above prove nothing: without the option what one transaction sets is not there in the next."""
    with POOLERS["plain"](fresh_url()) as url, pytest.raises(holdfast.HoldfastError), holdfast.connect(url) as db:
        db.execute("CREATE TABLE t (id INT)")
    assert SERVER_CONNECTIONS < PEOPLE


def test_a_pooler_of_another_name_is_refused() -> None:
    with pytest.raises(holdfast.InvalidValue, match=r"session .* or transaction"):
        holdfast.connect(f"{fresh_url()}&pooler=statement")
