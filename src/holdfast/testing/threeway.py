"""The oracle's merge: three whole snapshots, compared by key and row id.

The idea is the textbook one: what one side left alone, the other side decides; what both sides touched is settled by a
few rules, or asked. "Touched" is read off the commits that a side has seen and the other has not, never guessed from
the snapshots: a row that was changed and changed back was touched.

Engines reach the same result on another way: they take the union of what both sides made, less what either side ended.
That union is built here too, but only to know which versions a decision has to end. At the end both ways are compared
(`_check`); where they differ, either the rules or this module are wrong.

A cherry-pick and a revert compare three snapshots in the same way. They are copies: the branch goes on seeing what it
saw, so what only theirs touched is written, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from holdfast.core import types
from holdfast.core.canonical import row_bytes
from holdfast.core.points import Point, Rid
from holdfast.core.schema import Catalogue, Key, Table, key_order
from holdfast.core.types import Stored
from holdfast.errors import Conflict, InvalidValue
from holdfast.testing.snapshots import (
    Rows,
    Snapshot,
    Trace,
    Version,
    by_key,
    decoded,
    encoded,
    equal,
    key_of,
    settled,
    unique_clashes,
)

Decide = Callable[[Conflict], object]
"""Returns what a conflict is resolved with, or `NotImplemented` to leave it open."""

Shown = dict[Key, Version]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two points that are merged: what it shows, what it has seen, and what it touched.

    In a merge it touched what the other has not seen; in a copy whatever lies between it and the base.
    """

    rows: Snapshot
    seen: frozenset[Point]
    touched: Sequence[Trace]


@dataclass(frozen=True, slots=True)
class Base:
    """The common ancestor: `known` where it is one commit, and otherwise the newest commits that both sides saw."""

    snapshots: Sequence[Snapshot]

    @property
    def known(self) -> bool:
        """Tell whether there is a single common ancestor that sees all that both sides see."""
        return len(self.snapshots) == 1


@dataclass(slots=True)
class Merged:
    """What a merge comes to. What is in `left` is taken as ours; `broken` has the constraints that do not hold then."""

    rows: Snapshot = field(default_factory=dict[int, Rows])
    traces: list[Trace] = field(default_factory=list)
    resolved: list[Conflict] = field(default_factory=list)
    left: list[Conflict] = field(default_factory=list)
    broken: list[Conflict] = field(default_factory=list)


def merge(
    catalogue: Catalogue, point: Point, base: Base, ours: Side, theirs: Side, decide: Decide, *, copied: bool = False
) -> Merged:
    """Return the merge of two sides as the commit at `point` would hold it, or a copy of theirs."""
    merged = Merged()
    ordinals = iter(range(1, 1_000_000))
    rows: dict[int, Rows] = {}
    tables = [_TableMerge(table, base, ours, theirs, decide, copied=copied) for table in catalogue.tables]
    for one in tables:
        one.decide_all()
        merged.resolved += one.resolved
        merged.left += one.left
    for one in tables:
        rows[one.table.id], traces = one.finish(point, ordinals)
        merged.traces += traces
        merged.broken += _broken(one.table, rows[one.table.id], ours, theirs)
    merged.rows = rows
    if copied:
        merged.rows, merged.traces = settled(catalogue, ours.rows, rows)
    return merged


def _broken(table: Table, rows: Rows, ours: Side, theirs: Side) -> list[Conflict]:
    """Return a conflict for each UNIQUE that both sides kept and their merge does not."""
    conflicts: list[Conflict] = []
    for columns, clashing in unique_clashes(table, rows.values()):
        first = min(clashing, key=lambda version: repr(key_of(table, version)))
        mine, other = (_clash_of(table, columns, first, side) for side in (ours, theirs))
        name = f"UNIQUE ({', '.join(columns)})"
        conflicts.append(Conflict(table.name, _plain_key(table, first), None, None, mine, other, constraint=name))
    return conflicts


def _clash_of(table: Table, columns: tuple[str, ...], like: Version, side: Side) -> dict[str, object] | None:
    places = table.positions(columns)
    for version in side.rows.get(table.id, {}).values():
        if equal([version.values[at] for at in places], [like.values[at] for at in places]):
            return decoded(table, version.values)
    return None


@dataclass(frozen=True, slots=True)
class _Linked:
    """Rows that have to be decided together: a row id ties all keys it was touched under, a key all its rows."""

    rids: frozenset[Rid]
    keys: frozenset[Key]

    def shown(self, shown: Shown) -> Shown:
        return {key: version for key, version in shown.items() if key in self.keys}


def _linked(traces: Iterable[Trace]) -> list[_Linked]:
    """Return the connected components of "row id was touched under key"."""
    keys_of: dict[Rid, set[Key]] = {}
    rids_at: dict[Key, set[Rid]] = {}
    for trace in traces:
        keys_of.setdefault(trace.rid, set()).update(trace.keys)
        for key in trace.keys:
            rids_at.setdefault(key, set()).add(trace.rid)
    components: list[_Linked] = []
    while keys_of:
        rids: set[Rid] = set()
        keys: set[Key] = set()
        frontier = {next(iter(keys_of))}
        while frontier:
            rids |= frontier
            found = set[Key]().union(*(keys_of.pop(rid) for rid in frontier)) - keys
            keys |= found
            frontier = set[Rid]().union(*(rids_at[key] for key in found)) - rids
        components.append(_Linked(frozenset(rids), frozenset(keys)))
    return components


