"""Goal: each type has its tag, and comes back exactly. Method: one row for each."""

from __future__ import annotations

import dataclasses
import datetime
import math
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from holdfast.core.codec import Codec, is_immutable
from tests.unit.core.codec.samples import Access, Color, Level, Model, Pair, Plan, Point, Slotted, Wide, Word, same

codec = Codec()
HERE = "tests.unit.core.codec.samples"
BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)

ROWS: list[tuple[Any, str]] = [
    ((1, (2,)), '{"$tuple":[1,{"$tuple":[2]}]}'),
    ({"b", "a"}, '{"$set":["a","b"]}'),
    (frozenset({2, 1}), '{"$frozenset":[1,2]}'),
    ({1: "a", (2,): "b"}, '{"$dict":[[1,"a"],[{"$tuple":[2]},"b"]]}'),
    ({"$set": [1], "$": {"$$x": 1}}, '{"$$":{"$$$x":1},"$$set":[1]}'),
    (b"abc", '{"$bytes":"YWJj"}'),
    (bytearray(b"abc"), '{"$bytearray":"YWJj"}'),
    (b"x" * 1024, '{"$bytes":0}'),
    ("a\0b", '{"$str":"YQBi"}'),
    ("\ud800", '{"$str":"7aCA"}'),
    (math.nan, '{"$float":"nan"}'),
    (-math.inf, '{"$float":"-inf"}'),
    (-0.0, "-0.0"),
    ([1.0, math.nan], '[1.0,{"$float":"nan"}]'),
    ([math.inf, -math.inf], '[{"$float":"inf"},{"$float":"-inf"}]'),
    ([1e308, 1e308], "[1e308,1e308]"),
    ([True, None], "[true,null]"),
    (["a\\u0000b", "$", "\\"], '["a\\\\u0000b","$","\\\\"]'),
    (2**63, '{"$int":"9223372036854775808"}'),
    (complex(1, -0.0), '{"$complex":[1.0,-0.0]}'),
    (datetime.date(2026, 1, 31), '{"$date":"2026-01-31"}'),
    (
        datetime.datetime(2026, 1, 31, 1, 2, 3, 4),  # noqa: DTZ001 - a naive one
        '{"$datetime":"2026-01-31T01:02:03.000004"}',
    ),
    (datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC), '{"$datetime":"2026-01-31T00:00:00+00:00"}'),
    (AT, '{"$datetime":{"at":"2026-10-25T02:30:00","fold":1,"zone":{"$zoneinfo":"Europe/Berlin"}}}'),
    (datetime.time(1, 2, fold=1), '{"$time":{"at":"01:02:00","fold":1,"zone":null}}'),
    (datetime.timedelta(days=-1, microseconds=1), '{"$timedelta":[-1,0,1]}'),
    (datetime.timezone(datetime.timedelta(hours=1), "x"), '{"$timezone":[0,3600,0,"x"]}'),
    (BERLIN, '{"$zoneinfo":"Europe/Berlin"}'),
    (Decimal("1.50E+9"), '{"$decimal":"1.50E+9"}'),
    (Decimal("-sNaN12"), '{"$decimal":"-sNaN12"}'),
    (Fraction(1, 3), '{"$fraction":[1,3]}'),
    (uuid.UUID(int=1), '{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
    (PurePosixPath("/a/b"), '{"$path":["PurePosixPath","/a/b"]}'),
    (PureWindowsPath("c:/a"), '{"$path":["PureWindowsPath","c:\\\\a"]}'),
    (range(1, 9, 2), '{"$range":[1,9,2]}'),
    (slice(None, 2), '{"$slice":[null,2,null]}'),
    (..., '{"$ellipsis":null}'),
    (Color.CRIMSON, f'{{"$enum":{{"name":"RED","type":"{HERE}:Color"}}}}'),
    (Level.HIGH, f'{{"$enum":{{"name":"HIGH","type":"{HERE}:Level"}}}}'),
    (Word.YES, f'{{"$enum":{{"name":"YES","type":"{HERE}:Word"}}}}'),
    (Access.READ | Access.WRITE, f'{{"$enum":{{"type":"{HERE}:Access","value":3}}}}'),
    (OrderedDict(a=1), '{"$ordereddict":{"a":1}}'),
    (defaultdict(list, a=[1]), '{"$defaultdict":["list",{"a":[1]}]}'),
    (Counter(a=2), '{"$counter":{"a":2}}'),
    (deque([1], 3), '{"$deque":[[1],3]}'),
    (SimpleNamespace(a=1), '{"$namespace":{"a":1}}'),
    (Point(1, [2]), f'{{"$dataclass":{{"fields":{{"x":1,"y":[2]}},"type":"{HERE}:Point"}}}}'),
    (Slotted(1, 2), f'{{"$dataclass":{{"fields":{{"left":1,"right":2}},"type":"{HERE}:Slotted"}}}}'),
    (Wide(1, 2, 3), f'{{"$dataclass":{{"fields":{{"left":1,"more":3,"right":2}},"type":"{HERE}:Wide"}}}}'),
    (Pair(1), f'{{"$namedtuple":{{"fields":{{"first":1,"second":null}},"type":"{HERE}:Pair"}}}}'),
]


