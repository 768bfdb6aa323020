"""Merging a point into a branch.

Whoever sees both sides sees the pointwise maximum of their vectors, so what only one side touched needs no work. What
both touched is decided group by group (core/rows.py), and every decision leaves a mark: the merge commit ends all
versions that the union shows and writes the outcome afresh, so that no later merge can lose it.

The plan is made in a snapshot and the policy is asked outside any transaction; the outcome is written only if the
branch has not moved meanwhile, else the plan is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from holdfast.core.canonical import json_text
from holdfast.core.points import Point, VersionVector, covers, join, meet, sees
from holdfast.core.rows import Decide, Group, Resolution, Row, Touch, groups_of, key_of, settle
from holdfast.core.schema import Key, Table, key_order
from holdfast.core.types import Kind, Stored, decode, encode
from holdfast.engine.contract import Line, Reader, Violation, Writer
from holdfast.errors import Conflict, InvalidValue, MergeConflict
from holdfast.versions.diff import decoded_key, decoded_row

TablePolicy = str | Callable[[Conflict], object]
Policy = TablePolicy | Mapping[str, TablePolicy]
"""How to resolve conflicts: "fail", "ours", "theirs", a function of the conflict, or one of these for each table.

A function returns the value to keep: of a cell, or a row as a dict, or None for no row; `conflict.ours` and
`conflict.theirs` among them. `NotImplemented` leaves the conflict unresolved. `ours` is the branch merged into. It is
asked again if the branch moved meanwhile.
"""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What both sides did to one table: the groups to decide, and the keys of all rows that either side changed.

    `touched` are these rows as they were, and became; of a table that no foreign key refers to they are left out.
    """

    table: Table
    groups: tuple[Group, ...]
    changed: frozenset[Key]
    touched: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A merge that is ready to be decided: the branch's line as it was read, and the point to be merged into it."""

    ours: Line
    theirs: Point
    tables: tuple[TablePlan, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A merge that is ready to be written."""

    resolutions: tuple[tuple[Table, Resolution], ...]
    resolved: tuple[Conflict, ...]
    left: tuple[Conflict, ...]


def plan_merge(reader: Reader, ours: Line, theirs: Point) -> Plan | None:
    """Return what has to be decided to merge `theirs` into the line `ours`; None if it sees all of it already."""
    mine, other = reader.vector(Point(ours.uid, ours.head)), reader.vector(theirs)
    if covers(mine, other):
        return None
    base = _Base(reader, meet(mine, other))
    tables = (_plan_table(reader, table, base, mine, other) for table in reader.catalogue().tables)
    return Plan(ours, theirs, tuple(plan for plan in tables if plan.changed))


class _Base:
    """The common ancestor: what both sides see, and whether that is what some one commit saw."""

    def __init__(self, reader: Reader, vector: VersionVector) -> None:
        self.vector = vector
        self._reader = reader
        self._real: bool | None = None

    @property
    def is_real(self) -> bool:
        """Whether a single commit sees exactly this. Looked up only if something depends on it."""
        if self._real is None:
            seen = dict(self.vector)
            self._real = not seen or any(self._reader.vector(Point(line, n)) == seen for line, n in seen.items())
        return self._real


def _plan_table(reader: Reader, table: Table, base: _Base, mine: VersionVector, other: VersionVector) -> TablePlan:
    ours = list(reader.touched(table, base.vector, mine))
    theirs = list(reader.touched(table, base.vector, other))
    keys = groups_of(table, ours, theirs)
    groups = (_group(reader, table, base, mine, other, key_set) for key_set in keys)
    changed = frozenset(_keys(table, ours) | _keys(table, theirs))
    referred_to = any(reader.catalogue().references_to(table))
    touched = tuple(touch.row for touch in (*ours, *theirs)) if referred_to else ()
    return TablePlan(table, tuple(groups), changed, touched)


def _keys(table: Table, touches: Iterable[Touch]) -> set[Key]:
    return {key_of(table, touch.row) for touch in touches}


def _group(
    reader: Reader, table: Table, base: _Base, mine: VersionVector, other: VersionVector, keys: frozenset[Key]
) -> Group:
    def shown(vector: VersionVector) -> list[Row]:
        return list(reader.rows(table, vector, sorted(keys, key=key_order)))

    def by_key(rows: list[Row]) -> dict[Key, Row]:
        return {key_of(table, row): row for row in rows}

    candidates = shown(base.vector)
    known = base.is_real and len(by_key(candidates)) == len(candidates)
    return Group(
        keys,
        by_key(candidates) if known else None,
        () if known else tuple(candidates),
        by_key(shown(mine)),
        by_key(shown(other)),
        tuple(shown(join(mine, other))),
    )


def decide_merge(plan: Plan, policy: Policy) -> Decided:
    """Settle every group of a plan by the rules and, where they leave a conflict, by the policy."""
    resolutions: list[tuple[Table, Resolution]] = []
    resolved: list[Conflict] = []
    left: list[Conflict] = []
    for planned in plan.tables:
        decide = _decider(planned.table, policy)
        for group in planned.groups:
            resolution, by_policy, still = settle(planned.table, group, decide)
            resolutions.append((planned.table, resolution))
            resolved += [_decoded(planned.table, conflict) for conflict in by_policy]
            left += [_decoded(planned.table, conflict) for conflict in still]
    return Decided(tuple(resolutions), tuple(resolved), tuple(left))


def check_policy(policy: Policy, tables: Iterable[str]) -> None:
    """Raise InvalidValue unless `policy` is one, for tables that are there."""
    given: object = policy
    if isinstance(given, Mapping):
        known = {name.lower() for name in tables}
        by_table = cast("Mapping[str, object]", given)
        for name in by_table:
            if name.lower() not in known:
                raise InvalidValue(
                    f"the policy names the table {name!r}, which is not there; there are {sorted(known)}"
                )
        parts = list(by_table.values())
    else:
        parts = [given]
    for part in parts:
        if not callable(part) and part not in _NAMED:
            raise InvalidValue(
                f"{part!r} is no merge policy; use 'fail', 'ours', 'theirs', a function, or a dict of these by table"
            )


def _decider(table: Table, policy: Policy) -> Decide:
    """Return the policy for one table, as a function of conflicts in stored values."""
    if isinstance(policy, str):
        return _NAMED[policy]
    if callable(policy):
        ask = policy
        return lambda conflict: _asked(table, conflict, ask)
    by_name = {name.lower(): part for name, part in policy.items()}
    return _decider(table, by_name.get(table.name.lower(), "fail"))


_NAMED: dict[str, Decide] = {
    "fail": lambda _: NotImplemented,
    "ours": lambda conflict: conflict.ours,
    "theirs": lambda conflict: conflict.theirs,
}


def _asked(table: Table, conflict: Conflict, ask: Callable[[Conflict], object]) -> object:
    """Ask a user's policy, and return what it chose in stored values: of a side that it returned, the very same."""
    shown = _decoded(table, conflict)
    choice = ask(shown)
    if choice is not None and choice is shown.ours:
        return conflict.ours
    if choice is not None and choice is shown.theirs:
        return conflict.theirs
    return _encoded_choice(table, conflict, choice)


def _encoded_value(table: Table, name: str, value: object) -> Stored:
    """Return a value that a policy made up in stored form. A str is a JSON string here, not JSON text."""
    at = table.position(name)
    assert at is not None
    column, where = table.columns[at], f"{table.name}.{name}"
    if value is None and (column.not_null or name in table.primary_key):
        raise InvalidValue(f"{where}: the policy returned None for a column that cannot be NULL")
    if column.type.kind is Kind.JSON and value is not None:
        return json_text(value, where)
    return encode(value, column.type, where)


def _encoded_choice(table: Table, conflict: Conflict, choice: object) -> object:
    """Return what a user's policy chose in stored values."""
    if choice is NotImplemented:
        return choice
    if choice is None:
        if conflict.ours is not None and conflict.theirs is not None:
            raise InvalidValue(
                f"the policy returned None for {conflict}, where neither side has it; return a value (a forgotten"
                " return?), or NotImplemented to leave the conflict"
            )
        return None
    if conflict.column is not None:
        return _encoded_value(table, conflict.column, choice)
    given: Mapping[str, object] = cast("Any", choice) if isinstance(choice, Mapping) else {}
    if set(given) != {column.name for column in table.columns}:
        raise InvalidValue(
            f"the policy for {table.name} must return a row as a dict of all its columns, or None, not {choice!r}"
        )
    row = {column.name: _encoded_value(table, column.name, given[column.name]) for column in table.columns}
    if (
        table.primary_key
        and tuple(row[table.columns[at].name] for at in table.positions(table.primary_key)) != conflict.key
    ):
        raise InvalidValue(
            f"the policy changed the key of {conflict.table}{list(conflict.key)!r}; return the row under its key"
        )
    return next((side for side in (conflict.ours, conflict.theirs) if side == row), row)


def _decoded(table: Table, conflict: Conflict) -> Conflict:
    """Return a conflict in Python values, as people and policies see it."""

    def cell(value: Any) -> object:  # noqa: ANN401 - a stored value
        at = table.position(conflict.column or "")
        return decode(value, table.columns[at].type) if at is not None else value

    def row(value: dict[str, Stored] | None) -> object:
        return None if value is None else decoded_row(table, tuple(value.values()))

    show = row if conflict.column is None else cell
    return Conflict(
        conflict.table,
        decoded_key(table, conflict.key),
        conflict.column,
        show(conflict.base),
        show(conflict.ours),
        show(conflict.theirs),
        conflict.constraint,
        tuple(show(candidate) for candidate in conflict.candidates),
    )


def write_merge(writer: Writer, plan: Plan, decided: Decided) -> None:
    """Write what was decided into the open commit.

    Raises:
        MergeConflict: a constraint would not hold for rows that one side changed; the caller takes everything back.
    """
    writer.absorb(plan.theirs)
    for table, resolution in decided.resolutions:
        writer.settle(table, resolution)
    after = join(writer.vector(Point(plan.ours.uid, plan.ours.head)), {plan.ours.uid: plan.ours.head + 1})
    theirs = writer.vector(plan.theirs)
    seen = join(after, theirs)
    broken = [conflict for planned in plan.tables for conflict in _broken(writer, planned, seen, theirs)]
    if broken:
        raise conflict_error(broken)


def _broken(writer: Writer, planned: TablePlan, seen: VersionVector, theirs: VersionVector) -> Iterator[Conflict]:
    table = planned.table
    found: list[Violation] = []
    if table.is_constrained:
        found += writer.violations(table, writer.rows(table, seen, sorted(planned.changed, key=key_order)))
    if planned.touched:
        found += writer.orphans(table, planned.touched)
    yield from (_violation_conflict(violation, theirs) for violation in found)


def _violation_conflict(violation: Violation, theirs: VersionVector) -> Conflict:
    """Return a broken constraint as a conflict between a row of ours and one of theirs."""
    table = violation.table
    first, *others = sorted(violation.rows, key=lambda row: sees(theirs, row.born))
    other = others[-1] if others else first
    return Conflict(
        table.name,
        decoded_key(table, key_of(table, first)),
        None,
        None,
        decoded_row(table, first.values),
        decoded_row(table, other.values),
        constraint=violation.constraint,
    )


def conflict_error(conflicts: Iterable[Conflict]) -> MergeConflict:
    """Return the error for conflicts that nothing resolved."""
    listed = tuple(conflicts)
    lines = "\n".join(f"  {conflict}" for conflict in listed[:10])
    more = f"\n  and {len(listed) - 10} more" if len(listed) > 10 else ""
    return MergeConflict(
        f"{len(listed)} conflict{'s' if len(listed) > 1 else ''}; nothing was merged; pass policy='ours', 'theirs' or a"
        f" function, or change one side:\n{lines}{more}",
        listed,
    )
