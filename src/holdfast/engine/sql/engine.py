"""What engines on a database with SQL have in common: options, and sessions that end with the engine."""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

from holdfast.core.clock import Clock, Ids
from holdfast.engine.sql.session import SqlSession
from holdfast.errors import StoreClosed


class Options(Protocol):
    """What of the options of a store is asked for here."""

    @property
    def timeout(self) -> float:
        """Seconds to wait for another writer."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether nothing is ever written."""
        ...


OptionsT = TypeVar("OptionsT", bound=Options)
SessionT = TypeVar("SessionT", bound=SqlSession)


class SqlEngine(ABC, Generic[OptionsT, SessionT]):
    """A store in a database."""

    def __init__(self, url: str, options: OptionsT, clock: Clock, ids: Ids) -> None:
        self.url = url
        self._options = options
        self._clock = clock
        self._ids = ids
        self._opening = threading.Lock()  # guards what follows
        self._shared: SessionT | None = None
        self._closed = False
        self.beside: dict[type[Any], Any] = {}
        self._sessions: weakref.WeakSet[SessionT] = weakref.WeakSet()

    @abstractmethod
    def _connected(self, *, shared: bool) -> SessionT:
        """Return another connection; if `shared`, one on which callers write for each other. Raises StoreClosed."""

    @property
    def read_only(self) -> bool:
        """Whether the store was opened to be read only."""
        return self._options.read_only

    @property
    def timeout(self) -> float:
        """Seconds that a caller waits for others."""
        return self._options.timeout

    can_tell = False

    def tell(self) -> None:
        """Do nothing: others hear of commits alone."""

    def session(self) -> SessionT:
        """Open another connection. Raises StoreClosed."""
        return self._session(shared=False)

    def _session(self, *, shared: bool) -> SessionT:
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        session = self._connected(shared=shared)
        self._sessions.add(session)
        if self._closed:  # by another thread, which did not see this one
            session.close()
            raise StoreClosed("the store is closed; connect again")
        return session

    def _shared_session(self) -> SessionT:
        """Return the session on which callers write for each other."""
        with self._opening:
            if self._shared is None:
                self._shared = self._session(shared=True)
            return self._shared

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        self._closed = True
        for session in list(self._sessions):
            session.close()
