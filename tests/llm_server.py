"""A server that speaks the OpenAI API of chats on loopback, and plays a script."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai

Answer = dict[str, Any] | int
"""The message of an assistant; or a status, such as 429."""

CLIENTS: list[openai.OpenAI] = []
"""Those that are open."""

Script = Callable[[dict[str, Any]], Answer]
"""Returns what is answered to a request."""


class Model:
    """A model that answers as its script says.

    Attributes:
        requests: what was asked, in order.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        model = self

        class Handler(BaseHTTPRequestHandler):
            """Answers."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(request)
                answer = model.script(request)
                if isinstance(answer, int):
                    self._send(answer, {"error": {"message": f"status {answer}", "type": "script"}})
                elif self.path.endswith("/responses"):
                    self._send(200, model._response(request, answer))
                else:
                    self._send(200, model._completion(request, answer))

            def _send(self, status: int, body: dict[str, Any]) -> None:
                said = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - that of the base
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _completion(self, request: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_700_000_000,
            "model": request["model"],
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": None, **message},
                "finish_reason": "tool_calls" if message.get("tool_calls") else "stop", "logprobs": None,
            }],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }  # fmt: skip

    def _response(self, request: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        """Return the same as the Responses API has it; a model that thinks says so, too."""
        number = next(self._numbers)
        output: list[dict[str, Any]] = [
            {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": f"thought {number}"}
        ]
        if message.get("content"):
            text = {"type": "output_text", "text": message["content"], "annotations": []}
            output.append(
                {
                    "type": "message",
                    "id": f"msg_{number}",
                    "role": "assistant",
                    "status": "completed",
                    "content": [text],
                }
            )
        for at, call in enumerate(message.get("tool_calls") or []):
            called = {"call_id": call["id"], **call["function"]}
            output.append({"type": "function_call", "id": f"fc_{number}_{at}", "status": "completed", **called})
        return {
            "id": f"resp_{number}", "object": "response", "created_at": 1_700_000_000, "status": "completed",
            "model": request["model"], "output": output, "parallel_tool_calls": True, "tool_choice": "auto",
            "tools": request.get("tools") or [], "usage": {
                "input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
                "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
            },
        }  # fmt: skip

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def playing(script: Script | list[Answer]) -> Iterator[Model]:
    """Serve a script for the block: a function, or answers in their order."""
    answers = iter(script) if isinstance(script, list) else None
    lock = threading.Lock()

    def following(_: dict[str, Any]) -> Answer:
        assert answers is not None
        with lock:
            return next(answers, 418)

    model = Model(script if not isinstance(script, list) else following)
    try:
        yield model
    finally:
        while CLIENTS:  # an open socket would be told of in whatever test comes next
            CLIENTS.pop().close()
        model.close()


def client_of(model: Model, **options: Any) -> openai.OpenAI:
    """Return the real client, which is closed when the model has been played."""
    retries = options.pop("max_retries", 0)
    client = openai.OpenAI(base_url=model.url, api_key="none", max_retries=retries, **options)
    CLIENTS.append(client)
    return client


def says(content: str) -> Answer:
    """Return an answer in words."""
    return {"content": content}


def calls(*called: tuple[str, dict[str, Any] | str], first: int = 1) -> Answer:
    """Return an answer that calls tools."""
    return {
        "tool_calls": [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
            }
            for number, (name, given) in enumerate(called, first)
        ]
    }
