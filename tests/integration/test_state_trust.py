"""Goal: bad values, foreign files and broken stores do harm to nothing, and are told by name.

Method: put in what cannot be stored, damage what was stored, open what others made.
"""

from __future__ import annotations

import base64
import json
import pickle
import random
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast import KVStore, Memory, Versioned
from tests.integration.state_stores import Stores, state, stores
from tests.unit.state.states import kept

__all__ = ["state", "stores"]

RAN: list[str] = []


class Odd:
    """No data: it is pickled."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __getstate__(self) -> dict[str, str]:
        return {"text": self.text}

    def __setstate__(self, state: dict[str, str]) -> None:
        RAN.append(state["text"])
        self.text = state["text"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have keys of one's own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    RAN.clear()
    return tmp_path / "home"


UNSTORABLE: dict[str, tuple[Any, str]] = {
    "at the top": (threading.Lock(), r'state\["bad"\]'),
    "deep": ({"a": [1, {"b": (1, threading.Lock())}]}, r'state\["bad"\]\["a"\]\[1\]\["b"\]\[1\]'),
    "in a list": ([1, threading.Lock()], r'state\["bad"\]\[1\]'),
    "a generator": ({"rows": (n for n in range(3))}, r'state\["bad"\]\["rows"\]'),
    "a database": ([apsw.Connection(":memory:")], r'state\["bad"\]\[0\]'),
}


@pytest.mark.parametrize("what", UNSTORABLE)
def test_s1_what_cannot_be_stored_is_refused_with_its_path(state: Versioned, what: str) -> None:
    value, path = UNSTORABLE[what]
    state.update(bad="old", good=[1])
    head = state.commit()
    state["good"].append(2)
    state["new"] = {"x": 1}
    state["bad"] = value
    for act in (state.commit, state.pending):
        with pytest.raises(holdfast.NotStorable, match=path):
            act()
    assert state.head == head
    assert kept(state) == {"bad": "old", "good": [1]}
    state["good"].append(3)
    state["bad"] = "new"
    assert state.pending() == ["bad", "good", "new"]
    state.commit()
    assert kept(state) == {"bad": "new", "good": [1, 2, 3], "new": {"x": 1}}


def test_s1_a_part_that_cannot_be_stored_can_be_taken_out_again(state: Versioned) -> None:
    state["list"] = [{"n": 1}, {"n": 2}]
    state.commit()
    state["list"][1]["bad"] = threading.Lock()
    state["list"].insert(0, "first")
    with pytest.raises(holdfast.NotStorable, match=r'state\["list"\]\[2\]\["bad"\]'):
        state.commit()
    del state["list"][2]["bad"]
    state["list"][1]["m"] = 1
    state.commit()
    assert kept(state) == {"list": ["first", {"n": 1, "m": 1}, {"n": 2}]}


def test_s4_a_signed_pickle_is_loaded_and_a_foreign_one_never_runs(
    stores: Stores, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = stores.open()
    state.update(odd=Odd("mine"), other=1)
    state.commit()
    assert stores.open()["odd"].text == "mine"
    assert RAN == ["mine"]
    RAN.clear()
    monkeypatch.setenv("HOLDFAST_HOME", str(home.parent / "somebody else"))
    foreign = stores.open()
    with pytest.raises(holdfast.Untrusted, match=r'state\["odd"\]'):
        foreign["odd"]
    assert foreign["other"] == 1
    assert sorted(foreign) == ["odd", "other"]
    assert "odd" in foreign
    assert "odd" in holdfast.view(foreign, focus="full")
    with pytest.raises(holdfast.Untrusted):
        foreign.diff(foreign.history()[-1])
    without = stores.open(pickles=False)
    with pytest.raises(holdfast.Untrusted):
        without["odd"]
    assert RAN == []
    foreign["odd"] = "replaced"
    foreign.commit()
    assert stores.open()["odd"] == "replaced"
    del foreign["odd"]
    foreign.commit()
    assert dict(stores.open()) == {"other": 1}


def replace_pickle(path: Path, key: str, data: bytes) -> None:
    """Put another pickle where one is stored, with the signature of that."""
    raw = apsw.Connection(str(path))
    ((text,),) = raw.execute("SELECT c4 FROM hf_v1 WHERE c2 = ?", [key]).fetchall()
    value = json.loads(str(text))
    value["$pickle"]["data"] = base64.b64encode(data).decode()
    raw.execute("UPDATE hf_v1 SET c4 = ? WHERE c2 = ?", [json.dumps(value), key])
    assert raw.changes() == 1
    raw.close()


def test_s4_a_tampered_pickle_never_runs(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Versioned(path) as state:
        state.update(odd=Odd("mine"), other=[1])
        state.commit()
    replace_pickle(path, "odd", pickle.dumps(Odd("evil")))
    with Versioned(path) as state:
        with pytest.raises(holdfast.Untrusted, match=r'state\["odd"\]'):
            state["odd"]
        assert state["other"] == [1]
    with pytest.raises(holdfast.StoreCorrupt), holdfast.connect(path) as db:
        db.verify()
    assert RAN == []


def test_d8_a_damaged_value_fails_alone_by_name(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Versioned(path) as state:
        state.update(bytes=random.Random(1).randbytes(2_000), list=[1])
        state.commit()
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE hf_v1 SET c5 = zeroblob(7) WHERE c2 = 'bytes'")
    raw.close()
    with Versioned(path) as state:
        with pytest.raises(holdfast.StoreCorrupt, match=r'state\["bytes"\]'):
            state["bytes"]
        assert state["list"] == [1]
        assert "run verify" in state.all_values()["bytes"]
        state["list"].append(2)
        state.commit()
        state["bytes"] = b"new"
        state.commit()
        assert kept(state) == {"bytes": b"new", "list": [1, 2]}


class Six(KVStore):
    """A store of somebody's: six methods, which may fail or lie."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.writes_left = 1_000_000
        self.lie: Any = None

    def get(self, key: str) -> bytes | None:
        return self.lie if self.lie is not None and key.startswith(("hf/n/", "hf/b/")) else self.entries.get(key)

    def set(self, key: str, value: bytes) -> None:
        self._count()
        self.entries[key] = value

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        return {key: value for key in keys if (value := self.get(key)) is not None}

    def set_many(self, **values: bytes) -> None:
        for key, value in values.items():
            self._count()
            self.entries[key] = value

    def items(self) -> Iterable[tuple[str, bytes]]:
        return list(self.entries.items())

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def _count(self) -> None:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise ConnectionError("the network is gone")


