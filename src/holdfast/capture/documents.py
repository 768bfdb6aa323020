"""JSON out of files of traces: strict, bounded, and with errors that name the line.

msgspec reads; where it refuses, the standard library reads again to find out where and why, because it counts lines
and tells NaN and lone surrogates from damage.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from holdfast.core.canonical import json_text
from holdfast.errors import InvalidValue, NotFound, ValueTooLarge

DOCUMENT_BYTES_MAX = 512 * 1024 * 1024
"""The largest trajectory that is read: one is held in memory at a time."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONSTANT = re.compile(r"[:\[,]\s*(NaN|-?Infinity)")
_LONE_SURROGATE = re.compile(r"\\ud[89ab]..(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f]..", re.IGNORECASE)

T = TypeVar("T")

OnBytes = Callable[[int], None]
"""Told how many more bytes were read."""


def read_document(path: Path, on_bytes: OnBytes) -> Any:  # noqa: ANN401 - JSON is dynamic
    """Return the one JSON value that the file is.

    Raises:
        NotFound: there is no such file.
        InvalidValue: it cannot be read, or is not JSON; the message has the line.
    """
    [(_, text)] = _chunks(path, lines=False, on_bytes=on_bytes)
    return _decode(text, str(path), first_line=1)


def read_lines(path: Path, on_bytes: OnBytes) -> Iterator[tuple[int, Any]]:
    """Yield the JSON values of a file that has one on each line, with their line numbers. Blank lines are skipped.

    Raises:
        NotFound: there is no such file.
        InvalidValue: it cannot be read, or a line is not JSON; the message has the line.
    """
    for number, text in _chunks(path, lines=True, on_bytes=on_bytes):
        if text.strip():
            yield number, _decode(text, str(path), first_line=number)


def fingerprint(record: object, where: str) -> str:
    """Return the SHA-256 of the canonical form of a JSON value.

    Raises:
        InvalidValue: no column could hold it: text with a NUL character; the message has the path to it.
    """
    try:
        return hashlib.sha256(json_text(record, where).encode()).hexdigest()
    except InvalidValue as error:
        if "NUL" in str(error):
            raise InvalidValue(f"{error}; take it out first, such as with sed 's/\\\\u0000//g'") from error
        raise


def typed(value: object, shape: type[T], where: str, root: str = "") -> T:
    """Return `value` as a `shape`.

    Args:
        root: the name of `value` in messages; without one it is the whole record.

    Raises:
        InvalidValue: it has another shape; the message has the path to what is wrong.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        place = (root + at.rstrip("`")).lstrip(".")
        message = what[:1].lower() + what[1:] + (f" at {place}" if place else "")
        raise InvalidValue(f"{where}: {message}".replace("`", "")) from error


def _chunks(path: Path, *, lines: bool, on_bytes: OnBytes) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with path.open("rb") as file:
            read = file.readline if lines else file.read
            while (chunk := read(DOCUMENT_BYTES_MAX + 1)) or (number == 0 and not lines):
                number += 1
                if len(chunk) > DOCUMENT_BYTES_MAX:
                    raise ValueTooLarge(f"{path}:{number}: longer than {DOCUMENT_BYTES_MAX:,} bytes")
                on_bytes(len(chunk))
                yield number, chunk.removeprefix(_BYTE_ORDER_MARK) if number == 1 else chunk
                if not lines:
                    return
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such file") from error
    except OSError as error:
        raise InvalidValue(f"{path}: cannot be read: {error.strerror}") from error


def _decode(text: bytes, path: str, first_line: int) -> Any:  # noqa: ANN401 - JSON is dynamic
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why, line = _reason(text, error)
        raise InvalidValue(f"{path}:{first_line + line - 1}: not JSON: {why}") from error


class _NotJson(ValueError):
    """Raised out of the standard library's parser to name a constant that only it would take."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJson(f"{name} is not JSON; a missing number is null")


def _reason(text: bytes, error: Exception) -> tuple[str, int]:
    """Tell why `text` is not JSON, and on which of its lines, counted from 1."""
    text = text.rstrip()
    decoded = ""
    try:
        decoded = text.decode()
        json.loads(decoded, parse_constant=_refuse_constant)
        if lone := _LONE_SURROGATE.search(decoded):
            return f"{lone[0]} is half a character (a lone surrogate)", decoded.count("\n", 0, lone.start()) + 1
    except json.JSONDecodeError as found:
        return "the file is empty" if not text else f"{found.msg} (column {found.colno})", found.lineno
    except UnicodeDecodeError as found:
        return f"byte 0x{text[found.start]:02x} is not UTF-8", text.count(b"\n", 0, found.start) + 1
    except _NotJson as found:
        at = _CONSTANT.search(decoded)
        return str(found), decoded.count("\n", 0, at.start(1)) + 1 if at else 1
    except RecursionError:
        return "nested too deeply", 1
    return str(error), 1
