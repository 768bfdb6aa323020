"""Goal: writers share a store in peace. Method: threads in known places of the line, real processes, counted syncs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import holdfast
from holdfast import Store
from holdfast.engine.turns import queue
from tests.integration.syncs import Syncs, counted_syncs

INSERT = "INSERT INTO steps (run_id, step) VALUES (%s, %s)"


@pytest.fixture
def syncs() -> Iterator[Syncs]:
    with counted_syncs() as counter:
        yield counter


def queue_of(db: Store) -> Any:
    return db._engine._queue  # type: ignore[attr-defined]


@contextmanager
def turn_taken(db: Store) -> Iterator[Callable[[int], None]]:
    """Hold the turn for the block; hand out what waits until so many callers stand in the line."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with db.checkout("main").transaction():
            held.set()
            release.wait(60)

    def in_line(callers: int) -> None:
        while len(queue_of(db)._line) < callers:
            threading.Event().wait(0.001)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        held.wait(60)
        try:
            yield in_line
        finally:
            release.set()
            holding.result()


def together(db: Store, calls: list[Callable[[], object]]) -> list[Future[object]]:
    """Make calls that write from a thread each, all of them in the line before the first is served."""
    with ThreadPoolExecutor(len(calls)) as pool, turn_taken(db) as in_line:
        done = [pool.submit(call) for call in calls]
        in_line(len(calls))
    return done


def inserts(stores: list[Store]) -> list[Callable[[], object]]:
    return [lambda n=n, store=store: store.execute(INSERT, ["t", n]) for n, store in enumerate(stores)]  # type: ignore[misc]


def rows(db: Store) -> list[int]:
    return [row["step"] for row in db.execute("SELECT step FROM steps WHERE run_id = 't' ORDER BY step")]


class TestSyncs:
    def test_g1_a_lone_caller_syncs_the_log_once_a_commit(self, syncs: Syncs, db: Store) -> None:
        syncs.clear()
        for step in range(10):
            db.execute(INSERT, ["t", step])
        assert syncs == {"db-wal": 10}
        assert db._engine._shared is None, "it wrote on its own connection"  # type: ignore[attr-defined]

    def test_d6_process_durability_syncs_nothing_between_checkpoints(self, syncs: Syncs, path: Path) -> None:
        with holdfast.connect(path, durability="process") as db:
            db.execute("CREATE TABLE steps (run_id TEXT, step INT)")
            syncs.clear()
            for step in range(10):
                db.execute(INSERT, ["t", step])
            assert syncs == {}

    @pytest.mark.parametrize("branches", [True, False], ids=["a-branch-each", "one-store"])
    def test_l5_concurrent_callers_share_a_sync(
        self, syncs: Syncs, db: Store, branches: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue, "GROUP_SECONDS_MAX", 60)  # else a slow machine makes two groups
        stores = [db.branch(f"b{n}") if branches else db for n in range(64)]
        syncs.clear()
        done = together(db, inserts(stores))
        assert [future.exception() for future in done] == [None] * 64
        assert syncs == {"db-wal": 1}
        for n, store in enumerate(stores):
            assert rows(store) == ([n] if branches else list(range(64)))
            assert len(store.log()) == len(db.log()) + (1 if branches else 0), "each made a commit of its own"
        db.verify()

    def test_connections_of_their_own_share_it_too(self, syncs: Syncs, db: Store, path: Path) -> None:
        stores = [holdfast.connect(path) for _ in range(8)]
        syncs.clear()
        together(db, inserts(stores))
        assert syncs == {"db-wal": 1}
        assert rows(db) == list(range(8))
        for store in stores:
            store.close()

    def test_a_store_that_promises_less_does_not_lead_one_that_promises_more(
        self, syncs: Syncs, db: Store, path: Path
    ) -> None:
        with holdfast.connect(path, durability="process") as quick:
            syncs.clear()
            together(db, inserts([quick, db, quick, db]))
            assert syncs["db-wal"] == 2
        assert rows(db) == [0, 1, 2, 3]


