"""Calls of functions, and which are refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from holdfast.core.intervals import length_of
from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import children, contains
from holdfast.engine.sql.translate.functions import FUNCTIONS
from holdfast.engine.sql.translate.functions.aggregates import aggregate, is_aggregate
from holdfast.engine.sql.translate.functions.templates import Arguments
from holdfast.engine.sql.translate.scope import Scope
from holdfast.engine.sql.translate.searches import RANKS, search_rank
from holdfast.engine.sql.translate.typed import INTEGER, INTERVAL, JSON, REAL, TEXT, Place, Typed, plain, sql_list
from holdfast.errors import SqlError, Unsupported

if TYPE_CHECKING:
    from holdfast.engine.sql.translate.expressions import Expressions

__all__ = ["children", "contains", "is_aggregate", "translate_call"]

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
        SqlError: it does not take so many arguments.
    """
    name = node.name.lower()
    _refuse(name, node)
    if node.over is not None or is_aggregate(node):
        _refuse_without_rows(node, scope)
    if name in RANKS:
        return search_rank(node, scope)
    if node.named:
        return _with_names(translator, name, node, scope)
    arguments = translator.all(node.arguments, scope)
    try:
        if is_aggregate(node):
            return _over_rows(translator, name, node, arguments, scope)
        found = _scalar(name, arguments, scope.context.places)
    except (IndexError, ValueError) as error:
        raise SqlError(f"{name}() does not take {len(arguments)} arguments") from error
    if node.where is None and node.over is None and not node.distinct and not node.order:
        return msgspec.structs.replace(found, node=node)
    return Typed(_call(translator, node, name, [part.sql for part in arguments], scope), found.type, node)


def _refuse(name: str, node: nodes.Call) -> None:
    if _OURS.fullmatch(name):
        raise Unsupported(f"{node.name!r} is Holdfast's own and cannot be used in statements; use the store's methods")
    if name in _REFUSED:
        raise Unsupported(f"{name}() is not supported: {_REFUSED[name]}")
    if name in _CLOCKS and (not node.arguments or nodes.Text("now") in node.arguments):
        raise Unsupported(f"{name}() of this moment asks the machine's clock: use NOW()")


def _over_rows(translator: Expressions, name: str, node: nodes.Call, arguments: Arguments, scope: Scope) -> Typed:
    if node.star:
        return Typed(f"count(*){_suffix(translator, node, scope)}", INTEGER, node, not_null=True)
    if not arguments:
        raise SqlError(f"{name}() takes a value")
    found = aggregate(name, arguments)
    sql = _call(translator, node, found.function, found.parts, scope)
    return Typed(
        sql if found.empty is None else f"nullif({sql}, '{found.empty}')", found.type, node, not_null=name == "count"
    )


def _call(translator: Expressions, node: nodes.Call, function: str, parts: list[str], scope: Scope) -> str:
    """Return a call with all that may stand in and behind it."""
    suffix = _suffix(translator, node, scope)
    order = f" ORDER BY {translator.order(node.order, scope)}" if node.order else ""
    if node.distinct and len(parts) > 1 and is_aggregate(node):  # SQLite takes one value there
        where = suffix or f" FILTER (WHERE {parts[0]} IS NOT NULL)"
        return f"hf_list_joined(json_group_array(DISTINCT {parts[0]}{order}){where}, {parts[1]})"
    return f"{function}({'DISTINCT ' * node.distinct}{', '.join(parts)}{order}){suffix}"


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


def _scalar(name: str, arguments: Arguments, places: list[Place]) -> Typed:
    translation = FUNCTIONS.get(name)
    if translation is not None:
        return translation(arguments, places)
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
"""What functions of SQLite give."""


def _with_names(translator: Expressions, name: str, node: nodes.Call, scope: Scope) -> Typed:
    if name != "make_interval":
        raise Unsupported(f"{name}(name => value) is not supported: only make_interval() takes names")
    parts: list[str] = []
    for unit, value in node.named:
        word = {"mins": "minutes", "secs": "seconds"}.get(unit, unit)
        months, us = length_of(word, Decimal(1))
        if months:
            raise Unsupported("a month has no fixed length: write INTERVAL '1 month' beside a moment, or count in days")
        parts.append(f"{translator.translate(value, scope).sql} * {us}")
    return Typed(f"CAST(round({' + '.join(parts) or '0'}) AS INTEGER)", INTERVAL, node)
