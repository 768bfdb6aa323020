"""What a step is given: its arguments as they are recorded, and a hash by which a change of them is noticed."""

# pyright: basic
# (arguments are whatever a user has)

from __future__ import annotations

import hashlib
import inspect
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.core.codec import Codec, Encoded
from holdfast.core.functions import Known, known_of, name_of, without_partial
from holdfast.errors import HoldfastError, InvalidValue
from holdfast.runs.control import Context
from holdfast.state.rows.contents import content_of
from holdfast.state.rows.tables import Cells

_PLAIN = Codec()
"""Without pickles: they have more than one form for equal values."""
_DIGEST_BYTES = 16
_CONTEXT_NAMES = ("Context", "holdfast.Context")


@dataclass(frozen=True, slots=True)
class Given:
    """What a step is given.

    Attributes:
        digest: of the arguments; those that have no stored form take no part in it.
        code: the version of the function's code.
        encoded: what is recorded of them: by the names of their parameters, and of those without a stored form their
            type.
        is_whole: whether all of them have a stored form.
    """

    digest: str
    code: str
    encoded: Encoded
    is_whole: bool = True

    @property
    def arguments(self) -> Cells:
        """What is recorded of the arguments."""
        return content_of(self.encoded).cells(0, whole=True)


def given_to(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    """Return what a call is given. Raises InvalidValue if the function does not take these arguments."""
    function, args, kwargs = without_partial(function, args, kwargs)
    known = known_of(function)
    told = context_parameter(function)
    kwargs = {name: value for name, value in kwargs.items() if name != told}
    bound = _without(known, told).bound(args, kwargs, name_of(function))
    is_whole = True
    try:
        encoded = _PLAIN.encode(bound, "the arguments")
    except HoldfastError:
        is_whole = False
        bound = {name: _storable(value) for name, value in bound.items()}
        encoded = _PLAIN.encode(bound, "the arguments")
    digest = _digest(encoded.text, *encoded.buffers)
    kept = Encoded(encoded.text, encoded.order, tuple(map(bytes, encoded.buffers)))
    return Given(digest, known.code, kept, is_whole)


def bound_to(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by the names of their parameters, without the one for a `Context`. Raises InvalidValue."""
    function, args, kwargs = without_partial(function, args, kwargs)
    told = context_parameter(function)
    given = {name: value for name, value in kwargs.items() if name != told}
    return _without(known_of(function), told).bound(args, given, name_of(function))


def without_context(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature of a function without the parameter for a `Context`; None where it does not tell."""
    return _without(known_of(function), context_parameter(function)).signature


def replaced_in(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], edited: Mapping[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]:
    """Return a call with some other arguments instead, by their names, without partials. Raises InvalidValue."""
    inner, inner_args, inner_kwargs = without_partial(function, args, kwargs)
    known = _without(known_of(inner), context_parameter(inner))
    if known.signature is None:
        raise InvalidValue(f"the arguments of {name_of(inner)} have no names by which others could be given")
    try:
        bound = known.signature.bind(*inner_args, **inner_kwargs)
    except TypeError as error:
        raise InvalidValue(f"{name_of(inner)}() cannot be called so: {error}") from error
    unknown = [name for name in edited if name not in known.signature.parameters]
    if unknown:
        raise InvalidValue(f"{name_of(inner)} takes no {', '.join(map(repr, unknown))}")
    bound.arguments.update(edited)
    return inner, bound.args, bound.kwargs


def _storable(value: Any) -> Any:  # noqa: ANN401
    try:
        _PLAIN.encode(value, "an argument")
    except HoldfastError:
        kind = type(value)
        return {"not stored": f"{kind.__module__}.{kind.__qualname__}"}
    return value


def digest_of_input(value: Any) -> str:  # noqa: ANN401
    """Return a hash of the input of a run; "" for one that only a pickle can hold, which is not compared."""
    try:
        encoded = _PLAIN.encode(value, "the input")
    except HoldfastError:
        return ""
    return _digest(encoded.text, *encoded.buffers)


def _digest(text: str, *buffers: bytes | memoryview) -> str:
    told = msgspec.msgpack.encode([text, *map(bytes, buffers)])
    return hashlib.blake2b(told, digest_size=_DIGEST_BYTES).hexdigest()


_CONTEXTS: weakref.WeakKeyDictionary[Any, str | None] = weakref.WeakKeyDictionary()


def context_parameter(function: Callable[..., Any]) -> str | None:
    """Return the name of the parameter that is annotated as `Context`, or None."""
    with suppress(TypeError):
        if function not in _CONTEXTS:
            _CONTEXTS[function] = _context_parameter(known_of(function).signature)
        return _CONTEXTS[function]
    return _context_parameter(known_of(function).signature)


def _context_parameter(signature: inspect.Signature | None) -> str | None:
    for name, parameter in signature.parameters.items() if signature else ():
        if parameter.annotation is Context or parameter.annotation in _CONTEXT_NAMES:
            return name
    return None


def with_context(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    context: Callable[[], Context],
) -> tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]:
    """Return a call in which the parameter that is annotated as `Context` has one, wherever it stands."""
    inner, inner_args, inner_kwargs = without_partial(function, args, kwargs)
    told = context_parameter(inner)
    signature = known_of(inner).signature
    if told is None or signature is None or told in inner_kwargs:
        return function, args, kwargs
    at = list(signature.parameters).index(told)
    if signature.parameters[told].kind is inspect.Parameter.KEYWORD_ONLY or len(inner_args) < at:
        return inner, inner_args, {**inner_kwargs, told: context()}
    return inner, (*inner_args[:at], context(), *inner_args[at:]), inner_kwargs


def _without(known: Known, parameter: str | None) -> Known:
    if parameter is None or known.signature is None:
        return known
    left = [one for name, one in known.signature.parameters.items() if name != parameter]
    return Known(known.signature.replace(parameters=left), known.code)
