"""Expressions of the catalogue: defaults and checks, kept as the user wrote them and translated when they are used."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.schema import Column
from holdfast.core.types import ColumnType
from holdfast.engine.sql.parser.queries import parse_expression
from holdfast.engine.sql.translate.queries import Queries
from holdfast.engine.sql.translate.scope import Context, Field, Scope, Source
from holdfast.engine.sql.translate.stored import converted
from holdfast.engine.sql.translate.typed import BOOLEAN, Typed, adapt


def translated(expression: str, columns: Sequence[Column] = (), to: ColumnType | None = None) -> str:
    """Return an expression of the catalogue in SQLite's words; `to` is the type that is wanted of it.

    Raises:
        Unsupported, SqlError: see the message.
    """
    node = parse_expression(expression)
    context = Context(lambda _: None, [])
    scope = Scope(context)
    scope.sources.append(Source("hf:row", [Field(column.name, column.type) for column in columns]))
    typed: Typed = Queries().expressions.translate(node, scope)
    return adapt(typed, to, context.places, expression).sql


def checked(expression: str, columns: Sequence[Column]) -> str:
    """Return a condition of a CHECK over the columns of a row in SQLite's words."""
    return translated(expression, columns, BOOLEAN)


def default_value(column: Column, where: str) -> str:
    """Return the default of a column in its stored form; NULL if it has none."""
    if column.default is None:
        return "NULL"
    return converted(translated(column.default), column.type, where)
