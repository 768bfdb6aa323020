"""Goal: writers of different branches never wait for each other. Method: transactions that stay open beside others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

import holdfast
from holdfast.core.rows import Row
from holdfast.core.schema import Table
from holdfast.engine.contract import Lookups, Session, Writer
from holdfast.engine.postgres import PostgresEngine, PostgresSession
from holdfast.testing.schemas import TEXT, table
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions
from holdfast.versions.resolve import held_branch
from tests.postgres_trips import trips_counted
from tests.postgresql import fresh_url

PATIENCE = 60.0
"""Seconds that a test waits for another thread; none that passes waits."""


@pytest.fixture
def url() -> str:
    return fresh_url()


@contextmanager
def machines(url: str, timeout: float = PATIENCE) -> Iterator[tuple[PostgresSession, PostgresSession]]:
    """Yield sessions of two engines, which know nothing of each other, as if they were two machines."""
    one, other = PostgresEngine.open(url, timeout=timeout), PostgresEngine.open(url, timeout=timeout)
    try:
        yield one.session(), other.session()
    finally:
        one.close()
        other.close()


def notes(writer: Writer) -> Table:
    found = writer.catalogue().find("notes")
    assert found is not None
    return found


def note(id_: str, text: str) -> Put:
    return Put("notes", {"id": id_, "text": text})


def filled(session: Session) -> Versions:
    """Make a table with three rows, and two branches that inherit them."""
    versions = Versions(session)
    versions.create_table("main", table("notes", {"id": TEXT, "text": TEXT}, primary_key=("id",)))
    versions.commit("main", [note(id_, "") for id_ in "abc"])
    for name in ("one", "other"):
        versions.branch(name)
    return versions


def row_of(writer: Writer, branch: str, id_: str) -> Row:
    """Open the next commit of a branch unless it is open; return a row of it."""
    row = writer.find(notes(writer), (id_,))
    assert row is not None, branch
    return row


def test_commits_of_different_branches_do_not_wait_for_each_other(url: str) -> None:
    """Each has a transaction open that has written, and both end; with one lock of the store this ran out of time."""
    with machines(url, timeout=1.0) as (one, other):
        filled(one)
        with one.write() as left:
            left.open(held_branch(left, "one"))
            left.insert(notes(left), ("d", "left"))
            with other.write() as right:
                right.open(held_branch(right, "other"))
                right.insert(notes(right), ("d", "right"))
                right.seal("right")
            left.seal("left")
        assert Versions(one).verify().commits


def test_two_branches_delete_the_same_inherited_rows_in_opposite_order(url: str) -> None:
    """The rows are the parent's, and neither branch writes to them: no waiting, no deadlock."""
    with machines(url, timeout=1.0) as (one, other):
        versions = filled(one)
        with one.write() as left, other.write() as right:
            left.open(held_branch(left, "one"))
            right.open(held_branch(right, "other"))
            for first, second in ("ab", "ba"):
                left.delete(notes(left), row_of(left, "one", first))
                right.delete(notes(right), row_of(right, "other", second))
            left.seal("left")
            right.seal("right")
        assert [set(versions.snapshot(name)["notes"]) for name in ("one", "other")] == [{("c",)}] * 2
        assert versions.verify().commits


def test_who_wants_the_same_in_opposite_order_is_done_again(url: str) -> None:
    """PostgreSQL ends a deadlock by an error; that work is undone, and done again."""
    with machines(url) as (one, other):
        barrier, tries = threading.Barrier(2, timeout=PATIENCE), {"one": 0, "other": 0}

        def crossing(session: Session, who: str, first: str, second: str) -> None:
            def work(writer: Writer) -> None:
                tries[who] += 1
                counted = int(writer.entry("register", first) or b"0")
                writer.put_entry("register", first, b"%d" % (counted + 1))
                if tries[who] == 1:
                    barrier.wait()
                counted = int(writer.entry("register", second) or b"0")
                writer.put_entry("register", second, b"%d" % (counted + 1))

            session.write_together(work)

        with ThreadPoolExecutor(2) as pool:
            for done in [
                pool.submit(crossing, one, "one", "a", "b"),
                pool.submit(crossing, other, "other", "b", "a"),
            ]:
                done.result(timeout=PATIENCE)
        with one.read() as reader:
            assert [reader.entry("register", key) for key in "ab"] == [b"2", b"2"]
        assert sum(tries.values()) > 2


def test_what_is_written_without_being_read_in_opposite_order_is_done_again(url: str) -> None:
    """Nothing is held then but the rows, and the deadlock comes with the COMMIT."""
    with machines(url) as (one, other):
        barrier, tries = threading.Barrier(2, timeout=PATIENCE), {"one": 0, "other": 0}

        def crossing(session: PostgresSession, who: str, first: str, second: str) -> None:
            def work(writer: Writer) -> None:
                tries[who] += 1
                writer.put_entry("register", first, who.encode())
                assert writer.entry("elsewhere", who) is None  # so that the first is sent
                if tries[who] == 1:
                    barrier.wait()
                writer.put_entry("register", second, who.encode())

            session.write_together(work)

        with ThreadPoolExecutor(2) as pool:
            for done in [
                pool.submit(crossing, one, "one", "a", "b"),
                pool.submit(crossing, other, "other", "b", "a"),
            ]:
                done.result(timeout=PATIENCE)
        with one.read() as reader:
            assert reader.entry("register", "a") == reader.entry("register", "b") is not None
        assert sum(tries.values()) > 2


