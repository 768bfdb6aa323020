"""What a commit is going to write of one value, while it is found out."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.core.codec import Codec
from holdfast.state.rows.tables import GAP, Address, Cells, RowChange


class PartNames:
    """Names for parts that nobody else gives, in ascending order.

    Args:
        origin: what tells this source of names from all others: 8 random bytes.
    """

    def __init__(self, origin: bytes) -> None:
        self._origin = _short(int.from_bytes(origin))
        self._given = 0

    def another(self, path: str) -> Address:
        """Return the address of another part of the container whose parts have this path."""
        self._given += 1
        number = _short(self._given)
        return Address(path, f"{self._origin}.{_DIGITS[len(number)]}{number}")


class RecordedNames(PartNames):
    """The names that a commit gave, for who does again what became of it; then those of another source.

    Args:
        recorded: the addresses that were new in it.
    """

    def __init__(self, recorded: Iterable[Address], further: PartNames) -> None:
        self._recorded: dict[str, deque[Address]] = {}
        for address in sorted(recorded):  # in the order in which they were given
            self._recorded.setdefault(address.path, deque()).append(address)
        self._further = further

    def another(self, path: str) -> Address:
        """Return the address of another part of the container whose parts have this path."""
        left = self._recorded.get(path)
        return left.popleft() if left else self._further.another(path)


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _short(number: int) -> str:
    """Return a number to the base 36."""
    text = ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text


@dataclass(slots=True)
class Draft:
    """What is to be written of one key, and what is to be remembered once that is done.

    Nothing that is remembered changes before `settle`: what fails on the way leaves all of it pending.
    """

    codec: Codec
    names: PartNames
    line: str
    """The uid of the line that will be written: counters keep a share for each."""
    complete: bool = False
    """Whether to look at everything, and trust no note."""
    changes: list[RowChange] = field(default_factory=list)
    settlements: list[Callable[[], None]] = field(default_factory=list)
    written: set[Address] = field(default_factory=set)

    def put(self, address: Address, cells: Cells, *, new: bool) -> None:
        """Write a row, once in a draft: twice would be a fault of the node that stands for it."""
        assert address not in self.written, f"the row at {address} is drafted twice"
        self.written.add(address)
        self.changes.append(RowChange(address, cells, new))

    def remove(self, address: Address) -> None:
        """Remove a row."""
        self.changes.append(RowChange(address, None))

    def then(self, settlement: Callable[[], None]) -> None:
        """Remember something once all is written."""
        self.settlements.append(settlement)

    def settle(self) -> None:
        """Remember what was written."""
        for settlement in self.settlements:
            settlement()


def at_key(where: str, key: object) -> str:
    """Return how a message names the entry of a mapping, or the item of a list."""
    if isinstance(key, str):
        return f"{where}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{where}[{key!r}]"


def places_between(low: int | None, high: int | None, count: int) -> list[int] | None:
    """Return places for new items between two neighbours, in order; None if there is no room.

    Args:
        low, high: the places of the neighbours; None where there is none.
    """
    if high is None:
        first = (low or 0) + GAP
        return list(range(first, first + count * GAP, GAP))
    if low is None:
        low = high - (count + 1) * GAP
    step = (high - low) // (count + 1)
    return [low + step * (at + 1) for at in range(count)] if step else None


def in_order(places: list[int | None]) -> list[int]:
    """Return places that ascend: None is given one, and those that are given, which ascend, stay if there is room."""
    found: list[int] = []
    at = 0
    while at < len(places):
        given = places[at]
        if given is not None:
            found.append(given)
            at += 1
            continue
        end = next((index for index in range(at, len(places)) if places[index] is not None), len(places))
        high = places[end] if end < len(places) else None
        between = places_between(found[-1] if found else None, high, end - at)
        if between is None:
            places = [*places[:end], None, *places[end + 1 :]]  # no room: the next neighbour moves, too
            continue
        found += between
        at = end
    return found


def ascending(numbers: Sequence[int | None]) -> set[int]:
    """Return where the longest ascending subsequence stands (patience sorting: Fredman, 1975); None is passed over."""
    tops: list[int] = []  # the smallest last number of an ascending subsequence of each length
    at_top: list[int] = []
    before: dict[int, int | None] = {}
    for at, number in enumerate(numbers):
        if number is None:
            continue
        length = bisect_left(tops, number)
        tops[length : length + 1] = [number]
        at_top[length : length + 1] = [at]
        before[at] = at_top[length - 1] if length else None
    found: set[int] = set()
    last = at_top[-1] if at_top else None
    while last is not None:
        found.add(last)
        last = before[last]
    return found


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return the type that a value is stored as: of a container that notes its changes the plain one."""
    return getattr(type(value), "__holdfast_plain__", type(value))
