"""What the value of a key is a part of."""

from __future__ import annotations

from holdfast.state.nodes.leaves import Lock, Node
from holdfast.state.rows.tables import Name


class Slot:
    """What the value of a key is a part of."""

    __slots__ = ("_dirty", "lock", "name")

    def __init__(self, name: Name, dirty: set[Name], lock: Lock) -> None:
        self.name = name
        self.lock = lock
        self._dirty = dirty

    def below(self, node: Node) -> None:  # noqa: ARG002
        """Take note that the value changes."""
        self._dirty.add(self.name)
