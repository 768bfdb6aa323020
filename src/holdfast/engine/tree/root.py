"""The root record: the one entry that changes, and by which all the rest is found.

It begins with a mark and the format, which are looked at first: a store of a newer format is refused before anything
else of it is read. A checksum tells a damaged record from one that was written so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from holdfast.errors import StoreCorrupt, Unsupported

ROOT_KEY = "hf/root"
FORMAT = 2
"""The version of this layout (docs/format-kv.md). A store of a newer one is refused untouched."""

_MAGIC = b"holdfast"
_CHECK_BYTES = 8


class Run(msgspec.Struct, array_like=True, frozen=True):
    """States that one writer made one after the other: their epochs, first to last."""

    writer: str
    first: int
    last: int


Runs = tuple[Run, ...]


class Root(msgspec.Struct, array_like=True, frozen=True):
    """A state of the whole store.

    Attributes:
        epoch: counts the states.
        tree: the digest of the root node; None of an empty tree.
        pending: the states beside which lists are of what the tree before them had, which were not worked off yet.
        recent: the states whose changes are not in the tree yet.
        newest: the digest of the changes of the newest of them; nothing without one.
    """

    epoch: int
    tree: bytes | None
    pending: Runs = ()
    recent: Runs = ()
    newest: bytes = b""

    def appended(self, writer: str, digest: bytes, cleared: int) -> Root:
        """Return the next state, which has more changes beside the same tree.

        Args:
            cleared: up to which epoch lists were worked off.
        """
        recent = _extended(self.recent, writer, self.epoch + 1)
        return Root(self.epoch + 1, self.tree, _beyond(self.pending, cleared), recent, digest)

    def folded(self, tree: bytes | None, writer: str, cleared: int, *, listed: bool) -> Root:
        """Return the next state, whose tree has all changes.

        Args:
            listed: whether there is a list of what the tree before it had.
        """
        pending = _beyond(self.pending, cleared)
        return Root(self.epoch + 1, tree, _extended(pending, writer, self.epoch + 1) if listed else pending)


def states_of(runs: Runs) -> Iterator[tuple[int, str]]:
    """Yield the states, as (epoch, writer), oldest first."""
    for run in runs:
        for epoch in range(run.first, run.last + 1):
            yield epoch, run.writer


def _extended(runs: Runs, writer: str, epoch: int) -> Runs:
    if runs and runs[-1].writer == writer and runs[-1].last == epoch - 1:
        return *runs[:-1], Run(writer, runs[-1].first, epoch)
    return *runs, Run(writer, epoch, epoch)


def _beyond(runs: Runs, cleared: int) -> Runs:
    """Return the states after an epoch."""
    return tuple(Run(run.writer, max(run.first, cleared + 1), run.last) for run in runs if run.last > cleared)


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