class _TableMerge:
    """The merge of one table."""

    def __init__(self, table: Table, base: Base, ours: Side, theirs: Side, decide: Decide, *, copied: bool) -> None:
        self.table = table
        self.resolved: list[Conflict] = []
        self.left: list[Conflict] = []
        self._decide = decide
        self._base_known = base.known
        self._bases = [by_key(table, snapshot.get(table.id, {})) for snapshot in base.snapshots]
        self._ours, self._theirs = (by_key(table, side.rows.get(table.id, {})) for side in (ours, theirs))
        self._traces = [[trace for trace in side.touched if trace.table_id == table.id] for side in (ours, theirs)]
        self._copied = copied
        self._union = list(self._ours.values()) if copied else _union(table, ours, theirs)
        self._result: Rows = {version.rid: version for version in self._ours.values()}
        self._ended: list[Version] = []
        self._kept: dict[Rid, Version] = {}
        self._fresh: dict[Key, tuple[Rid | None, tuple[Stored, ...]]] = {}

    def decide_all(self) -> None:
        """Take what only one side touched and settle what both did."""
        touched_by_us, touched_by_them = ({trace.rid for trace in side} for side in self._traces)
        for linked in _linked([*self._traces[0], *self._traces[1]]):
            if not linked.rids & touched_by_them:
                continue
            for version in linked.shown(self._ours).values():
                del self._result[version.rid]
            if self._copied or linked.rids & touched_by_us:
                self._settle(linked)
            else:
                self._result.update({version.rid: version for version in linked.shown(self._theirs).values()})

    def finish(self, point: Point, ordinals: Iterator[int]) -> tuple[Rows, list[Trace]]:
        """Return the merged rows and the merge commit's own part in them."""
        fresh: Rows = {}
        for key in sorted(self._fresh, key=key_order):
            rid, values = self._fresh[key]
            version = Version(rid or Rid(point.line, point.n, next(ordinals)), point, values)
            fresh[version.rid] = version
        self._result.update(fresh)
        self._check(fresh)
        return self._result, self._own_traces(fresh)

    def _settle(self, linked: _Linked) -> None:
        ours, theirs = linked.shown(self._ours), linked.shown(self._theirs)
        base = linked.shown(self._bases[0]) if self._base_known else None
        if _values(ours) == _values(theirs):
            self._keep_equal(linked, ours, theirs)
        elif base is not None and _identities(ours) == _identities(base):
            self._write(linked, theirs)
        elif base is not None and _identities(theirs) == _identities(base):
            self._write(linked, ours)
        elif base is not None and _one_row(linked, base, ours, theirs):
            self._by_cell(linked, base, ours, theirs)
        else:
            self._by_row(linked, base, ours, theirs)

    def _keep_equal(self, linked: _Linked, ours: Shown, theirs: Shown) -> None:
        """Both sides came to equal rows. One version of each stays, the same one whoever merges; the others end."""
        union = [version for version in self._union if key_of(self.table, version) in linked.keys]
        for key, version in _agreed(ours, theirs, union).items():
            if version in union:
                self._result[version.rid] = self._kept[version.rid] = version
            else:
                self._fresh[key] = (version.rid, version.values)
        self._ended += [version for version in union if self._kept.get(version.rid) != version]

    def _write(self, linked: _Linked, outcome: Mapping[Key, Version]) -> None:
        """One side's rows are the result: end what the union shows and write them afresh, a mark for later merges."""
        self._replace(linked, {key: (version.rid, version.values) for key, version in outcome.items()})

    def _replace(self, linked: _Linked, outcome: Mapping[Key, tuple[Rid | None, tuple[Stored, ...]]]) -> None:
        self._ended += [version for version in self._union if key_of(self.table, version) in linked.keys]
        self._fresh.update(outcome)

    def _by_cell(self, linked: _Linked, base: Shown, ours: Shown, theirs: Shown) -> None:
        (key,) = linked.keys
        cells: list[Stored] = []
        rows = (base[key].values, ours[key].values, theirs[key].values)
        for column, was, mine, other in zip(self.table.columns, *rows, strict=True):
            if equal([mine], [other]) or equal([other], [was]):
                cells.append(mine)
            elif equal([mine], [was]):
                cells.append(other)
            else:
                plain = [types.decode(cell, column.type) for cell in (was, mine, other)]
                answer = self._ask(Conflict(self.table.name, _plain_key(self.table, ours[key]), column.name, *plain))
                cells.append(types.encode(answer, column.type, f"{self.table.name}.{column.name}"))
        self._replace(linked, {key: (ours[key].rid, tuple(cells))})

    def _by_row(self, linked: _Linked, base: Shown | None, ours: Shown, theirs: Shown) -> None:
        outcome: dict[Key, tuple[Rid | None, tuple[Stored, ...]]] = {}
        taken: set[Rid] = set()
        for key in sorted({*ours, *theirs}, key=key_order):
            rid, values = self._row(key, base, ours.get(key), theirs.get(key))
            if values is not None:
                outcome[key] = (None if rid in taken else rid, values)
                taken.add(rid)
        self._replace(linked, outcome)

    def _row(
        self, key: Key, base: Shown | None, ours: Version | None, theirs: Version | None
    ) -> tuple[Rid, tuple[Stored, ...] | None]:
        """Return the row that stays under `key` (None: no row), asking where the sides differ."""
        either = ours or theirs
        assert either is not None
        if ours and theirs and equal(ours.values, theirs.values):
            return ours.rid, ours.values
        was = base.get(key) if base is not None else None
        candidates = {} if base is not None else {row_bytes(b[key].values): b[key] for b in self._bases if key in b}
        rows = tuple(decoded(self.table, version.values) if version else None for version in (was, ours, theirs))
        plain = tuple(decoded(self.table, version.values) for version in candidates.values())
        name, where = self.table.name, _plain_key(self.table, either)
        answer = self._ask(Conflict(name, where, None, rows[0], rows[1], rows[2], candidates=plain))
        if answer is None:
            return either.rid, None
        if not isinstance(answer, Mapping):
            raise InvalidValue(f"{name}{where}: a row is resolved with a dict or None, not {answer!r}")
        values = encoded(self.table, cast("Mapping[str, object]", answer))
        if self.table.primary_key and key_of(self.table, Version(either.rid, either.born, values)) != key:
            raise InvalidValue(f"{name}{where}: the answer {answer!r} has another key")
        return (theirs if theirs and equal(values, theirs.values) else either).rid, values

    def _ask(self, conflict: Conflict) -> object:
        answer = self._decide(conflict)
        if answer is NotImplemented:
            self.left.append(conflict)
            return conflict.ours
        if answer is None and conflict.ours is not None and conflict.theirs is not None:
            raise InvalidValue(f"{conflict}: neither side has None")
        self.resolved.append(conflict)
        return answer

    def _own_traces(self, fresh: Rows) -> list[Trace]:
        """Return what the merge commit itself did: rows written, versions ended, equal versions chosen between."""
        keys: dict[Rid, set[Key]] = {}
        for version in [*self._ended, *fresh.values()]:
            keys.setdefault(version.rid, set()).add(key_of(self.table, version))
        traces: list[Trace] = []
        for rid, under in keys.items():
            after = fresh[rid].values if rid in fresh else None
            kept = self._kept.get(rid)
            stays = kept.born if kept and under == {key_of(self.table, kept)} else None
            traces.append(Trace(self.table.id, rid, frozenset(under), after, stays))
        return traces

    def _check(self, fresh: Rows) -> None:
        """Compare with the engines' way: what the union shows, less what was ended, and what was written."""
        shown = {*self._union} - {*self._ended} | {*fresh.values()}
        assert shown == {*self._result.values()}, f"{self.table.name}: union {shown} is not {self._result}"


