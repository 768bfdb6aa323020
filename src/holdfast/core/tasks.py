"""Which asyncio task runs, without importing asyncio, which takes longer than all of the rest."""

from __future__ import annotations

import sys


def current_task() -> object:
    """Return the running asyncio task, or None."""
    asyncio = sys.modules.get("asyncio")  # who has not imported it runs none
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:  # no loop runs in this thread
        return None
