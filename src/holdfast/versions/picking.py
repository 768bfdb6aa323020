"""Doing on a branch what one commit did elsewhere, and taking back what one commit did.

Both copy what lies between a commit and its first parent; of a merge commit that is all that the merge brought. The
schema belongs to all branches, so neither touches it: a table that a commit created is there already, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from holdfast.core.hashing import rid_bytes
from holdfast.core.points import Point, Rid
from holdfast.core.schema import Table
from holdfast.engine.contract import Commit, Line, Reader
from holdfast.errors import Unsupported
from holdfast.versions.plans import Plan, plan_copy
from holdfast.versions.resolve import check_kept, resolve
from holdfast.versions.wholes import Rules

_HASH_SHOWN = 12


def plan_cherry_pick(reader: Reader, ours: Line, ref: str, rules: Sequence[Rules] = ()) -> Plan | None:
    """Return what has to be decided to do on a line what the commit at `ref` did; None if it changed no row.

    Raises:
        NotFound: there is no such ref.
        Unsupported: what the commit did was erased.
    """
    commit = reader.commit(resolve(reader, ref).point)
    if commit.point.n == 0:
        return None
    message = f"cherry-pick {_shown(commit)}: {commit.message}"
    plan = plan_copy(reader, "cherry-picked", message, ours, _parent(reader, commit), commit.point, rules)
    return _checked(reader, commit, plan)


def plan_revert(reader: Reader, ours: Line, ref: str, rules: Sequence[Rules] = ()) -> Plan | None:
    """Return what has to be decided to take back on a line what the commit at `ref` did; None if that was nothing.

    Raises:
        NotFound: there is no such ref.
        Unsupported: the commit changed nothing but the schema, or what it did was erased.
    """
    commit = reader.commit(resolve(reader, ref).point)
    plan = None
    if commit.point.n:
        message = f"revert {_shown(commit)}: {commit.message}"
        plan = plan_copy(reader, "reverted", message, ours, commit.point, _parent(reader, commit), rules)
        plan = _checked(reader, commit, plan)
    if plan is None and len(commit.parents) < 2:
        raise Unsupported(
            f"commit {_shown(commit)} ({commit.message!r}) changed no rows but the schema, which all branches share,"
            " and cannot be reverted; change the schema by another statement"
        )
    return plan


def _shown(commit: Commit) -> str:
    return commit.hash.hex()[:_HASH_SHOWN]


def _parent(reader: Reader, commit: Commit) -> Point:
    """Return the point before a commit. Raises NotFound if gc pruned it: its rows are gone."""
    point = Point(commit.point.line, commit.point.n - 1)
    check_kept(reader.commit(point))
    return point


def _checked(reader: Reader, commit: Commit, plan: Plan) -> Plan | None:
    """Return the plan, or None if there is nothing to do. Raises Unsupported where content it needs was erased."""

    @cache
    def erased(at: Point) -> set[tuple[int, bytes]]:
        whole = reader.commit(at).salt is not None
        return set() if whole else {row for row, kept in reader.erasures(at).items() if kept.salt is None}

    rows = [(table_id, rid) for table_id, rid in erased(commit.point) if table_id]
    if rows or any((table.id, rid_bytes(rid)) in erased(born) for table, rid, born in _read(plan)):
        raise Unsupported(
            f"commit {_shown(commit)} cannot be {plan.done}: content of rows that it changed was erased; write the rows"
            " as they shall be"
        )
    return plan if plan.tables else None


def _read(plan: Plan) -> Iterator[tuple[Table, Rid, Point]]:
    """Yield the versions that a plan takes its values from."""
    for planned in plan.tables:
        for group in planned.groups:
            for row in (*(group.base or {}).values(), *group.theirs.values()):
                yield planned.table, row.rid, row.born
    for whole in plan.wholes:
        by_name = {table.name: table for table in whole.tables}
        for (name, _), row in (*(whole.base or {}).items(), *whole.theirs.items()):
            yield by_name[name], row.rid, row.born
