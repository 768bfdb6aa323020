"""Goal: what is erased is gone: from every branch, the past, and the bytes of the file. Method: grep for a marker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast

MARKER = "m4rk-of-ann"


@pytest.fixture
def db(path: Path) -> Iterator[holdfast.Store]:
    """Return a store in which a marker stands in old and new versions of two rows, on branches, and in a message."""
    with holdfast.connect(path) as store:
        store.execute("CREATE TABLE people (id INT PRIMARY KEY, name TEXT)")
        store.execute("CREATE TABLE messages (who INT, text TEXT)")
        store.executemany("INSERT INTO people VALUES (%s, %s)", [[1, f"{MARKER} 1"], [2, "bob"], [3, "cy"]])
        for number in range(60):
            store.execute(
                "INSERT INTO messages VALUES (%s, %s)", [number % 3 + 1, (MARKER if number % 3 == 0 else "-") * 90]
            )
        store.tag("past")
        with store.branch("side") as side, side.transaction(f"rename {MARKER}"):
            side.execute("UPDATE people SET name = %s WHERE id = 1", [f"{MARKER} 2"])
        store.execute("UPDATE people SET id = 9 WHERE id = 1")
        store.execute("DELETE FROM messages WHERE who = 2")
        with store.branch("away") as away:
            away.execute("DELETE FROM people WHERE id = 9")
        yield store


def remnants(path: Path) -> list[str]:
    return [file.name for file in path.parent.iterdir() if MARKER.encode() in file.read_bytes()]


def test_k9_what_is_erased_is_gone_from_every_point_and_from_the_file(db: holdfast.Store, path: Path) -> None:
    assert remnants(path)
    commits = [commit.hash for commit in db.log()]
    found = db.erase({"people": [9], "messages": {"who": 1}}, texts=True)
    assert (found.rows, found.versions, found.commits) == (21, 23, 24)
    assert remnants(path) == []
    for ref in ("main", "side", "away", "past"):
        with db.checkout(ref) as there:
            assert [row["id"] for row in there.execute("SELECT id FROM people ORDER BY id")] == [2, 3]
            assert there.execute("SELECT count(*) AS n FROM messages WHERE who = 1").fetchone() == {"n": 0}
    assert [commit.hash for commit in db.log()] == commits
    checked = db.verify()
    assert checked.erased == 25 + 23  # changes of rows, and texts
    db.merge("side")
    db.gc(keep_last=1)
    assert db.verify().erased > 0
    with holdfast.connect(path) as again:
        again.verify()


def test_what_was_erased_cannot_be_guessed_back(db: holdfast.Store) -> None:
    """The commit's salt is gone; of the salts derived from it, only those of the rows that stay are left."""
    db.erase({"people": [1]})
    point = next(commit.point for commit in db.log() if commit.message == "INSERT INTO people")
    with db._session.read() as reader:
        assert reader.commit(point).salt is None
        salts = [erasure.salt for erasure in reader.erasures(point).values()]
    assert len(salts) == 4
    assert salts.count(None) == 1


def test_erasing_again_finds_nothing(db: holdfast.Store) -> None:
    assert db.erase({"people": [1]}).rows == 1
    assert db.erase({"people": [1]}) == holdfast.Erased(0, 0, 0)


def test_harm_is_found_after_an_erasure(db: holdfast.Store) -> None:
    db.erase({"people": [2]})
    with db._session.write() as writer:
        writer._db.rows("UPDATE hf_v1 SET c2 = 'forged' WHERE c1 = 3")  # type: ignore[attr-defined]
    with pytest.raises(holdfast.StoreCorrupt):
        db.verify()


@pytest.mark.parametrize(
    ("subject", "error"),
    [
        ({}, holdfast.InvalidValue),
        ("people", holdfast.InvalidValue),
        ({"people": 1}, holdfast.InvalidValue),
        ({"people": "1"}, holdfast.InvalidValue),
        ({"people": {}}, holdfast.InvalidValue),
        ({"people": [(1, 2)]}, holdfast.InvalidValue),
        ({"messages": [1]}, holdfast.InvalidValue),
        ({"people": {"nam": 1}}, holdfast.NotFound),
        ({"nobody": [1]}, holdfast.NotFound),
    ],
    ids=repr,
)
def test_g9_a_subject_that_is_none_is_refused(db: holdfast.Store, subject: Any, error: type[Exception]) -> None:
    head = db.verify()
    with pytest.raises(error):
        db.erase(subject)
    assert db.verify() == head


@pytest.mark.parametrize("call", [lambda db: db.erase({"people": [1]})])
def test_an_erasure_is_no_part_of_a_transaction(db: holdfast.Store, call: Callable[[Any], object]) -> None:
    with db.transaction(), pytest.raises(holdfast.TransactionOpen):
        call(db)


def test_a_reader_of_what_was_before_keeps_the_log_and_is_named(db: holdfast.Store, path: Path) -> None:
    with holdfast.connect(path) as other, other._session.read() as reader:
        reader.branches()
        with holdfast.connect(path, timeout=0.1) as hasty, pytest.raises(holdfast.Timeout):
            hasty.erase({"people": [1], "messages": {"who": 1}}, texts=True)
    db.erase({"people": [1], "messages": {"who": 1}}, texts=True)
    db.erase({"people": [9]}, texts=True)
    assert remnants(path) == []
