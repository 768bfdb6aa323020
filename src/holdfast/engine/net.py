"""What a commit did, net: what all engines work out in the same way from the versions it made and ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.core.hashing import CommitHeader, Leaf, changes_digest, leaf_of, texts_digest, texts_salt
from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Change, Row, key_of, same
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.engine.contract import Commit, Erasure, Imprint
from holdfast.errors import AlreadyExists, InvalidValue


class NetChanges(ABC):
    """A snapshot that tells what commits did."""

    @abstractmethod
    def commit(self, point: Point) -> Commit:
        """Return the commit at a point."""

    @abstractmethod
    def catalogue(self, version: int | None = None) -> Catalogue:
        """Return the tables at a version of the schema; None means now."""

    @abstractmethod
    def vector(self, point: Point) -> dict[str, int]:
        """Return what `point` sees."""

    @abstractmethod
    def rows(self, table: Table, vector: VersionVector, keys: Iterable[Key] | None = None) -> Iterator[Row]:
        """Yield the rows that `vector` sees, of these keys or all."""

    @abstractmethod
    def erasures(self, point: Point) -> dict[tuple[int, bytes], Erasure]:
        """Return what was kept of changes of a commit that were erased or removed."""

    @abstractmethod
    def _merges_of(self, point: Point) -> list[Point]:
        """Return what a commit made visible of other lines, as it is kept."""

    @abstractmethod
    def _made_by(self, table: Table, point: Point) -> list[Row]:
        """Return the versions that a commit made."""

    @abstractmethod
    def _ended_by(self, table: Table, point: Point) -> list[Row]:
        """Return the versions that a commit ended."""

    def changes(self, point: Point) -> list[Change]:
        """Return the net changes of one commit against its first parent; of a merge, its own resolutions."""
        commit = self.commit(point)
        catalogue = self.catalogue(commit.schema)
        merge = len(commit.parents) == 2
        return [change for table in catalogue.tables for change in self.net(table, commit.point, merge=merge)]

    def imprint(self, point: Point) -> Imprint:
        """Return all that the store has of one commit."""
        commit = self.commit(point)
        at, tables = commit.point, self.catalogue(commit.schema).tables
        made = {table.id: _in_order(self._made_by(table, at)) for table in tables}
        ended = {table.id: _in_order(self._ended_by(table, at)) for table in tables}
        merged = tuple(sorted(self._merges_of(at)))
        return Imprint(commit, merged, _without_empty(made), _without_empty(ended), self.erasures(at))

    def net(self, table: Table, point: Point, *, merge: bool, ended: bool = True) -> list[Change]:
        """Return what one commit did to one table; `ended` is false where it is known to have ended no version."""
        before = {row.rid: row for row in self._ended_by(table, point)} if ended else {}
        changes = [Change(table, before.pop(row.rid, None), row) for row in self._made_by(table, point)]
        changes += [
            Change(table, row, None, self._kept(table, row, point) if merge else None) for row in before.values()
        ]
        return changes

    def _kept(self, table: Table, ended: Row, point: Point) -> Point | None:
        row = self._kept_row(table, ended, point)
        return None if row is None else row.born

    def _kept_row(self, table: Table, ended: Row, point: Point) -> Row | None:
        """Return the version of the same row that a merge let stay, if any."""
        alike = (row for row in self.rows(table, self.vector(point), [key_of(table, ended)]) if row.rid == ended.rid)
        return next(alike, None)


@dataclass(frozen=True, slots=True)
class Said:
    """What a commit says beside its changes."""

    salt: bytes
    at_us: int
    message: str
    metadata: str | None


def commit_of(
    point: Point, parents: tuple[bytes, ...], changes: Iterable[Change], schema: tuple[int, bytes], said: Said
) -> Commit:
    """Return the commit that makes these net changes.

    Args:
        schema: its version and its digest.
    """
    leaves: list[Leaf] = [leaf_of(change, said.salt) for change in changes]
    digest = changes_digest(leaves)
    texts = texts_digest(texts_salt(said.salt), said.message, said.metadata)
    header = CommitHeader(point, parents, said.at_us, texts, schema[1], digest)
    told = said.at_us, said.message, said.metadata
    return Commit(point, header.hash(), parents, *told, schema[0], said.salt, digest)


def check_follows(now: Catalogue, catalogue: Catalogue) -> None:
    """Raise AlreadyExists unless `catalogue` is the version of the schema that comes next."""
    if catalogue.version != now.version + 1:
        raise AlreadyExists(f"version {catalogue.version} of the schema is there already; read it again and retry")


def check_texts(change: Change) -> None:
    """Refuse text with a NUL in it, which SQL may have computed and no other engine could keep."""
    for at, value in enumerate(change.after.values if change.after else ()):
        if isinstance(value, str) and "\0" in value:
            name = f"{change.table.name}.{change.table.columns[at].name}"
            raise InvalidValue(f"{name}: text with a NUL character cannot be stored; use BLOB")


def is_same(change: Change) -> bool:
    """Tell whether a row was changed and put back."""
    before, after = change.before, change.after
    return before is not None and after is not None and all(map(same, before.values, after.values))


def _in_order(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.rid, row.born)))


def _without_empty(rows: dict[int, tuple[Row, ...]]) -> dict[int, tuple[Row, ...]]:
    return {table: some for table, some in rows.items() if some}


def newest_of_each(catalogues: Iterable[Catalogue]) -> list[Table]:
    """Return all tables that stand in any of these, oldest first, each as it was last."""
    tables: dict[int, Table] = {}
    for catalogue in catalogues:
        tables.update({table.id: table for table in catalogue.tables})
    return list(tables.values())
