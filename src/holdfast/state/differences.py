"""What differs between two points of a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StateDiff:
    """The keys that differ between two points, with their values. A key in a namespace is "namespace/key".

    Attributes:
        added: those that only the newer has.
        removed: those that only the older has.
        modified: those whose values differ, as (before, after).
    """

    added: dict[str, Any] = field(default_factory=dict)
    removed: dict[str, Any] = field(default_factory=dict)
    modified: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def note(self, name: str, values: Sequence[Any], *, added: bool, removed: bool) -> None:
        """Take note of a key that differs, with what it has on the sides that have it."""
        if added:
            self.added[name] = values[0]
        elif removed:
            self.removed[name] = values[0]
        else:
            self.modified[name] = (values[0], values[1])

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.modified)

    def __str__(self) -> str:
        lines = [f"+ {key} = {value!r}" for key, value in self.added.items()]
        lines += [f"- {key} = {value!r}" for key, value in self.removed.items()]
        lines += [f"~ {key}: {before!r} -> {after!r}" for key, (before, after) in self.modified.items()]
        return "\n".join(lines)
