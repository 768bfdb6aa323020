"""Goal: agents wait for people at any depth, and do exactly what was decided; nothing that is done is done again.

Method: the real openai client against a scripted server, on every engine; tools that note each real call.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

import holdfast
from holdfast import Agent, Approval, Done, Happened, InboxCall, Suspended, aio
from holdfast.testing import FakeClock
from tests.llm_server import Answer, Model, calls, client_of, playing, says
from tests.sources import source_of

DAY_US = 86_400_000_000
CALLED: list[str] = []


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


@holdfast.tool(approval=Approval(by=["cfo"], expires="1d"))
def pay(amount: int, to: str = "x") -> str:
    """Pay somebody."""
    CALLED.append(f"pay {amount} {to}")
    return f"paid {amount} to {to}"


def look(what: str) -> str:
    """Look at something."""
    CALLED.append(f"look {what}")
    return f"seen {what}"


@holdfast.question(by=["ann"])
def ask(question: str) -> int:  # type: ignore[empty-body]
    """Ask Ann."""


def answers_of(request: dict[str, Any]) -> list[str]:
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]


class Office:
    """Agents over a model that plays `script`, by the name of who asks (its instructions)."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.client = client_of(model)

    def plays(self, **asked: Answer) -> None:
        """Let each agent ask for this at first, and say what it was told then; each call is answered once."""

        def script(request: dict[str, Any]) -> Answer:
            messages = request["messages"]
            ids = [call["id"] for message in messages for call in message.get("tool_calls") or []]
            assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == ids, "A3: dangling"
            told = answers_of(request)
            who = messages[0]["content"]
            return says(f"{who}({' '.join(told)})") if told else asked[who]

        self.model.script = script

    def agent(self, name: str, *tools: Any, **options: Any) -> Agent:
        options.setdefault("instructions", name)
        return Agent(name, model="m", client=self.client, tools=tools, **options)


@pytest.fixture
def office() -> Iterator[Office]:
    with playing(lambda _: 418) as model:
        yield Office(model)


def suspended(came: Done | Suspended) -> Suspended:
    assert isinstance(came, Suspended)
    return came


def by_amount(db: holdfast.Store) -> dict[int, InboxCall]:
    return {call.args["amount"]: call for call in db.inbox()}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("verdicts", list(itertools.product([True, False], repeat=2)), ids=lambda both: f"{both}")
def test_a1_a14_exactly_what_is_allowed_is_done_at_every_depth(
    office: Office, here: holdfast.Store, depth: int, verdicts: tuple[bool, bool]
) -> None:
    agent = office.agent("d0", pay)
    asked = {"d0": calls(("pay", {"amount": 1}), ("pay", {"amount": 2}))}
    for level in range(1, depth):
        agent = office.agent(f"d{level}", agent.as_tool("inner", "Does it."))
        asked[f"d{level}"] = calls(("inner", {"prompt": "do it"}))
    office.plays(**asked)
    came = suspended(agent.run("go", store=here, run_id="r"))
    assert (CALLED, [len(call.path) for call in came.calls]) == ([], [depth - 1] * 2)
    for amount, verdict in zip((1, 2), verdicts, strict=True):
        call = by_amount(here)[amount]
        _ = call.approve(by="cfo") if verdict else call.reject("no", by="cfo")
    done = agent.resume(here, "r")
    assert isinstance(done, Done)
    assert sorted(CALLED) == [f"pay {amount} x" for amount, verdict in zip((1, 2), verdicts, strict=True) if verdict]
    assert done.output.count("was rejected, and not made: no") == verdicts.count(False)
    assert agent.resume(here, "r") == done


def test_a13_nested_agents_of_one_name_stay_apart(office: Office, db: holdfast.Store) -> None:
    payer = office.agent("payer", pay)
    root = office.agent("root", payer.as_tool("payer", "Pays."))
    office.plays(
        root=calls(("payer", {"prompt": "1"}), ("payer", {"prompt": "2"})), payer=calls(("pay", {"amount": 5}))
    )
    came = suspended(root.run("go", store=db, run_id="r"))
    first, second = sorted(came.calls, key=lambda call: call.path)
    assert (first.path, second.path, first.args == second.args) == (("call_1",), ("call_2",), True)
    first.approve(by="cfo", args={"to": "first"})
    second.reject("no", by="cfo")
    done = root.resume(db, "r")
    assert isinstance(done, Done)
    assert CALLED == ["pay 5 first"]
    told = "error: this call was rejected, and not made: no"
    assert done.output == f"root(payer(paid 5 to first) payer({told}))"