class TestCustomStores:
    def test_six_methods_are_enough(self) -> None:
        store = Six()
        with Versioned(store) as state:
            state["list"] = [1]
            first = state.commit()
            state["list"].append(2)
            state.commit()
        with Versioned(store) as state:
            assert dict(state) == {"list": [1, 2]}
            assert dict(state.checkout(first)) == {"list": [1]}

    def test_d5_a_store_that_fails_half_way_leaves_old_or_new(self) -> None:
        """At each of its writes."""
        failed = 0
        for writes in range(40):
            store = Six()
            with Versioned(store) as state:
                state["list"] = [1]
                before = state.commit()
                state["list"].append("x" * 50_000)
                store.writes_left = writes
                try:
                    state.commit()
                except holdfast.StoreUnavailable:
                    failed += 1
                    assert (state.head, state.pending()) == (before, ["list"])
                    store.writes_left = 1_000_000
                    assert list(map(len, map(str, kept(state)["list"]))) in ([1], [1, 50_000])
                    state.commit()
                store.writes_left = 1_000_000
            with Versioned(store) as state:
                assert list(map(len, map(str, state["list"]))) == [1, 50_000]
                assert len(state.history()) == 3
            if failed <= writes:
                break
        assert failed

    @pytest.mark.parametrize("lie", ["text", b"", b"garbage", b"\x00" * 64, 7])
    def test_d8_a_store_that_lies_is_caught(self, lie: Any) -> None:
        store = Six()
        with Versioned(store) as state:
            state.update(list=["x" * 200] * 50, text="y" * 100_000)
            state.commit()
        store.lie = lie
        with pytest.raises((holdfast.StoreCorrupt, holdfast.StoreUnavailable)), Versioned(store) as state:
            _ = state["list"], state["text"]

    def test_what_is_no_store_is_refused(self) -> None:
        for wrong in (3, object(), {}):
            with pytest.raises(holdfast.InvalidValue):
                Versioned(wrong)  # type: ignore[arg-type]


def test_k5_a_full_disk_loses_nothing_and_can_be_read(tmp_path: Path) -> None:
    store = holdfast.Disk(tmp_path / "s", size_limit=1_000_000)
    with Versioned(store) as state:
        state["small"] = [1]
        state.commit()
        state["small"].append(2)
        state["large"] = random.Random(1).randbytes(3_000_000)
        with pytest.raises(holdfast.StoreFull):
            state.commit()
        assert sorted(state.pending()) == ["large", "small"]
        assert kept(state) == {"small": [1]}
        del state["large"]
        state.commit()
        assert kept(state) == {"small": [1, 2]}
        assert len(state.history()) == 3


def test_s9_a_store_of_a_newer_format_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Versioned(path) as state:
        state["x"] = 1
        state.commit()
    raw = apsw.Connection(str(path))
    raw.execute("PRAGMA user_version = 999")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(holdfast.HoldfastError, match="999"):
        Versioned(path)
    assert path.read_bytes() == before


def test_s5_a_value_of_a_newer_form_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Versioned(path) as state:
        state.update(x={1}, y=1)
        state.commit()
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE hf_v1 SET c3 = 'hologram' WHERE c3 = 'set'")
    assert raw.changes() == 1
    raw.close()
    with Versioned(path) as state:
        with pytest.raises(holdfast.StoreCorrupt, match=r"hologram.*update it"):
            state["x"]
        assert state["y"] == 1


def test_memory_is_shared_by_handles_of_one_process_only() -> None:
    store = Memory()
    with Versioned(store) as state:
        state["x"] = 1
        state.commit()
    with Versioned(store) as again, Versioned() as other:
        assert (dict(again), dict(other)) == ({"x": 1}, {})
