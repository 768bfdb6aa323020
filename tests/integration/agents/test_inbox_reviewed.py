"""Goal: what a review of the inbox found stays mended: nothing is done that nobody allowed, and nothing twice.

Method: each test is the smallest story that went wrong, and was seen to.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast import Agent, Approval, Continuation, Done, Happened, Suspended
from holdfast.runs.calls import call_of, put_call
from holdfast.testing import FakeClock
from tests.llm_server import Model, calls, client_of, playing, says

HOUR_US = 3_600_000_000
CALLED: list[str] = []


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


@pytest.fixture
def db(clock: FakeClock) -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:", clock=clock) as store:
        yield store


@pytest.fixture
def other(tmp_path: Path, clock: FakeClock) -> Iterator[holdfast.Store]:
    with holdfast.connect(tmp_path / "other.db", clock=clock) as store:
        yield store


@pytest.fixture
def model() -> Iterator[Model]:
    with playing(lambda _: 418) as model:
        yield model


@holdfast.tool(approval=Approval(expires="1h"))
def pay(amount: int) -> str:
    """Pay."""
    CALLED.append(f"pay {amount}")
    return f"paid {amount}"


def told(request: dict[str, Any]) -> list[str]:
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]


def agent_of(model: Model, *tools: Any, asks: Any = None, **options: Any) -> Agent:
    """Return an agent that asks for something at first, and then says what it was told."""
    asked = asks or calls(("pay", {"amount": 1}))
    model.script = lambda request: says(" | ".join(told(request))) if told(request) else asked
    return Agent("a", model="m", client=client_of(model), tools=tools or (pay,), **options)


def waits(came: Done | Suspended) -> Suspended:
    assert isinstance(came, Suspended)
    return came


def step(db: holdfast.Store, function: Any, *args: Any, run_id: str = "r") -> holdfast.Run:
    with db.run(run_id) as run:
        run.result = run.step("step", function, *args)
    return run


def test_c1_a_tool_that_raised_is_made_once_however_often_its_agent_is_resumed(
    db: holdfast.Store, model: Model
) -> None:
    @holdfast.tool(effect="once")
    def charge() -> None:
        """Charge."""
        CALLED.append("charge")
        raise ConnectionError("no answer")

    @holdfast.tool(approval=Approval())
    def refund(number: int) -> None:
        """Refund."""
        CALLED.append(f"refund {number}")
        raise holdfast.InvalidValue("an error of ours, by a tool")

    asks = calls(("charge", {}), ("refund", {"number": 1}), ("refund", {"number": 2}))
    agent = agent_of(model, charge, refund, asks=asks)
    waits(agent.run("go", store=db, run_id="r"))
    waits(agent.resume(db, "r"))
    db.inbox()[0].approve(by="ann")
    for _ in range(2):
        waits(agent.resume(db, "r"))
    db.inbox()[0].approve(by="ann")
    done = agent.resume(db, "r")
    assert isinstance(done, Done)
    assert "error: ConnectionError: no answer | error: InvalidValue: an error of ours" in done.output
    assert sorted(CALLED) == ["charge", "refund 1", "refund 2"]


def test_c1_a_step_that_was_allowed_and_raised_is_not_made_again_by_a_worker(db: holdfast.Store) -> None:
    @holdfast.tool(approval=Approval())
    def breaks() -> None:
        CALLED.append("breaks")
        raise ValueError("it is broken")

    db.start("body", "r")
    worker = db.worker({"body": lambda run: run.step("step", breaks)}, backoff=0.001)
    worker.run(until_idle=True)
    db.inbox()[0].approve(by="ann")
    for _ in range(3):
        worker.run(until_idle=True)
    assert CALLED == ["breaks"], "an approval is of one call"


@pytest.mark.parametrize("hand_over", [True, False])
def test_c2_only_a_run_that_waits_is_exported_and_once(
    db: holdfast.Store, other: holdfast.Store, model: Model, hand_over: bool
) -> None:
    agent = agent_of(model)
    waits(agent.run("go", store=db, run_id="r"))
    db.inbox()[0].approve(by="ann")
    model.script = lambda _: 500
    with pytest.raises(Exception, match="500"):
        agent.resume(db, "r")
    assert CALLED == ["pay 1"]
    with pytest.raises(holdfast.RunBusy, match="is failed, and does not wait for a call"):
        agent.export(db, "r", hand_over=hand_over)
    agent = agent_of(model)
    agent.resume(db, "r")
    with pytest.raises(holdfast.RunFinished):
        agent.export(db, "r", hand_over=hand_over)
    waits(agent.run("go", store=db, run_id="twice"))
    assert agent.export(db, "twice").is_whole
    with pytest.raises(holdfast.RunFinished):
        agent.export(db, "twice", hand_over=hand_over)
    assert other.runs() == []


def test_c2_a_run_whose_call_was_begun_is_not_exported(db: holdfast.Store, model: Model) -> None:
    @holdfast.tool(approval=Approval())
    def stops() -> None:
        """Stop the program."""
        raise KeyboardInterrupt

    agent = agent_of(model, stops, asks=calls(("stops", {})))
    waits(agent.run("go", store=db, run_id="r"))
    db.inbox()[0].approve(by="ann")
    with pytest.raises(KeyboardInterrupt):
        agent.resume(db, "r")
    with pytest.raises((holdfast.RunBusy, holdfast.InDoubt)):
        agent.export(db, "r")
    waits(agent.resume(db, "r"))
    with pytest.raises(holdfast.InDoubt):
        agent.export(db, "r", hand_over=False)


def test_c3_whoever_is_asked_whether_it_happened_is_asked_about_what_was_made(db: holdfast.Store) -> None:
    asked: list[int] = []

    def check(amount: int) -> Happened | None:
        asked.append(amount)
        return Happened("it was") if [f"pay {amount}"] == CALLED else None

    def pays(amount: int) -> str:
        CALLED.append(f"pay {amount}")
        raise KeyboardInterrupt

    verified = holdfast.tool(approval=Approval(), verify=check)(pays)
    step(db, verified, 70)
    db.inbox()[0].approve(by="ann", args={"amount": 50})
    with pytest.raises(KeyboardInterrupt):
        step(db, verified, 70)
    assert step(db, verified, 70).result == "it was"
    assert (asked, CALLED) == ([50], ["pay 50"])
    plain = holdfast.tool(approval=Approval())(pays)
    step(db, plain, 70, run_id="s")
    db.inbox()[0].approve(by="ann", args={"amount": 60})
    with pytest.raises(KeyboardInterrupt):
        step(db, plain, 70, run_id="s")
    step(db, plain, 70, run_id="s")
    assert db.inbox()[0].args == {"amount": 60}


def test_c4_whatever_a_tool_is_wrapped_in_somebody_has_to_allow_it(db: holdfast.Store, model: Model) -> None:
    @functools.wraps(pay)
    def logged(amount: int) -> Any:
        return pay(amount)

    for at, wrapped in enumerate((functools.partial(pay, 7), holdfast.tool(name="pay2")(pay), logged)):
        given = () if at == 0 else (7,)
        assert step(db, wrapped, *given, run_id=f"r{at}").status == "suspended"
        assert db.inbox(run_id=f"r{at}")[0].args == {"amount": 7}
        db.inbox(run_id=f"r{at}")[0].approve(by="ann", args={"amount": 5})
        assert step(db, wrapped, *given, run_id=f"r{at}").result == "paid 5"
    assert CALLED == ["pay 5"] * 3
    again = holdfast.tool(name="pay2", retries=2)(pay)
    assert (again.name, again.options.effect, again.options.retries, again.gate) == ("pay2", "once", 2, pay.gate)
    waits(agent_of(model, again, asks=calls(("pay2", {"amount": 1}))).run("go", store=db, run_id="s"))


def test_c5_nobody_decides_on_what_nobody_can_see(db: holdfast.Store) -> None:
    class Payment:
        pass

    with pytest.raises(holdfast.NotStorable, match="nobody could see what on"):
        step(db, holdfast.tool(approval=Approval())(lambda payment: CALLED.append("pay")), Payment())
    assert (CALLED, db.inbox()) == ([], [])


def test_c6_what_asking_raised_is_recorded_as_the_call_that_failed(db: holdfast.Store, model: Model) -> None:
    def asks(amount: int) -> bool:
        raise ConnectionError(f"no policy for {amount}")

    paid = holdfast.tool(name="pay", approval=Approval(when=asks))(pay.function)
    agent = agent_of(model, paid)
    done = agent.run("go", store=db, run_id="r")
    assert done == Done("error: ConnectionError: no policy for 1", "r")
    allows = holdfast.tool(name="pay", approval=Approval(when=lambda amount: False))(pay.function)
    assert agent_of(model, allows).resume(db, "r") == done
    assert CALLED == []


@pytest.mark.parametrize("on_expiry", ["reject", "cancel"])
def test_h1_a_decision_that_was_acknowledged_is_not_overwritten_by_its_expiry(
    db: holdfast.Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, on_expiry: str
) -> None:
    """It is made in the moment between the look at the call and the commit that says that it expired."""
    from holdfast.runs.gates import Wanted  # noqa: PLC0415

    asked = holdfast.tool(approval=Approval(expires="1h", on_expiry=on_expiry))(pay.function)
    step(db, asked, 1)
    call = db.inbox()[0]
    expired = Wanted._expired  # pyright: ignore[reportPrivateUsage]

    def in_between(self: Wanted, record: Any) -> Any:
        monkeypatch.setattr(Wanted, "_expired", expired)
        clock.advance(-1)
        call.approve(by="ann")
        clock.advance(1)
        return expired(self, record)

    monkeypatch.setattr(Wanted, "_expired", in_between)
    clock.advance(HOUR_US)
    assert step(db, asked, 1).result == "paid 1"
    assert db.inbox.get(call.id).state == "approved"


def test_h2_a_decision_while_a_run_is_exported_is_not_lost(
    db: holdfast.Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.agents import handing  # noqa: PLC0415

    agent = agent_of(model)
    waits(agent.run("go", store=db, run_id="r"))
    whole = handing.whole

    def slow(*given: Any) -> Any:
        found = whole(*given)
        db.inbox()[0].reject("no", by="ann")
        return found

    monkeypatch.setattr(handing, "whole", slow)
    with pytest.raises(holdfast.RunBusy, match="export it again"):
        agent.export(db, "r")
    monkeypatch.setattr(handing, "whole", whole)
    assert [call.state for call in agent.export(db, "r").calls()] == ["rejected"]


def test_h3_what_was_decided_before_it_was_taken_over_goes_on_by_a_worker(
    db: holdfast.Store, other: holdfast.Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = agent_of(model)
    waits(agent.run("go", store=db, run_id="r"))
    db.inbox()[0].approve(by="ann")
    given = agent.export(db, "r")
    monkeypatch.setattr(Agent, "_go_on", lambda *_: None)  # as if the process died right after it took the run
    agent.resume(other, given)
    monkeypatch.undo()
    other.worker([agent]).run(until_idle=True)
    assert (other.run("r").result, CALLED) == ("paid 1", ["pay 1"])


def test_h4_what_a_schema_does_not_tell_ends_no_run(db: holdfast.Store, model: Model) -> None:
    @holdfast.question()
    def when(what: str) -> date:  # type: ignore[empty-body]
        """Ask when."""

    agent = agent_of(model, when, asks=calls(("when", {"what": "party"})))
    waits(agent.run("go", store=db, run_id="r"))
    with pytest.raises(holdfast.InvalidValue, match="is not a 'date'"):
        db.inbox()[0].answer("tomorrow", by="ann")
    db.inbox()[0].answer("2026-12-24", by="ann")
    assert agent.resume(db, "r") == Done('"2026-12-24"', "r")


def test_h6_a_run_of_another_story_is_not_taken_for_the_one_that_comes(
    db: holdfast.Store, other: holdfast.Store, model: Model
) -> None:
    agent = agent_of(model)
    waits(agent.run("pay the rent", store=db, run_id="r"))
    waits(agent.run("delete everything", store=other, run_id="r"))
    given = Continuation.from_json(agent.export(db, "r").to_json())
    with pytest.raises(holdfast.AlreadyExists, match="is another one"):
        agent.resume(other, given)


def test_m1_a_state_that_was_changed_in_the_store_is_no_decision(db: holdfast.Store) -> None:
    step(db, pay, 7)
    call = db.inbox()[0]
    call.reject("no", by="ann")
    place = db.run("r").loop.place
    with place.session.write() as writer:
        record = call_of(writer, call.id)
        assert record is not None
        put_call(writer, msgspec.structs.replace(record, state="approved"))
    with pytest.raises(holdfast.Untrusted):
        step(db, pay, 7)
    assert CALLED == []


def test_m3_m4_a_doubt_is_told_of_by_those_who_allow_and_is_over_when_it_is_known(db: holdfast.Store) -> None:
    known: list[Happened] = []

    def pays() -> None:
        CALLED.append("pay")
        raise KeyboardInterrupt

    asked = holdfast.tool(approval=Approval(by=["ann"]))(pays)
    step(db, asked)
    db.inbox()[0].approve(by="ann")
    with pytest.raises(KeyboardInterrupt):
        step(db, asked)
    assert step(db, asked).status == "suspended"
    with pytest.raises(holdfast.InvalidValue, match="'mallory' may not decide"):
        db.inbox()[0].answer(None, by="mallory")
    known.append(Happened("it was"))
    verified = holdfast.tool(approval=Approval(by=["ann"]), verify=lambda: known[0])(pays)
    assert step(db, verified).result == "it was"
    assert (db.inbox(), CALLED) == ([], ["pay"])


@pytest.mark.parametrize("seconds", [-5, 1e300])
def test_m5_no_length_of_time_ends_a_run(db: holdfast.Store, model: Model, seconds: float) -> None:
    agent = agent_of(model, holdfast.sleep, asks=calls(("sleep", {"seconds": seconds})))
    for _ in range(2):
        done = agent.run("go", store=db, run_id="r")
        assert isinstance(done, Done)
        assert done.output.startswith("error: ")


def test_m6_who_was_asked_whether_it_may_go_on_is_waited_for(db: holdfast.Store, model: Model) -> None:
    reasons = iter(["it is dear"])
    agent = agent_of(model, asks=says("went on"), pause=lambda _: next(reasons, None))
    waits(agent.run("go", store=db, run_id="r"))
    waits(agent.resume(db, "r"))
    db.inbox()[0].approve(by="ann")
    assert agent.resume(db, "r") == Done("went on", "r")


def test_l1_calls_of_one_id_are_calls_of_their_own(db: holdfast.Store, model: Model) -> None:
    def note(number: int) -> str:
        """Note a number."""
        CALLED.append(str(number))
        return str(number)

    asks = calls(*[("note", {"number": number}) for number in range(3)])
    assert isinstance(asks, dict)
    for call, name in zip(asks["tool_calls"], ["a'", "a", "a"], strict=True):
        call["id"] = name
    assert agent_of(model, note, asks=asks).run("go", store=db, run_id="r") == Done("0 | 1 | 2", "r")
    assert sorted(CALLED) == ["0", "1", "2"]


def test_what_verify_raises_fails_the_run_and_is_no_answer_of_the_tool(db: holdfast.Store, model: Model) -> None:
    def cannot(amount: int) -> Happened | None:
        raise ConnectionError("the bank does not answer")

    @holdfast.tool(name="pay", effect="once", verify=cannot)
    def pays(amount: int) -> str:
        """Pay."""
        CALLED.append(f"pay {amount}")
        raise KeyboardInterrupt

    agent = agent_of(model, pays)
    with pytest.raises(KeyboardInterrupt):
        agent.run("go", store=db, run_id="r")
    for _ in range(2):
        with pytest.raises(ConnectionError, match="the bank does not answer"):
            agent.resume(db, "r")
    db.run("r").settle("pay#[1.call_1]", Happened("it was paid"))
    assert agent.resume(db, "r") == Done("it was paid", "r")
    assert CALLED == ["pay 1"]


def test_an_error_that_cannot_be_stored_is_told_in_the_same_words_again(db: holdfast.Store, model: Model) -> None:
    class Odd(Exception):
        def __init__(self) -> None:
            super().__init__("it is odd")
            self.lock = threading.Lock()

    def odd() -> None:
        """Be odd."""
        CALLED.append("odd")
        raise Odd

    agent = agent_of(model, odd, pay, asks=calls(("odd", {}), ("pay", {"amount": 1})))
    waits(agent.run("go", store=db, run_id="r"))
    db.inbox()[0].approve(by="ann")
    for _ in range(2):
        assert agent.resume(db, "r") == Done("error: Odd: it is odd | paid 1", "r")
    assert CALLED == ["odd", "pay 1"]


@pytest.mark.parametrize("change", ["no decision", "seen"])
def test_a_call_that_was_changed_in_the_store_is_not_made(db: holdfast.Store, change: str) -> None:
    step(db, pay, 7_000_000, run_id="other")
    seen = db.inbox()[0].seen
    step(db, pay, 7)
    call = db.inbox(run_id="r")[0]
    call.approve(by="ann")
    place = db.run("r").loop.place
    with place.session.write() as writer:
        record = call_of(writer, call.id)
        assert record is not None
        forged = msgspec.structs.replace(record, decisions=())
        if change == "seen":
            forged = msgspec.structs.replace(record, seen=seen)
        put_call(writer, forged)
    with pytest.raises((holdfast.Untrusted, holdfast.InputMismatch)):
        step(db, pay, 7 if change == "no decision" else 7_000_000)
    assert CALLED == []
