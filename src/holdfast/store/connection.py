"""Where a `Store` is, what it holds open, and what it may do there."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from holdfast.core.clock import Ids, RandomIds
from holdfast.core.refs import RUNS
from holdfast.core.tasks import current_task
from holdfast.engine.contract import Commit, Engine, Reader, Session, Writer
from holdfast.errors import HoldfastError, ReadOnly, StoreClosed, Timeout, TransactionOpen
from holdfast.versions.history import Versions
from holdfast.versions.resolve import Resolved, resolve, still
from holdfast.versions.wholes import Rules

if TYPE_CHECKING:
    from holdfast.engine.contract.system import SystemView
    from holdfast.runs.retention import Keep
    from holdfast.tables.runner import StatementRunner


class _Turn(AbstractContextManager[None]):
    """Whose turn it is among the threads that share a Store. A thread may take it again inside."""

    def __init__(self, timeout: float) -> None:
        self._lock = threading.RLock()
        self._timeout = timeout

    def __enter__(self) -> None:
        """Wait for the turn. Raises Timeout."""
        if not self._lock.acquire(timeout=min(self._timeout, threading.TIMEOUT_MAX)):
            raise Timeout(
                f"another thread has kept this Store busy for {self._timeout:g} s, perhaps in a transaction; give each"
                " thread a checkout() of its own"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one take it."""
        self._lock.release()


class Connection:
    """The part of a `Store` that all its rooms stand on."""

    def __init__(self, engine: Engine, ref: str, *, ids: Ids | None = None, owns_engine: bool = False) -> None:
        self.ref = ref
        self._engine = engine
        self._ids = ids
        self._owns_engine = owns_engine
        self._lock: AbstractContextManager[object] = _Turn(engine.timeout)
        self._opened: Session | None = None  # made when it is first needed
        self._writer: Writer | None = None
        self._reader: Reader | None = None
        self._owner: object = None
        self._closed = False
        self._made_runner: StatementRunner | None = None
        self._here = ref
        self._pinned: Resolved | None = None
        self.leased: str | None = None

    @classmethod
    def at(cls, engine: Engine, ref: str, *, ids: Ids | None = None, owns_engine: bool = False) -> Self:
        """Return a Store on any ref: at a tag or a commit it stays where that is now. Raises NotFound."""
        store = cls(engine, ref, ids=ids, owns_engine=owns_engine)
        with store._session.read() as reader:
            at = resolve(reader, ref)
            if at.line is None:
                store._pinned, store._here = at, reader.commit(at.point).hash.hex()
        return store

    def twin(self) -> Self:
        """Return another Store at the same place. It has no lock: see to it that its calls do not meet."""
        twin = type(self)(self._engine, self.ref, ids=self._ids)
        twin._lock, twin._made_runner = nullcontext(), self._runner  # noqa: SLF001 - one of its own kind
        twin._pinned, twin._here = self._pinned, self._here  # noqa: SLF001 - as above
        return twin

    @property
    def _runner(self) -> StatementRunner:
        """What runs statements. With the translation of SQL it is loaded when the first one is run."""
        if self._made_runner is None:
            from holdfast.tables.runner import StatementRunner  # noqa: PLC0415

            self._made_runner = StatementRunner(_system_view)
        return self._made_runner

    @property
    def _session(self) -> Session:
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        if self._opened is None:
            self._opened = self._engine.session()
        return self._opened

    @property
    def _versions(self) -> Versions:
        return Versions(self._session, self._ids, self._rules)

    def _rules(self) -> Sequence[Rules]:
        """Return the rules by which state is merged. They are loaded with the first merge."""
        from holdfast.state.merging.rules import state_rules  # noqa: PLC0415

        return state_rules(self._ids or RandomIds())

    @property
    def pinned(self) -> bool:
        """Whether this is the checkout of a tag or a commit, which stays where it is."""
        return self._pinned is not None

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here: at a tag or a commit, on a run's branch, or in a store that is so."""
        return self._pinned is not None or self._engine.read_only or self._is_of_a_run

    @property
    def url(self) -> str:
        """What `connect` takes to reach the same store."""
        return self._engine.url

    def _at(self, reader: Reader) -> Resolved:
        return still(reader, self._pinned, self.ref) if self._pinned else resolve(reader, self.ref)

    @property
    def _is_of_a_run(self) -> bool:
        """Whether this is on the branch of a run, which the run alone writes."""
        return self.ref.startswith(RUNS)

    def _check_not_of_a_run(self, branch: object) -> None:
        if isinstance(branch, str) and branch.startswith(RUNS):
            raise ReadOnly(
                f"{branch!r} is the branch of a run, which the run alone writes, by run.db and run.state; to go on from"
                " there fork the run, or make a branch of another name"
            )

    def _check_writable(self) -> None:
        if self._reader is not None:
            raise ReadOnly("the open transaction is read-only; write after it")
        if self._is_of_a_run:
            self._check_not_of_a_run(self.ref)
        if self._pinned:
            raise ReadOnly(
                f"the checkout of {self.ref!r} can only be read; make a branch there: branch(name, at={self.ref!r})"
            )

    def _check_owner(self) -> None:
        """Tasks share a thread, so the lock does not part them: what one does would be undone with the other's."""
        if (self._writer or self._reader) is not None and self._owner is not current_task():
            raise TransactionOpen("another task has a transaction open on this Store; give each its own checkout()")

    def _check_no_transaction(self, what: str) -> None:
        if self._writer is not None:
            raise TransactionOpen(f"{what} is a commit of its own and cannot be part of a transaction; do it after it")

    _sealed: Commit | None = None
    """What the newest transaction became."""

    def _note_sealed(self, commit: Commit | None) -> None:
        self._sealed = commit

    def _before_commit(self) -> None:
        """Do what belongs into the open transaction, at its end."""

    def _joined(self) -> int:
        """Return how often the state was written into the open transaction."""
        return 0

    def _after_transaction(self, *, done: bool, since: int = 0) -> None:
        """Do what follows from a transaction, whether it was committed or taken back."""

    def _remove_runs(self, keep: Keep, *, dry_run: bool) -> int:
        """Forget runs that have ended and are not to be kept; return how many."""
        raise NotImplementedError

    def _after_merge(self) -> None:
        """Do what follows from a change of this branch by another."""

    def close(self) -> None:
        """Close this Store; of the one that `connect` made, also all that came from it. Idempotent."""
        with self._lock:
            if (self._writer or self._reader) is not None:
                raise TransactionOpen("a transaction is open on this Store; close it after the transaction")
            if self.leased is not None and not self._closed:
                with suppress(HoldfastError):  # it ends by itself
                    self._versions.unpin(self.leased)
            self._closed = True
            if self._opened is not None:
                self._opened.close()
            if self._owns_engine:
                self._engine.close()

    def __enter__(self) -> Self:
        """Return the store itself; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Show where this Store is."""
        return f"<Store {self.url!r} at {self.ref!r}{' (read-only)' if self.read_only else ''}>"


def _system_view(name: str) -> SystemView | None:
    """Return the view of the whole store of a name. What defines them is loaded with the first that may be one."""
    if not name.startswith("hf_"):
        return None
    from holdfast.runs.system import VIEWS  # noqa: PLC0415

    return VIEWS.get(name)
