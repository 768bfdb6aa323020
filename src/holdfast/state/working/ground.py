"""Where a state lies: a branch of a store, or a commit of it, and how it is read and written there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from holdfast.core.clock import Ids, RandomIds
from holdfast.core.points import Point
from holdfast.engine.contract import Commit, Engine, Lookups, Reader, Result, Session, Writer
from holdfast.errors import StoreClosed
from holdfast.state.merging.rules import state_rules
from holdfast.versions.history import Versions
from holdfast.versions.resolve import Resolved, resolve, still


@dataclass(frozen=True, slots=True)
class Written(Generic[Result]):
    """What came of writing: what the work returned, and the commit, None if nothing changed.

    What is `joined` is part of a transaction that is still open; there is no commit yet.
    """

    result: Result
    commit: Commit | None
    joined: bool = False


class Ground(Protocol):
    """What a state needs of the store that it lies in."""

    ids: Ids
    lock: AbstractContextManager[Any]
    """Held by a thread that asks for something, until it is there or durable; it may take it again inside."""

    @property
    def ref(self) -> str:
        """The branch, or the ref that was checked out."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here."""
        ...

    @property
    def versions(self) -> Versions:
        """Branches, commits and merges of the store."""
        ...

    def reading(self) -> AbstractContextManager[Reader]:
        """Return a snapshot, or what the open transaction sees."""
        ...

    def at(self, reader: Reader) -> Resolved:
        """Return where this is now."""
        ...

    def still(self, reader: Reader, point: Point) -> None:
        """Raise NotFound if gc pruned or removed a commit that was read in an earlier snapshot."""
        ...

    def write(
        self, message: str, work: Callable[[Writer], Result], metadata: object, ahead: Callable[[], Lookups]
    ) -> Written[Result]:
        """Let `work` write a commit, or a part of the transaction that is open.

        Args:
            ahead: returns what it is going to look up.
        """
        ...

    def elsewhere(self, ref: str, *, fixed: bool = False) -> Ground:
        """Return another place of the same store; if `fixed`, of a branch the commit where it is. Raises NotFound."""
        ...

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970."""
        ...

    def close(self) -> None:
        """Give back what this holds."""
        ...


class EngineGround:
    """A branch of a store, or a commit of it, reached through the store's engine."""

    def __init__(
        self,
        engine: Engine,
        ref: str,
        ids: Ids | None = None,
        *,
        owns_engine: bool = False,
        fixed: bool = False,
        session: Session | None = None,
    ) -> None:
        self.ids = ids or RandomIds()
        self.lock: AbstractContextManager[Any] = threading.RLock()
        self.ref = ref
        self._engine = engine
        self._owns_engine = owns_engine
        self._session: Session | None = session or engine.session()
        with self._session.read() as reader:
            found = resolve(reader, ref)
        self._pinned = Resolved(found.point) if fixed or found.line is None else None

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here: at a tag or a commit, or in a store that is only read."""
        return self._pinned is not None or self._engine.read_only

    @property
    def session(self) -> Session:
        """The connection. Raises StoreClosed."""
        if self._session is None:
            raise StoreClosed("the state is closed; open it again")
        return self._session

    @property
    def versions(self) -> Versions:
        """Branches, commits and merges of the store."""
        return Versions(self.session, self.ids, lambda: state_rules(self.ids))

    def reading(self) -> AbstractContextManager[Reader]:
        """Return a snapshot."""
        return self.session.read()

    def at(self, reader: Reader) -> Resolved:
        """Return where this is now."""
        return still(reader, self._pinned, self.ref) if self._pinned else resolve(reader, self.ref)

    def still(self, reader: Reader, point: Point) -> None:
        """Raise NotFound if gc pruned or removed a commit that was read in an earlier snapshot."""
        still(reader, Resolved(point), self.ref)

    def write(
        self, message: str, work: Callable[[Writer], Result], metadata: object, ahead: Callable[[], Lookups]
    ) -> Written[Result]:
        """Let `work` write a commit."""
        return Written(*self.versions.commit_work(self.ref, message, work, metadata, ahead))

    def elsewhere(self, ref: str, *, fixed: bool = False) -> EngineGround:
        """Return another place of the same store; if `fixed`, of a branch the commit where it is."""
        _ = self.session  # a closed one opens no other
        return EngineGround(self._engine, ref, self.ids, fixed=fixed)

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970."""
        return self.session.clock.now_us()

    def close(self) -> None:
        """Close the connection, and the store if this opened it. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        if self._owns_engine:
            self._engine.close()


def as_ref(given: Any) -> Any:  # noqa: ANN401
    """Return the ref that a commit, a branch or a tag as `history()` and the like give it stands for."""
    return getattr(given, "hash", getattr(given, "head", given))
