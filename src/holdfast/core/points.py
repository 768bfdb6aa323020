"""Points in history, and the version vectors that say what a point sees.

A line is a sequence of commits that never moves back, so whoever sees its commit n sees all before it. What a point
sees is therefore one number per line. Merging two points is the pointwise maximum of their vectors, and their common
base is the pointwise minimum, criss-cross merges included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

VersionVector = Mapping[str, int]
"""Line uid -> the highest commit number seen there, from 1. Of a line that is absent nothing is seen."""


class Point(NamedTuple):
    """Commit `n` of a line. `n == 0` is the place where the line was forked, before any commit of its own."""

    line: str
    n: int


class Rid(NamedTuple):
    """The identity of a row across all its versions: the commit that inserted it, and its place there from 1."""

    line: str
    n: int
    ordinal: int


def join(a: VersionVector, b: VersionVector) -> dict[str, int]:
    """Return what is seen by whoever sees both: the pointwise maximum."""
    return {line: max(a.get(line, 0), b.get(line, 0)) for line in {**a, **b}}


def meet(a: VersionVector, b: VersionVector) -> dict[str, int]:
    """Return what both see: the pointwise minimum."""
    return {line: min(n, b[line]) for line, n in a.items() if line in b}


def covers(a: VersionVector, b: VersionVector) -> bool:
    """Tell whether `a` sees all that `b` sees."""
    return all(a.get(line, 0) >= n for line, n in b.items())


def beyond(side: VersionVector, base: VersionVector) -> dict[str, tuple[int, int]]:
    """Return, per line, the commits (after, up to and including) that `side` sees and `base` does not."""
    spans = {line: (base.get(line, 0), n) for line, n in side.items()}
    return {line: span for line, span in spans.items() if span[0] < span[1]}


def sees(vector: VersionVector, point: Point) -> bool:
    """Tell whether the commit at `point` lies in `vector`."""
    return vector.get(point.line, 0) >= point.n
