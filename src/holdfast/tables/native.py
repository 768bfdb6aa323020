"""Statements on an engine that speaks PostgreSQL itself.

A statement is analysed as everywhere, so that what is refused, and what the columns of a result are called, is the
same; then the server gets it in its own words. Of one that writes, the server says which rows are meant and what they
become, and the engine's writer does the rest, row by row: so keys, constraints and the forms in which values are stored
have one home.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import msgspec

from holdfast.core.points import Rid
from holdfast.core.rows import Row
from holdfast.core.schema import Column, Key, Table
from holdfast.core.types import Kind, Stored, decode, encode
from holdfast.engine.cells import fit, held
from holdfast.engine.contract import NativeReader, NativeWriter
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.parser.queries import parse_expression
from holdfast.engine.sql.translate.scope import Shown
from holdfast.engine.sql.words import as_column, identifier, native_type, native_value
from holdfast.errors import ConstraintFailed, HoldfastError, SqlError
from holdfast.tables.cursor import Cursor, Shape
from holdfast.tables.questions import Question, Tables, told
from holdfast.tables.rewrite import Rewritten
from holdfast.tables.statement import Statement
from holdfast.tables.translation import pairs_of
from holdfast.tables.upsert import conflict_keys
from holdfast.versions.resolve import Resolved

DEFAULT = nodes.Name("default", "")
CELLS_MAX = 500
"""How many values are computed by one question, and those of one more row; the server returns 1,664."""


def read(
    reader: NativeReader, at: Resolved, statement: Statement, run: Rewritten, tables: Tables, values: Sequence[object]
) -> Cursor:
    """Run a statement that reads."""
    node = statement.node
    assert isinstance(node, nodes.Query)
    assert run.shape is not None
    question = Question(reader, at, tables, values)
    question.prepare(run)
    return _cursor(run, question.ask(question.words.body_of(node), node))


def _cursor(run: Rewritten, rows: list[Any], rowcount: int | None = None) -> Cursor:
    assert run.shape is not None
    types = dict(run.shape.decoded)
    for at, type_ in types.items():
        if type_.kind is Kind.VECTOR:
            rows = [(*row[:at], decode(encode(row[at], type_, "a vector"), type_), *row[at + 1 :]) for row in rows]
    return Cursor(Shape(run.shape.names, [None] * len(run.shape.names)), rows, rowcount)


class NativeWrite:
    """A statement that writes, run once.

    Args:
        given: its parameters as the caller gave them.
        values: the same as the server takes them.
    """

    def __init__(
        self,
        writer: NativeWriter,
        at: Resolved,
        statement: Statement,
        run: Rewritten,
        tables: Tables,
        given: Sequence[object],
        values: Sequence[object],
    ) -> None:
        assert run.write is not None
        self._writer = writer
        self._at = at
        self._node: nodes.Insert | nodes.Update | nodes.Delete = cast("Any", statement.node)
        self._run = run
        self._tables = tables
        self._given = given
        self._values = values
        self._table = run.write.table
        self._alias = self._node.alias or self._node.table

    def run(self) -> Cursor:
        """Write; return what RETURNING asks for, and how many rows were touched."""
        if isinstance(self._node, nodes.Delete):
            return self._delete(self._node)
        rids = self._insert(self._node) if isinstance(self._node, nodes.Insert) else self._update(self._node)
        if not self._node.returning:
            return Cursor(rowcount=len(rids))
        rids = list(dict.fromkeys(rids))
        return self._returned(self._writer.handles_of(self._table, rids))

    def _question(self) -> Question:
        question = Question(self._writer, self._at, self._tables, self._values)
        question.prepare(self._run)
        return question

    def _where(self, column: Column) -> str:
        return f"{self._table.name}.{column.name}"

    # Rows that are there

    @property
    def _rows(self) -> Shown:
        """The rows of the table with their versions."""
        return Shown(f"{self._table.name}~rows", self._table, None, versioned=True)

    @property
    def _vid(self) -> str:
        return f"{identifier(self._alias)}.{quoted(VID)}"

    def _chosen(self, question: Question, columns: Sequence[str]) -> list[Any]:
        """Return the version of each row that is meant, once, with what else is asked of it."""
        node = self._node
        question.show([self._rows])
        tables = f"{identifier(self._rows.alias)} AS {identifier(self._alias)}"
        assert not isinstance(node, nodes.Insert)
        if node.source is not None:
            source = question.words.write(node.source)
            tables += f" CROSS JOIN {f'({source})' if isinstance(node.source, nodes.Join) else source}"
        where = "" if node.where is None else f" WHERE {question.words.write(node.where)}"
        found = question.ask(f"SELECT {', '.join([self._vid, *columns])} FROM {tables}{where}", node)
        return list({row[0]: row for row in reversed(found)}.values())[::-1]

    def _delete(self, node: nodes.Delete) -> Cursor:
        handles = [row[0] for row in self._chosen(self._question(), [])]
        returned = self._returned(handles) if node.returning else None
        for row in self._writer.versions_of(self._table, handles):
            self._writer.delete(self._table, row)
        return returned or Cursor(rowcount=len(handles))

    def _update(self, node: nodes.Update) -> list[Rid]:
        question = self._question()
        assigned = self._assigned(node.assignments)
        cells = {at: self._cell(value, self._table.columns[at], question) for at, value in assigned.items()}
        asked = {at: cell for at, cell in cells.items() if isinstance(cell, Asked)}
        found = self._chosen(question, [cell.sql for cell in asked.values()])
        rows = self._writer.versions_of(self._table, [row[0] for row in found])
        changes: list[tuple[Row, list[Any]]] = []
        for row, (_, *computed) in zip(rows, found, strict=True):
            values: list[Any] = list(row.values)
            for at, cell in cells.items():
                if not isinstance(cell, Asked):
                    values[at] = cell
            for at, value in zip(asked, computed, strict=True):
                values[at] = encode(value, self._table.columns[at].type, self._where(self._table.columns[at]))
            changes.append((row, values))
        self._change(changes)
        return [row.rid for row, _ in changes]

    def _change(self, changes: list[tuple[Row, list[Any]]]) -> None:
        """Write changes, those whose new keys are taken behind those who have them: keys may be shifted into a gap."""
        while changes:
            left: list[tuple[Row, list[Any]]] = []
            for row, values in changes:
                try:
                    self._writer.update(self._table, row, values)
                except ConstraintFailed:  # nothing was changed
                    left.append((row, values))
            if len(left) == len(changes):
                self._writer.update(self._table, *left[0])  # says why not
            changes = left

    def _assigned(self, assignments: Iterable[nodes.Assignment]) -> dict[int, Node]:
        """Return the new values by the places of their columns. That each is there, and once, is known by now."""
        pairs = [pair for assignment in assignments for pair in pairs_of(assignment)]
        return {self._table.positions((name,))[0]: value for name, value in pairs}

    def _returned(self, handles: list[int]) -> Cursor:
        """Return what RETURNING asks for of versions, in their order."""
        question = self._question()
        question.show([self._rows])
        items: list[str] = []
        for item in self._node.returning:
            if isinstance(item.expression, nodes.Star):
                items += [f"{identifier(self._alias)}.{identifier(column.name)}" for column in self._table.columns]
            else:
                items.append(question.words.item(item))
        listed = f"CAST({question.bind(handles)} AS bigint[])"
        rows = question.ask(
            f"SELECT {', '.join(items)} FROM {identifier(self._rows.alias)} AS {identifier(self._alias)}"
            f" WHERE {self._vid} = ANY ({listed}) ORDER BY array_position({listed}, {self._vid})"
        )
        return _cursor(self._run, rows, len(rows))

    # Values

    def _cell(self, node: Node, column: Column, question: Question) -> Stored | Asked:
        """Return a value for a column if it can be told without the server, else what is to be asked."""
        where = self._where(column)
        if node == DEFAULT:
            if column.default is None:
                return None
            node = parse_expression(column.default)
        if isinstance(node, nodes.Parameter):
            return encode(self._given[node.number - 1], column.type, where)
        plain = told(node, column, where)
        if plain is not None:
            return plain[0]
        return Asked(question.words.as_column(node, column))

    # New rows

    def _insert(self, node: nodes.Insert) -> list[Rid]:
        touched: list[Rid] = []
        for values in list(self._new_rows(node)):  # all are computed before one is there to be seen
            rid = self._add(node, fit(self._table, values), touched)
            touched += [rid] if rid is not None else []
        return touched

    def _new_rows(self, node: nodes.Insert) -> Iterator[list[Stored]]:
        table = self._table
        body = node.source.body if node.source is not None else None
        plain = isinstance(body, nodes.Values) and node.source == nodes.Query(body)
        if node.columns is not None:
            columns = [table.columns[at] for at in table.positions(node.columns)]
        elif plain and isinstance(body, nodes.Values):
            columns = list(table.columns[: len(body.rows[0])])
        else:
            columns = list(table.columns)
        given = {column.id for column in columns}
        rest = [column for column in table.columns if column.id not in given]
        if node.source is None:
            columns, rest = [], list(table.columns)
            rows: list[tuple[Node, ...]] = [()]
        elif plain and isinstance(body, nodes.Values):
            rows = list(body.rows)
        else:
            yield from self._selected(node, columns, rest)
            return
        question, cells = self._question(), list[list[Stored | Asked]]()
        asked = 0
        for row in rows:
            cells.append(
                [
                    *(self._cell(value, column, question) for value, column in zip(row, columns, strict=True)),
                    *(self._cell(DEFAULT, column, question) for column in rest),
                ]
            )
            asked += sum(isinstance(cell, Asked) for cell in cells[-1])
            if asked > CELLS_MAX:
                yield from self._computed(cells, [*columns, *rest], question, node)
                question, cells, asked = self._question(), [], 0
        yield from self._computed(cells, [*columns, *rest], question, node)

    def _computed(
        self, rows: list[list[Stored | Asked]], columns: list[Column], question: Question, node: nodes.Insert
    ) -> Iterator[list[Stored]]:
        """Yield rows in the order of the table's columns, with what was asked computed."""
        asked = [cell.sql for row in rows for cell in row if isinstance(cell, Asked)]
        (answers,) = question.ask(f"SELECT {', '.join(asked)}", node) if asked else [()]
        computed = iter(answers)
        for row in rows:
            values: dict[int, Stored] = {}
            for cell, column in zip(row, columns, strict=True):
                values[column.id] = (
                    encode(next(computed), column.type, self._where(column)) if isinstance(cell, Asked) else cell
                )
            yield [values[column.id] for column in self._table.columns]

    def _selected(self, node: nodes.Insert, columns: list[Column], rest: list[Column]) -> Iterator[list[Stored]]:
        """Yield what a query gives, with defaults for the columns that it does not."""
        assert node.source is not None
        question = self._question()
        names = [f"c{at}" for at in range(len(columns))]
        query = question.words.write(node.source)
        cells = [self._cell(DEFAULT, column, question) for column in rest]
        asked = [cell for cell in cells if isinstance(cell, Asked)]
        listed = [as_column(f'"hf:query".{name}', column) for name, column in zip(names, columns, strict=True)]
        listed += [cell.sql for cell in asked]
        sql = f'SELECT {", ".join(listed)} FROM ({query}) AS "hf:query" ({", ".join(names)})'
        for row in question.ask(sql, node):
            values = {
                column.id: encode(value, column.type, self._where(column))
                for column, value in zip(columns, row, strict=False)
            }
            computed = iter(row[len(columns) :])
            for cell, column in zip(cells, rest, strict=True):
                values[column.id] = (
                    encode(next(computed), column.type, self._where(column)) if isinstance(cell, Asked) else cell
                )
            yield [values[column.id] for column in self._table.columns]

    def _add(self, node: nodes.Insert, values: tuple[Stored, ...], touched: list[Rid]) -> Rid | None:
        """Add a row, or do what the statement says for one whose key is there; return what was written."""
        table, conflict = self._table, node.conflict
        if conflict is not None:
            for key in conflict_keys(table, conflict):
                there = self._writer.alike(table, key, values)
                if there is not None and conflict.assignments is None:
                    return None
                if there is not None:
                    if there.rid in touched:
                        raise SqlError(f"INSERT INTO {table.name} ON CONFLICT DO UPDATE meets one row twice")
                    return self._upsert(conflict, there.rid, self._handle(there.rid, there.handle), values)
        self._writer.insert(table, values)
        return self._writer.last_rid()

    def _handle(self, rid: Rid, handle: int) -> int:
        """Return the handle of a version; the open commit does not know those that it made."""
        return handle or self._writer.handles_of(self._table, [rid])[0]

    def _upsert(self, conflict: nodes.OnConflict, rid: Rid, handle: int, values: tuple[Stored, ...]) -> Rid | None:
        """Change the row that is there as ON CONFLICT DO UPDATE says."""
        question = self._question()
        question.show([self._rows])
        assert conflict.assignments is not None
        question.words.home = self._alias, frozenset(column.name.lower() for column in self._table.columns)
        assigned = self._assigned(conflict.assignments)
        cells = {at: self._cell(node, self._table.columns[at], question) for at, node in assigned.items()}
        asked = {at: cell for at, cell in cells.items() if isinstance(cell, Asked)}
        excluded = ", ".join(
            f"CAST({question.bind(native_value(value, column.type))} AS {native_type(column.type)})"
            f" AS {identifier(column.name)}"
            for column, value in zip(self._table.columns, values, strict=True)
        )
        where = "" if conflict.where is None else f" AND {question.words.write(conflict.where)}"
        listed = ", ".join([self._vid, *(cell.sql for cell in asked.values())])
        found = question.ask(
            f"SELECT {listed} FROM {identifier(self._rows.alias)} AS {identifier(self._alias)}"
            f" CROSS JOIN (SELECT {excluded}) AS excluded WHERE {self._vid} = {question.bind(handle)}{where}"
        )
        if not found:
            return None
        (row,) = self._writer.versions_of(self._table, [handle])
        new: list[Any] = list(row.values)
        for at, cell in cells.items():
            new[at] = cell
        for at, value in zip(asked, found[0][1:], strict=True):
            column = self._table.columns[at]
            new[at] = encode(value, column.type, self._where(column))
        self._writer.update(self._table, row, new)
        return rid


