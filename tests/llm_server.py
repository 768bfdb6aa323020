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
        model.close()


def client_of(model: Model, **options: Any) -> openai.OpenAI:
    """Return the real client, which is to be closed."""
    return openai.OpenAI(base_url=model.url, api_key="none", max_retries=options.pop("max_retries", 0), **options)


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
