"""What `engine.contract` promises about copies: that a store tells all of a commit, and adopts what another has.

The other store is a tree in memory, so that what is told and adopted means the same in both.
"""

# pyright: basic
# (a store under test is whatever has the methods)

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from holdfast.core.points import Point
from holdfast.core.retention import Pruned
from holdfast.core.schema import Column
from holdfast.engine.contract import Imprint, Reader, Session
from holdfast.engine.kv import Memory
from holdfast.engine.tree import TreeEngine
from holdfast.errors import AlreadyExists, MergeConflict, NotFound, StoreCorrupt
from holdfast.testing.conformance.sessions import EngineStore, OpenSessionStore
from holdfast.testing.conformance.stores import equal, fill, holds, raises, step, user
from holdfast.testing.schemas import INTEGER
from holdfast.testing.stand_ins import FakeClock, SeededIds
from holdfast.versions.copying import Copying, parents_first, sum_of
from holdfast.versions.edits import Delete, Put

_What = TypeVar("_What")

REFS = ("main", "a", "tagged")


@dataclass
class _Side:
    """A store with what decides its times and identities."""

    store: Any
    clock: FakeClock
    ids: SeededIds
    versions: Any
    session: Session


@contextmanager
def _side(open_store: Callable[..., Any], seed: int = 0) -> Generator[_Side]:
    clock, ids = FakeClock(), SeededIds(seed)
    store = open_store(clock, ids)
    try:
        yield _Side(store, clock, ids, store.versions(), store.session())
    finally:
        store.close()


@contextmanager
def _sides(open_store: OpenSessionStore, *, back: bool = False) -> Generator[tuple[_Side, _Side]]:
    """Open the store under test to copy into, and another to copy from; or the other way round."""
    with _side(open_store) as tested, _side(_in_memory, 99) as other:
        yield (tested, other) if back else (other, tested)


def _in_memory(clock: FakeClock, ids: SeededIds) -> EngineStore:
    return EngineStore(TreeEngine.open(Memory(), clock=clock, ids=ids), ids)


def _history(side: _Side) -> None:
    """Make a history with something of everything."""
    versions = side.versions
    fill(versions)
    versions.commit("main", [Put("journal", {"line": f"line {number}", "size": number}) for number in range(3)])
    for name in ("a", "done", "lost"):
        versions.branch(name)
    versions.commit("a", [user(1, "ann", 31), user(2, "bob", 20), step(2, "theirs", {"n": 2})])
    versions.commit("main", [user(1, "ann", 32), user(3, None, 7)])
    versions.commit("done", [user(4, "dan", 4)])
    versions.commit("lost", [user(5, "eve", 5)])
    _widen(side)
    versions.merge("a", "main", "theirs")
    versions.merge("done", "main")
    versions.tag("tagged", "main")
    versions.cherry_pick("lost", "a")
    for age in (40, 41, 41, 42):
        versions.commit("main", [user(1, "ann", age), Delete("users", (3,))] if age == 40 else [user(1, "ann", age)])
    versions.commit("a", [user(1, "ann", 42), Delete("users", (2,))], "with a text", {"why": "because"})
    for name in ("done", "lost"):
        versions.delete_branch(name)
    side.clock.advance(10_000_000)
    versions.gc(keep_last=2)
    versions.erase({"users": [5]}, texts=True)
    versions.branch("empty", "a")
    with side.session.write() as writer:
        writer.put_entry("run", "r", b"a run")
        writer.put_entry("run-signal", "r/go", b"")
        writer.put_entry("lease", "r", b"mine")


def _widen(side: _Side) -> None:
    """Add a column to users, whose older rows show what fills it, and take one from steps."""
    with side.session.write() as writer:
        writer.open(_there(writer.branch("main")))
        catalogue = writer.catalogue()
        users, steps = (_there(catalogue.find(name)) for name in ("users", "steps"))
        catalogue = catalogue.changed(users.with_column(Column(0, "level", INTEGER, fill="1")))
        writer.define(catalogue)
        note = steps.columns[steps.positions(("note",))[0]]
        writer.define(catalogue.changed(steps.without_column(note)))
        writer.seal("wider")


def _there(what: _What | None) -> _What:
    if what is None:
        raise AssertionError("it is there")
    return what


def _all_points(reader: Reader) -> list[Point]:
    return list(parents_first(reader, reader.lines()))


def _copied(source: _Side, target: _Side) -> None:
    found = Copying(source.session, target.session, batch=5).run()
    equal(found.commits_total, found.commits + found.commits_present, "the commits copied")