def test_others_of_a_process_go_on_while_one_waits_for_another_process(url: str) -> None:
    """Whoever finds its branch held elsewhere leaves the line, so a commit of another branch behind it lands first."""
    engine = PostgresEngine.open(url, timeout=PATIENCE)
    with machines(url) as (one, _), closing(engine):
        versions = filled(one)
        with ThreadPoolExecutor(2) as pool:
            with one.write() as writer:
                writer.open(held_branch(writer, "one"))
                tried = threading.Event()

                def waits() -> None:
                    def work(writer: Writer) -> None:
                        tried.set()
                        line = held_branch(writer, "one")
                        writer.open(line)
                        writer.insert(notes(writer), ("d", "waited"))
                        writer.seal("waited")

                    engine.session().write_together(work)

                waiting = pool.submit(waits)
                assert tried.wait(PATIENCE)
                Versions(engine.session()).commit("other", [note("d", "went on")])
                assert not waiting.done()
                writer.insert(notes(writer), ("e", "held"))
                writer.seal("held")
            waiting.result(timeout=PATIENCE)
        assert {key[0] for key in versions.snapshot("one")["notes"]} == set("abcde")


def test_a_name_is_given_once(url: str) -> None:
    with machines(url) as (one, other):
        filled(one)
        barrier = threading.Barrier(2, timeout=PATIENCE)

        def make(session: Session, name: str) -> str:
            barrier.wait()
            try:
                return Versions(session).branch(name)
            except holdfast.AlreadyExists:
                return ""

        with ThreadPoolExecutor(2) as pool:
            for number in range(20):
                made = [pool.submit(make, session, f"b{number}") for session in (one, other)]
                assert sorted(bool(done.result(timeout=PATIENCE)) for done in made) == [False, True]
        assert Versions(one).verify().commits


def test_who_changes_the_schema_is_alone(url: str) -> None:
    """What others write meanwhile cannot break a constraint that is just being looked at."""
    with machines(url, timeout=0.5) as (one, other):
        filled(one)
        with one.write() as left:
            left.open(held_branch(left, "one"))
            left.insert(notes(left), ("d", ""))
            with pytest.raises(holdfast.Timeout):
                Versions(other).create_table("other", table("more", {"id": TEXT}))
            with pytest.raises(holdfast.Timeout), other.write() as right:
                right.open(held_branch(right, "other"))
                right.define(right.catalogue().with_table(table("more", {"id": TEXT})))
            left.seal("left")
        Versions(other).create_table("other", table("more", {"id": TEXT}))
        assert Versions(one).verify().commits


def test_a_step_takes_two_round_trips(url: str) -> None:
    with holdfast.connect(url) as db, db.run("r") as run:
        run.state["notes"] = ["first"]
        for number in range(3):
            run.step("warm", str, number)
        with trips_counted() as trips:
            for number in range(5):
                run.state["notes"].append(number)
                run.log("thought", {"number": number})
                run.step("one", str, number)
        assert len(trips) == 2 * 5
        assert sum(trips) <= 17 * 5  # statements


def test_what_is_expected_is_what_would_be_looked_up(url: str) -> None:
    """Also when others moved the branch, or changed what it sees, since the connection last wrote to it."""
    with machines(url) as (one, other):
        versions, others = filled(one), Versions(other)
        looked_up = Lookups(
            "main", (("r", "k"), ("r", "none")), (("notes", ("a",)), ("notes", ("z",)), ("gone", ("a",)))
        )

        def look(expected: Lookups | None) -> object:
            with one.write() as writer:
                if expected is not None:
                    writer.expect(expected)
                entries = [writer.entry("r", "k"), writer.entry("r", "none")]
                line = held_branch(writer, "main")
                writer.open(line)
                found = [writer.find(notes(writer), (id_,)) for id_ in "ayz"]
                writer.put_entry("r", "k", b"own")
                return line, entries, found, writer.entry("r", "k")

        def same() -> None:
            with other.write() as writer:
                writer.put_entry("r", "k", b"theirs")
            expected = look(looked_up)
            with other.write() as writer:
                writer.put_entry("r", "k", b"theirs")
            assert expected == look(None)

        same()
        versions.commit("main", [note("a", "changed")])
        same()
        others.commit("main", [note("z", "theirs")])
        same()
        others.commit("other", [note("a", "merged"), note("y", "theirs alone")])
        others.merge("other", "main", policy="theirs")
        same()
        others.create_table("main", table("gone", {"id": TEXT}))
        same()
