"""From a value to a tree of JSON values: one encode, and what all families of types need for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdfast.core.codec.encoded import Signer
from holdfast.core.codec.order import is_long
from holdfast.core.codec.places import Attribute, Place
from holdfast.core.codec.registry import Types
from holdfast.errors import NotStorable

Way = Callable[["Lowering", Any], Any]
"""How values of one type are lowered."""

BUFFER_BYTES_MIN = 1024
"""Fewer bytes stay in the text."""


class Beyond(Exception):
    """A value of a known type has something that its stored form has no place for: it is pickled instead."""


class Lowering:
    """One encode of one value. After an error it is of no more use, and `place` says where the error was."""

    __slots__ = ("_choose", "_open", "_ways", "buffers", "place", "signer", "types")

    def __init__(
        self, where: str, ways: Mapping[type, Way], choose: Callable[[type], Way], types: Types, signer: Signer | None
    ) -> None:
        self.place = Place(where)
        self.buffers: list[bytes | memoryview] = []
        self.types = types
        self.signer = signer
        self._ways = ways
        self._choose = choose
        self._open: dict[int, None] = {}

    def lower(self, value: Any) -> Any:
        """Return the JSON value that stands for a value.

        Raises:
            NotStorable: none can.
        """
        kind = type(value)
        return (self._ways.get(kind) or self._choose(kind))(self, value)

    def apart(self) -> Lowering:
        """Return a lowering at the same place whose buffers are its own."""
        other = Lowering(self.place.root, self._ways, self._choose, self.types, self.signer)
        other.place.parts = list(self.place.parts)
        other._open = dict(self._open)
        return other

    def attempt(self, way: Way, value: Any, otherwise: Way) -> Any:
        """Lower a value one way; if that is beyond it, take back what was begun and do it the other way."""
        parts, opened, buffers = len(self.place.parts), list(self._open), len(self.buffers)
        try:
            return way(self, value)
        except Beyond:
            del self.place.parts[parts:]
            del self.buffers[buffers:]
            self._open = dict.fromkeys(opened)
        return otherwise(self, value)

    def enter(self, value: object) -> list[object]:
        """Open a container and return the parts of the path; the last of them is for the container to set.

        Raises:
            NotStorable: the container is open already: it contains itself.
        """
        if id(value) in self._open:
            raise NotStorable(f"{self.place}: the value contains itself; keep a name or an index there instead")
        self._open[id(value)] = None
        self.place.parts.append(None)
        return self.place.parts

    def leave(self, value: object) -> None:
        """Close a container."""
        del self._open[id(value)]
        self.place.parts.pop()

    def items(self, values: Iterable[Any]) -> list[Any]:
        """Return the items of an open container, lowered, each under its index."""
        parts, lowered = self.place.parts, []
        for index, item in enumerate(values):
            parts[-1] = index
            lowered.append(self.lower(item))
        return lowered

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes of an open object, lowered, sorted by name."""
        parts, lowered = self.place.parts, {}
        for name in sorted(attributes):
            parts[-1] = Attribute(name)
            if not is_plain_key(name):
                raise NotStorable(f"{self.place}: this name of an attribute cannot be stored")
            lowered[escaped(name)] = self.lower(attributes[name])
        parts[-1] = None
        return lowered

    def text(self, value: str) -> str | dict[str, Any]:
        """Return a text, or the tag that stands for one that is too long or no Unicode text without NUL."""
        if is_long(value):
            return {"$str": self.buffer(value.encode("utf-8", "surrogatepass"))}
        if is_clean(value):
            return value
        return {"$str": base64_text(value.encode("utf-8", "surrogatepass"))}

    def reference(self, value: bytes | memoryview) -> int | str:
        """Return what refers to bytes: their number among the buffers, or few of them as base64."""
        return base64_text(value) if len(value) < BUFFER_BYTES_MIN else self.buffer(value)

    def buffer(self, value: bytes | memoryview) -> int:
        """Add bytes to the buffers and return their number."""
        self.buffers.append(value)
        return len(self.buffers) - 1


def base64_text(value: bytes | memoryview) -> str:
    """Return bytes as base64."""
    return base64.b64encode(value).decode("ascii")


def is_clean(text: str) -> bool:
    """Return whether a text has neither NUL nor a lone surrogate."""
    if "\0" in text:
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def is_plain_key(key: Any) -> bool:
    """Return whether a key of a dict can be one of a JSON object."""
    return type(key) is str and len(key) < TEXT_KEY_MAX and is_clean(key)


TEXT_KEY_MAX = 16 * 1024


def escaped(key: str) -> str:
    """Return a key as an object has it that is no tag."""
    return "$" + key if key.startswith("$") else key
