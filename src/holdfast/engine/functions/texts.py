"""Texts, in all of Unicode, and regular expressions."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from typing import Any

from holdfast.core.canonical import json_value
from holdfast.engine.functions.strict import Functions, strict
from holdfast.errors import InvalidValue, SqlError, ValueTooLarge

TEXT_LENGTH_MAX = 100_000_000
"""The longest text that a function makes."""

_WORD = re.compile(r"[^\W_]+")
_FORMAT = re.compile(r"%(?:(\d+)\$)?(-?\d*)([sIL%])")
_PATTERNS_CACHED = 256
_CLASSES = {
    "alnum": r"\w", "alpha": r"a-zA-Z\u00c0-\uffff", "digit": r"\d", "space": r"\s", "lower": "a-z", "upper": "A-Z",
    "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9a-fA-F", "word": r"\w", "blank": r" \t",
}  # fmt: skip
"""The classes that POSIX names inside brackets."""


def _lower(text: Any) -> str:
    """In all of Unicode; SQLite's own knows the letters of ASCII only."""
    return str(text).lower()


def _upper(text: Any) -> str:
    return str(text).upper()


def _reverse(text: Any) -> str:
    return str(text)[::-1]


def _part(value: Any, first: int, length: int | None = None) -> str:
    """Count from 1; what lies before the text is there, and empty."""
    text = str(value)
    if length is None:
        return text[max(first - 1, 0) :]
    if length < 0:
        raise InvalidValue(f"a part of a text cannot be {length} characters long")
    return text[max(first - 1, 0) : max(first - 1 + length, 0)]


def _left(text: Any, count: int) -> str:
    return str(text)[:count]


def _right(text: Any, count: int) -> str:
    return str(text)[-count:] if count else ""


