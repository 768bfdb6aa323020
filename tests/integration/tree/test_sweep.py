"""Goal: what nobody needs goes, what somebody needs stays. Method: count entries after kills, failures and commits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import holdfast
from holdfast.engine.kv import Disk, Memory
from holdfast.engine.tree import recent
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.keys import BRANCH, HASH, LINE, MERGE, ROW, SCHEMA, TRUNK
from holdfast.engine.tree.node import unchecked
from holdfast.engine.tree.publish import newest, publish
from holdfast.testing import FakeClock, SeededIds
from holdfast.versions.edits import Delete, Put
from tests.integration.tree.tools import left_over, notes, opened, state, step, waiting
from tests.kv_stores import Failing, SixMethods

SECOND_US = 1_000_000


@pytest.fixture(autouse=True, params=[0, 3], ids="{} states beside the tree".format)
def states_max(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new tree at each commit, or now and then."""
    monkeypatch.setattr(recent, "STATES_MAX", request.param)


def sizes(store: Memory) -> int:
    return sum(len(key) + len(value) for key, value in store.items())


def test_w1_a_store_stays_within_twice_its_live_size() -> None:
    """Rows that are changed again and again: superseded nodes go as commits come."""
    clock, store = FakeClock(), Memory()
    versions, session, _ = opened(store, clock=clock, ids=SeededIds())
    versions.commit("main", [step(number, "x" * 100) for number in range(500)])
    for number in range(300):
        clock.advance(SECOND_US)
        versions.commit("main", [step(number, "y" * 100)])
    before = sizes(store)
    session.scrub()
    assert before <= 2 * sizes(store)
    assert waiting(session) == 0
    assert state(session).recent == ()
    versions.commit("main", [step(1, "z")])
    assert len(state(session).pending) <= 1
    assert left_over(session) == []
    versions.verify()


def test_k6_orphans_of_a_failed_commit_are_found_by_gc() -> None:
    store = Failing()
    versions, session, _ = opened(store)
    for fail_at in (1, 2, 1):
        store.fail_at = fail_at
        with pytest.raises(holdfast.StoreUnavailable):
            versions.commit("main", [step(number, f"{fail_at}" * 2_000) for number in range(40)])
    assert len(left_over(session)) > 20
    versions.commit("main", [step(1)])
    versions.gc()
    assert left_over(session) == []
    assert notes(versions) == {1: "n"}
    versions.verify()


def test_what_was_written_again_under_the_same_name_stays() -> None:
    """The danger of names by content: a node is superseded, comes back, and then its turn to go has come."""
    clock, store = FakeClock(), Memory()
    versions, session, _ = opened(store, clock=clock, ids=SeededIds())
    versions.commit("main", [step(number) for number in range(300)])

    def toggle(present: bool) -> None:
        shared = session._shared
        before = newest(shared)
        draft = Draft(before.recent)
        (draft.put if present else draft.remove)(b"Zzz", *([b"v" * 3_000] if present else []))
        shared_after = publish(shared, before, draft, clock.now_us(), shared.cleared)
        assert shared_after

    for _ in range(3):
        toggle(True)
        toggle(False)
    toggle(True)
    clock.advance(60 * SECOND_US)
    session.sweep()
    assert waiting(session) == 0
    session._shared.nodes.forget()
    assert newest(session._shared).recent.get(b"Zzz") == b"v" * 3_000
    versions.verify()
    assert left_over(session) == []


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(script=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 12), st.integers(0, 9)), max_size=25))
def test_whatever_happens_all_is_there_and_nothing_else(script: list[tuple[int, int, int]]) -> None:
    """Commits, failures, pauses, sweeps, and a second process: the newest tree is whole, and gc leaves no orphan."""
    clock, store = FakeClock(), Failing()
    versions, session, _ = opened(store, clock=clock, ids=SeededIds())
    expected: dict[Any, Any] = {}
    for word, place, value in script:
        clock.advance(value * SECOND_US)
        note = str(value) * (1 if value % 2 else 700)
        if word <= 2:
            versions.commit("main", [step(place, note)])
            expected[place] = note
        elif word == 3:
            store.fail_at = 1 + value % 2
            with pytest.raises(holdfast.StoreUnavailable):
                versions.commit("main", [step(place, note + str(clock.now_us()))])
        elif word == 4:
            session.sweep()
        elif word == 5 and place in expected:
            versions.commit("main", [Delete("steps", ("r", place))])
            del expected[place]
        else:
            session._shared.nodes.forget()
            session._shared.cleared = 0
        assert notes(versions) == expected
    versions.verify()
    clock.advance(60 * SECOND_US)
    versions.gc()
    assert left_over(session) == []
    assert waiting(session) == 0
    session._shared.nodes.forget()
    versions.verify()