def _union(table: Table, ours: Side, theirs: Side) -> list[Version]:
    """Return each version that a side shows and the other did not end: it shows it too, or never saw it made."""
    mine, other = (set(side.rows.get(table.id, {}).values()) for side in (ours, theirs))
    shown = [version for version in mine if version in other or version.born not in theirs.seen]
    return shown + [version for version in other - mine if version.born not in ours.seen]


def _agreed(ours: Shown, theirs: Shown, union: Sequence[Version]) -> Shown:
    """Return which of two equal versions stays, per key: of those that the union shows, the smallest.

    Where rows changed keys, that could keep one row under two keys. Then one side stays as a whole: the one with the
    smallest versions.
    """
    smallest: Shown = {}
    for key, version in ours.items():
        shown = [one for one in (version, theirs[key]) if one in union]
        smallest[key] = min(shown or [version], key=_age)
    if len({version.rid for version in smallest.values()}) == len(smallest):
        return smallest
    return min((ours, theirs), key=lambda side: sorted(map(_age, side.values())))


def _age(version: Version) -> tuple[Point, Rid]:
    return version.born, version.rid


def _one_row(linked: _Linked, *sides: Shown) -> bool:
    """Tell whether the group is a single row that all sides have under the same key."""
    if len(linked.keys) != 1 or not all(sides):
        return False
    return len({version.rid for side in sides for version in side.values()}) == 1


def _values(shown: Shown) -> dict[Key, bytes]:
    return {key: row_bytes(version.values) for key, version in shown.items()}


def _identities(shown: Shown) -> dict[Key, tuple[Rid, bytes]]:
    return {key: (version.rid, row_bytes(version.values)) for key, version in shown.items()}


def _plain_key(table: Table, version: Version) -> tuple[object, ...]:
    """Return a row's key as users see it."""
    if not table.primary_key:
        return key_of(table, version)
    row = decoded(table, version.values)
    return tuple(row[table.columns[at].name] for at in table.positions(table.primary_key))