class TestGroups:
    def test_the_failure_of_one_is_its_own(self, db: Store) -> None:
        def fails() -> object:
            return db.execute("INSERT INTO steps (run_id, step) VALUES ('r', 1)")

        calls = inserts([db] * 9)
        done = together(db, [*calls[:5], fails, *calls[5:]])
        error = done[5].exception()
        assert isinstance(error, holdfast.ConstraintFailed)
        assert "apply" in "".join(traceback.format_exception(error)), "it says where it came from"
        assert "fails" in "".join(traceback.format_exception(error)), "and whose it is"
        assert rows(db) == list(range(9))
        db.verify()

    def test_what_a_failed_caller_made_is_made_again(self, db: Store) -> None:
        """The views of a table are made in the savepoint of the first that needs them, and undone with it."""

        def fails(n: int) -> Callable[[], object]:
            return lambda: db.execute("INSERT INTO steps (run_id, step, state) VALUES ('t', %s, %s)", [n, "{"])

        side = db.branch("side")
        for _ in range(2):
            done = together(db, [fails(90), *inserts([side]), fails(91), *inserts([db]), fails(92)])
            assert [bool(future.exception()) for future in done] == [True, False, True, False, True]
            for store in (db, side):
                assert rows(store) == [0]
                store.execute("DELETE FROM steps WHERE run_id = 't'")

    def test_a_table_made_by_one_is_there_for_the_next(self, db: Store) -> None:
        calls: list[Callable[[], object]] = [
            lambda: db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"),
            lambda: db.execute("INSERT INTO notes (text) VALUES ('a')"),
            lambda: db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, other TEXT)"),
            lambda: db.execute("INSERT INTO notes (text) VALUES ('b')"),
        ]
        done = together(db, calls)
        assert [type(future.exception()) for future in done] == [
            type(None),
            type(None),
            holdfast.AlreadyExists,
            type(None),
        ]
        assert db.execute("SELECT text FROM notes ORDER BY id").fetchall() == [{"text": "a"}, {"text": "b"}]
        db.verify()

    def test_a_disk_that_fails_fails_all_and_acknowledges_none(self, syncs: Syncs, db: Store) -> None:
        syncs.failing = False
        with ThreadPoolExecutor(8) as pool, turn_taken(db) as in_line:
            done = [pool.submit(call) for call in inserts([db] * 8)]
            in_line(8)
            syncs.failing = True  # the holder writes nothing, so nothing of its is synced
        errors = [future.exception() for future in done]
        assert all(isinstance(error, holdfast.StoreError) for error in errors)
        assert len({id(error) for error in errors}) == 8, "an error each, with a traceback of its own"
        syncs.failing = False
        assert rows(db) == []
        db.execute(INSERT, ["t", 1])
        assert rows(db) == [1]
        db.verify()

    def test_g8_a_value_for_which_there_is_no_room_fails_alone(self, path: Path) -> None:
        with holdfast.connect(path, size_limit=400_000) as db:
            db.execute("CREATE TABLE steps (run_id TEXT, step INT, note TEXT)")
            calls = inserts([db] * 6)
            large = "x" * 1_000_000
            calls[3] = lambda: db.execute("INSERT INTO steps VALUES ('t', 3, %s)", [large])
            done = together(db, calls)
            assert [type(future.exception()) for future in done] == [
                holdfast.StoreFull if n == 3 else type(None) for n in range(6)
            ]
            assert rows(db) == [0, 1, 2, 4, 5]
            db.verify()

    def test_one_that_takes_the_transaction_with_it_fails_alone(self, db: Store, path: Path) -> None:
        """SQLite takes back the whole transaction of a write that is stopped. The others do theirs again."""
        forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        with holdfast.connect(path, statement_timeout=0.2) as hasty:
            calls = inserts([hasty] * 6)
            for culprit in (0, 3, 5):
                slow = [*calls]
                slow[culprit] = lambda: hasty.execute(f"UPDATE steps SET note = 'x' WHERE step < ({forever})")
                done = together(hasty, slow)
                assert [type(future.exception()) for future in done] == [
                    holdfast.Timeout if n == culprit else type(None) for n in range(6)
                ]
                assert rows(db) == [n for n in range(6) if n != culprit]
                db.execute("DELETE FROM steps WHERE run_id = 't'")
            assert len(db.execute("SELECT 1 FROM steps WHERE note = 'x'").fetchall()) == 0
        db.verify()

    def test_what_users_wrote_in_python_runs_on_their_own_thread_and_alone(self, db: Store) -> None:
        threads: list[int] = []

        def values() -> Iterator[list[object]]:
            for n in (10, 11):
                threads.append(threading.get_ident())
                yield ["t", n]

        caller: list[int] = []

        def many() -> object:
            caller.append(threading.get_ident())
            return db.checkout("main").executemany(INSERT, values())

        calls = inserts([db] * 3)
        together(db, [*calls[:2], many, calls[2]])
        assert threads == caller * 2
        assert rows(db) == [0, 1, 2, 10, 11]

    def test_a_transaction_is_not_shared(self, db: Store) -> None:
        def transaction() -> None:
            with (side := db.checkout("main")).transaction("mine"):
                side.execute(INSERT, ["t", 50])
                side.execute(INSERT, ["t", 51])

        together(db, [*inserts([db] * 2), transaction])
        assert "mine" in [commit.message for commit in db.log()]
        assert rows(db) == [0, 1, 50, 51]

    def test_whoever_gives_up_writes_nothing(self, db: Store, path: Path) -> None:
        with holdfast.connect(path, timeout=0.01) as hasty, ThreadPoolExecutor(1) as pool, turn_taken(db):
            error = pool.submit(hasty.execute, INSERT, ["t", 1]).exception()
        assert isinstance(error, holdfast.Timeout)
        assert rows(db) == []


