"""Goal: whatever is the key of a mapping, what it leads to is kept, and its changes are found.

Method: make mappings that have a row for each entry, with keys of many types; change what is in them, and read what is
stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Versioned
from tests.unit.state.states import kept, settled


class Opaque:
    """A class whose instances are equal to nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name


KEYS: list[Any] = ["a", "", "=a", "/", "%2F", "a\nb", b"abc", (b"a", 1), frozenset([1]), None, 1.5, True, -1]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_u1_a_change_under_any_key_is_found(key: Any) -> None:
    with Versioned() as state:
        state["d"] = {key: [1], "z": 1}
        state.commit()
        state["d"][key].append(2)
        state.commit()
        assert kept(state)["d"] == {key: [1, 2], "z": 1}
        assert settled(state)


@pytest.mark.parametrize("reads", [False, True])
def test_u1_a_change_under_a_key_that_is_equal_to_no_other_is_found(tmp_path: Path, reads: bool) -> None:
    with Versioned(tmp_path / "s.db") as state:
        state["d"] = {Opaque("a"): [1], Opaque("b"): [10], "z": 1}
        state.commit()
        if reads:
            state.discard()
        first, second, _ = state["d"]
        for item in (2, 3):
            state["d"][first].append(item)
            state.commit()
            assert settled(state)
        assert list(kept(state)["d"].values()) == [[1, 2, 3], [10], 1]
        del state["d"][first]
        state.commit()
        state["d"][second].append(20)
        state.commit()
        assert list(kept(state)["d"].values()) == [[10, 20], 1]


@pytest.mark.parametrize("key", [b"x" * 5_000, (1, b"x" * 5_000)], ids=["bytes", "tuple"])
def test_g9_a_key_that_is_no_text_and_too_long_is_refused_by_its_path(key: Any) -> None:
    with Versioned() as state:
        state["d"] = {"inner": {key: [1], "z": 1}}
        with pytest.raises(holdfast.NotStorable, match=r'^state\["d"\]\["inner"\]\[.{10,250}: the key is too long'):
            state.commit()
        state.discard()


def test_a_key_that_is_a_long_text_is_kept() -> None:
    with Versioned() as state:
        state["d"] = {"x" * 40_000: [1], "x\n" * 20_000: [2]}
        state.commit()
        assert kept(state)["d"] == {"x" * 40_000: [1], "x\n" * 20_000: [2]}
