"""`copy`: a store with its whole history into another one, over any two engines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.core.durations import Duration
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.engine.urls import open_engine
from holdfast.versions.copies import check_whole
from holdfast.versions.copying import Copying, Progress
from holdfast.versions.results import Copied

if TYPE_CHECKING:
    from holdfast.engine.kv import KVStore


def copy(
    source: str | os.PathLike[str] | KVStore,
    target: str | os.PathLike[str] | KVStore,
    *,
    progress: Progress | None = None,
    timeout: Duration = TIMEOUT_SECONDS,
) -> Copied:
    """Copy a store with its whole history into another one, from any engine to any other.

    All of it comes over: branches, tags, commits with their hashes, merges, schemas, the versions of rows, what gc and
    erasures left, runs with their steps and signals, kept answers of tools. Not leases: a run that somebody works on in
    the source is free in the target, so let workers end first. `verify()`, `log()`, `diff()` and checkouts answer the
    same on both sides, and the same operations give the same hashes.

    The source is read in one snapshot, beside its writers, and never written. The target is written in short
    transactions, verified, and only then given its branches: until the copy is complete, `connect` refuses it with
    StoreUnavailable. Whatever stops a copy, the same call goes on where it was. Called again after that, it brings over
    what became of the source since, for as long as nobody wrote into the target.

    Args:
        source: the store, as `connect` takes it.
        target: a store that is new or empty, made if it is not there, or an earlier copy of the same source.
        progress: called with what was copied so far, after each transaction.
        timeout: how long to wait for others, as in `connect`.

    Returns:
        How much was written, and how much was there already.

    Raises:
        NotFound: there is no such source.
        AlreadyExists: the target has a history of its own, or was changed since it was copied; nothing was changed.
        Unsupported: the target's engine cannot keep a table of the source, such as one with a CHECK; its history is
            still empty.
        StoreCorrupt: the source is damaged; the target stays unfinished.
        StoreUnavailable: one of them cannot be reached, or the source is an unfinished copy itself.
        Fenced: another copy into the target was begun, and goes on from here.

    Example:
        >>> import holdfast
        >>> here, there = holdfast.Memory(), holdfast.Memory()
        >>> with holdfast.Versioned(here) as state:
        ...     state["answer"] = 42
        ...     _ = state.commit("found")
        >>> copied = copy(here, there)
        >>> copied.commits
        2
        >>> holdfast.Versioned(there)["answer"]
        42
    """
    origin = open_engine(source, read_only=True, timeout=timeout)
    try:
        session = origin.session()
        with session.read() as reader:
            check_whole(reader)  # before a target is made
        made = open_engine(target, timeout=timeout)
        try:
            return Copying(session, made.session(), progress).run()
        finally:
            made.close()
    finally:
        origin.close()
