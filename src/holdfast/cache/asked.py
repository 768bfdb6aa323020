"""What was asked of a tool: the name under which its answer is kept.

The arguments are written in the stored form of values (core/codec), which tells 1 from "1" and from 1.0, and a list
from a tuple, and has one form for equal values whatever the order of their keys. With the tool, its version and the
scope they are hashed in whole; they are kept beside the answer, too, and compared.
"""

# pyright: basic
# (functions are whatever a user has)

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.core.codec import Codec
from holdfast.core.codec.encoded import Encoded
from holdfast.core.functions import known_of, without_partial
from holdfast.errors import InvalidValue

_DIGEST_BYTES = 32
_CODEC = Codec()  # a pickle has more than one form for equal values, so none is taken
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
    function, args, kwargs = without_partial(function, args, kwargs)
    tool = name or tool_of(function)
    known = known_of(function)
    arguments = _CODEC.encode(known.bound(args, kwargs, tool), f"{tool}()")
    whom = scope_text(scope)
    told = version if version is not None else known.code
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
