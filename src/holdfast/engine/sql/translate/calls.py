"""Functions. What is not in these tables is SQLite's own, by its own name, or unknown there and refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from holdfast.core.intervals import length_of
from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.operators import as_text, compare
from holdfast.engine.sql.translate.scope import Scope
from holdfast.engine.sql.translate.searches import RANKS, search_rank
from holdfast.engine.sql.translate.typed import (
    BLOB,
    BOOLEAN,
    DATE,
    INTEGER,
    INTERVAL,
    JSON,
    MOMENTS,
    NUMERIC,
    REAL,
    TEXT,
    TIMESTAMP,
    VECTOR,
    Place,
    Typed,
    adapt,
    common_type,
    compared,
    plain,
    refuse_order_of_json,
    sql_list,
    united,
    written,
)
from holdfast.errors import SqlError, Unsupported

if TYPE_CHECKING:
    from holdfast.engine.sql.translate.expressions import Expressions

Arguments = list[Typed]
Translation = Callable[[Arguments, list[Place]], Typed]

AGGREGATES = frozenset(
    ("count", "sum", "avg", "min", "max", "total", "group_concat", "string_agg", "array_agg", "json_agg", "jsonb_agg")
    + ("json_object_agg", "jsonb_object_agg", "bool_and", "bool_or", "every", "json_group_array", "json_group_object")
    + ("percentile_cont", "percentile_disc")
    + ("stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "median")
)
"""Functions over many rows, where they have one argument (min, max) or any."""

_OURS = re.compile(r"hf_\w*|sqlite_\w+|last_insert_rowid|(?:total_)?changes|load_extension|fts5\w*|readfile|writefile")
_CLOCKS = ("date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff")
_REFUSED = {
    "age": "use a - b",
    "row_to_json": "use jsonb_build_object('name', value, ...)",
    "regexp_matches": "use ~ or regexp_replace()",
    "regexp_split_to_array": "split in Python",
    "string_to_array": "split in Python, or use split_part()",
    "array_length": "arrays are JSONB here: use jsonb_array_length()",
    "array_append": "arrays are JSONB here: use ||",
    "unnest": "it is only supported in FROM",
    "generate_series": "it is only supported in FROM",
    "jsonb_array_elements": "it is only supported in FROM",
    "jsonb_array_elements_text": "it is only supported in FROM",
    "jsonb_object_keys": "it is only supported in FROM",
    "jsonb_each": "it is only supported in FROM",
    "jsonb_insert": "use jsonb_set(), or || for the end of a list",
    "jsonb_to_record": "use ->> for each part",
    "array_position": "order by a CASE, or in Python",
    "array_to_string": "use string_agg() over unnest()",
    "setval": "sequences are not supported",
    "nextval": "sequences are not supported",
    "currval": "sequences are not supported",
    "pg_advisory_lock": "use db.transaction()",
    "pg_advisory_xact_lock": "use db.transaction()",
    "pg_sleep": "nothing is waited for in a statement",
    "mode": "use GROUP BY and ORDER BY count(*)",
    "to_tsvector": "it is only supported in a search, to_tsvector(column) @@ plainto_tsquery('words')",
    "xmlelement": "XML is not supported",
}


def translate_call(translator: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    """Return a call in SQLite's words.

    Raises:
        Unsupported: the function is the engine's own, or cannot be said faithfully.
    """
    name = node.name.lower()
    if _OURS.fullmatch(name):
        raise Unsupported(f"{node.name!r} is Holdfast's own and cannot be used in statements; use the store's methods")
    if name in _REFUSED:
        raise Unsupported(f"{name}() is not supported: {_REFUSED[name]}")
    if name in _CLOCKS and (not node.arguments or nodes.Text("now") in node.arguments):
        raise Unsupported(f"{name}() of this moment asks the machine's clock: use NOW()")
    if node.over is not None or is_aggregate(node):
        _refuse_without_rows(node, scope)
    if name in RANKS:
        return search_rank(node, scope)
    if node.named:
        return _with_names(translator, name, node, scope)
    arguments = translator.all(node.arguments, scope)
    if is_aggregate(node):
        return _aggregate(translator, node, arguments, scope)
    found = _scalar(name, arguments, scope.context.places)
    if node.where is None and node.over is None and not node.distinct and not node.order:
        return msgspec.structs.replace(found, node=node)
    suffix = _suffix(translator, node, scope)
    distinct = "DISTINCT " * node.distinct
    order = f" ORDER BY {translator.order(node.order, scope)}" if node.order else ""
    return Typed(f"{name}({distinct}{sql_list(arguments)}{order}){suffix}", found.type, node)


def is_aggregate(node: nodes.Node) -> bool:
    """Tell whether a call is over many rows: min and max of several arguments are not."""
    if not isinstance(node, nodes.Call) or node.name.lower() not in AGGREGATES:
        return False
    return node.name.lower() not in ("min", "max") or len(node.arguments) == 1


def _refuse_without_rows(node: nodes.Call, scope: Scope) -> None:
    """Raise SqlError for an aggregate or a window over the rows that a statement writes.

    In SQLite one would make a single row of all that an UPDATE changes; and inside a subquery, too, if all its columns
    are those of the statement around it.
    """
    rows = scope
    if node.over is None:
        parts = list(node.arguments)
        for part in parts:  # grows
            parts += children(part)
        rows = scope.rows_of(part for part in parts if isinstance(part, nodes.Name))
    if rows.write:
        raise SqlError(
            f"{node.name.lower()}() in {rows.write}: it goes over the rows of a SELECT; write"
            f" (SELECT {node.name.lower()}(...) FROM ...)"
        )


def _suffix(translator: Expressions, node: nodes.Call, scope: Scope) -> str:
    where = f" FILTER (WHERE {translator.condition(node.where, scope)})" if node.where is not None else ""
    over = f" OVER {translator.over(node.over, scope)}" if node.over is not None else ""
    return f"{where}{over}"


# Aggregates


def _aggregate(translator: Expressions, node: nodes.Call, arguments: Arguments, scope: Scope) -> Typed:
    name = node.name.lower()
    suffix = _suffix(translator, node, scope)
    if node.star:
        return Typed(f"count(*){suffix}", INTEGER, node, not_null=True)
    if not arguments:
        raise SqlError(f"{name}() takes a value")
    function, parts, type_ = _AGGREGATE.get(name, _same_name)(name, arguments)
    distinct = "DISTINCT " * node.distinct
    order = f" ORDER BY {translator.order(node.order, scope)}" if node.order else ""
    sql = f"{function}({distinct}{', '.join(parts)}{order}){suffix}"
    if node.distinct and len(parts) > 1:  # SQLite takes one value there
        where = suffix or f" FILTER (WHERE {parts[0]} IS NOT NULL)"
        sql = f"hf_list_joined(json_group_array(DISTINCT {parts[0]}{order}){where}, {parts[1]})"
    empty = _EMPTY.get(name)
    return Typed(f"nullif({sql}, '{empty}')" if empty else sql, type_, node, not_null=name == "count")


_EMPTY = {
    **dict.fromkeys(("json_agg", "jsonb_agg", "array_agg"), "[]"),
    **dict.fromkeys(("json_object_agg", "jsonb_object_agg"), "{}"),
}
"""What SQLite gives for no rows, where PostgreSQL gives NULL."""


Aggregate = tuple[str, list[str], ColumnType | None]


def _same_name(name: str, arguments: Arguments) -> Aggregate:
    types = {"count": INTEGER, "total": REAL, "group_concat": TEXT, "json_group_array": JSON, "json_group_object": JSON}
    return name, [part.sql for part in arguments], types.get(name)


def _sum(name: str, arguments: Arguments) -> Aggregate:
    (part, *_) = arguments
    _refuse_moments(name, part)
    if part.kind is Kind.NUMERIC:
        return f"hf_{name}", [part.sql], NUMERIC
    if part.kind is Kind.INTERVAL:
        return ("sum" if name == "sum" else "hf_mean"), [part.sql], INTERVAL
    return name, [part.sql], (plain(part.type) if name == "sum" else REAL)


def _refuse_moments(name: str, part: Typed) -> None:
    refuse_order_of_json(part)
    if part.kind in MOMENTS or part.kind is Kind.VECTOR:
        raise Unsupported(f"{name}({written(part.node)}) of {part.type} is not supported; use min() or max(), or compute it in Python")


def _extreme(name: str, arguments: Arguments) -> Aggregate:
    (part,) = arguments
    refuse_order_of_json(part)
    return name, [compared(part)], part.type


def _string_agg(_name: str, arguments: Arguments) -> Aggregate:
    return "string_agg", [as_text(arguments[0]), *(part.sql for part in arguments[1:])], TEXT


def _json_agg(_name: str, arguments: Arguments) -> Aggregate:
    return "json_group_array", [as_json(arguments[0])], JSON


def _percentile(name: str, arguments: Arguments) -> Aggregate:
    fraction, value = arguments
    return f"hf_{name}", [value.sql, fraction.sql], REAL if name == "percentile_cont" else plain(value.type)


def _json_object_agg(_name: str, arguments: Arguments) -> Aggregate:
    return "json_group_object", [arguments[0].sql, as_json(arguments[1])], JSON


def _boolean_agg(name: str, arguments: Arguments) -> Aggregate:
    return ("max" if name == "bool_or" else "min"), [arguments[0].sql], BOOLEAN


def _spread(name: str, arguments: Arguments) -> Aggregate:
    return f"hf_{ {'stddev': 'stddev_samp', 'variance': 'var_samp'}.get(name, name) }", [arguments[0].sql], REAL


_AGGREGATE: dict[str, Callable[[str, Arguments], Aggregate]] = {
    "sum": _sum,
    "avg": _sum,
    "min": _extreme,
    "max": _extreme,
    "string_agg": _string_agg,
    **dict.fromkeys(("json_agg", "jsonb_agg"), _json_agg),
    "array_agg": _json_agg,
    **dict.fromkeys(("percentile_cont", "percentile_disc"), _percentile),
    **dict.fromkeys(("json_object_agg", "jsonb_object_agg"), _json_object_agg),
    **dict.fromkeys(("bool_and", "bool_or", "every"), _boolean_agg),
    **dict.fromkeys(("stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"), _spread),
}


# Functions of one row


def _scalar(name: str, arguments: Arguments, places: list[Place]) -> Typed:
    translation = _FUNCTIONS.get(name)
    if translation is not None:
        try:
            return translation(arguments, places)
        except (IndexError, ValueError) as error:
            raise SqlError(f"{name}() does not take {len(arguments)} arguments") from error
    picked = plain(arguments[0].type) if name in _PICKING and arguments else None
    return Typed(f"{name}({sql_list(arguments)})", _TYPES.get(name, picked))


_PICKING = ("first_value", "last_value", "nth_value", "lag", "lead", "min", "max")
_TYPES = {
    **dict.fromkeys(("row_number", "rank", "dense_rank", "ntile", "length", "instr", "unicode"), INTEGER),
    **dict.fromkeys(("json_array_length", "octet_length"), INTEGER),
    **dict.fromkeys(("percent_rank", "cume_dist", "julianday", "sqrt", "exp", "ln", "log", "log10", "sin"), REAL),
    **dict.fromkeys(("cos", "tan", "asin", "acos", "atan", "atan2", "radians", "degrees", "pi"), REAL),
    **dict.fromkeys(("lower", "upper", "replace", "hex", "typeof", "quote", "strftime", "printf"), TEXT),
    **dict.fromkeys(("json", "json_set", "json_insert", "json_replace", "json_remove", "json_patch"), JSON),
    **dict.fromkeys(("json_array", "json_object"), JSON),
}


def _to(template: str, type_: ColumnType | None, *, at_least: int = 0, at_most: int = 99) -> Translation:
    """Return a translation that puts the arguments into a template: {a}, {b}, {c}, or {all}."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        if not at_least <= len(arguments) <= at_most:
            raise ValueError
        named = dict(zip("abcd", (part.sql for part in arguments), strict=False))
        not_null = bool(arguments) and all(part.not_null for part in arguments)
        return Typed(template.format(all=sql_list(arguments), **named), type_, not_null=not_null)

    return translation


