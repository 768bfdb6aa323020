"""What a run has written into tables and not committed: a private layer over its branch.

No lock is held while a user's code runs. So each statement is run in a transaction of its own, on a line that begins
where the run stands; what came of it is read off as net changes of rows, and the transaction is taken back. The next
statement, and at last the commit of the step, has these changes applied first, as they are: what a default or NOW()
gave stays what it was. Since the run alone writes its branch, what held then holds in the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Change, Resolution, Row, key_of
from holdfast.core.schema import Key, Table
from holdfast.engine.contract import Line, Writer
from holdfast.runs.active import Active

T = TypeVar("T")


class _Undone(Exception):
    """Takes back a transaction."""


class Overlay:
    """Rows that a run has written since its last commit."""

    def __init__(self, active: Active) -> None:
        self._active = active
        self._uid = active.place.ids.line_uid()
        self._changes: list[Change] = []

    def of(self, active: Active) -> Overlay:
        """Return what waits as that of another run, which stands where this one does."""
        other = Overlay(active)
        other._changes = list(self._changes)
        return other

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._changes

    def tried(self, work: Callable[[Any, Line], T]) -> T:
        """Let `work` read and write on top of what waits; what it wrote waits, too, and nothing of it is committed."""
        active, found, changes = self._active, list[T](), list[Change]()
        with active.copy.lock:
            with suppress(_Undone), active.place.session.write() as writer:
                line = writer.create_line(self._uid, active.copy.base)
                writer.open(line)
                self.apply(writer)
                found.append(work(writer, line))
                commit = writer.seal("", None)
                changes += [] if commit is None else writer.changes(commit.point)
                raise _Undone
            self._changes = changes
        return found[0]

    def apply(self, writer: Writer) -> None:
        """Write what waits into the open commit."""
        if not self._changes:
            return
        line = writer.opened
        seen = {**writer.vector(Point(line.uid, line.head)), line.uid: line.head + 1}
        tables: dict[int, list[Change]] = {}
        for change in self._changes:
            tables.setdefault(change.table.id, []).append(change)
        for changes in tables.values():
            table = changes[0].table
            parts = [_resolution(change, there) for change, there in _rows_of(writer, table, seen, changes)]
            writer.settle(table, Resolution.of(table, parts))

    def clear(self) -> None:
        """Forget what waited: it is committed, or is not to be."""
        self._changes = []

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Forget what the block wrote if it raises."""
        before = list(self._changes)
        try:
            yield
        except BaseException:
            self._changes = before
            raise


def _rows_of(
    writer: Writer, table: Table, seen: VersionVector, changes: list[Change]
) -> list[tuple[Change, Row | None]]:
    """Return changes with the rows that they change, as they are there."""
    keys = [key_of(table, change.before) for change in changes if change.before is not None]
    there: dict[Key, Row] = {key_of(table, row): row for row in writer.rows(table, seen, keys)} if keys else {}
    return [(change, None if change.before is None else there.get(key_of(table, change.before))) for change in changes]


def _resolution(change: Change, there: Row | None) -> Resolution:
    ended = [] if there is None else [there]
    fresh = [] if change.after is None else [(None if there is None else there.rid, change.after.values)]
    return Resolution(ended, list(fresh))
