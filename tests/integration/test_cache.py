"""Goal: a tool is called once for what is asked of it, and answers as if it had been. Method: count its calls."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest

import holdfast
from holdfast.testing import FakeClock
from tests.sources import source_of

CALLS: Counter[str] = Counter()
HOUR_US = 3_600_000_000


@dataclass
class Place:
    """Somewhere."""

    city: str
    people: int


def ask(q: Any, k: int = 1) -> Any:
    """Return what cannot be told from JSON alone."""
    CALLS["ask"] += 1
    return {1: (q, k), "raw": b"\x00", "place": Place("Paris", 2), "set": {1, 2}}


def nothing(q: str) -> None:
    """Return None."""
    CALLS["nothing"] += 1


def fails(q: str) -> None:
    """Raise."""
    CALLS["fails"] += 1
    raise LookupError(q, CALLS["fails"])


@pytest.fixture(params=["file", "memory", "folder", "postgres", "valkey"])
def db(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[holdfast.Store]:
    CALLS.clear()
    with holdfast.connect(source_of(request.param, tmp_path), clock=clock) as store:
        yield store


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_s3_t2_a_hit_and_a_miss_return_the_same_types(db: holdfast.Store) -> None:
    cache = db.cache.options(ttl="1h")
    first, second = cache.call(ask, "x"), cache.call(ask, q="x", k=1)
    assert first == second == {1: ("x", 1), "raw": b"\x00", "place": Place("Paris", 2), "set": {1, 2}}
    assert [type(key) for key in first] == [type(key) for key in second] == [int, str, str, str]
    assert type(first[1]) is type(second[1]) is tuple
    second["place"].people = 7
    first["set"].add(3)
    assert cache.call(ask, "x") == {1: ("x", 1), "raw": b"\x00", "place": Place("Paris", 2), "set": {1, 2}}
    assert CALLS["ask"] == 1
    assert cache.call(ask, ("x",))[1] == (("x",), 1)
    assert cache.call(ask, ["x"])[1] == (["x"], 1)
    assert CALLS["ask"] == 3


def test_t5_none_is_an_answer(db: holdfast.Store) -> None:
    cache = db.cache.options(ttl="1h")
    assert cache.find(nothing, "x") is None
    assert [cache.call(nothing, "x") for _ in range(3)] == [None] * 3
    assert CALLS["nothing"] == 1
    hit = cache.find(nothing, "x")
    assert hit is not None
    assert hit.value is None


def test_t9_what_has_expired_is_never_returned(db: holdfast.Store, clock: FakeClock) -> None:
    """Whatever the clock does; and each answer ends when it was said that it would."""
    cache = db.cache.options(ttl="1h")
    cache.call(ask, "x")
    clock.advance(HOUR_US - 1)
    cache.call(ask, "x")
    assert CALLS["ask"] == 1
    clock.advance(1)
    assert cache.find(ask, "x") is None
    cache.call(ask, "x")
    assert CALLS["ask"] == 2
    clock.advance(-2 * HOUR_US)
    cache.call(ask, "x")
    assert CALLS["ask"] == 3, "an answer from a time that the clock jumped back from"
    forever = db.cache.options(ttl=None)
    forever.call(ask, "y")
    clock.advance(10**6 * HOUR_US)
    assert forever.find(ask, "y")
    for ttl in ("soon", -1, True, [1]):
        with pytest.raises(holdfast.InvalidValue, match="ttl"):
            db.cache.options(ttl=ttl)  # type: ignore[arg-type]


def test_t3_scopes_and_names_part_answers(db: holdfast.Store) -> None:
    one, other = (db.cache.options(ttl="1h", scope={"tenant": name}) for name in ("acme", "evil"))
    one.call(ask, "x")
    assert other.find(ask, "x") is None
    assert db.cache.find(ask, "x") is None
    other.call(ask, "x")
    assert one.find(ask, "x")
    assert CALLS["ask"] == 2
    db.cache.options(version="2").call(ask, "x")
    db.cache.options(name="another").call(ask, "x")
    assert CALLS["ask"] == 4


def test_t4_t5_what_a_tool_raises_is_kept_only_if_that_is_said(db: holdfast.Store, clock: FakeClock) -> None:
    cache = db.cache.options(ttl="1h")
    for number in (1, 2):
        with pytest.raises(LookupError) as raised:
            cache.call(fails, "x")
        assert raised.value.args == ("x", number)
    patient = cache.options(errors="1m")
    for _ in range(3):
        with pytest.raises(LookupError) as raised:
            patient.call(fails, "x")
        assert raised.value.args == ("x", 3)
    hit = patient.find(fails, "x")
    assert hit is not None
    assert isinstance(hit.error, LookupError)
    clock.advance(60_000_000)
    with pytest.raises(LookupError) as raised:
        patient.call(fails, "x")
    assert raised.value.args == ("x", 4)


def test_answers_are_invalidated_by_tool_and_scope(db: holdfast.Store) -> None:
    cache = db.cache.options(ttl="1h")
    for number in range(5):
        cache.call(ask, number)
        cache.options(scope="acme").call(ask, number)
    cache.call(nothing, "x")
    cache.options(name="a/b%2F").call(ask, 1)
    assert cache.invalidate(ask, scope="acme") == 5
    assert cache.invalidate("a/b%2F") == 1
    assert cache.invalidate(scope="acme") == 0
    assert cache.invalidate(nothing) == 1
    assert cache.find(ask, 3)
    assert cache.invalidate() == 5
    assert cache.find(ask, 3) is None
    assert cache.invalidate("no such tool") == 0
    assert [use.answers for use in cache.stats()] == [0, 0, 0]


def test_what_is_used_is_counted_and_survives(tmp_path: Path) -> None:
    CALLS.clear()
    with holdfast.connect(tmp_path / "s.db") as db:
        cache = db.cache.options(ttl="1h", cost=lambda answer: len(answer) / 2)
        for _ in range(4):
            cache.call(ask, "x")
        with pytest.raises(LookupError):
            db.cache.call(fails, "x")
        (asked, failed) = cache.stats()
        assert (asked.hits, asked.misses, asked.failures, asked.answers, asked.cost_saved) == (3, 1, 0, 1, 6.0)
        assert (asked.hit_rate, failed.hit_rate) == (0.75, 0.0)
        assert (failed.misses, failed.failures, failed.answers) == (1, 1, 0)
        assert asked.bytes > 0
        cache.call(ask, "x")
    with holdfast.connect(tmp_path / "s.db", read_only=True) as db:
        assert db.cache.stats()[0].hits == 4
        assert db.cache.call(ask, "x")
        assert db.cache.call(ask, "y"), "a tool is called, and its answer is not kept"
        assert CALLS["ask"] == 2
        assert db.cache.find(ask, "y") is None


def test_t7_the_cache_is_bounded_and_pushes_out_nothing_but_answers(db: holdfast.Store, clock: FakeClock) -> None:
    db.state["kept"] = "x" * 50_000
    head = db.state.commit()
    cache = db.cache.options(ttl="1h", max_bytes=20_000, name="noise")
    for number in range(100):
        clock.advance(1_000_000)
        cache.call(lambda n: numpy.random.default_rng(n).bytes(1_000), number)
    (use,) = cache.stats()
    assert 15 <= use.answers <= 20
    assert use.bytes <= 20_000
    assert cache.find(lambda n: n, 99) is None, "another function under the same name has another version"
    assert db.head == head
    assert db.state.checkout(head)["kept"] == "x" * 50_000
    db.cache.options(name="large", max_bytes=20_000).call(lambda: numpy.random.default_rng(1).bytes(30_000))
    assert [use.answers for use in cache.stats()] == [0, use.answers], "one that is too large pushes nothing out"
    clock.advance(2 * HOUR_US)
    for number in range(4):
        cache.call(lambda n: b"small", number)
    assert cache.stats()[1].answers == 4, "what has ended goes with what comes"


def test_k9_what_is_invalidated_is_outside_of_history(db: holdfast.Store) -> None:
    head = db.head
    db.cache.options(ttl="1h").call(ask, "x")
    assert db.head == head
    db.branch("other")
    assert db.checkout("other").cache.find(ask, "x")
    db.gc()
    db.verify()
    assert db.cache.find(ask, "x")


def test_s2_what_cannot_be_kept_is_named(db: holdfast.Store) -> None:
    with pytest.raises(holdfast.NotStorable, match=r'ask\(\)\["q"\]'):
        db.cache.call(ask, threading.Lock())
    assert CALLS["ask"] == 0
    with pytest.raises(holdfast.NotStorable, match=r"what a_lock\(\) returned"):
        db.cache.options(name="a_lock").call(threading.Lock)
    for options in ({"name": ""}, {"version": 1}, {"cost": -1}, {"cost": True}, {"max_bytes": 0}, {"errors": "never"}):
        with pytest.raises(holdfast.InvalidValue, match=next(iter(options))):
            db.cache.options(**options)


def test_t6_a_coroutine_function_is_refused_by_name(db: holdfast.Store) -> None:
    async def later() -> None:
        """Never run."""

    with pytest.raises(holdfast.InvalidValue, match=r"holdfast\.aio"):
        _ = db.cache.options(name="later").call(later)
    with pytest.raises(holdfast.InvalidValue, match=r"holdfast\.aio"):
        _ = db.cache.options(name="later").call(lambda: later())  # noqa: PLW0108 - what it returns is seen only then


def test_inside_a_transaction_answers_are_read_and_no_tool_is_called(tmp_path: Path) -> None:
    CALLS.clear()
    with holdfast.connect(tmp_path / "s.db", timeout=5) as db:
        db.cache.call(ask, "x")
        with db.transaction():
            db.execute("CREATE TABLE t (x INT)")
            assert db.cache.call(ask, "x")
            with pytest.raises(holdfast.TransactionOpen):
                db.cache.call(ask, "y")
        assert CALLS["ask"] == 1
        assert db.cache.call(ask, "y")


# One call for all


def at_once(number: int, work: Callable[[int], object]) -> list[object]:
    """Let threads begin at the same time; return what they return or raise."""
    barrier, found = threading.Barrier(number), list[object]([None] * number)

    def do(at: int) -> None:
        barrier.wait()
        try:
            found[at] = work(at)
        except Exception as error:  # noqa: BLE001 - it is looked at
            found[at] = error

    threads = [threading.Thread(target=do, args=(at,)) for at in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_t1_twenty_identical_calls_call_the_tool_once(db: holdfast.Store) -> None:
    held = threading.Event()

    def slow(q: str) -> list[str]:
        CALLS["slow"] += 1
        assert held.wait(20)
        return [q]

    cache = db.cache.options(ttl="1h", name="slow")
    opener = threading.Timer(0.2, held.set)
    opener.start()
    found = at_once(20, lambda _: cache.call(slow, "x"))
    assert found == [["x"]] * 20
    assert CALLS["slow"] == 1
    assert len({id(one) for one in found}) == 20, "each has one of its own"
    assert cache.stats()[0].hits == 19


def test_t1_what_the_one_call_raises_reaches_all_who_wait(db: holdfast.Store) -> None:
    cache = db.cache.options(ttl="1h")
    found = at_once(8, lambda _: cache.call(fails, "x"))
    assert all(isinstance(one, LookupError) for one in found)
    assert 1 <= CALLS["fails"] <= 8
    with pytest.raises(LookupError):
        cache.call(fails, "x")


def test_different_questions_do_not_wait_for_each_other(db: holdfast.Store) -> None:
    meeting = threading.Barrier(4)

    def slow(q: int) -> int:
        meeting.wait(20)  # none returns before all have begun
        return q

    cache = db.cache.options(ttl="1h", name="slow")
    assert at_once(4, lambda at: cache.call(slow, at)) == [0, 1, 2, 3]


def test_a_tool_that_asks_what_it_is_asked_is_told(db: holdfast.Store) -> None:
    """It would wait for its own end. Asking something else is fine, and so is asking again when it has ended."""
    cache = db.cache.options(ttl="1h", name="nested")

    def tool(depth: int, *, same: bool = False) -> int:
        CALLS["tool"] += 1
        return depth and 1 + cache.call(tool, depth if same else depth - 1, same=same)

    assert cache.call(tool, 3) == 3
    assert CALLS["tool"] == 4
    for _ in range(2):
        with pytest.raises(holdfast.InvalidValue, match="wait for itself"):
            cache.call(tool, 3, same=True)


def test_t2_what_a_tool_does_to_its_arguments_changes_no_question(db: holdfast.Store) -> None:
    def tool(array: Any, rows: list[int]) -> int:
        CALLS["tool"] += 1
        array[:] = 0
        rows.clear()
        return CALLS["tool"]

    cache = db.cache.options(ttl="1h", name="tool")
    assert [cache.call(tool, numpy.arange(4.0), [1]) for _ in range(2)] == [1, 1]
    assert cache.call(tool, numpy.zeros(4), []) == 2


def test_an_answer_that_cannot_be_kept_is_returned_even_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    with holdfast.connect(tmp_path / "s.db") as db:

        def put(*_: Any) -> bool:
            raise holdfast.StoreFull("no room")

        monkeypatch.setattr("holdfast.cache.entries.put", put)
        with pytest.warns(RuntimeWarning, match=r"what .*ask\(\) answered is not kept: no room"):
            assert db.cache.call(ask, "x")
        monkeypatch.undo()
        assert db.cache.call(ask, "x")
        assert CALLS["ask"] == 2


def test_two_tools_that_ask_each_other_at_once_are_told(db: holdfast.Store) -> None:
    """Each would wait for the other; which of them is told is chance, and the other then gets its answer."""
    both = threading.Barrier(2)
    cache = db.cache.options(ttl="1h", version="1")

    def tool(me: str, other: str) -> str:
        both.wait(20)
        return cache.options(name=other).call(tool, other, me) and me

    found = at_once(2, lambda at: cache.options(name="ab"[at]).call(tool, "ab"[at], "ba"[at]))
    assert any(isinstance(one, holdfast.InvalidValue) for one in found)
    assert all("wait for itself" in str(one) for one in found if isinstance(one, Exception))


def same(number: int) -> int:
    """Return what it is given."""
    return number


def _called(cache: Any, number: int, _: int) -> object:
    return cache.call(same, number)


def test_an_interrupt_anywhere_leaves_nobody_waiting(db: holdfast.Store) -> None:
    """At the beginning of whatever function it strikes, as Python lets it, the next who asks is answered."""
    cache = db.cache.options(ttl="1h", name="tool", version="1")
    here, struck = threading.get_ident(), 0

    for stop_at in range(1, 120):
        functions = 0

        def strike(frame: Any, event: str, arg: Any, stop_at: int = stop_at) -> Any:
            nonlocal functions
            watched = any(
                room in frame.f_code.co_filename for room in ("holdfast/cache", "holdfast/core/flows", "leases")
            )
            if event == "call" and watched and threading.get_ident() == here:
                functions += 1
                if functions == stop_at:
                    sys.settrace(None)
                    raise KeyboardInterrupt

        try:
            sys.settrace(strike)
            cache.call(same, stop_at)
        except KeyboardInterrupt:
            struck += 1
        finally:
            sys.settrace(None)
        assert at_once(1, partial(_called, cache, stop_at)) == [stop_at]
    assert struck > 20
    db.verify()


class Awkward(Exception):
    """Cannot be made again from what it is pickled as."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


