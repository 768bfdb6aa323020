"""What a store is opened with, by the kind of its engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast import Disk, Memory
from tests import postgresql, valkey_server


def source_of(kind: str, folder: Path) -> Any:
    """Return what opens a store that is not there yet: a file or a folder within `folder`, or a server's workspace."""
    made: dict[str, Callable[[], Any]] = {
        "file": lambda: folder / "s.db",
        "memory": Memory,
        "folder": lambda: Disk(folder / "s"),
        "postgres": postgresql.fresh_url,
        "valkey": valkey_server.fresh_url,
    }
    return made[kind]()
