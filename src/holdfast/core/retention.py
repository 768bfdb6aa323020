"""What has to be kept: the pure half of gc.

*Roots* are the points that somebody may still ask for: heads of branches, tags, leased pins, and every commit that was
not pruned. All that can ever be asked for later is made of them: a new commit sees what its branch saw and itself, a
merge is the pointwise maximum of two vectors, the base of a merge the pointwise minimum. Two rules follow.

- What lies beyond the maximum of the roots' vectors is seen by nobody, ever: it may go.
- A version may go if *one* tombstone exists that every root seeing the version also sees. "Sees the version" and "sees
  the tombstone" are each a bound on one line, and an implication between two bounds that holds for all roots holds for
  their maximum and their minimum, too; so no later merge or base can see the version alive. "No root shows it" is not
  enough: two roots may have ended it by two tombstones, and their minimum sees the version and neither of these.

Both stay true whatever is written meanwhile, as long as nobody can name a commit that is no root: a plan that was made
in one snapshot may be carried out later, in as many transactions as one likes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from holdfast.core.points import Point


class Pruned(IntEnum):
    """How much of a commit is kept."""

    NO = 0
    """All of it: it can be checked out."""
    PRUNED = 1
    """It cannot be checked out; what nothing else needs of its changes is gone, and the marks of those are kept."""
    BARE = 2
    """Pruned, and nothing is left of its changes but their digest."""
    LEAVING = 3
    """Nobody can see it, and it is being removed."""


class Mark(NamedTuple):
    """What retention needs to know of a commit."""

    point: Point
    hash: bytes
    parents: tuple[bytes, ...]
    at_us: int
    pruned: Pruned


class Ending(NamedTuple):
    """A version that some commit ended: the engine's handle of it, where it was made, and where it ended."""

    handle: int
    born: Point
    ended: Point


class Shape:
    """How the lines of a store fork from each other and merge.

    Args:
        parents: the point that each line was forked from; None for the first.
        merges: commits, in the order of their lines, each with the newest point of a line that it made visible.
        seals: of sealed lines their last commit, and the commit of another line that implies all of it.
    """

    def __init__(
        self,
        parents: Mapping[str, Point | None],
        merges: Iterable[tuple[Point, Point]],
        seals: Mapping[str, tuple[int, Point]] | None = None,
    ) -> None:
        self._parents = parents
        self.seals = seals or {}
        self._merged: dict[str, dict[str, tuple[list[int], list[int]]]] = {}
        for at, seen in merges:
            places, bounds = self._merged.setdefault(at.line, {}).setdefault(seen.line, ([], []))
            places.append(at.n)
            bounds.append(seen.n)
        self._inherited: dict[tuple[str, str], int] = {}

    def vector(self, point: Point) -> dict[str, int]:
        """Return what a point sees, sealed lines left out or not."""
        seen: dict[str, int] = {}
        at: Point | None = point
        while at is not None:
            if at.n:
                seen[at.line] = max(seen.get(at.line, 0), at.n)
                for source in self._merged.get(at.line, ()):
                    bound = self._merged_by(at, source)
                    if bound:
                        seen[source] = max(seen.get(source, 0), bound)
            at = self._parents[at.line]
        return seen

    def first(self, line: str, target: Point) -> int | None:
        """Return the first commit of a line that sees `target`; 0 if the line was forked there or later; or None."""
        direct = self._first(line, target)
        if target.line not in self.seals:
            return direct
        through = self._first(line, self.seals[target.line][1])
        return direct if through is None else through if direct is None else min(direct, through)

    def _first(self, line: str, target: Point) -> int | None:
        if self._seen_at_fork(line, target.line) >= target.n:
            return 0
        if line == target.line:
            return target.n
        places, bounds = self._merged.get(line, {}).get(target.line, ((), ()))
        at = bisect_left(bounds, target.n)
        return places[at] if at < len(places) else None

    def _seen_at_fork(self, line: str, of: str) -> int:
        """Return the newest commit of line `of` that a line inherits from where it was forked."""
        way: list[tuple[str, Point]] = []
        found = 0
        at = self._parents[line]
        here = line
        while at is not None:
            known = self._inherited.get((here, of))
            if known is not None:
                found = known
                break
            way.append((here, at))
            here, at = at.line, self._parents[at.line]
        for child, fork in reversed(way):
            own = fork.n if fork.line == of else self._merged_by(fork, of)
            found = self._inherited[child, of] = max(found, own)
        return found

    def _merged_by(self, point: Point, source: str) -> int:
        """Return the newest commit of `source` that the line of a point had itself merged by then."""
        places, bounds = self._merged.get(point.line, {}).get(source, ((), ()))
        at = bisect_left(places, point.n + 1)
        return bounds[at - 1] if at else 0


class Roots:
    """The points that have to go on showing what they show."""

    def __init__(self, shape: Shape, points: Iterable[Point]) -> None:
        self._shape = shape
        self._places: dict[str, list[int]] = {}
        for line, n in sorted(set(points)):
            self._places.setdefault(line, []).append(n)
        self._known: dict[tuple[Point, Point], bool] = {}
        self._seeing: dict[str, Sequence[str]] = {}

    def ceiling(self) -> dict[str, int]:
        """Return the pointwise maximum of what the roots see."""
        highest: dict[str, int] = {}
        for line, places in self._places.items():
            for source, n in self._shape.vector(Point(line, places[-1])).items():
                highest[source] = max(highest.get(source, 0), n)
        for line, (head, trunk) in self._shape.seals.items():
            if highest.get(trunk.line, 0) >= trunk.n:
                highest[line] = head
        return highest

    def spare(self, born: Point, ended: Point) -> bool:
        """Tell whether every root that sees `born` sees `ended`, too."""
        known = self._known.get((born, ended))
        if known is None:
            known = self._known[born, ended] = all(
                self._implies(line, born, ended) for line in self._lines_that_see(born.line)
            )
        return known

    def _implies(self, line: str, born: Point, ended: Point) -> bool:
        """Tell the same of the roots on one line. Of those that see `born`, the first sees the least."""
        places = self._places[line]
        born_from = self._shape.first(line, born)
        if born_from is None:
            return True
        at = bisect_left(places, born_from)
        if at == len(places):
            return True
        ended_from = self._shape.first(line, ended)
        return ended_from is not None and ended_from <= places[at]

    def _lines_that_see(self, source: str) -> Sequence[str]:
        """Return the lines of roots that see anything of `source`."""
        known = self._seeing.get(source)
        if known is None:
            firsts = ((line, self._shape.first(line, Point(source, 1))) for line in self._places)
            known = [line for line, first in firsts if first is not None and first <= self._places[line][-1]]
            self._seeing[source] = known
        return known


def tips_first(marks: Iterable[Mark]) -> list[Mark]:
    """Return commits in an order in which each stands behind all that have it as a parent."""
    by_hash = {mark.hash: mark for mark in marks}
    children: dict[bytes, int] = dict.fromkeys(by_hash, 0)
    for mark in by_hash.values():
        for parent in mark.parents:
            if parent in children:
                children[parent] += 1
    ready = [mark for mark in by_hash.values() if not children[mark.hash]]
    ordered: list[Mark] = []
    while ready:
        mark = ready.pop()
        ordered.append(mark)
        for parent in mark.parents:
            if parent in children:
                children[parent] -= 1
                if not children[parent]:
                    ready.append(by_hash[parent])
    return ordered
