"""Goal: a statement that reads is one round trip, and never tells of a branch what is not so any more.

Method: one connection reads until it knows the branch; another, which it knows nothing of, changes what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
import pytest

import holdfast
from tests.postgres_trips import trips_counted
from tests.postgresql import fresh_url, server

TRIPS_OF_A_PAGE = 16


class Pair(NamedTuple):
    """Two machines with one store, `url`."""

    reader: holdfast.Store
    other: holdfast.Store
    url: str

    def read(self, sql: str = "SELECT id, note FROM notes ORDER BY id") -> tuple[list[tuple[object, ...]], int]:
        """Return what the one reads, and in how many round trips."""
        with trips_counted() as trips:
            found = [tuple(row.values()) for row in self.reader.execute(sql).fetchall()]
        return found, len(trips)


@pytest.fixture
def pair() -> Iterator[Pair]:
    url = fresh_url()
    with holdfast.connect(url) as other, holdfast.connect(url) as reader:
        other.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)")
        other.execute("INSERT INTO notes VALUES (1, 'one')")
        other.branch("side")
        pair = Pair(reader, other, url)
        pair.read()
        assert pair.read() == ([(1, "one")], 1)
        yield pair


def _moved(other: holdfast.Store) -> None:
    other.execute("INSERT INTO notes VALUES (2, 'two')")


def _merged(other: holdfast.Store) -> None:
    other.checkout("side").execute("INSERT INTO notes VALUES (2, 'two')")
    other.merge("side")


def _reset(other: holdfast.Store) -> None:
    _moved(other)
    then = other.head
    other.execute("DELETE FROM notes WHERE id = 1")
    other.reset(then)


CHANGES = {"moved": _moved, "merged": _merged, "reset": _reset}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_branch_that_another_changed_is_seen(pair: Pair, change: Callable[[holdfast.Store], None]) -> None:
    change(pair.other)
    expected = [(1, "one"), (2, "two")]
    assert pair.read()[0] == expected
    assert pair.read() == (expected, 1)


def test_a_branch_of_anothers_commits_is_read_in_two(pair: Pair) -> None:
    for number in range(2, 6):
        pair.other.execute("INSERT INTO notes VALUES (%s, 'more')", [number])
        found, trips = pair.read()
        assert (len(found), trips) == (number, 2)


def test_own_writes_are_read_in_one(pair: Pair) -> None:
    pair.reader.execute("INSERT INTO notes VALUES (2, 'two')")
    assert pair.read() == ([(1, "one"), (2, "two")], 1)


def test_a_schema_that_another_changed_is_seen(pair: Pair) -> None:
    pair.other.execute("ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'm'")
    assert pair.read("SELECT id, more FROM notes")[0] == [(1, "m")]
    assert pair.read("SELECT id, more FROM notes") == ([(1, "m")], 1)
    pair.other.execute("ALTER TABLE notes RENAME COLUMN note TO text")
    with pytest.raises(holdfast.SqlError, match="note"):
        pair.read()
    assert pair.read("SELECT text FROM notes")[0] == [("one",)]
    pair.other.execute("DROP TABLE notes")
    with pytest.raises(holdfast.NotFound, match="notes"):
        pair.read()
    pair.other.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)")
    assert pair.read()[0] == []


def test_a_branch_that_another_removed_is_gone(pair: Pair) -> None:
    """Also when one of its name was made again, elsewhere."""
    side = Pair(pair.reader.checkout("side"), pair.other, pair.url)
    assert side.read()[0] == side.read()[0] == [(1, "one")]
    _moved(pair.other)
    pair.other.delete_branch("side")
    with pytest.raises(holdfast.NotFound, match="side"):
        side.read()
    pair.other.branch("side")
    assert side.read()[0] == [(1, "one"), (2, "two")]


def test_another_branch_in_the_statement_is_looked_at_too(pair: Pair) -> None:
    both = 'SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM "notes@side")'
    pair.read(both)
    assert pair.read(both) == ([(1, 1)], 1)
    pair.other.checkout("side").execute("INSERT INTO notes VALUES (7, 'seven'), (8, 'eight')")
    assert pair.read(both)[0] == [(1, 3)]
    assert pair.read(both) == ([(1, 3)], 1)


def test_a_statement_that_is_refused_is_refused_once_more_and_reads_go_on(pair: Pair) -> None:
    """By us, and by the server while it runs."""
    for refused, error in [
        ("SELECT nothing FROM notes", holdfast.SqlError),
        ("SELECT 1 / (id - 1) FROM notes", holdfast.InvalidValue),
        ("SELECT * FROM nowhere", holdfast.NotFound),
    ]:
        with pytest.raises(error):
            pair.read(refused)
        assert pair.read()[0] == [(1, "one")]
    assert pair.read() == ([(1, "one")], 1)


def test_inside_a_transaction_its_own_moment_is_read(pair: Pair) -> None:
    with pair.reader.transaction():
        pair.reader.execute("INSERT INTO notes VALUES (2, 'mine')")
        assert pair.read()[0] == [(1, "one"), (2, "mine")]
    with pair.reader.transaction(read_only=True):
        assert len(pair.read()[0]) == 2
        pair.other.execute("INSERT INTO notes VALUES (3, 'theirs')")
        assert len(pair.read()[0]) == 2
    assert len(pair.read()[0]) == 3


def test_a_lost_connection_is_replaced(pair: Pair) -> None:
    with psycopg.connect(server(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'holdfast' AND pid <> pg_backend_pid()"
        )
    assert pair.read()[0] == [(1, "one")]
    _moved(pair.other)
    assert len(pair.read()[0]) == 2


def test_a_page_of_events_costs_no_trip_for_each_of_its_numbers() -> None:
    """Seen to fail when rows of many keys were looked up one by one: a page took 258 trips."""
    with holdfast.connect(fresh_url()) as db:
        with db.run("r") as run:
            for number in range(5):
                run.step("say", int, number)
        list(db.events("r"))
        with trips_counted() as trips:
            assert len(list(db.events("r"))) == 7
        assert len(trips) <= TRIPS_OF_A_PAGE
