"""What all who work through one engine in this process share: spare connections, and the thread that renews leases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from holdfast.core.clock import Clock
from holdfast.engine.bell import bell_of
from holdfast.engine.contract import Engine, Reader, Session, Writer
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

    def ring(self) -> None:
        """Tell those who follow by another store that somebody committed, if there is one."""
        bell = bell_of(self.engine.beside)
        if bell is not None:
            bell.ring()

    def _take_back(self, session: Session, *, sound: bool) -> None:
        with self._lock:
            if sound and len(self._free) < _FREE_MAX:
                self._free.append(session)
                return
        session.close()


class Lent:
    """A `Session` that borrows a connection for each call, so that many may have one. Threads may share it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._held = threading.local()

    @contextmanager
    def _session(self) -> Generator[Session]:
        held: Session | None = getattr(self._held, "session", None)
        if held is not None:  # inside a block of this thread
            yield held
            return
        with self._desk.session() as session:
            self._held.session = session
            try:
                yield session
            finally:
                self._held.session = None

    @property
    def has_sql(self) -> bool:
        """Whether readers and writers are `SqlReader` and `SqlWriter`."""
        with self._session() as session:
            return session.has_sql

    @property
    def clock(self) -> Clock:
        """Where commits get their time."""
        with self._session() as session:
            return session.clock

    @contextmanager
    def read(self) -> Generator[Reader]:
        """Return a consistent snapshot, for the length of the block; inside another block, that one's."""
        with self._session() as session, session.read() as reader:
            yield reader

    def read_once(self, work: Callable[[Any], T]) -> T:
        """Return what `work` makes of a consistent snapshot; it may be called again, with another one."""
        with self._session() as session:
            return session.read_once(work)

    @contextmanager
    def write(self, *, alone: bool = False) -> Generator[Writer]:
        """Return a writer whose work lands when the block ends, or not at all if it raises."""
        with self._session() as session, session.write(alone=alone) as writer:
            yield writer
        self._desk.ring()

    def write_together(self, work: Callable[[Any], T]) -> T:
        """Let `work` write, perhaps along with the work of others."""
        with self._session() as session:
            found = session.write_together(work)
        self._desk.ring()
        return found

    def check_no_transaction(self) -> None:
        """Raise TransactionOpen if this thread or task has a transaction open that writes."""
        with self._session() as session:
            session.check_no_transaction()

    def sweep(self) -> None:
        """Remove what the engine itself no longer needs."""
        with self._session() as session:
            session.sweep()

    def scrub(self) -> None:
        """Rewrite the store's files."""
        with self._session() as session:
            session.scrub()

    def close(self) -> None:
        """Do nothing: what is borrowed was given back."""


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
