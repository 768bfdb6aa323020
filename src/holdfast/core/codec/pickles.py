"""Everything else: pickled, and signed with a key of the user's own, so that nobody else's file can run code here.

The code covers the name of the type, the pickle and each of its buffers, with their lengths. It is verified before the
first byte is unpickled. cloudpickle is imported when the first value needs it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.core.canonical import shortened
from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Lowering
from holdfast.core.codec.places import Place, stored_name, type_name
from holdfast.core.codec.refusal import is_refused, refusal, refused
from holdfast.errors import HoldfastError, NotStorable, Unreadable, Untrusted

_PURPOSE = b"holdfast pickle 1"


def pickle_way(at: Lowering, value: Any) -> Any:
    """Lower an object to a signed pickle.

    Raises:
        NotStorable: it, or something in it, means nothing outside of this process; or there is no signer.
    """
    if is_refused(value):
        raise refused(at.place, value)
    if at.signer is None:
        raise NotStorable(
            f"{at.place}: {type_name(type(value))} can only be stored as a pickle, and pickling is off; keep its data, "
            "make it a dataclass, or register its class with holdfast.storable"
        )
    data, buffers = _pickled(at.place, value)
    name = stored_name(type(value))
    key_id, mac = at.signer.sign(_signed(name, data, buffers))
    lowered: dict[str, Any] = {"data": at.reference(data)}
    return {
        "$pickle": {
            "buffers": [at.buffer(buffer) for buffer in buffers],
            **lowered,
            "key": at.text(key_id),
            "mac": mac.hex(),
            "type": at.text(name),
        }
    }


def _pickled(place: Place, value: object) -> tuple[bytes, list[bytes]]:
    from holdfast.core.codec import pickler  # noqa: PLC0415 - cloudpickle is for the few who need it

    def fails(inner: object) -> bool:
        if is_refused(inner, nested=True):
            return True
        try:
            pickler.pickled(inner)
        except Exception:  # noqa: BLE001 - whatever the object raises
            return True
        return False

    try:
        return pickler.pickled(value)
    except RecursionError:
        raise
    except Exception as error:
        raise refusal(place, value, fails, error) from error


def _signed(name: str, data: bytes | memoryview, buffers: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Yield what the code covers. Lengths stand before the parts, so that no byte can move from one to the next."""
    for part in (_PURPOSE, name.encode("utf-8", "surrogatepass"), data, *buffers):
        yield struct.pack("<Q", len(part))
        yield bytes(part)


def _lift_pickle(at: Lifting, node: Any) -> Any:
    name, key_id = at.text(node["type"]), at.text(node.get("key", ""))
    data, buffers = at.reference(node["data"]), [at.reference(number) for number in node["buffers"]]
    try:
        mac = bytes.fromhex(node.get("mac", ""))
    except ValueError:
        mac = b""
    if at.signer is None:
        raise Untrusted(
            f"{at.place}: {shortened(name)} is stored as a pickle, and pickling is off here; it was not loaded"
        )
    if not mac or not at.signer.verify(key_id, mac, _signed(name, data, buffers)):
        raise Untrusted(
            f"{at.place}: {shortened(name)} is stored as a pickle, and its signature by key {shortened(key_id)!r} is "
            "not one of a key that you trust; it was not loaded. If you trust who wrote it, add their key to "
            "trusted.keys next to your signing.key; else store the value again"
        )
    from holdfast.core.codec import pickler  # noqa: PLC0415 - cloudpickle is for the few who need it

    try:
        return pickler.unpickled(data, buffers, at.types)
    except HoldfastError:
        raise
    except Exception as error:
        raise Unreadable(
            f"{at.place}: the pickled {shortened(name)} cannot be made again: {type(error).__name__}: {error}; "
            "bring back what it needs, or register its class with storable(aliases=…)"
        ) from error


LIFTS: dict[str, Lift] = {"$pickle": _lift_pickle}
