"""Lists, dicts, sets, and what else of the standard library holds values."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import msgspec

from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import BUFFER_BYTES_MIN, Beyond, Lowering, Way, escaped, is_plain_key
from holdfast.core.codec.order import order_text, scan

_FACTORIES: dict[str, type] = {
    kind.__name__: kind
    for kind in (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
}
_encoder = msgspec.json.Encoder(order="sorted")


def _list(at: Lowering, value: Iterable[Any]) -> Any:
    at.enter(value)
    lowered = at.items(value)
    at.leave(value)
    return lowered


def _tuple(at: Lowering, value: tuple[Any, ...]) -> Any:
    return {"$tuple": _list(at, value)}


def _dict(at: Lowering, value: Mapping[Any, Any]) -> Any:
    """An object; or a list of pairs, if a key cannot be one of an object."""
    if not all(map(is_plain_key, value)):
        return {"$dict": _pairs(at, value)}
    parts = at.enter(value)
    lowered: dict[str, Any] = {}
    for key, item in value.items():
        parts[-1] = key
        lowered[escaped(key)] = at.lower(item)
    at.leave(value)
    return lowered


def _pairs(at: Lowering, value: Mapping[Any, Any]) -> list[Any]:
    parts, pairs = at.enter(value), []
    for key, item in value.items():
        parts[-1] = key
        pairs.append([at.lower(key), at.lower(item)])
    at.leave(value)
    return pairs


def _set(at: Lowering, value: Iterable[Any]) -> Any:
    return {"$set": _elements(at, value)}


def _frozenset(at: Lowering, value: Iterable[Any]) -> Any:
    return {"$frozenset": _elements(at, value)}


def _elements(at: Lowering, value: Iterable[Any]) -> list[Any]:
    """The elements in an order that only they decide: by their own stored form."""
    at.enter(value)
    keyed: list[tuple[tuple[Any, ...], Any, Any]] = []
    with_buffers = False
    for element in value:
        alone = at if _needs_no_buffer(element) else at.apart()
        lowered = alone.lower(element)
        marks: list[str] = []
        scan(lowered, marks)
        buffers = [] if alone is at else [bytes(part) for part in alone.buffers]
        with_buffers = with_buffers or bool(buffers)
        key = (_encoder.encode(lowered), order_text(marks), buffers)
        keyed.append((key, lowered, element))
    keyed.sort(key=_first)
    lowered_all = [at.lower(element) if with_buffers else lowered for _, lowered, element in keyed]
    at.leave(value)
    return lowered_all


def _needs_no_buffer(element: Any) -> bool:
    kind = type(element)
    return (kind is str and len(element) < BUFFER_BYTES_MIN) or kind is int or kind is float or element is None


def _first(keyed: tuple[Any, ...]) -> Any:
    return keyed[0]


def _deque(at: Lowering, value: deque[Any]) -> Any:
    return {"$deque": [_list(at, value), value.maxlen]}


def _ordered(at: Lowering, value: OrderedDict[Any, Any]) -> Any:
    return {"$ordereddict": _with_nothing_else(at, value)}


def _counter(at: Lowering, value: Counter[Any]) -> Any:
    return {"$counter": _with_nothing_else(at, value)}


def _with_nothing_else(at: Lowering, value: Any) -> Any:
    if vars(value):
        raise Beyond
    return _dict(at, value)


def _defaultdict(at: Lowering, value: defaultdict[Any, Any]) -> Any:
    factory: Any = value.default_factory
    name = None if factory is None else getattr(factory, "__name__", "")
    if name is not None and _FACTORIES.get(name) is not factory:
        raise Beyond
    return {"$defaultdict": [name, _dict(at, value)]}


def _namespace(at: Lowering, value: SimpleNamespace) -> Any:
    at.enter(value)
    lowered = _dict(at, vars(value))
    at.leave(value)
    return {"$namespace": lowered}


WAYS: dict[type, Way] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    deque: _deque,
    SimpleNamespace: _namespace,
}
PARTIAL: dict[type, Way] = {OrderedDict: _ordered, Counter: _counter, defaultdict: _defaultdict}
"""Ways that are not for all values of their type: see `Beyond`."""


def _lift_dict(at: Lifting, node: Any) -> dict[Any, Any]:
    fresh: dict[Any, Any] = {}
    for pair in node:
        key, inner = pair
        key = at.lift(key)
        at.place.parts.append(key)
        fresh[key] = at.lift(inner)
        at.place.parts.pop()
    return fresh


def _mapping(at: Lifting, node: Any) -> dict[Any, Any]:
    found = at.lift(node)
    if type(found) is not dict:
        raise TypeError("a dict is missing")
    return found


def _lift_deque(at: Lifting, node: Any) -> deque[Any]:
    items, maxlen = node
    return deque(at.items(items), maxlen)


def _lift_counter(at: Lifting, node: Any) -> Counter[Any]:
    fresh: Counter[Any] = Counter()
    dict.update(fresh, _mapping(at, node))
    return fresh


def _lift_defaultdict(at: Lifting, node: Any) -> defaultdict[Any, Any]:
    name, inner = node
    factory: Callable[[], Any] | None = None if name is None else _FACTORIES[name]
    return defaultdict(factory, _mapping(at, inner))


def _lift_namespace(at: Lifting, node: Any) -> SimpleNamespace:
    fresh = SimpleNamespace()
    vars(fresh).update(_mapping(at, node))
    return fresh


LIFTS: dict[str, Lift] = {
    "$tuple": lambda at, node: tuple(at.items(node)),
    "$dict": _lift_dict,
    "$set": lambda at, node: set(at.items(node)),
    "$frozenset": lambda at, node: frozenset(at.items(node)),
    "$deque": _lift_deque,
    "$ordereddict": lambda at, node: OrderedDict(_mapping(at, node)),
    "$counter": _lift_counter,
    "$defaultdict": _lift_defaultdict,
    "$namespace": _lift_namespace,
}
