"""Goal: an agent's loop is a run: each call of the model and of a tool is recorded, and paid once.

Method: the real openai client against a server on loopback that plays a script; tools that note each real call.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

import holdfast
from holdfast import Agent, Context, Done, Limits, aio
from tests.llm_server import Answer, Model, calls, client_of, playing, says
from tests.sources import source_of

PATIENCE = 60.0
CALLED: list[str] = []


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


@pytest.fixture(params=["file", "memory", "postgres", "valkey"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[holdfast.Store]:
    with holdfast.connect(source_of(request.param, tmp_path)) as store:
        yield store


@pytest.fixture
def here() -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:") as store:
        yield store


def search(topic: str, limit: int = 2) -> list[str]:
    """Search for pages on a topic."""
    CALLED.append(f"search {topic}")
    return [f"page {number} on {topic}" for number in range(limit)]


def note(text: str) -> None:
    """Note something."""
    CALLED.append(f"note {text}")


def made(model: Model, *tools: Any, **options: Any) -> Agent:
    client = options.pop("client", None) or client_of(model)
    return Agent(options.pop("name", "agent"), model="m", client=client, tools=tools, **options)


def messages(db: holdfast.Store, run_id: str = "r") -> list[dict[str, Any]]:
    return list(db.run(run_id).state["messages"])


def roles(db: holdfast.Store, run_id: str = "r") -> list[str]:
    return [message["role"] for message in messages(db, run_id)]


def test_a_loop_is_a_run_of_steps_and_is_paid_once(db: holdfast.Store) -> None:
    script = [calls(("search", {"topic": "owls"}), ("search", {"topic": "cats", "limit": 1})), says("There are pages.")]
    with playing(script) as model:
        agent = made(model, search, instructions="Be brief.")
        first = agent.run("What is there?", store=db, run_id="r")
        assert first == Done("There are pages.", "r")
        assert agent.run("What is there?", store=db, run_id="r") == first
        assert len(model.requests) == 2
    assert sorted(CALLED) == ["search cats", "search owls"]
    assert roles(db) == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert [message["content"] for message in messages(db)[3:5]] == [
        '["page 0 on owls","page 1 on owls"]',
        '["page 0 on cats"]',
    ]
    steps = {step.key: step for step in db.run("r").steps()}
    assert set(steps) == {"turn 1", "1.call_1", "1.call_2", "turn 2"}
    assert steps["1.call_1"].args == {"topic": "owls", "limit": 2}
    assert steps["turn 1"].usage == {"model": "m", "tokens": 15, "input_tokens": 10, "output_tokens": 5}
    assert db.run("r").status == "complete"


def test_what_the_model_is_told_is_what_was_said(here: holdfast.Store) -> None:
    with playing([calls(("search", {"topic": "owls"})), says("done")]) as model:
        made(model, search, instructions="Be brief.", settings={"temperature": 0}).run("Go", store=here, run_id="r")
    first, second = model.requests
    assert first["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go"}]
    assert second["messages"] == messages(here)[:-1]
    assert (second["temperature"], second["model"]) == (0, "m")
    (told,) = first["tools"]
    assert told["function"]["name"] == "search"
    assert told["function"]["description"] == "Search for pages on a topic."
    assert told["function"]["parameters"]["properties"]["topic"] == {"type": "string"}
    assert told["function"]["parameters"]["required"] == ["topic"]


def test_tools_of_a_turn_are_called_beside_each_other(db: holdfast.Store) -> None:
    meet = threading.Barrier(3)

    def wait(number: int) -> int:
        """Wait for the others."""
        meet.wait(PATIENCE)
        return number

    with playing([calls(*[("wait", {"number": at}) for at in range(3)]), says("done")]) as model:
        made(model, wait).run("Go", store=db, run_id="r")
    assert [message["content"] for message in messages(db)[2:5]] == ["0", "1", "2"]


def test_a_crash_among_parallel_tools_keeps_those_that_finished(db: holdfast.Store) -> None:
    """Ten are called, the fifth ends the process as an interrupt does, and none of the others is called again."""
    broken = [True]

    def work(number: int) -> int:
        """Work."""
        if number == 4 and broken[0]:
            while len(CALLED) < 9:
                threading.Event().wait(0.001)
            raise KeyboardInterrupt
        CALLED.append(str(number))
        return number * number

    with playing([calls(*[("work", {"number": at}) for at in range(10)]), says("done")]) as model:
        agent = made(model, work)
        with pytest.raises(KeyboardInterrupt):
            agent.run("Go", store=db, run_id="r")
        broken[0] = False
        assert agent.run("Go", store=db, run_id="r") == Done("done", "r")
        assert len(model.requests) == 2
    assert sorted(CALLED, key=int) == [str(at) for at in range(10)]
    assert [message["content"] for message in messages(db)[2:12]] == [str(at * at) for at in range(10)]


def test_an_agent_calls_agents_to_any_depth(db: holdfast.Store) -> None:
    """Their calls are steps under the call that led there, also where two have the same name."""

    def leaf(request: dict[str, Any]) -> Answer:
        asked = next(message["content"] for message in request["messages"] if message["role"] == "user")
        if request["messages"][-1]["role"] == "tool":
            return says(f"done {asked}")
        return calls(("note", {"text": asked}))

    def middle(request: dict[str, Any]) -> Answer:
        asked = next(message["content"] for message in request["messages"] if message["role"] == "user")
        if request["messages"][-1]["role"] == "tool":
            return says(f"{asked}: {request['messages'][-1]['content']}")
        return calls(("leaf", {"prompt": f"{asked}/leaf"}))

    top = [calls(("a", {"prompt": "one"}), ("b", {"prompt": "two"})), says("all done")]
    with playing(leaf) as for_leaf, playing(middle) as for_middle, playing(top) as for_top:
        low = made(for_leaf, note, name="worker")
        one = made(for_middle, low.as_tool("leaf", "A leaf."), name="worker")
        chief = made(for_top, one.as_tool("a", "The one."), one.as_tool("b", "The other."))
        assert chief.run("Go", store=db, run_id="r") == Done("all done", "r")
        assert chief.run("Go", store=db, run_id="r") == Done("all done", "r")
        assert [len(model.requests) for model in (for_leaf, for_middle, for_top)] == [4, 4, 2]
    assert CALLED == ["note one/leaf", "note two/leaf"]
    assert [message["content"] for message in messages(db)[2:4]] == ["one: done one/leaf", "two: done two/leaf"]
    keys = [step.key for step in db.run("r").steps()]
    assert "1.call_1>1.call_1>1.call_1" in keys
    assert "1.call_2>1.call_1>turn 2" in keys
    assert len(keys) == len(set(keys)) == 12


def test_a_nested_loop_goes_on_where_it_was(here: holdfast.Store) -> None:
    broken = [True]

    def fragile(text: str) -> str:
        """Break once."""
        if broken[0]:
            raise KeyboardInterrupt
        CALLED.append(text)
        return text

    inner = [calls(("note", {"text": "before"})), calls(("fragile", {"text": "x"})), says("inner done")]
    with playing(inner) as low, playing([calls(("sub", {"prompt": "work"})), says("done")]) as top:
        sub = made(low, note, fragile, name="sub")
        agent = made(top, sub.as_tool("sub", "Another."))
        with pytest.raises(KeyboardInterrupt):
            agent.run("Go", store=here, run_id="r")
        broken[0] = False
        assert agent.run("Go", store=here, run_id="r") == Done("done", "r")
        assert (len(low.requests), len(top.requests)) == (3, 2)
    assert CALLED == ["note before", "x"]


@pytest.mark.parametrize(
    ("called", "told"),
    [
        (("nothing", {}), "there is no tool 'nothing'; there is search"),
        (("search", {"subject": "owls"}), "subject"),
        (("search", {"topic": 5}), "Expected `str`"),
        (("search", {}), "missing required field `topic`"),
        (("search", "{broken"), "JSON is malformed"),
        (("search", "[1]"), "Expected `object`"),
    ],
)
def test_what_nobody_can_call_is_told_to_the_model(here: holdfast.Store, called: Any, told: str) -> None:
    with playing([calls(called), calls(("search", {"topic": "owls"})), says("done")]) as model:
        assert made(model, search).run("Go", store=here, run_id="r") == Done("done", "r")
    assert told in messages(here)[2]["content"]
    assert messages(here)[2]["content"].startswith("error: ")
    assert CALLED == ["search owls"]


def test_a_model_that_only_makes_mistakes_is_stopped_and_may_go_on(here: holdfast.Store) -> None:
    with playing([calls(("nothing", {}))] * 5 + [says("done")]) as model:
        with pytest.raises(holdfast.LimitReached, match="in a row"):
            made(model, search, limits=Limits(mistakes=2)).run("Go", store=here, run_id="r")
        assert len(model.requests) == 3
        assert here.run("r").status == "failed"
        more = made(model, search, limits=Limits(mistakes=10))
        assert more.run("Go", store=here, run_id="r") == Done("done", "r")
        assert len(model.requests) == 6


def test_what_a_tool_raises_is_told_and_is_not_called_again(here: holdfast.Store) -> None:
    def fails(what: str) -> str:
        """Fail."""
        CALLED.append(what)
        raise ValueError(f"no {what}")

    with playing([calls(("fails", {"what": "luck"})), says("sorry")]) as model:
        agent = made(model, fails)
        assert agent.run("Go", store=here, run_id="r") == Done("sorry", "r")
        assert agent.run("Go", store=here, run_id="r") == Done("sorry", "r")
    assert messages(here)[2]["content"] == "error: ValueError: no luck"
    assert CALLED == ["luck"]


def test_an_answer_that_cannot_be_stored_or_told_is_told(here: holdfast.Store) -> None:
    def locks() -> Any:
        """Return a lock."""
        CALLED.append("lock")
        return threading.Lock()

    def sets() -> Any:
        """Return what JSON has not."""
        return {(1, 2): 3}

    with playing([calls(("locks", {}), ("sets", {})), says("done")]) as model:
        assert made(model, locks, sets).run("Go", store=here, run_id="r") == Done("done", "r")
    assert "is recorded without its result" in messages(here)[2]["content"]
    assert "cannot be told as JSON" in messages(here)[3]["content"]
    assert CALLED == ["lock"]


@pytest.mark.parametrize(
    ("limits", "more", "what"),
    [
        (Limits(turns=2), Limits(turns=3), "turns"),
        (Limits(tokens=30), Limits(tokens=31), "tokens"),
        (Limits(cost=0.2), Limits(cost=0.3), "cost"),
    ],
)
def test_limits_stop_a_run_which_goes_on_with_others(
    here: holdfast.Store, limits: Limits, more: Limits, what: str
) -> None:
    script = [calls(("note", {"text": "a"})), calls(("note", {"text": "b"}), first=2), says("done")]
    with playing(script) as model:
        options: dict[str, Any] = {"cost": lambda usage: usage["tokens"] / 150}
        with pytest.raises(holdfast.LimitReached, match=what):
            made(model, note, limits=limits, **options).run("Go", store=here, run_id="r")
        assert made(model, note, limits=more, **options).run("Go", store=here, run_id="r") == Done("done", "r")
        assert len(model.requests) == 3
    assert CALLED == ["note a", "note b"]


def test_the_client_waits_where_it_is_told_to(here: holdfast.Store) -> None:
    with playing([429, 503, says("done")]) as model, client_of(model, max_retries=2) as client:
        assert made(model, client=client).run("Go", store=here, run_id="r") == Done("done", "r")
        assert len(model.requests) == 3


def test_a_model_that_is_away_leaves_a_run_that_goes_on(db: holdfast.Store) -> None:
    with playing([calls(("note", {"text": "a"})), 503, says("done")]) as model:
        agent = made(model, note)
        with pytest.raises(openai.InternalServerError):
            agent.run("Go", store=db, run_id="r")
        assert db.run("r").status == "failed"
        assert agent.run("Go", store=db, run_id="r") == Done("done", "r")
        assert len(model.requests) == 3
    assert CALLED == ["note a"]


@dataclass
class Trip:
    city: str
    days: int


class Price(pydantic.BaseModel):
    amount: float
    currency: str = "EUR"


@pytest.mark.parametrize(
    ("kind", "wrong", "right", "value"),
    [
        (Trip, '{"city": "Paris"}', '{"city": "Paris", "days": 2}', Trip("Paris", 2)),
        (Price, '{"amount": "x"}', '{"amount": 3}', Price(amount=3)),
        (list[int], '["a"]', "[1, 2]", [1, 2]),
    ],
)
def test_what_an_agent_returns_is_checked(here: holdfast.Store, kind: Any, wrong: str, right: str, value: Any) -> None:
    with playing([says(wrong), says("no JSON"), says(right)]) as model:
        found = made(model, output=kind).run("Go", store=here, run_id="r")
    assert isinstance(found, Done)
    assert found.output == value
    assert type(found.output) is type(value)
    assert "Your answer does not fit" in messages(here)[2]["content"]
    assert model.requests[0]["response_format"]["json_schema"]["schema"]


def test_types_of_parameters_are_what_a_tool_gets(here: holdfast.Store) -> None:
    got: list[Any] = []

    def book(trip: Trip, price: Price, tags: list[str] | None = None) -> str:
        """Book a trip."""
        got.extend([trip, price, tags])
        return "booked"

    given = {"trip": {"city": "Rome", "days": 3}, "price": {"amount": 1.5}}
    with playing([calls(("book", given)), says("done")]) as model:
        made(model, book).run("Go", store=here, run_id="r")
    assert got == [Trip("Rome", 3), Price(amount=1.5), None]


def test_a_context_is_given_and_is_not_told(here: holdfast.Store) -> None:
    keys: list[str] = []

    @holdfast.tool(effect="once")
    def pay(amount: int, ctx: Context) -> str:
        """Pay."""
        keys.append(ctx.idempotency_key)
        return f"paid {amount}"

    with playing([calls(("pay", {"amount": 3})), says("done")]) as model:
        made(model, pay).run("Go", store=here, run_id="r")
        assert "ctx" not in model.requests[0]["tools"][0]["function"]["parameters"]["properties"]
    assert keys == ["r#pay#[1.call_1]"]


def test_the_model_may_see_less_than_is_recorded(here: holdfast.Store) -> None:
    script = [calls(("note", {"text": "a"})), calls(("note", {"text": "b"}), first=2), says("done")]
    with playing(script) as model:
        made(model, note, context=lambda all_of_them: all_of_them[-3:]).run("Go", store=here, run_id="r")
        assert [len(request["messages"]) for request in model.requests] == [1, 3, 3]
    assert len(messages(here)) == 6


def test_another_prompt_for_the_same_run_is_refused(here: holdfast.Store) -> None:
    with playing([says("done")]) as model:
        agent = made(model)
        agent.run("Go", store=here, run_id="r")
        with pytest.raises(holdfast.InputMismatch):
            agent.run("Stop", store=here, run_id="r")


def test_runs_without_an_id_are_new_ones(here: holdfast.Store) -> None:
    with playing([says("one"), says("two")]) as model:
        agent = made(model, name="an agent")
        first, second = (agent.run("Go", store=here) for _ in range(2))
    assert first.run_id != second.run_id
    assert first.run_id.startswith("an-agent-")


async def _on_a_loop(path: Path, model: Model) -> Any:
    meet = asyncio.Barrier(2)

    async def wait(number: int) -> int:
        """Wait for the other."""
        await asyncio.wait_for(meet.wait(), PATIENCE)
        CALLED.append(f"wait {number}")
        return number

    client = openai.AsyncOpenAI(base_url=model.url, api_key="none", max_retries=0)
    async with client, aio.connect(path) as db:
        agent = Agent("agent", model="m", client=client, tools=[wait, search])
        first = await agent.run_async("Go", store=db, run_id="r")
        assert await agent.run_async("Go", store=db, run_id="r") == first
        return first


def test_a_loop_on_an_event_loop_does_the_same(tmp_path: Path) -> None:
    script = [calls(("wait", {"number": 0}), ("wait", {"number": 1}), ("search", {"topic": "owls"})), says("done")]
    with playing(script) as model:
        assert asyncio.run(_on_a_loop(tmp_path / "s.db", model)) == Done("done", "r")
        assert len(model.requests) == 2
    assert sorted(CALLED) == ["search owls", "wait 0", "wait 1"]
    with holdfast.connect(tmp_path / "s.db") as db:
        assert roles(db) == ["user", "assistant", "tool", "tool", "tool", "assistant"]


@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        ([search, search], "two tools"),
        ([lambda topic: topic], "letters, digits"),
        ([5], "a tool is a function"),
        ([lambda *topics: topics], "letters, digits"),
    ],
)
def test_tools_that_a_model_cannot_be_told_of_are_refused(tools: list[Any], reason: str) -> None:
    with playing([]) as model, pytest.raises(holdfast.InvalidValue, match=reason):
        made(model, *tools)


def test_a_step_records_what_it_saw_and_not_all_that_was_said(here: holdfast.Store) -> None:
    """Else each step would hold the whole conversation."""
    script = [calls(("note", {"text": "x" * 2_000}), first=at) for at in range(20)]
    with playing([*script, says("done")]) as model:
        made(model, note).run("Go", store=here, run_id="r")
    sizes = [len(json.dumps(step.args)) for step in here.run("r").steps() if step.name == "model"]
    assert len(sizes) == 21
    assert max(sizes) < 100


def test_turns_of_a_conversation_share_its_messages(db: holdfast.Store) -> None:
    script = [calls(("note", {"text": "a"})), says("one"), says("two"), says("three")]
    with playing(script) as model:
        agent = made(model, note, instructions="Be brief.", context=holdfast.last_turns(1))
        for number, prompt in enumerate(["first", "second", "third"], 1):
            found = agent.run(prompt, store=db, conversation="c")
            assert found.run_id == f"c/{number}"
        assert [len(request["messages"]) for request in model.requests] == [2, 4, 2, 2]
    db.state.refresh()
    said = [message["content"] for message in db.state.namespace("conversations").namespace("c")["messages"]]
    assert said == ["Be brief.", "first", None, "null", "one", "second", "two", "third", "three"]


def test_nothing_of_a_turn_that_failed_is_in_its_conversation_until_it_is_done(db: holdfast.Store) -> None:
    with playing([says("one"), 503, says("two")]) as model:
        agent = made(model)
        agent.run("first", store=db, conversation="c")
        with pytest.raises(openai.InternalServerError):
            agent.run("second", store=db, conversation="c")
        db.state.refresh()
        here = db.state.namespace("conversations").namespace("c")
        assert [message["content"] for message in here["messages"]] == ["first", "one"]
        with pytest.raises(holdfast.InputMismatch):
            agent.run("another", store=db, conversation="c")
        assert agent.run("second", store=db, conversation="c") == Done("two", "c/2")
        db.state.refresh()
        assert [message["content"] for message in here["messages"]] == ["first", "one", "second", "two"]
        assert len(model.requests) == 3


def test_a_second_turn_meanwhile_is_refused(here: holdfast.Store) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> str:
        """Wait."""
        reached.set()
        assert go_on.wait(PATIENCE)
        return "waited"

    with playing([calls(("wait", {})), says("done")]) as model, ThreadPoolExecutor(1) as pool:
        agent = made(model, wait)
        first = pool.submit(lambda: agent.run("first", store=here, conversation="c"))
        assert reached.wait(PATIENCE)
        with pytest.raises((holdfast.RunBusy, holdfast.InputMismatch)):
            agent.run("second", store=here.checkout("main"), conversation="c")
        go_on.set()
        assert first.result(PATIENCE) == Done("done", "c/1")


@pytest.mark.parametrize("name", ["", "a/b", 5, "x" * 200])
def test_what_can_name_no_conversation_is_refused(here: holdfast.Store, name: Any) -> None:
    with playing([]) as model, pytest.raises(holdfast.InvalidValue, match="conversation"):
        made(model).run("Go", store=here, conversation=name)


def test_a_prompt_is_a_text(here: holdfast.Store) -> None:
    with playing([]) as model, pytest.raises(holdfast.InvalidValue, match="prompt"):
        made(model).run(5, store=here)  # type: ignore[arg-type]
    assert here.runs() == []


def test_a_call_that_may_happen_once_waits_for_who_knows_and_its_siblings_are_kept(db: holdfast.Store) -> None:
    """The run is suspended, and goes on when somebody has told what became of the call."""
    broken = [True]

    @holdfast.tool(effect="once")
    def pay(amount: int) -> str:
        """Pay."""
        CALLED.append(f"pay {amount}")
        if broken[0]:
            raise KeyboardInterrupt
        return "paid"

    with playing([calls(("search", {"topic": "owls"}), ("pay", {"amount": 3})), says("done")]) as model:
        agent = made(model, search, pay)
        with pytest.raises(KeyboardInterrupt):
            agent.run("Go", store=db, run_id="r")
        broken[0] = False
        found = agent.run("Go", store=db, run_id="r")
        assert isinstance(found, holdfast.Suspended)
        assert "whether step 'pay#[1.call_2]' happened" in found.why
        db.run("r").settle("pay#[1.call_2]", holdfast.Happened("receipt 7"))
        assert agent.run("Go", store=db, run_id="r") == Done("done", "r")
    assert messages(db)[3]["content"] == "receipt 7"
    assert CALLED.count("pay 3") == 1
    assert CALLED.count("search owls") == 1


def test_the_turns_of_a_conversation_are_listed_with_what_they_used(db: holdfast.Store) -> None:
    def script(request: dict[str, Any]) -> Answer:
        return says(f"answer {sum(message['role'] == 'user' for message in request['messages'])}")

    assert holdfast.turns(db, "c") == []
    with playing(script) as model:
        agent = made(model, instructions="Be brief.")
        for prompt in ("one", "two"):
            agent.run(prompt, store=db, conversation="c")
    first, second = holdfast.turns(db, "c")
    assert [message["content"] for message in first.messages] == ["one", "answer 1"]
    assert [message["content"] for message in second.messages] == ["two", "answer 2"]
    assert second.run is not None
    assert (second.number, second.run.run_id, second.run.status) == (2, "c/2", "complete")
    assert second.usage == {"tokens": 15, "input_tokens": 10, "output_tokens": 5}
    with pytest.raises(holdfast.InvalidValue):
        holdfast.turns(db, "a/b")
