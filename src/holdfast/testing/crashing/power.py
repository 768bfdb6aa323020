"""What a file would hold if the power failed now.

The model: what was synced is there. Of what was written later, each sector of 512 bytes may be there or not,
whatever the order of the writes; of a truncation, all or nothing. A file that was never synced may be missing.
What it leaves out: sectors that hold garbage, and names that were removed without a sync and come back.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

SECTOR_BYTES = 512
KEPT = (0.0, 0.0, 0.5, 0.9, 1.0)
"""How likely a sector that was not synced is there: a failure of power chooses one. Twice none: the hardest case."""


class Unsynced:
    """One file's synced content, and what was written to it since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._synced: bytearray | None = bytearray(path.read_bytes())
        except FileNotFoundError:
            self._synced = None
        self._later: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, content: bytes) -> None:
        """Note bytes that were written."""
        self._later.append((offset, bytes(content)))

    def truncate(self, size: int) -> None:
        """Note that the file was cut to `size` bytes."""
        self._later.append((size, None))

    def sync(self) -> None:
        """Note that all of it is on the disk now."""
        self._synced = bytearray() if self._synced is None else self._synced
        for offset, content in self._later:
            _apply(self._synced, offset, content)
        self._later.clear()

    def lose(self, choose: random.Random, kept: float | None = None) -> None:
        """Leave in the file what a failure of power leaves.

        Args:
            choose: which sectors.
            kept: how likely each of them is there; None: one of `KEPT`.
        """
        kept = choose.choice(KEPT) if kept is None else kept
        if self._synced is None and choose.random() >= kept:
            self._path.unlink(missing_ok=True)
            return
        left = bytearray(self._synced or b"")
        for offset, content in self._later:
            if content is None:
                if choose.random() < kept:
                    _apply(left, offset, None)
                continue
            for start, piece in _sectors(offset, content):
                if choose.random() < kept:
                    _apply(left, start, piece)
        self._path.write_bytes(left)


def _apply(image: bytearray, offset: int, content: bytes | None) -> None:
    if content is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(content)] = content


def _sectors(offset: int, content: bytes) -> list[tuple[int, bytes]]:
    """Cut a write where the disk's sectors begin."""
    cuts = [0, *range(SECTOR_BYTES - offset % SECTOR_BYTES, len(content), SECTOR_BYTES), len(content)]
    return [(offset + low, content[low:high]) for low, high in itertools.pairwise(cuts)]
