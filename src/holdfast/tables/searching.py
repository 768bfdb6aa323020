"""Finding rows before a statement runs that asks for the nearest, or for words."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.schema import Column
from holdfast.core.types import encode
from holdfast.engine.contract import Metric, SqlReader, WordSyntax
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.scope import Search
from holdfast.errors import InvalidValue
from holdfast.tables.rewrite import Rewritten, used
from holdfast.versions.resolve import Resolved, resolve

EVERYTHING = 2**62


class TooFew(Exception):
    """There are fewer rows with a vector than the statement asks for."""


def find(reader: SqlReader, at: Resolved, run: Rewritten, values: list[object]) -> None:
    """Run the searches of a statement, and fill in what its parameters for them are.

    Raises:
        TooFew: rows without a vector belong to the result, too.
        NotFound: a column that words are looked for in has no text index.
        InvalidValue: what is looked for cannot be.
    """
    for search in run.searches:
        shown = search.shown
        there = at if shown.ref is None else resolve(reader, shown.ref)
        position = shown.table.position(search.column)
        assert position is not None
        column = shown.table.columns[position]
        if search.operator == "@@":
            number = _matching(reader, search, column, there, values)
        else:
            number = _nearest(reader, search, column, there, values)
        values[search.number - 1] = number


def _matching(reader: SqlReader, search: Search, column: Column, there: Resolved, values: Sequence[object]) -> int:
    words = _value(search.query, values)
    if words is None:
        words = ""  # NULL matches nothing
    if not isinstance(words, str):
        raise InvalidValue(f"what is searched for is text, not {words!r}")
    syntax = WordSyntax(search.syntax)
    return reader.matching(search.shown.table, column, there.seen_from, words, syntax, search.language)


def _nearest(reader: SqlReader, search: Search, column: Column, there: Resolved, values: Sequence[object]) -> int:
    table = search.shown.table
    query = encode(_value(search.query, values), column.type, f"{table.name}.{column.name}")
    if not isinstance(query, bytes):
        raise TooFew  # no distance to NULL
    wanted = _count(search.limit, values) + _count(search.offset, values, none=0)
    among = (search.among, used(search.among, values)) if search.among is not None else None
    number = reader.nearest(table, column, there.seen_from, Metric(search.operator), query, wanted, among)
    if search.whole:
        ((found,),) = reader.query("SELECT count(*) FROM temp.hf_found WHERE search = ?", (number,))
        if found < wanted:
            raise TooFew
    return number


def _value(node: nodes.Node, values: Sequence[object]) -> object:
    if isinstance(node, nodes.Parameter):
        return values[node.number - 1]
    assert isinstance(node, nodes.Text)
    return node.value


def _count(node: nodes.Node | None, values: Sequence[object], none: int = EVERYTHING) -> int:
    value = int(node.text) if isinstance(node, nodes.Number) else None if node is None else _value(node, values)
    if value is None:
        return none
    if not isinstance(value, int) or value < 0:
        raise InvalidValue(f"LIMIT and OFFSET are whole numbers that are not negative, not {value!r}")
    return value
