"""From tokens to the tree of a query."""

from __future__ import annotations

from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.parser.calls import CallParser
from holdfast.engine.sql.parser.stream import RESERVED
from holdfast.engine.sql.tokens import tokenize
from holdfast.errors import SqlError, Unsupported

_JOINS = ("join", "inner", "left", "right", "full", "cross", "natural")


class QueryParser(CallParser):
    """Reads queries, and expressions with queries in them."""

    def query(self) -> nodes.Query:
        """Read a query with its WITH clause, order and limits."""
        tables, recursive = self.with_clause()
        body = self._set_operation()
        order = self.order_clause()
        limit, offset = self._limits()
        if self.peek().is_word("for"):
            raise Unsupported(
                "FOR UPDATE and FOR SHARE are not supported: use db.transaction(), which keeps others out"
            )
        return nodes.Query(body, order, limit, offset, tables, recursive)

    def with_clause(self) -> tuple[tuple[nodes.CommonTable, ...], bool]:
        """Read the WITH clause, if there is one; tell whether it is recursive."""
        if not self.take("with"):
            return (), False
        recursive = self.take("recursive")
        return tuple(self.listed(self._common_table)), recursive

    def _common_table(self) -> nodes.CommonTable:
        name = self.name("the name of a common table")
        columns = self.names("a column") if self.peek().is_symbol("(") else ()
        self.expect("as")
        hint = "not materialized" if self.take("not", "materialized") else ""
        hint = "materialized" if not hint and self.take("materialized") else hint
        self.expect("(")
        if self.peek().is_word("insert", "update", "delete"):
            raise Unsupported(
                f"{self.peek().text.upper()} in WITH is not supported: run the statements one after the other in"
                " db.transaction()"
            )
        query = self.query()
        self.expect(")")
        return nodes.CommonTable(name, columns, query, hint)

    def _set_operation(self) -> Node:
        left = self._intersection()
        while self.peek().is_word("union", "except"):
            operator = self.next().value
            if self.take("all"):
                operator += " all"
            else:
                self.take("distinct")
            left = nodes.SetOperation(operator, left, self._intersection())
        return left

    def _intersection(self) -> Node:
        left = self._body()
        while self.peek().is_word("intersect"):
            self.next()
            if self.take("all"):
                raise Unsupported("INTERSECT ALL is not supported: use INTERSECT")
            self.take("distinct")
            left = nodes.SetOperation("intersect", left, self._body())
        return left

    def _body(self) -> Node:
        if self.peek().is_symbol("("):
            return self.parenthesised(self.query)
        if self.take("values"):
            return nodes.Values(tuple(self.listed(self._row)))
        if not self.take("select"):
            raise self.unexpected("SELECT or VALUES is expected")
        return self._select()

    def _row(self) -> tuple[Node, ...]:
        if not self.peek().is_symbol("("):
            raise self.unexpected("a row in parentheses is expected")
        return tuple(self.parenthesised(lambda: self.listed(self.value)))

    def value(self) -> Node:
        """Read a value of VALUES or of an assignment: an expression, or the word DEFAULT."""
        if self.take("default"):
            return nodes.Name("default", "")
        return self.expression()

    def _select(self) -> nodes.Select:
        distinct_on: tuple[Node, ...] = ()
        distinct = self.take("distinct")
        if distinct and self.take("on"):
            distinct, distinct_on = False, tuple(self.parenthesised(self.expressions))
        elif not distinct:
            self.take("all")
        items = () if self.peek().is_word("from", "where") else tuple(self.items())
        if self.peek().is_word("into"):
            raise Unsupported("SELECT ... INTO is not supported; create the table, then INSERT ... SELECT")
        source = self.sources() if self.take("from") else None
        where = self.expression() if self.take("where") else None
        group = self._group() if self.take("group", "by") else ()
        having = self.expression() if self.take("having") else None
        windows = tuple(self.listed(self._named_window)) if self.take("window") else ()
        if not items:
            raise SqlError("SELECT is followed by no column; write SELECT *")
        return nodes.Select(items, source, where, group, having, windows, distinct, distinct_on)

    def _group(self) -> tuple[Node, ...]:
        word, following = self.peek(), self.peek(1)
        if (word.is_word("rollup", "cube") and following.is_symbol("(")) or word.is_word("grouping"):
            raise Unsupported(f"GROUP BY {word.text.upper()} is not supported: use UNION ALL of the groupings")
        return tuple(self.expressions())

    def _named_window(self) -> tuple[str, nodes.Window]:
        name = self.name("the name of a window")
        self.expect("as")
        return name, self.parenthesised(self.window)

    def items(self) -> list[nodes.Item]:
        """Read the list of a SELECT or of RETURNING."""
        return self.listed(self._item)

    def _item(self) -> nodes.Item:
        return nodes.Item(self.expression(), self._output_name())

    def _output_name(self) -> str | None:
        if self.take("as"):
            return self.any_name("a name").name
        return self.next().name if self.at_alias() else None

    def at_alias(self) -> bool:
        """Tell whether a name without AS comes next."""
        return self.peek().is_name and not self.peek().is_word(*RESERVED)

    # FROM

    def sources(self) -> Node:
        """Read the tables of FROM."""
        left = self._joined()
        while self.symbol(","):
            left = nodes.Join(",", left, self._joined())
        return left

    def _joined(self) -> Node:
        left = self._table()
        while self.peek().is_word(*_JOINS):
            left = self._join(left)
        return left

    def _join(self, left: Node) -> Node:
        words: list[str] = []
        while self.peek().is_word(*_JOINS, "outer"):
            words.append(self.next().value)
        if words[-1] != "join":
            raise self.unexpected("JOIN is expected")
        kind = " ".join(word for word in words if word not in ("outer", "inner"))
        right = self._table()
        if kind.startswith(("natural", "cross")):
            return nodes.Join(kind, left, right)
        if self.take("on"):
            return nodes.Join(kind, left, right, on=self.expression())
        if self.take("using"):
            return nodes.Join(kind, left, right, using=self.names("a column"))
        if kind != "join":
            raise self.unexpected("ON or USING is expected")
        return nodes.Join(kind, left, right)

    def _table(self) -> Node:
        lateral = self.take("lateral")
        if self.peek().is_symbol("("):
            return self._table_in_parentheses(lateral=lateral)
        if self.peek().is_name and self.peek(1).is_symbol("("):
            return self._table_call()
        name = self._table_name()
        if self.peek().is_word("tablesample"):
            raise Unsupported("TABLESAMPLE is not supported: use ORDER BY random() LIMIT")
        return nodes.TableName(name, *self._alias())

    def _table_name(self) -> str:
        self.take("only")
        name = self.table_name()
        if self.peek().is_symbol("*"):
            raise self.unexpected("a table's alias is expected")
        return name

    def table_name(self) -> str:
        """Read the name of a table, perhaps of the schema `public`."""
        name = self.name("a table name")
        if name.lower() == "public" and self.symbol("."):
            name = self.name("a table name")
        if self.peek().is_symbol("."):
            inner = self.peek(1).name if self.peek(1).is_name else "…"
            raise Unsupported(f"{name}.{inner}: tables are named without a schema")
        return name

    def _table_in_parentheses(self, *, lateral: bool) -> Node:
        if self.at_query_in_parentheses():
            query = self.parenthesised(self.query)
            if lateral:
                raise Unsupported(
                    "LATERAL (SELECT ...) is not supported: use a subquery in the list of the SELECT, or row_number()"
                    " OVER (PARTITION BY ...)"
                )
            return nodes.TableQuery(query, *self._alias())
        inner = self.parenthesised(self.sources)
        if self.at_alias() or self.peek().is_word("as"):
            raise Unsupported("an alias for a join in parentheses is not supported: give each table its own")
        return inner

    def _table_call(self) -> Node:
        call = self.call()
        if not isinstance(call, nodes.Call):
            raise self.unexpected("a table is expected")
        ordinality = self.take("with", "ordinality")
        return nodes.TableCall(call, *self._alias(), ordinality)

    def _alias(self) -> tuple[str | None, tuple[str, ...]]:
        alias = self._output_name()
        if alias is None or not self.peek().is_symbol("("):
            return alias, ()
        return alias, self.names("a column")

    def _limits(self) -> tuple[Node | None, Node | None]:
        limit: Node | None = None
        offset: Node | None = None
        while True:
            if limit is None and self.take("limit"):
                limit = nodes.Null() if self.take("all") else self.expression()
                if self.symbol(","):
                    limit, offset = self.expression(), limit
            elif offset is None and self.take("offset"):
                offset = self.expression()
                if not self.take("rows"):
                    self.take("row")
            elif limit is None and self.take("fetch"):
                limit = self._fetch()
            else:
                return limit, offset

    def _fetch(self) -> Node:
        if not self.take("first"):
            self.expect("next")
        limit = nodes.Number("1") if self.peek().is_word("row", "rows") else self.expression()
        if not self.take("rows"):
            self.expect("row")
        if self.take("with", "ties"):
            raise Unsupported("FETCH ... WITH TIES is not supported: use rank() OVER (ORDER BY ...)")
        self.expect("only")
        return limit


def parse_expression(text: str) -> Node:
    """Return the expression that a text is. Raises SqlError, and Unsupported."""
    parser = QueryParser(tokenize(text))
    node = parser.expression()
    parser.finish()
    return node
