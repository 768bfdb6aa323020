"""Goal: what somebody reads stays, and nobody who died keeps anything. Method: readers in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import holdfast
from holdfast.engine.kv import Cache, Disk, Memory
from holdfast.engine.kv.disk import MARKS
from holdfast.engine.tree import recent
from tests.integration.tree.tools import notes, opened, step, waiting

READER = """
import sys
from holdfast.core.points import Point
from holdfast.engine.kv import Disk
from holdfast.engine.tree import TreeEngine

session = TreeEngine.open(Disk(sys.argv[1]), read_only=True).session()
with session.read() as reader:
    line, steps = reader.branch("main"), reader.catalogue().find("steps")
    print("reads", flush=True)
    sys.stdin.readline()
    session._shared.nodes.forget()
    notes = [row.values[2] for row in reader.rows(steps, reader.vector(Point(line.uid, line.head)))]
    print(len(notes), *set(notes), flush=True)
sys.stdin.readline()
"""


@contextmanager
def reading(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that reads what is newest now; it looks at the rows when it is told to."""
    command = [sys.executable, "-c", READER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "reads\n"
        try:
            yield child
        finally:
            child.kill()


def answer(child: subprocess.Popen[str]) -> str:
    assert child.stdin
    assert child.stdout
    child.stdin.write("\n")
    child.stdin.flush()
    return child.stdout.readline()


@pytest.fixture(autouse=True)
def few_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "STATES_MAX", 2)


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / MARKS).iterdir())


def test_what_another_process_reads_stays_until_it_has_read(tmp_path: Path) -> None:
    with closing(Disk(tmp_path)) as store:
        versions, session, engine = opened(store)
        versions.commit("main", [step(number, "before" * 20) for number in range(200)])
        with reading(tmp_path) as child:
            for number in range(60):
                versions.commit("main", [step(number, "after")])
            assert waiting(session) > 10
            assert answer(child) == f"200 {'before' * 20}\n"
            for number in range(60, 80):
                versions.commit("main", [step(number, "after")])
            assert waiting(session) <= 1
            assert len(marks(tmp_path)) == 2
        assert sorted(set(notes(versions).values())) == ["after", "before" * 20]
        versions.verify()
        engine.close()
        assert len(marks(tmp_path)) == 1, "that of the process that was killed"


def test_a_reader_that_is_killed_keeps_nothing(tmp_path: Path) -> None:
    with closing(Disk(tmp_path)) as store:
        versions, session, _ = opened(store)
        versions.commit("main", [step(number, "before") for number in range(200)])
        with reading(tmp_path) as child:
            versions.commit("main", [step(number, "after") for number in range(100)])
            for number in range(30):
                versions.commit("main", [step(number, "later")])
            assert waiting(session) > 5
            child.send_signal(signal.SIGKILL)
            child.wait()
        for number in range(20):
            versions.commit("main", [step(number, "last")])
        assert waiting(session) <= 1
        assert len(marks(tmp_path)) == 1
        versions.verify()


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_marks_tell_of_each_other(kind: str, tmp_path: Path) -> None:
    stores = [Memory()] * 2 if kind == "memory" else [Disk(tmp_path), Disk(tmp_path)]
    one, other = stores[0].mark(), Cache(stores[1]).mark()
    assert one
    assert other
    assert one.oldest_elsewhere() is None
    one.note(7)
    assert (one.oldest_elsewhere(), other.oldest_elsewhere()) == (None, 7)
    other.note(2**40)
    assert (one.oldest_elsewhere(), other.oldest_elsewhere()) == (2**40, 7)
    one.note(None)
    assert other.oldest_elsewhere() is None
    for _ in range(2):
        other.close()
    other.note(3)
    assert one.oldest_elsewhere() is None or kind == "memory"
    for store in stores:
        store.close()


def test_a_mark_that_cannot_be_read_keeps_everything(tmp_path: Path) -> None:
    with closing(Disk(tmp_path)) as store:
        (tmp_path / MARKS).mkdir()
        (tmp_path / MARKS / "somebody").mkdir()  # a folder, which nobody can open as a file
        versions, session, _ = opened(store)
        for number in range(30):
            versions.commit("main", [step(1, str(number))])
        assert waiting(session) > 5
        assert notes(versions) == {1: "29"}


def test_erasing_waits_for_readers_of_other_processes(tmp_path: Path) -> None:
    with closing(Disk(tmp_path)) as store:
        versions, session, _ = opened(store, timeout=0.3)
        versions.commit("main", [step(number, "before") for number in range(20)])
        with reading(tmp_path) as child:
            with pytest.raises(holdfast.Timeout, match="somebody has read"):
                session.scrub()
            assert answer(child) == "20 before\n"
            session.scrub()
        assert waiting(session) == 0
        versions.verify()


def test_a_mark_that_is_noted_again_and_again_is_never_gone(tmp_path: Path) -> None:
    """A number is written at once: who looks meanwhile sees the one before or the one after."""
    with closing(Disk(tmp_path)) as store:
        one, other = store.mark(), store.mark()
        assert one
        assert other
        one.note(255)
        ended = threading.Event()

        def note() -> None:
            while not ended.is_set():
                one.note(256)
                one.note(255)

        thread = threading.Thread(target=note)
        thread.start()
        seen = {other.oldest_elsewhere() for _ in range(3_000)}
        ended.set()
        thread.join()
        assert seen <= {255, 256}


def test_a_block_that_is_open_when_its_engine_is_closed_is_still_seen(tmp_path: Path) -> None:
    with closing(Disk(tmp_path)) as store, closing(Disk(tmp_path)) as again:
        versions, session, _ = opened(store)
        versions.commit("main", [step(number, "before") for number in range(50)])
        _, other, engine = opened(again)
        with other.read() as reader:
            engine.close()
            for number in range(30):
                versions.commit("main", [step(number, "after")])
            assert waiting(session) > 5
            assert reader.branch("main")
        for number in range(10):
            versions.commit("main", [step(number, "again")])
        assert waiting(session) <= 1
        assert len(marks(tmp_path)) == 1


def test_all_who_write_to_one_memory_stand_in_one_line() -> None:
    """By itself, or behind caches: what one puts back another must not take for superseded."""
    memory = Memory()
    stores = [memory, Cache(memory, max_bytes=100_000), Cache(memory, max_bytes=50)]
    versions = [opened(store)[0] for store in stores]

    def work(at: int) -> None:
        for number in range(60):
            note = "x" * 3_000 if number % 2 else "short"
            versions[at].commit("main", [step(7, note)])

    threads = [threading.Thread(target=work, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in versions:
        one.verify()
    assert len(notes(opened(memory)[0])) == 1
