"""What a snapshot of a store answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from holdfast.core.points import Point, VersionVector
from holdfast.core.retention import Ending, Mark, Shape
from holdfast.core.rows import Change, Row, Touch
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.core.types import Stored
from holdfast.engine.contract.values import Commit, Erasure, Imprint, Line


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

    def scan(self, table: Table, vector: VersionVector, prefix: Key) -> Iterator[Row]:
        """Yield the rows that `vector` sees whose primary keys begin with these values, in the order of their keys.

        Keys are in the order of `core.schema.key_order`. Costs what it yields. `table` has a primary key.
        """
        ...

    def touched(self, table: Table, base: VersionVector, side: VersionVector) -> Iterator[Touch]:
        """Yield each version made or ended in what `side` sees and `base` does not. Costs what it yields."""
        ...

    def changes(self, point: Point) -> list[Change]:
        """Return the net changes of one commit against its first parent; of a merge, its own resolutions.

        Their columns are those of the commit's own schema.
        """
        ...

    def entry(self, register: str, key: str) -> bytes | None:
        """Return an entry of a register, or None.

        Registers are outside of any history: what coordinates those who work beside each other stands there, such as
        who holds what, and what one tells another. There is one value of an entry for all branches, the newest.
        """
        ...

    def entries(
        self, register: str, prefix: str = "", after: str = "", limit: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the entries of a register whose keys begin with `prefix` and come after `after`, by code point order.

        Without `after` the key "" is yielded, too. Costs what it yields.
        """
        ...

    def erasures(self, point: Point) -> dict[tuple[int, bytes], Erasure]:
        """Return what was kept of changes of a commit that were erased or removed, by (table id, row id as bytes)."""
        ...

    # What a copy asks

    def imprint(self, point: Point) -> Imprint:
        """Return all that the store has of one commit. Raises NotFound."""
        ...

    def registers(self) -> list[str]:
        """Return the names of the registers that have entries, sorted."""
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
