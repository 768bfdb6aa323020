"""Goal: a change in place is found at any depth and in any kind of object, and nothing else is taken for one.

Method: change parts of values through a fresh read and through one's own reference, and read what is stored; read
everything in fresh processes and see that nothing is written.
"""

from __future__ import annotations

import dataclasses
import heapq
import os
import subprocess
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas
import pydantic
import pytest

from holdfast import Versioned
from holdfast.core.codec import Codec, Encoded
from tests.unit.state.states import kept, settled

SEEDS = 12


@dataclasses.dataclass
class Plan:
    steps: list[str]
    tries: int = 0
    inner: Plan | None = None


class Model(pydantic.BaseModel):
    names: list[str]


class Thing:
    """A class that says nothing about itself."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {"a": [1]}


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "an item deep in a dict": (
        lambda: {"steps": [{}, {}, {}, {"done": False}]}, lambda v: v["steps"][3].update(done=True),
    ),
    "an append": (lambda: [1], lambda v: v.append(2)),
    "a field": (lambda: Plan(["a"]), lambda v: setattr(v, "tries", 1)),
    "a list in a dataclass in a list": (
        lambda: [{"p": Plan([], 0, Plan(["x"]))}], lambda v: v[0]["p"].inner.steps.append(1),
    ),
    "a model": (lambda: {"m": Model(names=["a"])}, lambda v: v["m"].names.append("b")),
    "an attribute of an object": (lambda: [Thing()], lambda v: v[0].parts["a"].append(2)),
    "an element of an array": (lambda: numpy.zeros((3, 3)), lambda v: v.__setitem__((1, 1), 5.0)),
    "an array in a dict": (lambda: {"l": [], "a": numpy.arange(4)}, lambda v: v["a"].sort(axis=0) or v["a"].fill(1)),
    "a cell of a frame": (lambda: pandas.DataFrame({"x": [1, 2]}), lambda v: v.__setitem__("x", [1, 3])),
    "a cell in place": (lambda: {"f": pandas.DataFrame({"x": [1, 2]})}, lambda v: v["f"].loc.__setitem__((0, "x"), 9)),
    "a list in a tuple": (lambda: (1, [2]), lambda v: v[1].append(3)),
    "bytes": (lambda: bytearray(b"abc"), lambda v: v.extend(b"d")),
    "a deque": (lambda: deque([1]), lambda v: v.appendleft(0)),
    "a defaultdict": (lambda: {"d": defaultdict(list)}, lambda v: v["d"]["new"].append(1)),
    "an ordered dict": (lambda: OrderedDict(a=1, b=2), lambda v: v.move_to_end("a")),
    "an order of a dict": (lambda: {"a": 1, "b": [2]}, lambda v: v.__setitem__("a", v.pop("a"))),
    "a small order": (lambda: {"a": 1, "b": 2}, lambda v: v.__setitem__("a", v.pop("a"))),
    "a set in a list": (lambda: [{1}], lambda v: v[0].add(2)),
}  # fmt: skip


def shown(value: Any) -> Any:
    """Return what tells values of all these types apart, their order too."""
    if isinstance(value, pandas.DataFrame):
        return ("frame", value.to_dict())
    if isinstance(value, numpy.ndarray):
        return ("array", value.dtype.str, value.tolist())
    if isinstance(value, dict):
        return [(key, shown(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple, deque)):
        return [shown(item) for item in value]
    return sorted(value) if isinstance(value, set) else value.parts if isinstance(value, Thing) else value


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))


@pytest.mark.parametrize("how", ["fresh reads", "own reference", "another handle"])
@pytest.mark.parametrize("what", CHANGES)
def test_u1_u3_a_change_in_place_is_found(what: str, how: str, tmp_path: Path) -> None:
    make, change = CHANGES[what]
    expected = make()
    with Versioned(tmp_path / "s.db", durability="process") as state:
        own = make()
        state["v"] = own
        if how != "own reference":
            own = None
        head = state.commit()
    with Versioned(tmp_path / "s.db", durability="process") as state:
        if how == "own reference":
            state["v"] = own
            assert state.commit() == head
        elif how == "fresh reads":
            state["v"] = make()
            state.commit()
        assert state["v"] is state["v"]
        assert settled(state)
        for _ in range(2):
            before = state.head
            change(state["v"] if own is None else own)
            change(expected)
            if shown(expected) != shown(kept(state)["v"]):
                assert state.pending() == ["v"]
                assert state.commit() != before
            assert state.commit() == state.head
            assert shown(kept(state)["v"]) == shown(expected) == shown(state["v"])
            assert settled(state)


READ = """
import sys, holdfast
with holdfast.Versioned(sys.argv[1], durability="process", verify=len(sys.argv) > 2) as state:
    for key in state:
        repr(state[key]), state[key]
    assert state.pending() == [], state.pending()
    assert state.commit() == state.head
    print(state.head)
"""


def read(path: Path, seed: int, *more: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", READ, str(path), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_u4_reading_changes_nothing_under_any_hash_seed(tmp_path: Path, soak: bool) -> None:
    """Sets and frozensets of strings, alone and deep inside, in processes with other orders of them."""
    words = [f"word {number}" for number in range(200)]
    path = tmp_path / "s.db"
    with Versioned(path) as state:
        for size in (3, 10, 40, 200):
            state[f"set {size}"] = set(words[:size])
            state[f"frozen {size}"] = frozenset(words[:size])
            state[f"inside {size}"] = [{"s": set(words[:size]), "f": (frozenset(words[:size]),)}]
        state["keys"] = {frozenset(words[:5]): 1, "o": {"b": 1, "a": {2, "x"}}}
        state["objects"] = [Thing(), Plan(["a"]), {Ellipsis, None}]
        del state["objects"][:2]
        head = state.commit()
    found = [read(path, seed) for seed in range(SEEDS)]
    assert found == [head] * SEEDS
    assert read(path, 99, "verify") == head


def test_u6_verify_finds_what_c_code_does_past_the_methods(tmp_path: Path) -> None:
    with Versioned(tmp_path / "s.db", verify=True) as state:
        state["heap"] = [3, 5, 4]
        state["inside"] = [{"h": [9, 8]}]
        state.commit()
        heapq.heappush(state["heap"], 1)
        heapq.heapify(state["inside"][0]["h"])
        dict.__setitem__(state["inside"][0], "past", 1)
        assert state.pending() == ["heap", "inside"]
        state.commit()
        assert kept(state) == {"heap": [1, 3, 4, 5], "inside": [{"h": [8, 9], "past": 1}]}
        assert heapq.heappop(state["heap"]) == 1
        state.commit()
        assert kept(state)["heap"] == [3, 5, 4]


def test_u5_what_cannot_change_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Versioned(tmp_path / "s.db") as state:
        state.update(big=b"x" * 5_000_000, text="y" * 5_000_000, list=[["z" * 1_000] for _ in range(1_000)], n=1)
        state.commit()
        encoded: list[str] = []
        encode = Codec.encode

        def noted(codec: Codec, value: Any, where: str) -> Encoded:
            encoded.append(where)
            return encode(codec, value, where)

        monkeypatch.setattr(Codec, "encode", noted)
        for key in state:
            assert state[key]
        state["n"] = 2
        state.commit()
        assert encoded == ['state["n"]']
