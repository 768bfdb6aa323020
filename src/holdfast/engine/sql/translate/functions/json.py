"""Functions of JSON values."""

from __future__ import annotations

from holdfast.core.types import Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import literal
from holdfast.engine.sql.translate.functions.templates import Arguments, Translation, one, template, two
from holdfast.engine.sql.translate.typed import (
    BOOLEAN,
    INTEGER,
    JSON,
    TEXT,
    Place,
    Typed,
    adapt,
)
from holdfast.errors import Unsupported


def as_json(part: Typed) -> str:
    """Return a value as a part of a JSON value, for a JSON function of SQLite."""
    if part.kind in (Kind.JSON, Kind.NUMERIC):
        return f"json({part.sql})"
    if part.kind is Kind.BOOLEAN:
        return f"json(iif({part.sql}, 'true', iif({part.sql} IS NULL, 'null', 'false')))"
    if part.kind is Kind.TIMESTAMP:
        return f"hf_json_moment({part.sql})"
    return part.sql


def _build_object(arguments: Arguments, _places: list[Place]) -> Typed:
    if len(arguments) % 2:
        raise ValueError
    parts = [as_json(part) if at % 2 else part.sql for at, part in enumerate(arguments)]
    return Typed(f"json_object({', '.join(parts)})", JSON, not_null=True)


def _build_array(arguments: Arguments, _places: list[Place]) -> Typed:
    return Typed(f"json_array({', '.join(map(as_json, arguments))})", JSON, not_null=True)


def _to_json(arguments: Arguments, _places: list[Place]) -> Typed:
    (part,) = arguments
    if part.kind is Kind.JSON:
        return part
    if part.kind in (Kind.BOOLEAN, Kind.NUMERIC):
        return Typed(as_json(part), JSON)
    return Typed(f"iif({part.sql} IS NULL, NULL, json_quote({as_json(part)}))", JSON)


def _json_set(arguments: Arguments, places: list[Place]) -> Typed:
    target, path, value, *create = arguments
    if not isinstance(path.node, nodes.Text) or not path.node.value.startswith("{"):
        raise Unsupported("jsonb_set() takes its path as a string such as '{a,0}'")
    steps = [part.strip().strip('"') for part in path.node.value[1:-1].split(",")]
    value = adapt(value, JSON, places, "jsonb_set")
    only_there = bool(create) and isinstance(create[0].node, nodes.Truth) and not create[0].node.value
    keys = ", ".join(map(literal, steps))
    return Typed(f"hf_json_set({target.sql}, {_as_json_text(value)}, {int(not only_there)}, {keys})", JSON)


def _as_json_text(part: Typed) -> str:
    """Return a value as JSON text."""
    return part.sql if part.kind is Kind.JSON else _to_json([part], []).sql


JSON_FUNCTIONS: dict[str, Translation] = {
    **dict.fromkeys(("jsonb_build_object", "json_build_object"), _build_object),
    **dict.fromkeys(("jsonb_build_array", "json_build_array"), _build_array),
    **dict.fromkeys(("to_jsonb", "to_json"), _to_json),
    "jsonb_array_length": one("json_array_length({a})", INTEGER),
    **dict.fromkeys(("jsonb_typeof", "json_typeof"), one("hf_json_type({a})", TEXT)),
    "jsonb_set": _json_set,
    "jsonb_strip_nulls": one("hf_json_strip({a})", JSON),
    "jsonb_pretty": one("hf_json_pretty({a})", TEXT),
    "state_value": template("state_value({a}, {b}, {c})", JSON, at_least=3, at_most=3),
    "jsonb_exists": two("hf_json_has({a}, {b})", BOOLEAN),
}
