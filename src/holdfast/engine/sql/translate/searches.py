"""Full-text search: a condition over the rows that a search has found before the statement runs."""

from __future__ import annotations

from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.nodes import Node, contains
from holdfast.engine.sql.translate.scope import Scope, Search, Shown, Source
from holdfast.engine.sql.translate.typed import BOOLEAN, REAL, TEXT, Place, Typed, written
from holdfast.errors import Unsupported

SYNTAXES = ("plainto_tsquery", "websearch_to_tsquery", "phraseto_tsquery", "to_tsquery")
"""Functions that say how what is searched for is written."""

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
    condition = f"{quoted(source.name)}.{quoted(VID)} IN {found}"
    unknown = _unknown(node, source, scope)
    if not unknown:
        return Typed(f"({condition})", BOOLEAN, node, not_null=True)
    return Typed(f"iif({' OR '.join(unknown)}, NULL, {condition})", BOOLEAN, node)


def _unknown(node: nodes.Binary, source: Source, scope: Scope) -> list[str]:
    """Return the conditions under which nobody can tell whether words are there: no text, or nothing to look for."""
    _, column, _ = _column(node.left, scope)
    found: list[str] = []
    coalesced = contains(node.left, lambda part: isinstance(part, nodes.Call) and part.name == "coalesce")
    field = source.find(column)
    if not coalesced and field is not None and not field.not_null:
        found.append(f"{quoted(source.name)}.{quoted(column)} IS NULL")
    _, words, _ = _query(node.right, scope)
    if isinstance(words, nodes.Parameter):
        found.append(f"{scope.context.parameter(words.number)} IS NULL")
    return found


def search_rank(call: nodes.Call, scope: Scope) -> Typed:
    """Translate `ts_rank(to_tsvector(column), query)` and `bm25(column, 'words')`: BM25, larger is better."""
    if len(call.arguments) < 2:
        raise Unsupported(f"{call.name}() takes a column and what is searched for: {call.name}(column, 'words')")
    source, number = _search(call.arguments[0], call.arguments[1], scope)
    vid = f"{quoted(source.name)}.{quoted(VID)}"
    sql = f"coalesce((SELECT score FROM temp.hf_found WHERE search = ?{number} AND vid = {vid}), 0.0)"
    return Typed(sql, REAL, call, not_null=True)


def _search(vector: Node, query: Node, scope: Scope) -> tuple[Source, int]:
    """Return the table that is searched, and the parameter that takes the number of the search."""
    source, column, language = _column(vector, scope)
    syntax, words, asked = _query(query, scope)
    assert source.table is not None
    context = scope.context
    shown = next((shown for shown in context.shown.values() if shown.alias == source.view), None)
    if shown is None:  # the table that the statement writes
        shown = Shown(source.view, source.table, None, versioned=True)
    for known in context.searches:
        same = (known.shown, known.column, known.query, known.syntax, known.language)
        if same == (shown, column, words, syntax, language or asked):
            return source, known.number
    number = context.another_parameter()
    context.searches.append(Search(shown, column, "@@", words, syntax, language or asked, number=number))
    if isinstance(words, nodes.Parameter):
        context.places[words.number - 1] = Place(TEXT, "what is searched for")
    return source, number


def _column(node: Node, scope: Scope) -> tuple[Source, str, str | None]:
    """Return the column that is searched, its table, and the language that its words are taken in."""
    language = None
    if isinstance(node, nodes.Call) and node.name == "to_tsvector" and node.arguments:
        language = _language(node.arguments[0]) if len(node.arguments) > 1 else None
        node = node.arguments[len(node.arguments) - 1]
    if isinstance(node, nodes.Call) and node.name == "coalesce" and node.arguments:
        node = node.arguments[0]  # no text has no words
    if not isinstance(node, nodes.Name):
        raise Unsupported(
            f"the search of {written(node)} is not supported: search one column, to_tsvector(column) @@ …"
        )
    inner: Scope | None = scope
    while inner is not None:
        for source in inner.sources:
            named = node.table is None or source.is_called(node.table)
            if named and source.table is not None and (found := source.find(node.name)) is not None:
                return source, found.name, language
        inner = inner.parent
    raise Unsupported(f"{written(node)} is no column of a table, and cannot be searched")


def _language(node: Node) -> str:
    if not isinstance(node, nodes.Text):
        raise Unsupported("the language of a search is a string: 'english' or 'simple'")
    return node.value.lower()


def _query(node: Node, scope: Scope) -> tuple[str, Node, str | None]:
    """Return how what is searched for is written, what it is, and its language."""
    if isinstance(node, nodes.Name) and node.table is None:
        node = scope.query_named(node.name) or node
    syntax, language = SYNTAXES[0], None
    if isinstance(node, nodes.Call) and node.name in SYNTAXES and node.arguments:
        syntax = node.name
        language = _language(node.arguments[0]) if len(node.arguments) > 1 else None
        node = node.arguments[len(node.arguments) - 1]
    if not isinstance(node, (nodes.Text, nodes.Parameter)):
        raise Unsupported(f"what is searched for is a string or a parameter, not {written(node)}")
    return syntax, node, language