def _one(template: str, type_: ColumnType | None) -> Translation:
    return _to(template, type_, at_least=1, at_most=1)


def _two(template: str, type_: ColumnType | None) -> Translation:
    return _to(template, type_, at_least=2, at_most=2)


def _texts(name: str, type_: ColumnType | None = TEXT) -> Translation:
    """Return a translation to a function of ours that takes texts, so that other values are shown as such."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        return Typed(f"{name}({', '.join(map(as_text, arguments))})", type_)

    return translation


def _joined(name: str) -> Translation:
    """The same of a function that shows a truth by its first letter, as PostgreSQL's concat() does."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        parts = [f"iif({p.sql}, 't', 'f')" if p.kind is Kind.BOOLEAN else as_text(p) for p in arguments]
        return Typed(f"{name}({', '.join(parts)})", TEXT)

    return translation


def _picked(template: str) -> Translation:
    """Return a translation whose arguments and value have one type."""

    def translation(arguments: Arguments, places: list[Place]) -> Typed:
        to = common_type(arguments)
        adapted = [united(part, to, places, written(arguments[0].node)) for part in arguments]
        if not adapted:
            raise ValueError
        kind = f"'{to.kind.value}'" if to is not None else "NULL"
        not_null = any(part.not_null for part in adapted)
        return Typed(template.format(all=sql_list(adapted), kind=kind), to, not_null=not_null)

    return translation


