"""Asking a model by the OpenAI API: what it is sent, and what it said, as plain data.

What is recorded is in the form of chat completions, by whichever of its two APIs a model is asked: a run may go on with
the other one.
"""

# pyright: basic
# (the client may be any that has the same methods)

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.core.flows import is_coroutine_function
from holdfast.errors import InvalidValue

Message = dict[str, Any]
"""As chat completions have it: role, content, tool_calls, tool_call_id."""

SAID = "items"
"""What a message of the Responses API has beside: its items as they came, which the model wants back."""


class Api(ABC):
    """One of the ways to ask a model.

    Args:
        settings: whatever else is sent with each request.
        answer: the JSON Schema of what it is to answer in the end; None for text.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401
        model: str,
        settings: Mapping[str, Any],
        answer: Mapping[str, Any] | None,
    ) -> None:
        self._client = client
        self._model = model
        self._settings = dict(settings)
        if answer is not None:
            self._expect({"name": "answer", "schema": dict(answer)})

    @property
    def is_async(self) -> bool:
        """Whether the client's answers have to be awaited."""
        return is_coroutine_function(self._method)

    def ask(self, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what was said, or what has to be awaited for it
        """Ask the model. The client tries again by itself, with growing pauses, as its `max_retries` says."""
        answer = self._method(**request)
        return self._awaited(answer) if inspect.isawaitable(answer) else self.told(answer)

    async def _awaited(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401
        return self.told(await answer)

    @property
    @abstractmethod
    def _method(self) -> Callable[..., Any]:
        """What is called with a request."""

    @abstractmethod
    def _expect(self, answer: dict[str, Any]) -> None:
        """Let the model know the schema of the answer."""

    @abstractmethod
    def request(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what is sent."""

    @abstractmethod
    def told(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return what a model said, as plain data that is recorded. Raises InvalidValue if it is no answer."""


class ChatCompletions(Api):
    """`client.chat.completions`, of the `openai` client or one that is like it."""

    @property
    def _method(self) -> Callable[..., Any]:
        method: Callable[..., Any] = self._client.chat.completions.create
        return method

    def _expect(self, answer: dict[str, Any]) -> None:
        self._settings.setdefault("response_format", {"type": "json_schema", "json_schema": answer})

    def request(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what is sent."""
        plain = [{name: value for name, value in message.items() if name != SAID} for message in messages]
        asked: dict[str, Any] = {"model": self._model, "messages": plain, **self._settings}
        if tools:
            asked["tools"] = list(tools)
        return asked

    def told(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return what a model said. Raises InvalidValue if it is no answer."""
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


class Responses(Api):
    """`client.responses`, of the `openai` client or one that is like it.

    All that was said is sent each time, and the server is asked to keep nothing (`store=False`): a run depends on no
    other store than its own. What a model thought comes back to it encrypted.
    """

    @property
    def _method(self) -> Callable[..., Any]:
        method: Callable[..., Any] = self._client.responses.create
        return method

    def _expect(self, answer: dict[str, Any]) -> None:
        self._settings.setdefault("text", {"format": {"type": "json_schema", **answer}})

    def request(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what is sent."""
        said = [item for message in messages for item in _items(message)]
        asked: dict[str, Any] = {
            "model": self._model,
            "input": said,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            **self._settings,
        }
        if tools:
            asked["tools"] = [{"type": "function", "strict": False, **tool["function"]} for tool in tools]
        return asked

    def told(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return what a model said. Raises InvalidValue if it is no answer."""
        error = getattr(answer, "error", None)
        output = getattr(answer, "output", None)
        if error is not None or not output:
            raise InvalidValue(f"the model gave no answer: {str(error or answer)[:200]}")
        items = [item.model_dump(mode="json", exclude_none=True) for item in output]
        texts = [_text_of(item) for item in items if item["type"] == "message"]
        calls = [
            {
                "id": item["call_id"],
                "type": "function",
                "function": {name: item[name] for name in ("name", "arguments")},
            }
            for item in items
            if item["type"] == "function_call"
        ]
        message: Message = {"role": "assistant", "content": "".join(texts) if texts else None, SAID: items}
        if calls:
            message["tool_calls"] = calls
        usage = getattr(answer, "usage", None)
        counted = {} if usage is None else {
            "tokens": usage.total_tokens, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens
        }  # fmt: skip
        finish = "tool_calls" if calls else str(getattr(answer, "status", None) or "stop")
        return {"message": message, "finish": finish, "usage": counted, "model": str(getattr(answer, "model", ""))}


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield what a message is in the input of the Responses API."""
    if SAID in message:
        yield from message[SAID]
        return
    if message["role"] == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
        return
    if message.get("content"):
        yield {"role": message["role"], "content": message["content"]}
    for call in message.get("tool_calls") or []:
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _text_of(item: Mapping[str, Any]) -> str:
    """Return the text of a message that a model said, or why it said none."""
    return "".join(str(part.get("text") or part.get("refusal") or "") for part in item["content"])


APIS: dict[str, type[Api]] = {"chat": ChatCompletions, "responses": Responses}
"""The ways to ask a model, by their names."""
