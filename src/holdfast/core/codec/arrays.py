"""numpy: scalars, and arrays as their memory. numpy is imported when the first one is decoded.

An array's dtype, shape and order are JSON, its memory a buffer that is not copied to be encoded. Elements of an object
array are stored one by one. What has no such form (subclasses, dtypes with titles or metadata, strings of variable
width) is beyond this and gets pickled.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import BUFFER_BYTES_MIN, Beyond, Lowering, Way, base64_text
from holdfast.core.codec.order import INT_MAX, INT_MIN
from holdfast.errors import Unreadable

_READABLE = "biuf"
"""Kinds of dtypes whose values are JSON values, if they are finite and fit."""

_EXACT_FLOATS = (2, 4, 8)
"""Bytes of the floats that a JSON number has exactly."""


def library(at: Lifting, name: str) -> Any:
    """Return a library that a stored value needs; only names of this package's own get here.

    Raises:
        Unreadable: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise Unreadable(f"{at.place}: the value needs {package}; pip install {package}") from error


def way_of(kind: type) -> Way | None:
    """Return how values of a class of numpy are lowered, if they can be."""
    if kind.__name__ == "ndarray":
        return array_way
    return scalar_way if any(base.__name__ == "generic" for base in kind.__mro__) else None


def scalar_way(at: Lowering, value: Any) -> Any:
    """Lower a scalar: as a JSON value where that is exact, else its bytes."""
    kind: str = value.dtype.kind
    if kind == "U":
        return {"$scalar": ["str", at.text(str.__str__(value))]}  # str() drops NUL at the end
    if kind == "S":
        return {"$scalar": ["bytes", {"$bytes": at.reference(bytes(value))}]}
    if kind in _READABLE and (kind != "f" or value.dtype.itemsize in _EXACT_FLOATS):
        item = value.item()
        if (kind == "f" and math.isfinite(item)) or (kind != "f" and INT_MIN <= item <= INT_MAX):
            return {"$scalar": [value.dtype.name, item]}
    return {"$scalar": [dtype_node(value.dtype), {"$bytes": base64_text(value.tobytes())}]}


def array_way(at: Lowering, value: Any) -> Any:
    """Lower an array."""
    dtype = value.dtype
    fortran = value.flags.f_contiguous and not value.flags.c_contiguous
    of_objects = dtype.kind == "O" and dtype.metadata is None
    node: Any = "|O" if of_objects else dtype_node(dtype)
    data: Any = _objects(at, value) if of_objects else at.reference(_memory(value.T if fortran else value))
    return {"$ndarray": {"data": data, "dtype": node, "order": "F" if fortran else "C", "shape": list(value.shape)}}


def _objects(at: Lowering, value: Any) -> list[Any]:
    at.enter(value)
    lowered = at.items(value.reshape(-1))
    at.leave(value)
    return lowered


def _memory(value: Any) -> bytes | memoryview:
    """The memory of an array in C order: a view, or a copy if it is scattered or goes into the text."""
    if value.nbytes < BUFFER_BYTES_MIN or not value.flags.c_contiguous:
        return value.tobytes()
    return memoryview(value.reshape(-1).view("u1")).toreadonly()


def dtype_node(dtype: Any) -> Any:
    """Return a dtype as JSON.

    Raises:
        Beyond: it would not come back the same.
    """
    if dtype.metadata is not None or dtype.hasobject or dtype.kind not in "biufcmMSUV":
        raise Beyond
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": dtype_node(base), "shape": list(shape)}
    if dtype.names is None:
        return dtype.str
    if any(len(field) > 2 for field in dtype.fields.values()):
        raise Beyond  # a title
    fields = [dtype.fields[name] for name in dtype.names]
    return {
        "aligned": dtype.isalignedstruct,
        "formats": [dtype_node(field[0]) for field in fields],
        "itemsize": dtype.itemsize,
        "names": list(dtype.names),
        "offsets": [field[1] for field in fields],
    }


def _dtype(numpy: Any, node: Any) -> Any:
    if type(node) is str:
        dtype = numpy.dtype(node)
    elif "base" in node:
        dtype = numpy.dtype((_dtype(numpy, node["base"]), tuple(node["shape"])))
    else:
        fields = {name: node[name] for name in ("names", "offsets", "itemsize")}
        formats = [_dtype(numpy, inner) for inner in node["formats"]]
        dtype = numpy.dtype({**fields, "formats": formats}, align=node["aligned"])
    return dtype


def _lift_array(at: Lifting, node: Any) -> Any:
    numpy = library(at, "numpy")
    shape, order = tuple(node["shape"]), node["order"]
    if node["dtype"] == "|O":
        items = at.items(node["data"])
        flat = numpy.empty(len(items), dtype=object)
        for index, item in enumerate(items):
            flat[index] = item
        return flat.reshape(shape).copy(order=order)
    dtype = _dtype(numpy, node["dtype"])
    data = at.reference(node["data"])
    if dtype.hasobject or len(data) != dtype.itemsize * math.prod(shape):
        raise ValueError(f"{len(data)} bytes are no array of {dtype} and shape {shape}")
    if not data:
        return numpy.zeros(shape, dtype, order)
    return numpy.frombuffer(data, dtype).reshape(shape, order=order).copy(order=order)


def _lift_scalar(at: Lifting, node: Any) -> Any:
    numpy = library(at, "numpy")
    kind, inner = node
    item = at.lift(inner)
    if kind in ("str", "bytes"):
        return {"str": numpy.str_, "bytes": numpy.bytes_}[kind](item)
    dtype = _dtype(numpy, kind)
    if type(item) is bytes:
        return numpy.frombuffer(item, dtype).copy()[0]
    if dtype.kind not in _READABLE or type(item) not in (bool, int, float):
        raise ValueError(f"{item!r} is no {dtype}")
    return dtype.type(item)


LIFTS: dict[str, Lift] = {"$ndarray": _lift_array, "$scalar": _lift_scalar}
