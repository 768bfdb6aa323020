"""The state of a `Store`: the agent's variables on its branch."""

# pyright: basic
# (where a Store is, is the inside of that Store)

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.core.clock import Ids, RandomIds
from holdfast.core.points import Point
from holdfast.engine.contract import Lookups, Reader, Result, Writer
from holdfast.store.connection import Connection
from holdfast.versions.history import Versions
from holdfast.versions.resolve import Resolved, still

if TYPE_CHECKING:
    from holdfast.state.versioned import Versioned
    from holdfast.state.working.ground import Ground, Written


class Stateful(Connection):
    """What a `Store` does with state. It is loaded when it is asked for."""

    _made_state: Versioned | None = None

    @property
    def state(self) -> Versioned:
        """The agent's variables on this branch, a `Versioned` that is the same at every access.

        What is changed waits for `state.commit()`, or becomes part of the next `transaction()` of this Store that ends
        without an exception. At a tag or a commit they can only be read.
        """
        with self._lock:
            if self._made_state is None:
                from holdfast.state.versioned import Versioned  # noqa: PLC0415

                self._made_state = Versioned.on(StoreGround(self))
            return self._made_state

    def _before_commit(self) -> None:
        """Let what is pending of the state become part of the open transaction."""
        if self._made_state is not None:
            self._made_state.join()

    def _joined(self) -> int:
        """Return how often the state was written into the open transaction."""
        return 0 if self._made_state is None else self._made_state.joined

    def _after_transaction(self, *, done: bool, since: int = 0) -> None:
        """Tell the state how the transaction, or the block inside it, ended that it was part of since then."""
        if self._made_state is not None:
            self._made_state.transaction_ended(done=done, since=since, commit=self._sealed)

    def _after_merge(self) -> None:
        """Let the state take over what a merge brought to this branch."""
        if self._made_state is not None:
            self._made_state.refresh()

    def close(self) -> None:
        """Give back what this holds."""
        if self._made_state is not None:
            self._made_state.close()
        super().close()


def forget_state(store: Stateful) -> None:
    """Let the state of a Store be read anew when it is asked for next; what is pending of it is lost."""
    store._made_state = None  # noqa: SLF001


class StoreGround:
    """Where a Store is, and its transactions."""

    def __init__(self, store: Stateful) -> None:
        self._store = store
        self.ids: Ids = store._ids or RandomIds()  # noqa: SLF001
        self.lock = store._lock  # noqa: SLF001 - another could be waited for while this one is held, and the other way round

    @property
    def ref(self) -> str:
        """The branch, or the ref that was checked out."""
        return self._store.ref

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here."""
        return self._store.read_only

    @property
    def versions(self) -> Versions:
        """Branches, commits and merges of the store."""
        return self._store._versions  # noqa: SLF001

    @contextmanager
    def reading(self) -> Generator[Reader]:
        """Return a snapshot, or what the open transaction sees."""
        store = self._store
        with store._lock, store._session.read() as reader:  # noqa: SLF001
            yield reader

    def at(self, reader: Reader) -> Resolved:
        """Return where this is now."""
        return self._store._at(reader)  # noqa: SLF001

    def still(self, reader: Reader, point: Point) -> None:
        """Raise NotFound if gc pruned or removed a commit that was read in an earlier snapshot."""
        still(reader, Resolved(point), self.ref)

    def write(
        self, message: str, work: Callable[[Writer], Result], metadata: object, ahead: Callable[[], Lookups]
    ) -> Written[Result]:
        """Let `work` write a commit, or a part of the transaction that is open."""
        from holdfast.state.working.ground import Written  # noqa: PLC0415 - whoever has no state need not load it

        store = self._store
        with store._lock:  # noqa: SLF001
            store._check_owner()  # noqa: SLF001
            writer = store._writer  # noqa: SLF001
            if writer is not None:
                with writer.savepoint():
                    return Written(work(writer), None, joined=True)
        return Written(*self.versions.commit_work(self.ref, message, work, metadata, ahead))

    def elsewhere(self, ref: str, *, fixed: bool = False) -> Ground:
        """Return another place of the same store."""
        from holdfast.state.working.ground import EngineGround  # noqa: PLC0415

        return EngineGround(self._store._engine, ref, self.ids, fixed=fixed)  # noqa: SLF001

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970."""
        return self._store._session.clock.now_us()  # noqa: SLF001

    def close(self) -> None:
        """Leave the Store as it is: it is closed by itself."""
