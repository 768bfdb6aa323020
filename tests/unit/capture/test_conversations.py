"""Each message of an OpenAI-format conversation becomes a step, each conversation a run."""

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.capture import TraceStep, Trajectory, read_traces

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_user", "arguments": '{"id":7}'}}


def read(folder: Path, *records: dict[str, Any], name: str = "chat.jsonl") -> list[Trajectory]:
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return list(read_traces(path))


def steps(folder: Path, *messages: dict[str, Any]) -> tuple[TraceStep, ...]:
    [trajectory] = read(folder, {"messages": messages})
    return trajectory.steps


def test_what_the_assistant_says_is_an_action(tmp_path: Path) -> None:
    [step] = steps(tmp_path, {"role": "assistant", "content": "Which flight?"})

    assert (step.role, step.kind, step.action, step.observation) == ("assistant", "message", "Which flight?", None)


@pytest.mark.parametrize(("role", "kept"), [("user", "user"), ("system", "system"), ("developer", "system")])
def test_what_others_say_is_an_observation(tmp_path: Path, role: str, kept: str) -> None:
    [step] = steps(tmp_path, {"role": role, "content": "Hello"})

    assert (step.role, step.kind, step.action, step.observation) == (kept, "message", None, "Hello")


def test_a_tool_call_is_an_action_and_the_words_beside_it_its_thought(tmp_path: Path) -> None:
    [step] = steps(tmp_path, {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]})

    assert (step.kind, step.tool, step.thought, step.action) == (
        "tool_call",
        "get_user",
        "Let me look.",
        'get_user({"id":7})',
    )


def test_parallel_calls_are_one_step(tmp_path: Path) -> None:
    other = {"id": "call_2", "function": {"name": "get_order", "arguments": {"order": 1}}}

    [step] = steps(tmp_path, {"role": "assistant", "tool_calls": [CALL, other]})

    assert (step.tool, step.action) == ("get_user, get_order", 'get_user({"id":7})\nget_order({"order":1})')


def test_a_tool_result_knows_its_tool_by_the_id_of_its_call(tmp_path: Path) -> None:
    _, step = steps(
        tmp_path,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "{}"},
    )

    assert (step.step, step.kind, step.tool, step.observation) == (2, "tool_result", "get_user", "{}")


def test_the_older_function_messages_are_calls_and_results(tmp_path: Path) -> None:
    call, result = steps(
        tmp_path,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    )

    assert (call.kind, call.action) == ("tool_call", "f({})")
    assert (result.role, result.kind, result.tool) == ("tool", "tool_result", "f")


def test_parts_of_content_are_joined_and_those_without_words_named(tmp_path: Path) -> None:
    [step] = steps(
        tmp_path,
        {
            "role": "user",
            "content": [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
    )

    assert step.observation == "See:\n[image_url]"


def test_a_refusal_is_what_the_assistant_said(tmp_path: Path) -> None:
    [step] = steps(tmp_path, {"role": "assistant", "content": None, "refusal": "I cannot."})

    assert step.action == "I cannot."


def test_the_tokens_of_a_message_are_kept(tmp_path: Path) -> None:
    [step] = steps(tmp_path, {"role": "assistant", "content": "", "usage": {"prompt_tokens": 9, "total_tokens": 12}})

    assert step.tokens_used == 12


def test_raw_is_the_message_as_it_was(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL], "audio": {"id": "x"}}

    [step] = steps(tmp_path, message)

    assert step.raw == message


@pytest.mark.parametrize(
    ("about", "run_id"),
    [
        ({"task_id": 3, "trial": 1}, "chat/task-3/trial-1"),
        ({"task_id": "3"}, "chat/task-3"),
        ({"task_id": "django__django-1", "trial": "b"}, "chat/django__django-1/b"),
        ({"id": "conv_9"}, "chat/conv_9"),
        ({"run_id": "nightly/7"}, "nightly/7"),
        ({"run_id": " büro / 7 "}, "-b-ro-/-7-"),
        ({}, "chat/line-1"),
    ],
)
def test_the_run_is_named_after_the_record(tmp_path: Path, about: dict[str, Any], run_id: str) -> None:
    [trajectory] = read(tmp_path, {**about, "messages": []})

    assert trajectory.run_id == run_id


def test_a_second_record_of_the_same_name_is_told_apart_by_its_line(tmp_path: Path) -> None:
    same = {"task_id": 1, "messages": []}

    assert [trajectory.run_id for trajectory in read(tmp_path, same, same)] == ["chat/task-1", "chat/task-1/line-2"]


def test_task_trial_and_reward_are_kept_and_the_rest_is_metadata(tmp_path: Path) -> None:
    [trajectory] = read(tmp_path, {"task_id": 3, "trial": 1, "reward": 1, "info": {"cost": 2}, "traj": []})

    assert (trajectory.task, trajectory.trial, trajectory.reward) == ("3", "1", 1.0)
    assert trajectory.metadata == {"task_id": 3, "trial": 1, "reward": 1, "info": {"cost": 2}}


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "windows.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"messages": []}\r\n\r\n{"messages": []}\r\n')

    assert [(trajectory.run_id, trajectory.line) for trajectory in read_traces(path)] == [
        ("windows/line-1", 1),
        ("windows/line-3", 3),
    ]


def test_a_file_is_read_one_record_at_a_time(tmp_path: Path) -> None:
    """The first record is there before the bad one after it is met."""
    path = tmp_path / "long.jsonl"
    path.write_text('{"messages": []}\nnonsense\n')

    assert next(read_traces(path)).run_id == "long/line-1"
