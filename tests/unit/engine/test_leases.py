"""Goal: one owner at a time, whatever clocks do (G4, G5). Method: owners here and elsewhere, clocks that tests move."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.flows import Pause
from holdfast.engine.contract import Engine, Session
from holdfast.engine.kv import Memory
from holdfast.engine.leases import leases
from holdfast.engine.leases.leases import Lease, claiming, hold_of, renew
from holdfast.engine.leases.owners import Owner, here, myself, started
from holdfast.engine.sqlite import SqliteEngine
from holdfast.engine.tree import TreeEngine
from holdfast.errors import Fenced, InvalidValue, RunBusy, StoreCorrupt
from holdfast.testing import FakeClock

HOUR_US = 3_600_000_000
ENGINES: list[Callable[[Any], Engine]] = [
    lambda clock: SqliteEngine.open(":memory:", clock=clock),
    lambda clock: TreeEngine.open(Memory(), clock=clock),
]


class Time:
    """The monotonic clock of this place."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Owners:
    """Owners of leases in one store, with clocks of their own."""

    def __init__(self, engine: Engine, clock: FakeClock, time: Time) -> None:
        self.session: Session = engine.session()
        self.clock = clock
        self.time = time
        self.paused: list[float] = []
        self.numbers = itertools.count()
        self.meanwhile: Callable[[], object] = lambda: None

    def claim(self, owner: Owner, key: str = "run-1", length: Any = 30) -> Lease:
        flow = claiming(lambda: nullcontext(self.session), key, owner, length)
        need = next(flow)
        while True:
            try:
                if isinstance(need, Pause):
                    self.pause(need.seconds)
                need = flow.send(None if isinstance(need, Pause) else need.now())
            except StopIteration as end:
                lease: Lease = end.value
                return lease
            except RunBusy as error:
                flow.throw(error)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.time.now += seconds
        self.meanwhile()

    def may_write(self, lease: Lease) -> bool:
        """Tell whether a write of an owner lands, and see that it does not if it is told so."""
        mark = f"{lease.owner.name} {next(self.numbers)}".encode()

        def work(writer: Any) -> None:
            writer.put_entry("work", "last", mark)
            lease.check(writer)

        try:
            self.session.write_together(work)
        except Fenced:
            with self.session.read() as reader:
                assert reader.entry("work", "last") != mark
            return False
        with self.session.read() as reader:
            assert reader.entry("work", "last") == mark
        return True


@pytest.fixture(params=ENGINES, ids=["sqlite", "tree"])
def owners(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owners]:
    clock, time = FakeClock(), Time()
    monkeypatch.setattr(leases, "monotonic", time)
    engine = request.param(clock)
    yield Owners(engine, clock, time)
    engine.close()


def elsewhere(name: str = "far") -> Owner:
    return Owner(name, "another-machine", 7, "another boot/pid:[1]", 99)


def test_c1_there_is_one_owner_and_the_other_is_told_who(owners: Owners) -> None:
    mine = owners.claim(myself())
    with pytest.raises(RunBusy, match=rf"'run-1' is worked on by process {mine.owner.pid} on .*since 2026-01-01 00:00"):
        owners.claim(myself())
    assert owners.may_write(mine)
    assert owners.claim(myself(), "run-2").epoch == 1
    mine.release(owners.session)
    again = owners.claim(myself())
    assert (mine.epoch, again.epoch) == (1, 2)
    assert owners.may_write(again)
    assert not owners.may_write(mine)
    mine.release(owners.session)
    assert owners.may_write(again)


def test_c2_g4_a_stale_owner_writes_nothing(owners: Owners) -> None:
    """It was silent for too long, somebody took over, and then it goes on: stopped, or waiting for a slow model."""
    stale = owners.claim(myself())
    owners.time.now += 30.1
    assert not stale.is_sure
    with pytest.raises(Fenced, match=r"lease of 30 s ended"):
        stale.check_sure()
    assert owners.may_write(stale), "nobody has taken over yet, so what was begun may land"
    fresh = owners.claim(myself())
    assert not owners.may_write(stale)
    assert stale.lost
    renew(owners.session, [stale, fresh])
    assert not stale.is_sure
    assert fresh.is_sure
    assert owners.may_write(fresh)


def test_c3_g5_who_renews_is_not_stolen_from_whatever_the_wall_clock_does(owners: Owners) -> None:
    mine = owners.claim(myself())
    for jump in (HOUR_US, -2 * HOUR_US, 10 * HOUR_US, -HOUR_US):
        owners.clock.advance(jump)
        owners.time.now += 20
        with pytest.raises(RunBusy):
            owners.claim(myself())
        renew(owners.session, [mine])
        assert mine.is_sure
        assert owners.may_write(mine)
    assert owners.paused == []


def test_g5_an_owner_that_died_here_is_replaced_at_once(owners: Owners) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = Owner("child", "here", child.pid, here(), started(child.pid) or 0)
        dead = owners.claim(owner)
        with pytest.raises(RunBusy):
            owners.claim(myself())
        child.kill()
    assert owner.is_dead
    fresh = owners.claim(myself())
    assert fresh.epoch == 2
    assert not owners.may_write(dead)
    assert Owner("reused", "here", fresh.owner.pid, here(), 1).is_dead, "another process has the number now"


def test_g5_an_owner_elsewhere_is_watched_before_it_is_replaced(owners: Owners) -> None:
    """Its wall clock may be wrong, or ours: what counts is that it does nothing for longer than between two beats."""
    far = owners.claim(elsewhere())
    owners.clock.advance(29_000_000)
    with pytest.raises(RunBusy):
        owners.claim(myself())
    assert owners.paused == []
    owners.clock.advance(HOUR_US)
    owners.meanwhile = lambda: renew(owners.session, [far])
    with pytest.raises(RunBusy):
        owners.claim(myself())
    assert 0 < sum(owners.paused) <= 15
    owners.clock.advance(HOUR_US)
    owners.meanwhile, owners.paused = lambda: None, []
    mine = owners.claim(myself())
    assert sum(owners.paused) == pytest.approx(15)
    assert not owners.may_write(far)
    assert owners.may_write(mine)


