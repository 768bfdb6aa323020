"""What a run has written into tables and not committed: a private layer over its branch.

No lock is held while a user's code runs. So each statement is run in a transaction of its own, on a line that begins
where the run stands; what came of it is read off as net changes of rows, and the transaction is taken back. The next
statement, and at last the commit of the step, has these changes applied first, as they are: what a default or NOW()
gave stays what it was. Since the run alone writes its branch, what held then holds in the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Change, Resolution, Row, key_of
from holdfast.core.schema import Key, Table
from holdfast.engine.contract import Line, Writer
from holdfast.runs.workplace import Workplace
from holdfast.state.working.copy import WorkingCopy

T = TypeVar("T")


class _Undone(Exception):
    """Takes back a transaction."""


class Overlay:
    """Rows that a run has written since its last commit, by the strands that wrote them.

    Each strand sees its own, and those of the strands that it is in: of the one in which the run was entered, and of a
    step the task or thread that asked for it. So a step that fails, or dies, takes nothing of others with it.

    Args:
        copy: the state of the run, which stands where the run does.
        layers: returns the strands whose writes one sees, itself the last of them.
    """

    def __init__(self, place: Workplace, copy: WorkingCopy, layers: Callable[[object], list[object]]) -> None:
        self._place = place
        self._copy = copy
        self._layers = layers
        self._uid = place.ids.line_uid()
        self._waiting: dict[object, list[Change]] = {}

    def take_over(self, other: Overlay) -> None:
        """Let what waits in another run, which stands where this one does, wait here, too."""
        self._waiting = {who: list(changes) for who, changes in other._waiting.items()}

    def is_empty(self, who: object) -> bool:
        """Whether nothing waits that a strand sees."""
        return not any(layer in self._waiting for layer in self._layers(who))

    def tried(self, who: object, work: Callable[[Any, Line], T]) -> T:
        """Let `work` read and write on top of what waits; what it wrote waits, too, and nothing of it is committed."""
        found, changes = list[T](), list[Change]()
        with self._copy.lock:
            with suppress(_Undone), self._place.session.write() as writer:
                line = writer.create_line(self._uid, self._copy.base)
                for layer in self._layers(who):
                    if layer != who and layer in self._waiting:
                        writer.open(line)
                        _settle(writer, self._waiting[layer])
                        writer.seal("", None)
                        line = writer.line(self._uid)
                writer.open(line)
                _settle(writer, self._waiting.get(who, []))
                found.append(work(writer, line))
                commit = writer.seal("", None)
                changes += [] if commit is None else writer.changes(commit.point)
                raise _Undone
            self._keep(who, changes)
        return found[0]

    def _keep(self, who: object, changes: list[Change]) -> None:
        if changes:
            self._waiting[who] = changes
        else:
            self._waiting.pop(who, None)

    def apply(self, writer: Writer, strands: Iterable[object] | None) -> None:
        """Write what waits of some strands into the open commit; of all for None, in the order of their writes."""
        for who in list(self._waiting) if strands is None else dict.fromkeys(strands):
            _settle(writer, self._waiting.get(who, []))

    def clear(self, strands: Iterable[object] | None) -> None:
        """Forget what waited of some strands, or of all: it is committed, or is not to be."""
        for who in list(self._waiting) if strands is None else strands:
            self._waiting.pop(who, None)

    @contextmanager
    def savepoint(self, who: object) -> Generator[None]:
        """Forget what a strand wrote in the block if that raises."""
        before = list(self._waiting.get(who, []))
        try:
            yield
        except BaseException:
            self._keep(who, before)
            raise


def _settle(writer: Writer, changes: list[Change]) -> None:
    """Write changes into the open commit."""
    if not changes:
        return
    line = writer.opened
    seen = {**writer.vector(Point(line.uid, line.head)), line.uid: line.head + 1}
    tables: dict[int, list[Change]] = {}
    for change in changes:
        tables.setdefault(change.table.id, []).append(change)
    for of_table in tables.values():
        table = of_table[0].table
        parts = [_resolution(change, there) for change, there in _rows_of(writer, table, seen, of_table)]
        writer.settle(table, Resolution.of(table, parts))


def _rows_of(
    writer: Writer, table: Table, seen: VersionVector, changes: list[Change]
) -> list[tuple[Change, Row | None]]:
    """Return changes with the rows that they change, as they are there.

    A row without a key that waits itself has another row id in each transaction, and is found by what it holds.
    """
    keys = [key_of(table, change.before) for change in changes if change.before is not None]
    there: dict[Key, Row] = {key_of(table, row): row for row in writer.rows(table, seen, keys)} if keys else {}
    found: list[tuple[Change, Row | None]] = []
    free: list[Row] | None = None
    for change in changes:
        row = None if change.before is None else there.get(key_of(table, change.before))
        if row is None and change.before is not None and not table.primary_key:
            if free is None:
                mine = writer.opened.uid
                free = [other for other in writer.rows(table, seen) if other.born.line == mine]
            row = next((other for other in free if other.values == change.before.values), None)
            if row is not None:
                free.remove(row)
        found.append((change, row))
    return found


def _resolution(change: Change, there: Row | None) -> Resolution:
    ended = [] if there is None else [there]
    fresh = [] if change.after is None else [(None if there is None else there.rid, change.after.values)]
    return Resolution(ended, list(fresh))
