"""Goal: the Responses API, no store at all, and a stream of events: the same loop, the same records.

Method: the real openai client against a scripted server; tools that note each real call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

import holdfast
from holdfast import Agent, Approval, Context, Done, Event, Suspended
from tests.llm_server import Answer, Model, calls, client_of, playing, says

CALLED: list[str] = []


@dataclass
class Sum:
    """What an agent answers with."""

    total: int


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLED.clear()


def look(what: str) -> str:
    """Look at something."""
    CALLED.append(f"look {what}")
    return f"seen {what}"


@holdfast.tool(approval=Approval())
def pay(amount: int) -> str:
    """Pay."""
    CALLED.append(f"pay {amount}")
    return f"paid {amount}"


def outputs(request: dict[str, Any]) -> list[str]:
    """Return what a model was told of its calls, by either API."""
    if "input" in request:
        return [item["output"] for item in request["input"] if item.get("type") == "function_call_output"]
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]


def script(request: dict[str, Any]) -> Answer:
    told = outputs(request)
    return says(" ".join(told)) if told else calls(("look", {"what": "sky"}), ("pay", {"amount": 5}))


@pytest.fixture
def model() -> Iterator[Model]:
    with playing(script) as model:
        yield model


def made(model: Model, *tools: Any, **options: Any) -> Agent:
    return Agent(
        "a", model="m", client=client_of(model), tools=tools or (look, pay), instructions="Be brief.", **options
    )


def decided(came: Done | Suspended) -> None:
    assert isinstance(came, Suspended)
    for call in came.calls:
        call.approve(by="ann")


def test_by_the_responses_api_everything_said_is_sent_and_nothing_kept_elsewhere(model: Model, tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "s.db") as db:
        agent = made(model, api="responses", settings={"temperature": 0})
        decided(agent.run("Go", store=db, run_id="r"))
        assert agent.resume(db, "r") == Done("seen sky paid 5", "r")
        assert agent.resume(db, "r") == Done("seen sky paid 5", "r")
        steps = {step.key: step for step in db.run("r").steps() if step.status == "done"}
        assert steps["turn 1"].usage == {"model": "m", "tokens": 15, "input_tokens": 10, "output_tokens": 5}
        roles = [message["role"] for message in db.run("r").state["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "tool", "assistant"]
    first, second = model.requests
    assert first["input"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go"}]
    assert (first["store"], first["temperature"], first["tools"][0]["name"]) == (False, 0, "look")
    kinds = [item.get("type", item.get("role")) for item in second["input"]]
    assert kinds == ["system", "user", "reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
    assert second["input"][2]["encrypted_content"] == "thought 1", "what it thought comes back to it"
    assert sorted(CALLED) == ["look sky", "pay 5"]


def test_a_run_goes_on_by_the_other_api(model: Model, tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "s.db") as db:
        decided(made(model, api="responses").run("Go", store=db, run_id="r"))
        assert made(model, api="chat").resume(db, "r") == Done("seen sky paid 5", "r")
        decided(made(model, api="chat").run("Go", store=db, run_id="s"))
        assert made(model, api="responses").resume(db, "s") == Done("seen sky paid 5", "s")
    assert all("items" not in message for message in model.requests[1]["messages"])


def test_the_responses_api_is_awaited_and_its_answer_has_a_type(model: Model) -> None:
    model.script = lambda request: says('{"total": 3}') if len(request["input"]) > 2 else says("three")

    async def asking() -> Any:
        async with openai.AsyncOpenAI(base_url=model.url, api_key="-", max_retries=0) as client:
            return await Agent("a", model="m", client=client, api="responses", output=Sum).run_async("1 + 2?")

    assert asyncio.run(asking()).output == Sum(3)
    assert model.requests[0]["text"]["format"]["schema"]["$defs"]["Sum"]["properties"] == {"total": {"type": "integer"}}


def test_another_api_is_refused(model: Model) -> None:
    with pytest.raises(holdfast.InvalidValue, match="one of chat, responses"):
        made(model, api="completions")


def test_without_a_store_runs_are_in_memory(model: Model) -> None:
    def wants(ctx: Context) -> Any:
        """Use the store."""
        return ctx.db

    agent = made(model)
    came = agent.run("Go")
    decided(came)
    assert isinstance(came, Suspended)
    assert agent.resume(None, came.run_id) == Done("seen sky paid 5", came.run_id)
    assert sorted(CALLED) == ["look sky", "pay 5"]
    model.script = lambda request: says("hello" if len(request["messages"]) == 2 else "again")
    talker = Agent("b", model="m", client=client_of(model), instructions="Talk.")
    said = [talker.run("hi", conversation="c") for _ in range(2)]
    assert [one.output for one in said if isinstance(one, Done)] == ["hello", "again"]
    model.script = lambda request: says(outputs(request)[0]) if outputs(request) else calls(("wants", {}))
    done = made(model, wants).run("Go")
    assert isinstance(done, Done)
    assert "has no store, so its tools have no db" in done.output


def test_without_a_store_a_loop_goes_on_too(model: Model) -> None:
    async def running() -> Any:
        async with openai.AsyncOpenAI(base_url=model.url, api_key="-", max_retries=0) as client:
            agent = Agent("a", model="m", client=client, tools=[look, pay])
            came = await agent.run_async("Go")
            decided(came)
            return await agent.resume_async(None, came.run_id)

    assert asyncio.run(running()).output == "seen sky paid 5"


def test_events_come_while_it_works_and_what_came_of_it_last(model: Model, tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "s.db") as db:
        agent = made(model)
        *events, came = agent.stream("Go", store=db, run_id="r")
        kinds = [event.kind for event in events if isinstance(event, Event)]
        assert kinds == ["run.created", "step.done", "step.done", "run.suspended"]
        assert isinstance(came, Suspended)
        decided(came)
        *more, came = agent.stream("Go", store=db, run_id="r")
        assert came == Done("seen sky paid 5", "r")
        numbers = [event.seq for event in (*events, *more) if isinstance(event, Event)]
        assert numbers == list(range(1, len(list(db.events("r"))) + 1)), "each once, in order"


def test_a_stream_that_is_left_ends_its_work_and_one_that_fails_says_so(model: Model, tmp_path: Path) -> None:
    with holdfast.connect(tmp_path / "s.db") as db:
        for _ in made(model).stream("Go", store=db, run_id="left"):
            break
        assert db.run("left").status == "suspended"
        model.script = lambda _: 500
        with pytest.raises(openai.InternalServerError):
            list(made(model).stream("Go", store=db, run_id="failed"))
