"""Searches, as one connection keeps them: what they found, and what they may rely on.

What a search finds goes into `temp.hf_found`, under its number, and the statement that asked is joined with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.engine.contract import Line

if TYPE_CHECKING:  # it brings numpy, which a store without searches does not pay
    from holdfast.engine.kept import Kept

SEARCHES_KEPT = 64
"""Searches of one transaction whose rows stay in temp.hf_found: far more than one statement has."""

FOUND_TABLE = (
    "CREATE TEMP TABLE IF NOT EXISTS hf_found (search INTEGER, vid INTEGER, score REAL, place INTEGER,"
    " PRIMARY KEY (search, vid)) WITHOUT ROWID"
)

COUNT_COLLECTION = (
    "INSERT INTO hf_meta VALUES ('collected', '1')"
    " ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(hf_meta.value AS INTEGER) + 1 AS TEXT)"
)
"""hf_meta counts the transactions that removed, moved or erased committed versions: memories of them end there."""


class Memory:
    """What the sessions of an engine share: `Kept`, made by the first search."""

    def __init__(self) -> None:
        self._kept: Kept | None = None

    def kept(self) -> Kept:
        """Return what is kept in memory."""
        if self._kept is None:
            from holdfast.engine.kept import Kept  # noqa: PLC0415 - see above

            self._kept = Kept()
        return self._kept


class Searches:
    """The searches of one connection.

    Attributes:
        memory: what is shared with the other sessions of the engine.
        before: the lines that the open transaction has written on, by uid, as they were before it. Whatever is beyond
            them may still be taken back.
        collecting: whether the open transaction removes committed versions.
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self.before: dict[str, Line] = {}
        self.collecting = False
        self._number = self._outdated = 0

    def begin(self) -> None:
        """Note that a transaction begins."""
        self.before.clear()
        self.collecting = False
        self._outdated = self._number

    def opened(self, line: Line) -> None:
        """Note that the open transaction begins a commit on a line."""
        self.before.setdefault(line.uid, line)

    def next(self) -> tuple[int, int]:
        """Return the number of another search, and the last one whose rows may go."""
        self._number += 1
        return self._number, max(self._outdated, self._number - SEARCHES_KEPT)
