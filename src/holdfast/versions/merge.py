"""Bringing rows to a branch: what merging, cherry-picking and reverting have in common.

They are planned (versions/plans.py), decided group by group by the rules of core/rows.py and by the caller's policy,
written, and then every row that may have come out changed is checked against the constraints of its table.

The plan is made in a snapshot and the policy is asked outside any transaction; the outcome is written only if the
branch has not moved meanwhile, else the plan is made again. In a merge every decision leaves a mark: the commit ends
all versions that the union shows and writes the outcome afresh, so that no later merge can lose it. A copy whose
outcome is what the branch has already writes nothing.

A dry run does all of it and takes the writing back, so it finds what the real thing would find. It holds the store's
write lock for as long, without the fsync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from holdfast.core.points import VersionVector, join, sees
from holdfast.core.rows import Resolution, key_of, settle
from holdfast.core.schema import Table, key_order
from holdfast.engine.contract import Line, Reader, Session, Violation, Writer
from holdfast.errors import BranchMoved, Conflict, MergeConflict, ReadOnly
from holdfast.versions.diff import Side, decoded_key, decoded_row, differences
from holdfast.versions.plans import Plan, TablePlan
from holdfast.versions.policies import Policies, Policy, decoded_conflict
from holdfast.versions.resolve import held_branch, is_kept, resolve
from holdfast.versions.results import Merge, RowChange

MERGE_TRIES_MAX = 100
"""How often something is planned again because the branch moved, before it is given up."""

Planner = Callable[[Reader, Line], Plan | None]
"""Looks at a line and says what has to be decided; None if it has it all."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan that is ready to be written. What is in `left` is resolved as ours."""

    resolutions: tuple[tuple[Table, Resolution], ...]
    resolved: tuple[Conflict, ...]
    left: tuple[Conflict, ...]


def bring(
    session: Session, into: str, planner: Planner, policy: Policy, message: str | None, *, dry_run: bool
) -> Merge:
    """Plan, decide, write and check, until the branch has held still for it; of a dry run write nothing.

    Raises:
        MergeConflict: conflicts that the policy left, or a constraint that would not hold; not of a dry run.
        BranchMoved: the branch moved `MERGE_TRIES_MAX` times.
        NotFound, ReadOnly: there is no such branch, or it is a tag or a commit.
        InvalidValue: the policy is none, or chose what cannot be.
    """
    for _ in range(MERGE_TRIES_MAX):
        with session.read() as reader:
            line = _target(reader, into)
            policies = Policies(policy, reader.catalogue())
            plan = planner(reader, line)
        if plan is None:
            return Merge(line.head_hash.hex(), changed=False, dry_run=dry_run)
        decided = decide(plan, policies)
        if decided.left and not dry_run:
            raise conflict_error(plan, decided.left)
        text = plan.message if message is None else message
        merge = (_rehearsed if dry_run else _written)(session, plan, decided, into, text)
        if merge is not None:
            return merge
    raise BranchMoved(f"branch {into!r} moved {MERGE_TRIES_MAX} times while it was being written; retry")


def _target(reader: Reader, into: str) -> Line:
    line = reader.branch(into)
    if line is None:
        resolve(reader, into)
        raise ReadOnly(f"{into!r} is a tag or a commit, which stay as they are; name a branch")
    return line


def decide(plan: Plan, policies: Policies) -> Decided:
    """Settle every group of a plan by the rules and, where they leave a conflict, by the policy."""
    resolutions: list[tuple[Table, Resolution]] = []
    resolved: list[Conflict] = []
    left: list[Conflict] = []
    for planned in plan.tables:
        table, policy = planned.table, policies.of(planned.table)
        parts: list[Resolution] = []
        for group in planned.groups:
            resolution, by_policy, still = settle(table, group, policy)
            parts.append(resolution)
            resolved += [decoded_conflict(table, conflict) for conflict in by_policy]
            left += [decoded_conflict(table, conflict) for conflict in still]
        if parts:
            resolutions.append((table, Resolution.of(table, parts)))
    parted: dict[Table, list[Resolution]] = {}
    for whole in plan.wholes:
        verdict = whole.rules.settle(whole, policies.given(whole.rules.tables[0]))
        for table, part in whole.resolutions(verdict.wanted):
            parted.setdefault(table, []).append(part)
        resolved += verdict.resolved
        left += verdict.left
    resolutions += [(table, Resolution.of(table, parts)) for table, parts in parted.items()]
    return Decided(tuple(resolutions), tuple(resolved), tuple(left))


