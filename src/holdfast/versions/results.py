"""What questions about history are answered with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.core.canonical import json_value
from holdfast.core.points import Point
from holdfast.engine.contract import Commit
from holdfast.errors import Conflict


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit: `hash` and `parents` are hexadecimal; a merge has two parents, its branch's older head first."""

    hash: str
    parents: tuple[str, ...]
    at: datetime
    message: str
    metadata: Any
    point: Point

    @classmethod
    def of(cls, commit: Commit) -> CommitInfo:
        """Return what people see of a commit."""
        return cls(
            commit.hash.hex(),
            tuple(parent.hex() for parent in commit.parents),
            moment(commit.at_us),
            commit.message,
            None if commit.metadata is None else json_value(commit.metadata, "metadata"),
            commit.point,
        )


def moment(at_us: int) -> datetime:
    """Return microseconds since 1970 as an aware datetime in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch with the hash and the time of its newest commit."""

    name: str
    head: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with the hash and the time of its commit."""

    name: str
    head: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that differs between two points; `before` or `after` is None where it is not there.

    `key` has the primary key's values, or the row id as (line, n, ordinal) in a table without one.
    """

    table: str
    key: tuple[Any, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge came to: the head after it, whether that is new, and the conflicts that the policy resolved."""

    commit: str
    changed: bool
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked and found sound: commits, and changes of rows, whose hashes were computed again.

    `erased` counts the changes whose content was erased and whose digests still hold the chain together.
    """

    commits: int
    changes: int
    erased: int

    def __str__(self) -> str:
        return f"{self.commits} commits with {self.changes} changes of rows are sound; {self.erased} erased"
