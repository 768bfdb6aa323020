"""A run as threads and event loops have it in common: what may wait, or calls a user's function, is a flow here."""

# pyright: basic
# (values are whatever a user has)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from holdfast.core.durations import Duration
from holdfast.core.flows import Flow
from holdfast.core.refs import check_name
from holdfast.errors import InputMismatch, InvalidValue, Unsupported
from holdfast.runs import views
from holdfast.runs.active import Active, strand
from holdfast.runs.calls import call_of, id_of
from holdfast.runs.entering import entering, leaving
from holdfast.runs.forking import forked
from holdfast.runs.gates import Site
from holdfast.runs.records import RunRecord, branch_of_run
from holdfast.runs.steps import Asking, asking, step
from holdfast.runs.tables import cells_of, holding
from holdfast.runs.waits import sleep, sleeping, wait, waiting
from holdfast.runs.wish import GIVEN_NOTHING, Wish
from holdfast.runs.workplace import Workplace
from holdfast.state.versioned import Versioned
from holdfast.state.working.copy import WorkingCopy


class RunState(Versioned):
    """The variables of a run. What is changed is committed with the next step of the run, or at its end."""

    def commit(self, *_: Any, **__: Any) -> str:  # noqa: ANN401
        """Raise Unsupported: the state of a run is committed with its steps."""
        raise Unsupported("the state of a run is committed with its next step, or at its end; there is nothing to do")

    def revert_to(self, *_: Any, **__: Any) -> str:  # noqa: ANN401
        """Raise Unsupported: a run does not go back; fork it."""
        raise Unsupported("a run does not go back; fork it before a step: run(…, fork=…, before_step=…)")

    def merge(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401
        """Raise Unsupported: what a run knows of others it reads in a step."""
        raise Unsupported("nothing is merged into the branch of a run; merge the run into another branch at its end")

    def close(self) -> None:
        """Do nothing: it goes with the run."""


class Loop:
    """A run, entered or not.

    Attributes:
        shown: the object that users have of it.
    """

    def __init__(self, place: Workplace, wish: Wish) -> None:
        self.place = place
        self.wish = wish
        self.shown: object = None
        self._store: Any = None
        self.result: Any = None
        self._active: Active | None = None
        self._input: Any = GIVEN_NOTHING
        self._state: RunState | None = None

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.wish.run_id

    @property
    def is_entered(self) -> bool:
        """Whether it is worked on here, or looked at as if it were."""
        return self._active is not None

    @property
    def is_open(self) -> bool:
        """Whether it is worked on here."""
        return self._active is not None and self._active.lease is not None

    def name(self, worked_on_by: str) -> None:
        """Let the run, if it is made when it is entered, be one that a worker of this name goes on with."""
        self.wish = replace(self.wish, name=worked_on_by)

    @property
    def record(self) -> RunRecord:
        """What is known of the run. Raises NotFound."""
        return self.place.known(self.run_id)

    @property
    def active(self) -> Active:
        """The run, as it was entered. Raises InvalidValue outside its block."""
        if self._active is None:
            raise InvalidValue(f"run {self.run_id!r} is worked on inside a with block: with db.run(…) as run")
        return self._active

    def enter(self) -> Flow[None]:
        """Claim the run, and make it if there is none of this id."""
        if self._active is not None:
            raise InvalidValue(f"run {self.run_id!r} is entered already by this object; run() gives another")
        active = yield from entering(self.place, self.wish, strand())
        self._active, self.result, self._input, self._store = active, None, GIVEN_NOTHING, None

    def leave(self, error: BaseException | None) -> Flow[bool]:
        """Record how it ended, and give it back; return whether the error is taken in."""
        active, self._active, self._state, self._store = self.active, None, None, None
        return leaving(active, error, self.result)

    def stepping(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        given: Mapping[str, Any],
        site: Site | None = None,
        *,
        lenient: bool = False,
    ) -> Flow[Any]:
        """Return a step as a flow, with options as they are given; which one of its name it is is decided now.

        Args:
            site: where an agent asks for it.
            lenient: whether what is recorded with another input answers, too.
        """
        lenient = lenient or self.wish.on_change == "warn"
        asked = asking(self.active, self.shown, name, given, function, args, kwargs, lenient=lenient, site=site)
        return self._forking(asked) if self.wish.on_change == "fork" else step(asked)

    def _forking(self, asked: Asking) -> Flow[Any]:
        """Do a step; if it is recorded with another input, do it in a fork, with which this goes on."""
        while True:
            try:
                return (yield from step(asked))
            except InputMismatch as error:
                if error.step is None:
                    raise
                self._active = fork = yield from forked(asked.active, error.step)
                self.wish, self._state, self._store = fork.wish, None, None
                asked = replace(asked, active=fork)

    def is_recorded(self, name: str, key: str) -> bool:
        """Tell whether a step with a key of the caller's is recorded."""
        return self.active.journal.is_answered("step", name, key)

    def has_call(self, label: str, kind: str) -> bool:
        """Tell whether somebody was asked about a step."""
        with self.place.session.read() as reader:
            return call_of(reader, id_of(self.run_id, label, kind)) is not None

    def waiting(self, name: str, timeout: Duration | None) -> Flow[Any]:
        """Return the wait for a signal as a flow; which one of its name it is is decided now."""
        return wait(waiting(self.active, name, timeout))

    def sleeping(self, length: Duration) -> Flow[None]:
        """Return a sleep as a flow; which one it is is decided now."""
        return sleep(sleeping(self.active, length))

    def log(self, kind: str, data: Any) -> None:  # noqa: ANN401
        """Note an event. Waits for nobody."""
        views.check_kind(kind)
        told = {} if data is None else holding(cells_of(self.place.codec, data, f"the data of event {kind!r}"))
        self.active.note(self.place.entry(self.run_id, kind, **told), strand())

    def state(self) -> Versioned:
        """Return the run's variables: to be changed inside the block, else as they are at its head."""
        if self._active is None:
            record = self.record
            ground = self.place.ground(record, fixed=True)
            return Versioned.over(WorkingCopy(ground, self.place.codec), record.namespace)
        strand()  # to see that what asks is not over
        if self._state is None:
            self._state = RunState.over(self._active.copy, self._active.record.namespace)
        return self._state

    def root_state(self) -> Versioned:
        """Return the variables that the run shares with those that it is merged with."""
        return RunState.over(self.active.copy)

    def store(self) -> Any:  # noqa: ANN401 - a Store, which this room does not know
        """Return the store on the run's branch: the same one until the run is entered or left."""
        if self._store is None:
            self._store = self.place.store_of(self)
        return self._store

    def define(self, message: str, work: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Let `work` change the schema in a commit of its own, which nothing takes back; return what it returns.

        In a run that is finished nothing comes of it.
        """
        active = self.active
        if active.lease is None:
            return active.rows.tried(strand(), lambda writer, _: work(writer))
        return active.define(message, work)

    def input(self) -> Any:  # noqa: ANN401
        """Return what the run was made with; inside the block it is read once."""
        if self._active is None:
            return views.given(self.place, self.record)
        if self._input is GIVEN_NOTHING:
            created = self._active.journal.created
            self._input = None if created is None else created.value(self.place.codec)
        return self._input

    def child(self, name: str, input: Any, wish: Mapping[str, Any]) -> Loop:  # noqa: A002, ANN401
        """Return a run inside this one, which begins where this one is. Raises InvalidValue."""
        check_name(name, "child")
        return Loop(self.place.at(self.branch), Wish(f"{self.run_id}/{name}", input=input, parent=self.run_id, **wish))

    @property
    def branch(self) -> str:
        """The branch that the run lives on."""
        return branch_of_run(self.run_id)
