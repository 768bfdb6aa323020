"""One call for all who ask the same at the same time, in this process.

The first who asks calls the tool, and others wait for what comes of it. Across processes a lease does the same
(calls.py); here nobody has to ask the store whether it is there yet.

Who leads a call may be stopped anywhere, by Ctrl-C, too. So a flight ends with the token that its leader holds: when
that is gone, and nothing was told, those who wait go on by themselves.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import Future
from typing import NamedTuple

from holdfast.cache.entries import Answer, Use
from holdfast.engine.contract import Engine, Session
from holdfast.engine.leases.desk import beside, desk_of
from holdfast.engine.leases.owners import myself

Outcome = Answer | Exception | None
"""What came of a call: an answer, what the tool raised, or nothing, because who called it was stopped."""


class Token:
    """What the leader of a call holds for as long as it leads."""

    __slots__ = ("__weakref__",)


class Flight:
    """A call that is under way.

    Attributes:
        landed: done when it is known what came of it.
        waits_for: the question that its tool waits for, if it asks another one.
    """

    def __init__(self) -> None:
        self.landed: Future[Outcome] = Future()
        self.waits_for: str | None = None


class Shared:
    """What all caches over one engine have in common. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self.desk = desk_of(engine)
        self._lock = threading.RLock()  # a token may end anywhere, also where it is held
        self._flights: dict[str, Flight] = {}
        self._uses: dict[str, Use] = {}
        self._latest_us = 0
        self.read_only = engine.read_only
        self.owner = myself()  # of all leases: that one call is made at a time in this process is seen to here

    def times_us(self, session: Session) -> tuple[int, int]:
        """Return the time, and the latest that was seen here, by which nothing that has expired comes back."""
        now_us = session.clock.now_us()
        with self._lock:
            self._latest_us = max(self._latest_us, now_us)
            return now_us, self._latest_us

    # Flights

    def join(self, digest: str, token: Token) -> Flight | None:
        """Return the call that answers a question, or None: then it is the caller's, as long as it has `token`."""
        with self._lock:
            flying = self._flights.get(digest)
            if flying is None:
                mine = self._flights[digest] = Flight()
                weakref.finalize(token, self._land, digest, mine, None).atexit = False
            return flying

    def land(self, digest: str, outcome: Outcome) -> None:
        """Tell all who wait what came of a call. Idempotent."""
        with self._lock:
            flying = self._flights.get(digest)
        if flying is not None:
            self._land(digest, flying, outcome)

    def _land(self, digest: str, flight: Flight, outcome: Outcome) -> None:
        with self._lock:
            if flight.landed.done():
                return
            if self._flights.get(digest) is flight:
                del self._flights[digest]
            flight.landed.set_result(outcome)

    def would_wait_for_itself(self, digest: str, calling: Iterable[str]) -> bool:
        """Tell whether a question waits, perhaps by others, for one that those ask who wait for it; else note that."""
        with self._lock:
            asked = set(calling)
            at: str | None = digest
            while at is not None:
                if at in asked:
                    return True
                at = self._flights[at].waits_for if at in self._flights else None
            for mine in asked & self._flights.keys():
                self._flights[mine].waits_for = digest
            return False

    def waits_no_more(self, calling: Iterable[str]) -> None:
        """Note that those who are being called wait for nothing."""
        with self._lock:
            for mine in set(calling) & self._flights.keys():
                self._flights[mine].waits_for = None

    # Use

    def note(self, tool: str, use: Use) -> None:
        """Count a use, until it is written with something else."""
        with self._lock:
            self._uses.setdefault(tool, Use()).add(use)

    def noted(self) -> dict[str, Use]:
        """Return what was counted, which is to be written now."""
        with self._lock:
            uses, self._uses = self._uses, {}
            return uses


class Elsewhere(NamedTuple):
    """Stands in `Engine.beside` where answers of tools are kept in another store."""

    engine: Engine


def shared_by(engine: Engine) -> Shared:
    """Return what the caches of those who use an engine share: over that engine, or over another."""
    elsewhere: Elsewhere | None = engine.beside.get(Elsewhere)
    keeps = engine if elsewhere is None else elsewhere.engine
    return beside(keeps, Shared, lambda: Shared(keeps))
