"""From tokens to the tree of a statement that writes."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.parser.queries import QueryParser
from holdfast.engine.sql.tokens import Token
from holdfast.errors import SqlError, Unsupported

Written = nodes.Query | nodes.Insert | nodes.Update | nodes.Delete


def parse_statement(tokens: Sequence[Token]) -> Written:
    """Return the tree of a SELECT, INSERT, UPDATE or DELETE.

    Raises:
        SqlError: it is not well formed.
        Unsupported: a part of it is not supported, by name.
    """
    parser = StatementParser(tokens)
    found = parser.statement()
    parser.finish()
    return found


class StatementParser(QueryParser):
    """Reads statements."""

    def statement(self) -> Written:
        """Read a whole statement."""
        start = self.at
        tables, recursive = self.with_clause()
        word = self.peek()
        if word.is_word("insert"):
            return self._insert(tables, recursive=recursive)
        if word.is_word("update"):
            return self._update(tables, recursive=recursive)
        if word.is_word("delete"):
            return self._delete(tables, recursive=recursive)
        if tables and not (self.peek().is_word("select", "values") or self.peek().is_symbol("(")):
            raise self.unexpected("after the tables of WITH, SELECT, INSERT, UPDATE or DELETE is expected")
        self.at = start
        return self.query()

    def _insert(self, tables: tuple[nodes.CommonTable, ...], *, recursive: bool) -> nodes.Insert:
        self.next()
        if self.take("or"):
            raise Unsupported("INSERT OR ... is not supported: use ON CONFLICT; REPLACE would erase history")
        if not self.take("into"):
            raise self.unexpected("INTO is expected")
        table, alias = self._target("an alias")
        columns = self.names("a column") if self._at_columns() else None
        if self.take("overriding"):
            raise Unsupported("OVERRIDING is not supported: leave the column out, or give it a value")
        source = None if self.take("default", "values") else self.query()
        conflict = self._conflict() if self.take("on", "conflict") else None
        return nodes.Insert(table, alias, columns, source, conflict, self._returning(), tables, recursive)

    def _at_columns(self) -> bool:
        return self.peek().is_symbol("(") and not self.at_query(1)

    def _target(self, what: str) -> tuple[str, str | None]:
        self.take("only")
        table = self.table_name()
        alias = None
        if self.take("as"):
            alias = self.name(what)
        elif self.at_alias() and not self.peek().is_word("overriding"):
            alias = self.next().name
        return table, alias

    def _conflict(self) -> nodes.OnConflict:
        target: tuple[str, ...] | None = None
        constraint: str | None = None
        if self.peek().is_symbol("("):
            target = self.names("a column")
            if self.peek().is_word("where"):
                raise Unsupported("ON CONFLICT (...) WHERE is not supported: there are no partial indexes")
        elif self.take("on", "constraint"):
            constraint = self.name("a constraint")
        self.expect("do")
        if self.take("nothing"):
            return nodes.OnConflict(target, constraint, None)
        if not self.take("update", "set"):
            raise self.unexpected("NOTHING or UPDATE SET is expected")
        if target is None and constraint is None:
            raise SqlError("ON CONFLICT DO UPDATE names the columns of the key: ON CONFLICT (run_id, step) DO UPDATE")
        assignments = tuple(self.listed(self._assignment))
        return nodes.OnConflict(target, constraint, assignments, self._where())

    def _where(self) -> Node | None:
        return self.expression() if self.take("where") else None

    def _assignment(self) -> nodes.Assignment:
        if not self.peek().is_symbol("("):
            column = self._assigned()
            self._equals()
            return nodes.Assignment((column,), self.value())
        columns = self.names("a column")
        self._equals()
        self.take("row")
        if self.peek().is_symbol("(") and self.peek(1).is_word("select", "with"):
            return nodes.Assignment(columns, nodes.Subquery(self.parenthesised(self.query)))
        values = self.parenthesised(lambda: self.listed(self.value))
        if len(values) != len(columns):
            raise SqlError(f"SET ({', '.join(columns)}) is given {len(values)} values")
        return nodes.Assignment(columns, nodes.Row(tuple(values)))

    def _assigned(self) -> str:
        name = self.name("an assignment, column = value,")
        if self.symbol("."):
            raise Unsupported(f"SET {name}.{self.peek().name}: a column is assigned by its name, without the table's")
        return name

    def _equals(self) -> None:
        if not self.symbol("="):
            raise self.unexpected("the '=' of an assignment is expected")

    def _returning(self) -> tuple[nodes.Item, ...]:
        return tuple(self.items()) if self.take("returning") else ()

    def _update(self, tables: tuple[nodes.CommonTable, ...], *, recursive: bool) -> nodes.Update:
        self.next()
        if self.take("or"):
            raise Unsupported("UPDATE OR ... is not supported: choose the rows with WHERE, or catch ConstraintFailed")
        table, alias = self._target("an alias")
        if not self.take("set"):
            raise self.unexpected("SET is expected")
        assignments = tuple(self.listed(self._assignment))
        source = self.sources() if self.take("from") else None
        where = self._where()
        self._refuse_order("UPDATE")
        return nodes.Update(table, alias, assignments, source, where, self._returning(), tables, recursive)

    def _delete(self, tables: tuple[nodes.CommonTable, ...], *, recursive: bool) -> nodes.Delete:
        self.next()
        if not self.take("from"):
            raise self.unexpected("FROM is expected")
        table, alias = self._target("an alias")
        source = self.sources() if self.take("using") else None
        where = self._where()
        self._refuse_order("DELETE")
        return nodes.Delete(table, alias, source, where, self._returning(), tables, recursive)

    def _refuse_order(self, verb: str) -> None:
        word = self.peek()
        if word.is_word("order", "limit", "group", "having"):
            raise Unsupported(
                f"{word.text.upper()} in {verb} is not supported: choose the rows in a subquery, WHERE id IN"
                " (SELECT ...)"
            )
