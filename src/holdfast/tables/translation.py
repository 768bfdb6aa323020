"""What the kinds of writes have in common: their tables, and the values that they store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from holdfast.core.schema import Column, Table
from holdfast.core.types import encode
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.nodes import Node, contains
from holdfast.engine.sql.translate.defaults import default_value
from holdfast.engine.sql.translate.queries import Queries
from holdfast.engine.sql.translate.scope import Context, Field, Scope, Shown, Source, table_source
from holdfast.engine.sql.translate.stored import converted
from holdfast.engine.sql.translate.typed import CONVERTED, Place, Typed, constant
from holdfast.engine.sql.views import Command, rows_view
from holdfast.errors import NotFound, SqlError, Unsupported

_DEFAULT = nodes.Name("default", "")
"""What the parser makes of the word DEFAULT."""


@dataclass(slots=True)
class Write:
    """A write that is ready to run.

    Attributes:
        table: the table that it writes.
        sql: an INSERT into a command view, or (with RETURNING) of a DELETE the query for the versions to delete.
        command: a command view of the statement's own, which has to be made first.
        returning: the query for RETURNING.
        touched: its parameter that takes the list of the versions that were written.
        fields: the columns that RETURNING gives.
    """

    table: Table
    sql: str
    command: Command | None = None
    returning: str | None = None
    fields: list[Field] | None = None
    deletes: bool = False
    touched: int = 0


@dataclass(slots=True)
class Translation:
    """What the three kinds of writes have in common."""

    verb: ClassVar[str]
    queries: Queries
    context: Context
    table: Table
    alias: str
    scope: Scope = field(init=False)
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        self.scope = Scope(self.context, write=f"{self.verb} {self.table.name}")
        self.source = table_source(Shown(rows_view(self.table), self.table, None, versioned=True), self.alias)

    @property
    def vid(self) -> str:
        """The column that names the version of a row of the table."""
        return f"{quoted(self.alias)}.{quoted(VID)}"

    @property
    def rows(self) -> str:
        """The table's rows with their versions, under the statement's name for it."""
        return f"{rows_view(self.table)} AS {quoted(self.alias)}"

    def column(self, name: str) -> Column:
        """Return a column of the table. Raises NotFound."""
        at = self.table.position(name)
        if at is None:
            raise NotFound(
                f"table {self.table.name!r} has no column {name!r}; it has {[c.name for c in self.table.columns]}"
            )
        return self.table.columns[at]

    def value(self, node: Node, column: Column, scope: Scope) -> str:
        """Return the SQL of a value for a column: a parameter is converted when it is bound, the rest when it runs."""
        where = f"{self.table.name}.{column.name}"
        if node == _DEFAULT:
            return default_value(column, where)
        if isinstance(node, nodes.Parameter):
            self.context.places[node.number - 1] = Place(column.type, where)
            return self.context.parameter(node.number)
        if isinstance(node, nodes.Text) and column.type.kind in CONVERTED:
            return constant(encode(node.value, column.type, where), column.type).sql
        return self.stored(self.queries.expressions.translate(node, scope), column)

    def stored(self, value: Typed, column: Column) -> str:
        """Return a computed value in the form that a column stores."""
        if value.is_column and value.type == column.type and column.type.kind in CONVERTED:
            return value.sql  # it is in the stored form
        return converted(value.sql, column.type, f"{self.table.name}.{column.name}")

    def assigned(self, assignments: Sequence[nodes.Assignment], scope: Scope) -> dict[int, str]:
        """Return the new values, by column id."""
        new: dict[int, str] = {}
        for assignment in assignments:
            for name, value in pairs_of(assignment):
                column = self.column(name)
                if column.id in new:
                    raise SqlError(f"UPDATE {self.table.name} assigns {column.name} twice")
                new[column.id] = f"({self.value(value, column, scope)})"
        return new

    def chosen(self, node: nodes.Update | nodes.Delete) -> tuple[str, str]:
        """Return the WITH clause, and FROM and WHERE, by which the rows to change are found."""
        self._check_returning(node)
        prefix = self.queries.common_tables(node.tables, self.scope, recursive=node.recursive)
        self.scope.sources.append(self.source)
        tables = [self.rows]
        if node.source is not None:
            tables.append(self.queries.sources.translate(node.source, self.scope))
        where = ""
        if node.where is not None:
            where = f" WHERE {self.queries.expressions.condition(node.where, self.scope)}"
        return prefix, f"FROM {', '.join(tables)}{where}"

    def _check_returning(self, node: nodes.Update | nodes.Delete) -> None:
        """Raise Unsupported if RETURNING asks for columns of the other tables: it is answered from the written rows."""
        for item in node.returning if node.source is not None else ():
            star = isinstance(item.expression, nodes.Star) and item.expression.table is None
            if star or contains(item.expression, self._is_of_another):
                raise Unsupported(
                    f"RETURNING beside other tables gives the columns of {self.table.name} alone: write {self.alias}.*"
                    " or their names"
                )

    def _is_of_another(self, node: Node) -> bool:
        if isinstance(node, nodes.Name) and node.table is None:
            return self.source.find(node.name) is None
        table = node.table if isinstance(node, (nodes.Name, nodes.Star)) else None
        return table is not None and not self.source.is_called(table)

    def returning(self, items: Sequence[nodes.Item], write: Write) -> Write:
        """Add what RETURNING asks for to a write."""
        if not items:
            return write
        scope = Scope(self.context, write=f"RETURNING of {self.table.name}")
        scope.sources.append(self.source)
        select = nodes.Select(tuple(items))
        found = self.queries.listed(select, scope)
        number = write.touched = self.context.another_parameter()
        touched = f'(SELECT key AS "hf:key", value AS "hf:value" FROM json_each(?{number}))'
        write.returning = (
            f"SELECT {', '.join(sql for sql, _ in found)} FROM {touched} CROSS JOIN {self.rows}"
            f' ON {self.vid} = "hf:value" ORDER BY "hf:key"'
        )
        write.fields = [shown for _, shown in found]
        return write


def pairs_of(assignment: nodes.Assignment) -> list[tuple[str, Node]]:
    """Return the columns that an assignment is to, each with its value. Raises Unsupported."""
    columns, value = assignment.columns, assignment.value
    if isinstance(value, nodes.Row) and len(value.items) == len(columns):
        return list(zip(columns, value.items, strict=True))
    if len(columns) == 1:
        return [(columns[0], value)]
    raise Unsupported(
        f"SET ({', '.join(columns)}) = (SELECT ...) is not supported: use UPDATE ... FROM, or one subquery for"
        " each column"
    )
