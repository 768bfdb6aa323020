"""The runs of a `Store`."""

# pyright: basic
# (inputs are whatever a user has; runs are loaded when they are asked for)

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.core.clock import RandomIds
from holdfast.core.durations import Duration
from holdfast.errors import StoreClosed
from holdfast.store.connection import Connection

if TYPE_CHECKING:
    from holdfast.runs.inbox import Inbox
    from holdfast.runs.loop import Loop
    from holdfast.runs.results import RunInfo
    from holdfast.runs.retention import Keep
    from holdfast.runs.run import Run
    from holdfast.runs.worker import Worker
    from holdfast.runs.workplace import Workplace
    from holdfast.state.rows.log import Event

LEASE = "30s"
NOTHING: Any = object()
"""Stands for an input that is not given."""


class Running(Connection):
    """What a `Store` does with runs."""

    _made_place: Workplace | None = None

    @property
    def _place(self) -> Workplace:
        """Where runs are worked on, for the rooms of Holdfast."""
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        if self._made_place is None:
            from holdfast.runs.workplace import Workplace  # noqa: PLC0415 - whoever has no runs need not load it

            self._made_place = Workplace(self._engine, self._ids or RandomIds(), self._here, self._store_of)
        return self._made_place

    def run(
        self,
        run_id: str,
        input: Any = NOTHING,  # noqa: A002, ANN401 - as DESIGN has it
        *,
        fork: str | None = None,
        before_step: int | None = None,
        merge: str = "",
        lease: Duration = LEASE,
        replay: bool = True,
        on_change: str = "error",
    ) -> Run:
        """Return a run, to be looked at, or to be worked on in a `with` block. This itself neither reads nor writes.

        Entering it makes a run of this id, on a branch `runs/<id>` that begins here, or goes on with the one that is
        there. Then its steps that are recorded answer, and its state moves along with them, up to the first one that is
        not recorded.

        Args:
            run_id: any name that a branch may have.
            input: what the run is about; it is recorded. For a run that is there already it has to be the same.
            fork: the run to go on from, on a branch of its own, sharing all that it recorded. Costs a row.
            before_step: the number of the first step that is not shared; by default all are.
            merge: the branch to merge the run into when it is complete.
            lease: how long a silent worker is trusted before another may take the run over.
            replay: False begins at the head: nothing recorded is asked for again, and steps count on from there.
            on_change: what to do if a step is recorded with other arguments: "error" raises InputMismatch, "warn"
                takes what is recorded, "fork" goes on as a fork before that step, with the id "<run>+<step's number>".

        Raises:
            InvalidValue: an option is none.
        """
        from holdfast.runs.loop import Loop  # noqa: PLC0415
        from holdfast.runs.run import Run  # noqa: PLC0415
        from holdfast.runs.wish import GIVEN_NOTHING, Wish  # noqa: PLC0415

        given = GIVEN_NOTHING if input is NOTHING else input
        wish = Wish(
            run_id, given, fork=fork, before_step=before_step, merge=merge, lease=lease, replay=replay,
            on_change=on_change,
        )  # fmt: skip
        return Run(Loop(self._place, wish))

    def _remove_runs(self, keep: Keep, *, dry_run: bool) -> int:
        from holdfast.runs.retention import remove_runs  # noqa: PLC0415

        return remove_runs(self._place, keep, dry_run=dry_run)

    def _store_of(self, loop: Loop) -> Any:  # noqa: ANN401 - a Store
        """Return the store on the branch of a run: of one that is worked on its inside."""
        from holdfast.store.run_store import RunStore  # noqa: PLC0415 - it is a Store itself

        if loop.is_entered:
            return RunStore.of(self, loop)
        loop.place.known(loop.run_id)
        return type(self).at(self._engine, loop.branch, ids=self._ids)

    def runs(
        self, status: str | Sequence[str] | None = None, *, prefix: str = "", limit: int | None = None
    ) -> list[RunInfo]:
        """Return what is known of the runs of the store, the newest first.

        Args:
            status: one of queued, running, suspended, complete, failed and cancelled, or several; None for all.
            prefix: what their ids begin with.
            limit: how many at most.

        Raises:
            InvalidValue: that is no status.
        """
        from holdfast.runs import views  # noqa: PLC0415

        return views.infos(self._place, status, prefix, limit)

    def events(
        self,
        run_id: str,
        after: int = 0,
        *,
        limit: int | None = None,
        kind: str | None = None,
        follow: bool = False,
    ) -> Iterator[Event]:
        """Yield the events of a run: what it logged, its steps, and what became of it.

        Their numbers begin with 1 and have no gaps. Each has the hash of the commit before it, and of its own:
        `run.state.checkout(event.commit_hash)` is the run's memory at that moment.

        Args:
            run_id: the run.
            after: the number of the last event that is known already.
            limit: how many at most.
            kind: events of this kind only.
            follow: whether to wait for those that come, in whatever process, until the run is complete or cancelled.

        Raises:
            NotFound: there is no such run.
        """
        from holdfast.runs import views  # noqa: PLC0415

        return views.events(self._place, run_id, after, limit, kind, follow=follow)

    def start(
        self,
        function: str | Callable[[Any], Any],
        run_id: str,
        input: Any = None,  # noqa: A002, ANN401
        *,
        merge: str = "",
    ) -> RunInfo:
        """Let a run be worked on by a worker, durably. Idempotent: a run that is there stays what it is.

        Args:
            function: that is to work on it, or its name: one that a worker is given.
            run_id, input, merge: as for `run`.

        Raises:
            InputMismatch: there is a run of this id with another input.
            InvalidValue: the function has no name.
        """
        from holdfast.runs.results import RunInfo  # noqa: PLC0415
        from holdfast.runs.wish import Wish  # noqa: PLC0415
        from holdfast.runs.worker import name_of_function, start  # noqa: PLC0415

        wish = Wish(run_id, input, name=name_of_function(function), merge=merge)
        return RunInfo.of(start(self._place, wish))

    def worker(
        self,
        functions: Iterable[Callable[[Any], Any]] | Mapping[str, Callable[[Any], Any]],
        *,
        concurrency: int = 4,
        attempts: int = 3,
        backoff: Duration = 5.0,
        lease: Duration = LEASE,
    ) -> Worker:
        """Return a worker: its `run()` takes up the runs that were started for these functions, until it is stopped.

        It takes up new runs, those that were signalled or have slept enough, those whose worker died, and those that
        failed. Any number of workers, in whatever processes, share the work; each run is worked on by one at a time.

        Args:
            functions: by their names, or in a dict by others. Each is called with the run; what it returns is the
                run's result, unless that is None.
            concurrency: how many runs at the same time, each in a thread.
            attempts: how often a run is tried that fails.
            backoff: how long to wait before that; twice as long each time.
            lease: how long a silent worker is trusted before another may take its run over.

        Raises:
            InvalidValue: an option is none, or two functions have the same name.
        """
        return self._worker(functions, concurrency, attempts, backoff, lease)

    def _worker(
        self, functions: object, concurrency: int, attempts: int, backoff: Duration, lease: Duration,
        *, coroutines: bool = False,
    ) -> Worker:  # fmt: skip
        from holdfast.runs.worker import Worker, named  # noqa: PLC0415

        return Worker(
            self._place, named(functions, coroutines=coroutines), concurrency=concurrency,
            attempts=attempts, backoff=backoff, lease=lease,
        )  # fmt: skip

    @property
    def inbox(self) -> Inbox:
        """The calls of all runs that wait for a decision: `db.inbox()`, `db.inbox.get(id)`."""
        from holdfast.runs.inbox import Inbox  # noqa: PLC0415

        return Inbox(lambda: self._place)

    def signal(self, run_id: str, name: str, data: Any = None) -> None:  # noqa: ANN401
        """Send a signal to a run, durably. It is received once, in the order of those of its name.

        It may be sent before the run waits for it. A run that waits for it is taken up by the next free worker.

        Raises:
            NotFound: there is no such run; RunFinished: it is complete or cancelled.
            NotStorable: `data` cannot be stored.
        """
        from holdfast.runs import views  # noqa: PLC0415

        views.signal(self._place, run_id, name, data)

    def cancel(self, run_id: str) -> None:
        """Cancel a run: at once if nobody works on it, else with the end of the step that is being done. Idempotent.

        Raises:
            NotFound: there is no such run; RunFinished: it is complete.
        """
        from holdfast.runs import views  # noqa: PLC0415

        views.cancel(self._place, run_id)


def place_of(store: Running) -> Workplace:
    """Return where the runs of a Store are worked on."""
    return store._place  # noqa: SLF001 - of one of this kind


def worker_on_loop(store: Running, functions: object, **options: Any) -> Worker:  # noqa: ANN401
    """Return a worker for coroutine functions."""
    return store._worker(functions, **options, coroutines=True)  # noqa: SLF001 - as above
