"""Removing versions so that every hash still verifies: what is the same for all engines.

A commit's hash covers a mark for each of its changes. The marks of changes whose rows go are kept, until nothing is
left of a pruned commit's changes: then its digest alone stands for them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from holdfast.core.canonical import row_bytes
from holdfast.core.hashing import (
    DELETED,
    Leaf,
    after_mark,
    derive_salt,
    kept_mark,
    leaf_of,
    rid_bytes,
    texts_digest,
    texts_salt,
)
from holdfast.core.points import Point
from holdfast.core.retention import Pruned
from holdfast.core.rows import Row
from holdfast.core.schema import Table
from holdfast.engine.contract import Commit, Erasure, Removal
from holdfast.engine.net import NetChanges

SQUASHED = b""
"""The salt of a mark whose row gc removed; None is that of one that was erased."""

TEXTS = (0, b"")
"""What stands for table and row in the mark of a commit's message and metadata."""


class Removing(NetChanges):
    """The part of a writer that removes. Engines say how versions, ends and marks are found and written."""

    def __init__(self) -> None:
        self._commits: dict[Point, Commit] = {}
        self._tables_known: list[Table] | None = None

    @abstractmethod
    def tables_ever(self) -> list[Table]:
        """Return all tables there have been, each as it was last."""

    @abstractmethod
    def _born_at(self, table: Table, handle: int) -> Point | None:
        """Return where a version was made; None if it is gone."""

    @abstractmethod
    def _version(self, table: Table, handle: int) -> Row:
        """Return a version that is there."""

    @abstractmethod
    def _ends(self, table: Table, handle: int) -> list[Point]:
        """Return where a version was ended."""

    @abstractmethod
    def _goes_on(self, table: Table, row: Row, end: Point) -> bool:
        """Tell whether the commit that ended a version made another of the same row: then that one has the mark."""

    @abstractmethod
    def _drop_version(self, table: Table, row: Row) -> None:
        """Remove a version with its ends."""

    @abstractmethod
    def _keep(self, point: Point, leaf: Leaf, salt: bytes | None) -> None:
        """Keep the mark of a change. If one is kept, only its salt becomes this one, unless it has none any more."""

    @abstractmethod
    def _keep_salts(self, point: Point, kept: Iterable[Erasure]) -> None:
        """Take a commit's salt away and keep these marks instead, unless the mark of a change is kept already."""

    @abstractmethod
    def _blank_texts(self, point: Point) -> None:
        """Remove a commit's message and metadata, and the salt of their mark."""

    @abstractmethod
    def _has_changes(self, point: Point) -> bool:
        """Tell whether anything is left that a commit made or ended."""

    @abstractmethod
    def _make_bare(self, point: Point) -> None:
        """Note that a commit is BARE, and forget the marks of its changes, but not that of its texts."""

    @abstractmethod
    def _is_there(self, point: Point) -> bool:
        """Tell whether a commit, which was planned with in an earlier snapshot, has not been removed by another gc."""

    def commits_of(self, table: Table, handles: Sequence[int]) -> set[Point]:
        """Return the commits that made or ended these versions."""
        found: set[Point] = set()
        for handle in handles:
            born = self._born_at(table, handle)
            found.update(() if born is None else (born,))
            found.update(self._ends(table, handle))
        return found

    def squash(self, table: Table, handles: Sequence[int], kept: Mapping[int, list[Point]], *, erase: bool) -> Removal:
        """Remove versions together with their ends; the marks of the changes that go are kept."""
        touched: set[Point] = set()
        rows = size = 0
        for handle in handles:
            born = self._born_at(table, handle)
            if born is None:
                continue
            then = self._table_at(table, born)
            row = self._version(then, handle)
            rows, size = rows + 1, size + len(row_bytes(row.values))
            if erase:
                self._drop_salt(born)
            touched.add(born)
            touched.update(self._keep_marks(then, row, kept.get(handle, ()), None if erase else SQUASHED))
            self._drop_version(then, row)
        for point in touched:
            if self._at(point).pruned is Pruned.PRUNED and not self._has_changes(point):
                self._make_bare(point)
        return Removal(rows, size)

    def _keep_marks(self, table: Table, row: Row, merges: Iterable[Point], salt: bytes | None) -> list[Point]:
        """Keep the marks that follow from a version: where it was made, where it ended, where a merge let it stay."""
        ends, rid = self._ends(table, row.handle), rid_bytes(row.rid)
        if self._covers(table, row.born):
            self._keep(row.born, Leaf(table.id, rid, self._mark(table, row)), salt)
        for end in ends:
            if self._covers(table, end) and not self._goes_on(table, row, end):
                self._keep(end, Leaf(table.id, rid, self._end_mark(table, row, end)), salt)
        staying = [merge for merge in merges if self._is_there(merge) and self._at(merge).pruned is not Pruned.BARE]
        for merge in staying:
            self._keep(merge, Leaf(table.id, rid, kept_mark(row.born)), salt)
        return [*ends, *staying]

    def _mark(self, table: Table, row: Row) -> bytes:
        """Return the mark of a row where it was made; of a commit without its salt the mark is there already."""
        salt, rid = self._at(row.born).salt, rid_bytes(row.rid)
        return b"" if salt is None else after_mark(derive_salt(salt, table.id, rid), row.values)

    def _end_mark(self, table: Table, row: Row, end: Point) -> bytes:
        stays = self._kept(table, row, end) if len(self._at(end).parents) == 2 else None
        return DELETED if stays is None else kept_mark(stays)

    # Erasure

    def erase_texts(self, points: Iterable[Point]) -> None:
        """Remove the message and the metadata of commits."""
        for point in points:
            self._drop_salt(point)
            self._blank_texts(point)

    def _drop_salt(self, point: Point) -> None:
        """Replace a commit's salt by those that were derived from it, so that each can go by itself."""
        commit = self._at(point)
        if commit.salt is not None:
            self._keep_salts(point, list(self._derived(commit, commit.salt)))
            del self._commits[point]

    def _derived(self, commit: Commit, salt: bytes) -> Iterator[Erasure]:
        texts = texts_salt(salt)
        yield Erasure(Leaf(*TEXTS, texts_digest(texts, commit.message, commit.metadata)), texts)
        for change in self.changes(commit.point):
            leaf = leaf_of(change, salt)
            yield Erasure(leaf, derive_salt(salt, leaf.table_id, leaf.rid))

    # What is looked up again and again

    def _at(self, point: Point) -> Commit:
        known = self._commits.get(point)
        if known is None:
            known = self._commits[point] = self.commit(point)
        return known

    def _table_at(self, table: Table, point: Point) -> Table:
        return self.catalogue(self._at(point).schema).table(table.id) or table

    def _covers(self, table: Table, point: Point) -> bool:
        """Tell whether a commit's hash covers what it did to a table: not if it dropped the table, too."""
        return self.catalogue(self._at(point).schema).table(table.id) is not None

    def _ever(self) -> list[Table]:
        if self._tables_known is None:
            self._tables_known = self.tables_ever()
        return self._tables_known
