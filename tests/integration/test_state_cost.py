"""Goal: a commit costs what changed. Method: count the rows of commits, and the bytes in them.

Not times: rows and bytes are the same on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import holdfast
from holdfast import Versioned

CHUNK_BYTES = 32 * 1024


class Ledger:
    """A store whose state is changed, and what its last commit wrote."""

    def __init__(self, path: Path) -> None:
        self.db = holdfast.connect(path, durability="process")

    @property
    def state(self) -> Versioned:
        """The state."""
        return self.db.state

    def commit(self) -> tuple[int, int]:
        """Commit; return how many rows were written or removed, and the bytes of what is in them now."""
        before = self.db.head
        head = self.state.commit()
        if head == before:
            return 0, 0
        changes = self.db.show(head)[1]
        cells = [cell for change in changes if change.after for cell in change.after.values()]
        return len(changes), sum(map(size, cells))


def size(cell: Any) -> int:
    """Return how many bytes a cell has."""
    if isinstance(cell, bytes):
        return len(cell)
    return len(str(cell)) if cell is not None else 0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Yield a store whose commits are weighed."""
    found = Ledger(tmp_path / "s.db")
    yield found
    found.db.close()


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 100, 10_000])
def test_w1_an_append_writes_what_it_appends(ledger: Ledger, length: int) -> None:
    ledger.state["list"] = [{"role": "user", "content": "x" * 20} for _ in range(length)]
    ledger.commit()
    for count in (1, 3):
        ledger.state["list"].extend({"role": "user", "content": "hello"} for _ in range(count))
        rows, bytes_written = ledger.commit()
        assert rows == count
        assert bytes_written < 200 * count
    ledger.state["list"].pop()
    assert ledger.commit()[0] == 1
    ledger.state["list"][0]["content"] = "new"
    assert ledger.commit()[0] == 1
    ledger.state["list"].insert(0, "first")
    assert ledger.commit()[0] == 1
    ledger.state["list"].insert(len(ledger.state["list"]) // 2, "middle")
    assert ledger.commit()[0] == 1
    del ledger.state["list"][0]
    assert ledger.commit()[0] == 1


def test_w1_an_append_to_a_list_that_its_user_holds_writes_what_it_appends(ledger: Ledger) -> None:
    own = [{"n": number} for number in range(1_000)]
    ledger.state["list"] = own
    ledger.commit()
    own.append({"n": 1_000})
    assert ledger.commit()[0] == 1
    ledger.state["list"] = [*own, {"n": 1_001}]  # replaced, by one that is nearly the same
    assert ledger.commit()[0] == 1


@pytest.mark.slow
def test_w1_messages_cost_what_they_are(ledger: Ledger) -> None:
    """Five hundred commits that append a message write each message once."""
    ledger.state["messages"] = []
    ledger.commit()
    written = 0
    for number in range(500):
        ledger.state["messages"].append({"role": "user", "content": f"{number} " + "x" * 200})
        rows, bytes_written = ledger.commit()
        assert rows == 1
        written += bytes_written
    assert written < 2 * sum(len(str(message)) for message in ledger.state["messages"])


@pytest.mark.slow
def test_w2_one_key_of_ten_thousand_writes_one_row(ledger: Ledger) -> None:
    ledger.state.update({f"key {number}": {"value": number} for number in range(10_000)})
    ledger.state["map"] = {f"key {number}": number for number in range(10_000)}
    ledger.commit()
    ledger.state["key 77"]["value"] = "new"
    rows, bytes_written = ledger.commit()
    assert (rows, bytes_written < 100) == (1, True)
    ledger.state["map"]["key 77"] = "new"
    rows, bytes_written = ledger.commit()
    assert (rows, bytes_written < 100) == (1, True)
    ledger.state["map"].pop("key 5")
    assert ledger.commit()[0] == 1
    del ledger.state["key 78"]
    assert ledger.commit()[0] == 1


@pytest.mark.slow
def test_w5_an_edit_of_a_long_text_writes_chunks(ledger: Ledger) -> None:
    text = random.Random(1).randbytes(500_000).hex()
    ledger.state["text"] = text
    ledger.commit()
    for middle, rows_max in (("0123456789", 2), ("", 3), ("twenty more characters", 3)):
        text = text[:500_000] + middle + text[500_010:]
        ledger.state["text"] = text
        rows, bytes_written = ledger.commit()
        assert rows <= rows_max
        assert bytes_written < rows_max * CHUNK_BYTES + 2_000
    ledger.state["text"] = text + "the end"
    assert ledger.commit()[0] <= 3
    with ledger.state.checkout(ledger.state.head) as past:
        assert past["text"] == text + "the end"


@pytest.mark.slow
def test_w5_an_element_of_a_large_array_writes_a_chunk(ledger: Ledger) -> None:
    array = numpy.random.default_rng(1).random(2_500_000)  # 20 MB
    ledger.state["array"] = array
    ledger.commit()
    for at in (1_234_567, 0, -1):
        array[at] = 0.5
        rows, bytes_written = ledger.commit()
        assert rows <= 2
        assert bytes_written < 2 * CHUNK_BYTES
    with ledger.state.checkout(ledger.state.head) as past:
        assert (past["array"] == array).all()


def test_moving_and_equal_values_cost_little(ledger: Ledger) -> None:
    items = [f"item {number}" for number in range(100)]
    ledger.state["list"] = list(items)
    ledger.commit()
    ledger.state["list"] = list(items)
    assert ledger.commit() == (0, 0)
    ledger.state["list"].append(ledger.state["list"].pop(0))
    assert ledger.commit()[0] == 1
    ledger.state["list"].reverse()
    assert ledger.commit()[0] <= 100
    ledger.state["list"].clear()
    assert ledger.commit()[0] == 100


def test_w2_a_counter_and_a_set_write_one_row(ledger: Ledger) -> None:
    ledger.state.update(calls=holdfast.Counter(), seen=set(range(1_000)))
    ledger.commit()
    ledger.state["calls"] += 1
    assert ledger.commit()[0] == 1
    ledger.state["seen"].add("new")
    assert ledger.commit()[0] == 1


def test_w1_events_are_rows_of_their_own(ledger: Ledger) -> None:
    for number in range(50):
        ledger.state.log("action", {"n": number})
        rows, _ = ledger.commit()
        assert rows == (2 if number == 0 else 1)
