"""Removing what nobody can ask for any more: the carrying out of core/retention.py, in short transactions.

Four stages, each safe by itself, so that a kill at any point leaves a store that is sound and shows what it showed:

1. Commits beyond the retention asked for are *pruned*: they are no roots any more, and nobody can name them.
2. Commits that no root sees are removed with all that they did, those that others build on last.
3. Versions that every root which sees them sees ended, by one end, are removed with their ends.
4. Lines of deleted branches that were wholly merged are *sealed*: whoever sees the merge sees all of them, so readers
   need not be told of each (docs/decisions/0007).

At the end the engine removes what it no longer needs itself.

The plan of the third stage is made once, in a snapshot; it stays true whatever others write meanwhile. That of the
second is made again whenever a name, a line or a merge came in between, because until a commit is gone it can be named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from holdfast.core.points import Point
from holdfast.core.retention import Mark, Roots, tips_first
from holdfast.core.schema import Table
from holdfast.engine.contract import Reader, Session, Writer
from holdfast.versions.results import Collected

BUDGET_ROWS = 1_000
"""Rows that one transaction removes, unless the caller says otherwise: a few tens of milliseconds."""

Progress = Callable[[Collected], None]


@dataclass(frozen=True, slots=True)
class Retention:
    """Which commits stay, beside the heads of branches, tags and pins: those that any of the rules keeps.

    Without any rule all stay that a branch, a tag or a pin sees.
    """

    since_us: int | None = None
    """Keeps commits made at this moment or later."""
    keep_last: int | None = None
    """Keeps the newest commits of each branch, this many, its head counted."""

    @property
    def keeps_all(self) -> bool:
        """Whether there is no rule."""
        return self.since_us is None and self.keep_last is None


@dataclass(slots=True)
class Collection:
    """One run of gc.

    Args:
        session: where each batch is a transaction of its own.
        retention: which commits stay.
        now_us: when leases are compared with.
        budget: rows, or commits, that a batch removes.
        batches: after how many to stop; None: when all is done.
        progress: told what has been removed so far, after each batch, outside any transaction.
    """

    session: Session
    retention: Retention
    now_us: int
    budget: int = BUDGET_ROWS
    batches: int | None = None
    progress: Progress | None = None
    found: Collected = field(default_factory=Collected)
    _ran: int = 0

    def run(self) -> Collected:
        """Remove what may go."""
        for stage in (self._prune, self._remove, self._remove_lines, self._squash, self._seal):
            if not stage():
                self.found = replace(self.found, more=True)
                return self.found
        self.session.sweep()
        return self.found

    def preview(self) -> Collected:
        """Return what `run` would remove, and change nothing."""
        with self.session.read() as reader:
            pruned = prunable(reader, self.retention, self.now_us)
            leaving = unreachable(reader, self.now_us)
            gone = {mark.point for mark in leaving}
            roots = roots_of(reader, self.now_us, without=gone.union(pruned))
            rows = sum(len(_spare(reader, roots, table)) for table in reader.tables_ever())
            sealed = sum(line not in {point.line for point in gone} for line, _ in reader.sealable())
        return Collected(rows, 0, len(set(pruned) - gone), len(leaving), sealed)

    # Stages: each returns whether it came to its end

    def _prune(self) -> bool:
        if self.retention.keeps_all:
            return True
        with self.session.read() as reader:
            waiting = prunable(reader, self.retention, self.now_us)
        while waiting:
            if not self._may_go_on():
                return False
            batch, waiting = waiting[: self.budget], waiting[self.budget :]
            with self._batch() as writer:
                still = set(kept_points(writer, self.retention, self.now_us))
                pruned = writer.prune(point for point in batch if point not in still)
            self._report(commits_pruned=pruned)
        return True

    def _remove(self) -> bool:
        stamp: object = None
        waiting: list[Mark] = []
        with self.session.read() as reader:
            waiting, stamp = unreachable(reader, self.now_us), reader.stamp()
        while waiting:
            if not self._may_go_on():
                return False
            rows = size = commits = 0
            with self._batch() as writer:
                writer.unpin_expired(self.now_us)
                if writer.stamp() != stamp:
                    waiting, stamp = unreachable(writer, self.now_us), writer.stamp()
                while waiting and rows + commits < self.budget:
                    removal = writer.remove(waiting[0].point, self.budget - rows - commits)
                    rows, size = rows + removal.rows, size + removal.bytes
                    if removal.done:
                        del waiting[0]
                        commits += 1
                stamp = writer.stamp()
            self._report(rows=rows, bytes=size, commits_removed=commits)
        return True

    def _remove_lines(self) -> bool:
        while True:
            with self.session.read() as reader:
                empty = reader.empty_lines()
            if not empty:
                return True
            for at in range(0, len(empty), self.budget):
                if not self._may_go_on():
                    return False
                batch = empty[at : at + self.budget]
                with self._batch() as writer:
                    writer.remove_lines(batch)
                self._report(lines_folded=len(batch))

    def _squash(self) -> bool:
        with self.session.read() as reader:
            roots = roots_of(reader, self.now_us)
            plans = [
                (table, _spare(reader, roots, table), reader.kept_by_merges(table)) for table in reader.tables_ever()
            ]
        for table, handles, kept in plans:
            for at in range(0, len(handles), self.budget):
                if not self._may_go_on():
                    return False
                with self._batch() as writer:
                    removal = writer.squash(table, handles[at : at + self.budget], kept, erase=False)
                self._report(rows=removal.rows, bytes=removal.bytes)
        return True

    def _seal(self) -> bool:
        with self.session.read() as reader:
            waiting = reader.sealable()
        for at in range(0, len(waiting), self.budget):
            if not self._may_go_on():
                return False
            with self._batch() as writer:
                sealed = writer.seal_lines(waiting[at : at + self.budget])
            self._report(lines_folded=sealed)
        return True

    # Batches

    def _may_go_on(self) -> bool:
        return self.batches is None or self._ran < self.batches

    def _batch(self) -> _Batch:
        self._ran += 1
        return _Batch(self.session)

    def _report(self, **more: int) -> None:
        sums = {name: getattr(self.found, name) + number for name, number in more.items()}
        self.found = replace(self.found, **sums)
        if self.progress is not None:
            self.progress(self.found)


class _Batch:
    """A short transaction, after which others get their turn for as long as it took."""

    def __init__(self, session: Session) -> None:
        self._transaction = session.write(alone=True)
        self._began = 0.0

    def __enter__(self) -> Writer:
        writer = self._transaction.__enter__()
        self._began = time.monotonic()
        return writer

    def __exit__(self, *error: object) -> None:
        self._transaction.__exit__(*error)  # type: ignore[arg-type]
        time.sleep(min(time.monotonic() - self._began, 1.0))


def named_points(reader: Reader, now_us: int) -> list[Point]:
    """Return the points that are named: heads of branches, tags, and leased pins. Runs will stand here, too."""
    heads = (Point(line.uid, line.head) for line in reader.branches().values())
    return [*heads, *reader.tags().values(), *reader.pins(now_us)]


def kept_points(reader: Reader, retention: Retention, now_us: int) -> Iterator[Point]:
    """Yield the commits that stay whatever their age: those that are named, and the newest of each branch."""
    for point in named_points(reader, now_us):
        yield reader.commit(point).point
    for line in reader.branches().values():
        left = retention.keep_last or 0
        here, n = line, line.head
        while left > 0:
            oldest = max(n - left, 0)
            yield from (Point(here.uid, own) for own in range(n, oldest, -1))
            left -= n - oldest
            fork = here.parent
            if fork is None:
                if left > 0:
                    yield Point(here.uid, 0)  # the first commit of all
                break
            here, n = reader.line(fork.line), fork.n


def prunable(reader: Reader, retention: Retention, now_us: int) -> list[Point]:
    """Return the commits that no rule of the retention keeps."""
    if retention.keeps_all:
        return []
    kept = set(kept_points(reader, retention, now_us))
    since = retention.since_us
    return [
        mark.point
        for line in reader.lines()
        for mark in reader.marks(line.uid)
        if not mark.pruned and mark.point not in kept and (since is None or mark.at_us < since)
    ]


def unreachable(reader: Reader, now_us: int) -> list[Mark]:
    """Return the commits that nothing named sees, those first on which no other builds."""
    ceiling = Roots(reader.shape(), named_points(reader, now_us)).ceiling()
    lines = [line for line in reader.lines() if line.head > ceiling.get(line.uid, 0)]
    return tips_first(mark for line in lines for mark in reader.marks(line.uid, max(ceiling.get(line.uid, 0), 0)))


def roots_of(reader: Reader, now_us: int, without: set[Point] | None = None) -> Roots:
    """Return the points that have to go on showing what they show."""
    points = [*named_points(reader, now_us), *reader.unpruned()]
    return Roots(reader.shape(), (point for point in points if point not in (without or ())))


def _spare(reader: Reader, roots: Roots, table: Table) -> Sequence[int]:
    """Return the versions of a table that may go, each once."""
    return list(dict.fromkeys(end.handle for end in reader.endings(table) if roots.spare(end.born, end.ended)))
