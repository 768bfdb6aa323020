"""From a tree of JSON values back to the value: one decode, and what all families of types need for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdfast.core.codec.encoded import Signer
from holdfast.core.codec.places import Attribute, Place
from holdfast.core.codec.registry import Types

Lift = Callable[["Lifting", Any], Any]
"""How what stands under one tag is lifted. A ValueError, TypeError and the like mean that it makes no sense."""


class Lifting:
    """One decode of one value. After an error `place` says where it was."""

    __slots__ = ("_lifts", "buffers", "place", "signer", "types")

    def __init__(
        self,
        where: str,
        buffers: Sequence[bytes | memoryview],
        lifts: Mapping[str, Lift],
        types: Types,
        signer: Signer | None,
    ) -> None:
        self.place = Place(where)
        self.buffers = buffers
        self.types = types
        self.signer = signer
        self._lifts = lifts

    def lift(self, node: Any) -> Any:
        """Return the value for which a JSON value stands."""
        if type(node) is list:
            return self.items(node)
        if type(node) is not dict:
            return node
        if len(node) == 1:
            ((key, inner),) = node.items()
            if key[:1] == "$" and key[1:2] != "$":
                lift = self._lifts.get(key)
                if lift is None:
                    raise ValueError(f"{key} is no tag of this version of Holdfast")
                return lift(self, inner)
        return self._dict(node)

    def _dict(self, node: dict[str, Any]) -> dict[str, Any]:
        parts, fresh = self.place.parts, {}
        parts.append(None)
        for key, inner in node.items():
            name = unescaped(key)
            if type(inner) is dict or type(inner) is list:
                parts[-1] = name
                fresh[name] = self.lift(inner)
            else:
                fresh[name] = inner
        parts.pop()
        return fresh

    def items(self, nodes: Any) -> list[Any]:
        """Return the values of a list of JSON values. The list itself is used for it."""
        if type(nodes) is not list:
            raise TypeError("a list is missing")
        parts = self.place.parts
        parts.append(None)
        for index, inner in enumerate(nodes):
            if type(inner) is dict or type(inner) is list:
                parts[-1] = index
                nodes[index] = self.lift(inner)
        parts.pop()
        return nodes

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return the values of attributes by name."""
        if type(node) is not dict:
            raise TypeError("the attributes of an object are missing")
        parts, fresh = self.place.parts, {}
        parts.append(None)
        for key, inner in node.items():
            name = unescaped(key)
            parts[-1] = Attribute(name)
            fresh[name] = self.lift(inner)
        parts.pop()
        return fresh

    def text(self, node: Any) -> str:
        """Return a text that may be tagged."""
        found = self.lift(node)
        if type(found) is not str:
            raise TypeError("a text is missing")
        return found

    def reference(self, node: Any) -> bytes | memoryview:
        """Return the bytes to which a number or a base64 text refers."""
        if type(node) is int:
            if not 0 <= node < len(self.buffers):
                raise ValueError(f"there is no buffer {node}")
            return self.buffers[node]
        if type(node) is str:
            return base64.b64decode(node, validate=True)
        raise TypeError("bytes are missing")


def unescaped(key: str) -> str:
    """Return a key as the dict had it."""
    if key[:1] != "$":
        return key
    if key[1:2] != "$":
        raise ValueError(f"{key!r} is a tag, and stands where none can be")
    return key[1:]