def test_g5_an_owner_elsewhere_that_gives_back_while_it_is_watched(owners: Owners) -> None:
    far = owners.claim(elsewhere())
    owners.clock.advance(HOUR_US)
    owners.meanwhile = lambda: far.release(owners.session)
    assert owners.claim(myself()).epoch == 2


def test_two_that_watch_the_same_owner_do_not_both_get_it(owners: Owners) -> None:
    owners.claim(elsewhere())
    owners.clock.advance(HOUR_US)
    first: list[Lease] = []

    def overtake() -> None:
        if not first:
            owners.meanwhile = lambda: None
            first.append(owners.claim(elsewhere("quicker")))

    owners.meanwhile = overtake
    with pytest.raises(RunBusy, match="quicker"):
        owners.claim(myself())
    assert owners.may_write(first[0])


def test_one_that_came_between_the_last_look_and_the_claim_is_watched_too(owners: Owners) -> None:
    """Its wall clock is behind, so its lease seems to have ended before it began."""
    owners.claim(elsewhere())
    owners.clock.advance(HOUR_US)
    together = owners.session.write_together

    def overtaken(work: Callable[[Any], Any]) -> Any:
        owners.session.write_together = together  # type: ignore[method-assign]
        quicker = leases.Hold(2, elsewhere("quicker"), until_us=1, length_seconds=30)
        with owners.session.write() as writer:
            writer.put_entry("lease", "run-1", msgspec.json.encode(quicker))
        return together(work)

    owners.session.write_together = overtaken  # type: ignore[method-assign]
    assert owners.claim(myself()).epoch == 3
    assert sum(owners.paused) == pytest.approx(30, abs=4)


def test_g5_an_owner_whose_renewal_stood_in_line_is_not_stolen_from(owners: Owners) -> None:
    """Another transaction kept it waiting for longer than its lease lasts."""
    mine = owners.claim(myself())
    owners.time.now += 40
    owners.meanwhile = lambda: renew(owners.session, [mine])
    with pytest.raises(RunBusy):
        owners.claim(myself())
    assert owners.may_write(mine)


def test_where_no_place_is_known_nobody_is_taken_for_dead(owners: Owners, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Owner("nowhere", "somewhere", 2**22 + 1)
    monkeypatch.setattr("holdfast.engine.leases.owners.here", lambda: "")
    owners.claim(nowhere)
    assert not nowhere.is_dead
    with pytest.raises(RunBusy):
        owners.claim(nowhere)
    owners.clock.advance(HOUR_US)
    owners.claim(myself())
    assert sum(owners.paused) == pytest.approx(15)


@pytest.mark.parametrize("length", [0, -1, 0.4, "0s", "soon", None, True])
def test_a_lease_has_a_sensible_length(owners: Owners, length: Any) -> None:
    with pytest.raises(InvalidValue, match="lease"):
        owners.claim(myself(), length=length)
    assert owners.claim(myself(), length="10m").length_seconds == 600


def test_a_damaged_lease_is_named(owners: Owners) -> None:
    with owners.session.write() as writer:
        writer.put_entry("lease", "run-1", b'{"epoch": "many"}')
    with pytest.raises(StoreCorrupt, match="lease of 'run-1' is damaged"):
        owners.claim(myself())


def test_what_an_entry_says_of_its_owner(owners: Owners) -> None:
    mine = owners.claim(myself())
    with owners.session.read() as reader:
        hold = hold_of(reader, "run-1")
        assert msgspec.json.decode(reader.entry("lease", "run-1") or b"")["owner"]["pid"] == mine.owner.pid
    assert (hold.owner, hold.epoch, hold.until_us - hold.since_us) == (mine.owner, 1, 30_000_000)


operations = st.tuples(
    st.sampled_from(["claim", "claim", "renew", "release", "write", "write"]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.0, 1.0, 9.0, 31.0]),
    st.sampled_from([0, 0, 40_000_000, HOUR_US, -HOUR_US]),
)


@settings(deadline=None)
@given(script=st.lists(operations, max_size=40))
def test_g4_no_two_owners_write_whatever_happens(script: list[tuple[str, int, float, int]]) -> None:
    """Owners here and elsewhere, any order, clocks that jump: who wrote last claimed last."""
    clock, time = FakeClock(), Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases, "monotonic", time)
        engine = TreeEngine.open(Memory(), clock=clock)
        owners = Owners(engine, clock, time)
        who = [myself(), myself(), elsewhere("far"), elsewhere("farther")]
        held: dict[int, Lease] = {}
        newest = 0
        for word, number, passes, jumps in script:
            time.now += passes
            clock.advance(jumps)
            lease = held.get(number)
            if word == "claim":
                owner = next((one for one in held.values() if one.epoch == newest and not one.lost), None)
                safe = owner is not None and owner.is_sure and owner.owner.is_near
                try:
                    held[number] = owners.claim(who[number])
                except RunBusy:
                    continue
                assert not safe, "nobody is stolen from who renewed in time"
                assert held[number].epoch == newest + 1
                newest += 1
            elif lease is not None and word == "renew":
                renew(owners.session, [lease])
                assert lease.lost == (lease.epoch != newest) or lease.lost
            elif lease is not None and word == "release":
                lease.release(owners.session)
            elif lease is not None:
                assert owners.may_write(lease) == (lease.epoch == newest and not lease.lost)
        engine.close()
