"""Other systems, each in a process of its own: one takes over the process's SQLite, another brings threads of its own.

A peer's module is run with a folder and numbers of rows. It says which works it can do, then does one whenever it is
asked, and answers with the seconds that it took, and the bytes that it wrote.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Took, written_bytes

CALLS_SECONDS_MAX = 0.02
"""After so long no further call in a row is made."""

Work = Callable[[int], object]


class Peer:
    """Another system, and what it can do."""

    def __init__(self, name: str, folder: Path, *arguments: object) -> None:
        self.name = name
        folder.mkdir()
        self.child = subprocess.Popen(
            [sys.executable, "-m", f"bench.peers.{name}", str(folder), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout
        said = self.child.stdout.readline()
        self.works: list[str]
        self.works, self.bytes_of_row = json.loads(said) if said else ([], 0)
        if not said:
            _, error = self.child.communicate()
            print(f"\n{name} is left out: {(error.strip().splitlines() or ['it ended'])[-1]}", flush=True)

    def asked(self, work: str) -> dict[str, Asked]:
        """Return the peer as a contestant for a work, if it can do it."""
        return {self.name: Asked(self, work)} if work in self.works else {}

    def close(self) -> None:
        """Let it end, as it does where its input ends."""
        if self.child.poll() is None:
            self.child.communicate()


@dataclass(frozen=True)
class Asked:
    """A work of a peer."""

    peer: Peer
    work: str

    def took(self, number: int, calls: int) -> Took:
        child = self.peer.child
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps([self.work, number, calls]) + "\n")
        child.stdin.flush()
        said = child.stdout.readline()
        if not said:
            raise RuntimeError(f"{self.peer.name} ended at {self.work} {number}: {child.communicate()[1]}")
        return Took(*json.loads(said))


def serve(works: Mapping[str, Work | tuple[Work, Work]], bytes_of_row: float = 0) -> None:
    """Do what is asked on the standard input; of a pair the first is preparation, which is not counted."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no answer
    print(json.dumps([list(works), bytes_of_row]), file=answers, flush=True)
    for line in sys.stdin:
        work, number, calls = json.loads(line)
        asked = works[work]
        prepare, step = asked if isinstance(asked, tuple) else (None, asked)
        if prepare is not None:
            prepare(number)
        written, start, done, elapsed = written_bytes(), time.perf_counter(), 0, 0.0
        while done < calls and elapsed < CALLS_SECONDS_MAX:
            step(number)
            done, elapsed = done + 1, time.perf_counter() - start
        found = Took(elapsed / done, 0.0, (written_bytes() - written) / done)
        print(json.dumps(found), file=answers, flush=True)
