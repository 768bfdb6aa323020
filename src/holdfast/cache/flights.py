"""One call for all who ask the same at the same time, in this process.

The first who asks calls the tool, and others wait for what comes of it. Across processes a lease does the same
(calls.py); here nobody has to ask the store whether it is there yet.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from holdfast.cache.entries import Answer, Use
from holdfast.engine.contract import Engine, Session
from holdfast.engine.leases.heart import Heart

Outcome = Answer | Exception | None
"""What came of a call: an answer, what it raised, or nothing, because who called was stopped."""


class Shared:
    """What all caches over one engine have in common. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._flights: dict[str, Future[Outcome]] = {}
        self._free: list[Session] = []
        self._uses: dict[str, Use] = {}
        self.read_only = engine.read_only
        self.heart = Heart(engine.session)

    # Flights

    def join(self, digest: str) -> tuple[Future[Outcome], bool]:
        """Return the call that answers a question, and whether it is the caller's to make."""
        with self._lock:
            flying = self._flights.get(digest)
            if flying is not None:
                return flying, False
            mine = self._flights[digest] = Future[Outcome]()
            return mine, True

    def land(self, digest: str, outcome: Outcome) -> None:
        """Tell all who wait what came of a call."""
        with self._lock:
            flying = self._flights.pop(digest)
        flying.set_result(outcome)

    # Connections

    def session(self) -> Session:
        """Return a connection that nobody else uses until it is given back."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return self._engine.session()

    def give_back(self, session: Session) -> None:
        """Let others use a connection."""
        with self._lock:
            self._free.append(session)

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


_MAKING = threading.Lock()


def shared_by(engine: Engine) -> Shared:
    """Return what the caches over an engine share."""
    with _MAKING:
        found: Shared | None = engine.beside.get(Shared)
        if found is None:
            found = engine.beside[Shared] = Shared(engine)
        return found
