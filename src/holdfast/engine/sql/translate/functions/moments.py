"""Functions of moments and lengths of time."""

from __future__ import annotations

from holdfast.core.types import Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.functions.templates import Arguments, Translation, template
from holdfast.engine.sql.translate.typed import (
    DATE,
    INTEGER,
    MOMENTS,
    REAL,
    TEXT,
    TIMESTAMP,
    Place,
    Typed,
    adapt,
    sql_list,
    written,
)
from holdfast.errors import Unsupported


def _part(arguments: Arguments, places: list[Place]) -> Typed:
    """date_part(field, moment or interval): a float."""
    field, value = arguments
    if value.is_open:
        value = adapt(value, TIMESTAMP, places, "EXTRACT")
    if value.kind not in (Kind.TIMESTAMP, Kind.DATE, Kind.INTERVAL):
        raise Unsupported(f"EXTRACT from {written(value.node)}: it is no moment; use CAST(... AS TIMESTAMP)")
    name = "hf_length_part" if value.kind is Kind.INTERVAL else "hf_moment_part"
    return Typed(f"({name}({field.sql}, {value.sql}) * 1.0)", REAL)


def _extracted(arguments: Arguments, places: list[Place]) -> Typed:
    """EXTRACT: the same, and a whole number where the field is one."""
    field = arguments[0].node
    found = _part(arguments, places)
    whole = isinstance(field, nodes.Text) and field.value not in ("epoch", "second", "seconds", "milliseconds")
    return Typed(f"CAST({found.sql} AS INTEGER)", INTEGER) if whole else found


def _truncated(arguments: Arguments, places: list[Place]) -> Typed:
    field, value, *_ = arguments
    value = adapt(value, TIMESTAMP, places, "date_trunc")
    if value.kind is not Kind.TIMESTAMP:
        raise Unsupported(f"date_trunc of {written(value.node)}: it is no moment; use CAST(... AS TIMESTAMP)")
    return Typed(f"hf_moment_start({field.sql}, {value.sql})", TIMESTAMP)


def _to_char(arguments: Arguments, _places: list[Place]) -> Typed:
    value, pattern = arguments
    if value.kind not in MOMENTS:
        raise Unsupported(
            f"to_char({written(value.node)}, ...) is only supported for moments; format numbers in Python"
        )
    return Typed(f"hf_moment_shown({value.sql}, {pattern.sql})", TEXT)


def _to_timestamp(arguments: Arguments, _places: list[Place]) -> Typed:
    if len(arguments) != 1:
        raise Unsupported("to_timestamp(text, pattern) is not supported: use CAST(... AS TIMESTAMP)")
    return Typed(f"hf_moment_of({arguments[0].sql})", TIMESTAMP)


def _date(arguments: Arguments, places: list[Place]) -> Typed:
    if len(arguments) == 1 and (arguments[0].kind in MOMENTS or arguments[0].is_open):
        return Typed(f"substr({adapt(arguments[0], TIMESTAMP, places, 'date()').sql}, 1, 10)", DATE)
    return Typed(f"date({sql_list(arguments)})", None)


_NOW = ("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "current_timestamp")

MOMENT_FUNCTIONS: dict[str, Translation] = {
    **dict.fromkeys(_NOW, template("now()", TIMESTAMP, at_most=0)),
    "localtimestamp": template("now()", TIMESTAMP, at_most=0),
    "current_date": template("substr(now(), 1, 10)", DATE, at_most=0),
    "date_part": _part,
    "extract": _extracted,
    "date_trunc": _truncated,
    "to_char": _to_char,
    "to_timestamp": _to_timestamp,
    "date": _date,
    "make_date": template("printf('%04d-%02d-%02d', {all})", DATE, at_least=3, at_most=3),
}
