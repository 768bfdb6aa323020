"""INSERT, UPDATE and DELETE as INSERTs into the command views of their table (engine/sql/views.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from holdfast.core.schema import Column, Table
from holdfast.core.types import encode
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.calls import contains
from holdfast.engine.sql.translate.defaults import default_value
from holdfast.engine.sql.translate.queries import Queries
from holdfast.engine.sql.translate.scope import Context, Field, Scope, Shown, Source, table_source
from holdfast.engine.sql.translate.stored import converted, needs_conversion
from holdfast.engine.sql.translate.typed import CONVERTED, Place, Typed, constant
from holdfast.engine.sql.views import Command, delete_view, insert_view, rows_view, update_view
from holdfast.errors import NotFound, SqlError, Unsupported


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
    """
    translation = _TRANSLATIONS[type(node)](queries, context, target(node.table), node.alias or node.table)
    return translation.write(node)  # type: ignore[arg-type]


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
            for name, value in _pairs(assignment):
                column = self.column(name)
                if column.id in new:
                    raise SqlError(f"UPDATE {self.table.name} assigns {column.name} twice")
                new[column.id] = f"({self.value(value, column, scope)})"
        return new

    def check_returning(self, node: nodes.Update | nodes.Delete) -> None:
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


_DEFAULT = nodes.Name("default", "")


def _pairs(assignment: nodes.Assignment) -> list[tuple[str, Node]]:
    if len(assignment.columns) == 1:
        value = assignment.value
        return [(assignment.columns[0], value.items[0] if _is_single_row(value) else value)]  # type: ignore[attr-defined]
    if isinstance(assignment.value, nodes.Row):
        return list(zip(assignment.columns, assignment.value.items, strict=True))
    raise Unsupported(
        f"SET ({', '.join(assignment.columns)}) = (SELECT ...) is not supported: use UPDATE ... FROM, or one subquery for"
        " each column"
    )


def _is_single_row(value: Node) -> bool:
    return isinstance(value, nodes.Row) and len(value.items) == 1


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
            from holdfast.tables.upsert import upsert_command  # noqa: PLC0415 - it is built on this module

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
        self.check_returning(node)
        prefix = self.queries.common_tables(node.tables, self.scope, recursive=node.recursive)
        self.scope.sources.append(self.source)
        tables = [self.rows]
        if node.source is not None:
            tables.append(self.queries.sources.translate(node.source, self.scope))
        new = self.assigned(node.assignments, self.scope)
        values = [new.get(column.id, f"{quoted(self.alias)}.{quoted(column.name)}") for column in self.table.columns]
        condition = self.queries.expressions.condition(node.where, self.scope) if node.where is not None else ""
        where = f" WHERE {condition}" if condition else ""
        # A row that several rows of FROM meet is updated once, as PostgreSQL does it, with one of them.
        once = f" GROUP BY {self.vid}" if node.source is not None else ""
        sql = (
            f"{prefix}INSERT INTO {update_view(self.table)} SELECT {', '.join([self.vid, *values])}"
            f" FROM {', '.join(tables)}{where}{once}"
        )
        return self.returning(node.returning, Write(self.table, sql))


class DeleteTranslation(Translation):
    """DELETE."""

    verb = "DELETE FROM"

    def write(self, node: nodes.Delete) -> Write:
        """Return the INSERT into the command view."""
        self.check_returning(node)
        prefix = self.queries.common_tables(node.tables, self.scope, recursive=node.recursive)
        self.scope.sources.append(self.source)
        tables = [self.rows]
        if node.source is not None:
            tables.append(self.queries.sources.translate(node.source, self.scope))
        condition = self.queries.expressions.condition(node.where, self.scope) if node.where is not None else ""
        where = f" WHERE {condition}" if condition else ""
        distinct = "DISTINCT " if node.source is not None else ""
        found = f"SELECT {distinct}{self.vid} FROM {', '.join(tables)}{where}"
        if not node.returning:
            return Write(self.table, f"{prefix}INSERT INTO {delete_view(self.table)} {found}", deletes=True)
        # What is gone cannot be shown any more, so the rows are found and shown first.
        return self.returning(node.returning, Write(self.table, f"{prefix}{found}", deletes=True))


_TRANSLATIONS: dict[type[Node], type[Translation]] = {
    nodes.Insert: InsertTranslation,
    nodes.Update: UpdateTranslation,
    nodes.Delete: DeleteTranslation,
}

__all__ = ["Translation", "Write", "needs_conversion", "replace", "written"]
