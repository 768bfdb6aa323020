"""In a grouped query a column that is neither grouped nor aggregated has no one value.

SQLite picks that of any row; PostgreSQL refuses it, unless the primary key of its table is grouped.
"""

from __future__ import annotations

from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node, children, contains
from holdfast.engine.sql.translate.functions.aggregates import is_aggregate
from holdfast.engine.sql.translate.scope import Scope, Source
from holdfast.errors import SqlError


def check_grouping(node: nodes.Select, query: nodes.Query, scope: Scope) -> None:
    """Raise SqlError if the query is grouped and uses a column that is neither grouped nor aggregated."""
    parts: list[Node] = [item.expression for item in node.items]
    if node.having is not None:
        parts.append(node.having)
    aggregated = any(contains(part, _is_plain_aggregate) for part in parts)
    if not node.group and not aggregated and node.having is None:
        return
    outputs = {item.alias.lower(): item.expression for item in node.items if item.alias is not None}
    grouped = [_meant(part, node, outputs, scope) for part in node.group]
    parts += [item.expression for item in query.order if not _is_output(item.expression, outputs)]
    whole = [source for source in scope.sources if _has_key(source, grouped, scope)]
    for part in parts:
        _check(part, grouped, whole, scope)


def _is_plain_aggregate(node: Node) -> bool:
    return is_aggregate(node) and isinstance(node, nodes.Call) and node.over is None


def _is_output(node: Node, outputs: dict[str, Node]) -> bool:
    return isinstance(node, nodes.Number) or (
        isinstance(node, nodes.Name) and node.table is None and node.name.lower() in outputs
    )


def _meant(node: Node, select: nodes.Select, outputs: dict[str, Node], scope: Scope) -> Node:
    if isinstance(node, nodes.Number) and node.is_whole and 1 <= int(node.text, 0) <= len(select.items):
        return select.items[int(node.text, 0) - 1].expression
    if isinstance(node, nodes.Name) and node.table is None and _owner(node, scope) is None:
        return outputs.get(node.name.lower(), node)
    return node


def _owner(node: nodes.Name, scope: Scope) -> Source | None:
    for source in scope.sources:
        named = node.table is None or source.name.lower() == node.table.lower()
        if named and source.find(node.name) is not None:
            return source
    return None


def _same_column(a: Node, b: Node, scope: Scope) -> bool:
    if not isinstance(a, nodes.Name) or not isinstance(b, nodes.Name) or a.name.lower() != b.name.lower():
        return False
    if a.table is None or b.table is None:
        return a.table == b.table or _owner(a, scope) is _owner(b, scope) or _is_merged(a, b, scope)
    return a.table.lower() == b.table.lower()


def _is_merged(a: nodes.Name, b: nodes.Name, scope: Scope) -> bool:
    return any((a.name.lower() in source.merged) or (b.name.lower() in source.merged) for source in scope.sources)


def _has_key(source: Source, grouped: list[Node], scope: Scope) -> bool:
    if source.table is None or not source.table.primary_key:
        return False
    keys = [nodes.Name(name, source.name) for name in source.table.primary_key]
    return all(any(_same_column(key, part, scope) for part in grouped) for key in keys)


def _check(expression: Node, grouped: list[Node], whole: list[Source], scope: Scope) -> None:
    left = [expression]
    while left:
        node = left.pop()
        if _is_plain_aggregate(node) or any(node == part or _same_column(node, part, scope) for part in grouped):
            continue
        if isinstance(node, nodes.Name):
            owner = _owner(node, scope)
            if owner is not None and not any(owner is source for source in whole):
                shown = f"{node.table}.{node.name}" if node.table else node.name
                raise SqlError(
                    f"column {shown!r} must appear in GROUP BY or be used in an aggregate such as max(): its rows have"
                    " different values"
                )
        left += children(node)