@pytest.mark.parametrize(("value", "text"), ROWS, ids=[text[:40] for _, text in ROWS])
def test_s2_s3_a_value_has_this_form_and_comes_back(value: Any, text: str) -> None:
    encoded = codec.encode(value, "x")
    assert encoded.text == text
    found = codec.decode(encoded, "x")
    assert type(found) is type(value)
    if isinstance(value, Decimal):
        assert str(found) == str(value)
    else:
        assert same(found, value)


@pytest.mark.parametrize("value", [AT, AT.replace(fold=0), AT.timetz()])
def test_a_fold_is_kept(value: Any) -> None:
    found = codec.decode(codec.encode(value, "x"), "x")
    assert (found.fold, found.tzinfo) == (value.fold, value.tzinfo)


def test_a_dataclass_is_put_together_without_its_init_and_post_init() -> None:
    plan = Plan("ship", ["a"])
    plan.later = (1,)  # type: ignore[attr-defined]
    found = codec.decode(codec.encode(plan, "x"), "x")
    assert vars(found) == {"goal": "ship", "steps": ["a", "made by __post_init__"], "later": (1,)}
    assert not hasattr(found, "guess")


def test_a_pydantic_model_is_put_together_without_its_validators() -> None:
    model = Model(number=1, more=[{"a": (1,)}])  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    model.number = -5  # no validation of assignments, so none when it is read
    model._private = 8
    found = codec.decode(codec.encode(model, "x"), "x")
    assert found == model
    assert (found._private, found.model_fields_set, found.model_extra) == (
        8,
        {"number", "more"},
        {"more": [{"a": (1,)}]},
    )
    assert Model.model_construct() == codec.decode(codec.encode(Model.model_construct(), "x"), "x")


def test_a_key_that_equals_a_text_is_not_taken_for_one() -> None:
    """The shapes of dicts are remembered, by keys that may be equal though their types differ."""
    assert codec.encode({"yes": 1, "z": 2}, "x").text == '{"yes":1,"z":2}'
    found = codec.decode(codec.encode({Word.YES: 1, "z": 2}, "x"), "x")
    assert [type(key) for key in found] == [Word, str]


@dataclasses.dataclass
class Changing:
    number: int


IMMUTABLE = [
    None, True, 1, 1.5, 1j, "a", b"a", AT, AT.date(), AT.timetz(), Decimal(1), Fraction(1), uuid.UUID(int=1), range(3),
    Color.RED, Access.READ, (1, (2, "a")), frozenset({(1,)}), Point(1, (2,)), Slotted(1, 2), Pair(1, 2), (), BERLIN,
]  # fmt: skip
MUTABLE = [
    [], {}, set(), bytearray(), ([],),
    Point(1, []), Pair([], 1), Plan("a"), object(), (1, {}), Model(number=1), deque(),
    slice(1), int, len, Changing(1),
]  # fmt: skip


def test_what_never_changes_is_known() -> None:
    assert [value for value in IMMUTABLE if not is_immutable(value)] == []
    assert [value for value in MUTABLE if is_immutable(value)] == []


def test_a_tuple_nested_deeper_than_python_recurses_is_not_looked_through() -> None:
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    assert not is_immutable(deep)
    while deep:  # or freeing it recurses
        (deep,) = deep
