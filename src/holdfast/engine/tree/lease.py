"""Whose turn it is to write, among the processes that share a store with compare_and_set and without a file.

A record in the store says who has the turn. It is for fairness and to spare work: what keeps a writer from harm is that
the root is compared when it publishes. So no clock has to be trusted either. Who waits takes the turn over when the
record has stood still for `LEASE_SECONDS` by its own count; a holder that was only slow finds out when it publishes.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress

import msgspec

from holdfast.engine.kv.store import KVStore
from holdfast.errors import HoldfastError

TURN_KEY = "hf/turn"
LEASE_SECONDS = 10.0
_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.002, 0.05


class Lease:
    """The turn of this process. `enter` and `leave` alternate.

    Attributes:
        held: what the record says while this process has the turn.
    """

    def __init__(self, store: KVStore, holder: str) -> None:
        self._store = store
        self._holder = holder
        self.held: bytes | None = None
        self._seen: bytes | None = None
        self._since = 0.0

    def enter(self, until: float) -> bool:
        """Wait for the turn; tell whether it came before the moment `until` (of time.monotonic).

        How long a record has stood still is counted over all who wait, however short their patience is.
        """
        pause = _PAUSE_SECONDS_MIN
        while True:
            now = self._store.get(TURN_KEY)
            if now != self._seen:
                self._seen, self._since = now, time.monotonic()
            stale = time.monotonic() - self._since > LEASE_SECONDS
            if (not now or stale) and self._taken(now):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(min(pause * random.uniform(0.5, 1.5), max(until - time.monotonic(), 0)))  # noqa: S311
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)

    def _taken(self, now: bytes | None) -> bool:
        mine = msgspec.msgpack.encode([self._holder, os.urandom(6)])
        if not self._store.compare_and_set(TURN_KEY, now, mine):
            return False
        self.held = mine
        return True

    def leave(self) -> None:
        """Let the next process have its turn, unless one has taken it already.

        If that fails the turn goes stale by itself: what was done in it is done, and its caller is told so.
        """
        held, self.held = self.held, None
        if held is not None:
            with suppress(HoldfastError):
                self._store.compare_and_set(TURN_KEY, held, b"")

    def close(self) -> None:
        """Give back the turn."""
        self.leave()
