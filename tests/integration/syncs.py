"""Counts what is synced to disk, and lets it fail, through a layer below SQLite."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw


class Syncs(Counter[str]):
    """How often files were synced, by the end of their names: "db", "db-wal".

    Attributes:
        failing: whether syncs fail, as on a disk that dies.
    """

    failing = False


@contextmanager
def counted_syncs() -> Iterator[Syncs]:
    """Count the syncs of all SQLite files that are opened in the block."""
    syncs = Syncs()
    below = apsw.vfs_names()[0]

    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            self._kind = str(name.filename() if isinstance(name, apsw.URIFilename) else name).rpartition(".")[2]
            super().__init__(below, name, flags)

        def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
            if syncs.failing:
                raise apsw.IOError
            syncs[self._kind] += 1
            super().xSync(flags)

    class Layer(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("counted", below, makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> File:  # noqa: N802 - SQLite's name
            return File(name, flags)

    layer = Layer()
    try:
        yield syncs
    finally:
        gc.collect()  # what was forgotten is closed through the layer, too
        layer.unregister()
