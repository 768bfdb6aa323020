"""What every engine promises. `holdfast.testing` holds each of them to it.

An engine gives *sessions*: one connection, used by one thread at a time. A session gives a `Reader`, one consistent
snapshot of the whole store, or a `Writer`, which may also change it; nothing that a writer did can be seen by others
before its block is left without an exception, and then all of it is, durably at the level the store was opened with.
One writer at a time per line; on SQLite per file.

Lines are named by their uid and rows by their rid, which are the same in every engine. `Row.handle` is the engine's
own name for a version of a row and is only good for the session that returned it.
"""

from __future__ import annotations

from holdfast.engine.contract.reading import Reader
from holdfast.engine.contract.sessions import Engine, Result, Session
from holdfast.engine.contract.sql import (
    NativeReader,
    NativeWriter,
    SqlReader,
    SqlWriter,
    reads_natively,
    writes_natively,
)
from holdfast.engine.contract.values import (
    CALLER,
    Commit,
    Durability,
    Erasure,
    Imprint,
    Line,
    Lookups,
    Metric,
    Removal,
    Violation,
    WordSyntax,
    caller_of,
)
from holdfast.engine.contract.writing import Writer

__all__ = [
    "CALLER",
    "Commit",
    "Durability",
    "Engine",
    "Erasure",
    "Imprint",
    "Line",
    "Lookups",
    "Metric",
    "NativeReader",
    "NativeWriter",
    "Reader",
    "Removal",
    "Result",
    "Session",
    "SqlReader",
    "SqlWriter",
    "Violation",
    "WordSyntax",
    "Writer",
    "caller_of",
    "reads_natively",
    "writes_natively",
]
