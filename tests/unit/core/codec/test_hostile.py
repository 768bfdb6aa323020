"""Goal: whatever is decoded, only our errors come of it, and no code runs. Method: random and bent stored forms."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.codec import Codec, Encoded
from holdfast.core.codec.codec import TAGS
from holdfast.errors import HoldfastError, StoreCorrupt
from holdfast.state.signing import KeyFile
from tests.unit.core.codec.strategies import values

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),  # some values are 140 KB of text
]
names = st.sampled_from([
    "type", "fields", "name", "value", "version", "data", "dtype", "shape", "order", "at", "zone", "fold",
    "key", "mac", "buffers", "set", "extra", "unset", "index", "names", "columns", "values", "numpy", "texts",
    "range", "levels", "os:system", "builtins:eval", "subprocess:Popen", "tests.unit.core.codec.samples:Plan", "|O",
    "<f8", "frame", "table",
])  # fmt: skip
leaves = st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | st.text(max_size=4) | names
nodes = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(names | st.text(max_size=3), inner, max_size=4)
        | st.builds(lambda tag, node: {tag: node}, st.sampled_from(sorted(TAGS)), inner)
    ),
    max_leaves=12,
)
buffers = st.lists(st.binary(max_size=40), max_size=2).map(tuple)
orders = st.just("") | st.text("0123,;*", max_size=6)


watched: list[str] = []


def _watch(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in ("pickle.find_class", "os.system", "subprocess.Popen"):
        watched.append(event)


sys.addaudithook(_watch)


def _decode(encoded: Encoded) -> None:
    watched.clear()
    with contextlib.suppress(HoldfastError):
        Codec(KeyFile(Path("/nowhere"))).decode(encoded, "x")
    assert watched == []


@given(nodes, orders, buffers)
def test_s4_random_json_gives_values_or_our_errors(node: Any, order: str, found: tuple[bytes, ...]) -> None:
    _decode(Encoded(json.dumps(node, sort_keys=True), order, found))


@given(st.text(max_size=30), orders, buffers)
def test_random_text_is_corrupt(text: str, order: str, found: tuple[bytes, ...]) -> None:
    _decode(Encoded(text, order, found))


@given(values, st.floats(0, 1), st.sampled_from('01"$[]{},:a'))
def test_bent_values_give_values_or_our_errors(value: Any, at: float, character: str) -> None:
    """A character of the text is replaced, or a buffer cut."""
    encoded = Codec().encode(value, "x")
    place = int(at * (len(encoded.text) - 1))
    text = encoded.text[:place] + character + encoded.text[place + 1 :]
    _decode(Encoded(text, encoded.order, encoded.buffers))
    _decode(Encoded(encoded.text, encoded.order, tuple(bytes(buffer)[1:] for buffer in encoded.buffers)))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ('{"$set":[[]]}', ""), ('{"$what":1}', ""), ('{"$tuple":1}', ""), ('{"$bytes":3}', ""), ('{"a":1,"$b":2}', ""),
        ('{"$decimal":"x"}', ""), ('{"a":1,"b":2}', "0,2"), ('{"a":1,"b":2}', "1,0;1,0"), ('{"a":1,"b":2}', "x"),
        ('{"a":1,"b":2}', "*1000000000000"), ("[" * 100_000, ""), ('{"$scalar":["V8",1000000000000000]}', ""),
        ('{"$ndarray":{"data":"","dtype":"<f8","order":"C","shape":[1000000000000]}}', ""),
        ('{"$ndarray":{"data":"","dtype":"<f8","order":"C","shape":[1000]}}', ""),
        ('{"$ndarray":{"data":"AAAAAAAAAAA=","dtype":"|O","order":"C","shape":[1]}}', ""),
        ('{"$ndarray":{"data":"AAAAAAAAAAA=","dtype":"O","order":"C","shape":[1]}}', ""),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_corrupt(text: str, order: str) -> None:
    with pytest.raises(HoldfastError) as raised:
        Codec().decode(Encoded(text, order), "x")
    assert isinstance(raised.value, StoreCorrupt) or "too deep" in str(raised.value)
