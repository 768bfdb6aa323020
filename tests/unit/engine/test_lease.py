"""Goal: processes take turns over a store without a file; a dead one stops nobody. Method: two ways to one store."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from holdfast.engine.tree import TreeEngine, lease
from holdfast.engine.tree.lease import TURN_KEY, Lease
from holdfast.testing.schemas import STEPS
from holdfast.versions.edits import Put
from holdfast.versions.history import Versions
from tests.kv_stores import SixMethods

if TYPE_CHECKING:
    import pytest


class Remote(SixMethods):
    """A store that many processes share, as a server would be: with a comparison, and without a file."""

    mutex = threading.Lock()

    def __init__(self, entries: dict[str, bytes] | None = None) -> None:
        super().__init__()
        self.entries = {} if entries is None else entries

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        with self.mutex:
            if self.entries.get(key) != expected:
                return False
            self.entries[key] = value
            return True


def test_one_has_the_turn_and_the_other_waits_no_longer_than_it_wants_to() -> None:
    store = Remote()
    one, other = Lease(store, "one"), Lease(store, "other")
    assert one.enter(time.monotonic() + 1)
    assert not other.enter(time.monotonic() + 0.01)
    one.leave()
    assert other.enter(time.monotonic() + 1)
    one.leave()  # it has none, and takes none away
    assert store.get(TURN_KEY) != b""
    other.close()
    assert store.get(TURN_KEY) == b""


def test_g5_the_turn_of_a_dead_process_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Remote()
    dead, heir = Lease(store, "dead"), Lease(store, "heir")
    assert dead.enter(time.monotonic() + 1)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.0)
    assert heir.enter(time.monotonic() + 1)
    taken = store.get(TURN_KEY)
    dead.leave()  # it was only slow
    assert store.get(TURN_KEY) == taken


def test_c9_writers_of_several_processes_all_get_through() -> None:
    """Each has a store object of its own, and nothing in common but the entries."""
    entries: dict[str, bytes] = {}
    setup = TreeEngine.open(Remote(entries))
    Versions(setup.session()).create_table("main", STEPS)
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            versions = Versions(TreeEngine.open(Remote(entries)).session())
            for number in range(15):
                versions.commit("main", [Put("steps", {"run_id": name, "step": number})])
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=write, args=[name]) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    versions = Versions(setup.session())
    assert len(versions.snapshot("main")["steps"]) == 45
    assert len(versions.log("main")) == 47
    versions.verify()