def _nullif(arguments: Arguments, places: list[Place]) -> Typed:
    first, second = arguments
    return Typed(f"iif({compare('=', first, second, places).sql}, NULL, {first.sql})", plain(first.type))


def _number(name: str) -> Translation:
    """Return a translation of a function that gives a number of its argument's type; of decimals, a decimal."""

    def translation(arguments: Arguments, _places: list[Place]) -> Typed:
        if not 1 <= len(arguments) <= 2:
            raise ValueError
        first = arguments[0]
        if first.kind is Kind.NUMERIC:
            return Typed(f"hf_numeric_{name}({sql_list(arguments)})", NUMERIC)
        if first.kind is Kind.INTEGER and len(arguments) == 1:
            return Typed(first.sql if name != "abs" else f"abs({first.sql})", INTEGER, not_null=first.not_null)
        if name == "trunc" and len(arguments) > 1:
            return Typed(f"hf_truncated({sql_list(arguments)})", REAL)
        type_ = plain(first.type) if name == "abs" else REAL
        return Typed(f"{name}({sql_list(arguments)})", type_)

    return translation


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
        raise Unsupported(f"to_char({written(value.node)}, ...) is only supported for moments; format numbers in Python")
    return Typed(f"hf_moment_shown({value.sql}, {pattern.sql})", TEXT)