def _filling(text: str, length: int, fill: str) -> str:
    if length > TEXT_LENGTH_MAX:
        raise ValueTooLarge(f"a text of {length} characters is too long; at most {TEXT_LENGTH_MAX}")
    missing = max(length - len(text), 0)
    return (fill * (missing // len(fill) + 1))[:missing] if fill else ""


def _lpad(text: str, length: Any, fill: str = " ") -> str:
    # What is longer is cut on the right, whichever side is filled.
    return _filling(text, int(length), fill) + text[: max(int(length), 0)]


def _rpad(text: str, length: Any, fill: str = " ") -> str:
    return (text + _filling(text, int(length), fill))[: max(int(length), 0)]


def _initcap(text: str) -> str:
    return _WORD.sub(lambda found: found[0][:1].upper() + found[0][1:].lower(), text)


def _repeat(text: str, count: int) -> str:
    if len(text) * count > TEXT_LENGTH_MAX:
        raise ValueTooLarge(f"a text of {len(text) * count} characters is too long; at most {TEXT_LENGTH_MAX}")
    return text * max(count, 0)


def _split_part(text: str, separator: str, at: int) -> str:
    if at == 0:
        raise InvalidValue("split_part() counts the parts from 1, or from -1 at the end")
    parts = text.split(separator) if separator else [text]
    place = at - 1 if at > 0 else len(parts) + at
    return parts[place] if 0 <= place < len(parts) else ""


def _translate(text: str, old: str, new: str) -> str:
    table: dict[int, str | None] = {}
    for at, letter in enumerate(old):
        table.setdefault(ord(letter), new[at] if at < len(new) else None)
    return text.translate(table)


def _concat(*parts: Any) -> str:
    return "".join(str(part) for part in parts if part is not None)


def _concat_ws(separator: str | None, *parts: Any) -> str | None:
    return None if separator is None else separator.join(str(part) for part in parts if part is not None)


def _format(pattern: str | None, *values: Any) -> str | None:
    """PostgreSQL's format(): %s, %I for a name, %L for a literal."""
    if pattern is None:
        return None
    left = iter(values)

    def one(found: re.Match[str]) -> str:
        place, width, letter = found.groups()
        if letter == "%":
            return "%"
        try:
            value = values[int(place) - 1] if place else next(left)
        except (IndexError, StopIteration):
            raise SqlError(f"format() has fewer values than {pattern!r} asks for") from None
        text = "" if value is None else str(value)
        if letter == "L":
            text = "NULL" if value is None else "'" + text.replace("'", "''") + "'"
        if letter == "I" and not re.fullmatch(r"[a-z_][a-z0-9_$]*", text):
            text = '"' + text.replace('"', '""') + '"'
        size = int(width) if width not in ("", "-") else 0
        return text.ljust(-size) if size < 0 else text.rjust(size)

    return _FORMAT.sub(one, pattern)


def _md5(text: str) -> str:
    return hashlib.md5(str(text).encode(), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=_PATTERNS_CACHED)
def _compiled(pattern: str, flags: str) -> re.Pattern[str]:
    options = re.IGNORECASE if "i" in flags else re.NOFLAG
    options |= re.MULTILINE if "n" in flags or "m" in flags else re.NOFLAG
    for name, letters in _CLASSES.items():
        pattern = pattern.replace(f"[:{name}:]", letters)
    source = pattern.replace("\\m", r"\b").replace("\\M", r"\b").replace("\\y", r"\b")
    try:
        return re.compile(source, options)
    except re.error as error:
        raise InvalidValue(f"{pattern!r} is no regular expression: {error}") from error


def _regexp(text: Any, pattern: str, flags: str = "") -> int:
    return int(_compiled(pattern, flags).search(str(text)) is not None)


def _regexp_replace(text: str, pattern: str, replacement: str, flags: str = "") -> str:
    compiled = _compiled(pattern, flags.replace("g", ""))
    template = re.sub(r"\\(.)", lambda found: f"\\g<{0 if found[1] == '&' else found[1]}>", replacement)
    return compiled.sub(template, text, count=0 if "g" in flags else 1)


def _regexp_substr(text: str, pattern: str) -> str | None:
    found = _compiled(pattern, "").search(text)
    if found is None:
        return None
    return found[1] if found.re.groups else found[0]


def _regexp_count(text: str, pattern: str) -> int:
    return sum(1 for _ in _compiled(pattern, "").finditer(text))


def _list_joined(text: str, separator: str) -> str | None:
    items = [str(item) for item in json_value(text, "a list") if item is not None]
    return separator.join(items) if items else None


def _encode(value: bytes | str, form: str) -> str:
    given = value if isinstance(value, bytes) else str(value).encode()
    if form.lower() == "hex":
        return given.hex()
    if form.lower() == "base64":
        return base64.b64encode(given).decode()
    raise InvalidValue(f"encode(): {form!r} is not supported; there are 'hex' and 'base64'")


def _decode(text: str, form: str) -> bytes:
    try:
        if form.lower() == "hex":
            return bytes.fromhex(text)
        if form.lower() == "base64":
            return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidValue(f"decode(): {text[:40]!r} is no {form}: {error}") from error
    raise InvalidValue(f"decode(): {form!r} is not supported; there are 'hex' and 'base64'")


TEXT_FUNCTIONS: Functions = {
    "hf_list_joined": (strict(_list_joined), 2),
    "hf_encode": (strict(_encode), 2),
    "hf_decode": (strict(_decode), 2),
    "lower": (strict(_lower), 1),
    "upper": (strict(_upper), 1),
    "hf_substr": (strict(_part), -1),
    "hf_left": (strict(_left), 2),
    "hf_right": (strict(_right), 2),
    "hf_lpad": (strict(_lpad), -1),
    "hf_rpad": (strict(_rpad), -1),
    "hf_initcap": (strict(_initcap), 1),
    "hf_reverse": (strict(_reverse), 1),
    "hf_repeat": (strict(_repeat), 2),
    "hf_split_part": (strict(_split_part), 3),
    "hf_translate": (strict(_translate), 3),
    "hf_concat": (_concat, -1),
    "hf_concat_ws": (_concat_ws, -1),
    "hf_format": (_format, -1),
    "hf_md5": (strict(_md5), 1),
    "hf_regexp": (strict(_regexp), -1),
    "hf_regexp_replace": (strict(_regexp_replace), -1),
    "hf_regexp_substr": (strict(_regexp_substr), 2),
    "hf_regexp_count": (strict(_regexp_count), 2),
}
