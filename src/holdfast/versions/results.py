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
    pruned: bool = False
    """Whether gc removed what nothing else needs of it: it cannot be checked out any more."""

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
            bool(commit.pruned),
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

    `key` has the values of the primary key, whose columns are `key_columns`; or the row id as (line, n, ordinal) in a
    table without one, where `key_columns` is empty.
    """

    table: str
    key: tuple[Any, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    key_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge, a cherry-pick or a revert came to; of a dry run, what it would come to.

    Attributes:
        commit: the head of the branch after it; in a dry run the present head.
        changed: whether it made a commit; in a dry run whether it would.
        conflicts: those that the policy resolved.
        dry_run: whether this was one; then nothing was written, and the fields below are filled.
        left: the conflicts that stand in the way: those that the policy left open, and constraints that would not
            hold.
        changes: the rows that would change on the branch, as `diff` lists them. What is left open is taken as ours.
    """

    commit: str
    changed: bool
    conflicts: tuple[Conflict, ...] = ()
    dry_run: bool = False
    left: tuple[Conflict, ...] = ()
    changes: tuple[RowChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked and found sound: commits, and changes of rows, whose hashes were computed again.

    `erased` counts the changes whose content was erased and whose digests still hold the chain together, `pruned` the
    commits of which gc keeps the hash, and such of their rows as others need.
    """

    commits: int
    changes: int
    erased: int
    pruned: int = 0

    def __str__(self) -> str:
        pruned = f", {self.pruned} pruned" if self.pruned else ""
        return f"{self.commits} commits with {self.changes} changes of rows are sound; {self.erased} erased{pruned}"


@dataclass(frozen=True, slots=True)
class Collected:
    """What gc removed, or with `dry_run` would remove."""

    rows: int = 0
    """Versions of rows, and ends of versions on deleted branches."""
    bytes: int = 0
    """Of the values of these rows. The file keeps its size, and fills the room with what is written next."""
    commits_pruned: int = 0
    """Commits that cannot be checked out any more."""
    commits_removed: int = 0
    """Commits that nobody could see."""
    lines_folded: int = 0
    """Lines of deleted branches that were removed, or that readers need not look at any more."""
    runs_removed: int = 0
    """Runs that ended long ago."""
    more: bool = False
    """Whether it was stopped before it was through."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy wrote, and what was there already."""

    commits: int = 0
    """Commits that were written."""
    commits_present: int = 0
    """Commits that an earlier run had written."""
    commits_total: int = 0
    """Commits that the source has."""
    rows: int = 0
    """Versions of rows in the commits that were written."""
    entries: int = 0
    """Entries of registers that were written: what is known of runs, signals, answers of tools."""
    names: int = 0
    """Branches and tags that the target was given at the end: all of them, or none if there was nothing to copy."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: rows, the versions of these rows on all lines, and the commits that had made or ended them."""

    rows: int
    versions: int
    commits: int