def _to_timestamp(arguments: Arguments, _places: list[Place]) -> Typed:
    if len(arguments) != 1:
        raise Unsupported("to_timestamp(text, pattern) is not supported: use CAST(... AS TIMESTAMP)")
    return Typed(f"hf_moment_of({arguments[0].sql})", TIMESTAMP)


def _date(arguments: Arguments, places: list[Place]) -> Typed:
    if len(arguments) == 1 and (arguments[0].kind in MOMENTS or arguments[0].is_open):
        return Typed(f"substr({adapt(arguments[0], TIMESTAMP, places, 'date()').sql}, 1, 10)", DATE)
    return Typed(f"date({sql_list(arguments)})", None)


def as_json(part: Typed) -> str:
    """Return a value as a part of a JSON value, for a JSON function of SQLite."""
    if part.kind is Kind.JSON:
        return f"json({part.sql})"
    if part.kind is Kind.BOOLEAN:
        return f"json(iif({part.sql}, 'true', iif({part.sql} IS NULL, 'null', 'false')))"
    if part.kind is Kind.NUMERIC:
        return f"json({part.sql})"
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
    keys = sql_list([Typed(f"'{step}'".replace("''", "'")) if not step else _quoted(step) for step in steps])
    return Typed(f"hf_json_set({target.sql}, {as_json_text(value)}, {int(not only_there)}, {keys})", JSON)


