"""Goal: damage is named or heals to an earlier commit; it is never a wrong value, nor an error of the driver's.

Method: the files of a store are cut at every 512th byte, and one bit of every 512 is flipped. What verify() then lets
pass must be a state that the store once had: for damage outside the log, the newest. The short form takes every few
blocks; the long form takes all of them, and four bits of each block of the file itself.

Seen to fail: verify without the sum of the names, and a schema that is read without its digest, each passed flips.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.damage import BLOCK_BYTES, FILES, Sample, Seen, flipped, look, sample

STRIDE = 23
"""Blocks from one damage to the next in the short form."""

FILE, LOG, SHARED = FILES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[False, True], ids=["log not written back", "log written back"])
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("killed"), written_back=request.param)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("closed"), written_back=False, at_rest=True)


def _blocks(content: bytes, soak: bool, bits: int = 1) -> list[tuple[int, int]]:
    """Return (byte, bit) to flip in each block: random, but the same in every run."""
    choose = random.Random(len(content))
    starts = range(0, len(content), BLOCK_BYTES if soak else BLOCK_BYTES * STRIDE)
    return [
        (start + choose.randrange(min(BLOCK_BYTES, len(content) - start)), choose.randrange(8))
        for start in starts
        for _ in range(bits if soak else 1)
    ]


def _check(sample: Sample, seen: Seen, what: str) -> int | None:
    """Return which state of history is seen, or None where the store says that it is damaged."""
    if seen.state is None:
        return None
    assert seen.state in sample.history, f"{what}: verify() lets pass what never was"
    return sample.history.index(seen.state)


def test_d8_a_log_that_was_cut_gives_the_last_good_commit(killed: Sample, tmp_path: Path, soak: bool) -> None:
    """Of a log that was written back into the file, only all of it is good: what is left of it hides newer pages."""
    log = killed.files[LOG]
    written_back = _check(killed, look(killed.put(tmp_path, {LOG: b""})), "no log") == len(killed.history) - 1
    found = [
        _check(killed, look(killed.put(tmp_path, {LOG: log[:size]})), f"cut at {size}")
        for size in range(0, len(log) + 1, BLOCK_BYTES if soak else BLOCK_BYTES * STRIDE)
    ]
    if not written_back:
        states = [state for state in found if state is not None]
        assert len(states) == len(found), "nothing is damaged: what is missing was never synced, for all one can tell"
        assert states == sorted(states)
        assert states[0] == 0
        assert states[-1] >= len(killed.history) - 2
    else:
        assert None in found


@pytest.mark.parametrize("name", [LOG, SHARED])
def test_d8_a_bit_of_the_log_or_of_its_index_is_noticed(killed: Sample, name: str, tmp_path: Path, soak: bool) -> None:
    """The index is made anew from the log by whoever comes first after a crash."""
    content = killed.files[name]
    for at, bit in _blocks(content, soak):
        seen = look(killed.put(tmp_path, {name: flipped(content, at, bit)}))
        state = _check(killed, seen, f"bit {bit} of byte {at} of {name}")
        assert name == LOG or state == len(killed.history) - 1


def test_d8_a_bit_of_the_file_is_noticed_or_means_nothing(closed: Sample, tmp_path: Path, soak: bool) -> None:
    content = closed.files[FILE]
    noticed = 0
    for at, bit in _blocks(content, soak, bits=4):
        seen = look(closed.put(tmp_path, {FILE: flipped(content, at, bit)}))
        state = _check(closed, seen, f"bit {bit} of byte {at}")
        assert state in (None, len(closed.history) - 1)
        noticed += state is None
    assert noticed


def test_d8_every_bit_of_a_page_of_names_is_noticed_or_means_nothing(closed: Sample, tmp_path: Path) -> None:
    """No commit covers the names of branches and tags; a sum over them does."""
    content = closed.files[FILE]
    start = content.index(b"branchlater")
    for at in range(start, start + len(b"branchlater")):
        seen = look(closed.put(tmp_path, {FILE: flipped(content, at, 1)}))
        assert seen.state is None, f"byte {at - start}"


def test_d8_a_file_that_was_cut_is_damaged(closed: Sample, tmp_path: Path, soak: bool) -> None:
    content = closed.files[FILE]
    for size in range(BLOCK_BYTES, len(content), BLOCK_BYTES if soak else BLOCK_BYTES * STRIDE):
        seen = look(closed.put(tmp_path, {FILE: content[:size]}))
        assert seen.state is None, f"cut at {size}"
