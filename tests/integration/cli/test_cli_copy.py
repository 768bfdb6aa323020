"""Goal: `holdfast copy` moves a store and says what it did. Method: the real command, on real stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import connect
from tests.integration.cli.conftest import Holdfast
from tests.postgresql import fresh_url

pytestmark = pytest.mark.slow


def store(path: Path) -> None:
    with connect(path) as db:
        db.execute("CREATE TABLE notes (id INT PRIMARY KEY, text TEXT)")
        db.execute("INSERT INTO notes VALUES (1, 'a'), (2, 'b')")
        db.tag("v1")


def test_a_store_is_copied_brought_up_to_date_and_then_there_is_nothing_to_do(
    holdfast: Holdfast, tmp_path: Path
) -> None:
    store(tmp_path / "a.db")
    assert holdfast("copy", "a.db", "b.db").out == "copied 3 commits with 2 versions of rows\n"
    assert holdfast("copy", "a.db", "b.db").out == "nothing to copy: 3 commits already there\n"
    holdfast("sql", "--store", "a.db", "UPDATE notes SET text = 'c' WHERE id = 1")
    done = holdfast("copy", "a.db", "b.db")
    assert (done.code, done.err) == (0, "")
    assert done.out == "copied 1 commit with 1 version of rows; 3 commits already there\n"
    holdfast("branch", "--store", "a.db", "side")
    counts = {"commits": 0, "commits_present": 4, "commits_total": 4, "rows": 0, "entries": 0, "names": 3}
    assert holdfast("copy", "a.db", "b.db", "--json").json == counts
    for command in (["log"], ["branch"], ["sql", "SELECT * FROM notes"]):
        one, other = (holdfast(*command, "--json", "--store", name) for name in ("a.db", "b.db"))
        assert one.json == other.json


def test_to_postgresql_and_back(holdfast: Holdfast, tmp_path: Path) -> None:
    store(tmp_path / "a.db")
    url = fresh_url()
    assert holdfast("copy", "a.db", url).out == "copied 3 commits with 2 versions of rows\n"
    assert holdfast("log", "--json", "--store", url).json == holdfast("log", "--json", "--store", "a.db").json
    assert holdfast("copy", url, "c.db").code == 0
    rows = holdfast("sql", "--json", "--store", "c.db", "SELECT * FROM notes ORDER BY id").json
    assert rows == [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]


def test_what_is_refused_is_said_and_nothing_is_made(holdfast: Holdfast, tmp_path: Path) -> None:
    store(tmp_path / "a.db")
    store(tmp_path / "other.db")
    ran = holdfast("copy", "a.db", "other.db")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "holdfast: the target has a history of its own, or is the source itself; name a new store\n"
    assert holdfast("copy", "a.db", "other.db", "--json").error["code"] == "already_exists"
    assert holdfast("copy", "none.db", "new.db", "--json").error["code"] == "not_found"
    assert holdfast("copy", "a.db", "no/folder.db", "--json").error["code"] == "not_found"
    assert not (tmp_path / "new.db").exists()
    assert holdfast("copy", "a.db").code == 2
    assert holdfast("verify", "--store", "other.db").code == 0
