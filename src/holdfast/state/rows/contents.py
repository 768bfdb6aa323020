"""From an encoded value to the cells of a row, and back.

The JSON text of a value stands in `value`, where SQL can read it. What is too long for that, and the buffers of arrays
and bytes, form its *tail*: it stands in `data`, or, when it is longer than `CHUNK_BYTES`, in rows of its own. `form`
says what is where (core/forms.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import xxhash

from holdfast.core.codec import Encoded
from holdfast.core.forms import CHUNK, VALUE, form_of, meta_of, packed, unpacked
from holdfast.errors import StoreCorrupt
from holdfast.state.rows.tables import Cells

TEXT_BYTES_MAX = 1024
"""JSON text that is longer is compressed, or chunked, and SQL reads it through a function."""

CHUNK_BYTES = 32 * 1024
"""A longer tail is cut into rows of this size. What a small edit of a large value writes."""

MAPPING_BYTES_MAX = 4 * 1024
"""A mapping whose JSON text is longer gets a row for each entry."""

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Content:
    """A value in the form of a row: all of its cells but the tail, and the tail itself."""

    meta: dict[str, Any]
    value: str | None
    tail: Buffer

    @property
    def is_chunked(self) -> bool:
        """Whether the tail needs rows of its own."""
        return len(self.tail) > CHUNK_BYTES

    def cells(self, place: int, *, whole: bool = False) -> Cells:
        """Return the row of the value; the tail is in it unless it is chunked, which `whole` says that it is not."""
        if self.is_chunked and not whole:
            return Cells(place, form_of(VALUE, {**self.meta, "chunks": True}), self.value)
        data, is_packed = packed(self.tail)
        meta = {**self.meta, "packed": True} if is_packed else self.meta
        return Cells(place, form_of(VALUE, meta), self.value, data)


def content_of(encoded: Encoded) -> Content:
    """Return what an encoded value is stored as."""
    meta: dict[str, Any] = {}
    if encoded.order:
        meta["order"] = encoded.order
    parts: list[Buffer] = []
    value: str | None = encoded.text
    if len(encoded.text) > TEXT_BYTES_MAX:
        text = encoded.text.encode()
        meta["text"], value = len(text), None
        parts.append(text)
    if encoded.buffers:
        meta["tail"] = [len(_flat(buffer)) for buffer in encoded.buffers]
        parts += map(_flat, encoded.buffers)
    return Content(meta, value, parts[0] if len(parts) == 1 else b"".join(parts))


def _flat(buffer: Buffer) -> Buffer:
    return buffer if isinstance(buffer, bytes) else buffer.cast("B")


def encoded_of(cells: Cells, chunks: Callable[[], Sequence[Cells]], where: str) -> Encoded:
    """Return the encoded value that a row, and the chunks of its tail in order, hold. Raises StoreCorrupt."""
    meta = meta_of(cells.form, where)
    if not meta:
        return Encoded(cells.value or "")
    tail = b"".join(map(tail_of, chunks())) if meta.get("chunks") else tail_of(cells)
    at = meta.get("text", 0)
    lengths: list[int] = meta.get("tail", [])
    if len(tail) != at + sum(lengths):
        raise StoreCorrupt(f"{where}: {at + sum(lengths)} bytes were stored and {len(tail)} are there; run verify")
    text = tail[:at].decode() if at else cells.value or ""
    buffers: list[Buffer] = []
    whole = memoryview(tail)
    for length in lengths:
        buffers.append(whole[at : at + length])
        at += length
    return Encoded(text, meta.get("order", ""), tuple(buffers))


def digest_of(encoded: Encoded) -> bytes:
    """Return what tells an encoded value from others: 16 bytes of xxh3, which is quick and not for security."""
    text = f"{encoded.text} {encoded.order}".encode()
    if not encoded.buffers:
        return xxhash.xxh3_128_digest(text)
    digest = xxhash.xxh3_128(text)
    for buffer in encoded.buffers:
        digest.update(len(buffer).to_bytes(8))
        digest.update(buffer)
    return digest.digest()


def chunk_cells(data: Buffer, place: int) -> Cells:
    """Return the row of one chunk."""
    stored, is_packed = packed(data)
    return Cells(place, form_of(CHUNK, {"packed": True} if is_packed else {}), None, stored)


def tail_of(cells: Cells) -> bytes:
    """Return the bytes of a chunk, or of a tail that is in its row. Raises StoreCorrupt."""
    return unpacked(cells.form, cells.data)
