"""The oracle of gc: whole-table snapshots, of which some may not be asked for any more.

Nothing is ever removed from what the oracle knows; what gc may change is only what can be named, and which old changes
count in a merge: a version that is gone cannot count as touched. Whether a version is gone is decided here by sets of
commits, every root's against every other's, without vectors or lines.
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.clock import Clock, Ids
from holdfast.core.points import Point, Rid
from holdfast.core.schema import Key, Table
from holdfast.errors import NotFound
from holdfast.testing.oracle import Commit, Oracle
from holdfast.testing.snapshots import Trace, Version, key_of
from holdfast.testing.threeway import Side

Gone = tuple[int, Rid, Point]
"""A version: its table, its row, and the commit that made it."""


class RetentiveOracle(Oracle):
    """An oracle that forgets as gc does."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        super().__init__(clock, ids)
        self.pruned: set[Point] = set()
        self._gone: set[Gone] = set()
        self._pinned: dict[str, Commit] = {}

    def at(self, ref: str) -> Commit:
        """Return the commit at a ref. Raises NotFound for one that was pruned."""
        commit = super().at(ref)
        if ref not in self._branches and ref not in self._tags and commit.point in self.pruned:
            raise NotFound(f"{ref!r} was pruned")
        return commit

    def log(self, ref: str, limit: int | None = None) -> list[Commit]:
        """Return the commits from a ref back along first parents; pruned ones are still there."""
        hidden, self.pruned = self.pruned, set()
        try:
            return super().log(ref, limit)
        finally:
            self.pruned = hidden

    def pin(self, token: str, at: str) -> str:
        """Pin a ref until `unpin`."""
        self._pinned[token] = self.at(at)
        return self._pinned[token].hash

    def unpin(self, token: str) -> None:
        """End a pin."""
        self._pinned.pop(token, None)

    def gc(self, *, since_us: int | None = None, keep_last: int | None = None) -> None:
        """Forget what no root sees, and what every root that sees it sees ended by one and the same commit."""
        named = [*(line.head for line in self._branches.values()), *self._tags.values(), *self._pinned.values()]
        if since_us is not None or keep_last is not None:
            kept = {commit.point for commit in named}
            for name in self._branches:
                kept.update(commit.point for commit in self.log(name, keep_last or 0))
            for commit in self._commits.values():
                if commit.point not in kept and (since_us is None or commit.at_us < since_us):
                    self.pruned.add(commit.point)
        seen = frozenset[Point]().union(*(commit.seen for commit in named))
        self._commits = {point: commit for point, commit in self._commits.items() if point in seen}
        roots = [*named, *(commit for point, commit in self._commits.items() if point not in self.pruned)]
        for version, enders in self._ended().items():
            seeing = [root.seen for root in roots if version[2] in root.seen]
            if any(all(ender in sees for sees in seeing) for ender in enders):
                self._gone.add(version)

    def _ended(self) -> dict[Gone, set[Point]]:
        """Return each version that was ended, with the commits that ended it."""
        ended: dict[Gone, set[Point]] = {}
        for commit in self._commits.values():
            for table, version in self._ends_of(commit):
                ended.setdefault((table, version.rid, version.born), set()).add(commit.point)
        return ended

    def _ends_of(self, commit: Commit) -> list[tuple[int, Version]]:
        """Return the versions that a commit ended: its parents' union shows them, and it does not."""
        by_hash = {one.hash: one for one in self._commits.values()}
        parents = [by_hash[parent] for parent in commit.parents]
        ends: list[tuple[int, Version]] = []
        for table in commit.catalogue.tables:
            sides = [{*parent.rows.get(table.id, {}).values()} for parent in parents]
            for at, side in enumerate(sides):
                others = [(sides[other], parents[other]) for other in range(len(sides)) if other != at]
                gone = side - {*commit.rows.get(table.id, {}).values()}
                ends += [(table.id, version) for version in gone if _in_union(version, others)]
        return ends

    def _side(self, side: Commit, between: frozenset[Point]) -> Side:
        """Return a side, whose touches are those of the versions that are still there."""
        there = [self._commits[point] for point in between if point in self._commits]
        return Side(side.rows, side.seen, [trace for commit in there for trace in self._remaining(commit)])

    def _parent(self, commit: Commit) -> Commit:
        """Return the first parent of a commit. Raises NotFound for one that was pruned, even if it is tagged."""
        parent = super()._parent(commit)
        if parent is not commit and parent.point in self.pruned:
            raise NotFound(f"the parent of {commit.hash!r} was pruned")
        return parent

    def _remaining(self, commit: Commit) -> list[Trace]:
        ends = self._ends_of(commit)
        traces: list[Trace] = []
        for trace in commit.traces:
            table = commit.catalogue.table(trace.table_id)
            assert table is not None
            keys = {key_of(table, version) for at, version in ends if self._counts(trace, at, version)}
            keys |= self._born_under(table, trace, commit)
            if keys:
                traces.append(replace(trace, keys=frozenset(keys)))
        return traces

    def _counts(self, trace: Trace, table_id: int, version: Version) -> bool:
        is_its = table_id == trace.table_id and version.rid == trace.rid
        return is_its and (table_id, version.rid, version.born) not in self._gone

    def _born_under(self, table: Table, trace: Trace, commit: Commit) -> set[Key]:
        if trace.after is None or (table.id, trace.rid, commit.point) in self._gone:
            return set()
        return {key_of(table, Version(trace.rid, commit.point, trace.after))}


def _in_union(version: Version, others: list[tuple[set[Version], Commit]]) -> bool:
    """Tell whether no other side has ended a version: it shows it, or never saw it made."""
    return all(version in rows or version.born not in parent.seen for rows, parent in others)
