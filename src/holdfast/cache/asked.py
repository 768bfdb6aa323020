"""What was asked of a tool: the name under which its answer is kept.

The arguments are written in the stored form of values (core/codec), which tells 1 from "1" and from 1.0, and a list
from a tuple, and has one form for equal values whatever the order of their keys. With the tool, its version and the
scope they are hashed in whole; they are kept beside the answer, too, and compared.
"""

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
from typing import Any, cast

import msgspec

from holdfast.core.codec import Codec
from holdfast.core.codec.encoded import Encoded
from holdfast.errors import InvalidValue

_DIGEST_BYTES = 32
_CODEC = Codec()  # a pickle has more than one form for equal values, so none is taken
_KNOWN: weakref.WeakKeyDictionary[Any, tuple[object, inspect.Signature | None, str]] = weakref.WeakKeyDictionary()
"""Of functions their code, their signature and the hash of the code."""
_NAMELESS = "<"
"""What is in the names of lambdas and of functions within functions, of which there may be many of one name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question.

    Attributes:
        tool: the name of the tool.
        version: of the tool.
        scope: for whom the answer is, as text; "" for everybody.
        arguments: what the tool is called with, by the names of its parameters.
        digest: 64 hexadecimal digits.
    """

    tool: str
    version: str
    scope: str
    arguments: Encoded
    digest: str


def asked_of(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    name: str | None,
    version: str | None,
    scope: object,
) -> Asked:
    """Return what calling a function with these arguments asks.

    Args:
        name: of the tool; its module and name if it is not given.
        version: of the tool; a hash of its code if it is not given.
        scope: whatever the answer depends on beside the arguments: a tenant, a user, a model.

    Raises:
        InvalidValue: the function has no name of its own, or does not take these arguments.
        NotStorable: an argument has no stored form, so it cannot be told from another.
    """
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    tool = name or tool_of(function)
    signature, code = _known_of(function)
    arguments = _CODEC.encode(_bound(signature, args, kwargs, tool), f"{tool}()")
    whom = scope_text(scope)
    told = version if version is not None else code
    parts = ["cache/1", tool, told, whom, arguments.text, *map(bytes, arguments.buffers)]
    digest = hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=_DIGEST_BYTES).hexdigest()
    kept = Encoded(arguments.text, arguments.order, tuple(map(bytes, arguments.buffers)))  # the tool may change them
    return Asked(tool, told, whom, kept, digest)


def scope_text(scope: object) -> str:
    """Return a scope as text, "" for everybody. Raises NotStorable."""
    if scope is None:
        return ""
    encoded = _CODEC.encode(scope, "scope")
    return "/".join([encoded.text, *(bytes(part).hex() for part in encoded.buffers)])


def tool_of(function: Callable[..., Any]) -> str:
    """Return the name of a tool, which no other function has. Raises InvalidValue if it has none."""
    name, module = getattr(function, "__qualname__", None), getattr(function, "__module__", None)
    owner = getattr(function, "__self__", None)
    is_bound = (owner is not None and not inspect.ismodule(owner)) or _closes_over(function)
    if not isinstance(name, str) or not isinstance(module, str) or _NAMELESS in name or is_bound:
        raise InvalidValue(
            f"{function!r} has no name of its own: what it is bound to, or closes over, is no argument of it; give one"
            " with options(name=…), and a scope if its answers depend on more than its arguments"
        )
    return f"{module}.{name}"


def _closes_over(function: Callable[..., Any]) -> bool:
    """Tell whether a function has values of its own beside the function that it wraps."""
    wrapped = getattr(function, "__wrapped__", None)
    try:
        return any(cell.cell_contents is not wrapped for cell in getattr(function, "__closure__", None) or ())
    except ValueError:  # a cell that has nothing in it yet
        return True


def _known_of(function: Callable[..., Any]) -> tuple[inspect.Signature | None, str]:
    """Return the signature of a function, None where it does not tell, and the hash of its code."""
    code = getattr(function, "__code__", None)
    with suppress(TypeError):  # nothing is remembered of what cannot be referred to weakly
        known = _KNOWN.get(function)
        if known is not None and known[0] is code:
            return known[1:]
        found = _KNOWN[function] = code, _signature_of(function), _code_of(function)
        return found[1:]
    return _signature_of(function), _code_of(function)


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # some that are written in C do not tell
        return None


def _bound(
    signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: Mapping[str, Any], tool: str
) -> dict[str, Any]:
    if signature is None:
        return {"args": args, "kwargs": dict(kwargs)}
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidValue(f"{tool}() cannot be called so: {error}") from error
    bound.apply_defaults()
    return dict(bound.arguments)


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
