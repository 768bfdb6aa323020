"""Values on their way to a run, in a register: what a signal brings, and what somebody decided."""

# pyright: basic
# (values are whatever a user has)

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.codec import Codec
from holdfast.core.codec.encoded import Encoded
from holdfast.errors import StoreCorrupt
from holdfast.runs.tables import holding, value_of
from holdfast.state.rows.contents import content_of
from holdfast.state.rows.tables import Cells


def payload_of(codec: Codec, data: Any, where: str) -> bytes:  # noqa: ANN401
    """Return what a value is kept as until it is received. Raises NotStorable."""
    return packed(codec.encode(data, where))


def packed(encoded: Encoded) -> bytes:
    """Return what a value that is encoded already is kept as."""
    return msgspec.msgpack.encode([encoded.text, encoded.order, [bytes(buffer) for buffer in encoded.buffers]])


def fields_of(payload: bytes) -> dict[str, Any]:
    """Return the fields of the entry that it becomes. Raises StoreCorrupt."""
    return holding(_cells(payload))


def value_in(codec: Codec, payload: bytes, where: str) -> Any:  # noqa: ANN401
    """Return the value; None for no payload. Raises Unreadable, Untrusted, StoreCorrupt."""
    return value_of(codec, _cells(payload), where) if payload else None


def _cells(payload: bytes) -> Cells:
    try:
        text, order, buffers = msgspec.msgpack.decode(payload, type=tuple[str, str, list[bytes]])
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"what was sent to a run is damaged: {error}; run verify") from error
    return content_of(Encoded(text, order, tuple(buffers))).cells(0, whole=True)
