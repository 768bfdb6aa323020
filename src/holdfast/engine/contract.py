"""What every engine promises. `holdfast.testing` holds each of them to it.

An engine gives *sessions*: one connection, used by one thread at a time. A session gives a `Reader`, one consistent
snapshot of the whole store, or a `Writer`, which may also change it; nothing that a writer did can be seen by others
before its block is left without an exception, and then all of it is, durably at the level the store was opened with.
One writer at a time per line; on SQLite per file.

Lines are named by their uid and rows by their rid, which are the same in every engine. `Row.handle` is the engine's
own name for a version of a row and is only good for the session that returned it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from holdfast.core.clock import Clock
from holdfast.core.hashing import Leaf
from holdfast.core.points import Point, VersionVector
from holdfast.core.retention import Ending, Mark, Pruned, Shape
from holdfast.core.rows import Change, Resolution, Row, Touch
from holdfast.core.schema import Catalogue, Column, Key, Table
from holdfast.core.types import Stored
from holdfast.engine.sql.views import Command


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


Result = TypeVar("Result")


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


class Reader(Protocol):
    """One consistent snapshot of the store."""

    def branch(self, name: str) -> Line | None:
        """Return the line that a branch names, or None."""
        ...

    def branches(self) -> dict[str, Line]:
        """Return all branches by name, sorted."""
        ...

    def tag(self, name: str) -> Point | None:
        """Return the point that a tag names, or None."""
        ...

    def tags(self) -> dict[str, Point]:
        """Return all tags by name, sorted."""
        ...

    def line(self, uid: str) -> Line:
        """Return a line. Raises NotFound if there is none of that uid."""
        ...

    def commit(self, point: Point) -> Commit:
        """Return the commit at a point; at n = 0 of a forked line that is its parent's. Raises NotFound."""
        ...

    def commits_like(self, prefix: str) -> list[Commit]:
        """Return at most 8 commits whose hash starts with these hexadecimal digits."""
        ...

    def lines(self) -> list[Line]:
        """Return all lines, parents before their children."""
        ...

    def vector(self, point: Point) -> dict[str, int]:
        """Return what `point` sees; no entry is 0. Costs what its lineage and its merges are long."""
        ...

    def catalogue(self, version: int | None = None) -> Catalogue:
        """Return the tables at a version of the schema; None means now."""
        ...

    def rows(self, table: Table, vector: VersionVector, keys: Iterable[Key] | None = None) -> Iterator[Row]:
        """Yield the rows that `vector` sees, of these keys or all, in no promised order. Costs what it yields."""
        ...

    def touched(self, table: Table, base: VersionVector, side: VersionVector) -> Iterator[Touch]:
        """Yield each version made or ended in what `side` sees and `base` does not. Costs what it yields."""
        ...

    def changes(self, point: Point) -> list[Change]:
        """Return the net changes of one commit against its first parent; of a merge, its own resolutions.

        Their columns are those of the commit's own schema.
        """
        ...

    def erasures(self, point: Point) -> dict[tuple[int, bytes], Erasure]:
        """Return what was kept of changes of a commit that were erased or removed, by (table id, row id as bytes)."""
        ...

    # What gc asks

    def shape(self) -> Shape:
        """Return how the lines fork and merge. Costs what there are of lines and merges."""
        ...

    def marks(self, line: str, after: int = -1) -> list[Mark]:
        """Return what retention needs to know of the commits of a line beyond `after`, oldest first."""
        ...

    def unpruned(self) -> list[Point]:
        """Return all commits that can be checked out."""
        ...

    def pins(self, now_us: int) -> list[Point]:
        """Return the points that are pinned by leases which have not ended."""
        ...

    def tables_ever(self) -> list[Table]:
        """Return all tables there have been, each as it was last."""
        ...

    def endings(self, table: Table) -> Iterable[Ending]:
        """Yield every end of a version, in the order of the commits that ended them."""
        ...

    def handles(self, table: Table) -> list[int]:
        """Return the handles of all versions of a table."""
        ...

    def kept_by_merges(self, table: Table) -> dict[int, list[Point]]:
        """Return the versions that merges chose from equal ones, by handle, with the commits of these merges."""
        ...

    def handles_like(self, table: Table, columns: Sequence[str], values: Sequence[Stored]) -> list[int]:
        """Return the handles of all versions, on any line, of rows that ever had these values. NULL is like NULL."""
        ...

    def empty_lines(self) -> list[str]:
        """Return lines without commits of their own that no name, line or row refers to. Costs what exists."""
        ...

    def sealable(self) -> list[tuple[str, Point]]:
        """Return the finished lines that a branch has wholly merged, each with the commit that did."""
        ...

    def identities(self, table: Table, handles: Sequence[int]) -> int:
        """Return how many rows these versions are versions of."""
        ...

    def stamp(self) -> object:
        """Return what changes, at least, with every new name, line or merge."""
        ...

    def damage(self) -> Iterator[str]:
        """Yield what the engine itself finds wrong with its files, a sentence each."""
        ...