STORM = """
import random, signal, sys, threading
import holdfast

db = holdfast.connect(sys.argv[1])
insert = "INSERT INTO log VALUES (%s, %s)"
going, said = True, []

def work(name):
    store, n = db.checkout("main"), 0
    while going:
        store.execute(insert, [name, n])
        n += 1
    said.append((name, n))

others = [threading.Thread(target=work, args=(f"t{n}",), daemon=True) for n in range(6)]
for thread in others:
    thread.start()
choose = random.Random(int(sys.argv[2]))
signal.signal(signal.SIGALRM, signal.default_int_handler)
acknowledged = []
for n in range(int(sys.argv[3])):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, choose.uniform(0.00005, 0.004))
            db.execute(insert, ["main", n])
            acknowledged.append(n)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        pass
going = False
for thread in others:
    thread.join()
db.execute(insert, ["main", -1])
found = [(row["who"], row["n"]) for row in db.execute("SELECT who, n FROM log")]
assert len(found) == len(set(found)), "nothing is there twice"
assert set(found) >= {("main", n) for n in acknowledged}, "nothing acknowledged is lost"
for name, count in said:
    assert sorted(n for who, n in found if who == name) == list(range(count)), name
db.verify()
print(len(acknowledged), len(found))
"""


INTERRUPTED = (str(Path(holdfast.__file__).parent), contextlib.__file__)


