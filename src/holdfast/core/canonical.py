"""Canonical bytes: one encoding per value, the same on every engine and in every process.

JSON is written by msgspec with sorted keys. msgspec is generous: NaN becomes null, bytes become base64, sets become
lists. What was written is therefore read back and compared, and what came back different is looked at closely: tuples
may become lists, anything else is refused by its path. (Encode, decode and compare take a third of the time that the
standard library's strict encoder does.) Rows are hashed as a MessagePack array of stored values in shortest forms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

from holdfast.errors import InvalidValue

MESSAGE_PART_MAX = 80
"""How much of a value a message shows."""

_json_encoder = msgspec.json.Encoder(order="sorted")
_row_encoder = msgspec.msgpack.Encoder()


def json_text(value: object, where: str) -> str:
    """Return `value` as JSON text with sorted keys and no spaces.

    Raises:
        InvalidValue: part of the value has no JSON form, or is NaN, an infinity, or text with a NUL; the message has
            the path to it.
    """
    try:
        encoded = _json_encoder.encode(value)
        same = msgspec.json.decode(encoded) == value and b"\\u0000" not in encoded
    except RecursionError as error:
        raise InvalidValue(f"{where}: the value contains itself, or is nested too deep for JSON") from error
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        raise InvalidValue(next(_unfit(value, where), f"{where}: not a JSON value: {error}")) from error
    culprit = None if same else next(_unfit(value, where), None)
    if culprit:
        raise InvalidValue(culprit)
    return encoded.decode()


def json_value(text: str, where: str) -> Any:  # noqa: ANN401 - JSON is dynamic
    """Return the value of JSON text.

    Raises:
        InvalidValue: the text is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidValue(f"{where}: invalid JSON: {error}: {shortened(repr(text))}") from error


def _unfit(value: object, path: str) -> Iterator[str]:
    """Yield what in `value` cannot be JSON, with its path. A stack, because values nest deeper than Python recurses."""
    stack: list[tuple[object, str]] = [(value, path)]
    while stack:
        item, at = stack.pop()
        if isinstance(item, float) and not math.isfinite(item):
            yield f"{at}: {item} has no JSON form; use None for a missing number"
        elif isinstance(item, str):
            if "\0" in item:
                yield f"{at}: text with a NUL character cannot be stored"
        elif isinstance(item, dict):
            for key, inner in cast("dict[object, object]", item).items():
                if not isinstance(key, str) or "\0" in key:
                    yield f"{at}: the key {key!r} has no JSON form; use a str without NUL"
                stack.append((inner, f"{at}[{key!r}]"))
        elif isinstance(item, (list, tuple)):
            items = cast("Sequence[object]", item)
            stack.extend((inner, f"{at}[{index}]") for index, inner in enumerate(items))
        elif item is not None and not isinstance(item, int):
            yield f"{at}: a {type(item).__name__} has no JSON form"


def shortened(text: str) -> str:
    """Return a text, or its beginning, for a message."""
    return text if len(text) <= MESSAGE_PART_MAX else text[: MESSAGE_PART_MAX - 3] + "..."


def row_bytes(values: Sequence[object]) -> bytes:
    """Return the canonical bytes of a row: its stored values, in the order of the columns, as a MessagePack array."""
    return _row_encoder.encode(values)
