"""What the codec makes of a value, and whom it asks to sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value in its stored form. Equal values that stand in equal order are equal in all three parts.

    Attributes:
        text: canonical JSON: keys sorted by code point, no spaces, no NUL, no NaN.
        order: "" if the keys of every dict were sorted; else from what `decode` restores their order (order.py).
        buffers: bytes to which the text refers, in the order of their numbers. They may be views of the memory of a
            live array: write or copy them before its owner changes it.
    """

    text: str
    order: str = ""
    buffers: tuple[bytes | memoryview, ...] = ()


class Signer(Protocol):
    """Somebody with keys."""

    def sign(self, data: Iterable[bytes]) -> tuple[str, bytes]:
        """Return the id of the key used, and the authentication code of that id and the data."""
        ...

    def verify(self, key_id: str, mac: bytes, data: Iterable[bytes]) -> bool:
        """Return whether a key of that id is trusted and made this code of the data, in constant time."""
        ...
