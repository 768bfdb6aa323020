"""Goal: dying at any call of the store leaves the old state or the new one (D5, G1). Method: die at each, look, go on.

A call that writes several entries dies half way through them; the comparison of the root before it or after it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.engine.kv import Memory
from holdfast.engine.tree import TreeEngine, recent
from holdfast.engine.tree.sweep import orphans
from holdfast.testing import FakeClock, SeededIds
from holdfast.testing.schemas import STEPS, USERS
from holdfast.testing.stand_ins import EPOCH_US
from holdfast.versions.edits import Delete, Put
from holdfast.versions.history import Versions


class Death(BaseException):
    """The process is gone."""


class Mortal(Memory):
    """Entries that outlive the process, which dies at its n-th call that writes."""

    def __init__(self, entries: dict[str, bytes], dies_at: int | None, *, late: bool) -> None:
        super().__init__()
        self._entries = dict(entries)
        self.writes = 0
        self._dies_at = dies_at
        self._late = late

    def _dies(self) -> bool:
        self.writes += 1
        if self._dies_at is not None and self.writes > self._dies_at:
            raise Death
        return self.writes == self._dies_at

    def set_many(self, **values: bytes) -> None:
        dies = self._dies()
        super().set_many(**(dict(list(values.items())[: len(values) // 2]) if dies else values))
        if dies:
            raise Death

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        dies = self._dies()
        if dies and not self._late:
            raise Death
        done = super().compare_and_set(key, expected, value)
        if dies:
            raise Death
        return done

    def delete(self, *keys: str) -> None:
        dies = self._dies()
        super().delete(*(keys[: len(keys) // 2] if dies else keys))
        if dies:
            raise Death


def _versions(store: Memory, seconds: int) -> tuple[Versions, TreeEngine]:
    ids = SeededIds(seconds)
    engine = TreeEngine.open(store, clock=FakeClock(EPOCH_US + seconds * 1_000_000), ids=ids)
    return Versions(engine.session(), ids), engine


def _fill(versions: Versions) -> None:
    versions.create_table("main", STEPS)
    versions.create_table("main", USERS)
    versions.commit("main", [Put("steps", {"run_id": "r", "step": n, "note": "n" * 40}) for n in range(60)])
    versions.branch("a")
    versions.branch("gone")
    versions.commit("gone", [Put("users", {"id": 9, "email": "gone" * 500})])
    versions.delete_branch("gone")
    versions.commit("a", [Put("steps", {"run_id": "a", "step": 1, "note": "x" * 4_000}), Delete("steps", ("r", 3))])
    versions.commit("main", [Put("users", {"id": 1, "email": "e"})])
    versions.commit("main", [Put("users", {"id": 1, "email": "f"})])


OPERATIONS: dict[str, Callable[[Versions], object]] = {
    "commit": lambda v: v.commit("main", [Put("steps", {"run_id": "r", "step": n, "note": "m"}) for n in (1, 30, 300)]),
    "large values": lambda v: v.commit("a", [Put("users", {"id": n, "email": str(n) * 3_000}) for n in (1, 2)]),
    "merge": lambda v: v.merge("a", "main"),
    "branch": lambda v: v.branch("b"),
    "gc": lambda v: v.gc(keep_last=1, budget=2),
    "erase": lambda v: v.erase({"users": [1]}),
}


def _shown(versions: Versions) -> object:
    return [(branch.name, versions.snapshot(branch.name)) for branch in versions.branches()]


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True], ids=["before the comparison", "after the comparison"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("states", [0, 3, 64], ids="{} states beside the tree".format)
def test_d5_every_kill_point_yields_old_or_new(
    operation: str, late: bool, states: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "STATES_MAX", states)
    start = Memory()
    versions, engine = _versions(start, 0)
    _fill(versions)
    engine.close()
    entries = dict(start.items())
    before = _shown(_versions(Mortal(entries, None, late=late), 50)[0])
    whole = Mortal(entries, None, late=late)
    versions, _ = _versions(whole, 100)
    OPERATIONS[operation](versions)
    after = _shown(versions)
    assert whole.writes > 1
    orphaned = 0
    for dies_at in range(1, whole.writes + 1):
        mortal = Mortal(entries, dies_at, late=late)
        with pytest.raises(Death):
            OPERATIONS[operation](_versions(mortal, 100)[0])
        left = Mortal(dict(mortal.items()), None, late=late)
        versions, engine = _versions(left, 200)
        assert _shown(versions) in (before, after)
        versions.verify()
        session = engine.session()
        orphaned += len(orphans(session._shared))
        versions.gc()
        assert orphans(session._shared) == []
        versions.commit("main", [Put("steps", {"run_id": "z", "step": 1})])
        versions.verify()
        engine.close()
    assert orphaned > 0 or operation == "gc" or (late and states), "an entry is there wholly, and then the root is"


def test_d5_a_store_that_died_while_it_was_made_is_made_again() -> None:
    for late in (False, True):
        for dies_at in (1, 2):
            mortal = Mortal({}, dies_at, late=late)
            with pytest.raises(Death):
                _versions(mortal, 0)
            versions, engine = _versions(Mortal(dict(mortal.items()), None, late=late), 100)
            versions.commit("main", [])
            versions.gc()
            versions.verify()
            assert orphans(engine.session()._shared) == []
