"""What may be changed in a store, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from holdfast.core.points import Point
from holdfast.core.rows import Resolution, Row
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.engine.contract.reading import Reader
from holdfast.engine.contract.values import Commit, Imprint, Line, Lookups, Removal, Violation


class Writer(Reader, Protocol):
    """A snapshot that may be changed. All row operations belong to the commit that `open` began."""

    def hold(self, name: str) -> None:
        """Let nobody else make, move or delete a branch or a tag of this name, nor commit to its branch.

        It lasts until the transaction ends. What is read of the name before may have changed by then. Where all writers
        of a store take turns it does nothing.
        """
        ...

    def expect(self, lookups: Lookups) -> None:
        """Take note of what the transaction is going to look up, before it does anything else.

        An engine that is far away may fetch all of it at once. What is looked up then is the same with it as without.
        """
        ...

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

    def put_entry(self, register: str, key: str, value: bytes) -> None:
        """Let an entry of a register have a value. It needs no open commit, and is part of none."""
        ...

    def remove_entry(self, register: str, key: str) -> None:
        """Remove an entry of a register, if it is there."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what the block did if it raises."""
        ...

    @property
    def opened(self) -> Line:
        """The line of the open commit, as it is now."""
        ...

    def find(self, table: Table, key: Key) -> Row | None:
        """Return the row of a primary key as the open commit shows it, or None.

        Costs about the same however often the row was changed before.
        """
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

    # Copies of what another store has. They need no open commit, and nothing that holds there is checked again.

    def adopt_line(self, line: Line) -> None:
        """Make a line as another store has it, but without commits; if it is there, let it be forked where that is.

        The line that it was forked from is there, the commit need not be. The line that was forked from none takes the
        place of the first line of a store that has nothing else: of its names, too, so that it has none.

        Raises:
            AlreadyExists: it was forked from none, and the store has anything besides its first commit.
            NotFound: the line that it was forked from is not there.
        """
        ...

    def adopt_catalogues(self, catalogues: Sequence[Catalogue]) -> None:
        """Write the versions of the schema that follow the present one. Constraints are not checked.

        Raises:
            AlreadyExists: they do not follow it.
            Unsupported: the last of them, which writers go by, has what this engine cannot keep; or any of them has
                columns that it has no room for.
        """
        ...

    def adopt(self, imprint: Imprint) -> None:
        """Let the store have of a commit exactly what another store has, and be its line's head if it is the newest.

        Its line, the lines of its rows, its parents, its schema, and the versions that it ended are there. What the
        store has of the commit already stays if the other has it, too, and goes otherwise: adopting again does nothing.

        Raises:
            AlreadyExists: the line has another commit there.
            StoreCorrupt: its parents are not those that the store has, or a version that it ended is missing.
            NotFound: there is no commit before it, or no such line.
        """
        ...

    # Removal. Each keeps hashes verifiable, and leaves a commit's row unless nobody can see the commit.

    def prune(self, points: Iterable[Point]) -> int:
        """Let commits be no points any more that can be checked out, unless another gc did; return how many it were."""
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
