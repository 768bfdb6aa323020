"""How soon who follows a run sees an event that another process has committed: `make bench ARGS=follow`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import IO

import holdfast
from tests import postgresql, valkey_server

EVENTS = 40
PAUSE_SECONDS = 0.037
"""Between two events: no multiple of how often it is looked."""

WRITER = """
import sys, time, holdfast
url, cache = sys.argv[1], sys.argv[2] or None
with holdfast.connect(url, cache=cache) as db, db.run("r") as run:
    print("begun", flush=True)
    for number in sys.stdin:
        run.step("say", int, number)
        print(repr(time.time()), flush=True)
"""


@contextmanager
def _writing(url: str, cache: str | None) -> Iterator[tuple[IO[str], IO[str]]]:
    """Start a process that does a step for each line; yield where it is told to, and where it says when it was done."""
    code = [sys.executable, "-c", WRITER, url, cache or ""]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        yield writer.stdin, writer.stdout
        writer.stdin.close()


def seen_after(url: str, cache: str | None = None) -> list[float]:
    """Return how many seconds after its commit each event was seen."""
    seen: dict[int, float] = {}
    arrived = threading.Condition()

    def follow() -> None:
        with holdfast.connect(url, cache=cache) as db:
            for event in db.events("r", follow=True, kind="step.done"):
                with arrived:
                    seen[event.data["result"]] = time.time()
                    arrived.notify()

    with _writing(url, cache) as (tell, told):
        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        committed: dict[int, float] = {}
        for number in range(EVENTS):
            time.sleep(PAUSE_SECONDS)
            print(number, file=tell, flush=True)
            committed[number] = float(told.readline())
            with arrived:
                arrived.wait_for(partial(seen.__contains__, number), 60)
    follower.join(60)
    return [seen[number] - at for number, at in committed.items()][1:]  # the first waits for the follower to begin


def main() -> None:
    """Print the table."""
    pooled = "&pooler=transaction"
    with tempfile.TemporaryDirectory() as folder:
        cases = [
            ("a file", str(Path(folder) / "s.db"), None),
            ("Valkey", valkey_server.fresh_url(), None),
            ("PostgreSQL", postgresql.fresh_url(), None),
            ("PostgreSQL as behind a pooler", postgresql.fresh_url() + pooled, None),
            ("the same, and Valkey as the cache", postgresql.fresh_url() + pooled, valkey_server.fresh_url()),
        ]
        floor = 0.0
        print("| record | an event is seen after, median | nine of ten | times as long as in a file |")
        print("|---|--:|--:|--:|")
        for name, url, cache in cases:
            took = seen_after(url, cache)
            floor = floor or median(took)
            nine = quantiles(took, n=10)[-1]
            print(f"| {name} | {1e3 * median(took):.0f} ms | {1e3 * nine:.0f} ms | {median(took) / floor:.1f} |")
