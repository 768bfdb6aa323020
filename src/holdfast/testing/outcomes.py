"""What operations come to, in a form in which an engine and the oracle can be compared."""

# pyright: basic
# (an engine is driven by whatever has the methods)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from holdfast.errors import Conflict, HoldfastError, MergeConflict
from holdfast.versions.results import Merge


@dataclass(frozen=True)
class Outcome:
    """What a merge, a cherry-pick or a revert came to."""

    commit: str
    changed: bool
    conflicts: frozenset[object]
    left: frozenset[object]
    changes: Sequence[object]


def outcome_of(call: Callable[[], object]) -> object:
    """Return what a call comes to, in a form that compares: its value, or its error and what it says of conflicts."""
    try:
        return comparable(call())
    except MergeConflict as error:
        return ("MergeConflict", _conflict_set(error.conflicts))
    except HoldfastError as error:
        return (type(error).__name__,)


def comparable(value: object) -> object:
    """Return a value of the interface without the classes of either side."""
    if isinstance(value, (list, tuple)):
        return [comparable(item) for item in value]
    if hasattr(value, "before"):
        return (value.table, value.key_columns, value.key, value.before, value.after)  # type: ignore[attr-defined]
    if hasattr(value, "conflicts"):
        merge = cast("Merge", value)
        left, changes = _conflict_set(merge.left), [comparable(change) for change in merge.changes]
        return Outcome(merge.commit, merge.changed, _conflict_set(merge.conflicts), left, changes)
    if hasattr(value, "parents"):
        return (value.hash, value.message, [*value.parents])  # type: ignore[attr-defined]
    if hasattr(value, "head"):
        return (value.name, value.head)  # type: ignore[attr-defined]
    return value


def _conflict_set(conflicts: Sequence[Conflict]) -> frozenset[object]:
    """Return what conflicts are about. Which of several rows names a broken constraint is left to the engine."""
    return frozenset(
        (one.table, None if one.constraint else one.key, one.column, bool(one.constraint)) for one in conflicts
    )
