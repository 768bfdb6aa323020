"""A number that branches count up without conflict."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Self

from holdfast.errors import InvalidValue
from holdfast.state.objects.tracked import NOBODY, Note

Number = int | float


class Counter:
    """A number to which branches, and processes, add independently: a merge adds what each of them added.

    `state["calls"] = Counter()`, then `state["calls"] += 1`, or `state["calls"].add(3)`. Its value is the sum of what
    each line of history added, so that +1 on two branches makes 2, whichever way they are merged.

    Compares, adds and prints as the number it stands for.

    Args:
        start: what it begins with.

    Raises:
        InvalidValue: `start`, or what is added, is no finite int or float.
    """

    __slots__ = ("_note", "_shares", "added")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, start: Number = 0) -> None:
        self._note: Note = NOBODY
        self._shares: dict[str, Number] = {}
        self.added: Number = _checked(start)

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """What is held while it changes."""
        return self._note.lock

    @property
    def value(self) -> Number:
        """The sum of all that was added."""
        return sum(self._shares.values()) + self.added

    def add(self, amount: Number = 1) -> Number:
        """Add an amount, which may be negative; return the value."""
        amount = _checked(amount)
        with self._note.lock:
            self._note.edit(None)
            self.added += amount
            return self.value

    def __iadd__(self, amount: Number) -> Self:  # type: ignore[misc]
        self.add(amount)
        return self

    def __isub__(self, amount: Number) -> Self:  # type: ignore[misc]
        self.add(-_checked(amount))
        return self

    def __add__(self, other: Number | Counter) -> Number:
        return self.value + (other.value if isinstance(other, Counter) else other)

    __radd__ = __add__

    def __sub__(self, other: Number | Counter) -> Number:
        return self.value - (other.value if isinstance(other, Counter) else other)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __index__(self) -> int:
        return self.value.__index__()  # type: ignore[union-attr]

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Counter) else other)

    def __lt__(self, other: Number | Counter) -> bool:
        return self.value < (other.value if isinstance(other, Counter) else other)

    def __le__(self, other: Number | Counter) -> bool:
        return self < other or self == other

    def __gt__(self, other: Number | Counter) -> bool:
        return not self <= other

    def __ge__(self, other: Number | Counter) -> bool:
        return not self < other

    def __repr__(self) -> str:
        return f"Counter({self.value})"

    def __reduce__(self) -> tuple[type[Counter], tuple[Number]]:
        return Counter, (self.value,)


Counter.__module__ = "holdfast"  # what pickles find it by, wherever it stands


def _checked(amount: object) -> Number:
    if isinstance(amount, Counter):
        return amount.value
    if isinstance(amount, (int, float)) and not isinstance(amount, bool) and -(2**63) <= amount < 2**63:
        return amount
    raise InvalidValue(f"a Counter adds finite ints and floats of up to 64 bits, not {amount!r}")
