"""What a store says of itself as a copy of another: an entry of a register, which every engine has.

Without names a store cannot be opened, by whatever version of Holdfast; the entry says why that is so.
"""

from __future__ import annotations

import msgspec

from holdfast.core.points import Point
from holdfast.engine.contract import Reader
from holdfast.errors import StoreCorrupt, StoreUnavailable

COPY = "copy"
"""The register that says that a store is a copy."""
KEY = "mark"
"""Its one entry."""


class Mark(msgspec.Struct, frozen=True):
    """What a copy says of itself.

    Attributes:
        source: what it is a copy of: `origin_of` that store.
        name: its own name, a random one, which tells it from other copies of the same store.
        by: who copies, or did: whoever begins anew keeps the others out.
        changed: whether something was taken back that an earlier run had copied, and its remnants are still there.
        left: the sum of all that it left when it was finished; "" until then.
    """

    source: str
    name: str
    by: str
    changed: bool = False
    left: str = ""


encoded = msgspec.json.encode
_decoder = msgspec.json.Decoder(Mark)


def mark_of(reader: Reader) -> Mark | None:
    """Return what a store says of itself as a copy; None if it is none. Raises StoreCorrupt."""
    raw = reader.entry(COPY, KEY)
    try:
        return None if raw is None else _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"what this store says of itself as a copy is damaged: {error}; make it anew") from error


def origin_of(reader: Reader) -> str:
    """Return what a store is known by as a source: its first commit, and of a copy, which copy it is."""
    mark = mark_of(reader)
    first = reader.commit(Point(reader.lines()[0].uid, 0)).hash.hex()
    return first if mark is None else f"{first}/{mark.name}"


def check_whole(reader: Reader) -> None:
    """Raise StoreUnavailable for a copy that is not finished."""
    mark = mark_of(reader)
    if mark is not None and not mark.left:
        raise StoreUnavailable(
            "this store is an unfinished copy of another one, and has no branches yet; run holdfast copy again, from"
            " the same source, to finish it"
        )
