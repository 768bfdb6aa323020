"""What a trace holds, whatever its format: trajectories of steps, and the names of their runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["action", "message", "tool_call", "tool_result"]

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.+=:@-]+")


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a trajectory: what was done, and what came back.

    Attributes:
        step: counts from 1 within the trajectory.
        role: who made the step.
        kind: `action` is a deed together with what it showed; the other kinds are messages of a conversation.
        tool: the tool or command that was called or that answered; several are joined by a comma.
        thought: what the assistant said about a deed.
        action: what was done: the command, the calls with their arguments, or the assistant's words.
        observation: what came back: the command's output, a tool's result, or the words of a user or system.
        state: the state that the trace recorded after the step.
        tokens_used: as recorded with the step.
        execution_seconds: as recorded with the step.
        raw: the step as it was recorded.
    """

    step: int
    role: Role
    kind: Kind
    tool: str | None
    thought: str | None
    action: str | None
    observation: str | None
    state: Mapping[str, Any] | None
    tokens_used: int | None
    execution_seconds: float | None
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One recorded run of an agent.

    Attributes:
        run_id: the name of the run, made of the file's name and what the record says of itself.
        source: the name of the file, without its folder.
        line: the line of the file, where a line is a record.
        format: `swe-agent` or `conversation`.
        task, trial, reward: as recorded.
        steps: in order.
        metadata: what was recorded beside the steps.
        fingerprint: SHA-256 of the whole record in canonical form: equal records have equal fingerprints.
    """

    run_id: str
    source: str
    line: int | None
    format: Literal["swe-agent", "conversation"]
    task: str | None
    trial: str | None
    reward: float | None
    steps: tuple[TraceStep, ...]
    metadata: Mapping[str, Any]
    fingerprint: str


def run_name(*parts: str) -> str:
    """Return a run name of the parts, joined by `/`, that can also name a branch; empty parts are left out."""
    split = (piece for part in parts for piece in part.split("/"))
    clean = (_NOT_IN_A_NAME.sub("-", piece) for piece in split)
    return "/".join(piece for piece in clean if piece)
