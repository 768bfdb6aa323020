"""What holds an engine to its promises: a conformance suite, an oracle to compare with, a clock and ids a test decides.

`CHECKS` and `SESSION_CHECKS` need nothing but Holdfast. `machine` compares an engine with the oracle operation by
operation and needs hypothesis; it is therefore not imported here.
"""

from holdfast.testing.conformance import CHECKS, SESSION_CHECKS, EngineStore, SessionStore, StoreUnderTest
from holdfast.testing.oracle import Oracle
from holdfast.testing.stand_ins import FakeClock, SeededIds

__all__ = [
    "CHECKS",
    "SESSION_CHECKS",
    "EngineStore",
    "FakeClock",
    "Oracle",
    "SeededIds",
    "SessionStore",
    "StoreUnderTest",
]