def _quoted(text: str) -> Typed:
    return Typed("'" + text.replace("'", "''") + "'")


def as_json_text(part: Typed) -> str:
    """Return a value as JSON text."""
    return part.sql if part.kind is Kind.JSON else _to_json([part], []).sql


def _with_names(translator: Expressions, name: str, node: nodes.Call, scope: Scope) -> Typed:
    if name != "make_interval":
        raise Unsupported(f"{name}(name => value) is not supported: only make_interval() takes names")
    parts: list[str] = []
    for unit, value in node.named:
        word = {"mins": "minutes", "secs": "seconds"}.get(unit, unit)
        months, us = length_of(word, _ONE)
        if months:
            raise Unsupported("a month has no fixed length: write INTERVAL '1 month' beside a moment, or count in days")
        parts.append(f"{translator.translate(value, scope).sql} * {us}")
    return Typed(f"CAST(round({' + '.join(parts) or '0'}) AS INTEGER)", INTERVAL, node)


def _distance(operator: str) -> Translation:
    def translation(arguments: Arguments, places: list[Place]) -> Typed:
        a, b = (adapt(part, VECTOR, places, "a distance") for part in arguments)
        sign = "-" if operator == "-<#>" else ""
        return Typed(f"({sign}hf_distance('{operator.removeprefix('-')}', {a.sql}, {b.sql}))", REAL)

    return translation


