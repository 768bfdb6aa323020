"""How a transaction goes about what other transactions hold."""

from __future__ import annotations

from enum import Enum


class Access(Enum):
    """What a transaction is for.

    Where all writers of a store take turns, all that write are alike.
    """

    READ = "reads a snapshot"
    TRIAL = "writes what nobody else holds, else raises Again"
    PATIENT = "writes, and waits for what others hold; it may raise Again"
    ONCE = "writes, and waits for what others hold; it cannot be done again"
    ALONE = "writes while nobody else does"

    @property
    def writes(self) -> bool:
        """Whether anything may be written."""
        return self is not Access.READ


class Again(Exception):
    """What was done is undone, and is to be done again in another way. It never reaches a caller.

    Attributes:
        access: in which.
    """

    def __init__(self, access: Access = Access.PATIENT) -> None:
        super().__init__(access.value)
        self.access = access
