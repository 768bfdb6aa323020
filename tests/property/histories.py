"""Histories that part arbitrarily, for the laws of merging and picking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from holdfast.errors import ConstraintFailed, MergeConflict, NotFound
from holdfast.testing import FakeClock, SeededIds
from holdfast.testing.schemas import JOURNAL, STEPS, USERS
from holdfast.testing.wishes import lines, steps, users
from holdfast.versions.edits import Delete, Edit
from tests.conftest import SOAK
from tests.property.stores import STORES

deletes = st.builds(lambda id_: Delete("users", (id_,)), st.integers(1, 3)) | st.builds(
    lambda step: Delete("steps", ("r1", step)), st.integers(0, 1)
)
edits = st.lists(steps | users | lines | deletes, max_size=4)
commits = st.lists(edits, min_size=1, max_size=3)
runs = settings(max_examples=2_000 if SOAK else 60, derandomize=not SOAK, deadline=None)

Snapshot = dict[str, Any]


@contextmanager
def parted(store: str, past: Sequence[Edit], **branches: Sequence[Sequence[Edit]]) -> Iterator[Any]:
    """Make a store with a past on `main`, and branches that went on from there."""
    pair = STORES[store](FakeClock(), SeededIds())
    try:
        versions = pair.first
        for definition in (STEPS, USERS, JOURNAL):
            versions.create_table("main", definition)
        commit_what_can_be(versions, "main", past)
        for name, history in branches.items():
            versions.branch(name)
            for one in history:
                commit_what_can_be(versions, name, one)
        yield versions
    finally:
        pair.close()


def commit_what_can_be(versions: Any, branch: str, wanted: Sequence[Edit]) -> None:
    """Commit edits, without those that are impossible here."""
    for edit in wanted:
        try:
            versions.commit(branch, [edit])
        except (NotFound, ConstraintFailed):
            continue


def merges(versions: Any, source: str, into: str, policy: Any = "fail") -> bool:
    """Merge, and tell whether that was possible."""
    try:
        versions.merge(source, into, policy)
    except MergeConflict:
        return False
    return True


def values(versions: Any, ref: str) -> Snapshot:
    """Return what a ref shows; rows without a key are compared as a sorted list."""
    shown = versions.snapshot(ref)
    return {**shown, "journal": sorted(shown["journal"].values(), key=repr)}
