"""What the names in a statement mean, where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from holdfast.core.canonical import shortened
from holdfast.core.schema import Table
from holdfast.core.types import ColumnType
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.translate.typed import Place, Typed
from holdfast.errors import HoldfastError, SqlError, Unsupported


class Field(msgspec.Struct, frozen=True):
    """A column of a table or of a query's result. `sql` is what reads it, where that is not its name."""

    name: str
    type: ColumnType | None = None
    not_null: bool = False
    sql: str | None = None


class Source(msgspec.Struct, eq=False):
    """A table in FROM. `name` is what columns are qualified with; `view` is the name that SQLite has for the table."""

    name: str
    fields: list[Field]
    table: Table | None = None
    view: str = ""
    query: nodes.Node | None = None
    """Of `plainto_tsquery('words') AS query` in FROM: what the name stands for."""
    written: str = ""
    """The name as the statement has it, of a table at a ref: there the case of letters counts."""
    merged: frozenset[str] = frozenset()
    """Columns (lower case) that USING or NATURAL shows once, with the table before."""

    def is_called(self, name: str) -> bool:
        """Tell whether a name before a column means this table."""
        if "@" not in self.written:
            return name.lower() == self.name.lower()
        (table, _, ref), (mine, _, my_ref) = name.partition("@"), self.written.partition("@")
        return table.lower() == mine.lower() and ref == my_ref

    def find(self, name: str) -> Field | None:
        """Return the column of that name (case is ignored), or None."""
        folded = name.lower()
        return next((found for found in self.fields if found.name.lower() == folded), None)


class CommonTable(msgspec.Struct, frozen=True):
    """A table of the WITH clause: what it is called for SQLite, and its columns."""

    name: str
    fields: list[Field]


class Shown(msgspec.Struct, frozen=True):
    """A table that the statement reads: under which name, and at which ref (None: on the branch itself).

    `versioned`: with the hidden column of its versions, for searches.
    """

    alias: str
    table: Table
    ref: str | None
    versioned: bool = False


class Search(msgspec.Struct, frozen=True):
    """Rows to find before the statement runs, by distance or by words; it joins what was found (engine/contract).

    Attributes:
        shown: the table, as the statement sees it.
        column: the name of the column.
        operator: `<->`, `<=>`, `<#>`, or `@@` for words.
        query: the parameter or the string to look for.
        syntax, language: of a search for words: how they are written, and in which language they are taken.
        limit, offset: of the nearest rows: how many there are to be, and to be passed over.
        among: a query for the versions to look at, if not all.
        whole: whether rows without a vector would come, too, where there are too few with one.
        number: the parameter that takes the number of the search.
    """

    shown: Shown
    column: str
    operator: str
    query: nodes.Node
    syntax: str = ""
    language: str | None = None
    limit: nodes.Node | None = None
    offset: nodes.Node | None = None
    among: str | None = None
    whole: bool = False
    number: int = 0


class Context(msgspec.Struct, eq=False):
    """What belongs to a statement as a whole.

    Args:
        find: returns the table of a name as written, `name@ref` included, and what it is shown as; None if none.
        places: where its parameters go.
    """

    find: Callable[[str], Shown | None]
    places: list[Place]
    shown: dict[str, Shown] = msgspec.field(default_factory=dict)
    searches: list[Search] = msgspec.field(default_factory=list)
    searches_nearest: bool = True
    """Whether the nearest rows are found before the statement runs."""
    hoisted: list[tuple[str, int]] | None = None
    """Inside a trigger, which takes no parameters: the columns of NEW that hold them, with their numbers."""

    def parameter(self, number: int) -> str:
        """Return what stands for a parameter."""
        if self.hoisted is None:
            return f"?{number}"
        name = f"hf:{number}"
        if (name, number) not in self.hoisted:
            self.hoisted.append((name, number))
        return f"NEW.{quoted(name)}"

    def another_parameter(self) -> int:
        """Return the number of another parameter, which is filled in when the statement runs."""
        self.places.append(Place())
        return len(self.places)

    def is_table(self, name: str) -> bool:
        """Tell whether there is a table of that name."""
        try:
            return self.find(name) is not None
        except Unsupported:  # the engine's own: in what a statement becomes, a common table would stand for it
            raise
        except HoldfastError:
            return False

    def show(self, name: str, *, versioned: bool = False) -> Shown | None:
        """Return the table of a name, and note that it is read."""
        found = self.find(name)
        if found is not None:
            if versioned:
                found = Shown(f"{found.alias}~rows", found.table, found.ref, versioned=True)
            self.shown.setdefault(found.alias, found)
        return found


def table_source(shown: Shown, alias: str | None) -> Source:
    """Return a table of the store as a source."""
    table = shown.table
    keys = {name.lower() for name in table.primary_key}
    fields = [
        Field(column.name, column.type, not_null=column.not_null or column.name.lower() in keys)
        for column in table.columns
    ]
    return Source(alias or shown.alias, fields, table, shown.alias)


