"""Texts, numbers, bytes, and other small values of the standard library."""

from __future__ import annotations

import math
import pathlib
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any

from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Beyond, Lowering, Way
from holdfast.core.codec.order import INT_MAX, INT_MIN
from holdfast.errors import Unreadable

_DECIMAL_BITS_MAX = 8192
"""Python refuses to write longer numbers in decimal digits (sys.set_int_max_str_digits), and hexadecimal is quicker."""


def _itself(_at: Lowering, value: Any) -> Any:
    return value


def _str(at: Lowering, value: str) -> Any:
    return at.text(value)


def _int(at: Lowering, value: int) -> Any:
    if INT_MIN <= value <= INT_MAX:
        return value
    digits = str(value) if value.bit_length() <= _DECIMAL_BITS_MAX else hex(value)
    return {"$int": at.text(digits)}


def _float(_at: Lowering, value: float) -> Any:
    return value if math.isfinite(value) else {"$float": str(value)}


def _complex(at: Lowering, value: complex) -> Any:
    return {"$complex": [_float(at, value.real), _float(at, value.imag)]}


def _bytes(at: Lowering, value: bytes) -> Any:
    return {"$bytes": at.reference(value)}


def _bytearray(at: Lowering, value: bytearray) -> Any:
    return {"$bytearray": at.reference(bytes(value))}


def _decimal(_at: Lowering, value: Decimal) -> Any:
    return {"$decimal": _at.text(str(value))}


def _fraction(at: Lowering, value: Fraction) -> Any:
    return {"$fraction": [_int(at, value.numerator), _int(at, value.denominator)]}


def _uuid(_at: Lowering, value: uuid.UUID) -> Any:
    return {"$uuid": str(value)}


def _path(at: Lowering, value: pathlib.PurePath) -> Any:
    return {"$path": [type(value).__name__, at.text(str(value))]}


def _windows_path(at: Lowering, value: pathlib.PurePath) -> Any:
    if type(value)(str(value)) != value:
        raise Beyond  # such as //server//, which its own text does not give back
    return _path(at, value)


def _range(at: Lowering, value: range) -> Any:
    return {"$range": [_int(at, value.start), _int(at, value.stop), _int(at, value.step)]}


def _slice(at: Lowering, value: slice) -> Any:
    at.enter(value)
    lowered = at.items((value.start, value.stop, value.step))
    at.leave(value)
    return {"$slice": lowered}


_PATHS = {
    kind.__name__: kind
    for kind in (
        pathlib.PurePosixPath,
        pathlib.PureWindowsPath,
        pathlib.PosixPath,
        pathlib.WindowsPath,
    )
}

WAYS: dict[type, Way] = {
    type(None): _itself,
    bool: _itself,
    str: _str,
    int: _int,
    float: _float,
    complex: _complex,
    bytes: _bytes,
    bytearray: _bytearray,
    Decimal: _decimal,
    Fraction: _fraction,
    uuid.UUID: _uuid,
    range: _range,
    slice: _slice,
    type(Ellipsis): lambda _at, _value: {"$ellipsis": None},
    pathlib.PurePosixPath: _path,
    pathlib.PosixPath: _path,
}
PARTIAL: dict[type, Way] = {pathlib.PureWindowsPath: _windows_path, pathlib.WindowsPath: _windows_path}
"""Ways that are not for all values of their type: see `Beyond`."""


def _lift_str(at: Lifting, node: Any) -> str:
    return bytes(at.reference(node)).decode("utf-8", "surrogatepass")


def _lift_int(at: Lifting, node: Any) -> int:
    return int(at.text(node), 0)


def _lift_float(_at: Lifting, node: Any) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[node]


def _lift_complex(at: Lifting, node: Any) -> complex:
    real, imaginary = at.items(node)
    return complex(real, imaginary)


def _lift_fraction(at: Lifting, node: Any) -> Fraction:
    numerator, denominator = at.items(node)
    return Fraction(numerator, denominator)


def _lift_path(at: Lifting, node: Any) -> pathlib.PurePath:
    kind, text = at.items(node)
    try:
        return _PATHS[kind](text)
    except NotImplementedError as error:
        raise Unreadable(f"{at.place}: a {kind} can only be made on its own system: {text!r}") from error


def _lift_range(at: Lifting, node: Any) -> range:
    return range(*at.items(node))


def _lift_slice(at: Lifting, node: Any) -> slice:
    start, stop, step = at.items(node)
    return slice(start, stop, step)


def _lift_ellipsis(_at: Lifting, _node: Any) -> Any:
    return ...


LIFTS: dict[str, Lift] = {
    "$str": _lift_str,
    "$int": _lift_int,
    "$float": _lift_float,
    "$complex": _lift_complex,
    "$bytes": lambda at, node: bytes(at.reference(node)),
    "$bytearray": lambda at, node: bytearray(at.reference(node)),
    "$decimal": lambda at, node: Decimal(at.text(node)),
    "$fraction": _lift_fraction,
    "$uuid": lambda at, node: uuid.UUID(at.text(node)),
    "$path": _lift_path,
    "$range": _lift_range,
    "$slice": _lift_slice,
    "$ellipsis": _lift_ellipsis,
}
