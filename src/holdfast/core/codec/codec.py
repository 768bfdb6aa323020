"""The codec itself: the quick way for what is JSON as it stands, and which way for what is not."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.codec import arrays, arrow, classes, containers, frames, kinds, moments, pickles, scalars
from holdfast.core.codec.encoded import Encoded, Signer
from holdfast.core.codec.lifting import Lift, Lifting
from holdfast.core.codec.lowering import Lowering, Way
from holdfast.core.codec.order import DEPTH_MAX, order_text, reordered, scan
from holdfast.core.codec.registry import TYPES, Types
from holdfast.errors import HoldfastError, NotStorable, StoreCorrupt, Unreadable

_WAYS: dict[type, Way] = {**scalars.WAYS, **moments.WAYS, **containers.WAYS}
_PARTIAL: dict[type, Way] = {**scalars.PARTIAL, **containers.PARTIAL}
_LIFTS: dict[str, Lift] = {
    **scalars.LIFTS,
    **moments.LIFTS,
    **containers.LIFTS,
    **classes.LIFTS,
    **arrays.LIFTS,
    **frames.LIFTS,
    **arrow.LIFTS,
    **pickles.LIFTS,
}
TAGS = frozenset(_LIFTS)
"""Every tag of this version."""

_PLAIN: tuple[type, ...] = (list, dict, set)
_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder()


class Codec:
    """Makes of Python values what a store keeps, and back, equal in value, type and order. Safe to share by threads.

    Args:
        signer: who signs and verifies pickles; without one nothing is pickled or unpickled.
        types: the registered classes.

    >>> codec = Codec()
    >>> codec.encode({"role": "user", "tags": {"b", "a"}}, "x").text
    '{"role":"user","tags":{"$set":["a","b"]}}'
    >>> codec.decode(codec.encode((1, 2.5), "x"), "x")
    (1, 2.5)
    """

    __slots__ = ("_signer", "_types")

    def __init__(self, signer: Signer | None = None, types: Types = TYPES) -> None:
        self._signer = signer
        self._types = types

    def encode(self, value: object, where: str) -> Encoded:
        """Return the stored form of a value, and change nothing.

        Args:
            where: names the place in messages, such as `state["tools"]`.

        Raises:
            NotStorable: part of the value means nothing outside of this process, or needs a pickle and there is no
                signer; the message has the path to it.
        """
        try:
            marks: list[str] = []
            if scan(value, marks):
                text = _encoder.encode(value).decode()
                if not _may_have_tags(text) and not ("\\" in text and "\\u0000" in text):
                    return Encoded(text, order_text(marks))
        except (RecursionError, UnicodeEncodeError):
            pass  # the long way says where
        return self._encode(value, where)

    def _encode(self, value: object, where: str) -> Encoded:
        at = Lowering(where, _WAYS, self._choose, self._types, self._signer)
        marks: list[str] = []
        try:
            lowered = at.lower(value)
            if scan(lowered, marks):
                return Encoded(_encoder.encode(lowered).decode(), order_text(marks), tuple(at.buffers))
        except RecursionError:
            pass
        raise NotStorable(f"{where}: the value is nested too deep; {DEPTH_MAX} levels of JSON can be stored")

    def decode(self, encoded: Encoded, where: str) -> Any:
        """Return a fresh value, equal to the one that was encoded, that shares no memory with the encoded one.

        Raises:
            Unreadable: a type that it names is not here, or is not what it was.
            Untrusted: a pickle in it is not signed by a key that is trusted; nothing of it was run.
            StoreCorrupt: it is nothing that `encode` gives.
        """
        at = Lifting(where, encoded.buffers, _LIFTS, self._types, self._signer)
        try:
            value = _decoder.decode(encoded.text)
            if encoded.order:
                value = reordered(value, encoded.order)
            return at.lift(value) if _may_have_tags(encoded.text) else value
        except HoldfastError:
            raise
        except RecursionError as error:
            raise Unreadable(f"{where}: the stored value is nested too deep to be read from here") from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreCorrupt(f"{at.place}: the stored form of the value makes no sense: {reason}") from error

    def _choose(self, kind: type) -> Way:
        """Return how values of a type are lowered that is none of the standard library's data."""
        ways = self._types.ways
        way = ways.get(kind)
        if way is None:
            ways[kind] = way = _chosen(kind, self._types)
        return way


def _may_have_tags(text: str) -> bool:
    """Return whether some text within JSON text begins with `$`. One character is found much quicker than two."""
    return "$" in text and '"$' in text


def _chosen(kind: type, types: Types) -> Way:
    registration = types.of(kind)
    if registration and registration.encode:
        return classes.registered_way
    plain = getattr(kind, "__holdfast_plain__", None)
    if plain in _PLAIN:
        return _WAYS[plain]
    for is_kind, way in _OF_KIND:
        if is_kind(kind):
            return way if registration else _or_pickle(way)
    if kind in _PARTIAL:
        return _or_pickle(_PARTIAL[kind])
    if kind.__module__ == "zoneinfo" and kind.__name__ == "ZoneInfo":
        return moments.zoneinfo_way
    family = _FAMILIES.get(kind.__module__.partition(".")[0])
    found = family(kind) if family else None
    return _or_pickle(found) if found else pickles.pickle_way


def _or_pickle(way: Way) -> Way:
    return lambda at, value: at.attempt(way, value, pickles.pickle_way)


def _is_open_dataclass(kind: type) -> bool:
    return kinds.is_dataclass(kind) and not kinds.pickles_itself(kind)


def _is_open_pydantic(kind: type) -> bool:
    return kinds.is_pydantic(kind) and not kinds.pickles_itself(kind)


_FAMILIES = {"numpy": arrays.way_of, "pandas": frames.way_of, "pyarrow": arrow.way_of}
_OF_KIND = (
    (kinds.is_enum, classes.enum_way),
    (_is_open_pydantic, classes.pydantic_way),
    (_is_open_dataclass, classes.dataclass_way),
    (kinds.is_namedtuple, classes.namedtuple_way),
)
