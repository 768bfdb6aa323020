"""The pickler: cloudpickle, with the contents of sets and the sharing of texts made canonical.

A pickle depends on more than the value. Sets are written in the order of their hashes, which differ from process to
process; here they are written sorted. Equal texts are written once or twice depending on whether they are one object,
which loading changes; here always once. Both travel as persistent ids, that is: the pickler asks about each object.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Sequence
from typing import Any

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

from holdfast.core.codec.refusal import is_refused
from holdfast.core.codec.registry import Types, loaded_class

BUFFER_BYTES_MIN = 1024


class Refused(Exception):
    """An object inside means nothing outside of this process."""


class _Cyclic(Exception):
    """A set contains itself, by way of an object."""


def pickled(value: object) -> tuple[bytes, list[bytes]]:
    """Return the pickle of a value, and the larger buffers that it refers to, as copies.

    Raises:
        Exception: whatever the objects raise that cannot be pickled.
    """
    try:
        return _pickled(value, canonical=True)
    except _Cyclic:
        return _pickled(value, canonical=False)


def _pickled(value: object, *, canonical: bool) -> tuple[bytes, list[bytes]]:
    buffers: list[bytes] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        with buffer.raw() as raw:
            if len(raw) < BUFFER_BYTES_MIN:
                return True  # within the pickle
            buffers.append(bytes(raw))  # a copy: the signature must hold when it is written
        return False

    file = io.BytesIO()
    _Pickler(file, keep, canonical=canonical).dump(value)
    return file.getvalue(), buffers


class _Pickler(cloudpickle.Pickler):
    def __init__(
        self, file: io.BytesIO, keep: Any, *, canonical: bool, open_sets: frozenset[int] = frozenset()
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)
        self._canonical = canonical
        self._texts: dict[Any, Any] = {}
        self._sets: dict[int, tuple[Any, int]] = {}
        self._open = set(open_sets)

    def persistent_id(self, obj: Any) -> Any:
        """Return what stands for a text, bytes or a set; None leaves the rest to pickle."""
        kind = type(obj)
        if kind is str or kind is bytes:
            return self._texts.setdefault((kind, obj), obj)
        if (kind is set or kind is frozenset) and self._canonical:
            return self._set_id(obj, kind)
        if is_refused(obj, nested=True):
            raise Refused
        return None

    def _set_id(self, obj: Any, kind: type) -> tuple[Any, ...]:
        if id(obj) in self._sets:
            return (self._sets[id(obj)][1],)
        if id(obj) in self._open:
            raise _Cyclic
        self._open.add(id(obj))
        items = sorted(obj, key=self._key)
        self._open.discard(id(obj))
        number = len(self._sets)
        self._sets[id(obj)] = (obj, number)
        return (number, kind.__name__, items)

    def _key(self, element: Any) -> tuple[str, bytes]:
        file = io.BytesIO()
        _Pickler(file, None, canonical=True, open_sets=frozenset(self._open)).dump(element)
        return type(element).__name__, file.getvalue()


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes | memoryview, buffers: Iterable[Any], types: Types) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._types = types
        self._sets: dict[int, Any] = {}

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple):
            return pid
        number, *rest = pid
        if rest:
            name, items = rest
            self._sets[number] = set(items) if name == "set" else frozenset(items)
        return self._sets[number]

    def find_class(self, module_name: str, name: str, /) -> Any:
        """Return a global, under the name that it has now if it was registered with its former one."""
        registration = self._types.named(f"{module_name}:{name}")
        if registration and loaded_class(f"{module_name}:{name}") is None:
            return registration.cls
        return super().find_class(module_name, name)


def unpickled(data: bytes | memoryview, buffers: Sequence[bytes | memoryview], types: Types) -> Any:
    """Return the object of a pickle whose signature was verified; this runs whatever the pickle says.

    Raises:
        Exception: whatever making the objects raises.
    """
    return _Unpickler(data, [bytearray(buffer) for buffer in buffers], types).load()