def awkward(q: str) -> None:
    """Raise."""
    CALLS["awkward"] += 1
    raise Awkward(code=7)


class Gone:
    """A class that is not there later."""

    def __init__(self, number: int) -> None:
        self.number = number


def of_a_class(q: str) -> Any:
    """Return an object."""
    CALLS["class"] += 1
    return Gone(CALLS["class"])


def test_what_cannot_be_read_back_is_as_if_it_were_not_there(
    db: holdfast.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = db.cache.options(errors="1h")
    for _ in range(2):
        with pytest.raises(Awkward, match="code 7"):
            patient.call(awkward, "x")
    assert CALLS["awkward"] == 2
    cache = db.cache.options(ttl="1h")
    assert [cache.call(of_a_class, "x").number for _ in range(2)] == [1, 1]
    with monkeypatch.context() as patch:
        patch.delattr(sys.modules[__name__], "Gone")
        assert cache.find(of_a_class, "x") is None
    assert cache.find(of_a_class, "x")


def test_a_damaged_answer_is_given_anew(db: holdfast.Store) -> None:
    cache = db.cache.options(ttl="1h")
    for number in range(3):
        cache.call(ask, number)
    with db._engine.session().write() as writer:
        for digest, _ in list(writer.entries("cache")):
            writer.put_entry("cache", digest, b"\x00damaged")
    assert cache.call(ask, 1) == cache.call(ask, 1)
    assert CALLS["ask"] == 4
    assert cache.invalidate() == 3
    assert cache.stats()[0].answers == 0


def test_where_no_question_can_be_claimed_the_tool_is_called_even_so(
    db: holdfast.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise holdfast.StoreFull("no room")

    monkeypatch.setattr("holdfast.cache.calls.try_claim", full)
    monkeypatch.setattr("holdfast.cache.entries.put", full)
    with pytest.warns(RuntimeWarning, match="is not kept: no room"):
        assert db.cache.call(ask, "x")
    assert CALLS["ask"] == 1


@pytest.mark.parametrize(
    "cost", [lambda _: 1 / 0, lambda _: float("nan"), lambda _: "much"], ids=["1/0", "nan", "a text"]
)
def test_a_cost_that_cannot_be_told_costs_nobody_the_answer(db: holdfast.Store, cost: Callable[[Any], Any]) -> None:
    with pytest.warns(RuntimeWarning, match="cost= gave"):
        assert db.cache.options(cost=cost).call(ask, "x")
    assert db.cache.stats()[0].cost_saved == 0


def test_inside_a_transaction_nobody_waits_for_another_call(tmp_path: Path) -> None:
    """Who calls may wait for the transaction."""
    CALLS.clear()
    begun, go_on = threading.Event(), threading.Event()

    def slow(q: str) -> str:
        begun.set()
        assert go_on.wait(20)
        return q

    with holdfast.connect(tmp_path / "s.db") as db:
        cache = db.cache.options(ttl="1h", name="slow", version="1")
        other = threading.Thread(target=lambda: cache.call(slow, "x"))
        other.start()
        assert begun.wait(20)
        with db.transaction(), pytest.raises(holdfast.TransactionOpen):
            cache.call(slow, "x")
        go_on.set()
        other.join()
        assert cache.call(slow, "x") == "x"


PROCESS = """
import sys, time
import holdfast

def tool(q):
    with open(sys.argv[2], "a") as log:
        log.write(f"{q}\\n")
    if len(sys.argv) > 3:
        print("calls", flush=True)
        sys.stdin.readline()
    time.sleep(0.05)
    return {"q": q, 1: (2,)}

with holdfast.connect(sys.argv[1]) as db:
    cache = db.cache.options(ttl="1h", name="tool", version="1")
    print("ready", flush=True)
    sys.stdin.readline()
    print([cache.call(tool, number % 5) for number in range(20)][-1], flush=True)
"""


def start(path: Path, log: Path, *, stops: bool = False) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, str(path), str(log), *(["stop"] if stops else [])]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin
    child.stdin.write("\n")
    child.stdin.flush()


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def test_t1_processes_call_a_tool_once_for_all_of_them(tmp_path: Path) -> None:
    children = [start(tmp_path / "s.db", tmp_path / "log") for _ in range(4)]
    for child in children:
        tell(child)
    assert {said(child) for child in children} == {"{'q': 4, 1: (2,)}"}
    for child in children:
        assert child.wait() == 0
        child.communicate()
    assert sorted((tmp_path / "log").read_text().split()) == ["0", "1", "2", "3", "4"]


def test_t1_a_process_that_dies_while_it_calls_is_replaced(tmp_path: Path) -> None:
    """At once, though its lease would last for longer."""
    dying = start(tmp_path / "s.db", tmp_path / "log", stops=True)
    tell(dying)
    assert said(dying) == "calls"
    waiting = start(tmp_path / "s.db", tmp_path / "log")
    tell(waiting)
    began = time.monotonic()
    os.kill(dying.pid, signal.SIGKILL)
    dying.communicate()
    assert said(waiting) == "{'q': 4, 1: (2,)}"
    assert time.monotonic() - began < 10
    waiting.communicate()
    assert sorted((tmp_path / "log").read_text().split()) == ["0", "0", "1", "2", "3", "4"]


def test_a_forgotten_store_is_not_kept_by_its_cache(tmp_path: Path) -> None:
    def forgotten() -> weakref.ref[Any]:
        db = holdfast.connect(tmp_path / "s.db")
        db.cache.call(nothing, "x")
        return weakref.ref(db._engine)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        engine = forgotten()
        deadline = time.monotonic() + 20
        while engine() is not None and time.monotonic() < deadline:  # the thread that renewed the lease ends, too
            gc.collect()
    assert engine() is None