@pytest.mark.parametrize("kind", ["file", "folder", "postgres", "valkey"])
def test_a2_one_of_two_is_decided_and_nothing_is_lost(kind: str, office: Office, tmp_path: Path) -> None:
    """Each call of `holdfast.connect` stands for a process of its own, days later."""
    source = source_of(kind, tmp_path)
    agent = office.agent("a", pay, look, ask)
    office.plays(
        a=calls(("pay", {"amount": 1}), ("look", {"what": "sky"}), ("pay", {"amount": 2}), ("ask", {"question": "?"}))
    )
    with holdfast.connect(source) as db:
        suspended(agent.run("go", store=db, run_id="r"))
    assert CALLED == ["look sky"]
    with holdfast.connect(source) as db:
        by_amount_of = {call.args.get("amount"): call for call in db.inbox()}
        by_amount_of[2].approve(by="cfo")
        came = suspended(agent.resume(db, "r"))
        assert sorted(str(call.args.get("amount")) for call in came.calls) == ["1", "None"]
    assert CALLED == ["look sky", "pay 2 x"]
    with holdfast.connect(source) as db:
        for call in db.inbox():
            _ = call.reject("no", by="cfo") if call.name == "pay" else call.answer(42, by="ann")
        told = "error: this call was rejected, and not made: no"
        assert agent.resume(db, "r") == Done(f"a({told} seen sky paid 2 to x 42)", "r")
    assert CALLED == ["look sky", "pay 2 x"]
    assert len(office.model.requests) == 2


def test_who_decides_is_shown_what_fits_and_held_to_it(office: Office, db: holdfast.Store) -> None:
    agent = office.agent("a", pay, ask)
    office.plays(a=calls(("pay", {"amount": 1}), ("ask", {"question": "how many?"})))
    came = suspended(agent.run("go", store=db, run_id="r"))
    paying, asking = sorted(came.calls, key=lambda call: call.kind)
    assert paying.schema is not None
    assert paying.schema["properties"]["amount"] == {"type": "integer"}
    assert (paying.agent, asking.schema) == ("a", {"type": "integer"})
    with pytest.raises(holdfast.InvalidValue, match=r"taken at \['amount'\]: 'much' is not of type 'integer'"):
        paying.approve(by="cfo", args={"amount": "much"})
    with pytest.raises(holdfast.InvalidValue, match="takes no 'sum'"):
        paying.approve(by="cfo", args={"sum": 1})
    with pytest.raises(holdfast.InvalidValue, match="'many' is not of type 'integer'"):
        asking.answer("many", by="ann")
    assert len(db.inbox()) == 2
    paying.approve(by="cfo", args={"to": "y"})
    asking.answer(7, by="ann")
    assert agent.resume(db, "r") == Done("a(paid 1 to y 7)", "r")


def test_a11_a_model_is_told_that_nobody_decided(office: Office, db: holdfast.Store, clock: FakeClock) -> None:
    agent = office.agent("a", pay)
    office.plays(a=calls(("pay", {"amount": 1})))
    suspended(agent.run("go", store=db, run_id="r"))
    clock.advance(DAY_US)
    db.worker([agent]).run(until_idle=True)
    assert db.run("r").result == "a(error: nobody decided on this call in time, and it was not made)"
    assert (CALLED, len(office.model.requests)) == ([], 2)


def test_a_worker_goes_on_with_what_is_decided_and_a_model_lets_time_pass(
    office: Office, db: holdfast.Store, clock: FakeClock
) -> None:
    agent = office.agent("a", holdfast.sleep, pay)
    office.plays(a=calls(("sleep", {"seconds": 3600}), ("pay", {"amount": 1})))
    db.start(agent, "r", {"prompt": "go"})
    worker = db.worker([agent])
    worker.run(until_idle=True)
    assert [call.name for call in db.inbox()] == ["pay"], "a time is nobody's to decide on"
    db.inbox()[0].approve(by="cfo")
    worker.run(until_idle=True)
    assert (CALLED, db.run("r").status) == (["pay 1 x"], "suspended")
    clock.advance(3_600_000_000)
    worker.run(until_idle=True)
    assert db.run("r").result == "a(null paid 1 to x)"


