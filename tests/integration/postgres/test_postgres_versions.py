"""Goal: each version of PostgreSQL that CI can have does what Holdfast asks of it. Method: a short tour on each.

The conformance suite runs on both, too; all other tests run on one of them, which HOLDFAST_POSTGRES names.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

import holdfast
from tests.integration.postgres.test_postgres_cuts import proxied
from tests.postgresql import PROGRAMS, fresh_url, server


@pytest.fixture(params=PROGRAMS, ids="postgres-{}".format)
def version(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def url(version: int) -> str:
    return fresh_url(version)


def test_the_server_is_of_the_version_that_was_asked_for(version: int) -> None:
    with psycopg.connect(server(version)) as raw:
        assert raw.info.server_version // 10_000 == version


def test_runs_merges_and_gc(url: str) -> None:
    with holdfast.connect(url) as db:
        with db.run("r", merge="main") as run:
            for number in range(5):
                run.state.setdefault("notes", []).append(number)
                run.log("thought", {"number": number})
                run.step("one", str, number)
            run.result = "done"
        assert [step.result for step in db.run("r").steps()] == list("01234")
        assert [event.data for event in db.events("r") if event.kind == "thought"] == [{"number": n} for n in range(5)]
        other = db.branch("other")
        for store, name in ((db, "x"), (other, "y")):
            store.state[name] = name
            store.state.commit()
        assert not db.merge("other").conflicts
        assert (db.state["x"], db.state["y"]) == ("x", "y")
        db.delete_branch("other")
        db.gc(older_than=timedelta(0))
        assert db.verify().commits


def test_a_commit_whose_answer_is_lost_is_found(url: str) -> None:
    with proxied(url) as (proxy, through), holdfast.connect(through) as db:
        db.state["x"] = 1
        db.state.commit()
        db.state["x"] = 2
        proxy.message, proxy.delivered = b"COMMIT", True
        db.state.commit()
        assert proxy.cuts == 1
        assert db.state["x"] == 2
        assert len(list(db.log())) == 3, "the store's first, and these two"
