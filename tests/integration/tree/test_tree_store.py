"""Goal: a store over a key-value store keeps what it promises. Method: use it, and look at what is below."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.core.points import Point
from holdfast.core.schema import Check, Column, ForeignKey
from holdfast.engine.kv import Cache, Disk, Memory
from holdfast.engine.kv.marks import Mark
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine, recent
from holdfast.engine.tree.nodes import Nodes
from holdfast.engine.tree.root import ROOT_KEY, root_of
from holdfast.testing import FakeClock, SeededIds
from holdfast.testing.schemas import INTEGER, TEXT, USERS, table
from holdfast.versions.edits import Delete, Put, Update
from holdfast.versions.history import Versions
from tests.integration.tree.tools import changes_of, notes, opened, step, waiting
from tests.kv_stores import BrokenError, Counting, Failing, SixMethods


def test_d4_opening_a_store_writes_nothing_and_finds_the_head(tmp_path: Path) -> None:
    store = Disk(tmp_path)
    versions, _, engine = opened(store)
    head = versions.commit("main", [step(1)])
    engine.close()
    store.close()
    again = Disk(tmp_path)
    before = dict(again.items())
    versions, session, engine = opened(Cache(again))
    assert versions.head("main") == head
    with session.read() as reader:
        list(reader.lines())
    assert dict(again.items()) == before
    engine.close()
    again.close()


def test_a_store_is_made_once_though_many_make_it_at_the_same_time() -> None:
    store, heads, barrier = Memory(), list[str](), threading.Barrier(4)

    def connect() -> None:
        barrier.wait()
        engine = TreeEngine.open(store)
        heads.append(Versions(engine.session()).head("main"))

    threads = [threading.Thread(target=connect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heads) == 4
    assert len(set(heads)) == 1


def test_hashes_are_those_of_a_file(tmp_path: Path) -> None:
    """What is written alike is the same commit in every engine; a value of any size."""
    heads, schema = [], table("t", {"id": INTEGER, "text": TEXT, "size": INTEGER}, primary_key=("id",))
    for engine in (SqliteEngine.open, lambda _, **more: TreeEngine.open(Memory(), **more)):
        clock, ids = FakeClock(), SeededIds()
        made: Any = engine(tmp_path / "file.db", clock=clock, ids=ids)
        versions = Versions(made.session(), ids)
        versions.create_table("main", schema)
        rows = [Put("t", {"id": str(number), "text": number * 1_000 * "é", "size": "7"}) for number in range(5)]
        versions.commit("main", rows, "said", {"meta": [1, 2]})
        versions.branch("side")
        versions.commit("side", [Update("t", (2,), {"id": 9}), Delete("t", ("3",)), Put("t", {"id": 1, "size": 8.0})])
        versions.merge("side", "main")
        versions.verify()
        heads.append((versions.head("main"), versions.snapshot("main"), versions.log("main")))
        made.close()
    assert heads[0] == heads[1]


@pytest.mark.parametrize("rows", [100, 10_000])
def test_w2_w5_a_commit_writes_a_few_small_nodes_whatever_there_is(rows: int) -> None:
    store = Counting()
    versions, _, _ = opened(store)
    for first in range(0, rows, 1_000):
        versions.commit("main", [step(number) for number in range(first, min(first + 1_000, rows))])
    counts = []
    for number in range(0, rows, rows // 50):
        store.nodes = store.bytes = store.calls = 0
        versions.commit("main", [step(number, "changed")])
        counts.append((store.nodes, store.bytes, store.calls))
    assert max(nodes for nodes, _, _ in counts) <= 20
    assert sum(size for _, size, _ in counts) / len(counts) <= 10_000
    assert {calls for _, _, calls in counts} == {1}, "all nodes of a commit are one call"


def test_w2_a_row_with_many_versions_costs_no_more_than_one_with_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """On three lines; nodes are counted as they are looked at, kept or not, over as many commits as make a tree."""
    monkeypatch.setattr(recent, "STATES_MAX", 0)
    store, looked = Memory(), 0
    versions, session, _ = opened(store)

    def read(nodes: Nodes, digest: bytes, read: Any = Nodes.read) -> Any:
        nonlocal looked
        looked += 1
        return read(nodes, digest)

    monkeypatch.setattr(Nodes, "read", read)

    def cost(work: Callable[[], object]) -> int:
        nonlocal looked
        looked = 0
        work()
        return looked

    def asked(name: str) -> object:
        with session.read() as reader:
            table = reader.catalogue().find("steps")
            line = reader.branch(name)
            assert table
            assert line
            found = list(reader.rows(table, reader.vector(Point(line.uid, line.head)), [("r", 1)]))
        return [row.values[2] for row in found]

    costs: list[tuple[int, int]] = []
    for round_ in range(1, 121):
        for name in ("main", "a", "b"):
            if round_ == 1 and name != "main":
                versions.branch(name)
            change = partial(versions.commit, name, [step(1, f"{name} {round_}")])
            costs.append((cost(change), cost(partial(asked, name))))
            assert asked(name) == [f"{name} {round_}"]
    commits = 66
    early, late = ([sum(each) for each in zip(*part, strict=True)] for part in (costs[30:][:commits], costs[-commits:]))
    assert early[0] > 0
    assert late[0] <= 2 * early[0], "a tree may be a node deeper; there are four times as many versions"
    assert late[1] <= 2 * early[1]


def test_w4_opening_and_listing_cost_what_is_asked(tmp_path: Path) -> None:
    asked = 0

    class Asked(Memory):
        def get_many(self, *keys: str) -> Any:
            nonlocal asked
            asked += len(keys)
            return super().get_many(*keys)

    store = Asked()
    versions, session, _ = opened(store)
    versions.commit("main", [step(number) for number in range(5_000)])
    for name in "abc":
        versions.branch(name)
    session._shared.nodes.forget()
    asked = 0
    engine = TreeEngine.open(store)
    assert asked == 0
    assert [branch.name for branch in Versions(engine.session()).branches()] == ["a", "b", "c", "main"]
    assert asked <= 12


def test_w5_large_values_stand_by_themselves_and_are_not_written_again() -> None:
    store = Counting()
    versions, _, _ = opened(store)
    large = [random.Random(number).randbytes(100_000).hex() for number in range(3)]
    versions.commit("main", [step(number, large[number]) for number in range(3)])
    store.bytes = 0
    versions.commit("main", [step(1, "small"), step(9, "new")])
    assert store.bytes < 20_000
    assert notes(versions)[2] == large[2]
    versions.verify()


def test_w8_a_value_of_many_megabytes_is_kept() -> None:
    versions, _, _ = opened(Memory())
    large = "0123456789" * 2_000_000
    versions.commit("main", [step(1, large)])
    assert notes(versions)[1] == large
    versions.verify()


def test_keys_that_are_long_are_told_apart_and_scanned_in_order() -> None:
    versions, session, _ = opened(Memory())
    runs = ["k" * 400 + end for end in ("b", "a", "", "c")] + ["k" * 100, "z"]
    versions.commit("main", [step(1, run[-1], run) for run in runs])
    versions.commit("main", [step(2, "again", runs[0])])
    with session.read() as reader:
        line, steps = reader.branch("main"), reader.catalogue().find("steps")
        assert line
        assert steps
        seen = reader.vector(Point(line.uid, line.head))
        everything = [row.values[:2] for row in reader.scan(steps, seen, ())]
        assert everything == sorted([*((run, 1) for run in runs), (runs[0], 2)])
        for run in runs:
            assert [row.values[0] for row in reader.scan(steps, seen, (run,))] == [run] * (1 + (run == runs[0]))
    with pytest.raises(holdfast.NotFound):
        versions.commit("main", [Delete("steps", ("k" * 400 + "d", 1))])
    versions.verify()


def test_what_needs_sql_is_refused_by_name() -> None:
    versions, _, _ = opened(Memory())
    plain = table("t", {"id": INTEGER}, primary_key=("id",))
    checked = type(plain)(0, "checked", plain.columns, checks=(Check("id > 0", "positive"),))
    referring = type(plain)(0, "referring", plain.columns, foreign_keys=(ForeignKey((1,), 2, (1,)),))
    head = versions.head("main")
    with pytest.raises(holdfast.Unsupported, match=r"CHECK \(positive\)"):
        versions.create_table("main", checked)
    with pytest.raises(holdfast.Unsupported, match=r"FOREIGN KEY \(id\)"):
        versions.create_table("main", referring)
    assert versions.head("main") == head
    with holdfast.connect(Memory()) as db:
        for sql in ("SELECT 1", "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1)"):
            with pytest.raises(holdfast.Unsupported, match="no SQL; SQLite files and PostgreSQL have"):
                db.execute(sql)


def test_options_that_belong_to_the_store_are_not_silently_dropped(tmp_path: Path) -> None:
    given: dict[str, Any]
    for given in ({"durability": "process"}, {"size_limit": 10**9}, {"statement_timeout": "1s"}):
        with pytest.raises(holdfast.InvalidValue, match="options of the key-value store"):
            holdfast.connect(Memory(), **given)
    with pytest.raises(holdfast.NotFound):
        holdfast.connect(Memory(), create=False)
    with pytest.raises(holdfast.NotFound):
        holdfast.connect(Memory(), read_only=True)
    store = Memory()
    holdfast.connect(store).close()
    with holdfast.connect(store, read_only=True) as db, pytest.raises(holdfast.ReadOnly):
        db.branch("b")


def test_rows_hold_what_their_table_asks() -> None:
    versions, session, _ = opened(Memory())
    versions.commit("main", [Put("users", {"id": 1, "email": "a", "age": 1})])
    head = versions.head("main")
    for edit in (
        Put("users", {"id": 2, "email": "a"}),
        Put("users", {"email": "b"}),
        Update("users", (1,), {"id": None}),
    ):
        with pytest.raises(holdfast.ConstraintFailed, match="nothing was changed"):
            versions.commit("main", [edit])
    with pytest.raises(holdfast.InvalidValue, match="cannot store"):
        versions.commit("main", [Put("users", {"id": "no number"})])
    assert versions.head("main") == head
    with session.write() as writer:
        users = writer.catalogue().find("users")
        assert users
        writer.open(writer.branch("main"))  # type: ignore[arg-type]
        with pytest.raises(holdfast.ConstraintFailed):
            writer.insert(users, [1, "c", 1])
        writer.insert(users, [2, "c", 2])
        writer.seal("what failed left nothing behind")
    assert versions.snapshot("main")["users"] == {(1,): (1, "a", 1), (2,): (2, "c", 2)}
    versions.verify()


def test_a_unique_that_is_new_is_checked_on_every_branch_and_finds_old_rows() -> None:
    versions, session, _ = opened(Memory())
    versions.commit("main", [Put("users", {"id": 1, "age": 5}), Put("users", {"id": 2, "age": 6})])
    versions.branch("side")
    versions.commit("side", [Put("users", {"id": 3, "age": 5})])

    def add_unique() -> None:
        with session.write() as writer:
            catalogue = writer.catalogue()
            users = catalogue.find("users")
            assert users
            writer.open(writer.branch("main"))  # type: ignore[arg-type]
            more = users.with_column(Column(0, "more", TEXT, fill="'filled'"))
            changed = type(users)(**{**_fields(more), "uniques": (*users.uniques, ("age",))})
            writer.define(catalogue.changed(changed))
            writer.seal("unique")

    with pytest.raises(holdfast.ConstraintFailed, match=r"UNIQUE \(age\) of users does not hold on branch 'side'"):
        add_unique()
    versions.commit("side", [Delete("users", (3,))])
    add_unique()
    assert versions.snapshot("main")["users"][(1,)] == (1, None, 5, "filled")
    with pytest.raises(holdfast.ConstraintFailed, match=r"users.age"):
        versions.commit("main", [Put("users", {"id": 4, "age": 6})])
    versions.verify()


def _fields(given: Any) -> dict[str, Any]:
    return {name: getattr(given, name) for name in given.__slots__}


def test_numbers_of_rows_are_above_those_of_any_branch() -> None:
    versions, session, _ = opened(Memory())
    numbered = type(USERS)(0, "numbered", USERS.columns, ("id",), numbered=True)
    versions.create_table("main", numbered)
    versions.branch("side")

    def add(branch: str) -> int:
        with session.write() as writer:
            found = writer.catalogue().find("numbered")
            assert found
            writer.open(writer.branch(branch))  # type: ignore[arg-type]
            writer.insert(found, [None, None, 1])
            writer.seal("add")
        return max(key[0] for key in versions.snapshot(branch)["numbered"])  # type: ignore[type-var, return-value]

    assert [add("main"), add("side"), add("main")] == [1, 2, 3]


def test_c9_work_is_done_again_on_what_another_left() -> None:
    """A lost comparison surfaces nowhere: the work runs again on the new root."""
    store = Memory()
    versions, session, _ = opened(store)
    runs: list[int] = []

    def work(writer: Any) -> None:
        runs.append(len(runs))
        if len(runs) < 3:  # somebody else commits, out of turn: the root moves under it
            intruder.write_together(changes_of(intruder, [step(100 + len(runs))]))
        changes_of(session, [step(1, "mine")])(writer)

    other = TreeEngine.open(Proxy(store))
    intruder = other.session()
    session.write_together(work)
    assert len(runs) == 3
    assert notes(versions) == {1: "mine", 101: "n", 102: "n"}
    versions.verify()


class Proxy(Cache):
    """Another way to a store, which has a line of its own."""

    @property
    def line(self) -> None:
        """Let nobody stand in the line of the store."""

    @property
    def is_shared(self) -> bool:
        """Let it be thought that nobody else is there, so that nobody waits."""
        return False


def test_a_block_that_lost_its_turn_is_told_and_writes_nothing() -> None:
    store = Memory()
    versions, session, _ = opened(store)
    intruder = TreeEngine.open(Proxy(store)).session()
    with pytest.raises(holdfast.BranchMoved, match="out of turn"), session.write() as writer:
        intruder.write_together(changes_of(intruder, [step(2)]))
        changes_of(session, [step(1)])(writer)
    assert notes(versions) == {2: "n"}


def test_threads_share_a_commit_and_each_gets_its_own_answer() -> None:
    versions, _, engine = opened(Memory())
    for name in "abcdef":
        versions.branch(name)
    failed: list[str] = []

    def write(branch: str) -> None:
        session = engine.session()
        for number in range(10):
            try:
                session.write_together(changes_of(session, [step(number, None if branch == "c" else "n")], branch))  # type: ignore[arg-type]
                if branch == "b" and number == 5:
                    session.write_together(lambda _: 1 / 0)
            except ZeroDivisionError:
                failed.append(branch)

    threads = [threading.Thread(target=write, args=[name]) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == ["b"]
    assert {name: len(notes(versions, name)) for name in "abcdef"} == dict.fromkeys("abcdef", 10)
    versions.verify()


def test_a_writer_in_a_writer_is_told_at_once() -> None:
    _, session, engine = opened(Memory())
    with session.write(), pytest.raises(holdfast.TransactionOpen):
        engine.session().write_together(lambda _: None)
    with session.read(), pytest.raises(holdfast.ReadOnly), session.write():
        pass
    with session.write() as writer, session.read() as reader:
        assert reader is writer
        with pytest.raises(holdfast.TransactionOpen):
            session.scrub()


def test_a_store_with_six_methods_has_one_writer_and_a_second_is_noticed() -> None:
    store = SixMethods()
    first, _, _ = opened(store)
    first.commit("main", [step(1)])
    second, _, _ = opened(Again(store))
    second.commit("main", [step(2)])
    with pytest.raises(holdfast.StoreUnavailable, match="one writer only"):
        first.commit("main", [step(3)])
    assert notes(second) == {1: "n", 2: "n"}
    second.commit("main", [step(4)])
    assert notes(first) == {1: "n", 2: "n", 4: "n"}
    second.verify()
    first.gc()  # nothing can be deleted, and nothing is asked to be
    assert notes(second) == {1: "n", 2: "n", 4: "n"}


class Again(SixMethods):
    """The same entries, as another process has them."""

    def __init__(self, store: SixMethods) -> None:
        self.entries = store.entries


def test_d16_an_answer_that_was_lost_is_looked_up() -> None:
    class Silent(Memory):
        silent = False

        def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
            done = super().compare_and_set(key, expected, value)
            if self.silent and key == ROOT_KEY:
                raise TimeoutError
            return done

    store = Silent()
    versions, _, _ = opened(store)
    store.silent = True
    versions.commit("main", [step(1)])
    store.silent = False
    assert [commit.message for commit in versions.log("main")].count("") == 1
    assert notes(versions) == {1: "n"}


@pytest.mark.parametrize("fail_at", [1, 2])
def test_a_write_that_fails_half_way_loses_nothing_committed(fail_at: int) -> None:
    store = Failing()
    versions, _, _ = opened(store)
    versions.commit("main", [step(1)])
    store.fail_at = fail_at
    with pytest.raises(holdfast.StoreUnavailable, match="nothing committed was lost") as caught:
        versions.commit("main", [step(number, "x" * 3_000) for number in range(2, 50)])
    assert isinstance(caught.value.__cause__, BrokenError)
    assert notes(versions) == {1: "n"}
    versions.commit("main", [step(2)])
    assert notes(versions) == {1: "n", 2: "n"}
    versions.gc()
    versions.verify()


def test_k5_a_full_store_still_reads_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = Disk(tmp_path, size_limit=300_000)
    versions, session, engine = opened(store)
    randomness = random.Random(5)
    written = 0
    with pytest.raises(holdfast.StoreFull):
        for number in range(100):
            versions.commit("main", [step(number, randomness.randbytes(4_000).hex())])
            written = number + 1
    assert len(notes(versions)) == written > 0
    versions.verify()
    engine.close()
    store.close()
    store = Disk(tmp_path, size_limit=600_000)
    versions, session, _ = opened(store)
    assert len(notes(versions)) == written
    versions.branch("more")
    versions.commit("main", [step(200, "more")])
    assert notes(versions)[200] == "more"
    versions.verify()
    session.scrub()
    store.close()


def test_k5_what_nobody_needs_makes_room_in_a_full_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader kept it from being removed; when it is gone, the commit that finds the store full removes it."""
    monkeypatch.setattr(recent, "STATES_MAX", 0)
    store = Disk(tmp_path, size_limit=300_000)
    versions, session, engine = opened(store)
    versions.commit("main", [step(number, "n" * 500) for number in range(20)])
    randomness, edits = random.Random(3), list[Put]()
    with engine.session().read(), pytest.raises(holdfast.StoreFull):
        while len(edits) < 1_000:
            edits.append(step(len(edits) % 20, randomness.randbytes(400).hex()))
            versions.commit("main", edits[-1:])
    assert waiting(session) > 20
    for edit in edits[-12:]:
        versions.commit("main", [edit])
        assert notes(versions)[edit.values["step"]] == edit.values["note"]
    assert waiting(session) <= 1
    versions.verify()
    store.close()