def _same(source: _Side, target: _Side) -> None:
    """Raise AssertionError unless two stores say and show the same."""
    target.versions.verify()
    with source.session.read() as reader, target.session.read() as copy:
        for point in _all_points(reader):
            equal(reader.imprint(point), copy.imprint(point), f"commit {point}")
        equal(sum_of(reader).total, sum_of(copy).total, "the sum")
        equal(reader.tags(), copy.tags(), "the tags")
    equal(source.versions.branches(), target.versions.branches(), "the branches")
    for ref in REFS:
        equal(source.versions.snapshot(ref), target.versions.snapshot(ref), ref)
        equal(source.versions.log(ref), target.versions.log(ref), f"the log of {ref}")


def _goes_on(source: _Side, target: _Side) -> None:
    """Raise AssertionError unless what is done to both comes to the same."""

    def merge(side: _Side) -> object:
        try:
            return side.versions.merge("a", "main", "ours")
        except MergeConflict as error:
            return error.conflicts

    steps: list[Callable[[_Side], object]] = [
        lambda side: side.versions.commit("a", [user(1, "ann", 50), Put("journal", {"line": "more"})]),
        lambda side: side.versions.commit("empty", [user(7, None, 7)]),
        lambda side: side.versions.commit("main", [user(1, "ann", 51), user(8, "hal", 8)]),
        merge,
        lambda side: side.versions.merge("empty", "a").commit,
        lambda side: side.versions.cherry_pick("main", "a", "theirs").commit,
        lambda side: side.versions.revert("main", "main").commit,
        lambda side: side.versions.gc(keep_last=1).rows,
        lambda side: side.versions.diff("main", "a"),
        lambda side: str(side.versions.verify()),
    ]
    for number, one in enumerate(steps):
        for side in (source, target):
            side.clock.set(2_000_000_000_000_000 + number)
            side.ids.seed(1_000 + number)
        equal(one(source), one(target), f"what follows ({number})")
    equal(source.versions.snapshot("main"), target.versions.snapshot("main"), "main at the end")


def check_copy_into_it_is_the_store(open_store: OpenSessionStore) -> None:
    """What was adopted shows, says and verifies the same, and the same operations on it give the same hashes."""
    with _sides(open_store) as (source, target):
        _history(source)
        _copied(source, target)
        _same(source, target)
        _goes_on(source, target)


def check_copy_of_it_is_the_store(open_store: OpenSessionStore) -> None:
    """What it tells of its commits is enough to make the same store elsewhere."""
    with _sides(open_store, back=True) as (source, target):
        _history(source)
        _copied(source, target)
        _same(source, target)
        _goes_on(source, target)


def check_imprint_is_all_of_a_commit(open_store: OpenSessionStore) -> None:
    """An imprint has the versions that a commit made and ended, what it merged, and what is kept of its changes."""
    with _side(open_store) as side:
        fill(side.versions)
        side.versions.branch("a")
        side.versions.commit("a", [user(2, None, 2)])
        side.versions.commit("main", [user(1, "ann", 31), step(2, "more", None)])
        merged = side.versions.merge("a", "main").commit
        side.versions.erase({"users": [2]})
        with side.session.read() as reader:
            main, a = (_there(reader.branch(name)) for name in ("main", "a"))
            users, steps = (_there(reader.catalogue().find(name)) for name in ("users", "steps"))
            edit, merge = (reader.imprint(Point(main.uid, main.head - before)) for before in (1, 0))
            equal([(1, "ann", 31)], [row.values for row in edit.made[users.id]], "what it made of users")
            equal([("r", 2, "more", None)], [row.values for row in edit.made[steps.id]], "what it made of steps")
            (ended,) = edit.ended[users.id]
            equal((1, "ann", 30), ended.values, "what it ended")
            equal(edit.made[users.id][0].rid, ended.rid, "its row")
            holds(ended.born.n < edit.commit.point.n, "it was made before")
            equal(((), {}), (edit.merged, edit.kept), "of no merge")
            equal(merged, merge.commit.hash.hex(), "the merge")
            equal((Point(a.uid, 1),), merge.merged, "what it made visible")
            equal(({}, {}), (merge.made, merge.ended), "what it decided")
            erased = reader.imprint(Point(a.uid, 1))
            equal(({}, None), (erased.made, erased.commit.salt), "what is left of what was erased")
            equal(2, len(erased.kept), "the marks of the row and of the texts")
            raises(NotFound, lambda: reader.imprint(Point(a.uid, 2)))


