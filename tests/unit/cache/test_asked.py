"""Goal: equal questions have one name, and different ones never share one (T2, T3). Method: values that look alike."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cache.asked import asked_of, tool_of
from holdfast.errors import InvalidValue, NotStorable


def search(q: Any, limit: int = 10, *rest: Any, lang: str = "en", **more: Any) -> None:
    """Search for nothing."""


class Client:
    """A thing with a key of its own."""

    def search(self, q: str) -> None:
        """Search with that key."""


def name(
    *args: Any, function: Callable[..., Any] = search, scope: Any = None, version: str | None = None, **kw: Any
) -> str:
    return asked_of(function, args, kw, None, version, scope).digest


ALIKE = [
    1, 1.0, True, "1", Decimal(1), None, "None", [1], (1,), {1}, {1: 2}, {"1": 2}, [1, 2], (1, 2), {"a": [1]},
    {"a": (1,)}, b"1", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01", 0.0, -0.0, 0, "", [], {}, (), [[]],
    OrderedDict(a=[1]), numpy.array([1]), numpy.array([1.0]), numpy.array([[1]]),
]  # fmt: skip


def test_t2_values_that_look_alike_are_told_apart() -> None:
    names = [name(value) for value in ALIKE]
    assert len(set(names)) == len(ALIKE)
    assert {len(digest) for digest in names} == {64}, "the whole hash"


def test_t2_one_question_has_one_name_however_it_is_put() -> None:
    assert name("x") == name("x", 10) == name(q="x") == name(limit=10, q="x") == name("x", lang="en")
    assert name({"a": 1, "b": 2}) == name({"b": 2, "a": 1})
    assert name({"x", "y", "z"}) == name({"z", "y", "x"})
    assert name("x", function=functools.partial(search, limit=3)) == name("x", 3)
    assert name("x", 10, "more") != name("x", 10) != name("x", more="more")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _typed(value: Any) -> str:
    """Return a text that equal values of equal types share, and no others."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{_typed(key)}:{_typed(inner)}" for key, inner in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({','.join(map(_typed, value))})"
    return f"{type(value).__name__} {value!r}"


@given(one=values, other=values)
def test_t2_names_are_equal_where_values_and_types_are(one: Any, other: Any) -> None:
    assert (name(one) == name(other)) == (_typed(one) == _typed(other))


def test_t3_a_scope_and_a_version_are_part_of_the_name() -> None:
    scopes = [None, "acme", "acme:x", {"tenant": "acme", "user": "x"}, {"tenant": "acme", "user": "y"}, ["acme", "x"]]
    names = [name("q", scope=scope) for scope in scopes] + [name("q", version=version) for version in ("1", "2")]
    assert len(set(names)) == len(names)
    assert name("q", scope={"user": "x", "tenant": "acme"}) == name("q", scope={"tenant": "acme", "user": "x"})
    one, other = [b"a" * 1500, b"b" * 1500], [b"a" * 1500 + b"b" * 100, b"b" * 1400]
    assert name("q", scope=one) != name("q", scope=other)
    assert name("a:b", scope="c") != name("a", scope="b:c"), "nothing is joined by a mark that may be in it"


def test_t3_another_code_is_another_version() -> None:
    def of(body: str) -> str:
        space: dict[str, Any] = {"__name__": "tools"}
        exec(body, space)
        return name(1, function=space["tool"])

    one = of("def tool(x):\n    return x + 1")
    assert one == of("\n\ndef tool(x):\n    # elsewhere, and with a remark\n    return x + 1")
    others = ["x + 2", "x - 1", "y + 1", "x in {1, 2}", "[x for _ in 'ab']", "[x for _ in 'ac']", "(lambda: x)()"]
    assert len({one, *(of(f"def tool(x):\n    return {body}") for body in others)}) == len(others) + 1


def test_t3_the_version_is_the_same_in_every_process() -> None:
    code = (
        "from holdfast.cache.asked import asked_of\n"
        "def tool(x): return x in {'a', 'b', 'c'} or (lambda y: y + x)(1)\n"
        "print(asked_of(tool, ({'a', 'b', 'c'},), {}, None, None, None).digest)"
    )
    command = [sys.executable, "-c", code]
    found = {
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    "function", [lambda q: q, Client().search, functools.partial(Client().search), functools.partial(lambda q: q)]
)
def test_t3_a_function_without_a_name_of_its_own_is_refused(function: Callable[..., Any]) -> None:
    """What it is bound to, or closes over, would be missing in the name."""

    def within(q: str) -> str:
        return q

    for nameless in (function, within):
        with pytest.raises(InvalidValue, match=r"options\(name="):
            asked_of(nameless, ("x",), {}, None, None, None)
        assert asked_of(nameless, ("x",), {}, "mine", None, "my-key").tool == "mine"


def keeps(model: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return model, function(*args, **kwargs)

        return call

    return decorate


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(q: str, limit: int = 3) -> Any:
        return function(q, limit)

    return call


def test_t3_a_wrapper_is_no_tool_that_it_wraps() -> None:
    """It has its name, and another default, or a model that it was made with."""
    assert name("x", function=plain(search)) != name("x") != name("x", 3)
    for model in ("one", "other"):
        with pytest.raises(InvalidValue, match=r"options\(name="):
            name("x", function=keeps(model)(search))


def test_t3_objects_that_are_called_have_versions() -> None:
    def of(body: str) -> str:
        space: dict[str, Any] = {"__name__": "tools"}
        exec(f"class Tool:\n    def __call__(self, q):\n        return {body}", space)
        with pytest.raises(InvalidValue, match=r"options\(name="):
            name("x", function=space["Tool"]())
        return asked_of(space["Tool"](), ("x",), {}, "tool", None, None).digest

    assert of("q + 1") == of("q + 1") != of("q + 2")


def test_methods_of_built_in_types_are_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match=r"options\(name="):
        name("x", function=str.upper)
    assert asked_of(str.upper, ("x",), {}, "upper", None, None).tool == "upper"


def test_functions_of_modules_have_names() -> None:
    assert tool_of(len) == "builtins.len"
    assert tool_of(search) == f"{__name__}.search"
    assert tool_of(Client.search) == f"{__name__}.Client.search"


def test_s2_what_cannot_be_stored_is_named_before_the_tool_is_called() -> None:
    with pytest.raises(NotStorable, match=r'search\(\)\["q"\]\["db"\]'):
        name({"db": threading.Lock()})
    with pytest.raises(NotStorable, match=r'\["q"\]'):
        name(lambda: 1)
    with pytest.raises(NotStorable, match="scope"):
        name("q", scope=object())
    with pytest.raises(InvalidValue, match="cannot be called so: missing a required argument: 'q'"):
        name()
