"""The root record: the one entry that changes, and by which all the rest is found.

It begins with a mark and the format, which are looked at first: a store of a newer format is refused before anything
else of it is read. A checksum tells a damaged record from one that was written so.
"""

from __future__ import annotations

import hashlib

import msgspec

from holdfast.errors import StoreCorrupt, Unsupported

ROOT_KEY = "hf/root"
FORMAT = 1
"""The version of this layout (docs/format-kv.md). A store of a newer one is refused untouched."""

_MAGIC = b"holdfast"
_CHECK_BYTES = 8


class Pending(msgspec.Struct, array_like=True, frozen=True):
    """Commits by one writer, first to last, whose lists of superseded nodes were not worked off yet."""

    writer: str
    first: int
    last: int


class Root(msgspec.Struct, array_like=True, frozen=True):
    """A state of the whole store.

    Attributes:
        epoch: counts the states.
        tree: the digest of the root node; None of an empty tree.
        pending: where the lists are of what earlier states had and this one has not.
    """

    epoch: int
    tree: bytes | None
    pending: tuple[Pending, ...] = ()

    def after(self, tree: bytes | None, writer: str, cleared: int) -> Root:
        """Return the next state.

        Args:
            cleared: up to which epoch lists were worked off.
        """
        epoch = self.epoch + 1
        left = [part if part.first > cleared else Pending(part.writer, cleared + 1, part.last) for part in self.pending]
        runs = [part for part in left if part.first <= part.last]
        if runs and runs[-1].writer == writer and runs[-1].last == self.epoch:
            runs[-1] = Pending(writer, runs[-1].first, epoch)
        else:
            runs.append(Pending(writer, epoch, epoch))
        return Root(epoch, tree, tuple(runs))


_decoder = msgspec.msgpack.Decoder(Root)


def root_bytes(root: Root) -> bytes:
    """Return the record."""
    body = _MAGIC + FORMAT.to_bytes(2) + msgspec.msgpack.encode(root)
    return body + _check(body)


def root_of(raw: bytes) -> Root:
    """Return the state that a record tells.

    Raises:
        StoreCorrupt: it is none, or damaged.
        Unsupported: it is of a newer format.
    """
    if raw[: len(_MAGIC)] != _MAGIC:
        raise StoreCorrupt(f"{ROOT_KEY!r} is not of a Holdfast store; name another store")
    found = int.from_bytes(raw[len(_MAGIC) : len(_MAGIC) + 2])
    if found > FORMAT:
        raise Unsupported(f"this is a store of format {found}; this Holdfast knows format {FORMAT}: update it")
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    try:
        if _check(body) == check:
            return _decoder.decode(body[len(_MAGIC) + 2 :])
    except msgspec.DecodeError:
        pass
    raise StoreCorrupt(f"{ROOT_KEY!r} is damaged; restore the store from a copy")


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES).digest()
