"""What came of an agent's run."""

# pyright: basic
# (what an agent returns is whatever it returns)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.agents.continuation import Continuation
from holdfast.runs.inbox import InboxCall


@dataclass(frozen=True, slots=True)
class Done:
    """A run that is complete.

    Attributes:
        output: what the agent returned: a text, or a value of its `output` type.
        run_id: the run.
    """

    output: Any
    run_id: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """A run that waits; its program may end. Run the agent again with this id, or let a worker do it, to go on.

    Attributes:
        run_id: the run.
        why: what it waits for, for people.
        calls: the calls on which somebody has to decide.
        continuation: the run as one record, which refers to the store; None if it waits for something else.
    """

    run_id: str
    why: str
    calls: tuple[InboxCall, ...] = ()
    continuation: Continuation | None = None
