"""kvgit: a versioned key-value store, in diskcache. Its commits wait for no disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import kvgit

from bench.peers import serve
from bench.workload import Works


class Kept:
    """A worktree, which has to be told of changes in place."""

    def __init__(self, folder: Path) -> None:
        self._tree: Any = kvgit.open("disk", path=str(folder))

    def get(self, key: str) -> Any:  # noqa: ANN401
        return self._tree[key]

    def set(self, key: str, value: object) -> None:
        self._tree[key] = value

    def changed(self, key: str, value: object) -> None:
        self._tree[key] = value

    def commit(self) -> None:
        self._tree.commit()

    def close(self) -> None:
        self._tree.repo.close()


serve(Works(Kept, Path(sys.argv[1]), int(sys.argv[2])).works)
