"""Queries in SQLite's words, and what their columns are called and hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.calls import children, contains
from holdfast.engine.sql.translate.expressions import Expressions
from holdfast.engine.sql.translate.grouping import check_grouping
from holdfast.engine.sql.translate.nearest import nearest
from holdfast.engine.sql.translate.scope import CommonTable, Field, Scope, Source, distinct_fields
from holdfast.engine.sql.translate.searches import is_search
from holdfast.engine.sql.translate.sources import Sources
from holdfast.engine.sql.translate.typed import TEXT, Typed, adapt, common_type, sql_list
from holdfast.errors import SqlError, Unsupported


class Queries:
    """Translates queries, with the expressions in them."""

    def __init__(self) -> None:
        self.expressions = Expressions(self._as_value)
        self.sources = Sources(self)

    def query(self, node: nodes.Query, outer: Scope) -> tuple[str, list[Field]]:
        """Return a query in SQLite's words and its columns; `outer` are the names that can be used around it."""
        scope = outer.inner()
        prefix = self._with_clause(node, scope)
        if isinstance(node.body, nodes.Select):
            sql, fields = self._select(node.body, node, scope)
            return prefix + sql, fields
        body, fields = self._body(node.body, scope)
        # SQLite orders neither VALUES nor, but by plain columns, what was united.
        decimals = any(field.type is not None and field.type.kind is Kind.NUMERIC for field in fields)
        if (isinstance(node.body, nodes.Values) or decimals) and (node.order or node.limit is not None):
            body = f"SELECT * FROM ({body})"
        outputs = [Typed(quoted(field.name), field.type, nodes.Name(field.name), field.not_null) for field in fields]
        scope.outputs = {field.name.lower(): output for field, output in zip(fields, outputs, strict=True)}
        order = self.expressions.order(node.order, scope, outputs) if node.order else ""
        return f"{prefix}{body}{_after(order, self._limits(node, scope))}", fields

    def _as_value(self, node: nodes.Query, scope: Scope) -> tuple[str, list[ColumnType | None]]:
        sql, fields = self.query(node, scope)
        return sql, [field.type for field in fields]

    # WITH

    def _with_clause(self, node: nodes.Query, scope: Scope) -> str:
        return self.common_tables(node.tables, scope, recursive=node.recursive)

    def common_tables(self, tables: Sequence[nodes.CommonTable], scope: Scope, *, recursive: bool) -> str:
        """Return a WITH clause, and let the scope know its tables."""
        parts = [self._common_table(table, scope, recursive=recursive) for table in tables]
        return f"WITH {'RECURSIVE ' * recursive}{', '.join(parts)} " if parts else ""

    def _common_table(self, table: nodes.CommonTable, scope: Scope, *, recursive: bool) -> str:
        body = table.query.body
        # SQLite takes a table inside a common table of its name for the common table itself.
        name = f"hf:{table.name}" if scope.context.is_table(table.name) else table.name
        if recursive and isinstance(body, nodes.SetOperation):  # its first part says what it is
            _, first = self._body(body.left, scope.inner())
            scope.tables[table.name.lower()] = CommonTable(name, distinct_fields(first, table.columns))
        sql, fields = self.query(table.query, scope)
        if len(table.columns) > len(fields):
            raise SqlError(f"{table.name} names {len(table.columns)} columns, and its query has {len(fields)}")
        found = distinct_fields(fields, table.columns)
        scope.tables[table.name.lower()] = CommonTable(name, found)
        names = ", ".join(quoted(field.name) for field in found)
        hint = f"{table.hint.upper()} " if table.hint else ""
        return f"{quoted(name)} ({names}) AS {hint}({sql})"

    # Bodies

    def _body(self, node: Node, scope: Scope) -> tuple[str, list[Field]]:
        if isinstance(node, nodes.Select):
            return self._select(node, nodes.Query(node), scope.inner())
        if isinstance(node, nodes.Values):
            return self._values(node, scope)
        if isinstance(node, nodes.SetOperation):
            return self._set_operation(node, scope)
        assert isinstance(node, nodes.Query)
        sql, fields = self.query(node, scope)
        if node.order or node.limit is not None or node.tables or isinstance(node.body, nodes.SetOperation):
            return f"SELECT * FROM ({sql})", fields
        return sql, fields

    def _set_operation(self, node: nodes.SetOperation, scope: Scope) -> tuple[str, list[Field]]:
        chain: list[nodes.SetOperation] = []
        at: Node = node
        while isinstance(at, nodes.SetOperation):
            chain.append(at)
            at = at.left
        arms = [("", *self._body(at, scope))]
        fields = arms[0][2]
        for part in reversed(chain):
            right, others = self._operand(part.right, scope)
            if len(others) != len(fields):
                raise SqlError(f"each query of {part.operator.upper()} has as many columns as the first")
            if part.operator == "except all":
                raise Unsupported("EXCEPT ALL is not supported: use EXCEPT")
            arms.append((f" {part.operator.upper()} ", right, others))
            fields = [_united(a, b) for a, b in zip(fields, others, strict=True)]
        return "".join(f"{word}{_in_form(sql, mine, fields)}" for word, sql, mine in arms), fields

    def _operand(self, node: Node, scope: Scope) -> tuple[str, list[Field]]:
        sql, fields = self._body(node, scope)
        return (f"SELECT * FROM ({sql})" if isinstance(node, nodes.SetOperation) else sql), fields

    def _values(self, node: nodes.Values, scope: Scope) -> tuple[str, list[Field]]:
        rows = [self.expressions.all(row, scope) for row in node.rows]
        if len({len(row) for row in rows}) > 1:
            raise SqlError("the rows of VALUES have different numbers of values")
        columns = [list(column) for column in zip(*rows, strict=True)]
        types = [common_type(column) for column in columns]
        adapted = [
            [adapt(value, type_, scope.context.places, "VALUES") for value, type_ in zip(row, types, strict=True)]
            for row in rows
        ]
        fields = [
            Field(f"column{at}", type_, all(value.not_null for value in column))
            for at, (type_, column) in enumerate(zip(types, columns, strict=True), start=1)
        ]
        return f"VALUES {', '.join(f'({sql_list(row)})' for row in adapted)}", fields

    # SELECT

    def _select(self, node: nodes.Select, query: nodes.Query, scope: Scope) -> tuple[str, list[Field]]:
        found = nearest(self, node, query, scope)
        if found is not None:
            node = found.select
        versioned = found is not None or _any(node, query, is_search)
        source = ""
        if node.source is not None:
            source = f" FROM {self.sources.translate(node.source, scope, versioned=versioned)}"
            source += found.join if found is not None else ""
        if node.distinct_on:
            return self._distinct_on(node, query, scope, source)
        items = self._items(node, scope, explicit=versioned)
        clauses = self._clauses(node, scope)
        scope.outputs = {field.name.lower(): typed for _, field, typed in items}
        group = self._group(node, scope, items)
        check_grouping(node, query, scope)
        typed_items = [typed for _, _, typed in items]
        order = self._order(query, node, scope, typed_items)
        if found is not None:
            others = self.expressions.order(found.order, scope, typed_items)
            order = f"{found.score}{f', {others}' if others else ''}"
        listed = ", ".join(sql for sql, _, _ in items)
        head = f"SELECT {'DISTINCT ' * node.distinct}{listed}{source}"
        sql = f"{head}{clauses}{group}{_after(order, self._limits(query, scope))}"
        return sql, [field for _, field, _ in items]

    def _clauses(self, node: nodes.Select, scope: Scope) -> str:
        return f" WHERE {self.expressions.condition(node.where, scope)}" if node.where is not None else ""

    def _group(self, node: nodes.Select, scope: Scope, items: Sequence[tuple[str, Field, Typed]]) -> str:
        parts: list[str] = []
        if node.group:
            outputs = [typed for _, _, typed in items]
            grouped = [self._grouped(part, scope, outputs) for part in node.group]
            parts.append(f" GROUP BY {', '.join(grouped)}")
        if node.having is not None:
            parts.append(f" HAVING {self.expressions.condition(node.having, scope)}")
        if node.windows:
            defined = [f"{quoted(name)} AS ({self.expressions.window(w, scope)})" for name, w in node.windows]
            parts.append(f" WINDOW {', '.join(defined)}")
        return "".join(parts)

    def _grouped(self, node: Node, scope: Scope, outputs: Sequence[Typed]) -> str:
        if isinstance(node, nodes.Number) and node.is_whole:
            if not 1 <= int(node.text, 0) <= len(outputs):
                raise SqlError(f"GROUP BY {node.text}: the result has {len(outputs)} columns")
            return node.text
        return self.expressions.translate(node, scope).sql

    def _order(self, query: nodes.Query, node: nodes.Select, scope: Scope, outputs: Sequence[Typed]) -> str:
        if not query.order:
            return ""
        if node.distinct:
            for item in query.order:
                _check_distinct_order(item, node, scope)
        return self.expressions.order(query.order, scope, outputs)

    def _limits(self, query: nodes.Query, scope: Scope) -> str:
        if query.limit is None and query.offset is None:
            return ""
        limit = "-1"
        if query.limit is not None and not isinstance(query.limit, nodes.Null):
            limit = f"hf_limit({self.expressions.translate(query.limit, scope).sql}, 'LIMIT')"
        if isinstance(query.limit, nodes.Number) and not query.limit.text.startswith("-"):
            limit = self.expressions.translate(query.limit, scope).sql
        offset = ""
        if query.offset is not None:
            offset = f" OFFSET {self.expressions.translate(query.offset, scope).sql}"
        return f" LIMIT {limit}{offset}"

    # The list

    def _items(self, node: nodes.Select, scope: Scope, *, explicit: bool = False) -> list[tuple[str, Field, Typed]]:
        """Return the SQL, the column and the value of each item; a star stands as several."""
        found: list[tuple[str, Field, Typed]] = []
        for item in node.items:
            if isinstance(item.expression, nodes.Star):
                found += self._star(item.expression, scope, explicit=explicit)
            else:
                found.append(self.item(item, scope))
        return found

    def listed(self, node: nodes.Select, scope: Scope) -> list[tuple[str, Field]]:
        """Return the SQL and the column of each item of RETURNING."""
        return [(sql, field) for sql, field, _ in self._items(node, scope)]

    def item(self, item: nodes.Item, scope: Scope) -> tuple[str, Field, Typed]:
        """Return one item that is no star."""
        typed = self.expressions.translate(item.expression, scope)
        name = item.alias or self._column_name(item.expression, scope)
        return f"{typed.sql} AS {quoted(name)}", Field(name, typed.type, typed.not_null), typed

    @staticmethod
    def _column_name(node: Node, scope: Scope) -> str:
        """Return the name of a column as its table has it, or of an expression."""
        found = scope.field(node) if isinstance(node, nodes.Name) else None
        return found.name if found is not None else shown_name(node)

    def _star(self, star: nodes.Star, scope: Scope, *, explicit: bool) -> list[tuple[str, Field, Typed]]:
        sources = scope.sources
        if star.table is not None:
            sources = [source for source in sources if source.is_called(star.table)]
        if not sources:
            raise SqlError(f"{star.table}.*: no such table in FROM" if star.table else "SELECT * without FROM")
        del explicit
        # A column that a join shows once is that of either table: an outer join has a row without the first.
        merged = {name for source in sources for name in source.merged} if star.table is None else set[str]()
        return [
            self._star_item(source, field, merged=field.name.lower() in merged)
            for source in sources
            for field in source.fields
            if star.table is not None or field.name.lower() not in source.merged
        ]

    @staticmethod
    def _star_item(source: Source, field: Field, *, merged: bool) -> tuple[str, Field, Typed]:
        sql = field.sql or f"{quoted(source.name)}.{quoted(field.name)}"
        unnamed = source.table is None and field.sql is None and source.name.startswith("hf:")
        if unnamed or (merged and field.sql is None):
            sql = quoted(field.name)
        typed = Typed(sql, field.type, nodes.Name(field.name, source.name), field.not_null)
        return f"{sql} AS {quoted(field.name)}", Field(field.name, field.type, field.not_null), typed

    # DISTINCT ON

    def _distinct_on(
        self, node: nodes.Select, query: nodes.Query, scope: Scope, source: str
    ) -> tuple[str, list[Field]]:
        """Number the rows of each group in the order asked for, and keep the first of each."""
        items = self._items(node, scope)
        outputs = [typed for _, _, typed in items]
        clauses = self._clauses(node, scope)
        group = self._group(node, scope, items)
        by_name = {field.name.lower(): typed for _, field, typed in items}
        order = tuple(msgspec.structs.replace(item, expression=_meant(item.expression, node)) for item in query.order)
        scope.outputs = {}
        keyed = [_meant(part, node) for part in node.distinct_on]
        if any(item.expression not in keyed for item in order[: len(keyed)]):
            raise SqlError("SELECT DISTINCT ON (...) begins its ORDER BY with the same expressions")
        keys = sql_list(self.expressions.all(keyed, scope))
        ordered = f" ORDER BY {self.expressions.order(order, scope)}" if order else ""
        hidden = [f"c{at}" for at in range(len(items))]
        listed = [f"{typed.sql} AS {name}" for name, typed in zip(hidden, outputs, strict=True)]
        listed.append(f"row_number() OVER (PARTITION BY {keys}{ordered}) AS {quoted('hf:row')}")
        listed.append(f"row_number() OVER ({ordered.strip() or f'ORDER BY {keys}'}) AS {quoted('hf:place')}")
        inner = f"SELECT {', '.join(listed)}{source}{clauses}{group}"
        fields = [field for _, field, _ in items]
        shown = ", ".join(f"{name} AS {quoted(field.name)}" for name, field in zip(hidden, fields, strict=True))
        scope.outputs = by_name
        outer = f"SELECT {shown} FROM ({inner}) WHERE {quoted('hf:row')} = 1 ORDER BY {quoted('hf:place')}"
        return f"{outer}{self._limits(query, scope)}", fields


