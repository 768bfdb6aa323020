"""What the tests of state have in common."""

from __future__ import annotations

from typing import Any

from holdfast import Versioned


def kept(state: Versioned) -> dict[str, Any]:
    """Return what is committed, read anew and compared with nothing that the state holds."""
    past = state.checkout(state.head)
    found = {key: past[key] for key in past}
    past.close()
    return found


def settled(state: Versioned) -> bool:
    """Tell whether another commit, in which everything is looked at, finds no change."""
    return state.pending() == [] and state.commit() == state.head
