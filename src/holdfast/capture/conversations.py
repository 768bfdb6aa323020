"""Conversations in the OpenAI chat format: JSON lines, one record with its messages a line.

A record keeps its messages under `traj` (as tau-bench does) or `messages`; whatever else it holds is its metadata.
Each message is a step. What the assistant says or calls is an action; what a tool, a user or the system says is an
observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec

from holdfast.capture.documents import OnBytes, fingerprint, read_lines, typed
from holdfast.capture.trajectory import Role, TraceStep, Trajectory, run_name
from holdfast.errors import InvalidValue

_KEYS = ("traj", "messages")
_ROLES: dict[str, Role] = {"developer": "system", "function": "tool"}
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] = ""


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Usage(msgspec.Struct):
    total_tokens: _Count | None = None


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    usage: _Usage | None = None


class _Record(msgspec.Struct):
    """What a record says of itself. All of it may be missing."""

    run_id: str | None = None
    id: str | int | None = None
    task_id: str | int | None = None
    trial: str | int | None = None
    reward: float | None = None


def read(path: Path, on_bytes: OnBytes) -> Iterator[Trajectory]:
    """Yield the trajectories of a file of JSON lines, one at a time.

    Raises:
        NotFound: there is no such file.
        InvalidValue: a line is not a conversation; the message has the line, and says why.
    """
    names: set[str] = set()
    for line, record in read_lines(path, on_bytes):
        trajectory = _trajectory(record, path, line, names)
        names.add(trajectory.run_id)
        yield trajectory


def _trajectory(record: object, path: Path, line: int, names: set[str]) -> Trajectory:
    where = f"{path}:{line}"
    if not isinstance(record, dict):
        raise InvalidValue(f"{where}: a record is an object with its messages, not {_json_type(record)}")
    record = cast("dict[str, Any]", record)
    key = next((key for key in _KEYS if key in record), None)
    if key is None:
        raise InvalidValue(
            f"{where}: no messages: the record has neither 'traj' nor 'messages', but {sorted(record)[:8]}"
        )
    about = typed(record, _Record, where)
    messages = typed(record[key], list[_Message], where, key)
    raws: list[dict[str, Any]] = record[key]
    name = _name(about, path, line)
    return Trajectory(
        run_id=run_name(name, f"line-{line}") if name in names else name,
        source=path.name,
        line=line,
        format="conversation",
        task=_text(about.task_id),
        trial=_text(about.trial),
        reward=about.reward,
        steps=tuple(_steps(messages, raws)),
        metadata={name: value for name, value in record.items() if name != key},
        fingerprint=fingerprint(record, f"{where}: "),
    )


def _name(about: _Record, path: Path, line: int) -> str:
    """Name the run as the record does; else after its file, and in it by task and trial, by id, or by line."""
    if about.run_id:
        return run_name(about.run_id)
    if about.task_id is not None:
        return run_name(path.stem, _numbered("task", about.task_id), _numbered("trial", about.trial))
    return run_name(path.stem, str(about.id) if about.id is not None else f"line-{line}")


def _numbered(word: str, value: str | int | None) -> str:
    if value is None:
        return ""
    return f"{word}-{value}" if isinstance(value, int) or value.isdigit() else value


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _steps(messages: Sequence[_Message], raws: Sequence[dict[str, Any]]) -> Iterator[TraceStep]:
    called: dict[str, str] = {}
    for number, (message, raw) in enumerate(zip(messages, raws, strict=True), start=1):
        calls = [call.function for call in message.tool_calls or []]
        calls += [message.function_call] if message.function_call else []
        called.update((call.id, call.function.name) for call in message.tool_calls or [] if call.id)
        role = _ROLES.get(message.role) or message.role
        said = _said(message)
        yield TraceStep(
            step=number,
            role=role,  # type: ignore[arg-type]  # the aliases are gone
            kind="tool_call" if calls else "tool_result" if role == "tool" else "message",
            tool=_tool(message, role, [call.name for call in calls], called),
            thought=said if calls else None,
            action=_written(calls) if calls else said if role == "assistant" else None,
            observation=None if role == "assistant" else said,
            state=None,
            tokens_used=message.usage.total_tokens if message.usage else None,
            execution_seconds=None,
            raw=raw,
        )


def _tool(message: _Message, role: str, names: Sequence[str], called: dict[str, str]) -> str | None:
    if names:
        return ", ".join(names)
    if role != "tool":
        return None
    return message.name or called.get(message.tool_call_id or "")


def _written(calls: Sequence[_Function]) -> str:
    def arguments(call: _Function) -> str:
        return call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()

    return "\n".join(f"{call.name}({arguments(call)})" for call in calls)


def _said(message: _Message) -> str | None:
    """Return the words of a message; a part of it that is none stands as its type in brackets."""
    if message.content is None:
        return message.refusal
    if isinstance(message.content, str):
        return message.content
    return "\n".join(_part(part) for part in message.content)


def _part(part: dict[str, Any]) -> str:
    words = part.get("text", part.get("refusal"))
    return words if isinstance(words, str) else f"[{part.get('type', 'part')}]"


def _json_type(value: object) -> str:
    names: dict[type[object], str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
