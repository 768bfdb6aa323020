"""Goal: where tools, checks, people's answers and models go wrong, an agent that waits does nothing twice, or unasked.

Method: as test_inbox.py: the real openai client against a scripted server, on every engine; tools that note each call.
"""

from __future__ import annotations

import datetime
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import holdfast
from holdfast import Agent, Approval, Done, Happened, InboxCall, Suspended
from holdfast.testing import FakeClock
from tests.llm_server import Answer, Model, calls, client_of, playing, says

HOUR_US = 3_600_000_000
CALLED: list[str] = []


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


@pytest.fixture
def model() -> Iterator[Model]:
    with playing(lambda _: 418) as served:
        yield served


@holdfast.tool(approval=Approval(by=["cfo"]))
def pay(amount: int, at: datetime.datetime | None = None, note: Any = None) -> str:
    """Pay somebody."""
    CALLED.append(f"pay {amount}")
    return f"paid {amount}"


def agent_of(model: Model, first: Answer, *tools: Any, **options: Any) -> Agent:
    """Return an agent that asks for `first`, and then says what it was told; each call is answered once (A3)."""

    def script(request: dict[str, Any]) -> Answer:
        ids = [call["id"] for message in request["messages"] for call in message.get("tool_calls") or []]
        told = [message for message in request["messages"] if message["role"] == "tool"]
        assert [message["tool_call_id"] for message in told] == ids, "A3: dangling"
        return says(" | ".join(message["content"] for message in told)) if told else first

    model.script = script
    return Agent("a", model="m", client=client_of(model), instructions="a", tools=tools, **options)


def suspended(came: Done | Suspended) -> Suspended:
    assert isinstance(came, Suspended)
    return came


def only(came: Done | Suspended) -> InboxCall:
    [call] = suspended(came).calls
    return call


class Odd(Exception):
    """What no store can hold."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what} {code}")
        self.lock = threading.Lock()


@pytest.mark.parametrize("raised", [lambda: ValueError("no 7"), lambda: Odd("no", 7)], ids=["plain", "unstorable"])
def test_a9_a_call_that_raised_is_not_made_again_though_all_others_wait(
    model: Model, db: holdfast.Store, raised: Callable[[], Exception]
) -> None:
    """Nothing is recorded after it but that the run waits. Seen to be called again at each resume."""

    def fails() -> None:
        """Fail."""
        CALLED.append("fails")
        raise raised()

    agent = agent_of(model, calls(("fails", {}), ("pay", {"amount": 1}), ("pay", {"amount": 2})), fails, pay)
    first, second = suspended(agent.run("go", store=db, run_id="r")).calls
    first.approve(by="cfo")
    only(agent.resume(db, "r"))
    second.reject("no", by="cfo")
    done = agent.resume(db, "r")
    assert isinstance(done, Done)
    assert "no 7" in done.output
    assert agent.resume(db, "r") == done
    assert ["fails", f"pay {first.args['amount']}"] == CALLED


def test_a9_a_check_that_fails_tells_the_model_nothing_of_a_call_in_doubt(model: Model, db: holdfast.Store) -> None:
    """Seen to be told as the tool's own error: the model could have asked for the same again, and the run ended."""
    answers: list[ConnectionError | Happened] = [ConnectionError("the bank is away"), Happened("paid before")]

    def verify(amount: int) -> Happened:
        CALLED.append("verify")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @holdfast.tool(effect="once", verify=verify)
    def send(amount: int) -> str:
        """Send money."""
        CALLED.append("send")
        raise KeyboardInterrupt

    agent = agent_of(model, calls(("send", {"amount": 1})), send)
    with pytest.raises(KeyboardInterrupt):
        agent.run("go", store=db, run_id="r")
    with pytest.raises(ConnectionError, match="the bank is away"):
        agent.resume(db, "r")
    assert (db.run("r").status, len(model.requests)) == ("failed", 1)
    assert agent.resume(db, "r") == Done("paid before", "r")
    assert CALLED == ["send", "verify", "verify"]


@holdfast.question()
def ask_day(about: str) -> datetime.date:  # type: ignore[empty-body]
    """Ask for a day."""


@holdfast.question()
def ask_id(about: str) -> uuid.UUID:  # type: ignore[empty-body]
    """Ask for an id."""


