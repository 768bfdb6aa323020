"""Which values never change, so that they need not be looked at again."""

from __future__ import annotations

import enum
import pathlib
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from holdfast.core.codec import kinds
from holdfast.core.codec.registry import TYPES, Types

_ALWAYS = frozenset(
    {
        type(None), type(Ellipsis), bool, int, float, complex, str, bytes, range, date, timedelta, timezone,
        Decimal, Fraction, uuid.UUID,
        pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath,
    }
)  # fmt: skip
_NESTED_MAX = 100


def is_immutable(value: object, types: Types = TYPES) -> bool:
    """Return whether neither a value nor anything in it can change. What is not known is False."""
    return type(value) in _ALWAYS or _is_immutable(value, types, _NESTED_MAX)


def _is_standard(kind: type) -> bool:
    return kind in _ALWAYS or (kind.__module__ == "zoneinfo" and kind.__name__ == "ZoneInfo")


def _is_immutable(value: Any, types: Types, depth: int) -> bool:
    kind = type(value)
    if _is_standard(kind) or isinstance(value, enum.Enum):
        return True
    if depth <= 0:
        return False
    if kind is tuple or kind is frozenset:
        return all(_is_immutable(item, types, depth - 1) for item in value)
    if kind is datetime or kind is time:
        return _is_standard(type(value.tzinfo))
    registration = types.of(kind)
    if registration and registration.encode:
        return registration.immutable
    if kinds.is_namedtuple(kind):
        parts: Any = getattr(value, "__dict__", None) or tuple(value)
        return type(parts) is tuple and all(_is_immutable(item, types, depth - 1) for item in parts)
    parameters = vars(kind).get("__dataclass_params__")
    if parameters is not None and parameters.frozen and kinds.is_dataclass(kind):
        return all(_is_immutable(item, types, depth - 1) for item in kinds.attributes_of(value).values())
    return False