_ONE = Decimal(1)
_NOW = ("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "current_timestamp")

_FUNCTIONS: dict[str, Translation] = {
    **dict.fromkeys(_NOW, _to("now()", TIMESTAMP, at_most=0)),
    "localtimestamp": _to("now()", TIMESTAMP, at_most=0),
    "current_date": _to("substr(now(), 1, 10)", DATE, at_most=0),
    "date_part": _part,
    "extract": _extracted,
    "date_trunc": _truncated,
    "to_char": _to_char,
    "to_timestamp": _to_timestamp,
    "date": _date,
    "make_date": _to("printf('%%04d-%%02d-%%02d', {all})".replace("%%", "%"), DATE, at_least=3, at_most=3),
    # choosing
    "coalesce": _picked("coalesce({all})"),
    "ifnull": _picked("coalesce({all})"),
    "greatest": _picked("hf_extreme(1, {kind}, {all})"),
    "least": _picked("hf_extreme(0, {kind}, {all})"),
    "nullif": _nullif,
    "num_nulls": _to("hf_nulls({all})", INTEGER),
    # numbers
    **{name: _number(name) for name in ("abs", "round", "floor", "trunc")},
    **dict.fromkeys(("ceil", "ceiling"), _number("ceil")),
    "sign": _one("(sign({a}) * 1.0)", REAL),
    **dict.fromkeys(("power", "pow"), _two("power({a}, {b})", REAL)),
    "mod": _two("({a} % hf_divisor({b}))", INTEGER),
    "div": _two("({a} / hf_divisor({b}))", INTEGER),
    "random": _to("hf_random()", REAL, at_most=0),
    # text
    **dict.fromkeys(("char_length", "character_length"), _one("length({a})", INTEGER)),
    "octet_length": _one("octet_length({a})", INTEGER),
    "substr": _to("hf_substr({all})", TEXT, at_least=2, at_most=3),
    "left": _two("hf_left({a}, {b})", TEXT),
    "right": _two("hf_right({a}, {b})", TEXT),
    "strpos": _two("instr({a}, {b})", INTEGER),
    "lpad": _texts("hf_lpad"),
    "rpad": _texts("hf_rpad"),
    **dict.fromkeys(("btrim", "trim"), _to("trim({all})", TEXT, at_least=1, at_most=2)),
    "ltrim": _to("ltrim({all})", TEXT, at_least=1, at_most=2),
    "rtrim": _to("rtrim({all})", TEXT, at_least=1, at_most=2),
    "initcap": _one("hf_initcap({a})", TEXT),
    "reverse": _one("hf_reverse({a})", TEXT),
    "repeat": _two("hf_repeat({a}, {b})", TEXT),
    "split_part": _to("hf_split_part({all})", TEXT, at_least=3, at_most=3),
    "translate": _to("hf_translate({all})", TEXT, at_least=3, at_most=3),
    "starts_with": _two("(substr({a}, 1, length({b})) = {b})", BOOLEAN),
    "concat": _joined("hf_concat"),
    "concat_ws": _joined("hf_concat_ws"),
    "format": _joined("hf_format"),
    "encode": _two("hf_encode({a}, {b})", TEXT),
    "decode": _two("hf_decode({a}, {b})", BLOB),
    "ascii": _one("unicode({a})", INTEGER),
    "chr": _one("char({a})", TEXT),
    "md5": _texts("hf_md5"),
    "to_hex": _one("lower(printf('%x', {a}))", TEXT),
    "regexp_replace": _to("hf_regexp_replace({all})", TEXT, at_least=3, at_most=4),
    "regexp_substr": _two("hf_regexp_substr({a}, {b})", TEXT),
    "regexp_count": _two("hf_regexp_count({a}, {b})", INTEGER),
    "regexp_like": _to("hf_regexp({all})", BOOLEAN, at_least=2, at_most=3),
    "quote_literal": _one("quote({a})", TEXT),
    "gen_random_uuid": _to("hf_uuid()", ColumnType(Kind.UUID), at_most=0),
    # JSON
    **dict.fromkeys(("jsonb_build_object", "json_build_object"), _build_object),
    **dict.fromkeys(("jsonb_build_array", "json_build_array"), _build_array),
    **dict.fromkeys(("to_jsonb", "to_json"), _to_json),
    "jsonb_array_length": _one("json_array_length({a})", INTEGER),
    **dict.fromkeys(("jsonb_typeof", "json_typeof"), _one("hf_json_type({a})", TEXT)),
    "jsonb_set": _json_set,
    "jsonb_strip_nulls": _one("hf_json_strip({a})", JSON),
    "jsonb_pretty": _one("hf_json_pretty({a})", TEXT),
    "jsonb_exists": _two("hf_json_has({a}, {b})", BOOLEAN),
    # vectors
    "l2_distance": _distance("<->"),
    "cosine_distance": _distance("<=>"),
    "inner_product": _distance("-<#>"),
    "vector_dims": _one("vector_dims({a})", INTEGER),
    **dict.fromkeys(("vector_norm", "l2_norm"), _one("vector_norm({a})", REAL)),
}


def contains(node: nodes.Node, wanted: Callable[[nodes.Node], bool], *, queries: bool = False) -> bool:
    """Tell whether an expression has a wanted part; inside its subqueries only if `queries`."""
    left = [node]
    while left:
        part = left.pop()
        if wanted(part):
            return True
        left += children(part, queries=queries)
    return False


def children(node: nodes.Node, *, queries: bool = False) -> Sequence[nodes.Node]:
    """Return the parts of a node."""
    found: list[nodes.Node] = []
    for name in node.__struct_fields__:
        _gather(getattr(node, name), found, queries=queries)
    return found


def _gather(value: object, found: list[nodes.Node], *, queries: bool) -> None:
    if isinstance(value, nodes.Node):
        if queries or not isinstance(value, nodes.Query):
            found.append(value)
    elif isinstance(value, tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            _gather(part, found, queries=queries)
