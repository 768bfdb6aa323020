"""From the rows of a key to its value, and to the node that stands for them."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.core.codec import Codec
from holdfast.core.forms import VALUE, kind_of
from holdfast.errors import StoreCorrupt
from holdfast.state.nodes.leaves import Above, Leaf, Lock, Node
from holdfast.state.nodes.lists import LIST, ListNode
from holdfast.state.nodes.maps import MAP, MapNode
from holdfast.state.nodes.naming import key_of_part
from holdfast.state.nodes.sets import COUNTER, SET, CounterNode, SetNode
from holdfast.state.objects.counter import Counter
from holdfast.state.objects.tracked import StateDict, StateList, StateSet, Tracking
from holdfast.state.rows.chunks import Chunk
from holdfast.state.rows.contents import digest_of, encoded_of, tail_of
from holdfast.state.rows.drafts import at_key
from holdfast.state.rows.tables import ROOT, Address, Cells, Rows, inside

Loaded = tuple[Any, Node]
"""A value, and the node that stands for its rows."""


class Loader:
    """Makes a value of the rows of its key.

    Args:
        rows: all rows of the key.
        where: how messages name the value.
        lock: that of the state; what the value's containers hold while they change.
    """

    def __init__(self, rows: Rows, codec: Codec, where: str, lock: Lock) -> None:
        self._rows = rows
        self._codec = codec
        self._where = where
        self._lock = lock
        self._parts: dict[str, list[Address]] = {}
        for address in rows:
            if address != ROOT:
                self._parts.setdefault(address.path, []).append(address)

    def load(self, above: Above) -> Loaded:
        """Return the value.

        Raises:
            Unreadable, Untrusted: part of it cannot be made again.
            StoreCorrupt: the rows make no sense.
        """
        return self._at(ROOT, self._where, above)

    def value_at(self, address: Address) -> Any:  # noqa: ANN401
        """Return the value of a part. Raises as `load`."""
        return self._at(address, self._where, None)[0]

    def _at(self, address: Address, where: str, above: Above | None) -> Loaded:
        cells = self._rows[address]
        make = _MAKERS.get(kind_of(cells.form))
        if make is None:
            raise StoreCorrupt(
                f"{where}: {cells.form[:80]!r} is no form of a value that this Holdfast knows; update it"
            )
        return make(self, address, cells, where, above)

    def _children(self, address: Address) -> list[Address]:
        """Return the addresses of the parts of a container, in order."""
        found = self._parts.get(inside(address), [])
        return sorted(found, key=lambda part: (self._rows[part].place, part.part))

    def _leaf(self, address: Address, cells: Cells, where: str, above: Above | None) -> Loaded:
        node = Leaf(address, cells.place, above, self._lock)
        parts = self._children(address)

        def chunks() -> Sequence[Cells]:
            return [self._rows[part] for part in parts]

        encoded = encoded_of(cells, chunks, where)
        value = self._codec.decode(encoded, where)
        node.chunks = [Chunk.of(part, self._rows[part].place, tail_of(self._rows[part])) for part in parts]
        tracking = Tracking(node)
        value = tracking.of(value)
        node.sure = not tracking.loose
        node.value = value if node.sure else None
        if not node.sure:
            value = node.watch(value)
        if tracking.loose and "$pickle" in encoded.text:  # an equal object may be pickled otherwise
            encoded = self._codec.encode(value, where)
        node.digest = digest_of(encoded)
        return value, node

    def _map(self, address: Address, cells: Cells, where: str, above: Above | None) -> Loaded:
        node = MapNode(address, cells.place, above, self._lock)
        value = node.value = StateDict((), node)
        for part in self._children(address):
            key = key_of_part(part.part, self._codec)
            item, child = self._at(part, at_key(where, key), node)
            dict.__setitem__(value, key, item)
            node.entries[key], child.key = child, key
            node.top = max(node.top, child.place)
            if not child.sure:
                node.unsure.add(key)
        node.sure = not node.unsure
        return value, node

    def _list(self, address: Address, cells: Cells, where: str, above: Above | None) -> Loaded:
        node = ListNode(address, cells.place, above, self._lock)
        value = node.value = StateList((), node)
        for at, part in enumerate(self._children(address)):
            item, child = self._leaf(part, self._rows[part], at_key(where, at), node)
            list.append(value, item)
            assert isinstance(child, Leaf)
            node.items.append(child)
            if not child.sure:
                node.unsure.add(at)
        node.kept = len(node.items)
        node.sure = not node.unsure
        return value, node

    def _set(self, address: Address, cells: Cells, where: str, above: Above | None) -> Loaded:
        node = SetNode(address, cells.place, above, self._lock)
        value = node.value = StateSet((), node)
        for part in self._children(address):
            item, child = self._leaf(part, self._rows[part], where, node)
            assert isinstance(child, Leaf)
            set.add(value, item)
            node.elements[item], child.key = child, item
        node.sure = True
        return value, node

    def _counter(self, address: Address, cells: Cells, where: str, above: Above | None) -> Loaded:
        node = CounterNode(address, cells.place, above, self._lock)
        for part in self._children(address):
            node.shares[part.part] = self._codec.decode(encoded_of(self._rows[part], list, where), where)
        value = Counter()
        value._shares, value._note = dict(node.shares), node  # noqa: SLF001 - they are one
        node.sure = True
        return value, node


_MAKERS = {
    VALUE: Loader._leaf,  # noqa: SLF001
    MAP: Loader._map,  # noqa: SLF001
    LIST: Loader._list,  # noqa: SLF001
    SET: Loader._set,  # noqa: SLF001
    COUNTER: Loader._counter,  # noqa: SLF001
}
