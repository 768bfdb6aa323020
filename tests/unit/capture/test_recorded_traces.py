"""Traces that real agents left are read whole. They are no part of the project: without them these tests skip."""

from collections import Counter
from pathlib import Path

import pytest

from holdfast.capture import read_traces


@pytest.mark.parametrize(
    ("name", "steps", "folder"),
    [
        ("pydicom__pydicom-1458.traj", 12, "/pydicom__pydicom"),
        ("marshmallow-code__marshmallow-1867.traj", 13, "/testbed"),
    ],
)
def test_a_swe_agent_run(traces: Path, name: str, steps: int, folder: str) -> None:
    [trajectory] = read_traces(traces / name)

    assert [step.step for step in trajectory.steps] == list(range(1, steps + 1))
    assert trajectory.steps[-1].tool == "submit"
    assert {step.state["working_dir"] for step in trajectory.steps if step.state} == {folder}
    assert trajectory.metadata["info"]["exit_status"] == "submitted"


def test_a_hundred_conversations(traces: Path) -> None:
    trajectories = list(read_traces(traces / "tau-airline.jsonl"))
    kinds = Counter(step.kind for trajectory in trajectories for step in trajectory.steps)

    assert len({trajectory.run_id for trajectory in trajectories}) == 100
    assert trajectories[0].run_id == "tau-airline/task-0/trial-0"
    assert kinds == {"message": 757 + 657 + 100, "tool_call": 572, "tool_result": 572}
    assert all(step.tool for trajectory in trajectories for step in trajectory.steps if step.kind != "message")
