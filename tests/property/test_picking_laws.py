"""Goal: picking and reverting keep their laws. Method: arbitrary branches pick, revert and merge each other's commits.

Like the laws of merging these hold for the oracle, too.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.rows import key_of
from holdfast.errors import MergeConflict, Unsupported
from holdfast.versions.edits import Edit
from holdfast.versions.resolve import resolve
from tests.property.histories import commits, edits, merges, parted, runs
from tests.property.stores import STORES

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("store", sorted(STORES))]

places = st.integers(0, 2**16)
ours_or_theirs = st.sampled_from(["ours", "theirs"])
scripts = st.lists(
    st.tuples(st.sampled_from(["pick", "revert", "merge", "old"]), places, places, ours_or_theirs),
    min_size=1,
    max_size=8,
)


def own_commits(versions: Any, branch: str) -> list[str]:
    """Return the commits that a branch has and main has not, oldest first."""
    known = {commit.hash for commit in versions.log("main")}
    return [commit.hash for commit in reversed(versions.log(branch)) if commit.hash not in known]


@runs
@given(past=edits, a=commits)
def test_picking_every_commit_is_the_branch(store: str, past: list[Edit], a: list[list[Edit]]) -> None:
    """One after the other, each leads to what the branch was there; then a merge has nothing to ask or to change."""
    with parted(store, past, a=a) as versions:
        for commit in own_commits(versions, "a"):
            assert versions.cherry_pick(commit, "main").changed
            assert versions.snapshot("main") == versions.snapshot(commit)
            assert not versions.cherry_pick(commit, "main").changed
        expected = versions.snapshot("a")
        assert versions.merge("a", "main").conflicts == ()
        assert versions.snapshot("main") == expected
        assert versions.merge("main", "a").conflicts == ()
        assert versions.snapshot("a") == expected


@runs
@given(past=edits, a=commits)
def test_reverting_backwards_is_the_past(store: str, past: list[Edit], a: list[list[Edit]]) -> None:
    with parted(store, past, a=a) as versions:
        for commit in reversed(own_commits(versions, "a")):
            before = versions.snapshot(versions.log(commit, 2)[1].hash)
            assert versions.revert(commit, "a").changed
            assert versions.snapshot("a") == before
            assert not versions.revert(commit, "a").changed
            assert versions.revert("a", "a").changed
            assert versions.snapshot("a") == versions.snapshot(commit)
            assert versions.revert("a", "a").changed
        assert versions.snapshot("a") == versions.snapshot("main")
        assert versions.merge("a", "main").conflicts == ()
        assert versions.snapshot("a") == versions.snapshot("main")


@runs
@given(past=edits, a=commits, b=commits)
def test_reverting_a_merge_is_what_was_before_it(
    store: str, past: list[Edit], a: list[list[Edit]], b: list[list[Edit]]
) -> None:
    with parted(store, past, a=a, b=b) as versions:
        before, head = versions.snapshot("b"), versions.head("b")
        merges(versions, "a", "b", "theirs")
        merged, after = versions.head("b"), versions.snapshot("b")
        if merged == head:
            return
        versions.revert(merged, "b")
        assert versions.snapshot("b") == before
        assert not versions.merge("a", "b").changed
        versions.cherry_pick(merged, "b")
        assert versions.snapshot("b") == after


@runs
@given(past=edits, a=commits, b=commits, c=commits, script=scripts)
def test_no_row_is_lost_or_seen_twice(
    store: str,
    past: list[Edit],
    a: list[list[Edit]],
    b: list[list[Edit]],
    c: list[list[Edit]],
    script: list[tuple[str, int, int, str]],
) -> None:
    """Whatever was picked, reverted and merged both ways: what two branches agree on, their merge has, unasked."""
    with parted(store, past, a=a, b=b, c=c) as versions:
        for word, at, other, policy in script:
            onto, source = "abc"[at % 3], "abc"[(at + 1 + other % 2) % 3]
            log = versions.log(source if word != "revert" else onto, 6)
            ref = log[other // 2 % len(log)].hash
            try_to(versions, word, source if word == "merge" else ref, onto, policy)
            check_rows_are_seen_once(versions, onto)
        mine, other = versions.snapshot("a"), versions.snapshot("b")
        agreed = {
            (table, key): row
            for table in mine
            for key, row in mine[table].items()
            if repr(other[table].get(key)) == repr(row)
        }
        neither = {(table, key) for table in mine for key in versions.snapshot("c")[table]} - {
            (table, key) for side in (mine, other) for table in side for key in side[table]
        }
        foretold = versions.merge("b", "a", dry_run=True)
        asked = {(conflict.table, conflict.key) for conflict in foretold.left if not conflict.constraint}
        assert not asked & {place for place in agreed if place[0] != "journal"}
        if merges(versions, "b", "a", "theirs"):
            merged = versions.snapshot("a")
            assert {(table, key): merged[table].get(key) for table, key in agreed} == agreed
            assert not neither & {(table, key) for table in merged for key in merged[table]}
            check_rows_are_seen_once(versions, "a")
            versions.merge("a", "b", "theirs")
            assert versions.snapshot("b") == versions.snapshot("a")
        versions.verify()


def try_to(versions: Any, word: str, ref: str, onto: str, policy: str) -> None:
    """Pick, revert or merge, if that is possible."""
    operations = {"pick": versions.cherry_pick, "revert": versions.revert}
    with suppress(MergeConflict, Unsupported if word == "revert" else MergeConflict):
        operations.get(word, versions.merge)(ref, onto, policy)


def check_rows_are_seen_once(versions: Any, branch: str) -> None:
    """Each row id, and each key, is seen once. The oracle cannot hold a row twice, and has no sessions."""
    if not hasattr(versions, "_session"):
        return
    with versions._session.read() as reader:
        vector = reader.vector(resolve(reader, branch).point)
        for table in reader.catalogue().tables:
            rows = list(reader.rows(table, vector))
            for seen in (Counter(row.rid for row in rows), Counter(key_of(table, row) for row in rows)):
                assert not seen or max(seen.values()) == 1, f"{table.name} on {branch}: {seen}"
