"""Both shapes of SWE-agent trajectories become the same kind of steps."""

import json
from pathlib import Path
from typing import Any

from holdfast.capture import Trajectory, read_traces

OLD = {
    "action": "edit 1:1\nimport os\nend_of_edit",
    "observation": "[File: a.py (1 lines total)]",
    "response": "First I import os.\n```\nedit 1:1\n```",
    "thought": "First I import os.\n",
    "state": '{"open_file": "a.py", "working_dir": "/repo"}\n',
}
NEW = OLD | {
    "state": {"open_file": "a.py", "working_dir": "/repo"},
    "execution_time": 0.25,
    "messages": [{"role": "system", "content": "long"}],
}


def read_one(folder: Path, *steps: dict[str, Any], **beside: object) -> Trajectory:
    path = folder / "owner__repo-1.traj"
    path.write_text(json.dumps({"trajectory": steps, **beside}))
    [trajectory] = read_traces(path)
    return trajectory


def test_a_step_is_an_action_with_its_observation(tmp_path: Path) -> None:
    [step] = read_one(tmp_path, OLD).steps

    assert step.step == 1
    assert (step.role, step.kind, step.tool) == ("assistant", "action", "edit")
    assert (step.thought, step.action, step.observation) == (OLD["thought"], OLD["action"], OLD["observation"])


def test_state_as_text_and_as_mapping_are_the_same(tmp_path: Path) -> None:
    old, new = read_one(tmp_path, OLD, NEW).steps

    assert old.state == new.state == {"open_file": "a.py", "working_dir": "/repo"}


def test_a_step_without_state_has_none(tmp_path: Path) -> None:
    steps = read_one(tmp_path, {"action": "ls", "state": ""}, {"action": "ls"}, {"action": "ls", "state": None}).steps

    assert [step.state for step in steps] == [None, None, None]


def test_the_execution_time_is_kept(tmp_path: Path) -> None:
    old, new = read_one(tmp_path, OLD, NEW).steps

    assert (old.execution_seconds, new.execution_seconds) == (None, 0.25)


def test_raw_is_the_step_without_the_repeated_conversation(tmp_path: Path) -> None:
    [step] = read_one(tmp_path, NEW).steps

    assert step.raw == {key: value for key, value in NEW.items() if key != "messages"}


def test_what_stands_beside_the_steps_is_metadata(tmp_path: Path) -> None:
    trajectory = read_one(tmp_path, OLD, history=[{"role": "system"}], info={"exit_status": "submitted"})

    assert trajectory.metadata == {"history": [{"role": "system"}], "info": {"exit_status": "submitted"}}


def test_the_run_is_named_after_the_file(tmp_path: Path) -> None:
    trajectory = read_one(tmp_path, OLD)

    assert (trajectory.run_id, trajectory.task, trajectory.source) == (
        "owner__repo-1",
        "owner__repo-1",
        "owner__repo-1.traj",
    )


def test_a_run_that_ended_before_its_first_step_is_a_run(tmp_path: Path) -> None:
    assert read_one(tmp_path, info={"exit_status": "error"}).steps == ()


def test_the_fingerprint_follows_the_content_and_not_its_form(tmp_path: Path) -> None:
    path = tmp_path / "a.traj"
    fingerprints = []
    for text in (json.dumps({"trajectory": [OLD]}), json.dumps({"trajectory": [OLD]}, indent=4), '{"trajectory": []}'):
        path.write_text(text)
        fingerprints += [trajectory.fingerprint for trajectory in read_traces(path)]

    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
