"""A statement of the corpus, as plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Vector:
    """A parameter for a VECTOR: a list to Holdfast, the text '[1,2]' to PostgreSQL's client."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Json:
    """A parameter for JSON that is no dict; a plain list is an array to PostgreSQL's client."""

    value: Any


Parameters = Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its parameters.

    Attributes:
        topic: the file it stands in.
        name: says what it is for; unique within its topic.
        writes: whether it changes rows.
        fails: whether PostgreSQL refuses it.
        empty: whether its answer has no rows, or it touches none, on purpose.
    """

    topic: str
    name: str
    sql: str
    parameters: Parameters = None
    writes: bool = False
    fails: bool = False
    empty: bool = False

    @property
    def label(self) -> str:
        """The topic and the name: unique."""
        return f"{self.topic}: {self.name}"

    @property
    def ordered(self) -> bool:
        """Whether the order of its rows was asked for: an ORDER BY outside all parentheses."""
        return ordered(self.sql)


def read(name: str, sql: str, parameters: Parameters = None, *, empty: bool = False) -> Statement:
    """Return a statement that reads."""
    return Statement("", name, sql, parameters, empty=empty)


def write(name: str, sql: str, parameters: Parameters = None, *, empty: bool = False) -> Statement:
    """Return a statement that changes rows."""
    return Statement("", name, sql, parameters, writes=True, empty=empty)


def wrong(name: str, sql: str, parameters: Parameters = None) -> Statement:
    """Return a statement that PostgreSQL refuses: it must change nothing here, too."""
    return Statement("", name, sql, parameters, writes=True, fails=True)


def of_topic(topic: str, statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements with their topic."""
    return [replace(statement, topic=topic) for statement in statements]


_NO_CODE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_INNERMOST = re.compile(r"\([^()]*\)")


def ordered(sql: str) -> bool:
    """Tell whether a statement has an ORDER BY outside all parentheses."""
    code = _NO_CODE.sub(" ", sql)
    while (outside := _INNERMOST.sub(" ", code)) != code:
        code = outside
    return re.search(r"\border\s+by\b", code, re.IGNORECASE) is not None
