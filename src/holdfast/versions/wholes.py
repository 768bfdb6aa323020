"""Rows that are decided together, because they are parts of one thing that is merged by rules of its own.

Where several rows stand for one value, as those of a key of state do, a merge of rows by themselves is not enough: two
lists that both grew have to be put in order, and a part must not outlive what it is a part of. All rows whose keys
begin alike are such a *whole*. Where both sides touched a whole (or, in a copy, theirs did), its rules are given what
both sides and their base show of it, and say what shall be there; what follows from that for versions is worked out
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from holdfast.core.points import VersionVector
from holdfast.core.rows import Group, Resolution, Row, Touch, keep_equal, key_of
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.core.types import Stored
from holdfast.engine.contract import Reader
from holdfast.errors import Conflict

WholeRows = Mapping[tuple[str, Key], Row]
"""The rows of a whole by the names of their tables and their keys."""

Wanted = Mapping[tuple[str, Key], tuple[Stored, ...]]
"""What shall be there, likewise."""


class Verdict(NamedTuple):
    """What rules make of a whole."""

    wanted: Wanted
    resolved: tuple[Conflict, ...] = ()
    """Conflicts, in Python values, that the policy resolved."""
    left: tuple[Conflict, ...] = ()
    """Those that it left; what is wanted is ours there."""


class Rules(Protocol):
    """How wholes are merged."""

    tables: tuple[str, ...]
    """The tables in which rows of a whole are; a policy is given under the name of the first."""
    prefix: int
    """How many values of a key say which whole a row is a part of."""

    def settle(self, whole: Whole, policy: Any) -> Verdict:  # noqa: ANN401 - what the caller gave
        """Decide what shall be there. Raises InvalidValue if the policy is none."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole as both sides show it. `base` is None where the common ancestor is not known."""

    name: Key
    tables: tuple[Table, ...]
    base: WholeRows | None
    ours: WholeRows
    theirs: WholeRows
    union: Mapping[tuple[str, Key], tuple[Row, ...]]
    """What the branch will see before anything is decided; where both sides wrote a row, both versions of it."""
    both: frozenset[tuple[str, Key]]
    """The rows that both sides touched."""
    rules: Rules
    seen: tuple[VersionVector, VersionVector]
    """What ours and theirs see."""

    def resolutions(self, wanted: Wanted) -> list[tuple[Table, Resolution]]:
        """Return what has to be ended and written so that what is wanted is there."""
        found: list[tuple[Table, Resolution]] = []
        by_name = {table.name: table for table in self.tables}
        for place in dict.fromkeys([*self.union, *self.both, *wanted]):
            part = self._resolution(place, wanted.get(place))
            if part.ended or part.fresh:
                found.append((by_name[place[0]], part))
        return found

    def _resolution(self, place: tuple[str, Key], wanted: tuple[Stored, ...] | None) -> Resolution:
        shown, mine, other = self.union.get(place, ()), self.ours.get(place), self.theirs.get(place)
        if place in self.both and mine and other and mine.values == other.values == wanted:
            key = place[1]
            return keep_equal(Group(frozenset([key]), None, (), {key: mine}, {key: other}, shown))
        is_there = [row.values for row in shown] == ([] if wanted is None else [wanted])
        if is_there and (place not in self.both or (mine is None and other is None)):
            return Resolution()
        if wanted is None:
            return Resolution(list(shown))
        row = next((one for one in (mine, other) if one is not None), None)
        return Resolution(list(shown), [(row.rid if row else None, wanted)])


class Sides(NamedTuple):
    """What is compared: the base, or None where it is no single commit, both sides, and what the branch will see."""

    base: VersionVector | None
    ours: VersionVector
    theirs: VersionVector
    union: VersionVector


Touches = Callable[[Table], tuple[list[Touch], list[Touch]]]
"""Returns what ours and theirs touched of a table since the base."""


def wholes_of(
    reader: Reader, catalogue: Catalogue, rules: Rules, touches: Touches, sides: Callable[[], Sides], *, copied: bool
) -> list[Whole]:
    """Return the wholes of some rules that both sides touched; for a copy all that theirs touched."""
    tables = tuple(table for table in map(catalogue.find, rules.tables) if table is not None and table.owned)
    ours: set[tuple[str, Key]] = set()
    theirs: set[tuple[str, Key]] = set()
    for table in tables:
        mine, other = touches(table)
        ours |= _places(table, mine)
        theirs |= _places(table, other)
    names = {key[: rules.prefix] for _, key in theirs}
    if not copied:
        names &= {key[: rules.prefix] for _, key in ours}
    if not names:
        return []
    found, both = sides(), frozenset(ours & theirs)

    def shown(vector: VersionVector | None, name: Key) -> list[tuple[tuple[str, Key], Row]]:
        if vector is None:
            return []
        found: list[tuple[tuple[str, Key], Row]] = []
        for table in tables:
            places = table.positions(table.primary_key)  # once, not for each of what may be thousands of rows
            rows = reader.scan(table, vector, name)
            found += [((table.name, tuple(row.values[at] for at in places)), row) for row in rows]
        return found

    return [
        Whole(
            name,
            tables,
            None if found.base is None else dict(shown(found.base, name)),
            dict(shown(found.ours, name)),
            dict(shown(found.theirs, name)),
            _grouped(shown(found.union, name)),
            frozenset(place for place in both if place[1][: rules.prefix] == name),
            rules,
            (found.ours, found.theirs),
        )
        for name in sorted(names)
    ]


def _places(table: Table, touches: Iterable[Touch]) -> set[tuple[str, Key]]:
    return {(table.name, key_of(table, touch.row)) for touch in touches}


def _grouped(rows: Iterable[tuple[tuple[str, Key], Row]]) -> dict[tuple[str, Key], tuple[Row, ...]]:
    found: dict[tuple[str, Key], tuple[Row, ...]] = {}
    for place, row in rows:
        found[place] = (*found.get(place, ()), row)
    return found
