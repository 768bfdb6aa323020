"""The async twin of `holdfast.copy`."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from typing import TYPE_CHECKING

from holdfast.core.durations import Duration
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.store import copying as plain
from holdfast.versions.copying import Progress
from holdfast.versions.results import Copied

if TYPE_CHECKING:
    from holdfast.engine.kv import KVStore


class _Cancelled(Exception):
    """Nobody waits for the copy any more."""


@functools.wraps(plain.copy)
async def copy(
    source: str | os.PathLike[str] | KVStore,
    target: str | os.PathLike[str] | KVStore,
    *,
    progress: Progress | None = None,
    timeout: Duration = TIMEOUT_SECONDS,  # noqa: ASYNC109 - how long to wait for others, not for the copy
) -> Copied:
    """Copy on a thread, where `progress` is called, too. Cancelled, it stops behind the transaction it is in."""
    cancelled = threading.Event()

    def report(found: Copied) -> None:
        if cancelled.is_set():
            raise _Cancelled
        if progress is not None:
            progress(found)

    work = functools.partial(plain.copy, source, target, progress=report, timeout=timeout)
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        cancelled.set()
        raise
