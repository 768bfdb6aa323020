"""Names in state: of keys, and of the namespaces that they lie in."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.errors import InvalidValue
from holdfast.state.rows.tables import HIDDEN, Name


def name_of(namespace: str, key: object, *, to_set: bool = False) -> Name:
    """Return the name of a key. Raises InvalidValue if it can be none.

    Args:
        to_set: the key is given a value: it may not look like one of a namespace.
    """
    if not isinstance(key, str):
        raise InvalidValue(f"a key of state is a str, not {type(key).__name__}: {key!r}; dicts inside take any key")
    if "\0" in key or key.startswith(HIDDEN):
        raise InvalidValue(f"{key!r} cannot be a key of state: it has a NUL, or begins with {HIDDEN!r}, which is ours")
    if not _is_text(key):
        raise InvalidValue(f"{key!r} cannot be a key of state: it has half a surrogate pair, which is no character")
    if to_set and "/" in key:
        raise InvalidValue(
            f"{key!r} looks like a key of a namespace; for one, use namespace(…), else leave out the '/'"
        )
    return Name(namespace, str.__str__(key))


def is_key(key: object) -> bool:
    """Tell whether something can be a key."""
    return isinstance(key, str) and "\0" not in key and not key.startswith(HIDDEN) and _is_text(key)


def inner(namespace: str, segment: object) -> str:
    """Return the namespace of a name inside another. Raises InvalidValue if it can be none."""
    if not isinstance(segment, str) or not segment or "/" in segment or "\0" in segment or not _is_text(segment):
        raise InvalidValue(
            f"{segment!r} cannot name a namespace: use a str without '/', and namespace(a).namespace(b) for one inside"
            " another"
        )
    return f"{namespace}/{segment}" if namespace else segment


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def full(name: Name) -> str:
    """Return how people name a key: with its namespace, if it has one."""
    return f"{name.namespace}/{name.key}" if name.namespace else name.key


def is_inside(namespace: str, outer: str) -> bool:
    """Tell whether a namespace is another, or inside it. All are inside of ""."""
    return not outer or namespace == outer or namespace.startswith(f"{outer}/")


def inside_of(names: Iterable[Name], outer: str) -> list[str]:
    """Return the next segments of the namespaces inside another that have names, sorted."""
    depth = len(outer) + 1 if outer else 0
    spaces = {name.namespace for name in names if is_inside(name.namespace, outer)}
    return sorted({space[depth:].partition("/")[0] for space in spaces if space != outer})
