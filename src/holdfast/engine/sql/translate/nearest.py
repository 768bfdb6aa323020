"""ORDER BY distance LIMIT k of one table: the nearest rows are found before the statement runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.scope import Scope

if TYPE_CHECKING:
    from holdfast.engine.sql.translate.queries import Queries

METRICS = ("<->", "<=>", "<#>")


@dataclass(frozen=True, slots=True)
class Nearest:
    """A query over the rows that were found: what is left of it to translate."""

    select: nodes.Select
    query: nodes.Query
    join: str
    order: str


def nearest(queries: Queries, select: nodes.Select, query: nodes.Query, scope: Scope) -> Nearest | None:
    """Return the query over the nearest rows, or None if it is no such query."""
    del queries, select, query, scope
    return None


def distance_of(node: Node) -> tuple[nodes.Name, str, Node] | None:
    """Return (column, operator, query) of a distance between a column and a value."""
    if not isinstance(node, nodes.Binary) or node.operator not in METRICS:
        return None
    for column, other in ((node.left, node.right), (node.right, node.left)):
        value = other.operand if isinstance(other, nodes.Cast) else other
        if isinstance(column, nodes.Name) and isinstance(value, (nodes.Parameter, nodes.Text)):
            return column, node.operator, value
    return None


__all__ = ["METRICS", "Nearest", "distance_of", "nearest", "replace"]
