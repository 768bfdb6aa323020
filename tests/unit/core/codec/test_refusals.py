"""Goal: what cannot be stored is refused by its path and type. Method: put such things deep into values."""

from __future__ import annotations

import contextlib
import io
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.codec import Codec
from holdfast.errors import NotStorable
from holdfast.state.signing import KeyFile
from tests.unit.core.codec.samples import Plan


class Tool:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


async def _coroutine() -> None: ...


@pytest.fixture(params=["pickling", "without"])
def codec(request: pytest.FixtureRequest, tmp_path: Path) -> Codec:
    return Codec(KeyFile(tmp_path)) if request.param == "pickling" else Codec()


@pytest.fixture
def pickling(tmp_path: Path) -> Codec:
    return Codec(KeyFile(tmp_path))


def test_s1_what_belongs_to_the_process_is_refused_by_path_and_type(codec: Codec, tmp_path: Path) -> None:
    coroutine = _coroutine()
    with (tmp_path / "file").open("w") as file:
        for culprit, named in [
            (threading.Lock(), "_thread.lock cannot be stored; keep the result, or use Live"),
            (threading.RLock(), "_thread.RLock cannot be stored"),
            (file, "_io.TextIOWrapper cannot be stored; keep its path, or what it contains, or use Live"),
            ((number for number in [1]), "generator cannot be stored; keep list(…) of it, or use Live"),
            (coroutine, "coroutine cannot be stored"),
            (sys, "module cannot be stored; keep its name, or use Live"),
            (memoryview(b""), "memoryview cannot be stored; keep bytes(…) of it"),
            (threading.current_thread(), "cannot be stored"),
        ]:
            with pytest.raises(NotStorable) as refusal:
                codec.encode({"a": [0, {'say "b"': (culprit,)}]}, 'state["tools"]')
            assert str(refusal.value).startswith('state["tools"]["a"][1]["say \\"b\\""][0]: ')
            assert named in str(refusal.value)
    coroutine.close()


def test_s1_the_innermost_culprit_within_an_object_is_named(pickling: Codec, tmp_path: Path) -> None:
    with sqlite3.connect(":memory:") as connection, socket.socket() as plug, (tmp_path / "file").open("w") as file:
        for value, message in [
            (
                {"db": Tool(cursor=connection.cursor())},
                '["db"].cursor: sqlite3.Cursor cannot be stored; keep the result',
            ),
            (Tool(a={"b": [1, Tool(c=threading.Lock())]}), '.a["b"][1].c: _thread.lock cannot be stored'),
            (Tool(plug=(plug,)), ".plug[0]: socket.socket cannot be stored"),
            (Tool(file=file), ".file: _io.TextIOWrapper cannot be stored; keep its path"),
            (lambda: connection, ".connection: sqlite3.Connection cannot be stored"),
            (Plan("a", [SimpleNamespace(db=[connection])]), '.steps[0]["db"][0]: sqlite3.Connection cannot be stored'),
        ]:
            with pytest.raises(NotStorable) as refusal:
                pickling.encode(value, 'state["tools"]')
            assert str(refusal.value).startswith(f'state["tools"]{message}')
    connection.close()


def test_files_in_memory_are_stored(pickling: Codec) -> None:
    assert pickling.decode(pickling.encode(io.BytesIO(b"abc"), "x"), "x").getvalue() == b"abc"


def test_what_an_object_raises_while_it_is_pickled_is_told(pickling: Codec) -> None:
    class Angry:
        def __reduce__(self) -> Any:
            raise RuntimeError("not now")

    with pytest.raises(NotStorable, match=r"x\[0\].a: .*Angry cannot be stored \(not now\); keep"):
        pickling.encode([Tool(a=Angry())], "x")


def test_a_value_that_contains_itself_is_refused_by_its_path(codec: Codec) -> None:
    ring: list[Any] = []
    ring.append({"a": (1, ring)})
    plan = Plan("a")
    plan.steps.append({plan.goal: plan})
    for value, path in ((ring, r'x\[0\]\["a"\]\[1\]'), (plan, r'x\.steps\[1\]\["a"\]')):
        with pytest.raises(NotStorable, match=f"^{path}: the value contains itself"):
            codec.encode(value, "x")
    twice = [1]
    assert codec.decode(codec.encode([twice, twice, (twice,)], "x"), "x") == [[1], [1], ([1],)]


def _in_list(inner: Any) -> Any:
    return [inner]


def _in_tuple(inner: Any) -> Any:
    return (inner,)


def _in_dict(inner: Any) -> Any:
    return {"a": inner}


def _in_plan(inner: Any) -> Any:
    return Plan("a", [inner])


def _deepest(codec: Codec, wrap: Callable[[Any], Any]) -> Any:
    deep: Any = 1
    for _ in range(1000):
        deeper = wrap(deep)
        with contextlib.suppress(NotStorable):
            codec.encode(deeper, "x")
            deep = deeper
            continue
        return deep
    raise AssertionError("it never is too deep")


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [_in_list, _in_tuple, _in_dict, _in_plan])
def test_the_deepest_value_that_is_stored_can_be_read(codec: Codec, wrap: Callable[[Any], Any]) -> None:
    deep = _deepest(codec, wrap)
    codec.decode(codec.encode(deep, "x"), "x")
    with pytest.raises(NotStorable, match=r"^x: the value is nested too deep; 300 levels of JSON can be stored"):
        codec.encode(wrap(deep), "x")


def test_what_nests_far_too_deep_is_refused(codec: Codec) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotStorable, match="nested too deep"):
        codec.encode(deep, "x")
    while isinstance(deep, list):  # or freeing it recurses
        (deep,) = deep
