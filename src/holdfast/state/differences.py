"""What differs between two points of a state."""

from __future__ import annotations

from collections.abc import Mapping
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

    added: Mapping[str, Any] = field(default_factory=dict)
    removed: Mapping[str, Any] = field(default_factory=dict)
    modified: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.modified)

    def __str__(self) -> str:
        lines = [f"+ {key} = {value!r}" for key, value in self.added.items()]
        lines += [f"- {key} = {value!r}" for key, value in self.removed.items()]
        lines += [f"~ {key}: {before!r} -> {after!r}" for key, (before, after) in self.modified.items()]
        return "\n".join(lines)
