"""Reading nodes, and values that stand by themselves, out of a key-value store: checked, and kept for the next time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from holdfast.engine.kv.store import KVStore
from holdfast.engine.tree.node import Damaged, Node, unpacked, value_alone
from holdfast.errors import StoreCorrupt

NODE_PREFIX, VALUE_PREFIX = "hf/n/", "hf/b/"
KEPT_BYTES_MAX = 16 * 1024 * 1024
"""What nodes are kept in memory for one store, by the bytes of their contents: a few times as much as objects."""
READ_BYTES_MAX = 32 * 1024 * 1024
"""Of values that stand by themselves, so much is asked for at once."""


class Missing(StoreCorrupt):
    """A node that should be there is not."""


def node_key(digest: bytes) -> str:
    """Return the key of a node."""
    return NODE_PREFIX + digest.hex()


def value_key(digest: bytes) -> str:
    """Return the key of a value that stands by itself."""
    return VALUE_PREFIX + digest.hex()


class Nodes:
    """The nodes of one store. Threads may share it.

    What is kept is never out of date: a node is what its hash says, whether the store still has it or not.
    """

    def __init__(self, store: KVStore, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self.store = store
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[Node, int]] = OrderedDict()
        self._size = 0

    def read(self, digest: bytes) -> Node:
        """Return a node. Raises StoreCorrupt if it is missing or is not what its name says."""
        return self._known(digest) or self.read_many([digest])[digest]

    def read_many(self, digests: Sequence[bytes]) -> Mapping[bytes, Node]:
        """Return several nodes, those that are not kept by one call of the store. Raises StoreCorrupt."""
        found: dict[bytes, Node] = {}
        unknown: list[bytes] = []
        for digest in digests:
            node = self._known(digest)
            if node is None:
                unknown.append(digest)
            else:
                found[digest] = node
        for digest, contents in self._contents(unknown, node_key).items():
            found[digest] = self._node(digest, contents)
        return found

    def values(self, wanted: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
        """Return values that stand by themselves, by digest; they are asked for by (key of the entry, digest)."""
        keys = {digest: key for key, digest in wanted}
        found: dict[bytes, bytes] = {}
        for digest, contents in self._contents(list(keys), value_key).items():
            try:
                key, value = value_alone(contents)
            except Damaged as error:
                raise StoreCorrupt(f"{value_key(digest)} is damaged: {error}; restore the store from a copy") from error
            if key != keys[digest]:
                raise StoreCorrupt(f"{value_key(digest)} is the value of another entry; restore the store from a copy")
            found[digest] = value
        return found

    def forget(self) -> None:
        """Keep nothing, so that everything is read anew."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _contents(self, digests: Sequence[bytes], key_of: object) -> dict[bytes, bytes]:
        name = node_key if key_of is node_key else value_key
        if not digests:
            return {}
        stored = self.store.get_many(*(name(digest) for digest in digests))
        found: dict[bytes, bytes] = {}
        for digest in digests:
            part = stored.get(name(digest))
            if not part:  # what could not be deleted is overwritten with nothing
                raise Missing(f"{name(digest)} is missing; restore the store from a copy")
            try:
                found[digest] = unpacked(part, digest)
            except Damaged as error:
                raise StoreCorrupt(f"{name(digest)} is damaged: {error}; restore the store from a copy") from error
        return found

    def _node(self, digest: bytes, contents: bytes) -> Node:
        try:
            node = Node.decoded(contents)
        except Damaged as error:
            raise StoreCorrupt(f"{node_key(digest)} is damaged: {error}; restore the store from a copy") from error
        self.keep(digest, node, len(contents))
        return node

    def keep(self, digest: bytes, node: Node, size: int) -> None:
        """Keep a node in memory; those that were not used for longest go."""
        with self._lock:
            if digest not in self._kept:
                self._kept[digest] = node, size
                self._size += size
            while self._size > self._bytes_max:
                _, (_, gone) = self._kept.popitem(last=False)
                self._size -= gone

    def _known(self, digest: bytes) -> Node | None:
        with self._lock:
            known = self._kept.get(digest)
            if known is None:
                return None
            self._kept.move_to_end(digest)
            return known[0]