def _meant(node: Node, select: nodes.Select) -> Node:
    """Return what a number or a name of an output stands for."""
    if isinstance(node, nodes.Number) and node.is_whole and 1 <= int(node.text) <= len(select.items):
        return select.items[int(node.text) - 1].expression
    if isinstance(node, nodes.Name) and node.table is None:
        return next((item.expression for item in select.items if item.alias == node.name), node)
    return node


def _check_distinct_order(item: nodes.OrderItem, node: nodes.Select, scope: Scope) -> None:
    """In PostgreSQL a SELECT DISTINCT is ordered by what it selects, and by nothing else."""
    expression = item.expression
    listed = [part.expression for part in node.items]
    if any(isinstance(part, nodes.Star) for part in listed) or isinstance(expression, nodes.Number):
        return
    if isinstance(expression, nodes.Name) and expression.name.lower() in scope.outputs:
        return
    if expression not in listed:
        raise SqlError("SELECT DISTINCT is ordered by something that it does not select; add it to the list")


def _in_form(sql: str, mine: list[Field], fields: list[Field]) -> str:
    """Return a query of a UNION with its columns in the form of the whole: integers among decimals are decimals."""
    names = [f"c{at}" for at in range(len(mine))]
    values = [
        adapt(Typed(name, own.type), whole.type, [], own.name).sql
        for name, own, whole in zip(names, mine, fields, strict=True)
    ]
    if values == names:
        return sql
    return f'SELECT * FROM (WITH "hf:arm"({", ".join(names)}) AS ({sql}) SELECT {", ".join(values)} FROM "hf:arm")'


