"""Goal: on Valkey a step is two round trips, a commit happens once, and processes need not take turns."""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import valkey

import holdfast
from holdfast import Versioned
from holdfast.engine.contract import Writer
from holdfast.engine.kv.store import Publication
from holdfast.engine.kv.valkey import Valkey
from holdfast.engine.kv.valkey import store as valkey_store
from holdfast.engine.kv.valkey.server import Server
from holdfast.engine.tree import TreeEngine, lease, recent, sweep
from holdfast.engine.tree import session as tree_session
from holdfast.testing.schemas import INTEGER, TEXT, table
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions
from holdfast.versions.resolve import held_branch
from tests import valkey_server

PATIENCE = 60.0


@pytest.fixture
def url() -> str:
    return valkey_server.fresh_url()


@contextmanager
def asked() -> Iterator[list[object]]:
    """Yield what was asked of a server, a round trip each."""
    found: list[object] = []
    ask = Server.ask

    def counted(server: Server, question: Callable[[Any], Any]) -> Any:
        found.append(question)
        return ask(server, question)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "ask", counted)
        yield found


def test_a_step_is_two_round_trips(url: str) -> None:
    """A commit is one. The other reads what stands by itself, and both are more where a tree is made anew."""
    with holdfast.connect(url) as db, db.run("r") as run:
        run.state["messages"] = []
        trips: list[int] = []
        for number in range(100):
            run.state["messages"].append({"role": "user", "content": "word " * 40})
            run.log("thought", {"number": number})
            with asked() as questions:
                run.step("one", str, number)
            trips.append(len(questions))
        assert Counter(trips).most_common(1)[0][0] <= 2
        assert sum(trip > 2 for trip in trips) <= 4


def test_what_has_the_same_url_in_a_process_shares_a_line(url: str) -> None:
    with holdfast.connect(url) as one, holdfast.connect(url) as other:
        assert one._engine._shared is other._engine._shared  # type: ignore[attr-defined]
        with one.transaction(), pytest.raises(holdfast.TransactionOpen):
            other.branch("side")


def test_d16_a_publication_happens_once(url: str) -> None:
    """Its number tells, also when others have published since (a retry after a lost answer)."""
    store = Valkey(url)

    def publication(number: int, expected: bytes | None, value: bytes, writer: str = "w") -> Publication:
        return Publication(writer, number, "hf/root", expected, value, {f"hf/c/{number}": value}, ("hf/turn", b""))

    first = publication(1, None, b"one")
    assert store.publish(first)
    assert store.publish(first)
    assert not store.publish(publication(1, None, b"other", "x"))
    assert store.publish(publication(2, b"one", b"two", "x"))
    assert store.publish(first)
    assert store.get("hf/root") == b"two"
    assert not store.publish(publication(2, b"one", b"late"))
    assert "hf/c/2" in store
    assert store.get("hf/c/2") == b"two"


def test_nothing_is_published_while_another_has_the_turn(url: str) -> None:
    """And what was refused once stays so, when it comes again, or late, and the turn is free."""
    store = Valkey(url)

    def publication(number: int, turn: bytes) -> Publication:
        return Publication("w", number, "hf/root", None, b"1", {}, ("hf/turn", turn))

    store.set("hf/turn", b"mine")
    assert not store.publish(publication(2, b""))
    store.set("hf/turn", b"")
    assert not store.publish(publication(2, b""))
    assert not store.publish(publication(1, b""))
    assert store.get("hf/root") is None
    store.set("hf/turn", b"mine")
    assert store.publish(publication(3, b"mine"))


