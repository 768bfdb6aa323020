"""INSERT, UPDATE and DELETE as INSERTs into the command views of their table (engine/sql/views.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holdfast.core.schema import Column, Table
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.defaults import default_value
from holdfast.engine.sql.translate.queries import Queries
from holdfast.engine.sql.translate.scope import Context
from holdfast.engine.sql.translate.typed import Typed
from holdfast.engine.sql.views import Command, delete_view, insert_view, update_view
from holdfast.errors import SqlError
from holdfast.tables.reserved import check_unowned
from holdfast.tables.translation import Translation, Write
from holdfast.tables.upsert import upsert_command

__all__ = ["Write", "written"]


def written(
    node: nodes.Insert | nodes.Update | nodes.Delete,
    queries: Queries,
    context: Context,
    target: Callable[[str], Table],
) -> Write:
    """Return what the engine runs for a statement that writes.

    Raises:
        NotFound: the table, or a column that is written, is not there.
        SqlError: a column is named twice, the number of values is wrong, or a value aggregates.
        Unsupported: the table holds state.
    """
    parts = queries, context, check_unowned(target(node.table), "written"), node.alias or node.table
    if isinstance(node, nodes.Insert):
        return InsertTranslation(*parts).write(node)
    if isinstance(node, nodes.Update):
        return UpdateTranslation(*parts).write(node)
    return DeleteTranslation(*parts).write(node)


class InsertTranslation(Translation):
    """INSERT."""

    verb = "INSERT INTO"

    def write(self, node: nodes.Insert) -> Write:
        """Return the INSERT into the command view."""
        columns = self._columns(node)
        if len({column.id for column in columns}) < len(columns):
            raise SqlError(f"INSERT INTO {self.table.name} names a column twice")
        prefix = self.queries.common_tables(node.tables, self.scope, recursive=node.recursive)
        command = None
        if node.conflict is not None:
            command = upsert_command(self, node.conflict)
        names, source = self._source(node, columns)
        names += [name for name, _ in command.parameters] if command is not None else []
        view = command.name if command is not None else insert_view(self.table)
        into = f"INSERT INTO {view} ({', '.join(map(quoted, names))})"
        return self.returning(node.returning, Write(self.table, f"{prefix}{into} {source(command)}", command))

    def _columns(self, node: nodes.Insert) -> list[Column]:
        """Return the columns that are given values: without a list the first ones, as many as there are values."""
        if node.columns is not None:
            return [self.column(name) for name in node.columns]
        body = node.source.body if node.source is not None else None
        count = len(body.rows[0]) if isinstance(body, nodes.Values) else len(self.table.columns)
        return list(self.table.columns[:count] if count else self.table.columns)

    def _source(self, node: nodes.Insert, columns: list[Column]) -> tuple[list[str], Callable[[Command | None], str]]:
        """Return the columns that are given, and what gives their values."""
        if node.source is None:
            values = [default_value(column, f"{self.table.name}.{column.name}") for column in self.table.columns]
            return [column.name for column in self.table.columns], _rows_of([values])
        given = {column.id for column in columns}
        # Defaults are written out here: a trigger could not tell NULL from not given.
        omitted = [column for column in self.table.columns if column.id not in given and column.default is not None]
        defaults = [default_value(column, f"{self.table.name}.{column.name}") for column in omitted]
        names = [column.name for column in [*columns, *omitted]]
        body = node.source.body
        if isinstance(body, nodes.Values) and node.source == nodes.Query(body):
            return names, _rows_of([[*self._row(row, columns), *defaults] for row in body.rows])
        return names, self._selected(node.source, columns, defaults)

    def _row(self, row: Sequence[Node], columns: list[Column]) -> list[str]:
        if len(row) != len(columns):
            raise SqlError(f"INSERT INTO {self.table.name}: {len(row)} values for {len(columns)} columns")
        return [self.value(value, column, self.scope) for value, column in zip(row, columns, strict=True)]

    def _selected(
        self, query: nodes.Query, columns: list[Column], defaults: list[str]
    ) -> Callable[[Command | None], str]:
        inner, fields = self.queries.query(query, self.scope)
        if len(fields) != len(columns):
            raise SqlError(f"INSERT INTO {self.table.name}: {len(fields)} values for {len(columns)} columns")
        cells = [quoted(f"c{number}") for number in range(len(columns))]
        values = [self.stored(Typed(cell), column) for cell, column in zip(cells, columns, strict=True)]

        def source(command: Command | None) -> str:
            listed = ", ".join([*values, *defaults, *_extras(command)])
            return f'WITH "hf:source" ({", ".join(cells)}) AS ({inner}) SELECT {listed} FROM "hf:source"'

        return source


def _extras(command: Command | None) -> list[str]:
    return [f"?{number}" for _, number in command.parameters] if command is not None else []


def _rows_of(rows: list[list[str]]) -> Callable[[Command | None], str]:
    def source(command: Command | None) -> str:
        listed = [", ".join([*row, *_extras(command)]) for row in rows]
        return f"VALUES ({'), ('.join(listed)})"

    return source


class UpdateTranslation(Translation):
    """UPDATE."""

    verb = "UPDATE"

    def write(self, node: nodes.Update) -> Write:
        """Return the INSERT into the command view."""
        prefix, chosen = self.chosen(node)
        new = self.assigned(node.assignments, self.scope)
        values = [new.get(column.id, f"{quoted(self.alias)}.{quoted(column.name)}") for column in self.table.columns]
        # A row that several rows of FROM meet is updated once, as PostgreSQL does it, with one of them.
        once = f" GROUP BY {self.vid}" if node.source is not None else ""
        sql = f"{prefix}INSERT INTO {update_view(self.table)} SELECT {', '.join([self.vid, *values])} {chosen}{once}"
        return self.returning(node.returning, Write(self.table, sql))


class DeleteTranslation(Translation):
    """DELETE."""

    verb = "DELETE FROM"

    def write(self, node: nodes.Delete) -> Write:
        """Return the INSERT into the command view."""
        prefix, chosen = self.chosen(node)
        distinct = "DISTINCT " if node.source is not None else ""
        found = f"SELECT {distinct}{self.vid} {chosen}"
        if not node.returning:
            return Write(self.table, f"{prefix}INSERT INTO {delete_view(self.table)} {found}", deletes=True)
        # What is gone cannot be shown any more, so the rows are found and shown first.
        return self.returning(node.returning, Write(self.table, f"{prefix}{found}", deletes=True))
