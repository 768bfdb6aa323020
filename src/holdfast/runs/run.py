"""`Run`: one loop of an agent, whose steps are recorded."""

# pyright: basic
# (values are whatever a user has)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from holdfast.core.durations import Duration
from holdfast.core.flows import run
from holdfast.runs import views
from holdfast.runs.control import Happened
from holdfast.runs.loop import Loop
from holdfast.runs.options import KEPT, StepOptions
from holdfast.runs.results import RunInfo, Step
from holdfast.runs.wish import GIVEN_NOTHING
from holdfast.state.rows.log import Event
from holdfast.state.versioned import Versioned

R = TypeVar("R")


class Options:
    """A run with options for the steps that are asked for by it."""

    def __init__(self, loop: Loop, given: Mapping[str, Any]) -> None:
        StepOptions().but(given)  # to see that all of them are some
        self._loop = loop
        self._given = given

    def options(self, **options: Any) -> Options:  # noqa: ANN401 - those of `Run.options`
        """Return it with other options; what is not given stays as it is. Raises InvalidValue."""
        return Options(self._loop, {**self._given, **options})

    def step(self, name: str, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:  # noqa: ANN401
        """Do a step as `Run.step`, with these options."""
        found: R = run(self._loop.stepping(name, function, args, kwargs, self._given))
        return found


class Run:
    """One loop of an agent, whose steps are recorded: what is recorded is never done again.

    Made by `Store.run`. Inside a `with` block it is worked on, by nobody else at the same time; outside it is only
    looked at. The block is to do the same each time it is entered: then what is recorded answers at once, until the
    first step that is not.

    Example:
        >>> import holdfast
        >>> db = holdfast.connect(":memory:")
        >>> def search(topic):
        ...     print("searches")
        ...     return [f"a page on {topic}"]
        >>> def work(run):
        ...     pages = run.step("search", search, run.input["topic"])
        ...     run.state["pages"] = pages
        ...     run.result = len(pages)
        >>> with db.run("run-1", input={"topic": "owls"}) as run:
        ...     work(run)
        searches
        >>> with db.run("run-1") as run:
        ...     work(run)
        >>> run.status, run.result, [step.name for step in run.steps()]
        ('complete', 1, ['search'])
        >>> db.close()
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        loop.shown = self

    @property
    def loop(self) -> Loop:
        """The run as threads and event loops have it in common."""
        return self._loop

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._loop.run_id

    @property
    def branch(self) -> str:
        """The branch that the run lives on."""
        return self._loop.branch

    # The block

    def __enter__(self) -> Self:
        """Claim the run, and make it if there is none of this id. One that is finished is only looked at.

        Raises:
            RunBusy: somebody works on it; the message says who, since when and until when.
            InputMismatch: it has another input.
        """
        run(self._loop.enter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Record that the run is complete, failed, or suspended, and give it back.

        What was changed since the last step is recorded with the end of a complete run, and discarded otherwise.
        """
        return run(self._loop.leave(error))

    # Steps

    def options(
        self,
        *,
        effect: str = KEPT,
        retries: int = KEPT,
        backoff: Duration = KEPT,
        timeout: Duration | None = KEPT,
        key: str | None = KEPT,
        usage: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = KEPT,
        verify: Callable[..., Any] | None = KEPT,
    ) -> Options:
        """Return the run with options for its steps: `run.options(retries=3).step(…)`.

        Args:
            effect: what repeating the call would do: "pure" nothing; "idempotent" nothing more, as by default;
                "transactional": it writes to this store alone, by `run.db`; "once" something more. Before a step that
                may happen once its intent is recorded. If a crash hides what became of it, the run waits for
                `settle`, or asks `verify`: it is never done again in silence.
            retries: how often it is tried again after an exception.
            backoff: how long to wait before that; twice as long each time, and five minutes at most.
            timeout: how long an attempt may take; then it counts as failed with `Timeout`. A coroutine is cancelled, a
                plain function goes on in its thread, and nobody waits for it. One with `once` is in doubt then.
            key: what the step is found by beside its name, instead of how manieth it is of that name: for steps that
                are asked for beside each other in threads, or whose order changes.
            usage: what it used, as a mapping such as `{"tokens": 100, "cost": 0.02, "model": "…"}`, or a function that
                returns one of the result.
            verify: called with the arguments of a step that is in doubt; returns `Happened(result)`, or None if the
                call did not happen.

        Raises:
            InvalidValue: an option is none.
        """
        given = {
            "effect": effect, "retries": retries, "backoff": backoff, "timeout": timeout, "key": key, "usage": usage,
            "verify": verify,
        }  # fmt: skip
        return Options(self._loop, given)

    def step(self, name: str, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:  # noqa: ANN401
        """Return what is recorded of a step; or call the function, record what it returns, and return that.

        A step is found by its name, and by how manieth it is of that name. It is recorded in one commit with what it
        and the run changed since the step before: the state, the log, the rows. No lock is held while the function
        runs.

        Args:
            name: of the step.
            function: what to call. For a parameter that is annotated as `holdfast.Context` it is given one.
            args, kwargs: what to call it with. They are recorded; those without a stored form by their type alone.

        Raises:
            InputMismatch: the step is recorded with other arguments.
            RunFinished: the run is finished, and the step not recorded.
            Fenced: somebody else has taken the run over, or may have.
            NotStorable: what it returned has no stored form. That the step happened is recorded: it is not done again,
                and raises this again.
            InvalidValue: the name is none, the function does not take the arguments, or this is inside a step.
            Exception: what the function raises, after the last attempt. Each attempt is recorded.
        """
        found: R = run(self._loop.stepping(name, function, args, kwargs, {}))
        return found

    # Waiting

    def wait(self, name: str, timeout: Duration | None = None) -> Any:  # noqa: ANN401
        """Return what a signal brought; if it is not there yet, suspend the run: its block ends, and its program may.

        The run is entered again, by a worker or by hand, when the signal was sent. Each signal is received once, in the
        order in which those of its name were sent.

        Raises:
            Timeout: it did not come in time, counted from when this was first asked for. That is recorded, too.
            Suspend: it is not there; the `with` block of the run takes that in.
        """
        return run(self._loop.waiting(name, timeout))

    def sleep(self, length: Duration) -> None:
        """Suspend the run until some time has passed since this was first asked for.

        Raises:
            Suspend: it has not; the `with` block of the run takes that in.
        """
        run(self._loop.sleeping(length))

    # State and log

    @property
    def state(self) -> Versioned:
        """The run's variables. Inside the block they may be changed; outside they are what they were at its head."""
        return self._loop.state()

    def log(self, kind: str, data: Any = None) -> None:  # noqa: ANN401
        """Note an event, which is recorded with the next step of this task or thread, or at the end of the run.

        Raises:
            NotStorable: `data` cannot be stored; InvalidValue: `kind` is no word, or one of Holdfast's own.
        """
        self._loop.log(kind, data)

    @property
    def db(self) -> Any:  # noqa: ANN401 - a Store, which this room does not know
        """The store on the run's branch. Inside the block what is written there waits for the next step.

        It is read with what waits. A statement that defines tables is a commit of its own, at once. `db.state` are the
        variables that the run shares with the branch that it is merged into. Outside the block it is only read.
        """
        return self._loop.store()

    # What is known of it

    @property
    def input(self) -> Any:  # noqa: ANN401
        """What the run was made with."""
        return self._loop.input()

    @property
    def result(self) -> Any:  # noqa: ANN401
        """The result: inside the block what was set, outside what is recorded; None if it has none yet."""
        if self._loop.is_open:
            return self._loop.result
        return views.result(self._loop.place, self._loop.record)

    @result.setter
    def result(self, result: Any) -> None:  # noqa: ANN401
        _ = self._loop.active
        self._loop.result = result

    @property
    def info(self) -> RunInfo:
        """What is known of the run. Raises NotFound."""
        return RunInfo.of(self._loop.record)

    @property
    def status(self) -> str:
        """Queued | running | suspended | complete | failed | cancelled. Raises NotFound."""
        return self._loop.record.status

    @property
    def usage(self) -> dict[str, Any]:
        """The sums of what its steps used; of a fork, of those after it. Raises NotFound."""
        return views.usage(self._loop.place, self._loop.record)

    def steps(self) -> list[Step]:
        """Return the attempts at its steps, in the order in which they ended. Raises NotFound."""
        return views.steps(self._loop.place, self.run_id)

    def events(
        self, after: int = 0, *, limit: int | None = None, kind: str | None = None, follow: bool = False
    ) -> Iterator[Event]:
        """Yield its events, whose numbers have no gaps; see `Store.events`."""
        return views.events(self._loop.place, self.run_id, after, limit, kind, follow=follow)

    def settle(self, step: str, happened: Happened | None) -> None:
        """Tell whether a step that is in doubt happened, so that the run can go on.

        Args:
            step: the step as messages name it: its name, with "#2" or "#[key]" behind it if it is not the first.
            happened: `Happened(result)`, or None if it did not happen; then it is done again.

        Raises:
            InDoubt: that step is not in doubt.
            NotFound, RunFinished: there is no such run; it is finished.
        """
        views.settle(self._loop.place, self.run_id, step, happened)

    def cancel(self) -> None:
        """Cancel the run: see `Store.cancel`."""
        views.cancel(self._loop.place, self.run_id)

    # Children

    def child(self, name: str, input: Any = GIVEN_NOTHING, **wish: Any) -> Self:  # noqa: A002, ANN401 - as `Store.run`
        """Return a run inside this one, with the id "<run>/<name>", which begins where this one is.

        It is entered like any other, lives on a branch of its own, and is worked on by whoever enters it: the same
        child at each replay. When it is finished, entering it again costs no work.
        """
        return type(self)(self._loop.child(name, input, wish))

    def __repr__(self) -> str:
        return f"<Run {self.run_id!r}{' (entered)' if self._loop.is_entered else ''}>"