def test_a9_a_call_in_doubt_waits_beside_the_others(office: Office, db: holdfast.Store) -> None:
    tried: list[int] = []

    @holdfast.tool(effect="once", approval=Approval(by=["cfo"]))
    def book(flight: int) -> str:
        """Book a flight."""
        tried.append(flight)
        if len(tried) == 1:
            raise KeyboardInterrupt
        return f"booked {flight}"

    agent = office.agent("a", book, pay, look)
    office.plays(a=calls(("book", {"flight": 1}), ("pay", {"amount": 1}), ("look", {"what": "sky"})))
    came = suspended(agent.run("go", store=db, run_id="r"))
    next(call for call in came.calls if call.name == "book").approve(by="cfo")
    with pytest.raises(KeyboardInterrupt):
        agent.resume(db, "r")
    came = suspended(agent.resume(db, "r"))
    assert {call.name: call.state for call in came.calls} == {"book": "in_doubt", "pay": "pending"}
    assert came.continuation is not None
    assert came.continuation.status == "in_doubt"
    with pytest.raises(holdfast.InDoubt):
        agent.export(db, "r")
    for call in came.calls:
        _ = call.answer(Happened("by phone"), by="cfo") if call.name == "book" else call.reject("no", by="cfo")
    done = agent.resume(db, "r")
    assert isinstance(done, Done)
    assert done.output == "a(by phone error: this call was rejected, and not made: no seen sky)"
    assert (tried, CALLED) == ([1], ["look sky"])


def test_a_sibling_that_raises_leaves_the_others_waiting_and_done(office: Office, db: holdfast.Store) -> None:
    def fails() -> None:
        """Fail."""
        CALLED.append("fails")
        raise ValueError("it is broken")

    agent = office.agent("a", pay, fails, look)
    office.plays(a=calls(("pay", {"amount": 1}), ("fails", {}), ("look", {"what": "sky"})))
    suspended(agent.run("go", store=db, run_id="r"))
    assert sorted(CALLED) == ["fails", "look sky"]
    by_amount(db)[1].approve(by="cfo")
    assert agent.resume(db, "r") == Done("a(paid 1 to x error: ValueError: it is broken seen sky)", "r")
    assert sorted(CALLED) == ["fails", "look sky", "pay 1 x"]


def test_a5_a15_of_many_who_resume_one_does_it(office: Office, db: holdfast.Store) -> None:
    agent = office.agent("a", pay)
    office.plays(a=calls(("pay", {"amount": 1}), ("pay", {"amount": 2})))
    suspended(agent.run("go", store=db, run_id="r"))
    for call in db.inbox():
        call.approve(by="cfo")
    together = threading.Barrier(4)

    def resume(_: int) -> str:
        together.wait()
        try:
            return type(agent.resume(db, "r")).__name__
        except holdfast.RunBusy:
            return "busy"

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(resume, range(4))) <= {"Done", "busy"}
    assert sorted(CALLED) == ["pay 1 x", "pay 2 x"]
    assert len(office.model.requests) == 2


