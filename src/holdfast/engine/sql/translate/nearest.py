"""ORDER BY distance LIMIT k of one table: the nearest rows are found before the statement runs.

Found are the k nearest and those as near as the last of them, so that the statement may order equal ones as it likes.
Rows without a vector are not among them: where there are too few others, the statement is run without the search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast.core.types import Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.nodes import Node, contains
from holdfast.engine.sql.translate.calls import is_aggregate
from holdfast.engine.sql.translate.scope import Scope, Search, Shown, table_source
from holdfast.engine.sql.translate.searches import is_search
from holdfast.engine.sql.translate.typed import Place

if TYPE_CHECKING:
    from holdfast.engine.sql.translate.queries import Queries

METRICS = ("<->", "<=>", "<#>")
FOUND = quoted("hf:found")


class Nearest(msgspec.Struct, frozen=True):
    """A query over the rows that were found: what is left of it to translate, and what joins and orders it."""

    select: nodes.Select
    join: str
    score: str
    order: tuple[nodes.OrderItem, ...]


class _Distance(msgspec.Struct, frozen=True):
    column: nodes.Name
    operator: str
    value: Node


def nearest(queries: Queries, select: nodes.Select, query: nodes.Query, scope: Scope) -> Nearest | None:
    """Return the query over the nearest rows, or None if it is no such query."""
    context = scope.context
    if not context.searches_nearest or not _is_simple(select, query) or _has_neighbours(scope):
        return None
    first, *others = query.order
    distance = _ordered_by(first, select)
    table = select.source
    if distance is None or not isinstance(table, nodes.TableName) or scope.common_table(table.name) is not None:
        return None
    found = context.find(table.name)
    column = found.table.position(distance.column.name) if found is not None else None
    if found is None or column is None or found.table.columns[column].type.kind is not Kind.VECTOR:
        return None
    where, has_vectors = _without_null_check(select.where, distance.column)
    if where is not None and contains(where, lambda part: isinstance(part, (nodes.Subquery, nodes.Exists))):
        return None  # a query in it may read what only stands around
    shown = context.show(table.name, versioned=True)
    assert shown is not None
    alias = table.alias or table.name
    number = context.another_parameter()
    search = Search(
        shown,
        distance.column.name,
        distance.operator,
        distance.value,
        limit=query.limit,
        offset=query.offset,
        among=_among(queries, where, shown, alias, scope),
        whole=not has_vectors,
        number=number,
    )
    context.searches.append(search)
    if isinstance(distance.value, nodes.Parameter):
        context.places[distance.value.number - 1] = Place(found.table.columns[column].type, _where(found, column))
    join = (
        f" JOIN temp.hf_found AS {FOUND} ON {FOUND}.search = ?{number} AND {FOUND}.vid = {quoted(alias)}.{quoted(VID)}"
    )
    return Nearest(msgspec.structs.replace(select, where=None), join, f"{FOUND}.score", tuple(others))


def _where(shown: Shown, column: int) -> str:
    return f"{shown.table.name}.{shown.table.columns[column].name}"


def _is_simple(select: nodes.Select, query: nodes.Query) -> bool:
    """Tell whether a query gives a row for each row of one table, in an order, up to a limit that is known before."""
    if not query.order or not isinstance(query.limit, (nodes.Number, nodes.Parameter)):
        return False
    if query.offset is not None and not isinstance(query.offset, (nodes.Number, nodes.Parameter)):
        return False
    if select.group or select.having or select.windows or select.distinct or select.distinct_on:
        return False
    parts = [*(item.expression for item in select.items), *([select.where] if select.where is not None else [])]
    return not any(contains(part, _counts_rows) for part in parts)


def _counts_rows(node: Node) -> bool:
    return is_aggregate(node) or is_search(node) or (isinstance(node, nodes.Call) and node.over is not None)


def _has_neighbours(scope: Scope) -> bool:
    """Tell whether the query stands where it could name columns of tables around it."""
    outer = scope.parent
    while outer is not None:
        if outer.sources:
            return True
        outer = outer.parent
    return False


def _ordered_by(item: nodes.OrderItem, select: nodes.Select) -> _Distance | None:
    """Return the distance that is ordered by: `a <-> b`, its name in the list, or `1 - (a <=> b)` from above."""
    node = item.expression
    if item.nulls_first is not None:
        return None
    if isinstance(node, nodes.Name) and node.table is None:
        node = next((listed.expression for listed in select.items if listed.alias == node.name), node)
    similarity = isinstance(node, nodes.Binary) and node.operator == "-" and node.left == nodes.Number("1")
    if similarity and isinstance(node, nodes.Binary):
        return _distance(node.right) if item.descending else None
    return None if item.descending else _distance(node)


def _distance(node: Node) -> _Distance | None:
    """Return the distance between a column and a string or a parameter."""
    if not isinstance(node, nodes.Binary) or node.operator not in METRICS:
        return None
    for column, other in ((node.left, node.right), (node.right, node.left)):
        value = other.operand if isinstance(other, nodes.Cast) and other.type.name == "vector" else other
        if isinstance(column, nodes.Name) and isinstance(value, (nodes.Parameter, nodes.Text)):
            return _Distance(column, node.operator, value)
    return None


def _without_null_check(where: Node | None, column: nodes.Name) -> tuple[Node | None, bool]:
    """Return a condition without `column IS NOT NULL`, which all that is found meets; and whether that was there."""
    if where is None:
        return None, False
    if isinstance(where, nodes.Is) and where.what == "null" and where.negated and where.operand == column:
        return None, True
    if isinstance(where, nodes.Binary) and where.operator == "and":
        left, in_left = _without_null_check(where.left, column)
        right, in_right = _without_null_check(where.right, column)
        if left is None or right is None:
            return (right if left is None else left), in_left or in_right
        return nodes.Binary("and", left, right), in_left or in_right
    return where, False


def _among(queries: Queries, where: Node | None, shown: Shown, alias: str, scope: Scope) -> str | None:
    if where is None:
        return None
    inner = scope.inner()
    inner.sources.append(table_source(shown, alias))
    condition = queries.expressions.condition(where, inner)
    name = quoted(alias)
    return f"SELECT {name}.{quoted(VID)} FROM {quoted(shown.alias)} AS {name} WHERE {condition}"
