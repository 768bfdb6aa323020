"""Goal: the page of the stored form tells what is stored. Method: read each of its examples, and store it again."""

from __future__ import annotations

import re
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import make_dataclass
from pathlib import Path
from types import ModuleType
from uuid import SafeUUID

import pydantic
import pytest

from holdfast.core.codec import Codec, Encoded, Registration, Types
from holdfast.core.codec.codec import TAGS
from holdfast.core.codec.order import DEPTH_MAX, TEXT_BYTES_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "format-values.md").read_text("utf-8")
ROWS: dict[str, str] = dict(re.findall(r"^\| `(\$\w+)` \|(.*)\|$", PAGE, re.MULTILINE))
EXAMPLES = [text for rest in ROWS.values() for text in re.findall(r'`(\{"\$[^`]*)`', rest)]


class Money(int):
    """Stored as a number."""


@pytest.fixture
def types() -> Iterator[Types]:
    module = sys.modules["acme"] = ModuleType("acme")
    Plan = make_dataclass("Plan", ["goal", "done"], namespace={"__module__": "acme"})  # noqa: N806 - a class
    Version = namedtuple("Version", "major minor", module="acme")  # noqa: PYI024 - a class
    Model = pydantic.create_model("Model", __module__="acme", n=(int, 0))  # noqa: N806 - a class
    vars(module).update(Plan=Plan, Version=Version, Model=Model)
    types = Types()
    types.register(Registration(SafeUUID, "uuid:SafeUUID"))
    types.register(Registration(Money, "acme.Money", 2, encode=int, decode=Money))
    yield types
    del sys.modules["acme"]


def test_every_tag_is_described() -> None:
    assert set(ROWS) == TAGS
    assert {tag for tag, rest in ROWS.items() if '{"$' not in rest} == {"$arrow", "$pickle"}


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_read_and_stored_the_same(text: str, types: Types) -> None:
    codec = Codec(types=types)
    assert codec.encode(codec.decode(Encoded(text), "x"), "x") == Encoded(text)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"at most {DEPTH_MAX} deep" in PAGE
    assert f"more than {TEXT_BYTES_MAX:,} bytes" in PAGE


def test_the_orders_of_the_page_are_those_of_the_code() -> None:
    message = {"role": "user", "content": "hi"}
    assert Codec().encode(message, "x").order == "1,0"
    assert Codec().encode([message] * 3, "x").order == "1,0*3"
