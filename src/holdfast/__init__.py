"""Holdfast keeps the state of an agent loop: every step a durable, branchable, queryable commit."""

import typing

from holdfast.errors import (
    AlreadyDecided,
    AlreadyExists,
    BranchMoved,
    Conflict,
    ConstraintFailed,
    Expired,
    Fenced,
    HoldfastError,
    InDoubt,
    InputMismatch,
    InvalidValue,
    LimitReached,
    MergeConflict,
    NotFound,
    NotStorable,
    ReadOnly,
    Rejected,
    RunBusy,
    RunFinished,
    SqlError,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
    Timeout,
    TransactionOpen,
    Unfinished,
    Unreadable,
    Unsupported,
    Untrusted,
    ValueTooLarge,
)
from holdfast.store.store import Store, connect
from holdfast.tables.cursor import Cursor
from holdfast.versions.results import Branch, Collected, CommitInfo, Copied, Erased, Merge, RowChange, Tag, Verification

if typing.TYPE_CHECKING:
    from holdfast import aio
    from holdfast.agents.agent import Agent
    from holdfast.agents.continuation import Continuation
    from holdfast.agents.conversations import Turn, last_turns, turns
    from holdfast.agents.limits import Limits
    from holdfast.agents.results import Done, Suspended
    from holdfast.agents.task import Task
    from holdfast.core.codec import storable
    from holdfast.engine.kv import Cache, Disk, KVStore, Memory
    from holdfast.runs.control import Cancelled, Context, Happened, Suspend
    from holdfast.runs.gates import Approval
    from holdfast.runs.inbox import Inbox, InboxCall
    from holdfast.runs.results import RunInfo, Step
    from holdfast.runs.run import Run
    from holdfast.runs.tools import Tool, external, question, sleep, tool
    from holdfast.state.differences import StateDiff
    from holdfast.state.live import Live
    from holdfast.state.merging.policies import StatePolicy
    from holdfast.state.objects.counter import Counter
    from holdfast.state.rows.log import ActionEvent, Event
    from holdfast.state.variables import events
    from holdfast.state.versioned import Versioned
    from holdfast.state.view import view
    from holdfast.store.copying import copy

__all__ = [
    "ActionEvent",
    "Agent",
    "AlreadyDecided",
    "AlreadyExists",
    "Approval",
    "Branch",
    "BranchMoved",
    "Cache",
    "Cancelled",
    "Collected",
    "CommitInfo",
    "Conflict",
    "ConstraintFailed",
    "Context",
    "Continuation",
    "Copied",
    "Counter",
    "Cursor",
    "Disk",
    "Done",
    "Erased",
    "Event",
    "Expired",
    "Fenced",
    "Happened",
    "HoldfastError",
    "InDoubt",
    "Inbox",
    "InboxCall",
    "InputMismatch",
    "InvalidValue",
    "KVStore",
    "LimitReached",
    "Limits",
    "Live",
    "Memory",
    "Merge",
    "MergeConflict",
    "NotFound",
    "NotStorable",
    "ReadOnly",
    "Rejected",
    "RowChange",
    "Run",
    "RunBusy",
    "RunFinished",
    "RunInfo",
    "SqlError",
    "StateDiff",
    "StatePolicy",
    "Step",
    "Store",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "Suspend",
    "Suspended",
    "Tag",
    "Task",
    "Timeout",
    "Tool",
    "TransactionOpen",
    "Turn",
    "Unfinished",
    "Unreadable",
    "Unsupported",
    "Untrusted",
    "ValueTooLarge",
    "Verification",
    "Versioned",
    "aio",
    "connect",
    "copy",
    "events",
    "external",
    "last_turns",
    "question",
    "sleep",
    "storable",
    "tool",
    "turns",
    "view",
]


_LAZY = {
    "ActionEvent": "state.rows.log",
    "Agent": "agents.agent",
    "Approval": "runs.gates",
    "Cache": "engine.kv",
    "Cancelled": "runs.control",
    "Context": "runs.control",
    "Continuation": "agents.continuation",
    "Counter": "state.objects.counter",
    "Disk": "engine.kv",
    "Done": "agents.results",
    "Event": "state.rows.log",
    "Happened": "runs.control",
    "Inbox": "runs.inbox",
    "InboxCall": "runs.inbox",
    "KVStore": "engine.kv",
    "Limits": "agents.limits",
    "Live": "state.live",
    "Memory": "engine.kv",
    "Run": "runs.run",
    "RunInfo": "runs.results",
    "StateDiff": "state.differences",
    "StatePolicy": "state.merging.policies",
    "Step": "runs.results",
    "Suspend": "runs.control",
    "Suspended": "agents.results",
    "Task": "agents.task",
    "Tool": "runs.tools",
    "Turn": "agents.conversations",
    "Versioned": "state.versioned",
    "copy": "store.copying",
    "events": "state.variables",
    "external": "runs.tools",
    "last_turns": "agents.conversations",
    "question": "runs.tools",
    "sleep": "runs.tools",
    "storable": "core.codec",
    "tool": "runs.tools",
    "turns": "agents.conversations",
    "view": "state.view",
}
"""What is imported when it is first asked for: a program that does not keep state need not wait for it."""


def __getattr__(name: str) -> object:
    """Import what is not needed by everybody when it is first asked for."""
    import importlib  # noqa: PLC0415

    if name == "aio":  # asyncio takes longer to import than all of the rest
        return importlib.import_module("holdfast.aio")
    if name in _LAZY:
        value = getattr(importlib.import_module(f"holdfast.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'holdfast' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, and what modules have."""
    return sorted({*globals(), *__all__})
