"""Where in a value something is, as Python would write it: `state["tools"]["db"].cursor`."""

from __future__ import annotations

import json

from holdfast.core.canonical import shortened


class Attribute(str):
    """A part of a path that is an attribute."""

    __slots__ = ()


class Place:
    """A path into a value: the root, and one part for each container that is open.

    Containers push a part, set it for each of their items, and pop it. After an error the parts still say where it
    was. A part is a key, an index, an `Attribute`, or None for what has no name, such as an element of a set.
    """

    __slots__ = ("parts", "root")

    def __init__(self, root: str) -> None:
        self.root = root
        self.parts: list[object] = []

    def __str__(self) -> str:
        return self.root + "".join(map(_part, self.parts))


def _part(part: object) -> str:
    if part is None:
        return ""
    if isinstance(part, Attribute):
        return f".{part}"
    if isinstance(part, str):
        return f"[{shortened(json.dumps(part, ensure_ascii=False))}]"
    try:
        return f"[{shortened(repr(part))}]"
    except Exception:  # noqa: BLE001 - the key's own repr; a message must not fail over it
        return f"[a {type(part).__name__}]"


def type_name(kind: type) -> str:
    """Return how a message names a type: with its module, unless it is a builtin."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def stored_name(kind: type) -> str:
    """Return how a stored value names its class: `module:qualname`."""
    return f"{kind.__module__}:{kind.__qualname__}"