@pytest.mark.parametrize(
    ("args", "says_why"),
    [
        ({"amount": 5.0}, "5.0 is not of type 'integer'"),
        ({"amount": True}, "True is not of type 'integer'"),
        ({"note": 1j}, "it is not JSON"),
        ({"note": {"deep": [threading.Lock()]}}, "it is not JSON"),
    ],
    ids=["a float", "a truth", "no JSON", "deep no JSON"],
)
def test_arguments_that_could_not_be_read_are_refused_when_they_are_given(
    model: Model, here: holdfast.Store, args: dict[str, Any], says_why: str
) -> None:
    """Seen to be taken, and then to fail the run at each resume: nobody could decide once more."""
    agent = agent_of(model, calls(("pay", {"amount": 1})), pay)
    call = only(agent.run("go", store=here, run_id="r"))
    with pytest.raises(holdfast.InvalidValue, match=says_why):
        call.approve(by="cfo", args=args)
    assert here.inbox() == [call]
    call.approve(by="cfo", args={"at": "2026-01-02T03:04:05Z", "note": [1.5, None]})
    assert agent.resume(here, "r") == Done("paid 1", "r")
    assert CALLED == ["pay 1"]


@pytest.mark.parametrize(
    ("tool", "wrong", "right"),
    [(ask_day, "soon", "2026-01-02"), (ask_id, "mine", "0b2e7b0e-31f2-4f5e-9d8c-0d8f8e7f2a11")],
    ids=["day", "id"],
)
def test_an_answer_that_could_not_be_read_is_refused_when_it_is_given(
    model: Model, here: holdfast.Store, tool: Any, wrong: str, right: str
) -> None:
    agent = agent_of(model, calls((tool.name, {"about": "it"})), tool)
    call = only(agent.run("go", store=here, run_id="r"))
    with pytest.raises(holdfast.InvalidValue, match=f"'{wrong}' is not"):
        call.answer(wrong, by="ann")
    assert here.inbox() == [call]
    call.answer(right, by="ann")
    assert agent.resume(here, "r") == Done(f'"{right}"', "r")


def test_arguments_that_fit_a_schema_and_no_type_are_told_and_nothing_is_called(
    model: Model, db: holdfast.Store
) -> None:
    """No schema says that a text is a time in whatever zone. Seen to fail the run at each resume."""
    agent = agent_of(model, calls(("pay", {"amount": 1})), pay)
    only(agent.run("go", store=db, run_id="r")).approve(by="cfo", args={"at": "yesterday"})
    done = agent.resume(db, "r")
    assert isinstance(done, Done)
    assert "what cfo decided does not fit: Invalid RFC3339 encoded datetime" in done.output
    assert agent.resume(db, "r") == done
    assert CALLED == []


@pytest.mark.parametrize("seconds", [-5, 1e300, 1e12])
def test_a_time_that_cannot_pass_is_the_models_mistake(model: Model, here: holdfast.Store, seconds: float) -> None:
    """Seen to fail the run at each resume."""
    agent = agent_of(model, calls(("sleep", {"seconds": seconds})), holdfast.sleep)
    done = agent.run("go", store=here, run_id="r")
    assert isinstance(done, Done)
    assert done.output.startswith("error: InvalidValue: the time of a call")


@pytest.mark.parametrize("on_expiry", ["reject", "cancel"])
def test_a11_what_expires_in_a_turn_is_applied_once_and_siblings_are_kept(
    model: Model, db: holdfast.Store, clock: FakeClock, on_expiry: str
) -> None:
    @holdfast.tool(approval=Approval(by=["ann"], expires="1h", on_expiry=on_expiry))
    def fire(who: str) -> str:
        """Fire somebody."""
        CALLED.append(f"fire {who}")
        return "fired"

    def look() -> str:
        """Look."""
        CALLED.append("look")
        return "seen"

    agent = agent_of(model, calls(("fire", {"who": "bob"}), ("look", {}), ("pay", {"amount": 1})), fire, look, pay)
    came = suspended(agent.run("go", store=db, run_id="r"))
    late = next(call for call in came.calls if call.name == "fire")
    clock.advance(HOUR_US)
    with pytest.raises(holdfast.AlreadyDecided, match="nobody had decided"):
        late.approve(by="ann")
    worker = db.worker([agent])
    for _ in range(2):
        worker.run(until_idle=True)
    kinds = [event.kind for event in db.events("r")]
    assert db.inbox.get(late.id).state == "expired"
    assert CALLED == ["look"]
    if on_expiry == "cancel":
        assert (db.run("r").status, db.inbox()) == ("cancelled", [])
        with pytest.raises(holdfast.RunFinished):
            agent.resume(db, "r")
        return
    assert (kinds.count("call.expired"), "call.rejected" in kinds) == (1, False)
    db.inbox()[0].reject("no", by="cfo")
    worker.run(until_idle=True)
    assert db.run("r").result == (
        "error: nobody decided on this call in time, and it was not made | seen"
        " | error: this call was rejected, and not made: no"
    )
    assert [event.kind for event in db.events("r")].count("call.expired") == 1
    assert CALLED == ["look"]
