"""The async twin of `holdfast`: `async with holdfast.aio.connect(url) as db: await db.execute(…)`.

Nothing blocks the loop: each call runs on a worker thread, on a connection that no other call has meanwhile.
There are three kinds of threads, so that none waits for one that waits for it: for calls that read, for calls that
write (these may wait for other writers), and for calls of open transactions (these wait for nobody). Concurrent writes
share an fsync.

**Cancelling.** A call that is cancelled before its thread has begun does nothing. One that has begun goes on, and its
outcome is not told: a write may have happened or not, as when a connection breaks; look before you repeat it. The store
stays usable. A transaction whose block is left by a cancellation is rolled back before the cancellation goes on.

**Transactions belong to the task that opened them.** What that task does with the same Store is part of it. Other tasks
write after it, and read what was there before it.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

from holdfast.core.durations import Duration
from holdfast.errors import StoreClosed, TransactionOpen, Unsupported
from holdfast.store import store as plain
from holdfast.store.aio_cache import Cache
from holdfast.store.aio_inbox import Inbox
from holdfast.store.aio_runs import Run, Worker, events
from holdfast.store.aio_state import State
from holdfast.store.running import LEASE, NOTHING, place_of, worker_on_loop
from holdfast.store.stateful import forget_state
from holdfast.store.workers import Transaction, Workers, end_of, submit

if TYPE_CHECKING:
    from holdfast.runs.results import RunInfo
    from holdfast.state.rows.log import Event

P = ParamSpec("P")
R = TypeVar("R")


class _Method(Generic[P, R]):
    """A method that awaits the one of the plain `Store`."""

    def __init__(self, method: Callable[..., Any], *, reads: bool) -> None:
        self.method = method
        self.reads = reads
        self.__doc__ = method.__doc__

    def __get__(self, store: Store | None, owner: type[Store]) -> Callable[P, Coroutine[Any, Any, R]]:
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            assert store is not None
            return cast("R", await store._call(self.method, args, kwargs, reads=self.reads))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

        call.__doc__, call.__name__ = self.method.__doc__, self.method.__name__
        first, *others = inspect.signature(self.method).parameters.values()
        shown = others if store is not None else [first, *others]
        call.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        return call


def _reads(method: Callable[Concatenate[plain.Store, P], R]) -> _Method[P, R]:
    return _Method(method, reads=True)


def _writes(method: Callable[Concatenate[plain.Store, P], R]) -> _Method[P, R]:
    return _Method(method, reads=False)


def _opens(method: Callable[Concatenate[plain.Store, P], plain.Store], *, reads: bool) -> _Method[P, Store]:
    return _Method(method, reads=reads)


def _head(store: plain.Store) -> str:
    return store.head


def _state_asked(question: Callable[[Any], Any]) -> Callable[[plain.Store], Any]:
    return lambda store: question(store.state)


class Store:
    """A connection to one branch of a store, or to one commit of it: `holdfast.Store`, to be awaited.

    Made by `connect`, `branch` and `checkout`. Each call is atomic, and what it wrote is durable when it returns. All
    tasks of one event loop may share a Store.

    Attributes:
        ref: the branch, or the ref that was checked out.

    Example:
        >>> async def main():
        ...     async with connect(":memory:") as db:
        ...         await db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        ...         async with db.transaction("two notes") as tx:
        ...             await tx.execute("INSERT INTO notes (text) VALUES (%s)", ["one"])
        ...             await tx.execute("INSERT INTO notes (text) VALUES (%s)", ["two"])
        ...         return (await db.execute("SELECT count(*) AS n FROM notes")).fetchone()
        >>> asyncio.run(main())
        {'n': 2}
    """

    def __init__(self, store: plain.Store, workers: Workers, *, owns_workers: bool = False) -> None:
        self._plain = store
        self._workers = workers
        self._owns_workers = owns_workers
        self._free: list[plain.Store] = []  # connections that no call has
        self._transactions: dict[asyncio.Task[Any] | None, Transaction] = {}
        self._closed = False
        self._task: asyncio.Task[Any] | None = None  # whose transaction this is the inside of
        self.ref = store.ref

    @property
    def pinned(self) -> bool:
        """Whether this is the checkout of a tag or a commit, which stays where it is."""
        return self._plain.pinned

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here: at a tag or a commit, or in a store opened with `read_only`."""
        return self._plain.read_only

    @property
    def url(self) -> str:
        """What `connect` takes to reach the same store."""
        return self._plain.url

    # The calls

    async def _call(
        self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, reads: bool
    ) -> Any:  # noqa: ANN401 - each method of the twin knows what it returns
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        for at, given in enumerate(args):
            _check_no_coroutine(str(at + 1), given)
        for name, given in kwargs.items():
            _check_no_coroutine(name, given)
        transaction = self._transactions.get(asyncio.current_task())
        if self._task is not None and (transaction is None or asyncio.current_task() is not self._task):
            raise TransactionOpen(
                "this is the inside of another task's transaction, or of one that has ended: await its calls in the"
                " task that opened it (gather() and wait_for() make tasks of their own), or use the Store around it"
            )
        if transaction is not None:
            result = await transaction.call(lambda: method(transaction.store, *args, **kwargs))
        else:
            pool = self._workers.readers if reads or _is_query(args) else self._workers.writers
            result = await asyncio.wrap_future(submit(pool, lambda: self._run(method, args, kwargs)))
        return Store(result, self._workers) if isinstance(result, plain.Store) else result

    def _run(self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Do a call on a connection that no other call has. Runs on a worker thread."""
        store = self._take()
        try:
            return method(store, *args, **kwargs)
        finally:
            self._give_back(store)

    def _take(self) -> plain.Store:
        try:
            return self._free.pop()
        except IndexError:
            return self._plain.twin()

    def _give_back(self, store: plain.Store) -> None:
        forget_state(store)
        if self._closed:
            store.close()
        else:
            self._free.append(store)

    execute = _writes(plain.Store.execute)
    executemany = _writes(plain.Store.executemany)
    branch = _opens(plain.Store.branch, reads=False)
    checkout = _opens(plain.Store.checkout, reads=True)
    delete_branch = _writes(plain.Store.delete_branch)
    reset = _writes(plain.Store.reset)
    tag = _writes(plain.Store.tag)
    delete_tag = _writes(plain.Store.delete_tag)
    merge = _writes(plain.Store.merge)
    cherry_pick = _writes(plain.Store.cherry_pick)
    revert = _writes(plain.Store.revert)
    gc = _writes(plain.Store.gc)
    erase = _writes(plain.Store.erase)
    diff = _reads(plain.Store.diff)
    log = _reads(plain.Store.log)
    show = _reads(plain.Store.show)
    branches = _reads(plain.Store.branches)
    tags = _reads(plain.Store.tags)
    tables = _reads(plain.Store.tables)
    verify = _reads(plain.Store.verify)
    runs = _reads(plain.Store.runs)
    signal = _writes(plain.Store.signal)
    cancel = _writes(plain.Store.cancel)

    @property
    def head(self) -> Coroutine[Any, Any, str]:
        """The hash of the newest commit here, in hexadecimal: `await db.head`."""
        return self._call(_head, (), {}, reads=True)

    @property
    def state(self) -> State:
        """The agent's variables on this branch, to be awaited; of a transaction's block those that go with it."""
        return State(self._ask_state)

    @property
    def inbox(self) -> Inbox:
        """The calls of all runs that wait for a decision: `await db.inbox()`."""
        return Inbox(self._plain.inbox, self._beside)

    @property
    def cache(self) -> Cache:
        """Answers of tools that are kept for all who use the store; `call` awaits coroutine functions."""
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        return Cache(self._plain.cache, self._beside)

    async def _beside_runs(self, call: Callable[[], Any], *, reads: bool) -> Any:  # noqa: ANN401, ARG002
        """Do what a run needs of the store on a thread for runs, to its end; inside a transaction on one for those."""
        is_inside = asyncio.current_task() in self._transactions  # which all others may wait for
        return await end_of(submit(self._workers.transactions if is_inside else self._workers.runs, call))

    def run(
        self,
        run_id: str,
        input: Any = NOTHING,  # noqa: A002, ANN401
        *,
        fork: str | None = None,
        before_step: int | None = None,
        merge: str = "",
        lease: Duration = LEASE,
        replay: bool = True,
        on_change: str = "error",
    ) -> Run:
        """Return a run, to be looked at, or to be worked on in an `async with` block: as `Store.run`."""
        run = self._plain.run(
            run_id, input, fork=fork, before_step=before_step, merge=merge, lease=lease, replay=replay,
            on_change=on_change,
        )  # fmt: skip
        return Run(run.loop, self._beside_runs)

    async def start(
        self,
        function: str | Callable[[Any], Any],
        run_id: str,
        input: Any = None,  # noqa: A002, ANN401
        *,
        merge: str = "",
    ) -> RunInfo:
        """Let a run be worked on by a worker, durably: as `Store.start`; the function may be a coroutine function."""
        from holdfast.runs.worker import name_of_function  # noqa: PLC0415 - whoever has no runs need not load it

        name = name_of_function(function)
        return cast(
            "RunInfo", await self._call(plain.Store.start, (name, run_id, input), {"merge": merge}, reads=False)
        )

    def worker(
        self,
        functions: Iterable[Callable[[Any], Any]] | Mapping[str, Callable[[Any], Any]],
        *,
        concurrency: int = 4,
        attempts: int = 3,
        backoff: Duration = 5.0,
        lease: Duration = LEASE,
    ) -> Worker:
        """Return a worker whose functions are coroutine functions: `await db.worker([…]).run()`; as `Store.worker`."""
        options: dict[str, Any] = {
            "concurrency": concurrency, "attempts": attempts, "backoff": backoff, "lease": lease,
        }  # fmt: skip
        return Worker(worker_on_loop(self._plain, functions, **options), self._beside_runs)

    def events(
        self,
        run_id: str,
        after: int = 0,
        *,
        limit: int | None = None,
        kind: str | None = None,
        follow: bool = False,
    ) -> AsyncIterator[Event]:
        """Yield the events of a run: `async for event in db.events(run_id)`; as `Store.events`."""
        return events(lambda: place_of(self._plain), run_id, after, limit, kind, self._beside_runs, follow=follow)

    async def _beside(self, call: Callable[[], Any], *, reads: bool) -> Any:  # noqa: ANN401
        """Do a call that may block on a worker thread, to its end. What is under way goes on when this is closed."""
        workers = self._workers
        if asyncio.current_task() in self._transactions:
            pool = workers.transactions  # writers may wait for it
        else:
            pool = workers.readers if reads else workers.writers
        return await end_of(submit(pool, call))

    async def _ask_state(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        transaction = self._transactions.get(asyncio.current_task())
        if transaction is not None or self._task is not None:
            return await self._call(_state_asked(question), (), {}, reads=True)
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        return await asyncio.wrap_future(submit(self._workers.writers, lambda: question(self._plain.state)))

    # Transactions

    @asynccontextmanager
    async def transaction(
        self, message: str = "", metadata: object = None, *, read_only: bool = False
    ) -> AsyncGenerator[Self]:
        """Make one commit of the statements in the block; an exception takes all of them back.

        Inside another transaction of the task it is a savepoint: an exception takes back the block only. The store's
        writers wait for the block to end, so keep slow work out of it.

        With `read_only` nothing is written, and all that is read in the block is of one moment, whatever others commit
        meanwhile; nobody waits for it. Inside another transaction it reads what that one does.

        Args:
            message: says why, in `log()`.
            metadata: a JSON-like value kept with the commit.
            read_only: whether the block only reads.

        Raises:
            ReadOnly: this is the checkout of a commit; a write in a block that only reads.
            Timeout: somebody else is writing for longer than `timeout`.
        """
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        task = asyncio.current_task()
        outer = self._transactions.get(task)
        if outer is None:
            pool = self._workers.readers if read_only else self._workers.writers
            store, block = await self._begin(pool, message, metadata, read_only=read_only)
            transaction = self._transactions[task] = Transaction(store, self._workers.transactions)
        else:
            transaction = outer
            block = transaction.store.transaction(message, metadata, read_only=read_only)
            await transaction.call(block.__enter__)
        error: BaseException | None = None
        try:
            yield self._inside(task)
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                await transaction.end(block, error)
            except BaseException as raised:
                if raised is not error:
                    raise
            finally:
                if outer is None:
                    del self._transactions[task]
                    self._give_back(transaction.store)

    def _inside(self, task: asyncio.Task[Any] | None) -> Self:
        """Return the Store as the block of a transaction has it: no other task is let into the transaction by it."""
        inside = copy.copy(self)
        inside._task = task  # noqa: SLF001 - one of its own kind
        return inside

    async def _begin(
        self, pool: ThreadPoolExecutor, message: str, metadata: object, *, read_only: bool
    ) -> tuple[plain.Store, AbstractContextManager[object]]:
        """Wait until a transaction is open. If that is cancelled, the transaction ends as soon as it has begun."""

        def begin() -> tuple[plain.Store, AbstractContextManager[object]]:
            store = self._take()
            block = store.transaction(message, metadata, read_only=read_only)
            try:
                block.__enter__()
            except BaseException:
                self._give_back(store)
                raise
            return store, block

        def undo(begun: Future[tuple[plain.Store, AbstractContextManager[object]]]) -> None:
            if not begun.cancelled() and begun.exception() is None:
                store, block = begun.result()
                given_up = asyncio.CancelledError()
                try:
                    block.__exit__(type(given_up), given_up, None)
                finally:
                    self._give_back(store)

        begun = submit(pool, begin)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(undo)
            raise

    # Closing

    async def close(self) -> None:
        """Close this Store; of the one that `connect` made, also all that came from it. Idempotent."""
        if self._transactions:
            raise TransactionOpen("a transaction is open on this Store; close it after the transaction")
        if self._closed:
            return
        self._closed = True
        await end_of(submit(self._workers.readers, self._close))
        if self._owns_workers:
            self._workers.close()

    def _close(self) -> None:
        while self._free:
            self._free.pop().close()
        self._plain.close()

    async def __aenter__(self) -> Self:
        """Return the store itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        await self.close()

    def __repr__(self) -> str:
        """Show where this Store is."""
        return f"<aio.{repr(self._plain).removeprefix('<')}"


def _is_query(args: tuple[Any, ...]) -> bool:
    """Tell whether a call is for a statement that plainly reads; where it is not plain, it may as well wait."""
    return bool(args) and isinstance(args[0], str) and args[0].lstrip()[:6].lower() == "select"


def _check_no_coroutine(name: str, given: object) -> None:
    functions = list(cast("Mapping[object, object]", given).values()) if isinstance(given, Mapping) else [given]
    if any(map(inspect.iscoroutinefunction, functions)):
        raise Unsupported(
            f"argument {name} is a coroutine function, which would have to run on your loop; pass a plain function: it"
            " runs on a thread of its own"
        )


class Connecting:
    """What `connect` returns: to be awaited, or entered with `async with`."""

    def __init__(self, connect: Callable[[], plain.Store]) -> None:
        self._connect = connect
        self._store: Store | None = None

    async def _open(self) -> Store:
        workers = Workers()
        try:
            store = await asyncio.wrap_future(submit(workers.writers, self._connect))
        except BaseException:
            workers.close()
            raise
        return Store(store, workers, owns_workers=True)

    def __await__(self) -> Generator[Any, Any, Store]:
        """Open the store."""
        return self._open().__await__()

    async def __aenter__(self) -> Store:
        """Open the store; leaving the block closes it."""
        self._store = await self._open()
        return self._store

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        if self._store is not None:
            await self._store.close()


def _connecting(connect: Callable[P, plain.Store]) -> Callable[P, Connecting]:
    @functools.wraps(connect)
    def connecting(*args: P.args, **kwargs: P.kwargs) -> Connecting:
        return Connecting(functools.partial(connect, *args, **kwargs))

    return connecting


connect = _connecting(plain.connect)
