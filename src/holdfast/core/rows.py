"""Rows in history, and the pure three-way merge of what both sides of a merge touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.core.canonical import row_bytes
from holdfast.core.points import Point, Rid
from holdfast.core.schema import Key, Table, key_order
from holdfast.core.types import Stored
from holdfast.errors import Conflict


@dataclass(frozen=True, slots=True)
class Row:
    """One version of a row: who it is, the commit that made this version, and its values in stored form."""

    rid: Rid
    born: Point
    values: tuple[Stored, ...]
    handle: int = field(default=0, compare=False)
    """The engine's own name for the version. It never leaves the engine."""


def key_of(table: Table, row: Row) -> Key:
    """Return the key of a row: its primary key values, or its row id in a table without a primary key."""
    if not table.primary_key:
        return (row.rid.line, row.rid.n, row.rid.ordinal)
    return tuple(row.values[at] for at in table.positions(table.primary_key))


@dataclass(frozen=True, slots=True)
class Touch:
    """A version that a stretch of history made (`ended` is false) or ended (`ended` is true)."""

    row: Row
    ended: bool


@dataclass(frozen=True, slots=True)
class Change:
    """The net change of one row in one commit: `before` is None for a row that was added, `after` for one removed.

    In a merge commit, where both sides had come to equal rows, `kept` is the birth of the version that stays.
    """

    table: Table
    before: Row | None
    after: Row | None
    kept: Point | None = None

    @property
    def rid(self) -> Rid:
        """The row."""
        row = self.after or self.before
        assert row is not None
        return row.rid


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that must be decided together, because both sides touched them: linked by key or by row id.

    `base` is None where the common ancestor is not known; `candidates` then lists the versions it may be.
    """

    keys: frozenset[Key]
    base: Mapping[Key, Row] | None
    candidates: tuple[Row, ...]
    ours: Mapping[Key, Row]
    theirs: Mapping[Key, Row]
    union: tuple[Row, ...]
    """What the branch will see of these keys before the group is decided: of a merge, what both sides together see."""


@dataclass(slots=True)
class Resolution:
    """What a commit does to settle groups: versions it ends, and rows it writes (`rid` None: a new row)."""

    ended: list[Row] = field(default_factory=list)
    fresh: list[tuple[Rid | None, tuple[Stored, ...]]] = field(default_factory=list)

    @classmethod
    def of(cls, table: Table, parts: Iterable[Resolution]) -> Resolution:
        """Return several as one. Its rows come in the order of their keys: new ones are numbered in it, everywhere."""
        whole = cls()
        for part in parts:
            whole.ended += part.ended
            whole.fresh += part.fresh
        keys = table.positions(table.primary_key)
        whole.fresh.sort(key=lambda row: key_order(tuple(row[1][at] for at in keys) if keys else row[0] or ()))
        return whole


Decide = Callable[[Conflict], object]
"""Returns the value a conflict is resolved with (a cell, or a row as dict or None), `ours` and `theirs` among them, or
`NotImplemented` to leave it a conflict."""

Outcome = dict[Key, tuple[Rid | None, tuple[Stored, ...]]]


def groups_of(
    table: Table, ours: Sequence[Touch], theirs: Sequence[Touch], *, copied: bool = False
) -> list[frozenset[Key]]:
    """Return the sets of keys that both sides touched, joined where a row id was touched under several keys.

    They come in the order of their smallest keys: that of the questions to a policy.

    Args:
        copied: return also what only theirs touched. Whoever merges theirs sees it anyway; a copy has to be written.
    """
    keys_by_rid: dict[Rid, set[Key]] = {}
    sides: list[set[Key]] = []
    for touches in (ours, theirs):
        keys: set[Key] = set()
        for touch in touches:
            key = key_of(table, touch.row)
            keys.add(key)
            keys_by_rid.setdefault(touch.row.rid, set()).add(key)
        sides.append(keys)
    joined = _Joined()
    for keys in keys_by_rid.values():
        joined.link(keys)
    found = [group for group in joined.groups() if group & sides[1] and (copied or group & sides[0])]
    return sorted(found, key=lambda group: min(map(key_order, group)))


class _Joined:
    """Union-find over keys."""

    def __init__(self) -> None:
        self._leader: dict[Key, Key] = {}

    def _find(self, key: Key) -> Key:
        leader = self._leader.setdefault(key, key)
        while leader != self._leader[leader]:
            leader = self._leader[leader]
        self._leader[key] = leader
        return leader

    def link(self, keys: set[Key]) -> None:
        first, *rest = keys
        leader = self._find(first)
        for key in rest:
            self._leader[self._find(key)] = leader

    def groups(self) -> list[frozenset[Key]]:
        members: dict[Key, set[Key]] = {}
        for key in self._leader:
            members.setdefault(self._find(key), set()).add(key)
        return [frozenset(keys) for keys in members.values()]


def settle(table: Table, group: Group, decide: Decide) -> tuple[Resolution, list[Conflict], list[Conflict]]:
    """Decide one group: what only one side changed is taken, cell by cell; the rest is asked of `decide`.

    Returns:
        The resolution, the conflicts that `decide` resolved, and those it left open, where the resolution keeps ours.
    """
    if _values(group.ours) == _values(group.theirs):
        return keep_equal(group), [], []
    if group.base is not None and _identities(group.base) == _identities(group.ours):
        return _replace(group, _outcome(group.theirs)), [], []
    if group.base is not None and _identities(group.base) == _identities(group.theirs):
        return _replace(group, _outcome(group.ours)), [], []
    outcome, resolved, left = _by_cell(table, group, decide) or _by_row(table, group, decide)
    return _replace(group, outcome), resolved, left


def same(a: object, b: object) -> bool:
    """Tell whether two stored values are the same; 1, 1.0 and True are not."""
    return type(a) is type(b) and a == b


def _values(side: Mapping[Key, Row]) -> dict[Key, bytes]:
    return {key: row_bytes(row.values) for key, row in side.items()}


def _identities(side: Mapping[Key, Row]) -> dict[Key, tuple[Rid, bytes]]:
    return {key: (row.rid, row_bytes(row.values)) for key, row in side.items()}


def _outcome(side: Mapping[Key, Row]) -> Outcome:
    return {key: (row.rid, row.values) for key, row in side.items()}


def _replace(group: Group, outcome: Outcome) -> Resolution:
    """End all that the union shows and write the outcome afresh: a mark that no later merge can overlook."""
    return Resolution(list(group.union), list(outcome.values()))


def keep_equal(group: Group) -> Resolution:
    """Both sides came to the same rows: keep one version of each, the same one whoever merges, and end the rest."""
    kept = list(_kept_versions(group).values())
    fresh = [(row.rid, row.values) for row in kept if row not in group.union]
    return Resolution([row for row in group.union if row not in kept], list(fresh))


def _kept_versions(group: Group) -> Mapping[Key, Row]:
    """Return the version that stays for each key: of those that the union shows, the smallest.

    Where rows have changed keys this could keep one row under two keys. Then one side stays as a whole, the one whose
    versions are smaller (docs/decisions/0005).
    """
    smallest: dict[Key, Row] = {}
    for key, row in group.ours.items():
        shown = [version for version in (row, group.theirs[key]) if version in group.union]
        smallest[key] = min(shown or [row], key=_age)
    if len({row.rid for row in smallest.values()}) == len(smallest):
        return smallest
    return min((group.ours, group.theirs), key=lambda side: sorted(map(_age, side.values())))


def _age(row: Row) -> tuple[Point, Rid]:
    return row.born, row.rid


def _by_cell(table: Table, group: Group, decide: Decide) -> tuple[Outcome, list[Conflict], list[Conflict]] | None:
    """Merge one row column by column, where it is the same row under the same key in all three; else return None."""
    if group.base is None or not (len(group.keys) == len(group.base) == len(group.ours) == len(group.theirs) == 1):
        return None
    (key,) = group.keys
    base, ours, theirs = group.base.get(key), group.ours.get(key), group.theirs.get(key)
    if base is None or ours is None or theirs is None or not base.rid == ours.rid == theirs.rid:
        return None
    cells: list[Any] = []
    resolved: list[Conflict] = []
    left: list[Conflict] = []
    for column, was, mine, other in zip(table.columns, base.values, ours.values, theirs.values, strict=True):
        if same(mine, other) or same(other, was):
            cells.append(mine)
        elif same(mine, was):
            cells.append(other)
        else:
            conflict = Conflict(table.name, key, column.name, was, mine, other)
            cells.append(_ask(conflict, decide, resolved, left))
    return {key: (base.rid, tuple(cells))}, resolved, left


def _by_row(table: Table, group: Group, decide: Decide) -> tuple[Outcome, list[Conflict], list[Conflict]]:
    """Ask for each row that the sides differ in as a whole."""
    outcome: Outcome = {}
    resolved: list[Conflict] = []
    left: list[Conflict] = []
    used: set[Rid] = set()
    for key in sorted(group.keys, key=key_order):
        ours, theirs = group.ours.get(key), group.theirs.get(key)
        base = group.base.get(key) if group.base is not None else None
        rows = (_dict(table, base), _dict(table, ours), _dict(table, theirs))
        candidates = tuple(_dict(table, row) for row in group.candidates if key_of(table, row) == key)
        chosen: Any = rows[1]
        if _values({key: ours} if ours else {}) != _values({key: theirs} if theirs else {}):
            conflict = Conflict(table.name, key, None, *rows, candidates=candidates)
            chosen = _ask(conflict, decide, resolved, left)
        if chosen is None:
            continue
        taken = theirs if chosen is rows[2] else ours or theirs
        rid = taken.rid if taken is not None and taken.rid not in used else None
        if rid is not None:
            used.add(rid)
        values = tuple(chosen[column.name] for column in table.columns)
        outcome[key] = (rid, values)
    return outcome, resolved, left


def _dict(table: Table, row: Row | None) -> dict[str, Stored] | None:
    return None if row is None else table.as_dict(row.values)


def _ask(conflict: Conflict, decide: Decide, resolved: list[Conflict], left: list[Conflict]) -> Any:  # noqa: ANN401
    chosen = decide(conflict)
    if chosen is NotImplemented:
        left.append(conflict)
        return conflict.ours
    resolved.append(conflict)
    return chosen
