"""What a worker of the soak says of its operations, in a file outside the store: the witness.

A line is on the disk before the operation starts, and another after it returned. What lies between the two when the
worker is killed is *in doubt*: its next life looks whether it is there, and says so, too.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Fate(StrEnum):
    """How an operation came out."""

    ACKNOWLEDGED = "acknowledged"
    FOUND = "in doubt, found"
    ABSENT = "in doubt, absent"
    FAILED = "failed"
    DOUBT = "in doubt"


KEPT = (Fate.ACKNOWLEDGED, Fate.FOUND)


@dataclass(slots=True)
class Entry:
    """An operation.

    Attributes:
        name: the worker and a number, unique in the soak.
        kind: what was done: a method of `Worker`.
        branch: where.
        parts: how many rows it inserted.
        target: the operation that it removed, or the tag that it made.
        seconds: how long it took, once it returned.
    """

    name: str
    kind: str
    branch: str
    parts: int = 0
    target: str = ""
    fate: Fate = Fate.DOUBT
    seconds: float = 0.0
    error: str = ""

    @property
    def kept(self) -> bool:
        """Whether it must be there."""
        return self.fate in KEPT


class Ledger:
    """One worker's file, and what it says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: list[Entry] = []
        if path.exists():
            for line in path.read_text().splitlines():
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:  # killed while it wrote: it was not said
            return
        if "kind" in said:
            self.entries.append(Entry(**said))
            return
        last = self.entries[-1]
        assert last.name == said.pop("of"), "one operation at a time"
        self._settle(last, said)

    @staticmethod
    def _settle(entry: Entry, said: dict[str, Any]) -> None:
        entry.fate = Fate(said["fate"])
        entry.seconds = said.get("seconds", 0.0)
        entry.error = said.get("error", "")

    @property
    def doubtful(self) -> Entry | None:
        """The operation that no outcome is known of. There is one at most."""
        return self.entries[-1] if self.entries and self.entries[-1].fate is Fate.DOUBT else None

    def intend(self, entry: Entry) -> None:
        """Say that an operation starts."""
        self.entries.append(entry)
        facts = {name: getattr(entry, name) for name in ("name", "kind", "branch", "parts", "target")}
        self._say(facts)

    def settle(self, fate: Fate, seconds: float = 0.0, error: str = "") -> None:
        """Say how the last operation came out."""
        said = {"of": self.entries[-1].name, "fate": fate, "seconds": seconds, "error": error}
        self._say(said)
        self._settle(self.entries[-1], said)

    def _say(self, said: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            whole = file.tell() == 0 or self._path.read_bytes().endswith(b"\n")
            file.write((b"" if whole else b"\n") + json.dumps(said).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def rows_of(self, branch: str) -> list[Entry]:
        """Return the operations that inserted rows on a branch and are kept, but for those that were removed again."""
        removed = {entry.target for entry in self.entries if entry.kind == "remove" and entry.kept}
        return [
            entry
            for entry in self.entries
            if entry.branch == branch and entry.parts and entry.kept and entry.name not in removed
        ]

    def since(self, kind: str, entries: list[Entry]) -> list[Entry]:
        """Return those of `entries` that are younger than the last kept operation of a kind."""
        marks = [at for at, entry in enumerate(self.entries) if entry.kind == kind and entry.kept]
        young = {entry.name for entry in self.entries[marks[-1] + 1 if marks else 0 :]}
        return [entry for entry in entries if entry.name in young]
