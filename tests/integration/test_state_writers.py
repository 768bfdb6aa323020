"""Goal: many who write one branch lose nothing. Method: threads, handles and processes write it at once, then count."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Counter, Disk, Versioned
from tests import valkey_server
from tests.integration.state_stores import Stores, state, stores
from tests.unit.state.states import kept, settled

__all__ = ["state", "stores"]

PROCESSES, COMMITS, THREADS, RUNS = 4, 100, 4, 6

COUNT = """
import sys, holdfast
disk = sys.argv[2] == "disk"
source = holdfast.Disk(sys.argv[1]) if disk else sys.argv[1]
with holdfast.Versioned(source, durability="process" if sys.argv[2] == "file" else "full") as state:
    for number in range(int(sys.argv[4])):
        state["calls"] += 1
        if number % 20 == 0:
            state["log"].append([sys.argv[3], number])
            state[f"own {sys.argv[3]}"] = number
        state.commit()
"""


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def at_once(work: Callable[[int], None]) -> None:
    """Do it in threads, and raise what any of them raised."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


@contextmanager
def switching_often() -> Iterator[None]:
    """Let threads take turns in the midst of everything."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "disk", "valkey"])
def test_c7_c9_four_processes_count_to_four_hundred(tmp_path: Path, kind: str, soak: bool) -> None:
    path: Path | str = valkey_server.fresh_url() if kind == "valkey" else tmp_path / "state"
    commits = COMMITS if soak or kind == "file" else COMMITS // 4
    source = Disk(path) if kind == "disk" else path
    with Versioned(source) as state:
        state.update(calls=Counter(), log=[])
        state.commit()
        children = [run(COUNT, path, kind, who, commits) for who in range(PROCESSES)]
        assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0)] * PROCESSES
        state.refresh()
        assert state["calls"] == PROCESSES * commits
        assert kept(state)["calls"] == PROCESSES * commits
        for who in range(PROCESSES):
            assert [number for name, number in state["log"] if name == str(who)] == list(range(0, commits, 20))
            assert state[f"own {who}"] == range(0, commits, 20)[-1]
        assert len(state.history()) >= PROCESSES * commits
        assert settled(state)


@pytest.mark.slow
def test_c8_four_threads_with_one_state_lose_nothing(state: Versioned, stores: Stores, soak: bool) -> None:
    commits = COMMITS if soak or stores.kind == "file" else COMMITS // 4
    state.update(calls=Counter(), log=[], map={"x": []}, set=set())
    state.commit()

    def work(who: int) -> None:
        for number in range(commits):
            state["calls"].add()
            state["log"].append((who, number))
            state["map"]["x"].append((who, number))
            state["map"][f"{who} {number}"] = {"n": number}
            state["set"].add((who, number))
            state[f"own {who}"] = number
            state.commit()

    at_once(work)
    state.commit()
    found = kept(state)
    everything = sorted((who, number) for who in range(THREADS) for number in range(commits))
    assert found["calls"] == len(everything)
    assert sorted(found["log"]) == sorted(found["map"]["x"]) == sorted(found["set"]) == everything
    assert all(found["map"][f"{who} {number}"] == {"n": number} for who, number in everything)
    assert settled(state)


@pytest.mark.slow
def test_c8_threads_that_put_in_new_values_lose_nothing(state: Versioned) -> None:
    """What is put in is replaced by what tells its changes: never while another thread is about to change it."""
    state["runs"] = {}
    state.commit()

    def work(who: int) -> None:
        for number in range(RUNS):
            name = f"{who} {number}"
            state["runs"][name] = {"steps": []}
            for step in range(4):
                state["runs"][name]["steps"].append({"step": step})
                state["runs"][name]["steps"][-1]["done"] = True
                state.commit()

    with switching_often():
        at_once(work)
    state.commit()
    steps = [{"step": step, "done": True} for step in range(4)]
    expected = {f"{who} {number}": {"steps": steps} for who in range(THREADS) for number in range(RUNS)}
    assert kept(state)["runs"] == expected == state["runs"]


@pytest.mark.slow
def test_c9_threads_with_a_handle_each_rebase(stores: Stores) -> None:
    first = stores.open()
    first.update(calls=Counter(), log=[])
    first.commit()
    handles = [stores.open() for _ in range(THREADS)]

    def work(who: int) -> None:
        for number in range(COMMITS // 4):
            handles[who]["calls"] += 1
            handles[who]["log"].append((who, number))
            handles[who][f"own {who} {number}"] = number
            handles[who].commit()

    at_once(work)
    first.refresh()
    assert first["calls"] == THREADS * (COMMITS // 4)
    for who in range(THREADS):
        assert [number for name, number in first["log"] if name == who] == list(range(COMMITS // 4))
    assert len(first) == 2 + THREADS * (COMMITS // 4)


def test_c10_the_second_writer_goes_on_from_the_first(stores: Stores) -> None:
    a, b = stores.open(), stores.open()
    a["a"] = 1
    first = a.commit()
    b["b"] = 2
    second = b.commit()
    assert [commit.hash for commit in b.history(2)] == [second, first]
    assert dict(b) == {"a": 1, "b": 2}
    assert a.refresh() == second
    assert dict(a) == {"a": 1, "b": 2}


def test_branch_moved_names_the_keys_and_keeps_what_is_pending(stores: Stores) -> None:
    a, b = stores.open(), stores.open()
    a.update(x=1, y=1, z=1)
    a.namespace("n")["k"] = 1
    a.commit()
    b.refresh()
    a.update(x=2, y=2)
    a.namespace("n")["k"] = 2
    a.commit()
    b.update(x=3, z=3)
    b.namespace("n")["k"] = 3
    head = b.head
    with pytest.raises(holdfast.BranchMoved) as raised:
        b.commit()
    message = str(raised.value)
    assert 'state["x"]' in message
    assert 'state["n/k"]' in message
    assert 'state["y"]' not in message
    assert 'state["z"]' not in message
    assert (b.head, sorted(b.pending())) == (head, ["n/k", "x", "z"])
    assert (b["x"], b["z"]) == (3, 3)
    with b.branch("mine") as mine:  # the way out that the message names
        mine.update(x=3, z=3)
        mine.commit()
    b.discard()
    b.refresh()
    b.merge("mine", "theirs")
    assert kept(b) == {"x": 3, "y": 2, "z": 3}


def test_one_thread_commits_while_another_reads_for_the_first_time(stores: Stores) -> None:
    """Reading takes the lock of the state and then the connection, and so does writing."""
    names = [f"k{number}" for number in range(600)]
    with stores.open() as before:
        before.update(dict.fromkeys(names, 0))
        before.commit()
    state, done = stores.open(), threading.Event()

    def work(who: int) -> None:
        if who:
            for name in names[who::THREADS]:
                assert state[name] == 0
            done.set()
        while not who and not done.is_set():
            state["commits"] = state.get("commits", 0) + 1
            state.commit()

    with switching_often():
        at_once(work)
    assert kept(state) == dict(state)


def test_transactions_of_one_thread_and_commits_of_another_on_one_store(tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "s.db", timeout=20) as db:
        db.execute("CREATE TABLE rows (who BIGINT, n BIGINT, PRIMARY KEY (who, n))")
        db.state["lists"] = [[] for _ in range(THREADS)]
        db.state.commit()

        def work(who: int) -> None:
            for number in range(RUNS):
                db.state["lists"][who].append(number)
                if who % 2:
                    db.state.commit()
                else:
                    with db.transaction():
                        db.execute("INSERT INTO rows VALUES (%s, %s)", [who, number])

        at_once(work)
        db.state.commit()
        assert kept(db.state) == {"lists": [list(range(RUNS))] * THREADS}
        assert db.execute("SELECT count(*) FROM rows").fetchone() == {"count": RUNS * THREADS // 2}


def test_values_are_at_hand_while_a_commit_waits_for_its_turn(tmp_path: Path) -> None:
    """A list that a task appends to on its event loop must not wait for somebody else's transaction."""
    with holdfast.connect(tmp_path / "s.db") as db, Versioned(tmp_path / "s.db") as state:
        state.update(list=[1], other={"a": 1})
        state.commit()
        assert state["list"] == [1]
        waits = threading.Event()
        session: Any = state._copy.ground.versions._session
        queue = session._queue
        wait = queue.wait

        def waiting(*arguments: Any) -> None:
            waits.set()
            wait(*arguments)

        queue.wait = waiting
        with db.transaction():
            state["list"].append(2)
            commit = threading.Thread(target=state.commit, daemon=True)
            commit.start()
            waits.wait()
            state["list"].append(3)
            state["list"].sort(key=lambda n: -n)
            assert state["list"] == [3, 2, 1]
            assert state["other"]["a"] == 1
            assert commit.is_alive()
        commit.join()
        assert kept(state) == {"list": [3, 2, 1], "other": {"a": 1}}
        assert state.pending() == []


def test_a_sort_whose_key_changes_the_list_is_refused_as_of_any_list() -> None:
    with Versioned() as state:
        state["list"] = [2, 1]
        state.commit()
        values = state["list"]
        with pytest.raises(ValueError, match="modified during sort"):
            values.sort(key=lambda n: (values.append(n), n)[1])
        assert values == [2, 1, 2, 1]
        state.commit()
        assert kept(state)["list"] == [2, 1, 2, 1]
