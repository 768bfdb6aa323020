"""How a merge of branches merges their state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.core.clock import Ids
from holdfast.core.codec import Codec
from holdfast.core.rows import Row
from holdfast.core.schema import Key
from holdfast.core.types import Stored
from holdfast.state.drafts import PartNames
from holdfast.state.merging import Merging
from holdfast.state.policies import decider
from holdfast.state.rows import PARTS, ROOT, STATE, Address, Cells, Name, key_of, read_row, stored_row
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
        base = _rows(_presumed_base(whole) if whole.base is None else whole.base)
        names = PartNames(self._ids.salt()[:8])
        merging = Merging(name, base, _rows(whole.ours), _rows(whole.theirs), decider(policy), self._codec, names)
        wanted = {_place(name, address): stored_row(name, address, cells) for address, cells in merging.rows().items()}
        return Verdict(wanted, tuple(merging.resolved), tuple(merging.left))


def state_rules(ids: Ids) -> Sequence[Rules]:
    """Return the rules by which stores merge state."""
    return (StateRules(Codec(KeyFile()), ids),)


def _rows(rows: WholeRows) -> dict[Address, Cells]:
    return dict(read_row(row.values) for row in rows.values())


def _presumed_base(whole: Whole) -> WholeRows:
    """Return what both sides had of each row, after criss-cross merges: as much as both their histories tell.

    If the branch will see one side's version alone, that side knew the other's and went on from it. If it will see
    none, the side that has no version removed the other's.
    """
    found: dict[tuple[str, Key], Row] = {}
    for place in {**whole.ours, **whole.theirs}:
        mine, other = whole.ours.get(place), whole.theirs.get(place)
        shown = whole.union.get(place, ())
        if mine is None or other is None:
            base = None if shown else mine or other
        elif mine.values == other.values or shown == (other,):
            base = mine
        else:
            base = other if shown == (mine,) else None
        if base is not None:
            found[place] = base
    return found


def _place(name: Name, address: Address) -> tuple[str, Key]:
    key: tuple[Stored, ...] = key_of(name, address)
    return (STATE if address == ROOT else PARTS).name, key
