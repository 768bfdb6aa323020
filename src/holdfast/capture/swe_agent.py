"""SWE-agent trajectories: `.traj` files, one JSON document with one run each.

A step is an action with its observation. Older files keep `state` as JSON text, newer ones as a mapping; newer ones
repeat in every step the conversation so far (`messages`), which grows with the square of the steps. `raw` leaves that
out: the file's `history` is kept once, in the trajectory's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from holdfast.capture.documents import OnBytes, fingerprint, read_document, typed
from holdfast.capture.trajectory import TraceStep, Trajectory, run_name
from holdfast.errors import InvalidValue

_REPEATED = "messages"


class _Step(msgspec.Struct):
    action: str
    observation: str | None = None
    thought: str | None = None
    response: str | None = None
    state: dict[str, Any] | str | None = None
    execution_time: float | None = None


class _File(msgspec.Struct):
    trajectory: list[_Step]


def read(path: Path, on_bytes: OnBytes) -> Iterator[Trajectory]:
    """Yield the one trajectory of a `.traj` file.

    Raises:
        NotFound: there is no such file.
        InvalidValue: it is not a trajectory; the message says where and why.
    """
    document = read_document(path, on_bytes)
    steps = typed(document, _File, f"{path}: no SWE-agent trajectory").trajectory
    raws: list[dict[str, Any]] = document["trajectory"]
    yield Trajectory(
        run_id=run_name(path.stem),
        source=path.name,
        line=None,
        format="swe-agent",
        task=path.stem,
        trial=None,
        reward=None,
        steps=tuple(
            _step(number, step, raw, f"{path}: trajectory[{number - 1}]")
            for number, (step, raw) in enumerate(zip(steps, raws, strict=True), start=1)
        ),
        metadata={key: value for key, value in document.items() if key != "trajectory"},
        fingerprint=fingerprint(document, f"{path}: "),
    )


def _step(number: int, step: _Step, raw: dict[str, Any], where: str) -> TraceStep:
    command = step.action.split(maxsplit=1)
    return TraceStep(
        step=number,
        role="assistant",
        kind="action",
        tool=command[0] if command else None,
        thought=step.thought if step.thought is not None else step.response,
        action=step.action,
        observation=step.observation,
        state=_state(step.state, where),
        tokens_used=None,
        execution_seconds=step.execution_time,
        raw={key: value for key, value in raw.items() if key != _REPEATED},
    )


def _state(state: dict[str, Any] | str | None, where: str) -> dict[str, Any] | None:
    if not isinstance(state, str):
        return state
    if not state.strip():
        return None
    try:
        return msgspec.json.decode(state, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidValue(
            f"{where}.state is neither a mapping nor JSON text of one: {error}: {state[:60]!r}"
        ) from error
