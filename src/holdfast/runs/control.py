"""What ends the block of a run without being a failure, and what a step knows of itself."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


class Suspend(BaseException):
    """The run waits, and the block that works on it ends. The `with` block of the run takes it in.

    It is no `Exception`: what catches failures lets it pass. Its program may end; the run is entered again when what it
    waits for is there.

    Attributes:
        run_id: the run.
        why: what it waits for, for people.
    """

    def __init__(self, run_id: str, why: str) -> None:
        super().__init__(f"run {run_id!r} waits: {why}")
        self.run_id = run_id
        self.why = why


class Cancelled(BaseException):
    """The run was cancelled, and the block that works on it ends. The `with` block of the run takes it in."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id!r} was cancelled")
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class Happened:
    """What `verify` returns, or `settle` is told, of a call that did happen.

    Attributes:
        result: what it returned.
    """

    result: Any = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a step's function is given for a parameter that is annotated so; it is no part of the step's input.

    Attributes:
        run: the run.
        idempotency_key: the same for each attempt of this step, and for no other: for services that tell repeats.
        attempt: which attempt this is, from 1.
    """

    run: Any
    idempotency_key: str
    attempt: int

    @property
    def state(self) -> Any:  # noqa: ANN401 - of a sync or an async run
        """The run's variables, whose changes are part of the step."""
        return self.run.state

    @property
    def db(self) -> Any:  # noqa: ANN401 - as above
        """The store on the run's branch, whose writes are part of the step."""
        return self.run.db


@dataclass(eq=False)
class Doing:
    """An attempt at a step that is being made.

    Attributes:
        of: the run, as it was entered.
        label: of the step.
        within: the task or thread that asked for it.
        ended: whether nobody waits for it any more: what its function does now is of no step.
    """

    of: object
    label: str
    within: object
    ended: bool = False


DOING: ContextVar[Doing | None] = ContextVar("holdfast_doing", default=None)
"""The step whose function calls this, directly or in a task or thread that it waits for."""
