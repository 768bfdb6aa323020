"""What questions about the cache are answered with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer from the cache.

    Attributes:
        value: what the tool returned; None if it raised.
        error: what the tool raised, or None.
        made: when, in UTC.
        ends: until when it holds; None for as long as nothing removes it.
    """

    value: Any
    error: Exception | None
    made: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """How a tool was used through the cache.

    Attributes:
        tool: its name.
        hits, misses, failures: answers from the cache, calls, and calls that raised.
        answers, bytes: what is kept of it now.
        seconds_saved, cost_saved: what the hits took and cost when they were made.
    """

    tool: str
    hits: int
    misses: int
    failures: int
    answers: int
    bytes: int
    seconds_saved: float
    cost_saved: float

    @property
    def hit_rate(self) -> float:
        """The share of hits, from 0 to 1."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0
