"""Whether anybody but the state holds an object, by CPython's count of references.

While somebody does, the object stays what it is and is compared at each commit. Once nobody does, it can be replaced by
one that notes its changes. Where the count is not to be had, or cannot be trusted, somebody always does.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

import sys
from typing import Any

_refcount = getattr(sys, "getrefcount", None) if getattr(sys, "_is_gil_enabled", lambda: True)() else None


def _count(container: Any, key: Any) -> int:  # noqa: ANN401
    return _refcount(container[key]) if _refcount else sys.maxsize


_ALONE = _count([object()], 0)
"""What is counted of an object that only its container holds."""


def is_held(container: Any, key: Any) -> bool:  # noqa: ANN401
    """Tell whether anybody but this list or dict holds its item. The caller must not have it in a variable."""
    return _count(container, key) > _ALONE or _refcount is None


def is_held_inside(value: Any) -> bool:  # noqa: ANN401
    """Tell the same of the lists, dicts and sets inside of a plain value, at any depth."""
    kind = getattr(type(value), "__holdfast_plain__", type(value))
    if kind is dict:
        return any(_is_container(value, key) and (is_held(value, key) or is_held_inside(value[key])) for key in value)
    if kind is list:
        places = range(len(value))
        return any(_is_container(value, at) and (is_held(value, at) or is_held_inside(value[at])) for at in places)
    return False


def _is_container(value: Any, key: Any) -> bool:  # noqa: ANN401
    return getattr(type(value[key]), "__holdfast_plain__", type(value[key])) in (dict, list, set)
