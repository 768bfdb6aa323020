"""What has to be decided before rows can be brought to a branch.

A merge, a cherry-pick and a revert are one thing: three views of the same rows (a base, ours, theirs), compared group
by group. They differ in which views these are.

- Merge: theirs is what the source sees, the base what both see. Whoever sees both sides sees the union of what they
  made, so what only one side touched needs no work.
- Cherry-pick: theirs is what one commit sees, the base what its first parent sees.
- Revert: the other way round.

The last two copy: the branch goes on seeing what it saw, so all that theirs touched is decided and written, under the
row ids it has. What ours touched is then whatever differs from the base in history: in either direction, since ours
need not have come from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from holdfast.core.points import Point, VersionVector, covers, join, meet
from holdfast.core.rows import Group, Row, Touch, groups_of, key_of
from holdfast.core.schema import Catalogue, Key, Table, key_order
from holdfast.engine.contract import Line, Reader
from holdfast.versions.diff import touched_between
from holdfast.versions.wholes import Rules, Sides, Whole, wholes_of


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What is done to one table: the groups to decide, and the keys of all rows that may come out changed."""

    table: Table
    groups: tuple[Group, ...]
    changed: frozenset[Key]
    touched: tuple[Row, ...] = ()
    """These rows as they were, and became; of a table that no foreign key refers to they are left out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Something that is ready to be decided.

    Attributes:
        done: what it is called when it is done, for messages ("merged").
        message: that of the commit, unless the caller has a better one.
        ours: the branch's line as it was read.
        seen: what it sees.
        absorbs: the point whose commits it will see in addition; None for a copy.
        catalogue: the tables.
        tables: those with anything to do.
        wholes: rows that are decided by rules of their own.
    """

    done: str
    message: str
    ours: Line
    seen: VersionVector
    absorbs: Point | None
    catalogue: Catalogue
    tables: tuple[TablePlan, ...]
    wholes: tuple[Whole, ...] = ()


def plan_merge(reader: Reader, message: str, ours: Line, theirs: Point, rules: Sequence[Rules] = ()) -> Plan | None:
    """Return what has to be decided to merge a point into a line; None if it sees all of it already."""
    mine, other = reader.vector(Point(ours.uid, ours.head)), reader.vector(theirs)
    if covers(mine, other):
        return None
    views = _Views(reader, meet(mine, other), mine, other, join(mine, other), rules)
    return views.plan("merged", message, ours, absorbs=theirs)


def plan_copy(
    reader: Reader, done: str, message: str, ours: Line, base: Point, theirs: Point, rules: Sequence[Rules] = ()
) -> Plan:
    """Return what has to be decided to do on a line what leads from one commit to another."""
    mine = reader.vector(Point(ours.uid, ours.head))
    views = _Views(reader, reader.vector(base), mine, reader.vector(theirs), mine, rules, real=True)
    return views.plan(done, message, ours, absorbs=None)


class _Views:
    """The base and the two sides, and the union that is seen before anything is decided."""

    def __init__(
        self,
        reader: Reader,
        base: VersionVector,
        ours: VersionVector,
        theirs: VersionVector,
        union: VersionVector,
        rules: Sequence[Rules],
        *,
        real: bool | None = None,
    ) -> None:
        self._reader = reader
        self._base = base
        self._ours = ours
        self._theirs = theirs
        self._union = union
        self._rules = rules
        self._owned = {name for one in rules for name in one.tables}
        self._real = real
        self._touches = cache(self._touched)

    def plan(self, done: str, message: str, ours: Line, *, absorbs: Point | None) -> Plan:
        catalogue = self._reader.catalogue()
        copied = absorbs is None
        tables = [self._table(table, copied=copied) for table in catalogue.tables]
        wholes = [
            whole
            for rules in self._rules
            for whole in wholes_of(self._reader, catalogue, rules, self._touches, self._sides, copied=copied)
        ]
        changed = tuple(one for one in tables if one.changed)
        return Plan(done, message, ours, self._ours, absorbs, catalogue, changed, tuple(wholes))

    def _touched(self, table: Table) -> tuple[list[Touch], list[Touch]]:
        """Return what ours and theirs touched of a table since the base."""
        reader, base = self._reader, self._base
        theirs = touched_between(reader, table, base, self._theirs)
        return touched_between(reader, table, base, self._ours), theirs

    def _sides(self) -> Sides:
        return Sides(self._base if self._base_is_real else None, self._ours, self._theirs, self._union)

    def _table(self, table: Table, *, copied: bool) -> TablePlan:
        ours, theirs = self._touches(table)
        if copied and not theirs:
            return TablePlan(table, (), frozenset())
        found = groups_of(table, ours, theirs, copied=copied)
        changed = frozenset[Key]().union(*found) if copied else frozenset(_keys(table, [*ours, *theirs]))
        referred_to = any(self._reader.catalogue().references_to(table))
        touched = tuple(touch.row for touch in (*ours, *theirs)) if referred_to else ()
        if table.owned and table.name in self._owned:
            return TablePlan(table, (), changed, touched)
        return TablePlan(table, tuple(self._group(table, keys) for keys in found), changed, touched)

    def _group(self, table: Table, keys: frozenset[Key]) -> Group:
        def shown(vector: VersionVector) -> list[Row]:
            return list(self._reader.rows(table, vector, sorted(keys, key=key_order)))

        def by_key(rows: list[Row]) -> dict[Key, Row]:
            return {key_of(table, row): row for row in rows}

        candidates = shown(self._base)
        known = self._base_is_real and len(by_key(candidates)) == len(candidates)
        return Group(
            keys,
            by_key(candidates) if known else None,
            () if known else tuple(candidates),
            by_key(shown(self._ours)),
            by_key(shown(self._theirs)),
            tuple(shown(self._union)),
        )

    @property
    def _base_is_real(self) -> bool:
        """Whether a single commit sees exactly the base. If that is not known, it is looked up when it matters."""
        if self._real is None:
            seen = dict(self._base)
            self._real = not seen or any(self._reader.vector(Point(line, n)) == seen for line, n in seen.items())
        return self._real


def _keys(table: Table, touches: Iterable[Touch]) -> set[Key]:
    return {key_of(table, touch.row) for touch in touches}