def look_up_keys(writer: NativeWriter, node: object, table: Table, runs: Sequence[Sequence[object]]) -> None:
    """Let the keys of rows that are added be looked up at once, where parameters say them all.

    Args:
        runs: the parameters of each run, as they were given.
    """
    body = node.source.body if isinstance(node, nodes.Insert) and node.source is not None else None
    if not isinstance(node, nodes.Insert) or not isinstance(body, nodes.Values) or not table.primary_key:
        return
    names = [column.name for column in table.columns] if node.columns is None else list(node.columns)
    order = {name.lower(): at for at, name in enumerate(names)}
    places = [order.get(name.lower(), len(names)) for name in table.primary_key]
    columns = [table.columns[at] for at in table.positions(table.primary_key)]
    keys: list[Key] = []
    for row in body.rows:
        cells = [row[at] if at < len(row) else None for at in places]
        numbers = [cell.number for cell in cells if isinstance(cell, nodes.Parameter)]
        if len(numbers) < len(cells):
            return
        for given_ in runs:
            values = (given_[number - 1] for number in numbers)
            with suppress(HoldfastError):  # the row says so when it is its turn
                keys.append(
                    tuple(
                        held(encode(value, column.type, column.name), column, column.name)
                        for value, column in zip(values, columns, strict=True)
                    )
                )
    if len(keys) > 1:
        writer.look_up(table, keys)


class Asked(msgspec.Struct, frozen=True):
    """A value that the server computes."""

    sql: str
