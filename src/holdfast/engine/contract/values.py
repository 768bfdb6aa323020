"""What engines keep and tell, and how they are asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.hashing import Leaf
from holdfast.core.points import Point
from holdfast.core.retention import Pruned
from holdfast.core.rows import Row
from holdfast.core.schema import Key, Table


class Durability(StrEnum):
    """What a commit survives once it has returned."""

    FULL = "full"
    """Loss of power: one fsync a commit."""
    PROCESS = "process"
    """kill -9 of the process, not loss of power."""


CALLER: ContextVar[object] = ContextVar("holdfast.caller")
"""Whose transactions are whose, where threads work for others: the task for which this one does."""


def caller_of() -> object:
    """Return who is at work here: the task of `CALLER`, else the thread."""
    return CALLER.get(None) or threading.get_ident()


@dataclass(frozen=True, slots=True)
class Line:
    """A sequence of commits that never moves back. `head == 0` means none of its own yet."""

    uid: str
    parent: Point | None
    head: int
    head_hash: bytes
    epoch: int
    """Grows with every commit that changes what the line's older commits let one see: merges and schema changes."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as it is kept. `salt` is None when something in it was erased (see `Reader.leaves`)."""

    point: Point
    hash: bytes
    parents: tuple[bytes, ...]
    at_us: int
    message: str
    metadata: str | None
    schema: int
    salt: bytes | None
    changes: bytes
    pruned: Pruned = Pruned.NO


@dataclass(frozen=True, slots=True)
class Lookups:
    """What is going to be looked up.

    Attributes:
        branch: held, and read.
        entries: of registers, as (register, key).
        rows: found as the head of the branch shows them, as (name of the table, primary key).
    """

    branch: str | None = None
    entries: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, Key], ...] = ()

    def __or__(self, other: Lookups) -> Lookups:
        """Return both together."""
        return Lookups(self.branch or other.branch, self.entries + other.entries, self.rows + other.rows)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was kept of a change whose row, or whose commit's salt, is gone."""

    leaf: Leaf
    salt: bytes | None
    """The change's own salt; None if its content was erased, and empty if gc removed it."""

    @property
    def is_gone(self) -> bool:
        """Whether the mark is all that is left."""
        return not self.salt


@dataclass(frozen=True, slots=True)
class Imprint:
    """All that a store has of one commit, in terms that mean the same in every engine: what a copy of it needs.

    What the commit did is told by the versions that it made and ended, not by its net changes: of those some may be
    gone, and no store could work out from the rest what it has to show.

    Attributes:
        merged: the points that it made visible, one a line, as they are kept: not those that seals imply.
        made: the versions that it made and that are still there, by the ids of their tables, in the order of their row
            ids; with the columns of the commit's schema.
        ended: the same of the versions that it ended.
        kept: the marks of changes that were erased or removed, as `Reader.erasures` returns them.
    """

    commit: Commit
    merged: tuple[Point, ...]
    made: Mapping[int, tuple[Row, ...]]
    ended: Mapping[int, tuple[Row, ...]]
    kept: Mapping[tuple[int, bytes], Erasure]

    @property
    def size(self) -> int:
        """How much there is to write: the commit itself, versions, ends and marks."""
        rows = (*self.made.values(), *self.ended.values())
        return 1 + sum(map(len, rows)) + len(self.kept)


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal came to: versions removed, the bytes of their values, and whether all that was asked is done."""

    rows: int = 0
    bytes: int = 0
    done: bool = True


@dataclass(frozen=True, slots=True)
class Violation:
    """Rows that together break a constraint of their table."""

    constraint: str
    rows: tuple[Row, ...]
    table: Table


class Metric(StrEnum):
    """How far two vectors are from each other, by the operator that SQL has for it. Smaller is nearer."""

    L2 = "<->"
    """The length of their difference."""
    COSINE = "<=>"
    """1 - the cosine of the angle between them, from 0 to 2; infinite if one of them is zero and has no direction."""
    INNER = "<#>"
    """The negative of their inner product."""


class WordSyntax(StrEnum):
    """How a search for words is written, by the function that SQL has for it."""

    PLAIN = "plainto_tsquery"
    """Words, all of them to be found."""
    PHRASE = "phraseto_tsquery"
    """Words that follow each other."""
    WEB = "websearch_to_tsquery"
    """Words, "phrases", OR, and -what is not to be found. Never refused."""
    QUERY = "to_tsquery"
    """Words with &, |, !, <->, parentheses, and :* after a prefix."""
