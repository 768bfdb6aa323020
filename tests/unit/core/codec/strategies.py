"""Random values of every type that is stored as data."""

from __future__ import annotations

import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.unit.core.codec.samples import Access, Color, Level, Pair, Plan, Point, Slotted, Word

any_text = st.text(st.characters(exclude_categories=[]), max_size=8) | st.sampled_from(
    ["$", "$$", "$tuple", "\0", "\ud800", "\ud83d\ude00", "é", "a\\u0000b", '"$']
)
long_text = st.builds(
    lambda text, count: text * count, st.sampled_from("xé"), st.sampled_from([20_000, 40_000, 70_000])
)
zones = st.sampled_from([
    None, datetime.UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("UTC"), datetime.timezone(datetime.timedelta(hours=5.5)),
    datetime.timezone(datetime.timedelta(hours=-3), "here"), datetime.timezone(datetime.timedelta(0), "zero"),
    datetime.timezone(datetime.timedelta(seconds=1, microseconds=2)),
])  # fmt: skip
numbers = (
    st.booleans()
    | st.integers()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**400])
    | st.builds(lambda: 10**4000)
    | st.floats()
    | st.complex_numbers()
    | st.decimals().filter(lambda number: not number.is_snan())  # those have no hash
    | st.fractions()
)
moments = (
    st.dates()
    | st.builds(lambda at, fold: at.replace(fold=fold), st.datetimes(timezones=zones), st.integers(0, 1))
    | st.builds(lambda at, fold: at.replace(fold=fold), st.times(timezones=zones), st.integers(0, 1))
    | st.timedeltas()
    | zones
)
paths = st.builds(PurePosixPath, any_text) | st.builds(PureWindowsPath, st.text("ab:.\\", max_size=8)).filter(
    lambda path: PureWindowsPath(str(path)) == path  # what Python itself cannot read back is pickled
)
enums = st.sampled_from(
    [Color.RED, Color.GREEN, Level.HIGH, Word.YES, Access.READ, Access.READ | Access.WRITE, Access(0)]
)
hashables = (
    st.none()
    | any_text
    | numbers
    | moments
    | paths
    | enums
    | st.uuids()
    | st.binary()
    | st.builds(lambda: b"x" * 2000)
    | st.just(...)
)
elements = st.recursive(
    hashables,
    lambda inner: (
        st.frozensets(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.builds(Point, inner, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Slotted, inner, inner)
    ),
    max_leaves=6,
)
ranges = st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))


def _plan(goal: str, steps: list[Any], extra: Any) -> Plan:
    plan = Plan(goal, steps)
    plan.later = extra  # type: ignore[attr-defined]
    return plan


def _holders(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=4)
    dicts = st.dictionaries(elements, inner, max_size=4)
    return (
        lists
        | dicts
        | st.dictionaries(any_text, inner, max_size=4)
        | st.dictionaries(st.sampled_from("zyxab"), inner, max_size=5)
        | st.sets(elements, max_size=5)
        | st.builds(tuple, lists)
        | st.builds(bytearray, st.binary())
        | st.builds(OrderedDict, dicts)
        | st.builds(Counter, st.dictionaries(elements, st.integers(), max_size=3))
        | st.builds(defaultdict, st.sampled_from([None, list, int]), dicts)
        | st.builds(deque, lists, st.none() | st.integers(4, 9))
        | st.builds(lambda found: SimpleNamespace(**{f"a{place}": item for place, item in enumerate(found)}), lists)
        | st.builds(slice, inner, inner, inner)
        | ranges
        | st.builds(_plan, any_text, lists, inner)
        | st.builds(Point, inner, inner)
        | st.builds(Slotted, inner, inner)
        | st.builds(Pair, inner, inner)
    )


values = st.recursive(hashables | long_text, _holders, max_leaves=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
