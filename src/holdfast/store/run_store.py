"""The store on the branch of a run, whose writes wait for the run's next step."""

# pyright: basic
# (what runs is the inside of a Store)

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from holdfast.core.points import Point
from holdfast.engine.contract import Line, Session
from holdfast.errors import Unsupported
from holdfast.runs.active import strand
from holdfast.store.branching import Branching
from holdfast.store.caching import Caching
from holdfast.store.connection import Connection
from holdfast.store.questions import Questions
from holdfast.store.running import Running
from holdfast.store.stateful import Stateful
from holdfast.store.statements import Statements
from holdfast.tables.cursor import Cursor
from holdfast.tables.parameters import Parameters
from holdfast.tables.statement import Statement, Verb
from holdfast.versions.resolve import Resolved

if TYPE_CHECKING:
    from holdfast.runs.loop import Loop
    from holdfast.state.versioned import Versioned


class RunStore(Stateful, Caching, Running, Statements, Questions, Branching):
    """A `Store` on the branch of a run that is worked on. What is written there is part of the run's next step.

    Made by `Run.db`. Statements see what waits; an exception that leaves a step takes what the step wrote with it.
    """

    @classmethod
    def of(cls, outer: Connection, loop: Loop) -> Self:
        """Return the store on the branch of a run that is entered; it goes on with the statements that are known."""
        store = cls(outer._engine, loop.branch, ids=outer._ids)  # noqa: SLF001 - one of its kind
        store._loop, store._made_runner = loop, outer._runner  # noqa: SLF001 - as above
        return store

    _loop: Loop

    @property
    def _session(self) -> Session:
        return self._loop.place.session

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here: the run is finished."""
        return not self._loop.is_open

    @property
    def state(self) -> Versioned:
        """The variables that the run shares with the branch that it is merged into."""
        return self._loop.root_state()

    def _run(self, statement: Statement, parameters: Iterable[Parameters]) -> Cursor:
        runs = list(parameters)
        self._sql(None)
        if statement.verb is Verb.SCHEMA:
            changed: Cursor = self._loop.define(
                statement.summary, lambda writer: self._runner.write(writer, _head(writer.opened), statement, runs)
            )
            return changed
        overlay, who = self._loop.active.rows, strand()
        if statement.verb is not Verb.SELECT:
            return overlay.tried(who, lambda writer, line: self._runner.write(writer, _head(line), statement, runs))
        if overlay.is_empty(who) and self._loop.active.is_live:
            with self._session.read() as reader:
                return self._runner.read(self._sql(reader), self._at(reader), statement, runs[0])
        return overlay.tried(who, lambda writer, line: self._runner.read(writer, _head(line), statement, runs[0]))

    @contextmanager
    def transaction(self, message: str = "", metadata: object = None, *, read_only: bool = False) -> Generator[Self]:
        """Take back what the block wrote if it raises. There is no commit before the run's next step, and no lock."""
        del message, metadata, read_only
        with self._loop.active.rows.savepoint(strand()):
            yield self

    def merge(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401
        """Raise Unsupported: what a run knows of other branches it reads in a step."""
        raise Unsupported("nothing is merged into the branch of a run; read the other branch in a step instead")

    cherry_pick = revert = reset = merge

    def close(self) -> None:
        """Do nothing: it goes with the run."""


def _head(line: Line) -> Resolved:
    return Resolved(Point(line.uid, line.head), line)
