"""The lock of values that tell their changes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any


class Edits:
    """The lock of values that tell their changes; it counts how often it was taken to change one."""

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self.count = 0

    def __enter__(self) -> None:
        """Take the lock, to change something."""
        self._lock.__enter__()
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._lock.__exit__(kind, error, trace)
