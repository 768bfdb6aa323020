"""Goal: whoever goes again through a run finds its state as it was, at every step, and goes on from it (D1, B1).

Method: random bodies change values of the state at any depth, through fresh reads and references that were kept, in
their steps and between them. They are stopped somewhere and entered again, several times, beside a model of plain
Python. Seen to fail: what was done again taken for what is recorded without looking; names of new rows that are not
the recorded ones; removed keys whose rows stay known.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import holdfast
from holdfast import Context, Memory
from holdfast.state.rows import storing
from holdfast.state.working import catching
from tests.property.state_operations import both, walk
from tests.property.state_values import container_of, shown, unaliased, value_of

KEYS = ("x", "y", "z")
STEPS = 8
CHARS_MAX = 20_000


class Stopped(Exception):
    """The body was stopped."""


class Body:
    """A body that does the same each time, and a model of the state that it changes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def run(self, run: holdfast.Run, stop: int | None) -> None:
        """Go through the steps, up to one of them."""
        model: dict[str, Any] = {}
        held: list[tuple[Any, Any]] = []
        for step in range(STEPS):
            choose = random.Random(f"{self.seed} {step}")
            for _ in range(choose.randint(0, 4)):
                self.change(run.state, model, held, choose)
            if step == stop:
                raise Stopped
            inside = choose.choice(KEYS) if choose.random() < 0.2 else None
            run.step("turn", self.tool, step, inside)
            if inside is not None:
                model[inside] = self.value(step)
                held.clear()
            self.check(run, model, held)

    def value(self, step: int) -> Any:
        """Return what a step puts into the state."""
        return container_of(random.Random(f"{self.seed} {step} inside"))

    def tool(self, step: int, inside: str | None, ctx: Context) -> int:
        """Change the state inside of a step, which is done once."""
        if inside is not None:
            ctx.state[inside] = self.value(step)
        return step

    def change(self, state: Any, model: dict[str, Any], held: list[tuple[Any, Any]], choose: random.Random) -> None:
        """Change one thing."""
        key, act = choose.choice(KEYS), choose.random()
        if key not in model or act < 0.15 or len(repr(model[key])) > CHARS_MAX:
            value = container_of(choose) if choose.random() < 0.8 else value_of(choose)
            state[key], model[key] = unaliased(value), unaliased(value)
        elif act < 0.35:
            del state[key], model[key]
        else:
            pair = choose.choice(held) if held and act < 0.6 else (state[key], model[key])
            found = walk(*pair, choose)
            if found and len(repr(found[1])) < CHARS_MAX:
                both(*found, choose)
                if choose.random() < 0.4:
                    held[:] = [*held[-3:], found]

    def check(self, run: holdfast.Run, model: dict[str, Any], held: list[tuple[Any, Any]]) -> None:
        """Hold the state against the model, and what was kept of it."""
        assert sorted(run.state) == sorted(model)
        for key, value in model.items():
            assert shown(run.state[key]) == shown(value), key
        for real, value in held:
            assert shown(real) == shown(value), "a reference that was kept"


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_d1_b1_a_state_is_what_it_was_at_each_step_that_is_gone_through_again(
    tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    @settings(deadline=None)
    @given(st.integers(0, 2**32), st.lists(st.integers(0, STEPS - 1), max_size=3))
    def check(seed: int, stops: list[int]) -> None:
        folder: Path = tmp_path_factory.mktemp("replay")
        body = Body(seed)
        with holdfast.connect(folder / "s.db" if kind == "file" else Memory()) as db:
            for stop in [*sorted(stops), None]:
                try:
                    with db.run("r") as run:
                        body.run(run, stop)
                except Stopped:
                    assert stop is not None
            with db.run("r") as run:  # all of it is recorded
                body.run(run, None)
            db.verify()

    check()


def test_what_was_removed_and_is_there_again_is_written_as_a_whole() -> None:
    def body(run: holdfast.Run, *, stop: bool) -> None:
        run.state["x"] = [1, 2]
        run.step("turn", str, 1)
        del run.state["x"]
        run.step("turn", str, 2)
        if stop:
            raise Stopped
        run.state["x"] = [3]
        run.step("turn", str, 3)

    with holdfast.connect(Memory()) as db:
        with pytest.raises(Stopped), db.run("r") as run:
            body(run, stop=True)
        with db.run("r") as run:
            body(run, stop=False)
        assert db.run("r").state["x"] == [3]


def test_what_is_done_again_as_it_is_recorded_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else going through a conversation again costs its length squared."""

    def body(run: holdfast.Run) -> None:
        for number in range(30):
            run.state.setdefault("messages", []).append({"number": number})
            run.state.setdefault("notes", {})[f"note {number}"] = [number]
            run.state["at"] = number
            run.step("turn", str, number)

    read: list[object] = []

    def read_rows(reader: Any, vector: Any, name: Any) -> Any:
        read.append(name)
        return storing.read_rows(reader, vector, name)

    monkeypatch.setattr(catching, "read_rows", read_rows)
    with holdfast.connect(tmp_path / "s.db", durability="process") as db:
        with pytest.raises(Stopped), db.run("r") as run:
            body(run)
            raise Stopped
        with db.run("r") as run:
            body(run)
            messages = run.state["messages"]
            messages.append("more")
            run.step("turn", str, "more")
            assert len(messages) == 31
        assert db.run("r").state["messages"][-2:] == [{"number": 29}, "more"]
    assert read == []
