"""agex: the state of its agents, in diskcache, while it had one of its own. Its commits wait for no disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from agex.state import Versioned
from agex.state.kv import Disk

from bench.peers import serve
from bench.workload import Works

SIZE_MAX = 100_000_000_000
"""More than is written here: what comes first would be dropped."""

heads: dict[Path, str] = {}
"""It has no branches: whoever uses it keeps the newest commit's hash."""


class Kept:
    """A state, which finds changes in place itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = Disk(str(folder), size_limit=SIZE_MAX)
        self._state: Any = Versioned(self._disk, heads.get(folder))

    def get(self, key: str) -> Any:  # noqa: ANN401
        return self._state.get(key)

    def set(self, key: str, value: object) -> None:
        self._state.set(key, value)

    def changed(self, key: str, value: object) -> None:
        pass

    def commit(self) -> None:
        heads[self._folder] = self._state.snapshot().commit_hash

    def close(self) -> None:
        self._disk.store.close()


serve(Works(Kept, Path(sys.argv[1]), int(sys.argv[2])).works)
