"""Goal: a step that somebody has to allow, or to answer, waits for that, and does what was decided, once.

Method: plain runs on every engine, with tools that note each real call; a clock that stands still.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

import holdfast
from holdfast import Approval, Happened, InboxCall
from holdfast.runs.calls import CallRecord, call_of, put_call
from holdfast.runs.inputs import given_to
from holdfast.runs.payloads import payload_of
from holdfast.testing import FakeClock
from tests.sources import source_of

HOUR_US = 3_600_000_000
CALLED: list[str] = []


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


@pytest.fixture(params=["file", "memory", "folder", "postgres", "valkey"])
def db(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[holdfast.Store]:
    with holdfast.connect(source_of(request.param, tmp_path), clock=clock) as store:
        yield store


@pytest.fixture
def here(clock: FakeClock) -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:", clock=clock) as store:
        yield store


@holdfast.tool(approval=Approval(by=["ann", "bob"], expires="1h", message="Is it much?"))
def pay(amount: int, to: str = "x") -> str:
    CALLED.append(f"pay {amount} {to}")
    return f"paid {amount} to {to}"


@holdfast.tool(approval=Approval(expires="1h", on_expiry="cancel"))
def fire(who: str) -> None:
    CALLED.append(f"fire {who}")


@holdfast.tool(approval=Approval(when=lambda amount: amount > 10))
def small(amount: int) -> int:
    CALLED.append(f"small {amount}")
    return amount


@holdfast.question(by=["ann"])
def ask(question: str) -> Any:
    raise AssertionError


@holdfast.external(expires="1h")
def delivered(parcel: str) -> Any:
    raise AssertionError


def work(db: holdfast.Store, tool: Any, *args: Any, run_id: str = "r", **kwargs: Any) -> holdfast.Run:
    """Enter a run whose result is what a step returns, or how it is refused."""
    with db.run(run_id) as run:
        try:
            run.result = run.step("step", tool, *args, **kwargs)
        except holdfast.Rejected as error:
            run.result = [type(error).__name__, str(error)]
    return run


def waiting(db: holdfast.Store) -> InboxCall:
    [call] = db.inbox()
    return call


def kinds(db: holdfast.Store, run_id: str = "r") -> list[str]:
    return [event.kind for event in db.events(run_id)]


def test_a1_only_what_is_allowed_is_called_and_once(db: holdfast.Store, clock: FakeClock) -> None:
    run = work(db, pay, 7)
    assert (run.status, CALLED) == ("suspended", [])
    call = waiting(db)
    assert run.info.why == f"somebody who allows step 'step' (call {call.id})"
    assert (call.name, call.args, call.state, call.kind) == ("pay", {"amount": 7, "to": "x"}, "pending", "approval")
    assert (call.run_id, call.step, call.path, call.agent, call.message) == ("r", "step", (), "", "Is it much?")
    assert (call.expires_at is not None, call.approvers) == (True, ("ann", "bob"))
    assert work(db, pay, 7).status == "suspended", "undecided is no decision"
    decided = call.approve(by="ann", message="fine")
    assert (decided.state, decided.decided.by, decided.decided.message) == ("approved", "ann", "fine")
    assert (decided.decided.verdict, decided.decided.via, decided.decided.is_genuine) == ("approve", "api", True)
    assert (db.inbox(), db.run("r").status) == ([], "queued")
    for _ in range(2):
        assert work(db, pay, 7).result == "paid 7 to x"
    assert CALLED == ["pay 7 x"]
    assert [kind for kind in kinds(db) if kind.startswith(("call.", "step."))] == [
        "call.approved",
        "step.intent",
        "step.done",
    ]
    assert db.inbox.get(call.id).state == "approved"


def test_a3_a_refusal_is_raised_and_is_the_same_when_it_is_done_again(db: holdfast.Store) -> None:
    work(db, pay, 7)
    waiting(db).reject("too much", by="bob")
    for _ in range(2):
        assert work(db, pay, 7).result == ["Rejected", "too much"]
    assert CALLED == []
    assert "call.rejected" in kinds(db)
    assert db.inbox.of_run("r")[0].decided == db.inbox.get(db.inbox.of_run("r")[0].id).decided


def test_a_refusal_that_is_not_caught_fails_the_run_and_stands(db: holdfast.Store) -> None:
    for _ in range(2):
        try:
            with db.run("r") as run:
                run.step("pay", pay, 7)
        except holdfast.Rejected as error:
            assert str(error) == "too much"  # noqa: PT017 - the first time the run waits
        else:
            waiting(db).reject("too much", by="bob")
    assert (db.run("r").status, CALLED) == ("failed", [])


def test_what_was_edited_is_called_and_what_was_asked_for_is_kept(db: holdfast.Store) -> None:
    work(db, pay, 7)
    with pytest.raises(holdfast.InvalidValue, match="takes no 'sum'; it takes amount, to"):
        waiting(db).approve(by="ann", args={"sum": 5})
    with pytest.raises(holdfast.InvalidValue, match="by their names, as a dict"):
        waiting(db).approve(by="ann", args=cast("Any", [5]))
    waiting(db).approve(by="ann", args={"amount": 5})
    for _ in range(2):
        assert work(db, pay, 7).result == "paid 5 to x"
    assert CALLED == ["pay 5 x"]
    [step] = db.run("r").steps()
    assert step.args == {"amount": 5, "to": "x"}
    [call] = db.inbox.of_run("r")
    assert call.args == {"amount": 7, "to": "x"}
    assert call.decided is not None
    assert (call.decided.by, call.decided.value) == ("ann", {"amount": 5, "to": "x"})


def test_a12_a_decision_holds_for_the_arguments_that_were_seen(db: holdfast.Store) -> None:
    work(db, pay, 7)
    call = waiting(db)
    stale = InboxCall(**{**{name: getattr(call, name) for name in InboxCall.__slots__}, "seen": "others"})
    with pytest.raises(holdfast.InvalidValue, match="other arguments than were seen"):
        stale.approve(by="ann")
    call.approve(by="ann")
    with pytest.raises(holdfast.InputMismatch, match="was asked for with other arguments"):
        work(db, pay, 7_000_000)
    assert CALLED == []
    assert work(db, pay, 7).result == "paid 7 to x"


def test_a11_what_nobody_decided_on_expires_and_nobody_rejected_it(db: holdfast.Store, clock: FakeClock) -> None:
    work(db, pay, 7)
    call = waiting(db)
    assert db.run("r").info.due == call.expires_at
    clock.advance(HOUR_US - 1)
    assert work(db, pay, 7).status == "suspended"
    clock.advance(1)
    assert db.inbox() == []
    with pytest.raises(holdfast.AlreadyDecided, match=r"expired at .*; nobody had decided"):
        call.approve(by="ann")
    for _ in range(2):
        assert work(db, pay, 7).result == ["Expired", "nobody decided on it in time"]
    assert db.inbox.get(call.id).state == "expired"
    assert db.inbox.get(call.id).decided is None
    assert ("call.expired" in kinds(db), "call.rejected" in kinds(db), CALLED) == (True, False, [])


def test_a_worker_applies_what_expired_or_was_decided_at_once(db: holdfast.Store, clock: FakeClock) -> None:
    def body(run: holdfast.Run) -> Any:
        try:
            return run.step("step", pay, 7)
        except holdfast.Rejected as error:
            return type(error).__name__

    for run_id in ("late", "allowed"):
        db.start("body", run_id)
    worker = db.worker({"body": body})
    worker.run(until_idle=True)
    assert {info.status for info in db.runs()} == {"suspended"}
    next(call for call in db.inbox() if call.run_id == "allowed").approve(by="ann")
    worker.run(until_idle=True)
    assert (db.run("allowed").result, db.run("late").status) == ("paid 7 to x", "suspended")
    clock.advance(HOUR_US)
    worker.run(until_idle=True)
    assert db.run("late").result == "Expired"
    assert CALLED == ["pay 7 x"]


def test_what_expires_may_cancel_its_run(db: holdfast.Store, clock: FakeClock) -> None:
    work(db, fire, "bob")
    clock.advance(HOUR_US)
    assert work(db, fire, "bob").status == "cancelled"
    [call] = db.inbox.of_run("r")
    assert (call.state, CALLED) == ("expired", [])


def test_only_some_calls_ask(db: holdfast.Store) -> None:
    assert work(db, small, 10, run_id="a").result == 10
    assert work(db, small, 11, run_id="b").status == "suspended"
    assert (waiting(db).run_id, CALLED) == ("b", ["small 10"])


def test_a_question_and_an_external_result_are_answered_and_never_called(db: holdfast.Store, clock: FakeClock) -> None:
    work(db, ask, "how many?", run_id="q")
    work(db, delivered, "p-1", run_id="e")
    question = next(call for call in db.inbox() if call.kind == "question")
    external = next(call for call in db.inbox() if call.kind == "external")
    with pytest.raises(holdfast.InvalidValue, match="is a question; what can be decided on it is answer or reject"):
        question.approve(by="ann")
    question.answer({"many": [1, 2]}, by="ann")
    external.answer("at the door", by="the post")
    assert work(db, ask, "how many?", run_id="q").result == {"many": [1, 2]}
    assert work(db, delivered, "p-1", run_id="e").result == "at the door"
    work(db, delivered, "p-2", run_id="late")
    clock.advance(HOUR_US)
    assert work(db, delivered, "p-2", run_id="late").result == ["Expired", "nobody decided on it in time"]


def test_time_passes_by_a_tool(db: holdfast.Store, clock: FakeClock) -> None:
    assert work(db, holdfast.sleep, 3600).status == "suspended"
    assert db.inbox() == [], "nobody is asked"
    clock.advance(HOUR_US)
    assert work(db, holdfast.sleep, 3600).status == "complete"


@pytest.mark.parametrize("happened", [True, False])
def test_g3_what_is_in_doubt_is_asked_about_and_never_called_in_silence(db: holdfast.Store, happened: bool) -> None:
    def once(amount: int) -> str:
        CALLED.append(f"once {amount}")
        if len(CALLED) == 1:
            raise KeyboardInterrupt
        return "did it"

    tool = holdfast.tool(effect="once")(once)
    with pytest.raises(KeyboardInterrupt):
        work(db, tool, 7)
    assert work(db, tool, 7).status == "suspended"
    call = waiting(db)
    assert (call.state, call.kind, call.name, call.args) == ("in_doubt", "doubt", "step", {"amount": 7})
    with pytest.raises(holdfast.InvalidValue, match=r"Happened\(result\), or None"):
        call.answer("yes", by="ann")
    with pytest.raises(holdfast.InvalidValue, match="in doubt"):
        call.reject("no", by="ann")
    call.answer(Happened("by hand") if happened else None, by="ann")
    assert work(db, tool, 7).result == ("by hand" if happened else "did it")
    assert len(CALLED) == (1 if happened else 2)


def test_a15_of_two_who_decide_one_does(db: holdfast.Store) -> None:
    work(db, pay, 7)
    call, together = waiting(db), threading.Barrier(4)

    def decide(who: str) -> str:
        together.wait()
        try:
            return str((call.approve if who == "ann" else call.reject)(by=who).decided.by)
        except holdfast.AlreadyDecided:
            return ""

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(decide, ["ann", "bob"] * 2))
    [won] = filter(None, said)
    assert db.inbox.get(call.id).state == ("approved" if won == "ann" else "rejected")


def test_a5_of_two_who_go_on_one_calls_it(db: holdfast.Store) -> None:
    work(db, pay, 7)
    waiting(db).approve(by="ann")
    together = threading.Barrier(3)

    def go_on(_: int) -> str:
        together.wait()
        try:
            return work(db, pay, 7).status
        except holdfast.RunBusy:
            return "busy"

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(go_on, range(3))) <= {"complete", "busy"}
    assert CALLED == ["pay 7 x"]


def forge(db: holdfast.Store, call_id: str, change: Callable[[CallRecord], CallRecord]) -> None:
    """Change what is known of a call, as somebody does who can write into the store and has no key."""
    with db.run("r").loop.place.session.write() as writer:
        record = call_of(writer, call_id)
        assert record is not None
        put_call(writer, change(record))


def with_payload(db: holdfast.Store, value: Any) -> Callable[[CallRecord], CallRecord]:
    """Return what puts other arguments, or another answer, in place of what somebody gave."""
    payload = payload_of(db.run("r").loop.place.codec, value, "it")

    def changed(record: CallRecord) -> CallRecord:
        assert record.decision is not None
        return msgspec.structs.replace(record, decisions=(msgspec.structs.replace(record.decision, payload=payload),))

    return changed


def test_a6_a_decision_that_was_changed_in_the_store_is_not_carried_out(db: holdfast.Store) -> None:
    work(db, pay, 7)
    call = waiting(db)
    call.approve(by="ann", args={"amount": 5})
    forge(db, call.id, with_payload(db, {"amount": 5_000_000, "to": "eve"}))
    shown = db.inbox.get(call.id).decided
    assert shown is not None
    assert shown.is_genuine is False
    with pytest.raises(holdfast.Untrusted, match="is not what was signed"):
        work(db, pay, 7)
    assert CALLED == []


def test_a6_a_refusal_does_not_become_an_approval_in_the_store(db: holdfast.Store) -> None:
    """What was signed says the verdict; the state beside it is not signed, and alone lets nothing be called."""
    work(db, pay, 7)
    call = waiting(db)
    call.reject("no", by="ann")
    forge(db, call.id, lambda record: msgspec.structs.replace(record, state="approved"))
    shown = db.inbox.get(call.id).decided
    assert shown is not None
    assert shown.is_genuine is False
    with pytest.raises(holdfast.Untrusted, match="is not what was signed"):
        work(db, pay, 7)
    assert CALLED == []


def test_a6_a_call_is_not_allowed_in_the_store_without_a_decision(db: holdfast.Store) -> None:
    """Seen to go round and round, with nothing to wait for, where a state was believed and no decision found."""
    work(db, pay, 7)
    forge(db, waiting(db).id, lambda record: msgspec.structs.replace(record, state="approved"))
    with pytest.raises(holdfast.Untrusted, match="the decision of nobody"):
        work(db, pay, 7)
    assert CALLED == []


def test_a6_a_decision_does_not_hold_for_arguments_that_were_put_in_its_place(db: holdfast.Store) -> None:
    work(db, pay, 7)
    call = waiting(db)
    call.approve(by="ann")
    digest = given_to(pay.function, (7_000_000,), {}).digest
    forge(db, call.id, lambda record: msgspec.structs.replace(record, seen=digest))
    with pytest.raises(holdfast.Untrusted, match="is not what was signed"):
        work(db, pay, 7_000_000)
    assert CALLED == []


def test_a6_what_was_told_of_a_call_in_doubt_is_held_to_what_was_signed(db: holdfast.Store) -> None:
    def once(amount: int) -> None:
        CALLED.append(f"once {amount}")
        raise KeyboardInterrupt

    tool = holdfast.tool(effect="once")(once)
    with pytest.raises(KeyboardInterrupt):
        work(db, tool, 7)
    work(db, tool, 7)
    call = waiting(db)
    call.answer(Happened("by hand"), by="ann")
    forge(db, call.id, with_payload(db, {"happened": False, "result": None}))
    with pytest.raises(holdfast.Untrusted, match="is not what was signed"):
        work(db, tool, 7)
    assert CALLED == ["once 7"]


def test_what_cannot_be_decided_is_refused_and_changes_nothing(db: holdfast.Store) -> None:
    work(db, pay, 7)
    call = waiting(db)
    for wrong, says in [
        (lambda: call.approve(by="eve"), "'eve' may not decide on call .* those who may are ann, bob"),
        (lambda: call.approve(by=""), "a decision is somebody's"),
        (lambda: call.reject("\0", by="ann"), "message is a text"),
        (lambda: call.answer(5, by="ann"), "is to be allowed; what can be decided on it is approve or reject"),
        (lambda: db.inbox.get(""), "the id of a call is a text"),
        (lambda: db.inbox(approver=cast("Any", 5)), "approver is a text"),
    ]:
        with pytest.raises(holdfast.InvalidValue, match=says):
            cast("Any", wrong)()
    with pytest.raises(holdfast.NotStorable):
        call.approve(by="ann", args={"amount": lambda: None, "to": threading.Lock()})
    with pytest.raises(holdfast.NotFound, match="no call 'none'"):
        db.inbox.get("none")
    assert waiting(db) == call
    assert db.inbox.get(call.id[:6]) == call
    assert (len(db.inbox(approver="ann")), db.inbox(approver="eve"), db.inbox(run_id="other")) == (1, [], [])


def test_what_a_run_waited_for_is_over_with_it(db: holdfast.Store) -> None:
    work(db, pay, 7)
    call = waiting(db)
    db.cancel("r")
    assert db.inbox() == []
    assert db.inbox.get(call.id).state == "cancelled"
    with pytest.raises(holdfast.AlreadyDecided, match="is cancelled already: its run has ended"):
        call.approve(by="ann")
    db.gc(keep=0)
    with pytest.raises(holdfast.NotFound):
        db.inbox.get(call.id)
    assert db.inbox.of_run("r") == []


def test_a_fork_asks_anew_for_what_it_does_itself(db: holdfast.Store) -> None:
    work(db, pay, 7)
    waiting(db).approve(by="ann")
    work(db, pay, 7)
    with db.run("f", fork="r", before_step=1) as fork:
        fork.step("step", pay, 7)
    assert (fork.status, waiting(db).run_id) == ("suspended", "f")
    assert CALLED == ["pay 7 x"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Approval(by=cast("Any", 5)),
        lambda: Approval(by=["", "ann"]),
        lambda: Approval(expires=0),
        lambda: Approval(expires="soon"),
        lambda: Approval(on_expiry="approve"),
        lambda: Approval(when=cast("Any", True)),
        lambda: holdfast.tool(approval=cast("Any", "ann")),
        lambda: holdfast.question()(cast("Any", 5)),
    ],
    ids=["by", "names", "no time", "no duration", "on_expiry", "when", "approval", "function"],
)
def test_what_can_be_no_approval_is_refused(wrong: Any) -> None:
    with pytest.raises(holdfast.InvalidValue):
        wrong()


def test_a_single_name_is_one_approver() -> None:
    assert Approval(by="ann").by == ("ann",)


def test_a_suspended_run_shows_its_waits_to_sql(here: holdfast.Store) -> None:
    work(here, pay, 7)
    row = here.execute("SELECT status, waiting, why FROM hf_runs WHERE run_id = 'r'").fetchone()
    assert row is not None
    assert (row["status"], row["waiting"]) == ("suspended", "call:")