def test_k4_a_list_that_is_damaged_or_lost_costs_no_commit() -> None:
    """An error of what removes never costs a write; gc finds what is left even so."""
    store = Memory()
    versions, session, engine = opened(store)
    with engine.session().read():  # it keeps what it reads from being removed
        for number in range(12):
            versions.commit("main", [step(1, str(number))])
        first, second, *_ = sorted(store.scan("hf/g/"))
        store.set(first, b"\x00damaged")
        store.delete(second)
    for _ in range(4):
        versions.commit("main", [step(2)])
        versions.commit("main", [step(2, "again")])
    versions.commit("main", [step(1), step(2)])
    assert notes(versions) == {1: "n", 2: "n"}
    assert left_over(session) != []
    versions.gc()
    assert left_over(session) == []
    assert waiting(session) == 0
    versions.verify()


def test_k9_erased_content_is_gone_from_the_store(tmp_path: Path) -> None:
    """Neither in a node nor in a value, nor in the file or its log."""
    canary = "canary-7319"
    for store in (Memory(), SixMethods(), Disk(tmp_path)):
        versions, _, _ = opened(store)
        versions.commit("main", [step(1, canary), step(2, canary * 500), step(3)])
        versions.commit("main", [step(1, "changed")])
        versions.commit("main", [Put("users", {"id": 1, "email": canary})])
        assert _found(store, canary)
        versions.erase({"steps": [("r", 1), ("r", 2)], "users": [1]})
        assert not _found(store, canary)
        assert notes(versions) == {3: "n"}
        assert versions.verify().erased > 0
        store.close()
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        assert canary.encode() not in file.read_bytes()


def _found(store: Any, text: str) -> bool:
    return any(text.encode() in (unchecked(value) if value else b"") for _, value in store.items())


def test_scrub_waits_for_readers_and_says_so() -> None:
    versions, session, engine = opened(Memory(), timeout=0.05)
    versions.commit("main", [step(1)])
    with engine.session().read() as reader:
        assert reader.branch("main")
        with pytest.raises(holdfast.Timeout, match="somebody has read"):
            session.scrub()
    session.scrub()
    versions.verify()


def harmed(kind: bytes) -> Any:
    """Return what changes one entry of a kind behind everybody's back, leaving all hashes of nodes right."""

    def harm(store: Any, session: Any, *, change: bool) -> bool:
        shared = session._shared
        before = newest(shared)
        draft = Draft(before.recent)
        entries = [entry for entry in draft.prefix(kind) if entry[1] or not change]
        if not entries:
            return False
        key, value = entries[len(entries) // 2]
        if change:
            raw = draft.load(key, value)
            draft.put(key, raw[:-1] + bytes([raw[-1] ^ 1]))
        else:
            draft.remove(key)
        assert publish(shared, before, draft, 0)
        return True

    return harm


HARM = [(kind, change) for kind in (HASH, MERGE, ROW, SCHEMA, TRUNK) for change in (False, True)]
HARM += [(BRANCH, True), (LINE, False)]


@pytest.mark.parametrize(("kind", "change"), HARM)
def test_d8_harm_is_found(kind: bytes, change: bool) -> None:
    """Whoever writes nodes that are well formed may forge names and what no hash covers, but not what hashes do."""
    store = Memory()
    versions, session, _ = opened(store)
    for name in ("run", "more"):
        versions.branch(name)
        versions.commit(name, [step(1, name, name), Put("users", {"id": hash(name) % 99, "email": name})])
        versions.commit("main", [step(5, name)])
        versions.merge(name, "main")
    versions.delete_branch("run")
    versions.commit("main", [Delete("steps", ("more", 1))])
    versions.gc()
    versions.verify()
    if not harmed(kind)(store, session, change=change):
        return
    with pytest.raises(holdfast.StoreCorrupt):
        versions.verify()


def test_d8_a_missing_or_changed_node_is_named_by_verify() -> None:
    store = Memory()
    versions, session, _ = opened(store)
    versions.commit("main", [step(number, "x" * 2_000 + str(number)) for number in range(30)])
    for prefix in ("hf/n/", "hf/b/"):
        for key in sorted(store.scan(prefix))[::7]:
            stored = store.get(key) or b""
            if key in left_over(session) or key[5:] in str(list(session._shared.store.scan("hf/g/"))):
                continue
            store.delete(key)
            found = _verdict(versions)
            store.set(key, stored[:-1] + bytes([stored[-1] ^ 1]))
            changed = _verdict(versions)
            store.set(key, stored)
            if found:
                assert key[5:] in found
                assert "missing" in found
                assert key[5:] in changed
    versions.verify()


def _verdict(versions: Any) -> str:
    try:
        versions.verify()
    except holdfast.StoreCorrupt as error:
        return str(error)
    return ""
