"""How a run is to be entered."""

# pyright: basic
# (inputs are whatever a user has)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.core.durations import Duration
from holdfast.core.refs import check_name
from holdfast.engine.leases.leases import LEASE_SECONDS
from holdfast.errors import InvalidValue
from holdfast.runs.records import branch_of_run

GIVEN_NOTHING: Any = object()
"""Stands for an input that is not given."""

ON_CHANGE = ("error", "warn", "fork")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a run is to be entered; see `Store.run`.

    Attributes:
        attempts_max: how often it is tried before it counts as failed.
        backoff_seconds: after how long it is tried again; twice as long each time.
    """

    run_id: str
    input: Any = GIVEN_NOTHING
    name: str = ""
    fork: str | None = None
    before_step: int | None = None
    merge: str = ""
    parent: str = ""
    lease: Duration = LEASE_SECONDS
    replay: bool = True
    on_change: str = "error"
    attempts_max: int = 1
    backoff_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Raise InvalidValue if a part of it can be none."""
        check_run_id(self.run_id)
        if self.on_change not in ON_CHANGE:
            raise InvalidValue(f"on_change is one of {', '.join(ON_CHANGE)}, not {self.on_change!r}")
        if self.before_step is not None and self.fork is None:
            raise InvalidValue("before_step says where a fork begins; say of which run: fork=…")
        if self.fork is not None:
            check_run_id(self.fork)
        given_merge: object = self.merge
        if not isinstance(given_merge, str):
            raise InvalidValue(f"merge is the name of a branch, not {given_merge!r}")
        given: object = self.before_step
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
            raise InvalidValue(f"before_step is the number of a step, from 1, not {given!r}")


def check_run_id(run_id: object) -> str:
    """Return the id of a run. Raises InvalidValue if it can be none."""
    check_name(run_id, "run")
    assert isinstance(run_id, str)
    check_name(branch_of_run(run_id), "branch")
    return run_id
