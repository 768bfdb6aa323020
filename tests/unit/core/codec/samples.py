"""Classes that the tests store, and how exactly two values are the same."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections import OrderedDict, deque, namedtuple
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple

import pydantic


class Color(enum.Enum):
    RED = 1
    GREEN = "g"
    CRIMSON = 1  # noqa: PIE796 - an alias


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Plan:
    goal: str
    steps: list[Any] = dataclasses.field(default_factory=list)
    done: bool = dataclasses.field(default=False, init=False)
    guess: Any = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.steps.append("made by __post_init__")


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Wide(Slotted):
    more: Any = None


class Pair(NamedTuple):
    first: Any
    second: Any = None


Old = namedtuple("Old", "a b")  # noqa: PYI024 - the other way to make one


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    number: int
    text: str = "none"
    _private: int = 7

    @pydantic.field_validator("number")
    @classmethod
    def positive(cls, value: int) -> int:
        assert value > 0
        return value


class Nested(pydantic.BaseModel):
    inner: Model | None = None
    many: list[Any] = []


def same(one: Any, other: Any) -> bool:  # noqa: C901, PLR0911 - a case for each kind
    """Return whether two values are the same in value, type and order, at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, dict | OrderedDict):
        return same(list(one.items()), list(other.items())) and _extras(one) == _extras(other)
    if isinstance(one, slice):
        return same([one.start, one.stop, one.step], [other.start, other.stop, other.step])
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, set | frozenset):
        left, right = list(one), list(other)
        for item in left:
            match = next((place for place, found in enumerate(right) if same(item, found)), None)
            if match is None:
                return False
            del right[match]
        return not right
    if isinstance(one, SimpleNamespace) or dataclasses.is_dataclass(one) or isinstance(one, pydantic.BaseModel):
        return same(_attributes(one), _attributes(other))
    return bool(one == other) or (isinstance(one, Decimal) and str(one) == str(other))


def _extras(value: Any) -> Any:
    return getattr(value, "default_factory", None)


def _attributes(value: Any) -> dict[str, Any]:
    names = {name for base in type(value).__mro__ for name in getattr(base, "__slots__", ())}
    names |= set(getattr(value, "__dict__", {}))
    return {name: getattr(value, name) for name in sorted(names) if name[:7] != "__weakr" and hasattr(value, name)}
