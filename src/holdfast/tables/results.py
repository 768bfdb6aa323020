"""From what the engine returns to what execute() returns: the Python values of each column.

A column that is plainly one of a table's has that column's type. Of a computed one SQLite knows nothing, so the
statement is looked at: `->` gives JSON, and functions that pick one of their values give the type of the column they
pick from. Everything else comes back as SQLite has it.
"""

from __future__ import annotations

from holdfast.core.schema import Catalogue
from holdfast.core.types import ColumnType, Kind
from holdfast.engine.contract import SqlResult
from holdfast.engine.sql.expressions import is_operand_end
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, clauses, closing, split_at, stripped, top_level
from holdfast.tables.comparisons import Columns
from holdfast.tables.cursor import Shape
from holdfast.tables.rewrite import Rewritten
from holdfast.tables.statement import Statement

_PLAIN = {Kind.ANY, Kind.INTEGER, Kind.REAL, Kind.TEXT, Kind.BLOB}


def shape_of(statement: Statement, run: Rewritten, result: SqlResult, catalogue: Catalogue) -> Shape:
    """Return the names of a result's columns, and the types to decode them with."""
    return Shape(*_columns(statement, run, result, catalogue))


def _columns(
    statement: Statement, run: Rewritten, result: SqlResult, catalogue: Catalogue
) -> tuple[list[str], list[ColumnType | None]]:
    names, types = list(result.names), [_origin_type(origin, catalogue) for origin in result.origins]
    if all(origin is not None for origin in result.origins):
        return names, types
    items = _select_items(statement.body, len(types)) if statement.body[0].is_word("select") else []
    if len(items) != len(types):
        return names, types
    for at, (item, origin) in enumerate(zip(items, result.origins, strict=True)):
        expression = _without_alias(item)
        if origin is None and expression:
            types[at] = _hint(expression, run, catalogue)
            plain = all(token.is_name or token.is_symbol(".") for token in item)
            if expression == item and not plain:  # no alias: SQLite names the column by the text it was given
                names[at] = "".join("%s" if t.kind is TokenKind.PARAMETER else t.text for t in item)
    return names, types


def _origin_type(origin: tuple[int, int] | None, catalogue: Catalogue) -> ColumnType | None:
    if origin is None:
        return None
    tables = (table for table in catalogue.tables if table.id == origin[0])  # now, and as refs have it
    found = next((column.type for table in tables for column in table.columns if column.id == origin[1]), None)
    return None if found is None or found.kind in _PLAIN else found


_AFTER_ITEMS = ("from", "where", "group", "having", "order", "limit", "union", "intersect", "except")


def _select_items(tokens: list[Token], count: int) -> list[list[Token]]:
    """Return the items of the outermost SELECT, where it has `count` columns; a `*` stands as empty items."""
    reader = Reader(tokens[1 : next(iter(clauses(tokens, *_AFTER_ITEMS)), None)])
    if not reader.take("distinct"):
        reader.take("all")
    items = split_at(reader.rest())
    stars = [at for at, item in enumerate(items) if item and item[-1].is_symbol("*")]
    if len(stars) == 1:  # of two, nobody knows which is how wide
        (at,) = stars
        items[at : at + 1] = [[]] * (count - len(items) + 1)
    return items


def _without_alias(part: list[Token]) -> list[Token]:
    for at in top_level(part):
        if part[at].is_word("as"):
            return stripped(part[:at])
    *rest, last = part or [Token(TokenKind.SPACE, "", "")]
    before = stripped(rest)
    if last.is_name and not last.is_word(*_LAST_WORDS) and before and is_operand_end(before[-1]) and before != rest:
        return before
    return stripped(part)


_LAST_WORDS = ("end", "null", "true", "false", "isnull", "notnull")
"""Words that end an expression and are no alias."""


def _hint(item: list[Token], run: Rewritten, catalogue: Catalogue) -> ColumnType | None:
    if not item:
        return None
    columns = Columns(catalogue, [name.table for name in run.shown])
    type_ = columns.type_of(_without_window(item))
    return None if type_ is None or type_.kind in _PLAIN else type_


def _without_window(item: list[Token]) -> list[Token]:
    """Return a call without its OVER or FILTER."""
    at = next((at for at in range(1, len(item)) if item[at].kind is not TokenKind.SPACE), 0)
    if not item[0].is_name or not item[at].is_symbol("("):
        return item
    end = closing(item, at)
    following = Reader(item[end + 1 :]).peek()
    if following is not None and following.is_word("over", "filter"):
        return [item[0], *item[at : end + 1]]
    return item
