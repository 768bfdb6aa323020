"""What means nothing outside of this process, and how to say so."""

from __future__ import annotations

import io
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from holdfast.core.canonical import shortened
from holdfast.core.codec.kinds import attributes_of
from holdfast.core.codec.places import Attribute, Place, type_name
from holdfast.errors import NotStorable

_DEPTH_MAX = 100

_ADVICE: tuple[tuple[tuple[type, ...], str], ...] = (
    ((io.IOBase,), "keep its path, or what it contains"),
    ((memoryview,), "keep bytes(…) of it"),
    ((types.GeneratorType,), "keep list(…) of it"),
    ((types.ModuleType,), "keep its name"),
)
_PROCESS_BOUND: tuple[type, ...] = (
    *(kind for kinds, _ in _ADVICE for kind in kinds),
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
    threading.Thread,
    type(threading.Lock()),
    type(threading.RLock()),
    weakref.ref,
)
_IN_MEMORY = (io.BytesIO, io.StringIO)


def is_refused(value: object, *, nested: bool = False) -> bool:
    """Return whether a value is never stored, though pickle might take it (an open file, say, as what it contains).

    Args:
        nested: it is within a pickled object: functions refer to modules and to the standard streams, by name.
    """
    if not isinstance(value, _PROCESS_BOUND) or type(value) in _IN_MEMORY:
        return False
    return not (nested and (isinstance(value, types.ModuleType) or value in (sys.stdin, sys.stdout, sys.stderr)))


def refused(place: object, value: object, reason: str = "") -> NotStorable:
    """Return the error that says that a value cannot be stored."""
    advice = next((text for kinds, text in _ADVICE if isinstance(value, kinds)), "keep the result")
    why = f" ({shortened(reason)})" if reason else ""
    return NotStorable(f"{place}: {type_name(type(value))} cannot be stored{why}; {advice}, or use Live")


def refusal(place: Place, value: object, fails: Callable[[object], bool], error: Exception) -> NotStorable:
    """Return the error that names the innermost object within `value` that pickle refuses.

    Args:
        place: where `value` is; its parts are changed.
        fails: whether an object cannot be pickled.
        error: why `value` could not be.
    """
    seen = {id(value)}
    for _ in range(_DEPTH_MAX):
        if is_refused(value):
            break
        for part, inner in _inside(value):
            if id(inner) not in seen and fails(inner):
                seen.add(id(inner))
                place.parts.append(part)
                value = inner
                break
        else:
            break
    reason = "" if is_refused(value) or "annot pickle" in str(error) else str(error) or type(error).__name__
    return refused(place, value, reason)


def _inside(value: Any) -> Iterator[tuple[object, object]]:
    """Yield the parts of an object with the parts of their paths. Only plain containers are looked into."""
    if isinstance(value, Mapping):
        yield from dict(value).items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, (set, frozenset)):
        yield from ((None, element) for element in value)
    if isinstance(value, types.FunctionType):
        names = value.__code__.co_freevars
        cells = value.__closure__ or ()
        for name, cell in zip(names, cells, strict=True):
            try:
                yield Attribute(name), cell.cell_contents
            except ValueError:
                continue  # not bound yet
        yield from (
            (Attribute(name), value.__globals__[name]) for name in value.__code__.co_names if name in value.__globals__
        )
    elif isinstance(value, types.MethodType):
        yield Attribute("__self__"), value.__self__
    elif not isinstance(value, type):
        yield from ((Attribute(name), inner) for name, inner in attributes_of(value).items())
