"""A clock and identities that a test decides, so that two stores driven alike make the very same commits."""

from __future__ import annotations

import hashlib

EPOCH_US = 1_767_225_600_000_000
"""2026-01-01 00:00:00 UTC in microseconds: where a fake clock starts."""


class FakeClock:
    """A clock that stands still until it is told to move, forwards or backwards."""

    def __init__(self, now_us: int = EPOCH_US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Return the moment last set, in microseconds since 1970-01-01 UTC."""
        return self._now_us

    def set(self, now_us: int) -> None:
        """Let it be `now_us` from now on."""
        self._now_us = now_us

    def advance(self, by_us: int) -> None:
        """Move the clock by `by_us` microseconds; a negative number is a clock that jumps back."""
        self._now_us += by_us


class SeededIds:
    """Identities that follow from a seed alone.

    Line uids and salts are numbered separately from the last `seed`, so an operation that fails, or asks for its
    identities in another order, does not change those of the next one.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Begin the sequence that belongs to `seed`. Sequences of different seeds have nothing in common."""
        self._seed = seed
        self._lines = 0
        self._salts = 0

    def line_uid(self) -> str:
        """Return the next line uid: 32 hexadecimal digits in no particular order."""
        self._lines += 1
        return self._digest("line", self._lines)[:16].hex()

    def salt(self) -> bytes:
        """Return the next 16 bytes of salt."""
        self._salts += 1
        return self._digest("salt", self._salts)[:16]

    def _digest(self, what: str, number: int) -> bytes:
        return hashlib.sha256(f"{what} {self._seed} {number}".encode()).digest()
