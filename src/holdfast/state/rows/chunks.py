"""Long tails in pieces: which rows of an older tail stay, and what has to be written beside them.

Pieces are cut at fixed lengths at first. When a tail is written again, each old piece is looked for where it stood, and
then, by its first bytes, a little behind that; between pieces that were found, the rest is cut anew. So an insertion
anywhere moves nothing, however many there are, and no boundary depends on a hash of the content
(docs/decisions/0010).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import xxhash

from holdfast.state.rows.contents import CHUNK_BYTES, Buffer, chunk_cells
from holdfast.state.rows.drafts import Draft, in_order
from holdfast.state.rows.tables import Address

SEARCHED_BYTES = 4 * CHUNK_BYTES
"""How far behind the place where a piece stood it is looked for."""

SMALL_BYTES = CHUNK_BYTES // 2
"""What is new and shorter than this becomes part of the piece before it; else many edits would leave many rows."""

_HEAD_BYTES = 24
_TRIES_MAX = 8


class Chunk(NamedTuple):
    """A piece of a tail: its row, how many bytes it has, their digest, and the first of them."""

    address: Address
    place: int
    length: int
    digest: bytes
    head: bytes

    @classmethod
    def of(cls, address: Address, place: int, data: Buffer) -> Chunk:
        """Return what is known of a piece with these bytes."""
        return cls(address, place, len(data), xxhash.xxh3_128_digest(data), bytes(data[:_HEAD_BYTES]))

    def holds(self, data: Buffer) -> bool:
        """Tell whether these are its bytes."""
        return len(data) == self.length and xxhash.xxh3_128_digest(data) == self.digest

    def found(self, tail: Buffer, start: int) -> int | None:
        """Return where in a tail this piece stands, from `start` on; None if it is not found."""
        if self.holds(tail[start : start + self.length]):
            return start
        near = bytes(tail[start : start + SEARCHED_BYTES])
        at = -1
        for _ in range(_TRIES_MAX):
            at = near.find(self.head, at + 1)
            if at < 0:
                return None
            if self.holds(tail[start + at : start + at + self.length]):
                return start + at
        return None


@dataclass(slots=True)
class _Piece:
    """A piece of the new tail; `chunk` is the row that it takes, or None for a new one."""

    data: Buffer
    chunk: Chunk | None
    stays: bool = False


@dataclass(slots=True)
class _Cut:
    """A new tail on the way to its pieces."""

    tail: Buffer
    pieces: list[_Piece] = field(default_factory=list)
    free: deque[Chunk] = field(default_factory=deque[Chunk])
    left: list[Chunk] = field(default_factory=list[Chunk])
    at: int = 0

    def keep(self, chunk: Chunk, start: int) -> None:
        """Let an old piece stand where it was found, behind what is new before it."""
        self.fill(start)
        self.at = start + chunk.length
        self.pieces.append(_Piece(self.tail[start : self.at], chunk, stays=True))

    def fill(self, end: int) -> None:
        """Cut what is new, up to `end`, evenly; its pieces take the rows of those that stood there."""
        length, last = end - self.at, self.pieces[-1] if self.pieces else None
        if 0 < length < SMALL_BYTES and last is not None and len(last.data) + length <= CHUNK_BYTES + SMALL_BYTES:
            last.data, last.stays = self.tail[self.at - len(last.data) : end], False
        elif length:
            count = max(round(length / CHUNK_BYTES), 1)
            edges = [self.at + length * number // count for number in range(count + 1)]
            for start, stop in pairwise(edges):
                self.pieces.append(_Piece(self.tail[start:stop], self.free.popleft() if self.free else None))
        self.left += self.free
        self.free.clear()


def draft_chunks(old: list[Chunk], tail: Buffer, path: str, draft: Draft) -> list[Chunk]:
    """Draft what makes the rows of an older tail those of another; return its pieces."""
    if len(tail) == sum(chunk.length for chunk in old):
        return _draft_same_cut(old, tail, draft)
    cut = _Cut(tail)
    for chunk in old:
        start = chunk.found(tail, cut.at)
        if start is None:
            cut.free.append(chunk)
        else:
            cut.keep(chunk, start)
    cut.fill(len(tail))
    for chunk in cut.left:
        draft.remove(chunk.address)
    places = in_order([piece.chunk.place if piece.chunk else None for piece in cut.pieces])
    return [_draft_piece(piece, place, path, draft) for piece, place in zip(cut.pieces, places, strict=True)]


def _draft_piece(piece: _Piece, place: int, path: str, draft: Draft) -> Chunk:
    chunk = piece.chunk
    if chunk is not None and piece.stays and place == chunk.place:
        return chunk
    address = draft.names.another(path) if chunk is None else chunk.address
    draft.put(address, chunk_cells(piece.data, place), new=chunk is None)
    return Chunk.of(address, place, piece.data)


def _draft_same_cut(old: list[Chunk], tail: Buffer, draft: Draft) -> list[Chunk]:
    """Draft the pieces that differ, of a tail that is as long as before: nothing moved."""
    chunks: list[Chunk] = []
    at = 0
    for chunk in old:
        data = tail[at : at + chunk.length]
        at += chunk.length
        if chunk.holds(data):
            chunks.append(chunk)
        else:
            draft.put(chunk.address, chunk_cells(data, chunk.place), new=False)
            chunks.append(Chunk.of(chunk.address, chunk.place, data))
    return chunks
