"""Asking a model by the OpenAI API: what it is sent, and what it said, as plain data."""

# pyright: basic
# (the client may be any that has the same methods)

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.core.flows import is_coroutine_function
from holdfast.errors import InvalidValue

Message = dict[str, Any]
"""As the API has it: role, content, tool_calls, tool_call_id."""


class ChatCompletions:
    """`client.chat.completions`, of the `openai` client or one that is like it."""

    def __init__(self, client: Any, model: str, settings: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._client = client
        self._model = model
        self._settings = dict(settings)

    @property
    def is_async(self) -> bool:
        """Whether the client's answers have to be awaited."""
        return is_coroutine_function(self._client.chat.completions.create)

    def request(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what is sent."""
        asked: dict[str, Any] = {"model": self._model, "messages": list(messages), **self._settings}
        if tools:
            asked["tools"] = list(tools)
        return asked

    def ask(self, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what was said, or what has to be awaited for it
        """Ask the model. The client tries again by itself, with growing pauses, as its `max_retries` says."""
        answer = self._client.chat.completions.create(**request)
        return self._awaited(answer) if inspect.isawaitable(answer) else told(answer)

    async def _awaited(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401
        return told(await answer)


def told(answer: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what a model said, as plain data that is recorded. Raises InvalidValue if it is no answer."""
    choices = getattr(answer, "choices", None)
    if not choices:
        raise InvalidValue(f"the model gave no answer: {str(answer)[:200]}")
    message: Message = choices[0].message.model_dump(mode="json", exclude_none=True)
    message.setdefault("content", None)
    usage = getattr(answer, "usage", None)
    counted = {} if usage is None else {
        "tokens": usage.total_tokens, "input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens
    }  # fmt: skip
    finish = choices[0].finish_reason or "stop"
    return {"message": message, "finish": finish, "usage": counted, "model": str(getattr(answer, "model", ""))}
