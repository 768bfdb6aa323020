"""Where the time and fresh identities come from. Both are passed in, so that tests and replays decide them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """The wall clock."""

    def now_us(self) -> int:
        """Return microseconds since 1970-01-01 UTC."""
        ...


@dataclass(frozen=True, slots=True)  # all of them are equal
class SystemClock:
    """The clock of this machine."""

    def now_us(self) -> int:
        """Return microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


class Ids(Protocol):
    """A source of identities and salts."""

    def line_uid(self) -> str:
        """Return a fresh line uid: 32 hexadecimal digits."""
        ...

    def salt(self) -> bytes:
        """Return 16 fresh bytes that nobody can guess."""
        ...


@dataclass(frozen=True, slots=True)  # all of them are equal
class RandomIds:
    """Identities from the operating system's randomness."""

    def line_uid(self) -> str:
        """Return 128 random bits as 32 hexadecimal digits."""
        return os.urandom(16).hex()

    def salt(self) -> bytes:
        """Return 128 random bits."""
        return os.urandom(16)
