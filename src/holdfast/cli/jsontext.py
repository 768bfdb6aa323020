"""Results for programs: JSON in UTF-8, whole values.

Timestamps are ISO 8601 with their offset, decimals text (JSON numbers would lose digits), bytes base64, vectors arrays
of the shortest decimals that read back as the same float32, UUIDs text, an infinity the text "Infinity".
"""

from __future__ import annotations

import base64
import dataclasses
import math
import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import click
import msgspec


def print_json(value: object) -> None:
    """Print one JSON value."""
    click.echo(json_bytes(value))


def print_json_list(values: Iterable[object]) -> None:
    """Print a JSON array with one element a line, as the elements come."""
    opening = "["
    for value in values:
        click.echo(opening.encode() + b"\n" + json_bytes(value), nl=False)
        opening = ","
    click.echo("[]" if opening == "[" else "\n]")


def json_bytes(value: object) -> bytes:
    """Return JSON text."""
    return msgspec.json.encode(plain(value))


def plain(value: object) -> Any:  # noqa: ANN401, PLR0911 - a table of types
    """Return a value in terms of JSON."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "dtype"):
        return [float(str(number)) for number in value]  # type: ignore[attr-defined]  # an array
    if isinstance(value, Iterable):
        return [plain(inner) for inner in cast("Iterable[object]", value)]
    return str(value)
