"""Goal: a suspended run is one record, which can go on in another store, and which nobody can change unnoticed.

Method: a conversation with a nested agent, two approvals and a question, partly decided before it is handed over; tools
that note each real call (A4, A5, A6, W7).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest
from msgspec.structs import replace

import holdfast
from holdfast import Agent, Approval, Continuation, Done, Suspended, aio
from holdfast.agents import continuation
from holdfast.agents.taking import Told
from tests.llm_server import Answer, Model, calls, client_of, playing, says
from tests.sources import source_of

CALLED: list[str] = []
ENDED = "root: fin: paid 4 to x & error: this call was rejected, and not made: too much | seen sky | 42"


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


@holdfast.tool(approval=Approval(by=["cfo"]))
def pay(amount: int, to: str) -> str:
    """Pay."""
    CALLED.append(f"pay {amount} {to}")
    return f"paid {amount} to {to}"


def look(what: str) -> str:
    """Look at something."""
    CALLED.append(f"look {what}")
    return f"seen {what}"


@holdfast.question(by=["ann"])
def ask(question: str) -> int:  # type: ignore[empty-body]
    """Ask Ann."""


def script(request: dict[str, Any]) -> Answer:
    messages = request["messages"]
    mine = messages[max(at for at, message in enumerate(messages) if message["role"] == "user") :]
    answers = [message["content"] for message in mine if message["role"] == "tool"]
    if mine[0]["content"] == "hi":
        return says("hello")
    if messages[0]["content"] == "fin":
        pays = calls(("pay", {"amount": 5, "to": "x"}), ("pay", {"amount": 6, "to": "y"}))
        return says("fin: " + " & ".join(answers)) if answers else pays
    first = calls(("fin", {"prompt": "pay"}), ("look", {"what": "sky"}), ("ask", {"question": "how many?"}))
    return says("root: " + " | ".join(answers)) if answers else first


@pytest.fixture
def model() -> Iterator[Model]:
    with playing(script) as model:
        yield model


def made(client: Any, *, instructions: str = "root", **options: Any) -> Agent:
    fin = Agent("fin", model="m", client=client, instructions="fin", tools=[pay])
    tools: list[Any] = [fin.as_tool("fin", "Pays."), look, ask]
    return Agent("root", model="m", client=client, instructions=instructions, tools=tools, **options)


@pytest.fixture
def root(model: Model) -> Agent:
    return made(client_of(model))


@pytest.fixture(params=["file", "memory", "postgres", "valkey"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[holdfast.Store]:
    with holdfast.connect(source_of(request.param, tmp_path)) as store:
        yield store


def begun(root: Agent, db: holdfast.Store) -> Suspended:
    """Return a run of the second turn of a conversation, with one of two payments allowed, and made."""
    assert root.run("hi", store=db, conversation="c") == Done("hello", "c/1")
    came = root.run("go", store=db, conversation="c")
    assert isinstance(came, Suspended)
    first = next(call for call in came.calls if call.name == "pay")
    first.approve(by="cfo", args={"amount": 4})
    came = root.resume(db, came.run_id)
    assert isinstance(came, Suspended)
    return came


def decided(db: holdfast.Store) -> None:
    """Decide on what is left."""
    for call in db.inbox():
        if call.name == "pay":
            call.reject("too much", by="cfo")
        else:
            call.answer(42, by="ann")


def test_a5_it_goes_on_in_another_store_and_nothing_is_done_again(
    root: Agent, db: holdfast.Store, model: Model, tmp_path: Path
) -> None:
    came = begun(root, db)
    text = root.export(db, came.run_id).to_json()
    asked = len(model.requests)
    assert (db.run(came.run_id).status, db.inbox()) == ("cancelled", [])
    with holdfast.connect(tmp_path / "other.db") as other:
        given = Continuation.from_json(text)
        there = root.resume(other, given)
        assert isinstance(there, Suspended)
        assert {call.name for call in there.calls} == {"pay", "ask"}
        assert there.continuation is not None
        assert [one.agent["name"] for one in there.continuation.root.frames()] == ["root", "fin"]
        decided(other)
        assert root.resume(other, given) == Done(ENDED, came.run_id)
        assert root.resume(other, came.run_id) == Done(ENDED, came.run_id)
        assert len(model.requests) == asked + 2, "each agent is asked once more"
        assert sorted(CALLED) == ["look sky", "pay 4 x"]
        other.state.refresh()
        kept = other.state.namespace("conversations").namespace("c")
        roles = ["system", "user", "assistant", "user", "assistant", "tool", "tool", "tool", "assistant"]
        assert [message["role"] for message in kept["messages"]] == roles
        assert kept["turns"] == 2
        assert root.run("hi", store=other, conversation="c") == Done("hello", "c/3")


def test_an_interrupted_import_is_begun_again_and_nobody_else_goes_on_with_it(
    root: Agent, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holdfast.connect(":memory:") as db, holdfast.connect(tmp_path / "other.db") as other:
        given = root.export(db, begun(root, db).run_id)
        asked, said = len(model.requests), 0

        def interrupted(self: Any, turn: int) -> Any:
            nonlocal said
            said += 1
            if said == 2:
                raise KeyboardInterrupt
            return found(self, turn)

        found = Told.said
        monkeypatch.setattr(Told, "said", interrupted)
        with pytest.raises(KeyboardInterrupt):
            root.resume(other, given)
        monkeypatch.setattr(Told, "said", found)
        with pytest.raises(holdfast.InvalidValue, match="is not taken over yet"):
            root.resume(other, given.run_id)
        other.worker([root]).run(until_idle=True)
        assert isinstance(root.resume(other, given), Suspended)
        decided(other)
        other.worker([root]).run(until_idle=True)
        assert other.run(given.run_id).result == ENDED
        assert len(model.requests) == asked + 2
        assert sorted(CALLED) == ["look sky", "pay 4 x"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('\\"amount\\": 6', '\\"amount\\": 6000000'),
        ('"rev":2', '"rev":3'),
        ('"state":"pending"', '"state":"approved"'),
        ('"approvers":["cfo"]', '"approvers":["eve"]'),
        ('"place":"1.call_1"', '"place":"1.call_2"'),
        ('"kid":"', '"kid":"0'),
        ('"run_id":"c/2"', '"run_id":"c/9"'),
        ('"format":"continuation/1"', '"more":1,"format":"continuation/1"'),
    ],
)
def test_a6_what_is_changed_is_refused_and_the_store_stays_as_it_was(
    root: Agent, before: str, after: str, tmp_path: Path
) -> None:
    with holdfast.connect(":memory:") as db, holdfast.connect(tmp_path / "other.db") as other:
        text = root.export(db, begun(root, db).run_id).to_json()
        assert before in text
        with pytest.raises((holdfast.Untrusted, holdfast.InvalidValue)):
            root.resume(other, Continuation.from_json(text.replace(before, after)))
        assert (other.runs(), other.inbox()) == ([], [])


def test_a6_a_key_that_nobody_trusts_signs_nothing(
    root: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holdfast.connect(":memory:") as db:
        given = root.export(db, begun(root, db).run_id)
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "eve"))
    text = given.to_json()
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "ann"))
    with pytest.raises(holdfast.Untrusted, match="the key is not trusted here"):
        Continuation.from_json(text)


@pytest.mark.parametrize(
    "text", ["", "5", "[]", "{}", '{"format": "continuation/2"}', "\x00", '{"format":"continuation/1"}']
)
def test_what_is_no_continuation_is_refused(text: str) -> None:
    with pytest.raises(holdfast.InvalidValue, match="continuation"):
        Continuation.from_json(text)


def test_w7_it_is_as_large_as_its_messages_and_one_that_refers_to_its_store_small(root: Agent, model: Model) -> None:
    """Thirty turns of 2 KB: within a tenth of the messages, each once; by reference 2 KB for two frames."""
    turns = 30

    def long(request: dict[str, Any]) -> Answer:
        answers = [message for message in request["messages"] if message["role"] == "tool"]
        if len(answers) < turns:
            return calls(("page", {"number": len(answers)}), first=len(answers))
        return calls(("pay", {"amount": 1, "to": "x"}), first=turns)

    def page(number: int) -> str:
        """Return a page."""
        return f"{number:04}" * 512

    model.script = long
    with holdfast.connect(":memory:") as db:
        came = Agent("long", model="m", client=client_of(model), tools=[page, pay]).run("go", store=db, run_id="r")
        assert isinstance(came, Suspended)
        assert came.continuation is not None
        refers = came.continuation.to_json()
        whole = root.export(db, "r").to_json()
        [frame] = Continuation.from_json(whole).root.frames()
    messages = sum(len(json.dumps(message, separators=(",", ":"))) for message in frame.history.messages or [])
    assert len(refers) < 2_000
    assert messages < len(whole) < 1.1 * messages


def test_it_fits_its_schema(root: Agent) -> None:
    with holdfast.connect(":memory:") as db:
        came = begun(root, db)
        assert came.continuation is not None
        whole = root.export(db, came.run_id)
        for one in (came.continuation, whole):
            jsonschema.validate(json.loads(one.to_json()), continuation.schema())
            assert Continuation.from_json(one.to_json()) == replace(one, sig=Continuation.from_json(one.to_json()).sig)


def test_only_its_own_store_goes_on_with_one_that_refers_to_it(root: Agent, tmp_path: Path) -> None:
    with holdfast.connect(":memory:") as db, holdfast.connect(tmp_path / "other.db") as other:
        came = begun(root, db)
        assert came.continuation is not None
        refers = Continuation.from_json(came.continuation.to_json())
        with pytest.raises(holdfast.NotFound, match="refers to its own"):
            root.resume(other, refers)
        assert other.runs() == []
        decided(db)
        assert root.resume(db, refers) == Done(ENDED, came.run_id)


def test_a_run_that_somebody_works_on_or_that_waits_for_nothing_is_not_handed_over(root: Agent) -> None:
    with holdfast.connect(":memory:") as db:
        came = begun(root, db)
        with pytest.raises(ZeroDivisionError), db.run(came.run_id):
            with pytest.raises(holdfast.RunBusy):
                root.export(db, came.run_id)
            raise ZeroDivisionError
        with pytest.raises(holdfast.RunBusy, match="is failed, and does not wait for a call"):
            root.export(db, came.run_id)
        assert isinstance(root.resume(db, came.run_id), Suspended)
        kept = root.export(db, came.run_id, hand_over=False)
        assert kept.is_whole
        decided(db)
        root.resume(db, came.run_id)
        with pytest.raises(holdfast.RunFinished):
            root.export(db, came.run_id)
        with pytest.raises(holdfast.RunFinished):
            root.export(db, "c/1", hand_over=False)
        with pytest.raises(holdfast.NotFound, match="no run 'none'"):
            root.export(db, "none")


def test_a10_another_agent_does_not_take_it_over_unless_it_may(root: Agent, model: Model, tmp_path: Path) -> None:
    with holdfast.connect(":memory:") as db:
        given = root.export(db, begun(root, db).run_id)
    client = client_of(model)
    with holdfast.connect(tmp_path / "other.db") as other:
        with pytest.raises(holdfast.InputMismatch, match="is not the one that turn 1 is recorded of"):
            made(client, instructions="another").resume(other, given)
        assert isinstance(made(client, instructions="another", on_change="accept").resume(other, given), Suspended)


def test_on_a_loop_it_goes_on_elsewhere_too(root: Agent, model: Model, tmp_path: Path) -> None:
    with holdfast.connect(":memory:") as db:
        given = root.export(db, begun(root, db).run_id)

    async def going_on() -> Any:
        async with aio.connect(tmp_path / "other.db") as other:
            client = openai.AsyncOpenAI(base_url=model.url, api_key="-", max_retries=0)
            async with client:
                agent = made(client)
                assert isinstance(await agent.resume_async(other, given), Suspended)
                for call in await other.inbox():
                    await (call.reject("too much", by="cfo") if call.name == "pay" else call.answer(42, by="ann"))
                return await agent.resume_async(other, given.run_id)

    assert asyncio.run(going_on()) == Done(ENDED, "c/2")
    assert sorted(CALLED) == ["look sky", "pay 4 x"]


def test_a4_a_pause_comes_after_all_calls_are_answered_and_goes_with_the_run(model: Model, tmp_path: Path) -> None:
    def paused(spent: Any) -> str | None:
        return f"it has used {spent.turns} turns" if spent.turns == 1 else None

    client = client_of(model)
    agent = Agent("fin", model="m", client=client, instructions="fin", tools=[pay], pause=paused)
    with holdfast.connect(":memory:") as db, holdfast.connect(tmp_path / "other.db") as other:
        came = agent.run("go", store=db, run_id="r")
        assert isinstance(came, Suspended)
        for call in came.calls:
            call.approve(by="cfo")
        came = agent.resume(db, "r")
        assert isinstance(came, Suspended)
        assert sorted(CALLED) == ["pay 5 x", "pay 6 y"]
        [call] = came.calls
        assert (call.name, call.message, call.args["turns"]) == ("go_on", "it has used 1 turns", 1)
        came = agent.resume(other, Continuation.from_json(agent.export(db, "r").to_json()))
        assert isinstance(came, Suspended)
        [call] = came.calls
        call.approve(by="anybody")
        assert agent.resume(other, "r") == Done("fin: paid 5 to x & paid 6 to y", "r")
    assert sorted(CALLED) == ["pay 5 x", "pay 6 y"]


def test_who_may_not_go_on_fails(model: Model) -> None:
    agent = Agent("fin", model="m", client=client_of(model), instructions="fin", pause=lambda _: Approval(by=["ann"]))
    with holdfast.connect(":memory:") as db:
        came = agent.run("hi", store=db, run_id="r")
        assert isinstance(came, Suspended)
        came.calls[0].reject("it is too dear", by="ann")
        with pytest.raises(holdfast.Rejected, match="it is too dear"):
            agent.resume(db, "r")
        assert (db.run("r").status, model.requests) == ("failed", [])
