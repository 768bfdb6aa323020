"""Goal: a session that failed, was shared or was closed answers right ever after. Method: make it fail, then ask."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

import holdfast
from holdfast import Store

DISK_FULL = """
import resource, signal, sys
import holdfast

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
db = holdfast.connect(sys.argv[1])
db.execute("CREATE TABLE t (n INT PRIMARY KEY, x TEXT)")
db.execute("INSERT INTO t VALUES (0, 'kept')")
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    with db.transaction("all or nothing"):
        db.execute("INSERT INTO t VALUES (1, 'first')")
        try:
            db.executemany("INSERT INTO t VALUES (%s, %s)", ([n, "x" * 5000] for n in range(2, 2000)))
        except holdfast.HoldfastError as error:
            print(type(error).__name__)
        db.execute("INSERT INTO t VALUES (10000, 'last')")
except holdfast.HoldfastError as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print([row["n"] for row in db.execute("SELECT n FROM t ORDER BY n")])
db.execute("INSERT INTO t VALUES (3, 'after')")
db.verify()
"""


def test_g8_a_disk_that_fails_in_a_transaction_keeps_all_or_nothing(tmp_path: Path) -> None:
    """SQLite takes back the whole transaction by itself; what follows in the block must not be committed alone."""
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path / "s.db")], capture_output=True, text=True, check=True
    )
    first, second, rows = done.stdout.splitlines()
    assert first in ("StoreFull", "StoreUnavailable")
    assert second in ("StoreError", "StoreFull", "StoreUnavailable")
    assert rows == "[0]"


def test_a_rolled_back_schema_leaves_no_rewriting_behind(db: Store) -> None:
    """The version's number is given again, to another table of the same name."""
    insert = "INSERT INTO t VALUES (%s, %s)"
    with pytest.raises(KeyError), db.transaction():
        db.execute("CREATE TABLE t (a INT, b TEXT)")
        db.execute(insert, [1, "x"])
        raise KeyError
    db.execute("CREATE TABLE t (b TEXT, a TEXT)")
    db.execute(insert, ["bee", "ay"])
    assert db.execute("SELECT a, b FROM t").fetchone() == {"a": "ay", "b": "bee"}


def test_tasks_do_not_share_a_transaction(db: Store) -> None:
    """What one task was told is there must not be undone with another's."""
    opened, done = asyncio.Event(), asyncio.Event()

    async def holder() -> None:
        with db.transaction("held"):
            db.execute("DELETE FROM steps")
            opened.set()
            await done.wait()
            raise KeyError

    async def other() -> None:
        await opened.wait()
        try:
            for act in ("INSERT INTO steps VALUES ('x', 1, 'x', NULL)", "SELECT 1"):
                with pytest.raises(holdfast.TransactionOpen, match="task"):
                    db.execute(act)
        finally:
            done.set()

    async def both() -> None:
        results = await asyncio.gather(holder(), other(), return_exceptions=True)
        assert [type(result) for result in results] == [KeyError, type(None)]

    asyncio.run(both())
    assert db.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 3}


def test_a_thread_that_would_wait_for_itself_is_told_at_once(db: Store, path: Path) -> None:
    with db.branch("side") as side, db.transaction("open"):
        db.execute("DELETE FROM steps")
        with pytest.raises(holdfast.TransactionOpen, match="this thread"):
            side.execute("DELETE FROM steps")
        assert side.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 3}


def test_stores_that_are_forgotten_give_back_their_files(db: Store) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files cannot be counted here: no /proc")
    counts = []
    gc.freeze()  # else each collection looks at all that the tests before have loaded
    for number in range(120):  # SQLite keeps some files for the next to open the same, so the first few count
        db.branch(f"b{number}").execute("SELECT 1 FROM steps")
        gc.collect()
        counts.append(open_files())
    gc.unfreeze()
    assert len(db._engine._sessions) == 1  # type: ignore[attr-defined]
    assert max(counts[60:]) <= max(counts[:60]) + 4


