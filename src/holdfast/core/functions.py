"""What can be known of a user's function without calling it: what it takes, and a version of its code."""

# pyright: basic
# (functions are whatever a user has)

from __future__ import annotations

import functools
import hashlib
import inspect
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType
from typing import Any, Self, cast

from holdfast.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Known:
    """A function.

    Attributes:
        signature: None where it does not tell.
        code: a hash of its code, and of the code of those that it wraps; the same in every process. "" where it has
            none.
        positional: the names of its parameters, if each may be given by its position.
    """

    signature: inspect.Signature | None
    code: str
    positional: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Self:
        """Look at a function."""
        signature = _signature_of(function)
        parameters = signature.parameters.values() if signature else ()
        by_position = all(one.kind in _BY_POSITION for one in parameters)
        return cls(signature, _code_of(function), tuple(one.name for one in parameters) if by_position else ())

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return arguments by the names of their parameters, with defaults. Raises InvalidValue if they do not fit."""
        if self.signature is None:
            return {"args": args, "kwargs": dict(kwargs)}
        if not kwargs and args and len(args) == len(self.positional):  # as most are; binding takes ten times as long
            return dict(zip(self.positional, args, strict=True))
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidValue(f"{name}() cannot be called so: {error}") from error
        bound.apply_defaults()
        return dict(bound.arguments)


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

_KNOWN: weakref.WeakKeyDictionary[Any, tuple[object, Known]] = weakref.WeakKeyDictionary()
"""Of functions their code, as it was when it was looked at, and what is known of them."""


def known_of(function: Callable[..., Any]) -> Known:
    """Return what is known of a function. It is looked at once, unless its code is exchanged."""
    code = getattr(function, "__code__", None)
    with suppress(TypeError):  # nothing is remembered of what cannot be referred to weakly
        known = _KNOWN.get(function)
        if known is not None and known[0] is code:
            return known[1]
        _KNOWN[function] = code, Known.of(function)
        return _KNOWN[function][1]
    return Known.of(function)


def without_partial(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]:
    """Return what is called in the end: a partial's function, with its arguments before the others."""
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    return function, args, kwargs


def name_of(function: Callable[..., Any]) -> str:
    """Return how messages name a function."""
    return str(getattr(function, "__qualname__", None) or repr(function))


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # some that are written in C do not tell
        return None


def _code_of(function: Callable[..., Any]) -> str:
    """Return a hash of a function's code, and of those that it wraps: another function is another tool.

    Of a class that is the code that makes one, of another object the code that calls it.
    """
    told: list[object] = []
    here: Any = function
    while here is not None:
        maker: Any = vars(here).get("__init__") if isinstance(here, type) else here
        called: Any = vars(type(maker)).get("__call__")
        code: object = getattr(maker, "__code__", None) or getattr(called, "__code__", None)
        told.append(_told(code) if isinstance(code, CodeType) else None)
        here = getattr(here, "__wrapped__", None)
    if not any(told):
        return ""
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _told(code: CodeType) -> tuple[object, ...]:
    """Return what a function does, without where it stands."""
    constants = tuple(_told(part) if isinstance(part, CodeType) else _constant(part) for part in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames[: code.co_argcount]


def _constant(part: object) -> object:
    """Return a constant in a form that is the same in every process."""
    return sorted(map(repr, cast("frozenset[object]", part))) if isinstance(part, frozenset) else part