def test_s9_a_store_of_a_newer_format_is_refused_untouched() -> None:
    store = Memory()
    opened(store)
    raw = store.get(ROOT_KEY) or b""
    store.set(ROOT_KEY, raw[:8] + (9).to_bytes(2) + raw[10:])
    before = dict(store.items())
    with pytest.raises(holdfast.Unsupported, match="format 9"):
        holdfast.connect(store)
    assert dict(store.items()) == before
    store.set(ROOT_KEY, b"somebody else's")
    with pytest.raises(holdfast.StoreCorrupt, match="not of a Holdfast store"):
        holdfast.connect(store)


def test_a_sleeping_reader_keeps_what_it_reads_and_others_go_on() -> None:
    """A state that is read in this process is not removed from under its reader, however long it takes."""
    clock, store = FakeClock(), Memory()
    versions, session, engine = opened(store, clock=clock, ids=SeededIds())
    versions.commit("main", [step(number) for number in range(300)])
    reading = engine.session()
    with reading.read() as reader:
        line, steps = reader.branch("main"), reader.catalogue().find("steps")
        assert line
        assert steps
        for number in range(30):
            clock.advance(60_000_000)
            versions.commit("main", [step(number, "changed")])
        session.sweep()
        session._shared.nodes.forget()
        rows = list(reader.rows(steps, reader.vector(Point(line.uid, line.head))))
        assert {row.values[2] for row in rows} == {"n"}
    versions.verify()


