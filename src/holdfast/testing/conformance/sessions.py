"""What `engine.contract` promises about sessions: snapshots, rollback and expectations."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from holdfast.core.clock import Clock, Ids
from holdfast.core.points import Point
from holdfast.core.rows import Row
from holdfast.core.schema import Table
from holdfast.engine.contract import Engine, Line, Reader, Session
from holdfast.errors import BranchMoved, NotFound, StoreClosed
from holdfast.testing.conformance.stores import ANN, StoreUnderTest, equal, fill, holds, raises, user, users
from holdfast.testing.schemas import TEXT, table
from holdfast.testing.stand_ins import FakeClock, SeededIds
from holdfast.versions.edits import Delete, Put
from holdfast.versions.history import Versions


class SessionStore(StoreUnderTest, Protocol):
    """A store that also gives the sessions of `engine.contract`."""

    def session(self) -> Session:
        """Open another session."""
        ...


OpenSessionStore = Callable[[Clock, Ids], SessionStore]


class EngineStore:
    """An engine as a store under test: `lambda clock, ids: EngineStore(MyEngine(clock, ids), ids)`."""

    def __init__(self, engine: Engine, ids: Ids) -> None:
        self._engine = engine
        self._ids = ids

    def versions(self) -> Versions:
        """Open a session with its versions."""
        return Versions(self._engine.session(), self._ids)

    def session(self) -> Session:
        """Open a session."""
        return self._engine.session()

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


@contextmanager
def _sessions(open_store: OpenSessionStore) -> Generator[tuple[Any, Session, Session]]:
    """Open a new store with tables and one user; hand out its versions and two sessions."""
    store = open_store(FakeClock(), SeededIds())
    try:
        versions = store.versions()
        fill(versions)
        yield versions, store.session(), store.session()
    finally:
        store.close()


def _line(reader: Reader, branch: str = "main") -> Line:
    line = reader.branch(branch)
    if line is None:
        raise AssertionError(f"{branch} is a branch")
    return line


def _head(reader: Reader) -> Point:
    line = _line(reader)
    return Point(line.uid, line.head)


def _users(reader: Reader) -> Table:
    found = reader.catalogue().find("users")
    if found is None:
        raise AssertionError("users is a table")
    return found


def check_stale_expectation_is_branch_moved(open_store: OpenSessionStore) -> None:
    """A writer that goes on from a head which is no longer the head gets BranchMoved, and writes nothing."""
    with _sessions(open_store) as (versions, session, _):
        with session.read() as reader:
            line = _line(reader)
        head = versions.commit("main", [user(2, None, 2)])

        def write() -> None:
            with session.write() as writer:
                writer.open(line)

        raises(BranchMoved, write)
        equal(head, versions.head("main"), "the head")


def check_names_are_moved_by_comparison(open_store: OpenSessionStore) -> None:
    """A name is only moved from the line that is expected there."""
    with _sessions(open_store) as (versions, session, _):
        versions.branch("a")
        versions.commit("a", [user(2, None, 2)])
        with session.read() as reader:
            other = _line(reader, "a").uid

        def move(expect: str | None) -> None:
            with session.write() as writer:
                writer.point_branch("main", other, expect)

        raises(BranchMoved, lambda: move(None))
        raises(BranchMoved, lambda: move(other))
        equal(ANN, users(versions, "main"), "main")


class _Interrupted(Exception):
    """What a check raises in the middle of writing."""


def check_exception_takes_all_back(open_store: OpenSessionStore) -> None:
    """What a writer did is gone if its block raises, whatever it did, and the session goes on."""

    def write_and_fail(session: Session) -> None:
        with session.write() as writer:
            line = _line(writer)
            writer.open(line)
            writer.insert(_users(writer), [2, None, 2])
            writer.define(writer.catalogue().with_table(table("late", {"id": TEXT})))
            writer.seal("never")
            writer.point_branch("b", writer.create_line("ab" * 16, Point(line.uid, line.head)).uid, None)
            raise _Interrupted

    with _sessions(open_store) as (versions, session, _):
        before = (versions.head("main"), versions.snapshot("main"))
        with suppress(_Interrupted):
            write_and_fail(session)
        equal(before, (versions.head("main"), versions.snapshot("main")), "main")
        equal(["main"], [branch.name for branch in versions.branches()], "the branches")
        with session.write() as writer:
            writer.open(_line(writer))
            writer.insert(_users(writer), [3, None, 3])
            writer.seal("then")
        equal({1, 3}, {key[0] for key in users(versions, "main")}, "main, after another commit")


def check_reader_is_one_snapshot(open_store: OpenSessionStore) -> None:
    """What a reader sees does not change while others commit, create branches and define tables."""

    def seen(reader: Reader) -> object:
        line = _line(reader)
        rows = reader.rows(_users(reader), reader.vector(Point(line.uid, line.head)))
        return line, sorted(reader.branches()), len(list(rows)), reader.catalogue().find("late")

    with _sessions(open_store) as (versions, session, _):
        with session.read() as reader:
            before = seen(reader)
            versions.branch("a")
            versions.commit("main", [user(2, None, 2), user(3, None, 3)])
            versions.create_table("main", table("late", {"id": TEXT}))
            equal(before, seen(reader), "what the reader sees")
        with session.read() as reader:
            holds(reader.catalogue().find("late"), "the next snapshot sees the table")


def check_what_is_read_once_is_of_one_moment(open_store: OpenSessionStore) -> None:
    """`read_once` sees what is committed, in a block what that does; it hands on what the work raises."""

    def heads(reader: Reader) -> tuple[int, int]:
        return _line(reader).head, len(list(reader.rows(_users(reader), reader.vector(_head(reader)))))

    def fail(_: Reader) -> None:
        raise _Interrupted

    with _sessions(open_store) as (versions, session, other):
        first = session.read_once(heads)
        versions.commit("main", [user(2, None, 2)])
        second = other.read_once(heads)
        equal(second, session.read_once(heads), "what another session sees, too")
        equal((first[0] + 1, first[1] + 1), second, "the head and the rows after a commit")
        with session.read() as reader:
            before = heads(reader)
            versions.commit("main", [user(3, None, 3)])
            equal(before, session.read_once(heads), "what is read once inside a block")
        equal((second[0] + 1, second[1] + 1), session.read_once(heads), "what is read once after it")
        with suppress(_Interrupted):
            session.read_once(fail)
            raise AssertionError("what the work raises is handed on")
        raises(NotFound, lambda: session.read_once(lambda reader: reader.line("no line")))
        session.close()
        raises(StoreClosed, lambda: session.read_once(heads))


def check_closed_session_says_so(open_store: OpenSessionStore) -> None:
    """A closed session raises StoreClosed; closing twice is fine; others go on."""

    def read(session: Session) -> Line:
        with session.read() as reader:
            return _line(reader)

    with _sessions(open_store) as (versions, session, other):
        session.close()
        session.close()
        raises(StoreClosed, lambda: read(session))
        holds(read(other), "another session still reads")
        equal(ANN, users(versions, "main"), "main")


def check_scan_is_by_prefix_in_order(open_store: OpenSessionStore) -> None:
    """A scan yields the rows whose keys begin as asked, in the order of their keys, as a point sees them."""
    with _sessions(open_store) as (versions, session, _):
        edits = [Put("steps", {"run_id": run, "step": n}) for run, n in (("r", 10), ("q", 1), ("r", 2), ("rr", 1))]
        versions.commit("main", edits)
        versions.branch("a")
        versions.commit("a", [Delete("steps", ("r", 2)), Put("steps", {"run_id": "r", "step": 3})])

        def scanned(branch: str, *prefix: str | int) -> list[Any]:
            with session.read() as reader:
                line, steps = _line(reader, branch), reader.catalogue().find("steps")
                seen = reader.vector(Point(line.uid, line.head))
                return [row.values[:2] for row in reader.scan(steps, seen, prefix)] if steps else []

        equal([("r", 1), ("r", 2), ("r", 10)], scanned("main", "r"), "one run")
        equal([("r", 1), ("r", 3), ("r", 10)], scanned("a", "r"), "the same run on a branch")
        equal([("r", 10)], scanned("a", "r", 10), "one key")
        equal([], scanned("a", "x"), "nothing")
        every = [("q", 1), ("r", 1), ("r", 2), ("r", 10), ("rr", 1)]
        equal(every, scanned("main"), "everything")


def check_find_shows_the_open_commit(open_store: OpenSessionStore) -> None:
    """A writer finds the row of a key as its open commit shows it: what it changed, and not what others have."""
    with _sessions(open_store) as (versions, session, _):
        versions.branch("a")
        versions.commit("a", [user(1, "ann", 99), user(3, "cid", 1)])
        for age in (31, 32, 33):
            versions.commit("main", [user(1, "ann", age)])
        with session.write() as writer:
            table = _users(writer)
            writer.open(_line(writer))
            found = writer.find(table, (1,))
            equal((1, "ann", 33), found and found.values, "what was committed last")
            equal(None, writer.find(table, (3,)), "what another branch has")
            if found is not None:
                writer.update(table, found, [1, "ann", 34])
            writer.insert(table, [4, None, 4])
            equal([(1, "ann", 34), (4, None, 4)], [_values(writer.find(table, (key,))) for key in (1, 4)], "its own")
            writer.delete(table, _found(writer.find(table, (1,))))
            equal(None, writer.find(table, (1,)), "what it removed")


def check_registers_are_outside_of_history(open_store: OpenSessionStore) -> None:
    """An entry has one value, whatever the branch; it comes and goes with its transaction, and is part of no commit."""
    with _sessions(open_store) as (versions, session, other):
        versions.branch("a")
        heads = {name: versions.head(name) for name in ("main", "a")}
        with session.write() as writer:
            for number in range(12):
                writer.put_entry("lease", f"run-{number:02}", bytes([number]))
            writer.put_entry("lease", "run", b"")
            writer.put_entry("lease", "rum\U0010ffff", b"m")
            writer.put_entry("leases", "run-00", b"another register")
            writer.put_entry("lease", "run-03", b"again")
            writer.remove_entry("lease", "run-04")
            writer.remove_entry("lease", "never")
            equal(b"again", writer.entry("lease", "run-03"), "what was just written")
        with suppress(KeyError), session.write() as writer:
            writer.put_entry("lease", "run-03", b"lost")
            writer.remove_entry("lease", "run-05")
            raise KeyError
        with other.read() as reader:
            equal(b"again", reader.entry("lease", "run-03"), "what another session reads")
            equal([None, None, b""], [reader.entry("lease", key) for key in ("run-04", "no", "run")], "others")
            found = dict(reader.entries("lease", "run-"))
            equal([f"run-{number:02}" for number in range(12) if number != 4], list(found), "by prefix, in order")
            equal(["run-09", "run-10"], [key for key, _ in reader.entries("lease", "run-", "run-08", 2)], "after a key")
            equal(["rum\U0010ffff"], [key for key, _ in reader.entries("lease", "rum\U0010ffff")], "at the end")
            equal(["rum\U0010ffff", "run"], [key for key, _ in reader.entries("lease", limit=2)], "all")
            equal([("run-00", b"another register")], list(reader.entries("leases")), "of another register")
            equal([], list(reader.entries("none")), "of no register")
        equal(heads, {name: versions.head(name) for name in heads}, "the heads")
        versions.verify()
        versions.gc()
        with session.read() as reader:
            equal(b"again", reader.entry("lease", "run-03"), "after gc")


def _found(row: Row | None) -> Row:
    if row is None:
        raise AssertionError("the row is there")
    return row


def _values(row: Row | None) -> object:
    return _found(row).values