class Writer(Reader, Protocol):
    """A snapshot that may be changed. All row operations belong to the commit that `open` began."""

    def create_line(self, uid: str, parent: Point) -> Line:
        """Fork a line at `parent`. Writes one row, whatever the parent's size."""
        ...

    def point_branch(self, name: str, line: str, expect: str | None) -> None:
        """Let a branch name a line. Raises BranchMoved unless it names `expect` now (None: no such branch)."""
        ...

    def delete_branch(self, name: str) -> None:
        """Forget a branch. Its line and commits stay."""
        ...

    def put_tag(self, name: str, point: Point) -> None:
        """Let a tag name a point."""
        ...

    def delete_tag(self, name: str) -> None:
        """Forget a tag."""
        ...

    def open(self, line: Line) -> None:
        """Begin the next commit of a line. Raises BranchMoved unless `line` is what the line is now."""
        ...

    @property
    def opened(self) -> Line:
        """The line of the open commit, as it is now."""
        ...

    def insert(self, table: Table, values: Sequence[object]) -> None:
        """Add a row (stored forms, in column order). Raises ConstraintFailed, changing nothing."""
        ...

    def update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row that the branch sees. Raises ConstraintFailed, changing nothing."""
        ...

    def delete(self, table: Table, row: Row) -> None:
        """Remove a row that the branch sees."""
        ...

    def define(self, catalogue: Catalogue) -> None:
        """Make `catalogue`, whose version is one above the present one, the schema of the store.

        Rows that are there show the `fill` of a column that it adds. Raises ConstraintFailed, naming the branch and
        the rows, if a constraint that it adds to a table does not hold at the head of every branch.
        """
        ...

    def absorb(self, theirs: Point) -> None:
        """Make the open commit a merge: from it on the line sees all that `theirs` sees."""
        ...

    def settle(self, table: Table, resolution: Resolution) -> None:
        """End and write versions, in the open commit, as was decided. Constraints are not checked here."""
        ...

    def violations(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the constraints that these rows, as the open commit shows them, would break."""
        ...

    def orphans(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the foreign keys that others would break who refer to what these rows of a table were.

        A violation has the rows that refer to a key that no row has, as the open commit shows it, and their table.
        """
        ...

    # Removal. Each keeps hashes verifiable, and leaves a commit's row unless nobody can see the commit.

    def prune(self, points: Iterable[Point]) -> None:
        """Let commits be no points any more that can be checked out."""
        ...

    def squash(self, table: Table, handles: Sequence[int], kept: Mapping[int, list[Point]], *, erase: bool) -> Removal:
        """Remove versions together with their ends; the marks of the changes that go are kept.

        Args:
            handles: versions; those that are gone already are passed over.
            kept: what `kept_by_merges` says.
            erase: whether the salts of the removed changes go, too, so that their content cannot be guessed back.
        """
        ...

    def erase_texts(self, points: Iterable[Point]) -> None:
        """Remove the message and the metadata of commits; their digests are kept."""
        ...

    def commits_of(self, table: Table, handles: Sequence[int]) -> set[Point]:
        """Return the commits that made or ended these versions."""
        ...

    def remove(self, point: Point, rows_max: int) -> Removal:
        """Remove the newest commit of a line that nobody sees, with all that it did; or up to `rows_max` rows of it."""
        ...

    def remove_lines(self, lines: Iterable[str]) -> None:
        """Remove those of these `empty_lines` that still have no commits and no names."""
        ...

    def seal_lines(self, seals: Iterable[tuple[str, Point]]) -> int:
        """Let readers know lines that are `sealable` by the commits that merged them alone; return how many."""
        ...

    def pin(self, token: str, point: Point, until_us: int) -> None:
        """Lease a point: gc spares it until then. The same token moves or extends the lease."""
        ...

    def unpin(self, token: str) -> None:
        """End a lease. Idempotent."""
        ...

    def unpin_expired(self, now_us: int) -> None:
        """Forget the leases that have ended."""
        ...

    def seal(self, message: str, metadata: str | None = None) -> Commit | None:
        """Finish the open commit and move the head. Without any net change there is no commit: returns None."""
        ...


class SqlReader(Reader, Protocol):
    """What engines with SQL can do in addition."""

    def show(self, table: Table, alias: str, at: Line | Point, *, versioned: bool = False) -> None:
        """Let `alias` name `table` in the statements that follow, as seen from a point or from the head of a line.

        Args:
            versioned: whether it has the column "hf:vid" too, by which it is joined with what a search found.
        """
        ...

    def nearest(
        self,
        table: Table,
        column: Column,
        at: Line | Point,
        metric: Metric,
        query: bytes,
        k: int,
        among: tuple[str, Sequence[object]] | None = None,
    ) -> int:
        """Find the rows whose vectors are nearest to `query`; exact. Return the number of the search.

        `temp.hf_found` then has, under this number in `search`, the `vid`, the `score` (the distance) and the `place`
        (from 1: by score, then by row id) of the `k` nearest, and of those as near as the last of them, so that a
        statement may order equal ones as it likes. Rows without a vector are passed over. What was found is good for
        the statements of this snapshot, of the last `SEARCHES_KEPT` searches (engine/sql/searches.py).

        Args:
            at: the line, or the point, that is looked at; of the line that is written, its open commit too.
            query: little-endian float32, as stored.
            among: SQL that yields the vids to look at, with its parameters.

        Raises:
            InvalidValue: `query` is no vector of the column's dimensions, or `k` is negative.
        """
        ...

    def matching(
        self,
        table: Table,
        column: Column,
        at: Line | Point,
        words: str,
        syntax: WordSyntax,
        config: str | None = None,
        k: int | None = None,
    ) -> int:
        """Find the rows whose text matches; return the number of the search, as `nearest` does.

        The score is BM25's, as the rows that are seen give it, whatever other branches have: larger is better. The
        column needs a text index (engine/sql/text_index.py).

        Args:
            config: what the words are to be understood as: "english" or "simple"; None as the index does.
            k: how many of the best to keep, with those as good as the last of them; None for all.

        Raises:
            NotFound: the column has no text index.
            InvalidValue: `words` is not well formed.
            Unsupported: a part of `words` that has no meaning here, or the index was made for another `config`.
        """
        ...

    def query(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a statement that reads; return its rows as the engine has them."""
        ...


class SqlWriter(SqlReader, Writer, Protocol):
    """What engines with SQL can do in addition."""

    def apply(
        self, table: Table, sql: str, parameters: Iterable[Sequence[object]], command: Command | None = None
    ) -> int:
        """Run an INSERT into a command view of `table` (engine/sql/views.py) once for each of `parameters`.

        Args:
            command: a command view of the statement's own, which is made first.

        Returns:
            How many rows were touched.
        """
        ...

    def prepare(self, table: Table) -> None:
        """Let the statements that follow read `hf_rows_<id>` of a table that is going to be written."""
        ...

    def gather(self, table: Table, sql: str, parameters: Sequence[object], command: Command | None = None) -> list[int]:
        """Run one as `apply` does, once; return the versions of the rows that it wrote, each once, in its order."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what the block did if it raises."""
        ...


class Session(Protocol):
    """One connection to the store, used by one thread at a time."""

    @property
    def has_sql(self) -> bool:
        """Whether readers and writers are `SqlReader` and `SqlWriter`."""
        ...

    @property
    def clock(self) -> Clock:
        """Where the session's commits get their time."""
        ...

    def read(self) -> AbstractContextManager[Reader]:
        """Return a consistent snapshot, for the length of the block; inside another block, that one's."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """Return a writer whose work lands when the block ends, or not at all if it raises.

        Raises TransactionOpen inside another `write` block of the session, ReadOnly inside one of its `read` blocks or
        where the store can only be read.
        """
        ...

    def write_together(self, work: Callable[[Any], Result]) -> Result:
        """Let `work` write with a `Writer`; return what it returns once that is as durable as all that is committed.

        It may share a transaction, and its fsync, with the work of other callers, and be done on another connection
        and by another thread: it must depend on nothing but its writer, and call nothing that waits. If it raises,
        nothing but what it did is undone. It may be called again after all of it was undone.
        """
        ...

    def scrub(self) -> None:
        """Rewrite the store's files, so that nothing of what was removed is left in them.

        Raises TransactionOpen inside a `read` or `write` block, and Timeout if others read or write for too long.
        """
        ...

    def close(self) -> None:
        """Give back what the session holds. Idempotent."""
        ...


class Engine(Protocol):
    """A store's storage."""

    @property
    def url(self) -> str:
        """Return what `connect` takes to reach the same store."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether the store was opened to be read only."""
        ...

    def session(self) -> Session:
        """Open another connection."""
        ...

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        ...
