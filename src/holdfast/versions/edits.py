"""Changes of rows by key, as callers without SQL make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Put:
    """Write a row: the one of the same primary key if the branch has it, else a new one.

    Columns that are not given are NULL in a new row and stay what they are in one that is there. In a table without a
    primary key the row is always new.
    """

    table: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the row of this key: primary key values, or (line, n, ordinal) in a table without a primary key."""

    table: str
    key: tuple[object, ...]


Edit = Put | Delete
