"""How a merge of branches merges their state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from holdfast.core.clock import Ids
from holdfast.core.codec import Codec
from holdfast.core.rows import Row
from holdfast.core.schema import Key
from holdfast.core.types import Stored
from holdfast.state.merging.policies import decider
from holdfast.state.merging.values import Merging
from holdfast.state.rows.drafts import PartNames
from holdfast.state.rows.tables import PARTS, ROOT, STATE, Address, Cells, Name, key_of, read_row, stored_row
from holdfast.state.signing import KeyFile
from holdfast.versions.wholes import Rules, Verdict, Whole, WholeRows


class StateRules:
    """Merges the rows of each key of state as one value."""

    tables: tuple[str, ...] = (STATE.name, PARTS.name)
    prefix: int = len(Name._fields)

    def __init__(self, codec: Codec, ids: Ids) -> None:
        self._codec = codec
        self._ids = ids

    def settle(self, whole: Whole, policy: Any) -> Verdict:  # noqa: ANN401
        """Decide what the rows of a key shall be. Raises InvalidValue if the policy is none."""
        name = Name(*whole.name)  # type: ignore[arg-type]
        crossed = _presumed(whole) if whole.base is None else None
        base, ours, theirs = map(_rows, (crossed.base if crossed else whole.base or {}, whole.ours, whole.theirs))
        doubtful = frozenset(read_row(row.values)[0] for row in crossed.removed) if crossed else None
        names = PartNames(self._ids.salt()[:8])
        merging = Merging(name, base, ours, theirs, decider(policy), self._codec, names, doubtful=doubtful)
        wanted = {_place(name, address): stored_row(name, address, cells) for address, cells in merging.rows().items()}
        return Verdict(wanted, tuple(merging.resolved), tuple(merging.left))


def state_rules(ids: Ids) -> Sequence[Rules]:
    """Return the rules by which stores merge state."""
    return (StateRules(Codec(KeyFile()), ids),)


def _rows(rows: WholeRows) -> dict[Address, Cells]:
    return dict(read_row(row.values) for row in rows.values())


class Presumed(NamedTuple):
    """What is known of the base where it is no one commit, after criss-cross merges."""

    base: WholeRows
    removed: list[Row]
    """Rows that one side removed, without having seen the version that the other has."""


def _presumed(whole: Whole) -> Presumed:
    """Return what both sides had of each row, as much as both their histories tell.

    If the branch will see one side's version alone, that side knew the other's and went on from it. If it will see
    none, the side that has no version removed the other's. If it will see a version of a row that the side which has
    none of it once had, that side removed another version of it.
    """
    found: dict[tuple[str, Key], Row] = {}
    removed: list[Row] = []
    for place in {**whole.ours, **whole.theirs}:
        mine, other = whole.ours.get(place), whole.theirs.get(place)
        shown = whole.union.get(place, ())
        if mine is None or other is None:
            row = mine or other
            assert row is not None
            if not shown:
                found[place] = row
            elif whole.seen[0 if mine is None else 1].get(row.rid.line, -1) >= row.rid.n:
                removed.append(row)
        elif mine.values == other.values or shown == (other,):
            found[place] = mine
        elif shown == (mine,):
            found[place] = other
    return Presumed(found, removed)


def _place(name: Name, address: Address) -> tuple[str, Key]:
    key: tuple[Stored, ...] = key_of(name, address)
    return (STATE if address == ROOT else PARTS).name, key
