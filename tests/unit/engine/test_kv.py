"""Goal: key-value stores do what the tree needs, and refuse what they cannot. Method: each, and against a dict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

import holdfast
from holdfast.engine.kv import Cache, Disk, KVStore, Memory
from holdfast.engine.kv.guarded import Guarded
from holdfast.engine.kv.valkey import Valkey
from tests import valkey_server
from tests.kv_stores import BrokenError, Failing, SixMethods

MAKERS: dict[str, Callable[[Path], KVStore]] = {
    "memory": lambda _: Memory(),
    "disk": lambda path: Disk(path / "store"),
    "cache": lambda _: Cache(Memory(), max_bytes=2_000),
    "cached disk": lambda path: Cache(Disk(path / "store"), max_bytes=2_000),
    "guarded": lambda _: Guarded(Memory()),
    "valkey": lambda _: Valkey(valkey_server.fresh_url()),
    "cached valkey": lambda _: Cache(Valkey(valkey_server.fresh_url()), max_bytes=2_000),
}


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KVStore]:
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


keys = st.sampled_from(["hf/n/a", "hf/n/b", "hf/b/c", "hf/root", "x", "é", "self_", "key"])
steps = st.lists(
    st.tuples(st.sampled_from(["set", "many", "delete", "compare"]), keys, keys, st.binary(max_size=900)), max_size=30
)


@given(script=steps)
def test_a_store_is_a_dict(script: list[tuple[str, str, str, bytes]]) -> None:
    for made in (Memory(), Cache(Memory(), max_bytes=1_500)):
        model: dict[str, bytes] = {}
        for word, key, other, value in script:
            if word == "set":
                made.set(key, value)
                model[key] = value
            elif word == "many":
                made.set_many(**{key: value, other: value + b"."})
                model.update({key: value, other: value + b"."})
            elif word == "delete":
                made.delete(key, other)
                for gone in (key, other):
                    model.pop(gone, None)
            else:
                assert made.compare_and_set(key, model.get(other), value) == (model.get(key) == model.get(other))
                if model.get(key) == model.get(other):
                    model[key] = value
                    made.delete("hf/n/nobody")
            # A cache may keep what never changes: here it does change, so only what is no name of a node is compared.
            names = [name for name in model if isinstance(made, Memory) or not name.startswith(("hf/n/", "hf/b/"))]
            assert made.get_many(*names, "nobody") == {name: model[name] for name in names}
            assert dict(made.items()) == model
            assert sorted(made.scan("hf/")) == sorted(name for name in model if name.startswith("hf/"))


def test_what_every_store_does(store: KVStore) -> None:
    assert store.get("k") is None
    assert "k" not in store
    store.set("k", b"v")
    store.set_many(**{"hf/n/1": b"one", "hf/n/2": b"", "hf/z": bytes(range(256))})
    assert store.get("hf/z") == bytes(range(256))
    assert store.get_many("hf/n/1", "hf/n/2", "nobody") == {"hf/n/1": b"one", "hf/n/2": b""}
    assert sorted(store.scan("hf/n/")) == ["hf/n/1", "hf/n/2"]
    assert store.compare_and_set("k", b"w", b"x") is False
    assert store.compare_and_set("k", b"v", b"x") is True
    assert store.compare_and_set("k", None, b"y") is False
    assert store.compare_and_set("new", None, b"y") is True
    store.delete("k", "hf/n/1", "nobody")
    assert "k" not in store
    assert 5 not in store
    assert sorted(key for key, _ in store.items()) == ["hf/n/2", "hf/z", "new"]
    assert (store.can_compare_and_set, store.can_delete, store.can_scan) == (True, True, True)


def test_many_threads_count_by_comparison(store: KVStore) -> None:
    """C8: none of what was acknowledged is lost."""

    def count() -> None:
        for _ in range(25):
            while True:
                now = store.get("n")
                if store.compare_and_set("n", now, str(int(now or b"0") + 1).encode()):
                    break

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("n") == b"100"


@pytest.mark.parametrize("size", [0, -1, 1.5, "64", True, b"1"])
def test_l7_sizes_are_checked_when_a_store_is_made(size: Any, tmp_path: Path) -> None:
    for make in (lambda: Disk(tmp_path / "d", size_limit=size), lambda: Cache(Memory(), max_bytes=size)):
        with pytest.raises(holdfast.InvalidValue, match="whole number"):
            make()
    assert not (tmp_path / "d").exists()


def test_wrong_types_are_refused(tmp_path: Path) -> None:
    wrong: Any
    for wrong in (None, 5, "", "nul\0", b"bytes", []):
        with pytest.raises(holdfast.InvalidValue, match="path of a Disk"):
            Disk(wrong)
    for wrong in (None, {}, "store", Memory):
        with pytest.raises(holdfast.InvalidValue, match="KVStore"):
            Cache(wrong)
    with pytest.raises(holdfast.InvalidValue, match="durability"):
        Disk(tmp_path, durability="sometimes")
    (tmp_path / "file").write_text("here")
    with pytest.raises(holdfast.InvalidValue, match="is a file"):
        Disk(tmp_path / "file")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "kv.db"))
    other.execute("CREATE TABLE mine (x)")
    other.close()
    before = (tmp_path / "kv.db").read_bytes()
    with pytest.raises(holdfast.StoreCorrupt, match="something else"):
        Disk(tmp_path)
    assert (tmp_path / "kv.db").read_bytes() == before
    (tmp_path / "kv.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(holdfast.StoreCorrupt):
        Disk(tmp_path)


def test_k5_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    with_room = Disk(tmp_path)
    with_room.set("kept", b"x" * 1000)
    with_room.close()
    store = Disk(tmp_path, size_limit=100_000)
    with pytest.raises(holdfast.StoreFull, match="nothing committed was lost"):
        store.set_many(**{f"k{n}": bytes([n]) * 5000 for n in range(50)})
    assert [key for key, _ in store.items()] == ["kept"]
    assert store.get("kept") == b"x" * 1000
    store.set("small", b"fits")
    store.delete("kept")
    assert store.compare_and_set("small", b"fits", b"still") is True
    store.close()


def test_d6_entries_are_made_durable_by_the_comparison_alone(tmp_path: Path) -> None:
    """One sync of the log for a comparison, none for the entries before it."""
    for durability, expected in (("full", [0, 1]), ("process", [0, 0])):
        store = Disk(tmp_path / durability, durability=durability)
        found = []
        for write in (lambda: store.set_many(a=b"1", b=b"2"), lambda: store.compare_and_set("r", None, b"1")):  # noqa: B023
            write()
            ((level,),) = store._connection.execute("PRAGMA synchronous").fetchall()
            found.append(int(level == 2))
        assert found == expected
        store.close()


def test_a_closed_disk_says_so_and_closes_twice(tmp_path: Path) -> None:
    store = Disk(tmp_path)
    store.close()
    store.close()
    for call in (lambda: store.get("k"), lambda: store.set("k", b""), lambda: list(store.items())):
        with pytest.raises(holdfast.StoreClosed):
            call()


def test_two_disks_on_one_folder_see_each_other(tmp_path: Path) -> None:
    one, other = Disk(tmp_path), Disk(tmp_path)
    one.set("k", b"v")
    assert other.get("k") == b"v"
    assert other.compare_and_set("k", b"v", b"w")
    assert one.get("k") == b"w"
    one.close()
    other.close()


def test_many_entries_are_listed_to_the_end(tmp_path: Path) -> None:
    """E6: a scan in pages ends, and leaves nothing out where pages meet."""
    store = Disk(tmp_path, durability="process")
    names = [f"p/{n:04d}" for n in range(1_201)]
    store.set_many(**dict.fromkeys(names, b"v"), o=b"", q=b"")
    assert list(store.scan("p/")) == names
    assert len(list(store.items())) == 1_203
    assert len(store.get_many(*names)) == 1_201
    store.close()


def test_a_cache_keeps_no_more_than_it_may_and_asks_no_more_than_it_must() -> None:
    asked: list[str] = []

    class Asked(Memory):
        def get(self, key: str) -> bytes | None:
            asked.append(key)
            return super().get(key)

    below = Asked()
    cache = Cache(below, max_bytes=3_000)
    for n in range(10):
        below.set(f"hf/n/{n}", b"v" * 500)
    for n in (0, 1, 2, 0, 3, 4, 0, 5):
        cache.get(f"hf/n/{n}")
    assert cache.size_bytes <= 3_000
    assert asked.count("hf/n/0") == 1, "what is used often stays"
    cache.get("hf/n/1")
    assert asked.count("hf/n/1") == 2, "what was not used for longest went"
    below.set("hf/root", b"1")
    assert cache.get("hf/root") == b"1"
    below.set("hf/root", b"2")  # by another process
    assert cache.get("hf/root") == b"2"
    below.set("hf/n/big", b"v" * 5_000)
    assert cache.get("hf/n/big") == b"v" * 5_000
    assert cache.size_bytes <= 3_000


def test_a_cache_keeps_nothing_of_a_write_that_failed() -> None:
    below = Failing()
    cache = Cache(below)
    below.fail_at = 1
    with pytest.raises(BrokenError):
        cache.set_many(**{"hf/n/1": b"1", "hf/n/2": b"2"})
    assert cache.get("hf/n/2") is None


def test_what_a_store_cannot_do_is_refused_by_name() -> None:
    store = SixMethods()
    assert (store.can_compare_and_set, store.can_delete, store.can_scan) == (False, False, False)
    with pytest.raises(holdfast.Unsupported, match="SixMethods has no compare_and_set"):
        store.compare_and_set("k", None, b"")
    with pytest.raises(holdfast.Unsupported, match="SixMethods has no delete"):
        store.delete("k")
    store.set("p/1", b"")
    assert list(store.scan("p/")) == ["p/1"]
    cache = Cache(store)
    assert (cache.can_compare_and_set, cache.can_delete, cache.can_scan) == (False, False, False)


def test_what_somebody_elses_store_raises_or_returns_is_told_in_our_words() -> None:
    class Wrong(SixMethods):
        answer: Any = None

        def get(self, key: str) -> bytes | None:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer  # type: ignore[no-any-return]

        def get_many(self, *keys: str) -> Any:
            return self.answer

    wrong = Wrong()
    guarded = Guarded(wrong)
    wrong.answer = OSError("cable")
    with pytest.raises(holdfast.StoreUnavailable, match="Wrong failed: OSError: cable") as caught:
        guarded.get("k")
    assert caught.value.__cause__ is wrong.answer
    wrong.answer = "text"
    with pytest.raises(holdfast.StoreCorrupt, match="'k' it is a str"):
        guarded.get("k")
    with pytest.raises(holdfast.StoreCorrupt, match="mapping"):
        guarded.get_many("k")
    wrong.answer = {"k": 5}
    with pytest.raises(holdfast.StoreCorrupt, match="'k' it is a int"):
        guarded.get_many("k")
    with pytest.raises(holdfast.InvalidValue, match="KVStore"):
        Guarded({})
