"""Names of the entries of mappings and of the elements of sets, which stand in their rows.

Python finds an entry by what is equal to its key: True finds that of 1. A name tells more, as what is stored does, and
less: two keys that are equal to nothing else may be stored alike.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from holdfast.core.codec import Codec, Encoded
from holdfast.errors import NotStorable
from holdfast.state.nodes.leaves import Node

N = TypeVar("N", bound=Node)

WHERE_CHARS_MAX = 200
"""So much of a path is shown in a message about a key that is too long."""

_TOLD_APART = frozenset({str, int, bool, bytes, type(None)})
"""Types whose values are equal if, and only if, they are stored alike."""


def part_of_key(key: Any, where: str, codec: Codec) -> str:  # noqa: ANN401
    """Return the name of the entry at a key: the key itself, or, if it is no plain text, how it is encoded.

    Raises:
        NotStorable: it cannot be encoded, or not as a text alone, which is all that a name can be.
    """
    if type(key) is str and "\0" not in key and key.isprintable():
        return f"={key}" if key.startswith("=") else key
    encoded = codec.encode(key, where)
    if encoded.buffers:
        shown = where if len(where) <= WHERE_CHARS_MAX else f"{where[:WHERE_CHARS_MAX]}…"
        raise NotStorable(f"{shown}: the key is too long; use a hash of it as the key, and keep it in the value")
    return f"={encoded.text}"


def key_of_part(part: str, codec: Codec) -> Any:  # noqa: ANN401
    """Return the key whose entry has a name."""
    if not part.startswith("="):
        return part
    return part[1:] if part.startswith("==") else codec.decode(Encoded(part[1:]), "a key")


def part_of_element(encoded: Encoded) -> str:
    """Return the name of an element: as many digits of what it is as no two elements have in common by chance."""
    digest = hashlib.sha256(encoded.text.encode())
    for buffer in encoded.buffers:
        digest.update(buffer)
    return digest.hexdigest()[:32]


def is_same(new: Any, old: Any) -> bool:  # noqa: ANN401
    """Tell whether a key that is equal to another is the same beyond doubt: else their names have to be compared."""
    return new is old or (type(new) is type(old) and type(new) in _TOLD_APART)


class Names(Generic[N]):
    """The names in one mapping or set, while what is new of it is drafted: first those that are free, then the new.

    Args:
        nodes: what is there, by its keys.

    Attributes:
        left: the nodes whose names nobody has any more.
    """

    def __init__(self, nodes: Mapping[Any, N]) -> None:
        self.left: dict[str, N] = {}
        self._nodes = nodes
        self._taken: set[str] | None = None

    def free(self, node: N | None) -> None:
        """Let somebody else have the name of a node, if there is one."""
        if node is not None:
            self.left[node.address.part] = node

    def of_new(self, found: dict[Any, N | None], keys: Iterable[Any], part_of: Callable[[Any], str]) -> dict[Any, str]:
        """Return the names of those keys that are new; a key that replaces an equal one is, and frees its name.

        Args:
            found: the node of each key, or None; None is put in where it is another's.
            keys: those to look at.
            part_of: gives a key its name.
        """
        parts: dict[Any, str] = {}
        for key in keys:
            node = found[key]
            if node is not None and is_same(key, node.key):
                continue
            part = part_of(key)
            if node is None or part != node.address.part:
                self.free(node)
                parts[key], found[key] = part, None
        return parts

    def take(self, part: str, key: Any, where: str) -> N | None:  # noqa: ANN401
        """Let a new key have a name; return the node that has it already, if it is left.

        Raises:
            NotStorable: another key has it, and will have it.
        """
        node = self.left.pop(part, None)
        if type(key) not in _TOLD_APART:
            if self._taken is None:
                self._taken = {node.address.part for node in self._nodes.values()} - self.left.keys()
                if node is not None:
                    self._taken.discard(part)
            if part in self._taken:
                raise NotStorable(f"{where}: there are two of it that would be stored alike; keep one of them")
            self._taken.add(part)
        return node
