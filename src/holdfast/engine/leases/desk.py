"""What all who work through one engine in this process share: spare connections, and the thread that renews leases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from holdfast.engine.contract import Engine, Session
from holdfast.engine.leases.heart import Heart

_FREE_MAX = 8
"""So many connections are kept for the next who ask."""

T = TypeVar("T")


class Desk:
    """Connections that are lent, and leases that are kept. Threads may share it.

    Attributes:
        engine: where the connections lead.
        heart: renews leases.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.heart = Heart(engine.session)
        self._lock = threading.Lock()
        self._free: list[Session] = []

    @contextmanager
    def session(self) -> Generator[Session]:
        """Lend a connection for the block, which nobody else uses meanwhile."""
        with self._lock:
            session = self._free.pop() if self._free else None
        session = session or self.engine.session()
        sound = True
        try:
            yield session
        except BaseException as error:
            sound = isinstance(error, Exception)  # else it may have been left in the middle of something
            raise
        finally:
            self._take_back(session, sound=sound)

    def _take_back(self, session: Session, *, sound: bool) -> None:
        with self._lock:
            if sound and len(self._free) < _FREE_MAX:
                self._free.append(session)
                return
        session.close()


_MAKING = threading.RLock()


def beside(engine: Engine, kind: type[T], make: Callable[[], T]) -> T:
    """Return what all who use an engine share of a kind; it is made when it is first asked for."""
    with _MAKING:
        found: T | None = engine.beside.get(kind)
        if found is None:
            found = engine.beside[kind] = make()
        return found


def desk_of(engine: Engine) -> Desk:
    """Return the desk of an engine."""
    return beside(engine, Desk, lambda: Desk(engine))