class Interrupt:
    """Is Ctrl-C at the n-th call, or return from one in C, on the way through Holdfast: where Python looks for it."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> None:
        sys.setprofile(self._look)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(INTERRUPTED):
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                raise KeyboardInterrupt


def _write_one(db: Store, number: int) -> None:
    db.execute(INSERT, ["t", number])


def _write_in_a_transaction(db: Store, number: int) -> None:
    with db.transaction():
        db.execute(INSERT, ["t", number])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # some are raised in dying generators
@pytest.mark.parametrize("write", [_write_one, _write_in_a_transaction])
@pytest.mark.parametrize("company", [False, True], ids=["alone", "in-company"])
def test_an_interrupt_at_any_call_leaves_the_line_in_order(
    path: Path, write: Callable[[Store, int], None], company: bool
) -> None:
    going, others, interrupt = True, 0, Interrupt(at=0)

    def keep_writing() -> None:
        nonlocal others
        with holdfast.connect(path, timeout=10, durability="process") as other:
            while going:
                other.execute(INSERT, ["other", others])
                others += 1

    with holdfast.connect(path, timeout=10, durability="process") as db, ThreadPoolExecutor(1) as pool:
        db.execute("CREATE TABLE steps (run_id TEXT, step INT)")
        writing = pool.submit(keep_writing) if company else None
        try:
            for number in range(1, 2000):
                interrupt = Interrupt(at=number)
                try:
                    with interrupt:
                        write(db, number)
                except KeyboardInterrupt:
                    assert interrupt.left == 0
                db.execute(INSERT, ["after", number])
                if interrupt.left > 0 and number > 500:  # in company, how many calls it takes is chance
                    break
        finally:
            going = False
        if writing:
            writing.result()
        assert interrupt.left > 0, "it came to the end without an interrupt"
        found = Counter((row["run_id"], row["step"]) for row in db.execute("SELECT run_id, step FROM steps"))
        assert max(found.values()) == 1, "nothing is there twice"
        assert all(("after", n) in found for n in range(1, number + 1))
        assert all(("other", n) in found for n in range(others))
        db.verify()


@pytest.mark.slow
def test_interrupts_neither_lose_nor_double_what_is_written_together(path: Path, soak: bool) -> None:
    """Ctrl-C arrives at random moments of a thread that waits, leads or is served."""
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE log (who TEXT, n INT)")
    for seed in range(20 if soak else 2):
        with holdfast.connect(path) as db:
            db.execute("DELETE FROM log")
        command = [sys.executable, "-c", STORM, str(path), str(seed), "300"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


WRITER = """
import sys, threading
import holdfast

db = holdfast.connect(sys.argv[1], timeout=120)
name, commits, threads = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
stores = [db.branch(f"{name}-{n}") for n in range(threads - 1)] + [db]
print("ready", flush=True)
input()

def work(number):
    for n in range(commits):
        stores[number].execute("INSERT INTO log VALUES (%s, %s)", [f"{name}-{number}", n])

others = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
for thread in others:
    thread.start()
for thread in others:
    thread.join()
"""


def run_writers(path: Path, processes: int, commits: int, threads: int) -> None:
    """Let processes write, all from the same moment on."""
    command = [sys.executable, "-c", WRITER, str(path)]
    children = [
        subprocess.Popen(
            [*command, f"p{n}", str(commits), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(processes)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        assert child.stdin
        assert child.stdout
        assert child.wait(200) == 0
        child.stdin.close()
        child.stdout.close()


@pytest.mark.slow
def test_d15_processes_and_threads_write_one_file_without_an_error(path: Path) -> None:
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE log (who TEXT, n INT, PRIMARY KEY (who, n))")
        run_writers(path, processes=3, commits=40, threads=4)
        found = Counter(row["who"] for row in db.execute("SELECT who FROM log"))
        assert found == {f"p{n}-3": 40 for n in range(3)}
        for process in range(3):
            for thread in range(3):
                branch = db.checkout(f"p{process}-{thread}")
                who = f"p{process}-{thread}"
                assert branch.execute("SELECT count(*) AS n FROM log WHERE who = %s", [who]).fetchone() == {"n": 40}
        db.verify()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no line of processes on Windows")
def test_l5_processes_take_turns(path: Path) -> None:
    """While all four are at it, none commits many times in a row: the others stand in the line."""
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE log (who TEXT, n INT)")
        run_writers(path, processes=4, commits=150, threads=1)
        who = order(db)
    first_done = min(max(at for at, name in enumerate(who) if name == each) for each in set(who))
    counts = Counter(who[:first_done])
    assert min(counts[name] for name in set(who)) >= 75, counts
    changes = sum(a != b for a, b in pairwise(who[:first_done]))
    assert changes >= first_done / 2, "most commits are followed by one of another process"


def order(db: Store) -> list[str]:
    """Return who wrote the commits of main, oldest first."""
    names: list[str] = []
    for commit in reversed(db.log()):
        if commit.message == "INSERT INTO log":
            _, (change,) = db.show(commit.hash)
            assert change.after is not None
            names.append(change.after["who"])
    return names


HOLDER = """
import sys
import holdfast

db = holdfast.connect(sys.argv[1])
with db.transaction("held"):
    db.execute("DELETE FROM steps")
    print("held", flush=True)
    input()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the store in an open transaction."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.send_signal(signal.SIGKILL)