def test_a_turn_whose_holder_died_is_taken_over_by_who_has_little_patience(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it has stood still is counted over all who wait."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    with holdfast.connect(url, timeout=0.2) as db:
        db._engine._shared.store.set("hf/turn", b"of a process that died")  # type: ignore[attr-defined]
        failed = 0
        while True:
            try:
                db.branch(f"b{failed}")
                break
            except holdfast.Timeout:
                failed += 1
                assert failed < 50
    assert failed


def test_what_is_committed_is_told_so_though_the_turn_cannot_be_given_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _numbers(url)
    compare = Valkey.compare_and_set

    def failing(store: Valkey, key: str, expected: bytes | None, value: bytes) -> bool:
        if key == "hf/turn" and not value:
            raise holdfast.StoreUnavailable("gone")
        return compare(store, key, expected, value)

    monkeypatch.setattr(Valkey, "compare_and_set", failing)
    with machines(url, 1) as (one,):
        head = one.commit("main", [Put("numbers", {"id": 1, "word": "a"})])
        assert one.head("main") == head


def test_a_read_ends_while_others_commit_without_a_pause(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the root finds another one here; a state is newest if it was when its root was read."""
    _numbers(url)
    with machines(url) as (one, other):
        get, commits = Valkey.get, itertools.count(1)
        busy: list[bool] = []

        def moving(store: Valkey, key: str) -> bytes | None:
            found = get(store, key)
            if key == "hf/root" and not busy:
                busy.append(True)
                number = next(commits)
                assert number < 20
                other.commit("main", [Put("numbers", {"id": number, "word": "a"})])
                busy.clear()
            return found

        with monkeypatch.context() as patch:
            patch.setattr(Valkey, "get", moving)
            one.log("main")
        assert next(commits) < 6


def test_a_scrub_that_could_not_remove_all_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with holdfast.connect(url) as db:
        db.state["x"] = "a"
        db.state.commit()
        monkeypatch.setattr(Valkey, "discard", lambda *_: False)
        with pytest.raises(holdfast.BranchMoved, match="do it again"):
            db._engine.session().scrub()


def test_what_goes_goes_only_while_nobody_commits(url: str) -> None:
    store = Valkey(url)
    store.set_many(**{"hf/root": b"1", "a": b"a", "b": b"b"})
    assert not store.discard(["a"], "hf/root", b"2")
    assert store.discard(["a"], "hf/root", b"1")
    assert sorted(store.scan("")) == ["b", "hf/root"]


def test_a_commit_that_is_too_large_for_one_call_is_whole(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent before it is looked for, and sent again if one that collects took it for superfluous."""
    monkeypatch.setattr("holdfast.engine.kv.store.SENT_BYTES_MAX", 200_000)
    gone: list[str] = []
    set_many = Valkey.set_many

    def lossy(store: Valkey, **values: bytes) -> None:
        set_many(store, **values)
        if not gone:
            gone.append(next(iter(values)))
            store.delete(gone[0])

    monkeypatch.setattr(Valkey, "set_many", lossy)
    values = {f"key {at}": os.urandom(100_000) for at in range(10)}
    with Versioned(url) as state:
        state.update(values)
        state.commit()
    assert gone
    assert Valkey(url).get(gone[0]) is not None
    valkey_store.OPENED.forget()
    with Versioned(url) as state:
        assert {key: state[key] for key in values} == values


@contextmanager
def machines(url: str, number: int = 2) -> Iterator[list[Versions]]:
    """Yield connections that share nothing but the server, as if each were on a machine of its own."""
    engines = [TreeEngine.open(Valkey(url), timeout=PATIENCE) for _ in range(number)]
    try:
        yield [Versions(engine.session()) for engine in engines]
    finally:
        for engine in engines:
            engine.close()


def _numbers(url: str) -> None:
    with machines(url, 1) as (one,):
        _numbers_in(one)


def _put(writer: Writer, key: int, word: str) -> None:
    """Commit a row, with whatever is there already."""
    found = writer.catalogue().find("numbers")
    assert found is not None
    writer.open(held_branch(writer, "main"))
    row = writer.find(found, (key,))
    if row is None:
        writer.insert(found, [key, word])
    else:
        writer.update(found, row, [key, word])
    writer.seal(f"{key} {word}")


def test_what_is_tried_on_an_old_state_is_not_taken_for_what_made_the_new_one(url: str) -> None:
    """A slow reader of the process may remember a state that another thread of it has left behind already."""
    _numbers(url)
    engine = TreeEngine.open(Valkey(url))
    session, shared = engine.session(), engine._shared
    session.write_together(partial(_put, key=1, word="one"))
    old = shared.known
    session.write_together(partial(_put, key=2, word="two"))
    shared.known = old
    session.write_together(partial(_put, key=3, word="three"))
    engine.close()
    with machines(url, 1) as (one,):
        assert {key[0] for key in one.snapshot("main")["numbers"]} == {1, 2, 3}


@pytest.mark.slow
def test_writers_that_take_no_turns_lose_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while each removes at once what was superseded, and another may be writing again."""
    monkeypatch.setattr(recent, "STATES_MAX", 3)
    monkeypatch.setattr(sweep, "GRACE_SECONDS", 0)
    monkeypatch.setattr(tree_session, "CROWDED_SECONDS", 0)
    _numbers(url)
    many, each = 4, 40

    def work(who: int) -> None:
        engine = TreeEngine.open(Valkey(url), timeout=PATIENCE)
        for number in range(each):
            engine.session().write_together(partial(_put, key=who * each + number, word="new"))
            engine.session().write_together(partial(_put, key=10_000 + who, word="ab"[number % 2]))
        engine.close()

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(work, range(many)))
    with machines(url, 1) as (one,):
        found = {key[0] for key in one.snapshot("main")["numbers"]}
        assert found >= set(range(many * each))
        assert len(one.log("main")) == 2 + 2 * many * each
        assert one.verify().commits


def test_a_transaction_keeps_others_out(url: str) -> None:
    """Its block is the user's, and cannot be done again."""
    _numbers(url)
    inside, ended = threading.Event(), threading.Event()
    with machines(url) as (one, other), ThreadPoolExecutor(1) as pool:
        with one.open_commit("main", "long", None) as writer:
            found = writer.catalogue().find("numbers")
            assert found is not None

            def write() -> None:
                inside.set()
                other.commit("main", [Put("numbers", {"id": 2})])
                ended.set()

            waits = pool.submit(write)
            assert inside.wait(PATIENCE)
            assert not ended.wait(0.2)
            writer.insert(found, [1, None])
        waits.result(PATIENCE)
        assert len(one.snapshot("main")["numbers"]) == 2
        assert [commit.message for commit in one.log("main")][1] == "long"


def test_workspaces_know_nothing_of_each_other(url: str) -> None:
    other = valkey_server.fresh_url()
    with Versioned(url) as one, Versioned(other) as two:
        one["x"], two["x"] = 1, 2
        one.commit()
        two.commit()
    with Versioned(url) as one, Versioned(other) as two:
        assert (one["x"], two["x"]) == (1, 2)


def test_what_a_client_sees_is_as_the_page_says(url: str) -> None:
    """docs/format-valkey.md: all keys have the workspace between braces; operations are a HASH."""
    with Versioned(url) as state:
        state["x"] = 1
        state.commit()
    path, workspace = url.removeprefix("valkey+unix://").split("?workspace=")
    with valkey.Valkey(unix_socket_path=path, decode_responses=False) as client:
        keys = {key.decode() for key in client.scan_iter(match=f"{{{workspace}}}*")}
        assert {key.partition("}")[2].split("/")[1] for key in keys} == {"root", "operations", "c", "n", "b"}
        root = client.get(f"{{{workspace}}}hf/root")
        assert root.startswith(b"holdfast")
        (said,) = client.hgetall(f"{{{workspace}}}hf/operations").values()
        number, seconds = said.split()
        assert int(number) >= 2
        assert int(seconds) > 1_700_000_000


def test_writers_of_long_ago_are_forgotten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Valkey(url)
    path, workspace = url.removeprefix("valkey+unix://").split("?workspace=")
    with valkey.Valkey(unix_socket_path=path) as client:
        operations = f"{{{workspace}}}hf/operations"
        client.hset(operations, mapping={f"old {at}": "1 1000" for at in range(1100)})
        assert store.publish(Publication("w", 1, "hf/root", None, b"1", {}, ("hf/turn", b"")))
        assert client.hkeys(operations) == [b"w"]


def test_c14_a_forked_child_is_told_to_connect_again(url: str) -> None:
    with holdfast.connect(url) as db:
        db.state["x"] = 1
        db.state.commit()
        told, tell = os.pipe()
        child = os.fork()
        if not child:
            try:
                with pytest.raises(holdfast.StoreUnavailable, match="fork"):
                    db.log()
                with holdfast.connect(url) as own:
                    os.write(tell, str(own.state["x"]).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(told, 10) == b"1"
        assert db.state["x"] == 1
        os.close(told)
        os.close(tell)


def test_e6_a_listing_of_many_keys_ends_and_has_them_all(url: str) -> None:
    store = Valkey(url)
    names = {f"x/{at}": b"" for at in range(5_000)}
    store.set_many(**names)
    store.set("y", b"")
    assert sorted(store.scan("x/")) == sorted(names)
    assert len(dict(store.items())) == 5_001


def test_k2_nothing_has_a_time_to_live_of_the_server(url: str) -> None:
    """When an answer ends stands with the answer, so no crash between two calls leaves one without."""
    with holdfast.connect(url) as db, db.run("r") as run:
        run.step("one", db.cache.options(ttl="1h", name="n", version="1").call, str, 1)
    path, workspace = url.removeprefix("valkey+unix://").split("?workspace=")
    with valkey.Valkey(unix_socket_path=path) as client:
        keys = list(client.scan_iter(match=f"{{{workspace}}}*"))
        assert len(keys) > 3
        assert {client.ttl(key) for key in keys} == {-1}


def test_who_follows_is_told_by_the_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And asks it for nothing while nobody commits; also when the connection that tells was lost."""
    with machines(url) as (one, other):
        engine = TreeEngine.open(Valkey(url))
        _numbers_in(one)
        wait_until(lambda: engine.pulse() != 0)  # it listens by now
        with asked() as questions:
            heard = engine.pulse()
            other.commit("main", [Put("numbers", {"id": 1, "word": "a"})])
            wait_until(lambda: engine.pulse() != heard)
            assert len(questions) < 10
        path = url.removeprefix("valkey+unix://").split("?")[0]
        monkeypatch.setattr("holdfast.engine.ear.LOOK_SECONDS", 0.05)
        heard = engine.pulse()
        with valkey.Valkey(unix_socket_path=path) as client:
            client.client_kill_filter(_type="pubsub")
        wait_until(lambda: engine.pulse() != heard)
        numbers = itertools.count()
        wait_until(lambda: _hears(engine, other, next(numbers)))
        engine.close()


def _numbers_in(one: Versions) -> None:
    one.create_table("main", table("numbers", {"id": INTEGER, "word": TEXT}, primary_key=("id",)))


def _hears(engine: TreeEngine, other: Versions, number: int) -> bool:
    heard = engine.pulse()
    other.branch(f"b{number}")
    return bool(engine.pulse() != heard)


def wait_until(happens: Callable[[], bool]) -> None:
    valkey_server.until(happens)
