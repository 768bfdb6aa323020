"""A session on a key-value store: snapshots, and the turn to write."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, cast

from holdfast.core.clock import Clock, Ids
from holdfast.engine.contract import Result
from holdfast.engine.tree import sweep
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.nodes import Missing
from holdfast.engine.tree.publish import newest, publish
from holdfast.engine.tree.recent import State
from holdfast.engine.tree.shared import Shared
from holdfast.engine.tree.survey import Survey
from holdfast.engine.tree.writer import TreeChanges
from holdfast.engine.turns.queue import Caller, Stage, failed_with
from holdfast.errors import (
    BranchMoved,
    HoldfastError,
    ReadOnly,
    StoreClosed,
    StoreFull,
    StoreUnavailable,
    Timeout,
    TransactionOpen,
)

_PAUSE_SECONDS_MAX = 0.1
CROWDED_SECONDS = 5.0
"""For so long a process takes turns after it was overtaken, where it need not: doing the work again costs more."""


class TreeSession:
    """A connection to a store over a `KVStore`, used by one thread at a time. `write_together` may be called by any."""

    has_sql = False

    def __init__(
        self, shared: Shared, clock: Clock, ids: Ids, timeout: float, *, read_only: bool, engine: object
    ) -> None:
        self.clock = clock
        self._shared = shared
        self._ids = ids
        self._timeout = timeout
        self._read_only = read_only
        self._engine = engine  # which gives back what is shared when nobody has it any more
        self._snapshot: Survey | None = None
        self._open: TreeChanges | None = None
        self._closed = False
        self._pid = os.getpid()

    # Reading

    @contextlib.contextmanager
    def read(self) -> Generator[Survey]:
        """Return a consistent snapshot, for the length of the block; inside another block, that one's.

        Raises:
            StoreUnavailable: in the block, where others have committed for so long that what it reads was removed.
        """
        within = self._open or self._snapshot
        if within is not None:
            yield within
            return
        self._check_usable()
        with self._newest() as state:
            self._snapshot = Survey(state.recent, self._shared.catalogues)
            try:
                yield self._snapshot
            except Missing as error:
                raise self._overtaken(error, state) from error
            finally:
                self._snapshot = None

    def read_once(self, work: Callable[[Any], Result]) -> Result:
        """Return what `work` makes of a consistent snapshot."""
        with self.read() as reader:
            return work(reader)

    @contextlib.contextmanager
    def _newest(self) -> Generator[State]:
        """Hand out the newest state, of which nobody who knows of this reader removes anything during the block."""
        known = self._shared.known or newest(self._shared)
        with self._shared.readers.reading(known.root.epoch):  # before it is asked for: it may be cleared at once
            yield newest(self._shared)

    def _overtaken(self, error: Missing, state: State) -> HoldfastError:
        """Return what to say of a missing node: damage, unless it was removed as superseded."""
        if self._is_newest(state):
            return error
        return StoreUnavailable(
            f"this snapshot is older than {sweep.GRACE_SECONDS} s, and others have removed what they superseded since;"
            " begin another one, and keep it for a shorter time"
        )

    # Writing

    @contextlib.contextmanager
    def write(self, *, alone: bool = False) -> Generator[TreeChanges]:  # noqa: ARG002 - everybody is
        """Return a writer whose work lands when the block ends, or not at all if it raises.

        Raises:
            Timeout: somebody else held the store for as long as this session is willing to wait.
            TransactionOpen: this session is writing already.
            ReadOnly: the store, or the block around this one, is for reading only.
            BranchMoved: another process committed although it was not its turn; nothing was written.
        """
        if self._open is not None:
            raise TransactionOpen("this is a commit of its own and cannot be part of the open transaction; do it after")
        if self._snapshot is not None:
            raise ReadOnly("the open transaction is read-only; write after it")
        self._check_writable()
        with self._shared.queue.taken(self._timeout):
            with self._newest() as state:
                try:
                    draft = Draft(state.recent)
                    self._open = self._changes(draft)
                    try:
                        yield self._open
                    finally:
                        self._open = None
                    after = self._published(state, draft)
                except Missing as error:  # its turn was over, and others went on
                    raise self._overtaken(error, state) from error
            if after is None:
                raise BranchMoved("somebody else committed meanwhile, out of turn; nothing was written; do it again")
            self._tidy(state, after)

    def _changes(self, draft: Draft) -> TreeChanges:
        return TreeChanges(draft, self._shared.catalogues, self.clock, self._ids)

    def _published(self, state: State, draft: Draft) -> State | None:
        """Make a draft the newest state."""
        shared, now_us = self._shared, self.clock.now_us()
        try:
            return publish(shared, state, draft, now_us, shared.cleared)
        except StoreFull:  # room for it may be taken by what nobody needs
            if not self._make_room(state, now_us):
                raise
            return publish(shared, state, draft, now_us, shared.cleared)

    def _tidy(self, before: State, after: State) -> None:
        """Work off what a new tree made superfluous, which never costs the commit."""
        if after.root.tree != before.root.tree:
            with contextlib.suppress(HoldfastError):
                self._shared.cleared = sweep.work_off(self._shared, after, self.clock.now_us())

    def _make_room(self, state: State, now_us: int) -> bool:
        before = self._shared.cleared
        self._shared.cleared = sweep.work_off(self._shared, state, now_us, None)
        return self._shared.cleared > before

    def write_together(self, work: Callable[[Any], Result]) -> Result:
        """Let `work` write, perhaps along with the work of others; return what it returns once it is durable.

        If another process commits meanwhile, it is called again on what that one left.

        Raises:
            Timeout: somebody else held the store for as long as this session is willing to wait.
            TransactionOpen: this very thread or task has a transaction open.
            ReadOnly: the store is for reading only.
        """
        self._check_writable()
        queue = self._shared.queue
        trial = self._shared.store.can_publish and time.monotonic() > self._shared.crowded_until
        caller, until = Caller(work, (self.clock, self._ids, self._timeout)), time.monotonic() + self._timeout
        try:
            queue.wait(caller, until, self._timeout)
            if caller.stage is Stage.TURN:
                if not trial:
                    queue.enter(until, self._timeout)
                self._lead(caller, until, trial=trial)
        finally:
            try:
                queue.leave(caller)
            finally:
                queue.leave(caller)
        return cast("Result", caller.outcome())

    def _lead(self, leader: Caller, until: float, *, trial: bool) -> None:
        """Do the work of a caller whose turn it is, and of those behind it, and commit it at once.

        Args:
            trial: whether it is tried without the turn of this process among others, on the state that is known.
        """
        if threading.current_thread() is threading.main_thread():
            leader.group = None  # Ctrl-C may strike here, in the middle of somebody else's work
        served: list[Caller] = []
        try:
            self._write_for(self._shared.queue.members(leader), served, until, trial=trial)
        except BaseException as error:
            for caller in served[1:]:
                caller.error = failed_with(error)
            raise
        finally:
            self._shared.queue.settle(served[1:])

    def _write_for(self, members: Iterator[Caller], served: list[Caller], until: float, *, trial: bool) -> None:
        pause = 0.001
        while True:
            guess = self._shared.known if trial else None
            with contextlib.nullcontext(guess) if guess else self._newest() as state:
                draft = Draft(state.recent)
                for caller in list(served):  # again, on what another process left
                    self._serve(caller, draft)
                for caller in members:
                    served.append(caller)
                    self._serve(caller, draft)
                publishes = self._shared.store.can_publish
                after = self._tried(state, draft, served) if publishes else self._published(state, draft)
            if after is not None:
                self._tidy(state, after)
                return
            if time.monotonic() > until:
                raise Timeout(f"others committed again and again for {self._timeout:g} s; retry")
            if trial:
                trial, self._shared.crowded_until = False, time.monotonic() + CROWDED_SECONDS
                self._shared.queue.enter(until, self._timeout)
                continue
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that two do not meet again
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)

    def _tried(self, state: State, draft: Draft, served: list[Caller]) -> State | None:
        """Make a draft the newest state, if the one that it is on still is; return it, or None.

        Where nothing is written nothing is compared, so what callers found, or failed of, is so only if nobody else has
        committed: some of what they looked for may be gone.
        """
        told = draft.is_changed and not any(caller.error for caller in served)
        if not told and not self._is_newest(state):
            return None
        try:
            return self._published(state, draft)
        except Missing:
            if self._is_newest(state):
                raise
            return None

    def _is_newest(self, state: State) -> bool:
        return newest(self._shared).raw == state.raw

    def _serve(self, caller: Caller, draft: Draft) -> None:
        """Do the work of one caller; if it fails, nothing but what it did is undone."""
        assert caller.work is not None, "who leads, or follows, brought some"
        mark = draft.mark()
        caller.error = caller.result = None
        try:
            caller.result = caller.work(self._changes(draft))
        except Exception as error:  # noqa: BLE001 - it is the caller's own, and raised there
            draft.undo(mark)
            caller.error = error

    def check_no_transaction(self) -> None:
        """Raise TransactionOpen if this thread or task has a transaction open that writes, on whatever connection."""
        self._shared.queue.check_not_mine()

    # Removal

    def sweep(self) -> None:
        """Remove the entries that no state needs, those of a process that died included. Writers wait only briefly.

        A store without delete keeps them.
        """
        self._check_idle("be swept")
        if not self._shared.store.can_delete:
            return
        found = sweep.orphans(self._shared)
        with self._shared.queue.taken(self._timeout):
            state = newest(self._shared)
            self._shared.cleared = sweep.work_off(self._shared, state, self.clock.now_us(), None)
            sweep.remove(self._shared, state, found)

    def scrub(self) -> None:
        """Remove all that was superseded at once, and rewrite the store's files.

        Raises:
            TransactionOpen: inside a `read` or `write` block.
            Timeout: others wrote, or kept on reading what was before, for as long as this session is willing to wait.
        """
        self._check_idle("be rewritten")
        shared = self._shared
        with shared.queue.taken(self._timeout):
            state = self._folded(newest(shared))
            shared.readers.wait_until_gone(state.root.epoch, self._timeout)
            shared.cleared = sweep.work_off(shared, state, None, None)
            if state.root.pending and shared.cleared < state.root.pending[-1].last:
                raise BranchMoved("somebody else committed meanwhile, out of turn; not all was removed; do it again")
            sweep.remove(shared, state, sweep.orphans(shared))
            shared.nodes.forget()
            shared.store.compact()

    def _folded(self, state: State) -> State:
        """Let the tree take in all changes, so that nothing is left of what they replace."""
        after = publish(self._shared, state, Draft(state.recent), self.clock.now_us(), self._shared.cleared, fold=True)
        if after is None:
            raise BranchMoved("somebody else committed meanwhile, out of turn; nothing was rewritten; do it again")
        return after

    def _check_idle(self, what: str) -> None:
        if self._open is not None or self._snapshot is not None:
            raise TransactionOpen(f"the store cannot {what} inside a transaction; do it after")
        self._check_writable()

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        if os.getpid() != self._pid:  # neither locks nor connections survive a fork
            raise StoreUnavailable("this store was opened before the process was forked; connect again in the child")

    def _check_writable(self) -> None:
        self._check_usable()
        if self._read_only:
            raise ReadOnly("the store was opened with read_only=True; connect again without it to write")

    def close(self) -> None:
        """Give back what the session holds; a block that is open goes on to its end. Idempotent."""
        self._closed = True
