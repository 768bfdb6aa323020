"""Holdfast keeps the state of an agent loop: every step a durable, branchable, queryable commit."""

import typing

from holdfast.errors import (
    AlreadyExists,
    BranchMoved,
    Conflict,
    ConstraintFailed,
    HoldfastError,
    InvalidValue,
    MergeConflict,
    NotFound,
    NotStorable,
    ReadOnly,
    SqlError,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
    Timeout,
    TransactionOpen,
    Unreadable,
    Unsupported,
    Untrusted,
    ValueTooLarge,
)
from holdfast.store.store import Store, connect
from holdfast.tables.cursor import Cursor
from holdfast.versions.results import Branch, Collected, CommitInfo, Erased, Merge, RowChange, Tag, Verification

if typing.TYPE_CHECKING:
    from holdfast import aio

__all__ = [
    "AlreadyExists",
    "Branch",
    "BranchMoved",
    "Collected",
    "CommitInfo",
    "Conflict",
    "ConstraintFailed",
    "Cursor",
    "Erased",
    "HoldfastError",
    "InvalidValue",
    "Merge",
    "MergeConflict",
    "NotFound",
    "NotStorable",
    "ReadOnly",
    "RowChange",
    "SqlError",
    "Store",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "Tag",
    "Timeout",
    "TransactionOpen",
    "Unreadable",
    "Unsupported",
    "Untrusted",
    "ValueTooLarge",
    "Verification",
    "aio",
    "connect",
]


def __getattr__(name: str) -> object:
    """Import `holdfast.aio` when it is first asked for: asyncio takes longer to import than all of the rest."""
    if name == "aio":
        import importlib  # noqa: PLC0415

        return importlib.import_module("holdfast.aio")
    raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
