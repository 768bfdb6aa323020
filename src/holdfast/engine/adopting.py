"""Taking over what another store has, commit by commit, as it is: what is the same for all engines.

A copy could also do again what each commit did. But of old commits gc may have removed versions, and then nobody can
work out from the rest what they did; and what was done again would get rows and marks of its own. So the versions and
their ends are taken over as they are, and with them all that is kept of those that are gone. They have names that mean
the same in every store: a version is the row's key and the commit that made it.

A commit is adopted behind its parents. Whatever it ended was seen by one of them, so it is there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from holdfast.core.points import Point
from holdfast.core.refs import MAIN
from holdfast.core.rows import Row
from holdfast.core.schema import Table
from holdfast.engine.contract import Commit, Imprint, Line, Reader
from holdfast.engine.removal import Removing
from holdfast.errors import AlreadyExists, StoreCorrupt


def is_new(reader: Reader) -> bool:
    """Tell whether a store has nothing but its first commit, on `main`."""
    lines = reader.lines()
    return (
        len(lines) == 1
        and lines[0].head == 0
        and reader.branches() == {MAIN: lines[0]}
        and not reader.tags()
        and reader.catalogue().version == 0
        and not reader.registers()
    )


class Adopting(Removing):
    """The part of a writer that adopts. Engines say how versions, ends and commits are written."""

    @abstractmethod
    def line(self, uid: str) -> Line:
        """Return a line."""

    @abstractmethod
    def commits_like(self, prefix: str) -> list[Commit]:
        """Return commits whose hash starts with these hexadecimal digits."""

    @abstractmethod
    def _put_made(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        """Write versions that a commit made."""

    @abstractmethod
    def _put_ended(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        """Let a commit have ended these versions, which another store may have handed out. Raises StoreCorrupt."""

    @abstractmethod
    def _drop_made(self, table: Table, rows: Sequence[Row]) -> None:
        """Remove versions with all their ends."""

    @abstractmethod
    def _drop_ended(self, table: Table, rows: Sequence[Row], point: Point) -> None:
        """Let a commit not have ended these versions."""

    @abstractmethod
    def _put_imprint(self, imprint: Imprint) -> None:
        """Write a commit, what it merged and what is kept of its changes, in place of what there is of it."""

    @abstractmethod
    def _move_head(self, commit: Commit) -> None:
        """Let the newest commit of a line be this one."""

    def adopt(self, imprint: Imprint) -> None:
        """Let the store have of a commit exactly what another store has."""
        commit = imprint.commit
        point = commit.point
        before = self.imprint(point) if self._is_there(point) else None
        if before == imprint:
            return
        if before is not None and before.commit.hash != commit.hash:
            raise AlreadyExists(
                f"line {point.line} has {before.commit.hash.hex()[:12]} as its commit {point.n}, not"
                f" {commit.hash.hex()[:12]}: somebody wrote here; copy into another store"
            )
        self._check_parents(commit)
        for table in self.catalogue(commit.schema).tables:
            self._adopt_rows(table, imprint, before)
        self._put_imprint(imprint)
        if before is None:
            self._move_head(commit)
        self._commits.pop(point, None)

    def _adopt_rows(self, table: Table, imprint: Imprint, before: Imprint | None) -> None:
        point = imprint.commit.point
        had = (before.made.get(table.id, ()), before.ended.get(table.id, ())) if before else ((), ())
        made, ended = imprint.made.get(table.id, ()), imprint.ended.get(table.id, ())
        if gone := _without(had[0], made):
            self._drop_made(table, gone)
        if gone := _without(had[1], ended):
            self._drop_ended(table, gone, point)
        if new := _without(made, had[0]):
            self._put_made(table, new, point)
        if new := _without(ended, had[1]):
            self._put_ended(table, new, point)

    def _check_parents(self, commit: Commit) -> None:
        """Raise StoreCorrupt unless a commit goes on from what the store has."""
        point, name = commit.point, f"commit {commit.hash.hex()[:12]}"
        before = self.commit(Point(point.line, point.n - 1)).hash if point.n else None
        if commit.parents[:1] != (() if before is None else (before,)):
            raise StoreCorrupt(f"{name} names another parent than the commit before it; verify where it comes from")
        for merged in commit.parents[1:]:
            if all(other.hash != merged for other in self.commits_like(merged.hex())):
                raise StoreCorrupt(f"{name} merges a commit that is not there; verify where it comes from")


def missing(table: Table, point: Point) -> StoreCorrupt:
    """Return what to say of a commit that ended a version which is not there."""
    return StoreCorrupt(
        f"table {table.name}: a version that commit {point.n} of line {point.line} ended is missing; verify where it"
        " comes from"
    )


def _without(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    if not others:
        return list(rows)
    known = {(row.rid, row.born) for row in others}
    return [row for row in rows if (row.rid, row.born) not in known]
