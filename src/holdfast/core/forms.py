"""The form of a stored value: a word for its kind, and JSON that says how the rest of its row is to be read.

    value {"order": …}      the order of the keys of its dicts
    value {"tail": [n, …]}  buffers of these lengths stand in the tail
    value {"text": n, …}    the first n bytes of the tail are the JSON text, which is too long for its column
    value {"packed": true}  the tail is compressed with zstandard
    value {"chunks": true}  the tail is in rows of its own, which have the kind "chunk"

The tail is what stands beside the JSON text of a value: buffers of arrays and bytes, or the text itself.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import msgspec

from holdfast.errors import StoreCorrupt

VALUE, CHUNK = "value", "chunk"

PACKED_BYTES_MIN = 512
"""What is shorter is not worth compressing."""

_PACKED_SHARE_MAX = 0.9
_LEVEL = 3
_IS_PACKED = '"packed":true'


def form_of(kind: str, meta: dict[str, Any]) -> str:
    """Return a form."""
    return f"{kind} {msgspec.json.encode(meta, order='sorted').decode()}" if meta else kind


def kind_of(form: str) -> str:
    """Return the kind that a form begins with."""
    return form.partition(" ")[0]


def meta_of(form: str, where: str) -> dict[str, Any]:
    """Return what else a form says. Raises StoreCorrupt."""
    _, _, meta = form.partition(" ")
    try:
        return msgspec.json.decode(meta, type=dict[str, Any]) if meta else {}
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"{where}: {form[:80]!r} is no form of a value; run verify") from error


def packed(tail: bytes | memoryview) -> tuple[bytes | None, bool]:
    """Return what is stored of a tail, and whether that is compressed: only where it pays."""
    if not len(tail):
        return None, False
    if len(tail) >= PACKED_BYTES_MIN:
        compressed = _packers().compressor.compress(tail)
        if len(compressed) < len(tail) * _PACKED_SHARE_MAX:
            return compressed, True
    return bytes(tail), False


def unpacked(form: str, data: bytes | None) -> bytes:
    """Return a tail, or a chunk of one, from what is stored of it. Raises StoreCorrupt."""
    if _IS_PACKED not in form:
        return data or b""
    packers = _packers()
    try:
        return bytes(packers.decompressor.decompress(data or b""))
    except packers.error as error:
        raise StoreCorrupt(f"a stored value cannot be decompressed: {error}; run verify") from error


def packed_whole(contents: bytes) -> bytes:
    """Return contents that tell themselves whether they are compressed."""
    data, is_packed = packed(contents)
    return (b"\x01" if is_packed else b"\x00") + (data or b"")


def unpacked_whole(stored: bytes) -> bytes:
    """Return the contents. Raises StoreCorrupt."""
    return unpacked(_IS_PACKED if stored[:1] == b"\x01" else "", stored[1:])


def text_in(form: str, value: str | None, data: bytes | None) -> str | None:
    """Return the JSON text of a stored value; None if it is made of parts, or its text is in chunks."""
    if value is not None or kind_of(form) != VALUE:
        return value
    meta = meta_of(form, "a stored value")
    return None if meta.get("chunks") else unpacked(form, data)[: meta.get("text", 0)].decode()


class _Packers(threading.local):
    """A thread's own compressor and decompressor: making one takes as long as using it, and they cannot be shared."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - 5 ms that a store of short values does not pay

        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()
        self.error = zstandard.ZstdError


@cache
def _packers() -> _Packers:
    return _Packers()
