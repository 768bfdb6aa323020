"""Goal: only what a trusted key signed is unpickled, whole. Method: payloads that would leave a file if they ran."""

from __future__ import annotations

import base64
import hmac
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from holdfast.core.codec import Codec, Encoded
from holdfast.errors import NotStorable, StoreCorrupt, Unreadable, Untrusted
from holdfast.state.signing import KeyFile


class Odd:
    """Neither a dataclass nor registered."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(sorted(vars(self))))


class Same:
    """Equal to itself alone."""

    ring: set[Any]


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


@pytest.fixture
def codec(tmp_path: Path) -> Codec:
    return Codec(KeyFile(tmp_path / "mine"))


def _pickles(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "$pickle" in node:
            yield node["$pickle"]
        for inner in node.values():
            yield from _pickles(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _pickles(inner)


def test_an_object_is_pickled_alone_and_its_siblings_stay_readable(codec: Codec) -> None:
    value = {"plan": ["a", Odd(a=1)], "n": 1}
    encoded = codec.encode(value, "x")
    assert encoded.text.startswith('{"n":1,"plan":["a",{"$pickle":{')
    assert codec.decode(encoded, "x") == value


def test_functions_classes_and_closures_are_stored(codec: Codec) -> None:
    more = 10

    class Local:
        value = 5

    twice, local, length = codec.decode(codec.encode([lambda number: number * 2 + more, Local(), len], "x"), "x")
    assert (twice(4), local.value, length) == (18, 5, len)


def test_arrays_within_objects_are_buffers_and_come_back_writable(codec: Codec) -> None:
    encoded = codec.encode(Odd(array=numpy.arange(1000.0)), "x")
    assert [len(buffer) for buffer in encoded.buffers[1:]] == [] or max(map(len, encoded.buffers)) == 8000
    found = codec.decode(encoded, "x").array
    found[0] = 7
    assert found.tolist() == [7, *range(1, 1000)]


def test_without_a_signer_pickling_is_off(codec: Codec) -> None:
    with pytest.raises(NotStorable, match=r"x\[0\]: .*Odd can only be stored as a pickle, and pickling is off"):
        Codec().encode([Odd()], "x")
    with pytest.raises(Untrusted, match=r"x\[0\]: .*Odd is stored as a pickle, and pickling is off here"):
        Codec().decode(codec.encode([Odd()], "x"), "x")


def _hostile(path: Path, **replaced: Any) -> Encoded:
    payload = {"buffers": [], "data": base64.b64encode(pickle.dumps(Bomb(path))).decode(), "type": "a:B"} | replaced
    return Encoded(json.dumps({"a": [{"$pickle": payload}]}))


def test_s4_a_hostile_payload_never_runs(codec: Codec, tmp_path: Path) -> None:
    """Its signature is absent, empty, wrong, somebody else's, or taken from a value of our own."""
    path = tmp_path / "ran"
    theirs = Codec(KeyFile(tmp_path / "theirs")).encode([Bomb(path)], "x")
    own = next(_pickles(json.loads(codec.encode([Odd()], "x").text)))
    signatures = [
        {}, {"key": own["key"]}, {"key": own["key"], "mac": ""}, {"key": own["key"], "mac": "00" * 32},
        {"key": own["key"], "mac": own["mac"]}, {"key": own["key"], "mac": own["mac"], "type": own["type"]},
        {"key": "", "mac": "zz"}, {"key": "\ud800".encode("utf-8", "replace").decode(), "mac": own["mac"]},
    ]  # fmt: skip
    for signature in signatures:
        with pytest.raises(Untrusted, match=r'^x\["a"\]\[0\]: .*a key that you trust; it was not loaded'):
            codec.decode(_hostile(path, **signature), "x")
    with pytest.raises(Untrusted):
        codec.decode(theirs, "x")
    assert not path.exists()
    Codec(KeyFile(tmp_path / "theirs")).decode(theirs, "x")[0].close()
    assert path.exists(), "the payload does nothing, so this test shows nothing"


def test_s4_no_byte_can_be_changed_or_moved(codec: Codec) -> None:
    encoded = codec.encode(Odd(one=numpy.arange(500.0), other=numpy.ones(500)), "x")
    assert len(encoded.buffers) >= 2
    for place, buffer in enumerate(encoded.buffers):
        changed = bytearray(buffer)
        changed[-1] ^= 1
        buffers = (*encoded.buffers[:place], bytes(changed), *encoded.buffers[place + 1 :])
        with pytest.raises(Untrusted):
            codec.decode(Encoded(encoded.text, encoded.order, buffers), "x")
    payload = next(_pickles(json.loads(encoded.text)))
    for changes in ({"buffers": payload["buffers"][::-1]}, {"buffers": payload["buffers"][:1]}, {"type": "a:B"}):
        text = json.dumps({"$pickle": payload | changes})
        with pytest.raises(Untrusted):
            codec.decode(Encoded(text, "", encoded.buffers), "x")


def test_the_code_is_the_one_that_the_format_says(codec: Codec, tmp_path: Path) -> None:
    """Lengths stand before the parts, so that no byte moves from one to the next unseen."""
    encoded = codec.encode(Odd(array=numpy.arange(500.0)), "x")
    payload = next(_pickles(json.loads(encoded.text)))
    key, data = (tmp_path / "mine" / "signing.key").read_bytes(), payload["data"]
    pickled = encoded.buffers[data] if isinstance(data, int) else base64.b64decode(data)
    parts = [b"holdfast pickle 1", payload["type"].encode(), pickled, *(encoded.buffers[n] for n in payload["buffers"])]
    signed = b"".join(len(part).to_bytes(8, "little") + bytes(part) for part in parts)
    assert len(parts) == 4
    assert payload["mac"] == hmac.digest(key, f"16 {payload['key']} ".encode() + signed, "sha256").hex()


def test_s5_a_pickled_class_that_is_gone_is_named(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = codec.encode([Odd(a=1)], "x")
    name = Odd.__module__
    monkeypatch.delitem(globals(), "Odd")
    with pytest.raises(Unreadable, match=rf"x\[0\]: the pickled {name}:Odd cannot be made again: AttributeError"):
        codec.decode(encoded, "x")


def test_what_was_read_is_pickled_the_same_again(codec: Codec) -> None:
    """U4: texts that were two objects are one after reading, and the other way round."""
    text = str(b"attr", "ascii")
    value = Odd(
        attr="attr", texts=[text, str(b"attr", "ascii"), "a", "", b"", b"a"], sets=[{"b", "a"}, frozenset({1, 2})]
    )
    vars(value)["again"] = vars(value)["sets"]
    encoded = codec.encode(value, "x")
    found = codec.decode(encoded, "x")
    assert codec.encode(found, "x") == encoded
    assert found.again is found.sets


def test_a_set_that_contains_itself_by_way_of_an_object_is_kept(codec: Codec) -> None:
    value = Same()
    value.ring = {value}
    found = codec.decode(codec.encode(value, "x"), "x")
    assert found.ring == {found}


def test_broken_payloads_are_corrupt(codec: Codec) -> None:
    payloads: tuple[Any, ...] = (None, {}, [], {"type": 1}, {"data": "!", "buffers": [], "type": "a"})
    for payload in payloads:
        with pytest.raises(StoreCorrupt):
            codec.decode(Encoded(json.dumps({"$pickle": payload})), "x")
