"""The conformance suite: what every store must do, one behaviour a check.

A check is a plain function that takes a way to open a new, empty store, and raises AssertionError if the store breaks
the promise in its docstring. No test framework is needed:

    for check in CHECKS:
        check(open_store)

`CHECKS` needs branches, commits and merges alone. `SESSION_CHECKS` asks in addition for what `engine.contract` promises
about sessions.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.testing.conformance import branches, copies, merges, names, picking, questions, sessions
from holdfast.testing.conformance.sessions import EngineStore, OpenSessionStore, SessionStore
from holdfast.testing.conformance.stores import OpenStore, StoreUnderTest

__all__ = [
    "CHECKS",
    "SESSION_CHECKS",
    "EngineStore",
    "OpenSessionStore",
    "OpenStore",
    "SessionStore",
    "StoreUnderTest",
]

CHECKS: tuple[Callable[[OpenStore], None], ...] = tuple(
    check
    for module in (branches, names, merges, picking, questions)
    for name, check in vars(module).items()
    if name.startswith("check_")
)
"""What every store must do, through `Versions` alone."""

SESSION_CHECKS: tuple[Callable[[OpenSessionStore], None], ...] = tuple(
    check for module in (sessions, copies) for name, check in vars(module).items() if name.startswith("check_")
)
"""What every engine must do in addition to `CHECKS`, through its sessions."""
