"""Functions over many rows."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.functions.json import as_json
from holdfast.engine.sql.translate.functions.templates import Arguments
from holdfast.engine.sql.translate.operators import as_text
from holdfast.engine.sql.translate.typed import (
    BOOLEAN,
    INTEGER,
    INTERVAL,
    JSON,
    MOMENTS,
    NUMERIC,
    REAL,
    TEXT,
    Typed,
    compared,
    plain,
    refuse_order_of_json,
    written,
)
from holdfast.errors import Unsupported

_NUMBERS = ("count", "sum", "avg", "min", "max", "total", "median", "percentile_cont", "percentile_disc")
_SPREADS = ("stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop")
_LISTS = ("group_concat", "string_agg", "array_agg", "json_agg", "jsonb_agg", "json_group_array")
_OBJECTS = ("json_object_agg", "jsonb_object_agg", "json_group_object")
_TRUTHS = ("bool_and", "bool_or", "every")

_AGGREGATES = frozenset((*_NUMBERS, *_SPREADS, *_LISTS, *_OBJECTS, *_TRUTHS))
"""Functions over many rows, where they have one argument (min, max) or any."""

_EMPTY = {
    **dict.fromkeys(("json_agg", "jsonb_agg", "array_agg"), "[]"),
    **dict.fromkeys(("json_object_agg", "jsonb_object_agg"), "{}"),
}


class Aggregate(msgspec.Struct, frozen=True):
    """A function of SQLite, or of ours, with its arguments and the type of its value.

    `empty` is what it gives for no rows where PostgreSQL gives NULL.
    """

    function: str
    parts: list[str]
    type: ColumnType | None
    empty: str | None = None


def is_aggregate(node: nodes.Node) -> bool:
    """Tell whether a call is over many rows: min and max of several arguments are not."""
    if not isinstance(node, nodes.Call) or node.name.lower() not in _AGGREGATES:
        return False
    return node.name.lower() not in ("min", "max") or len(node.arguments) == 1


def aggregate(name: str, arguments: Arguments) -> Aggregate:
    """Return what an aggregate is for SQLite.

    Raises:
        Unsupported: it does not exist for values of this type.
    """
    found = _TRANSLATIONS.get(name, _same_name)(name, arguments)
    return msgspec.structs.replace(found, empty=_EMPTY.get(name))


def _same_name(name: str, arguments: Arguments) -> Aggregate:
    types = {"count": INTEGER, "total": REAL, "group_concat": TEXT, "json_group_array": JSON, "json_group_object": JSON}
    return Aggregate(name, [part.sql for part in arguments], types.get(name))


def _sum(name: str, arguments: Arguments) -> Aggregate:
    (part, *_) = arguments
    _refuse_moments(name, part)
    if part.kind is Kind.NUMERIC:
        return Aggregate(f"hf_{name}", [part.sql], NUMERIC)
    if part.kind is Kind.INTERVAL:
        return Aggregate("sum" if name == "sum" else "hf_mean", [part.sql], INTERVAL)
    return Aggregate(name, [part.sql], plain(part.type) if name == "sum" else REAL)


def _refuse_moments(name: str, part: Typed) -> None:
    refuse_order_of_json(part)
    if part.kind in MOMENTS or part.kind is Kind.VECTOR:
        raise Unsupported(
            f"{name}({written(part.node)}) of {part.type} is not supported; use min() or max(), or compute it in Python"
        )


def _extreme(name: str, arguments: Arguments) -> Aggregate:
    (part,) = arguments
    refuse_order_of_json(part)
    return Aggregate(name, [compared(part)], part.type)


def _string_agg(_name: str, arguments: Arguments) -> Aggregate:
    return Aggregate("string_agg", [as_text(arguments[0]), *(part.sql for part in arguments[1:])], TEXT)


def _json_agg(_name: str, arguments: Arguments) -> Aggregate:
    return Aggregate("json_group_array", [as_json(arguments[0])], JSON)


def _percentile(name: str, arguments: Arguments) -> Aggregate:
    fraction, value = arguments
    if value.kind is Kind.NUMERIC:  # text, which has another order
        return Aggregate(f"hf_{name}", [f"hf_number({value.sql}, 'REAL')", fraction.sql], REAL)
    return Aggregate(f"hf_{name}", [value.sql, fraction.sql], REAL if name == "percentile_cont" else plain(value.type))


def _json_object_agg(_name: str, arguments: Arguments) -> Aggregate:
    return Aggregate("json_group_object", [arguments[0].sql, as_json(arguments[1])], JSON)


def _boolean_agg(name: str, arguments: Arguments) -> Aggregate:
    return Aggregate("max" if name == "bool_or" else "min", [arguments[0].sql], BOOLEAN)


def _spread(name: str, arguments: Arguments) -> Aggregate:
    function = {"stddev": "stddev_samp", "variance": "var_samp"}.get(name, name)
    return Aggregate(f"hf_{function}", [arguments[0].sql], REAL)


_TRANSLATIONS: dict[str, Callable[[str, Arguments], Aggregate]] = {
    "sum": _sum,
    "avg": _sum,
    "min": _extreme,
    "max": _extreme,
    "string_agg": _string_agg,
    **dict.fromkeys(("json_agg", "jsonb_agg"), _json_agg),
    "array_agg": _json_agg,
    **dict.fromkeys(("percentile_cont", "percentile_disc"), _percentile),
    **dict.fromkeys(("json_object_agg", "jsonb_object_agg"), _json_object_agg),
    **dict.fromkeys(_TRUTHS, _boolean_agg),
    **dict.fromkeys(_SPREADS, _spread),
}
