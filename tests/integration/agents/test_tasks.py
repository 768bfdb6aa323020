"""Goal: a task is a typed function that an agent fills: with no memory, one of this process, or one with a past.

Method: the real openai client against a scripted server that says what a model would.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import openai
import pydantic
import pytest

import holdfast
from holdfast import ActionEvent, Agent, Approval, Disk, Live, Versioned
from tests.llm_server import Answer, Model, calls, client_of, playing, says


@dataclass
class Report:
    """What was found."""

    mean: float
    notes: list[str]


class Point(pydantic.BaseModel):
    """A point."""

    x: int
    y: int = 0


@pytest.fixture
def model() -> Iterator[Model]:
    with playing(lambda _: 418) as model:
        yield model


@pytest.fixture
def agent(model: Model) -> Agent:
    return Agent("analyst", model="m", client=client_of(model), instructions="You are exact.")


def plays(model: Model, *answers: Answer) -> None:
    left = iter(answers)
    model.script = lambda _: next(left, 418)


def asked(model: Model, at: int = -1) -> Any:
    """Return the arguments that a model was told in a request."""
    return json.loads(model.requests[at]["messages"][1]["content"].partition("\n")[2])


def test_a_signature_and_a_docstring_are_a_task(agent: Agent, model: Model) -> None:
    @agent.task
    def analyze(data: list[float], *, title: str = "none") -> Report:  # type: ignore[empty-body]
        """Analyze the data."""

    plays(model, says('{"mean": "much", "notes": []}'), says('{"mean": 2.0, "notes": ["small"]}'))
    assert analyze([1, 2, 3]) == Report(2.0, ["small"])
    assert asked(model) == {"data": [1, 2, 3], "title": "none"}
    first, second = model.requests
    assert first["messages"][0]["content"] == "You are exact.\n\nYour task, analyze: Analyze the data."
    assert "mean" in first["response_format"]["json_schema"]["schema"]["$defs"]["Report"]["properties"]
    assert "Your answer does not fit" in second["messages"][-1]["content"]
    assert "tools" not in first


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        (int, '{"result": 7}', 7),
        (list[Point], '{"result": [{"x": 1}]}', [Point(x=1)]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Point, '{"x": 2, "y": 3}', Point(x=2, y=3)),
        (Any, "as it is", "as it is"),
        (float | None, '{"result": null}', None),
    ],
    ids=["int", "list", "dict", "model", "anything", "optional"],
)
def test_what_it_returns_is_of_its_type(agent: Agent, model: Model, kind: Any, said: str, value: Any) -> None:
    def task(n: int) -> Any:
        """Do it."""

    task.__annotations__["return"] = kind
    plays(model, says(said))
    assert agent.task(task)(1) == value
    schema = model.requests[0].get("response_format", {}).get("json_schema", {}).get("schema", {"type": "object"})
    assert schema.get("type") == "object" or "$ref" in schema, "models say objects"


def test_arguments_are_checked_before_anybody_is_asked(agent: Agent, model: Model) -> None:
    @agent.task
    def place(point: Point, names: list[str] | None = None) -> str:  # type: ignore[empty-body]
        """Place a point."""

    plays(model, says("placed"))
    assert place(Point(x=1), names=["a"]) == "placed"
    assert asked(model) == {"point": {"x": 1, "y": 0}, "names": ["a"]}
    for wrong, what in [
        (lambda: place(Point(x=1), names=[1]), "argument names of .*place does not fit its type"),
        (lambda: place({"y": 1}), "argument point of .*place does not fit its type"),
        (lambda: place(object()), "argument point of .*place cannot be told to a model"),
        (place, "cannot be called so"),
        (lambda: agent.task(5), "is made of a function"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(holdfast.InvalidValue, match=what):
            cast("Any", wrong)()
    assert len(model.requests) == 1


def building(agent: Agent) -> Any:
    @agent.task
    def build(data: list[int]) -> int:  # type: ignore[empty-body]
        """Add the data to what you have."""

    return build


def adds(model: Model, data: list[int], before: str) -> None:
    """Let a model read what it has, add to it, and return the sum."""
    both = [*json.loads(before), *data]
    plays(
        model,
        calls(("list_variables", {})),
        calls(("read_variable", {"name": "seen"}), first=2),
        calls(("write_variable", {"name": "seen", "value": both}), first=3),
        says(json.dumps({"result": sum(both)})),
    )


def told(model: Model) -> list[str]:
    return [message["content"] for message in model.requests[-1]["messages"] if message["role"] == "tool"]


def test_a_live_state_is_remembered_and_may_be_anything(agent: Agent, model: Model) -> None:
    shared, build = Live(), building(agent)
    shared["lock"] = __import__("threading").Lock()
    shared["seen"] = []
    adds(model, [1, 2], "[]")
    assert build([1, 2], state=shared) == 3
    adds(model, [3], "[1, 2]")
    assert build([3], state=shared) == 6
    assert "seen = [1, 2]" in told(model)[0]
    assert told(model)[1:] == ["[1,2]", "null"]
    plays(
        model, calls(("read_variable", {"name": "lock"}), ("remove_variable", {"name": "seen"})), says('{"result": 0}')
    )
    assert build([], state=shared) == 0
    assert "lock" in told(model)[0]
    assert list(shared) == ["lock"]


def test_a_versioned_state_has_a_past_in_another_process_too(agent: Agent, model: Model, tmp_path: Path) -> None:
    build = building(agent)
    with Versioned(Disk(tmp_path / "s")) as state:
        state["seen"] = []
        state.commit()
        adds(model, [1, 2], "[]")
        assert build([1, 2], state=state) == 3
    with Versioned(Disk(tmp_path / "s")) as state:
        adds(model, [3], "[1, 2]")
        assert build([3], state=state) == 6
        actions = [event for event in holdfast.events(state) if isinstance(event, ActionEvent)]
        assert [event.data for event in actions] == [
            {"wrote": "seen"},
            {"returned": 3},
            {"wrote": "seen"},
            {"returned": 6},
        ]
        assert {event.step for event in actions} == {"build"}
        first = actions[0].commit_hash
        assert first is not None
        assert state.checkout(first)["seen"] == [1, 2]
        assert state["seen"] == [1, 2, 3]
        assert state.pending() == []


def test_a_task_is_a_run_that_may_wait(agent: Agent, model: Model, tmp_path: Path) -> None:
    @holdfast.tool(approval=Approval())
    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    @agent.but(tools=[pay]).task
    def invoice(amount: int) -> str:  # type: ignore[empty-body]
        """Pay an invoice."""

    plays(model, calls(("pay", {"amount": 7})), says("done"))
    with holdfast.connect(tmp_path / "s.db") as db:
        with pytest.raises(holdfast.Unfinished, match="waits for somebody who allows step 'pay"):
            invoice(7, store=db, run_id="r")
        db.inbox()[0].approve(by="ann")
        assert invoice(7, store=db, run_id="r") == "done"
        assert invoice(7, store=db, run_id="r") == "done"
        assert len(model.requests) == 2
        with pytest.raises(holdfast.InputMismatch):
            invoice(8, store=db, run_id="r")


def test_a_task_on_a_loop(model: Model) -> None:
    plays(model, says('{"result": 5}'))

    async def running() -> Any:
        async with openai.AsyncOpenAI(base_url=model.url, api_key="-", max_retries=0) as client:

            @Agent("a", model="m", client=client).task
            def add(a: int, b: int) -> int:  # type: ignore[empty-body]
                """Add."""

            return await add.run_async(2, b=3)

    assert asyncio.run(running()) == 5
    assert asked(model) == {"a": 2, "b": 3}
