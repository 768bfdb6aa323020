"""The tree engine: a store over any `KVStore`, with everything but SQL."""

from __future__ import annotations

import weakref
from typing import Any

from holdfast.core.clock import Clock, Ids, RandomIds, SystemClock
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.core.refs import MAIN
from holdfast.engine.kv.store import KVStore
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.publish import publish, read_state
from holdfast.engine.tree.root import ROOT_KEY
from holdfast.engine.tree.session import TreeSession
from holdfast.engine.tree.shared import STORES, Shared
from holdfast.engine.tree.tree import Tree
from holdfast.engine.tree.writer import TreeChanges
from holdfast.errors import NotFound, StoreClosed


class TreeEngine:
    """A store over a `KVStore`. Engines of one process that have the same store object open share what they know."""

    def __init__(self, shared: Shared, clock: Clock, ids: Ids, timeout: float, *, read_only: bool) -> None:
        self.read_only = read_only
        self.timeout = timeout
        self._shared = shared
        self._clock = clock
        self._ids = ids
        self._closed = False
        self.beside: dict[type[Any], Any] = {}
        self._sessions: weakref.WeakSet[TreeSession] = weakref.WeakSet()
        self._part: weakref.finalize[..., Any] | None = None

    @classmethod
    def open(
        cls,
        store: KVStore,
        *,
        timeout: float = TIMEOUT_SECONDS,
        read_only: bool = False,
        create: bool = True,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> TreeEngine:
        """Open the store that a key-value store has, or make one in it.

        Opening a store that exists writes nothing. Several processes may open, and make, the same one at once, if the
        key-value store has compare_and_set. It is not closed with the engine: it is the caller's.

        Args:
            timeout: seconds to wait for another writer.
            read_only: whether nothing is to be written. A store that is not there is not made.
            create: whether a store that is not there is made.
            clock, ids: where commits get their time, and lines and salts their randomness.

        Raises:
            InvalidValue: `store` is no KVStore.
            NotFound: there is no store in it, and none is to be made.
            StoreCorrupt: what is in it is no store, or damaged.
            StoreUnavailable: it failed.
            Unsupported: the store is of a newer format.
        """
        shared, part = STORES.join(store)
        engine = cls(shared, clock or SystemClock(), ids or RandomIds(), timeout, read_only=read_only)
        engine._part = weakref.finalize(engine, part)
        try:
            engine._create_or_check(create=create and not read_only)
        except BaseException:
            engine.close()
            raise
        return engine

    def _create_or_check(self, *, create: bool) -> None:
        if read_state(self._shared) is not None:
            return
        if not create:
            raise NotFound(f"there is no store in this {self._shared.store.name}; connect once to make it")
        draft = Draft(Tree(self._shared.nodes, None))
        TreeChanges(draft, self._shared.catalogues, self._clock, self._ids).create_store(MAIN)
        if publish(self._shared, None, draft, self._clock.now_us()) is None:
            read_state(self._shared)  # another was quicker; what it made has to be one

    @property
    def url(self) -> str:
        """Say which key-value store it is. `connect` takes the store itself, or the URL of a server."""
        return self._shared.store.store_url

    def pulse(self) -> object:
        """Return what changes with the root."""
        return self._shared.store.store_pulse(ROOT_KEY)

    @property
    def can_tell(self) -> bool:
        """Whether the key-value store can."""
        return self._shared.store.can_tell

    def tell(self) -> None:
        """Tell those who ask for the pulse."""
        self._shared.store.store_tell(ROOT_KEY)

    def session(self) -> TreeSession:
        """Open another connection. Raises StoreClosed."""
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        options = self._clock, self._ids, self.timeout
        session = TreeSession(self._shared, *options, read_only=self.read_only, engine=self)
        self._sessions.add(session)
        if self._closed:  # by another thread, which did not see this one
            session.close()
        return session

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        self._closed = True
        for session in list(self._sessions):
            session.close()
        if self._part is not None:
            self._part()