class Scope(msgspec.Struct, eq=False):
    """The names that can be used at one place: those of its own FROM, and those around it."""

    context: Context
    parent: Scope | None = None
    sources: list[Source] = msgspec.field(default_factory=list)
    outputs: dict[str, Typed] = msgspec.field(default_factory=dict)
    """The names that the list of the SELECT gives, for ORDER BY and GROUP BY."""
    tables: dict[str, CommonTable] = msgspec.field(default_factory=dict)
    """Common tables, by name in lower case."""
    write: str = ""
    """The write whose rows these are, such as `UPDATE t`: aggregates and windows have nothing to go over there."""

    def inner(self) -> Scope:
        """Return a scope inside this one."""
        return Scope(self.context, self)

    def common_table(self, name: str) -> CommonTable | None:
        """Return a common table that can be seen here, or None."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.tables.get(name.lower())
            if found is not None:
                return found
            scope = scope.parent
        return None

    def column(self, node: nodes.Name) -> Typed:
        """Return a column. Raises SqlError if there is none of that name here, or several."""
        if node.table is not None:
            return self._qualified(node, node.table)
        scope: Scope | None = self
        while scope is not None:
            found = [(source, column) for source in scope.sources if (column := source.find(node.name)) is not None]
            shown = [(source, column) for source, column in found if node.name.lower() not in source.merged]
            if len(shown) > 1:
                raise SqlError(f"ambiguous column name: {node.name}; say which table's")
            if found:
                return _typed(shown[0] if shown else found[0], node)
            if node.name.lower() in scope.outputs:
                output = scope.outputs[node.name.lower()]
                return Typed(quoted(node.name), output.type, node, not_null=output.not_null)
            scope = scope.parent
        raise self._unknown(node)

    def _qualified(self, node: nodes.Name, table: str) -> Typed:
        scope: Scope | None = self
        while scope is not None:
            for source in scope.sources:
                if source.is_called(table):
                    column = source.find(node.name)
                    if column is not None:
                        return _typed((source, column), node)
            scope = scope.parent
        raise self._unknown(node)

    def _unknown(self, node: nodes.Name) -> SqlError:
        around: list[Source] = []
        scope: Scope | None = self
        while scope is not None:
            around += scope.sources
            scope = scope.parent
        if node.table is not None:
            name, around = f"{node.table}.{node.name}", [source for source in around if source.is_called(node.table)]
            if not around:
                return SqlError(f"no such column: {name}; no table in FROM is called {node.table!r}")
        else:
            name = node.name
        known = shortened(", ".join(field.name for source in around for field in source.fields))
        return SqlError(f"no such column: {name}; {f'there are {known}' if known else 'no table is in FROM'}")

    def rows_of(self, columns: Iterable[nodes.Name]) -> Scope:
        """Return the scope whose rows an aggregate of these columns goes over: the innermost that has one of them."""
        scope: Scope | None = self
        names = list(columns)
        while scope is not None:
            if any(_has(source, name) for source in scope.sources for name in names):
                return scope
            scope = scope.parent
        return self

    def field(self, node: nodes.Name) -> Field | None:
        """Return the column of the tables around that a name means, or None."""
        scope: Scope | None = self
        while scope is not None:
            for source in scope.sources:
                if node.table is None or source.is_called(node.table):
                    found = source.find(node.name)
                    if found is not None:
                        return found
            scope = scope.parent
        return None

    def query_named(self, name: str) -> nodes.Node | None:
        """Return what a name in FROM asks to be searched for, or None."""
        scope: Scope | None = self
        while scope is not None:
            for source in scope.sources:
                if source.query is not None and source.is_called(name):
                    return source.query
            scope = scope.parent
        return None

    def whole_source(self, name: str) -> Source | None:
        """Return the function in FROM of that name, whose one value the name stands for; None if there is none."""
        scope: Scope | None = self
        while scope is not None:
            for source in scope.sources:
                if source.name.lower() == name.lower() and source.view == "()" and source.find(name) is None:
                    return source
            scope = scope.parent
        return None


def _typed(found: tuple[Source, Field], node: nodes.Name) -> Typed:
    source, column = found
    if column.sql is not None:
        return Typed(column.sql, column.type, None, not_null=column.not_null)
    sql = quoted(column.name) if node.table is None else f"{quoted(source.name)}.{quoted(column.name)}"
    return Typed(sql, column.type, node, not_null=column.not_null)


def _has(source: Source, node: nodes.Name) -> bool:
    return (node.table is None or source.is_called(node.table)) and source.find(node.name) is not None


def distinct_fields(fields: Sequence[Field], names: Sequence[str]) -> list[Field]:
    """Return the fields under other names, as far as names are given."""
    return [
        Field(names[at] if at < len(names) else found.name, found.type, found.not_null)
        for at, found in enumerate(fields)
    ]
