"""Goal: the state of a Store is part of its transactions, wholly or not at all.

Method: change state and a table in one block, leave it both ways, look at what another connection sees.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import holdfast
from holdfast import Store
from tests.unit.state.states import kept


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE t (x INT)")
        db.state["a"] = 1
        db.state["list"] = [0]
        db.state["calls"] = holdfast.Counter(1)
        db.state.commit("first")
        yield db


def test_state_and_rows_are_one_commit(store: Store) -> None:
    commits = len(store.log())
    with store.transaction("both", metadata={"why": "test"}):
        store.state["a"] = 2
        store.state["list"].append(1)
        store.execute("INSERT INTO t VALUES (1)")
    assert len(store.log()) == commits + 1
    assert store.state.head == store.head
    assert {change.table for change in store.show()[1]} == {"state", "state_parts", "t"}
    assert kept(store.state) == {"a": 2, "calls": 1, "list": [0, 1]}
    assert store.state.pending() == []


def test_what_was_taken_back_is_pending_again(store: Store) -> None:
    head = store.state.head
    with pytest.raises(ZeroDivisionError), store.transaction("no"):
        store.state["a"] = 2
        store.state["list"].append(1)
        store.state["calls"] += 1
        del store.state["a"]
        store.state.log("noted", 1)
        store.state.commit("joins")
        assert store.state.pending() == []
        _ = 1 / 0
    assert store.state.head == store.head == head
    assert store.state.pending() == ["a", "calls", "list"]
    assert kept(store.state) == {"a": 1, "calls": 1, "list": [0]}
    assert [event.commit_hash for event in store.state.events()] == [None]
    store.state.commit("again")
    assert kept(store.state) == {"calls": 2, "list": [0, 1]}
    assert [event.kind for event in store.state.events()] == ["noted"]
    assert store.state.pending() == []


def test_a_block_inside_that_is_taken_back_takes_back_its_part(store: Store) -> None:
    """What the block wrote was lost in silence: shown in memory, in no store, and not pending."""
    with store.transaction("outer"):
        store.state["list"].append(1)
        store.state.commit()
        with pytest.raises(ZeroDivisionError), store.transaction("inner"):
            store.state["list"].append(2)
            store.state["a"] = 3
            store.state["calls"] += 1
            store.state.commit()
            _ = 1 / 0
        assert store.state.pending() == ["a", "calls", "list"]
    assert store.state.pending() == []
    assert kept(store.state) == {"a": 3, "calls": 2, "list": [0, 1, 2]}
    assert store.state.head == store.head


def test_blocks_inside_that_end_well_are_taken_back_with_the_outer_one(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction("outer"):
        store.state["list"].append(1)
        store.state.commit()
        with store.transaction("inner"):
            store.state["list"].append(2)
            store.state.commit()
        _ = 1 / 0
    assert store.state.pending() == ["list"]
    store.state.commit()
    assert kept(store.state)["list"] == [0, 1, 2]


def test_state_stands_on_the_commit_of_the_transaction_whatever_was_committed_before(store: Store) -> None:
    """It stood on the commit after the one that it had last seen, and did not see what it had written itself."""
    store.execute("INSERT INTO t VALUES (1)")
    store.execute("INSERT INTO t VALUES (2)")
    with store.transaction("both"):
        store.state["a"] = 2
    assert store.state.head == store.head
    assert kept(store.state)["a"] == 2


def test_a_transaction_sees_what_it_wrote(store: Store) -> None:
    with store.transaction("more"):
        store.state["new"] = [1]
        store.state.commit()
        del store.state["a"]
        store.state.commit()
        store.state.discard()
        assert dict(store.state) == {"calls": 1, "list": [0], "new": [1]}
        store.state.refresh()
        store.state["new"].append(2)
    assert kept(store.state) == {"calls": 1, "list": [0], "new": [1, 2]}


def test_a_transaction_that_writes_no_state_leaves_what_is_pending_out_only_if_it_fails(store: Store) -> None:
    store.state["a"] = 5
    with pytest.raises(ZeroDivisionError), store.transaction("no"):
        _ = 1 / 0
    assert store.state.pending() == ["a"]
    with store.transaction("joins what is pending"):
        store.execute("INSERT INTO t VALUES (1)")
    assert store.state.pending() == []
    assert kept(store.state)["a"] == 5


def test_what_cannot_be_stored_takes_back_the_transaction(store: Store) -> None:
    with pytest.raises(holdfast.NotStorable, match=r'state\["bad"\]'), store.transaction("no"):
        store.execute("INSERT INTO t VALUES (1)")
        store.state["a"] = 2
        store.state["bad"] = threading.Lock()
    assert store.execute("SELECT * FROM t").fetchall() == []
    del store.state["bad"]
    assert store.state.pending() == ["a"]
    store.state.commit()
    assert kept(store.state)["a"] == 2


def test_g9_a_revert_that_fails_leaves_what_is_pending(store: Store) -> None:
    first = store.state.head
    store.state["a"] = 2
    with pytest.raises(holdfast.NotFound):
        store.state.revert_to("nowhere")
    assert store.state.pending() == ["a"]
    with store.transaction("open"), pytest.raises(holdfast.TransactionOpen):
        store.state.revert_to(first)
    assert kept(store.state)["a"] == 2
    store.state.revert_to(first)
    assert dict(store.state) == kept(store.state) == {"a": 1, "calls": 1, "list": [0]}


def test_closing_with_pending_changes_warns(path: Path) -> None:
    db = holdfast.connect(path)
    db.state["a"] = 1
    with pytest.warns(ResourceWarning, match="closed with changes that are not committed: a"):
        db.close()
    with holdfast.connect(path) as again:
        assert dict(again.state) == {}
        again.state.log("only an event")
        with pytest.warns(ResourceWarning, match="events"):
            again.close()


def test_a_store_with_a_table_of_that_name_says_so(path: Path) -> None:
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE state (x INT)")
        db.state["a"] = 1
        with pytest.raises(holdfast.AlreadyExists, match="rename it"):
            db.state.commit()
        assert db.state.pending() == ["a"]
        db.state.discard()
