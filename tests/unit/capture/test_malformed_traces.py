"""A malformed trace is refused with its file, its line, and what is wrong."""

import json
from pathlib import Path

import pytest

from holdfast.capture import read_traces
from holdfast.errors import HoldfastError, InvalidValue, NotFound, Unsupported

GOOD = '{"task_id": 1, "traj": [{"role": "user", "content": "hi"}]}\n'


def refusal(path: Path) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        list(read_traces(path))
    return caught.value


BAD_LINES = {
    "cut-off": ('{"traj": [', "not JSON: Expecting value"),
    "nan": ('{"traj": [], "reward": NaN}', "NaN is not JSON; a missing number is null"),
    "infinity": ('{"traj": [], "reward": -Infinity}', "-Infinity is not JSON"),
    "float-overflow": ('{"traj": [], "reward": 1e999}', "out of range"),
    "surrogate": ('{"traj": [{"role": "user", "content": "a\\ud800b"}]}', "lone surrogate"),
    "nul": ('{"traj": [{"role": "user", "content": "a\\u0000b"}]}', "NUL character"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "array": ("[1, 2]", "a record is an object with its messages, not an array"),
    "number": ("17", "not a number"),
    "no-messages": ('{"dialog": []}', "neither 'traj' nor 'messages', but ['dialog']"),
    "messages-no-array": ('{"traj": {"role": "user"}}', "expected array, got object at traj"),
    "message-no-object": ('{"traj": [3]}', "expected object, got int at traj[0]"),
    "no-role": ('{"traj": [{"content": "hi"}]}', "missing required field role at traj[0]"),
    "role": ('{"traj": [{"role": "robot", "content": "hi"}]}', "invalid enum value 'robot' at traj[0].role"),
    "content": ('{"traj": [{"role": "user", "content": 3}]}', "got int at traj[0].content"),
    "call": ('{"traj": [{"role": "assistant", "tool_calls": [{}]}]}', "field function at traj[0].tool_calls"),
    "task": ('{"traj": [], "task_id": [1]}', "got array at task_id"),
    "tokens": ('{"messages": [{"role": "user", "usage": {"total_tokens": -1}}]}', "at messages[0].usage.total_tokens"),
}


@pytest.mark.parametrize(
    ("line", "reason"),
    BAD_LINES.values(),
    ids=BAD_LINES.keys(),
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(GOOD + "\n" + line + "\n" + GOOD)

    error = refusal(path)

    assert isinstance(error, InvalidValue)
    assert str(error).startswith(f"{path}:3: ")
    assert reason in str(error)


BAD_TRAJECTORIES = {
    "empty": ("", ":1", "the file is empty"),
    "cut-off": ('{\n"trajectory": [\n', ":2", "Expecting value"),
    "nan": ('{"info":"a NaN",\n"cost":\n NaN, "trajectory": []}', ":3", "NaN is not JSON"),
    "surrogate": ('{"a": "\\ud83d\\ude00",\n "b": "\\uDE00"}', ":2", "lone surrogate"),
    "other-json": ("{}", "", "missing required field trajectory"),
    "no-action": ('{"trajectory": [{"observation": ""}]}', "", "field action at trajectory[0]"),
    "action": ('{"trajectory": [{"action": ["ls"]}]}', "", "got array at trajectory[0].action"),
    "state": ('{"trajectory": [{"action": "", "state": 3}]}', "", "at trajectory[0].state"),
    "state-text": ('{"trajectory": [{"action": "", "state": "{"}]}', "", "trajectory[0].state is neither"),
    "state-list": ('{"trajectory": [{"action": "", "state": "[]"}]}', "", "trajectory[0].state is neither"),
    "nul": ('{"trajectory": [{"action": "a\\u0000"}]}', "", "['trajectory'][0]['action']: text with a NUL"),
}


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    BAD_TRAJECTORIES.values(),
    ids=BAD_TRAJECTORIES.keys(),
)
def test_a_bad_trajectory_is_named_by_its_place(tmp_path: Path, text: str, place: str, reason: str) -> None:
    path = tmp_path / "some.traj"
    path.write_text(text)

    error = refusal(path)

    assert isinstance(error, InvalidValue)
    assert str(error).startswith(f"{path}{place}: ")
    assert reason in str(error)


def test_bytes_that_are_not_utf8_are_named_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(GOOD.encode() + b'{"traj": [{"role": "user", "content": "\xff"}]}')

    assert str(refusal(path)) == f"{path}:2: not JSON: byte 0xff is not UTF-8"


def test_a_file_without_a_trajectory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blank.jsonl"
    path.write_text("\n \n")

    assert str(refusal(path)) == f"{path}: holds no trajectory"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    assert isinstance(refusal(tmp_path / "absent.traj"), NotFound)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "folder.traj"
    path.mkdir()

    assert "cannot be read: Is a directory" in str(refusal(path))


def test_an_unknown_ending_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    path.write_text(json.dumps([]))

    error = refusal(path)

    assert isinstance(error, Unsupported)
    assert "jq -c '.[]'" in str(error)