def test_a_decision_while_the_run_is_being_suspended_is_seen(
    office: Office, here: holdfast.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two calls is allowed between the look at it and the commit that suspends."""
    room: Any = importlib.import_module("holdfast.agents.agent")
    agent = office.agent("a", pay)
    office.plays(a=calls(("pay", {"amount": 1}), ("pay", {"amount": 2})))
    suspended(agent.run("go", store=here, run_id="r"))
    by_amount(here)[1].approve(by="cfo")
    waits = room.wait_for_all

    def slow(*given: Any) -> None:
        monkeypatch.setattr(room, "wait_for_all", waits)
        by_amount(here)[2].approve(by="cfo")
        waits(*given)

    monkeypatch.setattr(room, "wait_for_all", slow)
    assert agent.resume(here, "r") == Done("a(paid 1 to x paid 2 to x)", "r")
    assert sorted(CALLED) == ["pay 1 x", "pay 2 x"]


@pytest.mark.parametrize("change", ["instructions", "tools", "terms", "model"])
def test_a10_a12_another_agent_goes_on_only_if_it_may(office: Office, here: holdfast.Store, change: str) -> None:
    office.plays(a=calls(("pay", {"amount": 1})), b=says("b"))
    suspended(office.agent("a", pay).run("go", store=here, run_id="r"))
    for call in here.inbox():
        call.approve(by="cfo")

    def changed(on_change: str) -> Agent:
        unasked = holdfast.tool(effect="once")(pay.function)
        tools = {"tools": (pay, look), "terms": (unasked,)}.get(change, (pay,))
        agent = office.agent("a", *tools, instructions="b" if change == "instructions" else "a", on_change=on_change)
        if change == "model":
            agent = Agent("a", model="n", client=office.client, tools=[pay], instructions="a", on_change=on_change)
        return agent

    with pytest.raises(holdfast.InputMismatch, match="agent 'a' is not the one that turn 1 is recorded of"):
        changed("refuse").resume(here, "r")
    assert CALLED == []
    with pytest.warns(RuntimeWarning, match="is not the one that turn 1 is recorded of"):
        came = changed("warn").resume(here, "r")
    assert came == Done("a(paid 1 to x)", "r")
    assert changed("accept").resume(here, "r") == came
    assert CALLED == ["pay 1 x"]


def test_what_is_no_run_of_an_agent_is_not_resumed(office: Office, here: holdfast.Store) -> None:
    agent = office.agent("a", pay)
    with pytest.raises(holdfast.NotFound, match="no run 'none'"):
        agent.resume(here, "none")
    assert here.runs() == []
    here.start("other", "plain", {"question": "?"})
    with pytest.raises(holdfast.InvalidValue, match="is none of an agent"):
        agent.resume(here, "plain")
    office.plays(a=calls(("pay", {"amount": 1})))
    suspended(agent.run("go", store=here, run_id="r"))
    here.cancel("r")
    with pytest.raises(holdfast.RunFinished):
        agent.resume(here, "r")


def test_on_a_loop_people_decide_too(office: Office, tmp_path: Path) -> None:
    office.plays(a=calls(("pay", {"amount": 1}), ("slow", {"what": "sky"})))

    async def slow(what: str) -> str:
        """Look at something."""
        await asyncio.sleep(0)
        return look(what)

    async def deciding() -> Any:
        async with (
            openai.AsyncOpenAI(base_url=office.model.url, api_key="-", max_retries=0) as client,
            aio.connect(tmp_path / "s.db") as db,
        ):
            agent = Agent("a", model="m", client=client, tools=[pay, slow], instructions="a")
            came = suspended(await agent.run_async("go", store=db, run_id="r"))
            assert came.why.startswith("somebody who allows step 'pay#[1.call_1]'")
            [call] = await db.inbox(approver="cfo")
            assert (await (await db.inbox.get(call.id)).approve(by="cfo")).state == "approved"
            assert [one.state for one in await db.inbox.of_run("r")] == ["approved"]
            await db.worker([agent]).run(until_idle=True)
            return await agent.resume_async(db, "r")

    assert asyncio.run(deciding()) == Done("a(paid 1 to x seen sky)", "r")
    assert sorted(CALLED) == ["look sky", "pay 1 x"]


def test_a_nested_agent_that_is_done_waits_for_its_sibling_and_says_nothing_twice(
    office: Office, db: holdfast.Store
) -> None:
    """The sibling comes first, so what is recorded of the other is gone through at the head of the run.

    Seen to fail when all messages of the state were taken for said so far.
    """
    payer = office.agent("payer", pay)
    root = office.agent("root", payer.as_tool("payer", "Pays."), ask)
    both = calls(("ask", {"question": "how many?"}), ("payer", {"prompt": "pay"}))
    office.plays(root=both, payer=calls(("pay", {"amount": 5})))
    suspended(root.run("go", store=db, run_id="r"))
    next(call for call in db.inbox() if call.name == "pay").reject("no", by="cfo")
    for _ in range(2):
        assert [call.name for call in suspended(root.resume(db, "r")).calls] == ["ask"]
    db.inbox()[0].answer(42, by="ann")
    told = "error: this call was rejected, and not made: no"
    assert root.resume(db, "r") == Done(f"root(42 payer({told}))", "r")
    frame = db.run("r").state.namespace("frames").namespace("1.call_2")
    assert [message["role"] for message in frame["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert len(office.model.requests) == 4