def _written(session: Session, plan: Plan, decided: Decided, into: str, message: str) -> Merge | None:
    """Write what was decided, unless the branch has moved since it was planned."""
    with session.write() as writer:
        if not _still_holds(writer, plan, into):
            return None
        broken = _write(writer, plan, decided)
        if broken:
            raise conflict_error(plan, broken)
        commit = writer.seal(message)
    head = commit.hash if commit else plan.ours.head_hash
    return Merge(head.hex(), changed=commit is not None, conflicts=decided.resolved)


def _still_holds(writer: Writer, plan: Plan, into: str) -> bool:
    """Tell whether nothing has changed since the plan was made: the branch stands, and gc did not prune the source."""
    return held_branch(writer, into) == plan.ours and (plan.absorbs is None or is_kept(writer, plan.absorbs))


class _TakenBack(Exception):
    """What ends a dry run's transaction."""


def _rehearsed(session: Session, plan: Plan, decided: Decided, into: str, message: str) -> Merge | None:
    """Write what was decided and see what comes of it, then take it back; None if the branch has moved."""
    merge: Merge | None = None
    with suppress(_TakenBack), session.write() as writer:
        if _still_holds(writer, plan, into):
            left = (*decided.left, *_write(writer, plan, decided))
            changes = _changes(writer, plan)
            changed = writer.seal(message) is not None and not left
            merge = Merge(
                plan.ours.head_hash.hex(), changed, decided.resolved, dry_run=True, left=left, changes=changes
            )
        raise _TakenBack
    return merge


def _write(writer: Writer, plan: Plan, decided: Decided) -> list[Conflict]:
    """Write what was decided into the next commit; return the constraints that do not hold then."""
    writer.open(plan.ours)
    if plan.absorbs:
        writer.absorb(plan.absorbs)
    for table, resolution in decided.resolutions:
        writer.settle(table, resolution)
    seen = _seen(writer, plan)
    return [conflict for planned in plan.tables for conflict in _broken(writer, planned, seen, plan.seen)]


def _seen(writer: Writer, plan: Plan) -> VersionVector:
    """Return what the open commit sees, itself included."""
    others = writer.vector(plan.absorbs) if plan.absorbs else {}
    return join(join(plan.seen, others), {plan.ours.uid: plan.ours.head + 1})


def _changes(writer: Writer, plan: Plan) -> tuple[RowChange, ...]:
    """Return the rows that the open commit changes on the branch."""
    before, after = Side(plan.seen, plan.catalogue), Side(_seen(writer, plan), plan.catalogue)
    return tuple(differences(writer, before, after))


def _broken(writer: Writer, planned: TablePlan, seen: VersionVector, ours: VersionVector) -> Iterator[Conflict]:
    table = planned.table
    found: list[Violation] = []
    if table.is_constrained:
        found += writer.violations(table, writer.rows(table, seen, sorted(planned.changed, key=key_order)))
    if planned.touched:
        found += writer.orphans(table, planned.touched)
    yield from (_violation_conflict(violation, ours) for violation in found)


def _violation_conflict(violation: Violation, ours: VersionVector) -> Conflict:
    """Return a broken constraint as a conflict between a row that the branch had and one that came to it."""
    table = violation.table
    first, *others = sorted(violation.rows, key=lambda row: not sees(ours, row.born))
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


def conflict_error(plan: Plan, conflicts: Iterable[Conflict]) -> MergeConflict:
    """Return the error for conflicts that nothing resolved."""
    listed = tuple(conflicts)
    lines = "\n".join(f"  {conflict}" for conflict in listed[:10])
    more = f"\n  and {len(listed) - 10} more" if len(listed) > 10 else ""
    return MergeConflict(
        f"{len(listed)} conflict{'s' if len(listed) > 1 else ''}; nothing was {plan.done}; pass policy='ours', 'theirs'"
        f" or a function, or change one side:\n{lines}{more}",
        listed,
    )