def test_closing_waits_for_nobody_and_breaks_nothing(db: Store) -> None:
    side = db.branch("side")
    with side.transaction("open"):
        with pytest.raises(holdfast.TransactionOpen):
            side.close()
        side.execute("DELETE FROM steps")
        db.close()
        side.execute("INSERT INTO steps VALUES ('r', 9, 'z', NULL)")
    for act in (lambda: side.execute("SELECT 1"), lambda: side.checkout("main")):
        with pytest.raises(holdfast.StoreClosed):
            act()


def test_somebody_elses_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    other = apsw.Connection(str(file))
    other.execute("CREATE TABLE mine (x)")
    other.close()
    before = file.read_bytes()
    with pytest.raises(holdfast.StoreCorrupt):
        holdfast.connect(file)
    assert file.read_bytes() == before


def test_an_interrupt_while_waiting_leaves_the_store_usable(db: Store, path: Path) -> None:
    """Ctrl-C arrives while another process holds the file, and the lock is won at the same moment or not at all."""
    code = f"""
import _thread, threading, holdfast
db = holdfast.connect({str(path)!r}, timeout=20)
interrupter = threading.Thread(target=lambda: (input(), _thread.interrupt_main()))
interrupter.start()
try:
    print("waiting", flush=True)
    db.execute("DELETE FROM steps WHERE step = 1")
    interrupter.join()
    threading.Event().wait(5)
except KeyboardInterrupt:
    print("interrupted", flush=True)
db.execute("DELETE FROM steps WHERE step = 2")
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        with db.transaction("hold"):
            db.execute("UPDATE steps SET note = 'held' WHERE step = 3")
            assert child.stdout.readline() == "waiting\n"
            child.stdin.write("\n")
            child.stdin.flush()
        assert child.wait(30) == 0
    db.execute("INSERT INTO steps VALUES ('r', 7, 'after', NULL)")
    assert 2 not in [row["step"] for row in db.execute("SELECT step FROM steps")]


def test_failed_statements_leave_nothing_in_the_temporary_table(db: Store) -> None:
    for number in range(14):
        with db.branch(f"b{number}") as branch:
            branch.execute("INSERT INTO steps (run_id, step) VALUES ('m', %s)", [number])
        db.merge(f"b{number}")
    for _ in range(100):
        with pytest.raises(holdfast.SqlError):
            db.execute("SELECT nope FROM steps")
        db.execute("SELECT count(*) FROM steps")
    connection = db._session._driver.connection  # type: ignore[attr-defined]
    ((rows,),) = connection.execute("SELECT count(*) FROM temp.hf_vector").fetchall()
    assert rows <= 15 * 70


def test_a_checkout_of_a_tag_stays_where_it_is(db: Store) -> None:
    db.tag("t")
    pinned = db.checkout("t")
    db.delete_tag("t")
    db.execute("DELETE FROM steps")
    db.tag("t")
    assert pinned.head == pinned.log()[0].hash
    assert pinned.branch("from-there").execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 3}


@pytest.mark.parametrize("message", [0, 42, "nul\0"])
def test_a_message_of_a_merge_is_checked_too(db: Store, message: object) -> None:
    with db.branch("side") as side:
        side.execute("DELETE FROM steps")
    with pytest.raises(holdfast.InvalidValue):
        db.merge("side", message=message)  # type: ignore[arg-type]
    db.verify()


@pytest.mark.parametrize("message", [42, None, "nul\0", "\ud800"])
def test_a_message_that_cannot_be_kept_is_refused(db: Store, message: object) -> None:
    with pytest.raises(holdfast.InvalidValue), db.transaction(message):  # type: ignore[arg-type]
        db.execute("DELETE FROM steps")
    assert db.execute("SELECT count(*) AS n FROM steps").fetchone() == {"n": 3}
    db.verify()


def test_a_shared_store_is_waited_for_no_longer_than_the_timeout(tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "s.db", timeout=0.05) as db:
        db.execute("CREATE TABLE t (n INT)")
        errors: list[Exception] = []

        def read() -> None:
            try:
                db.execute("SELECT * FROM t")
            except holdfast.HoldfastError as error:
                errors.append(error)

        with db.transaction():
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
        assert [type(error) for error in errors] == [holdfast.Timeout]
        assert "checkout()" in str(errors[0])
        read()
        assert len(errors) == 1