class Unmarked(Memory):
    """A store that cannot tell who reads."""

    def mark(self) -> Mark | None:
        return None


@pytest.mark.parametrize("store_class", [Memory, Unmarked])
def test_a_reader_who_slept_reads_on_or_is_told(store_class: type[Memory], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where readers are known what they read stays; elsewhere it goes after some seconds, and that is said."""
    monkeypatch.setattr(recent, "STATES_MAX", 2)
    clock, store = FakeClock(), store_class()
    versions, session, _ = opened(store, clock=clock, ids=SeededIds())
    versions.commit("main", [step(number) for number in range(300)])
    other = TreeEngine.open(Proxy(store, max_bytes=1), clock=clock).session()
    told = pytest.raises(holdfast.StoreUnavailable, match="older than 5 s")
    with contextlib.nullcontext() if store_class is Memory else told, other.read() as reader:
        line, steps = reader.branch("main"), reader.catalogue().find("steps")
        assert line
        assert steps
        for number in range(30):
            clock.advance(60_000_000)
            versions.commit("main", [step(number, "changed")])
        other._shared.nodes.forget()
        rows = list(reader.rows(steps, reader.vector(Point(line.uid, line.head))))
        assert {row.values[2] for row in rows} == {"n"}
        assert waiting(session) > 5
    assert set(notes(versions).values()) == {"n", "changed"}
    for number in range(10):
        clock.advance(60_000_000)
        versions.commit("main", [step(number, "again")])
    assert waiting(session) <= 1
    assert session.has_sql is False


def test_s9_a_store_of_the_format_before_is_read_and_written(tmp_path: Path) -> None:
    """Its root told of no changes beside the tree. Once it is written to, programs of then refuse it."""
    store = Memory()
    versions, session, _ = opened(store)
    versions.commit("main", [step(number) for number in range(50)])
    session.scrub()
    now = root_of(store.get(ROOT_KEY) or b"")
    body = b"holdfast" + (1).to_bytes(2) + msgspec.msgpack.encode([now.epoch, now.tree, []])
    store.set(ROOT_KEY, body + hashlib.blake2b(body, digest_size=8).digest())
    versions, session, _ = opened(store)
    assert len(notes(versions)) == 50
    versions.verify()
    versions.commit("main", [step(1, "more")])
    assert notes(versions)[1] == "more"
    assert (store.get(ROOT_KEY) or b"")[8:10] == (2).to_bytes(2)
    versions.verify()


@pytest.mark.parametrize("harm", ["missing", "emptied", "changed", "cut", "another", "an older"])
def test_d8_changes_beside_the_tree_are_checked_like_nodes(harm: str) -> None:
    """A hash of each leads to the one before: none is lost, changed or exchanged without being told."""
    store = Memory()
    versions, _, _ = opened(store)
    for number in range(10):
        versions.commit("main", [step(number, "note" * 100)])
    names = sorted(store.scan("hf/c/"))
    name = names[len(names) // 2]
    stored = store.get(name) or b""
    harmed = {
        "emptied": b"",
        "changed": stored[:-3] + bytes([stored[-3] ^ 1]) + stored[-2:],
        "cut": stored[:-1],
        "another": store.get(names[-1]) or b"",
        "an older": store.get(names[0]) or b"",
    }
    store.delete(name) if harm == "missing" else store.set(name, harmed[harm])
    with pytest.raises(holdfast.StoreCorrupt):  # who has the store open reads them anew
        versions.verify()
    copy = Memory()
    copy.set_many(**dict(store.items()))
    with pytest.raises(holdfast.StoreCorrupt, match="restore the store from a copy"):
        opened(copy)
    store.set(name, stored)
    versions.verify()


def test_what_arrives_late_replaces_nothing() -> None:
    """A call whose answer was lost may be carried out after the commit was repeated."""
    late: list[dict[str, bytes]] = []

    class Late(Memory):
        def set_many(self, **values: bytes) -> None:
            if armed:
                late.append(values)
                armed.clear()
                raise BrokenError("no answer")
            super().set_many(**values)

    armed: list[int] = []
    store = Late()
    versions, _, _ = opened(store)
    armed.append(1)
    with pytest.raises(holdfast.StoreUnavailable):
        versions.commit("main", [step(1, "lost")])
    versions.commit("main", [step(1, "kept")])
    store.set_many(**late[0])
    versions.verify()
    copy = Memory()
    copy.set_many(**dict(store.items()))
    assert notes(opened(copy)[0]) == {1: "kept"}