class TestHolders:
    def test_d1_a_holder_that_is_killed_holds_nothing_up(self, db: Store, path: Path) -> None:
        with holder(path) as child:
            waiting = ThreadPoolExecutor(1)
            done = waiting.submit(db.execute, INSERT, ["t", 1])
            child.send_signal(signal.SIGKILL)
            done.result(20)  # it would wait for 30 s before it gave up
            waiting.shutdown()
        assert rows(db) == [1]
        assert len(db.execute("SELECT 1 FROM steps").fetchall()) == 4

    def test_a_holder_that_is_stopped_is_named(self, db: Store, path: Path) -> None:
        with holdfast.connect(path, timeout=0.2) as hasty, holder(path) as child:
            child.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            for _ in range(2):
                with pytest.raises(holdfast.Timeout) as caught:
                    hasty.execute(INSERT, ["t", 1])
                if Path("/proc/locks").exists():
                    assert f"process {child.pid}, which is stopped," in str(caught.value)
            assert len(db.execute("SELECT 1 FROM steps").fetchall()) == 3, "readers wait for nobody"
            child.send_signal(signal.SIGKILL)
            child.wait(20)
            hasty.execute(INSERT, ["t", 2])
        assert rows(db) == [2]

    def test_a_line_that_cannot_be_formed_is_done_without(self, tmp_path: Path) -> None:
        """The lock that keeps writers apart is SQLite's own; the line is for fairness."""
        path = tmp_path / "store.db"
        (tmp_path / "store.db-turn").mkdir()
        with holdfast.connect(path) as db:
            db.execute("CREATE TABLE log (who TEXT, n INT)")
            run_writers(path, processes=2, commits=20, threads=1)
            assert db.execute("SELECT count(*) AS n FROM log").fetchone() == {"n": 40}

    def test_another_program_that_writes_the_file_is_waited_for_and_named(self, db: Store, path: Path) -> None:
        import apsw  # noqa: PLC0415

        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with holdfast.connect(path, timeout=0.05) as hasty, pytest.raises(holdfast.Timeout, match="held"):
            hasty.execute(INSERT, ["t", 1])
        other.execute("ROLLBACK")
        other.close()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_forked_child_is_told_to_connect_again_and_can(self, db: Store, path: Path) -> None:
        """Also where the fork strikes while other threads stand in the line, whose locks the child has a copy of."""
        code = f"""
import os, sys, threading, time, warnings
import holdfast
warnings.simplefilter("ignore")
db = holdfast.connect({str(path)!r})
queue = db._engine._queue
queue._mutex.acquire()
child = os.fork()
if child == 0:
    for act in ("SELECT 1", "DELETE FROM steps WHERE step = 1"):
        try:
            db.execute(act)
        except holdfast.StoreUnavailable:
            continue
        os._exit(1)
    own = holdfast.connect({str(path)!r}, timeout=20)
    own.execute("DELETE FROM steps WHERE step = 2")
    own.close()
    db.close()
    os._exit(0)
queue._mutex.release()
sys.exit(os.waitpid(child, 0)[1] != 0)
"""
        assert subprocess.run([sys.executable, "-c", code], timeout=100, check=False).returncode == 0
        assert db.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 2}


MERGER = """
import sys
import holdfast

db = holdfast.connect(sys.argv[1])
print("ready", flush=True)
for n in range(int(sys.argv[2])):
    with db.branch(f"m{n}") as branch:
        branch.executemany("INSERT INTO pairs VALUES (%s, %s)", [[n, 0], [n, 1]])
        branch.execute("UPDATE total SET pairs = %s", [n + 1])
    db.merge(f"m{n}")
    db.delete_branch(f"m{n}")
"""