def check_adopting_again_takes_over_what_is_gone(open_store: OpenSessionStore) -> None:
    """Adopting what is there does nothing; what another store removed since goes, and other commits stay whole."""
    with _sides(open_store) as (source, target):
        fill(source.versions)
        for age in range(5):
            source.versions.commit("main", [user(1, "ann", age), user(2, None, age)])
        source.versions.tag("before", "main")
        source.versions.commit("main", [Delete("users", (1,))])
        with source.session.read() as reader:
            points, lines, newest = _all_points(reader), reader.lines(), reader.catalogue().version
            before = [reader.imprint(point) for point in points]
            catalogues = [reader.catalogue(version) for version in range(1, newest + 1)]
        source.versions.gc(keep_last=1)
        source.versions.erase({"users": [2]}, texts=True)
        with source.session.read() as reader:
            after = [reader.imprint(point) for point in points]
        with target.session.write() as writer:
            for line in lines:
                writer.adopt_line(line)
            writer.adopt_catalogues(catalogues)
            for imprint in (*before, *before):
                writer.adopt(imprint)
            equal([], list(writer.branches()), "the names")
        for imprints in (before, after, after):
            with target.session.write() as writer:
                for imprint in imprints:
                    writer.adopt(imprint)
            with target.session.read() as reader:
                equal(imprints, [reader.imprint(point) for point in points], "the commits")
        with target.session.write() as writer:
            writer.point_branch("main", lines[0].uid, None)
        target.versions.verify()
        equal(source.versions.snapshot("main"), target.versions.snapshot("main"), "main")
        last = after[-1]
        leaving = replace(last, made={}, ended={}, commit=replace(last.commit, pruned=Pruned.LEAVING))
        for imprint in (leaving, last):  # as gc leaves one that it removes, by and by
            with target.session.write() as writer:
                writer.adopt(imprint)
            with target.session.read() as reader:
                equal(imprint, reader.imprint(last.commit.point), "the last commit")
        equal(source.versions.snapshot("main"), target.versions.snapshot("main"), "main again")


def check_adopting_refuses_what_does_not_fit(open_store: OpenSessionStore) -> None:
    """What contradicts the store, or lacks what it stands on, is refused; and what was adopted with it is gone."""
    with _sides(open_store) as (source, target):
        fill(source.versions)
        source.versions.commit("main", [user(1, "ann", 31)])
        with source.session.read() as reader:
            imprints = [reader.imprint(point) for point in _all_points(reader)]
            (line,), newest = reader.lines(), reader.catalogue().version
            catalogues = [reader.catalogue(version) for version in range(1, newest + 1)]

        def adopt(*some: Imprint) -> None:
            with target.session.write() as writer:
                for one in some:
                    writer.adopt(one)

        def begin() -> None:
            with target.session.write() as writer:
                writer.adopt_line(line)
                writer.adopt_catalogues(catalogues)

        begin()
        raises(AlreadyExists, lambda: _write(target.session, lambda writer: writer.adopt_catalogues(catalogues)))
        raises(NotFound, lambda: adopt(*imprints[1:]))
        first, last, shaken = imprints[0], imprints[-1], replace(imprints[1].commit, parents=(b"\x01" * 32,))
        raises(StoreCorrupt, lambda: adopt(first, replace(imprints[1], commit=shaken)))
        without = [replace(imprint, made={}) for imprint in imprints[:-1]]
        raises(StoreCorrupt, lambda: adopt(*without, last))
        merging = replace(last.commit, parents=(*last.commit.parents, b"\x02" * 32))
        raises(StoreCorrupt, lambda: adopt(*imprints[:-1], replace(last, commit=merging)))
        raises(NotFound, lambda: _write(target.session, lambda writer: writer.commit(first.commit.point)))
        adopt(*imprints)
        other = replace(last.commit, hash=b"\x03" * 32)
        raises(AlreadyExists, lambda: adopt(replace(last, commit=other)))
        stranger = replace(line, uid="ab" * 16)
        raises(AlreadyExists, lambda: _write(target.session, lambda writer: writer.adopt_line(stranger)))
        orphan = replace(stranger, parent=Point("cd" * 16, 1))
        raises(NotFound, lambda: _write(target.session, lambda writer: writer.adopt_line(orphan)))
        with target.session.read() as reader:
            equal(imprints, [reader.imprint(point) for point in _all_points(reader)], "the commits")


def _write(session: Session, work: Callable[[Any], object]) -> None:
    with session.write() as writer:
        work(writer)


def check_registers_are_listed(open_store: OpenSessionStore) -> None:
    """The names of the registers that have entries are told, sorted, each once."""
    with _side(open_store) as side:
        with side.session.write() as writer:
            equal([], writer.registers(), "of a new store")
            for register in ("run-due", "run", "cache", "run", "cache-ends"):
                for key in ("", "a", "ab/\U0010ffff"):
                    writer.put_entry(register, key, b"x")
            writer.put_entry("gone", "key", b"")
            writer.remove_entry("gone", "key")
        with side.session.read() as reader:
            equal(["cache", "cache-ends", "run", "run-due"], reader.registers(), "the registers")
            keys = ["", "a", "ab/\U0010ffff"]
            equal(keys, [key for key, _ in reader.entries("run")], "all entries of one")
            equal(keys[:1], [key for key, _ in reader.entries("run", limit=1)], "the first")
            equal(keys[1:], [key for key, _ in reader.entries("run", after="", limit=3)][1:], "the others")
