"""Valkey: a step against one bare function call that stores what it holds, and against the cookbook's five calls.

The server is that of the tests, with `appendfsync always`, so all of them are as durable.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import valkey

import holdfast
from bench.beside import BESIDE, beside
from bench.measure import Budget, Row, compared, in_turns, print_table
from bench.runs import Loop, answer
from bench.workload import KEYS, a_value, exchange
from holdfast import Versioned
from tests.valkey_server import DURABLE, Server

STEPS = 300

FUNCTION = """#!lua name=bare
redis.register_function('bare', function(keys, args)
  redis.call('SET', keys[1], args[1])
  redis.call('SET', keys[2], args[2])
  return 1
end)
"""


class Bare:
    """A connection that keeps what a step holds: by one call, or as the cookbook does."""

    numbers = itertools.count()

    def __init__(self, server: Server) -> None:
        self.client: Any = valkey.Valkey(unix_socket_path=str(server.socket))
        self.client.function_load(FUNCTION, replace=True)

    def close(self) -> None:
        self.client.close()

    def _texts(self) -> tuple[int, bytes, bytes]:
        number = next(self.numbers)
        return number, msgspec.json.encode(exchange(number)), msgspec.json.encode(answer(number))

    def step(self, _: int) -> None:
        """Store it in one call."""
        number, said, found = self._texts()
        self.client.fcall("bare", 2, f"{{bare}}{number}", "{bare}head", said + found, str(number))

    def cookbook(self, _: int) -> None:
        """Store it as the cookbook does: a log entry, an answer with its time, a checkpoint with its time."""
        number, said, found = self._texts()
        self.client.xadd("agent:log:r", {"action": "turn", "details": said, "ts": str(time.time())})
        self.client.set(f"tool:cache:turn:{number}", found)
        self.client.expire(f"tool:cache:turn:{number}", 600)
        checkpoint = {"current_step": str(number), "status": "in_progress", f"result_step_{number}": found}
        self.client.hset("agent:state:r", mapping={**checkpoint, "updated_at": str(time.time())})
        self.client.expire("agent:state:r", 86_400)


def steps(server: Server, times: int) -> Iterator[Row]:
    """Compare a step with a bare call, and with the cookbook's."""
    bare, loop = Bare(server), Loop(holdfast.connect(f"valkey+unix://{server.socket}?workspace=steps"))
    found = in_turns({"ours": loop.step, "bare": bare.step, "cookbook": bare.cookbook}, times)
    loop.close()
    bare.close()
    yield compared("a step of a run on Valkey", found["ours"], "bare FCALL", found["bare"], Budget(most=1.5), {})
    yield compared("a step of a run on Valkey", found["ours"], "the cookbook's five calls", found["cookbook"], None, {})


def many_keys(server: Server, times: int) -> Row:
    """Compare the commit of one key among many with a bare call."""
    bare = Bare(server)
    with Versioned(f"valkey+unix://{server.socket}?workspace=keys") as state:
        state.update({f"key {at}": a_value(at) for at in range(KEYS)})
        state.commit()

        def change(at: int) -> None:
            state[f"key {at % KEYS}"] = a_value(at + 1)
            state.commit()

        found = in_turns({"ours": change, "bare": bare.step}, times)
    bare.close()
    return compared(f"one key among {KEYS:,}", found["ours"], "bare FCALL", found["bare"], None, {})


def measure(*, quick: bool = False) -> Iterator[Row]:
    """Yield the rows of Valkey."""
    server = Server(DURABLE)
    try:
        server.start()
        yield from steps(server, 40 if quick else STEPS)
        for number in BESIDE:
            url = f"valkey+unix://{server.socket}?workspace=beside{number}"
            yield beside(url, lambda: Bare(server), number, quick=quick)
        yield many_keys(server, 20 if quick else 100)
    finally:
        server.close()


def main() -> None:
    """Print the table."""
    print_table("Valkey", list(measure()))