class TestReaders:
    @pytest.mark.slow
    def test_b5_nobody_sees_half_a_merge(self, path: Path) -> None:
        """Two tables change in one merge; one SELECT, and several of one transaction, always see both or neither."""
        with holdfast.connect(path) as db:
            db.execute("CREATE TABLE pairs (n INT, side INT, PRIMARY KEY (n, side))")
            db.execute("CREATE TABLE total (id INT PRIMARY KEY, pairs INT)")
            db.execute("INSERT INTO total VALUES (1, 0)")
            command = [sys.executable, "-c", MERGER, str(path), "60"]
            seen = set()
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout
                assert child.stdout.readline() == "ready\n"
                while child.poll() is None:
                    row = db.execute("SELECT (SELECT count(*) FROM pairs) AS n, pairs FROM total").fetchone()
                    assert row is not None
                    assert row["n"] == 2 * row["pairs"]
                    with db.transaction(read_only=True):
                        (total,) = db.execute("SELECT pairs FROM total").fetchall()
                        (count,) = db.execute("SELECT count(*) AS n FROM pairs").fetchall()
                        assert count["n"] == 2 * total["pairs"]
                        assert db.head == db.log(limit=1)[0].hash
                    seen.add(total["pairs"])
            assert child.returncode == 0
            assert len(seen) > 2

    def test_g6_several_reads_of_one_transaction_are_of_one_moment(self, db: Store, path: Path) -> None:
        with holdfast.connect(path) as other:
            with db.transaction(read_only=True) as tx:
                other.execute("DELETE FROM steps WHERE step = 1")
                before = tx.execute("SELECT count(*) AS n FROM steps").fetchone()
                other.branch("new")
                other.execute("CREATE TABLE later (id INT)")
                assert tx.execute("SELECT count(*) AS n FROM steps").fetchone() == before == {"n": 3}
                assert [branch.name for branch in tx.branches()] == ["main"]
                assert tx.tables() == ["steps"]
                with db.transaction(read_only=True):
                    assert len(db.log()) == 3
            assert db.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 2}
            assert db.tables() == ["steps", "later"]

    @pytest.mark.parametrize(
        "write",
        [
            lambda db: db.execute(INSERT, ["t", 1]),
            lambda db: db.executemany(INSERT, iter([["t", 1]])),
            lambda db: db.branch("b"),
            lambda db: db.tag("t"),
            lambda db: db.reset("main"),
            lambda db: db.merge("side"),
            lambda db: db.delete_branch("side"),
            lambda db: db.transaction().__enter__(),
        ],
        ids=["execute", "executemany", "branch", "tag", "reset", "merge", "delete_branch", "transaction"],
    )
    def test_a_transaction_that_reads_writes_nothing(self, db: Store, write: Callable[[Store], object]) -> None:
        with db.branch("side") as side:
            side.execute(INSERT, ["s", 1])
        before = db.head
        with db.transaction(read_only=True):
            with pytest.raises(holdfast.ReadOnly):
                write(db)
            assert len(db.execute("SELECT 1 FROM steps").fetchall()) == 3, "it goes on"
        assert db.head == before
        assert [branch.name for branch in db.branches()] == ["main", "side"]
        db.execute(INSERT, ["t", 1])

    def test_inside_a_transaction_that_writes_it_reads_what_was_written(self, db: Store) -> None:
        with db.transaction("both"):
            db.execute(INSERT, ["t", 1])
            with db.transaction(read_only=True):
                assert rows(db) == [1]
            db.execute(INSERT, ["t", 2])
        assert rows(db) == [1, 2]

    def test_it_keeps_nobody_from_writing(self, db: Store) -> None:
        side = db.branch("side")
        with db.transaction(read_only=True):
            side.execute(INSERT, ["t", 1])
        assert rows(side) == [1]

    def test_writers_on_other_branches_do_not_conflict(self, db: Store) -> None:
        """The same key, changed differently on every branch, and each sees its own."""
        stores = [db.branch(f"b{n}") for n in range(8)]
        update = "UPDATE steps SET note = %s WHERE step = 1"
        done = together(db, [lambda n=n, s=s: s.execute(update, [str(n)]) for n, s in enumerate(stores)])  # type: ignore[misc]
        assert [future.exception() for future in done] == [None] * 8
        notes = [store.execute("SELECT note FROM steps WHERE step = 1").fetchall() for store in [*stores, db]]
        assert notes == [[{"note": str(n)}] for n in range(8)] + [[{"note": "a"}]]