def _united(a: Field, b: Field) -> Field:
    type_ = common_type((Typed("", a.type), Typed("", b.type)))
    type_ = None if type_ is TEXT else type_
    return Field(a.name, type_ or a.type or b.type, a.not_null and b.not_null)


def _after(order: str, limits: str) -> str:
    return f"{f' ORDER BY {order}' if order else ''}{limits}"


def _any(node: nodes.Select, query: nodes.Query, wanted: Callable[[Node], bool]) -> bool:
    parts = [part for part in children(node) if not isinstance(part, nodes.Select)]
    parts += [item.expression for item in query.order]
    return any(contains(part, wanted) for part in parts)


_TYPE_NAMES = {
    "int": "int4",
    "integer": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "double precision": "float8",
    "real": "float4",
    "float": "float8",
    "boolean": "bool",
    "decimal": "numeric",
}
UNNAMED = "?column?"


def shown_name(node: Node) -> str:
    """Return the name that PostgreSQL gives to a column: that of the column or of the function."""
    match node:
        case nodes.Name(name):
            return name
        case nodes.Call():
            return node.shown or node.name.lower()
        case nodes.Cast(operand, type_):
            inner = shown_name(operand)
            return _TYPE_NAMES.get(type_.name, type_.name) if inner == UNNAMED else inner
        case nodes.Typed(type_):
            return type_.name
        case nodes.Case(_, _, otherwise):
            inner = shown_name(otherwise) if otherwise is not None else UNNAMED
            return "case" if inner == UNNAMED or not isinstance(otherwise, (nodes.Name, nodes.Call)) else inner
        case nodes.Collate(operand) | nodes.AtTimeZone(operand):
            return shown_name(operand)
        case nodes.Subquery(query) if isinstance(query.body, nodes.Select) and len(query.body.items) == 1:
            item = query.body.items[0]
            return item.alias or shown_name(item.expression)
        case _:
            return _OTHER_NAMES.get(type(node), UNNAMED)


_OTHER_NAMES: dict[type[Node], str] = {
    nodes.Exists: "exists",
    nodes.Row: "row",
    nodes.Array: "array",
    nodes.Truth: "bool",
    nodes.Interval: "interval",
}
