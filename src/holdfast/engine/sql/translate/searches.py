"""Full-text search: a condition over the rows that a search has found before the statement runs."""

from __future__ import annotations

from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.scope import Scope, Search, Shown, Source
from holdfast.engine.sql.translate.typed import BOOLEAN, REAL, Place, Typed, written
from holdfast.errors import Unsupported

_SYNTAXES = {
    "plainto_tsquery": "plain",
    "websearch_to_tsquery": "websearch",
    "phraseto_tsquery": "phrase",
    "to_tsquery": "query",
}
RANKS = ("ts_rank", "ts_rank_cd", "bm25")


def is_search(node: Node) -> bool:
    """Tell whether an expression is a part of a full-text search, for which its table shows its versions."""
    return (isinstance(node, nodes.Binary) and node.operator == "@@") or (
        isinstance(node, nodes.Call) and node.name in RANKS
    )


def search_condition(node: nodes.Binary, scope: Scope) -> Typed:
    """Translate `to_tsvector(column) @@ query` and `column @@ 'words'`."""
    source, number = _search(node.left, node.right, scope)
    found = f"(SELECT vid FROM temp.hf_found WHERE search = ?{number})"
    return Typed(f"({quoted(source.name)}.{quoted(VID)} IN {found})", BOOLEAN, node, not_null=True)


def search_rank(call: nodes.Call, scope: Scope) -> Typed:
    """Translate `ts_rank(to_tsvector(column), query)` and `bm25(column, 'words')`: BM25, larger is better."""
    if len(call.arguments) < 2:
        raise Unsupported(f"{call.name}() takes a column and what is searched for: {call.name}(column, 'words')")
    source, number = _search(call.arguments[0], call.arguments[1], scope)
    vid = f"{quoted(source.name)}.{quoted(VID)}"
    sql = f"coalesce((SELECT score FROM temp.hf_found WHERE search = ?{number} AND vid = {vid}), 0.0)"
    return Typed(sql, REAL, call, not_null=True)


def _search(vector: Node, query: Node, scope: Scope) -> tuple[Source, int]:
    source, column = _column(vector, scope)
    syntax, words = _query(query)
    assert source.table is not None
    context = scope.context
    shown = Shown(source.view, source.table, None, versioned=True)
    for known in context.searches:
        if (known.shown.alias, known.column, known.query, known.syntax) == (source.view, column, words, syntax):
            return source, known.number
    context.places.append(Place())
    number = len(context.places)
    context.searches.append(Search(shown, column, "@@", words, syntax, None, None, number))
    return source, number


def _column(node: Node, scope: Scope) -> tuple[Source, str]:
    """Return the column that is searched, and its table."""
    if isinstance(node, nodes.Call) and node.name == "to_tsvector" and node.arguments:
        node = node.arguments[-1]
    if isinstance(node, nodes.Call) and node.name == "coalesce" and node.arguments:
        node = node.arguments[0]
    if not isinstance(node, nodes.Name):
        raise Unsupported(f"the search of {written(node)} is not supported: search one column, to_tsvector(column) @@ …")
    inner: Scope | None = scope
    while inner is not None:
        for source in inner.sources:
            named = node.table is None or source.name.lower() == node.table.lower()
            if named and source.table is not None and (found := source.find(node.name)) is not None:
                return source, found.name
        inner = inner.parent
    raise Unsupported(f"{written(node)} is no column of a table, and cannot be searched")


def _query(node: Node) -> tuple[str, Node]:
    syntax = "plain"
    if isinstance(node, nodes.Call) and node.name in _SYNTAXES and node.arguments:
        syntax, node = _SYNTAXES[node.name], node.arguments[-1]
    if not isinstance(node, (nodes.Text, nodes.Parameter)):
        raise Unsupported(f"what is searched for is a string or a parameter, not {written(node)}")
    return syntax, node
