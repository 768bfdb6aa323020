"""Nodes: what is known of the rows of a value, part by part. Here what all have in common, and values that are one row.

A node stands for the rows at an address. It is the note of the container that it was made for: while that tells all
its changes, a node that was not told of any need not be looked at.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import xxhash

from holdfast.core.codec import Encoded, is_immutable
from holdfast.state.contents import CHUNK_BYTES, Buffer, Content, chunk_cells, content_of, digest_of
from holdfast.state.drafts import Draft, in_order, plain
from holdfast.state.holders import is_held_inside
from holdfast.state.pages import Pages, mapped
from holdfast.state.rows import Address, Cells, inside
from holdfast.state.tracked import Tracking, note_of

Lock = AbstractContextManager[Any]


class Above(Protocol):
    """What a node is a part of."""

    lock: Lock

    def below(self, node: Node) -> None:
        """Take note that a part changes."""
        ...


class Node:
    """What is known of the rows at an address, and below it.

    Attributes:
        above: what it is a part of; None once it is no more.
        place: where it stands among its neighbours.
        changed: whether its value told of a change since the last commit.
        sure: whether its value tells of all its changes.
        value: the object that tells this node of its changes, or cannot change; None if there is none.
        lock: that of the state.
    """

    __slots__ = ("above", "address", "changed", "lock", "place", "sure", "value")

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        self.address = address
        self.place = place
        self.above = above
        self.lock = lock
        self.changed = False
        self.sure = False
        self.value: Any = None

    def edit(self, at: Any, *, gone: bool = False) -> None:  # noqa: ANN401, ARG002
        """Take note of a change that is about to be made."""
        self.touch()

    def touch(self) -> None:
        """Let it be looked at by the next commit, and all that it is a part of."""
        if not self.changed:
            self.changed = True
            if self.above is not None:
                self.above.below(self)

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the rows of a value where nothing stands, or, if not `new`, a row that is to be replaced."""
        raise NotImplementedError

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft what makes the rows say `value`, of the same kind as what they say now, at a place."""
        raise NotImplementedError

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all rows below this one."""
        raise NotImplementedError

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a value that was just written: itself, or one that tells its changes.

        Args:
            held: whether others hold it, so that it has to stay.
        """
        raise NotImplementedError


class Chunk(NamedTuple):
    """A piece of a long tail: its row, how many bytes it has, and their digest."""

    address: Address
    place: int
    length: int
    digest: bytes

    @classmethod
    def of(cls, address: Address, place: int, data: Buffer) -> Chunk:
        """Return what is known of a chunk with these bytes."""
        return cls(address, place, len(data), xxhash.xxh3_128_digest(data))

    def holds(self, data: Buffer) -> bool:
        """Tell whether these are its bytes."""
        return len(data) == self.length and xxhash.xxh3_128_digest(data) == self.digest


class Leaf(Node):
    """A value that is one row, and a row for each chunk of what does not fit into it."""

    __slots__ = ("chunks", "digest", "pages")

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        super().__init__(address, place, above, lock)
        self.digest = b""
        self.chunks: list[Chunk] = []
        self.pages: Pages | None = None  # of an array which is `value`

    def may_differ(self, value: Any, draft: Draft) -> bool:  # noqa: ANN401
        """Tell whether a value has to be looked at."""
        if self.pages is not None and value is self.value and not draft.complete:
            return self.pages.are_written()
        return draft.complete or not self.sure or self.changed or value is not self.value

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the row of a value, and its chunks."""
        self.write(draft.codec.encode(value, where), draft, self.place, new=new)

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft the row of a value, if it is another than before, or stands elsewhere."""
        if place == self.place and not self.may_differ(value, draft):
            return
        self.draft_encoded(draft.codec.encode(value, where), draft, place)

    def draft_encoded(self, encoded: Encoded, draft: Draft, place: int) -> None:
        """Draft the row of an encoded value, if it is another than before, or stands elsewhere."""
        digest = digest_of(encoded)
        if place != self.place or digest != self.digest:
            self._write(encoded, digest, draft, place, new=False)
        else:
            draft.then(self._unchanged)

    def write(self, encoded: Encoded, draft: Draft, place: int, *, new: bool) -> None:
        """Draft the row of an encoded value, and what is new of its chunks."""
        self._write(encoded, digest_of(encoded), draft, place, new=new)

    def _write(self, encoded: Encoded, digest: bytes, draft: Draft, place: int, *, new: bool) -> None:
        content = content_of(encoded)
        draft.put(self.address, content.cells(place), new=new)
        chunks = self._chunked(content, draft)

        def settled() -> None:
            self.digest, self.chunks, self.place = digest, chunks, place
            self._unchanged()

        draft.then(settled)

    def _unchanged(self) -> None:
        self.changed = False

    def _chunked(self, content: Content, draft: Draft) -> list[Chunk]:
        """Draft the chunks of a tail: those that are there already stay, wherever the tail was changed in between."""
        tail: Buffer = content.tail if content.is_chunked else b""
        if len(tail) == sum(chunk.length for chunk in self.chunks):
            return self._same_cut(tail, draft)
        start, kept = 0, 0
        for chunk in self.chunks:
            if not chunk.holds(tail[start : start + chunk.length]):
                break
            start, kept = start + chunk.length, kept + 1
        end, left = len(tail), len(self.chunks)
        while left > kept and end - self.chunks[left - 1].length >= start:
            chunk = self.chunks[left - 1]
            if not chunk.holds(tail[end - chunk.length : end]):
                break
            end, left = end - chunk.length, left - 1
        middle = self._recut(tail[start:end], self.chunks[kept:left], draft)
        chunks = [*self.chunks[:kept], *middle, *self.chunks[left:]]
        return self._placed(chunks, tail, draft)

    def _same_cut(self, tail: Buffer, draft: Draft) -> list[Chunk]:
        """Draft the chunks that differ, of a tail that is as long as before."""
        chunks: list[Chunk] = []
        at = 0
        for chunk in self.chunks:
            data = tail[at : at + chunk.length]
            at += chunk.length
            if not chunk.holds(data):
                draft.put(chunk.address, chunk_cells(data, chunk.place), new=False)
                chunk = Chunk.of(chunk.address, chunk.place, data)  # noqa: PLW2901
            chunks.append(chunk)
        return chunks

    def _recut(self, data: Buffer, old: list[Chunk], draft: Draft) -> list[Chunk]:
        """Cut a stretch anew: its first chunks take the rows of those that stood there. Drafts what is left of them."""
        pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
        fresh = [Chunk(Address(inside(self.address), ""), -1, len(piece), b"") for piece in pieces[len(old) :]]
        for chunk in old[len(pieces) :]:
            draft.remove(chunk.address)
        return [
            *(chunk._replace(length=len(piece), digest=b"") for chunk, piece in zip(old, pieces, strict=False)),
            *fresh,
        ]

    def _placed(self, chunks: list[Chunk], tail: Buffer, draft: Draft) -> list[Chunk]:
        """Draft the rows of the chunks that have no digest yet, and of those that have to make room."""
        places = in_order([chunk.place if chunk.place >= 0 else None for chunk in chunks])
        found: list[Chunk] = []
        at = 0
        for chunk, place in zip(chunks, places, strict=True):
            data = tail[at : at + chunk.length]
            at += chunk.length
            if chunk.digest and place == chunk.place:
                found.append(chunk)
                continue
            new = chunk.place < 0
            address = Address(chunk.address.path, draft.names.next()) if new else chunk.address
            draft.put(address, chunk_cells(data, place), new=new)
            found.append(Chunk.of(address, place, data))
        return found

    def replace(self, draft: Draft) -> None:
        """Draft the removal of the chunks."""
        for chunk in self.chunks:
            draft.remove(chunk.address)

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a value: a container of JSON-like values is replaced by one that tells."""
        if value is self.value and (self.pages is not None or note_of(value) is self):
            return value
        self.pages = None
        if plain(value) in (list, dict, set) and not held and not is_held_inside(value):
            tracking = Tracking(self)
            value = tracking.of(value)
            self.value, self.sure = value, not tracking.loose
        elif is_immutable(value):
            self.value, self.sure = value, True
        else:
            self.value, self.sure = None, False
            value = value if held else self.watch(value)
        return value

    def watch(self, value: Any) -> Any:  # noqa: ANN401
        """Return what shall stand for a value that can change without telling: of a large array a copy of it."""
        found = mapped(value)
        self.sure = False
        if found is None:
            self.value = self.pages = None
            return value
        self.value, self.pages = found
        return self.value


class Container(Node):
    """A value whose row says no more than what it is; its parts have rows of their own."""

    __slots__ = ()
    form: str

    def draft_row(self, draft: Draft, place: int) -> None:
        """Draft the row of the container itself, if it stands elsewhere than it did."""
        if place != self.place:
            draft.put(self.address, Cells(place, self.form), new=False)
        draft.then(lambda: self.settled(place))

    def settled(self, place: int) -> None:
        """Take note that what was drafted is written."""
        self.place = place
        self.changed = False


def draft_removal(node: Node, draft: Draft) -> None:
    """Draft the removal of a value."""
    node.replace(draft)
    draft.remove(node.address)

    def settled() -> None:
        node.above = None

    draft.then(settled)
