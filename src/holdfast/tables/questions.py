"""What is asked of a server that speaks PostgreSQL itself: one statement in its words, its tables and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from holdfast.core.schema import Column
from holdfast.core.types import Kind, Stored, bind, encode
from holdfast.engine.contract import NativeReader
from holdfast.engine.contract.system import SYSTEM_ID, SystemView
from holdfast.engine.sql import nodes
from holdfast.engine.sql.parser.queries import parse_expression
from holdfast.engine.sql.translate.scope import Shown
from holdfast.engine.sql.translate.typed import Place
from holdfast.engine.sql.words import Words, native_value
from holdfast.tables.parameters import Parameters, given, items_of, placed, refuse_number
from holdfast.tables.rewrite import Rewritten
from holdfast.tables.statement import Statement
from holdfast.versions.resolve import Resolved, resolve


def native_parameter(value: object, place: Place, name: str) -> object:
    """Return a parameter as the server takes it. Raises InvalidValue."""
    if place.many:
        one = Place(place.type, place.where, place.no_number)
        items = items_of(value, place, name)
        return None if items is None else [native_parameter(item, one, name) for item in items]
    if place.type is not None:
        return native_value(encode(value, place.type, place.where), place.type)
    refuse_number(value, place, name)
    stored = bind(value, name)
    return stored if stored is None or isinstance(stored, bytes) or _is_json(value) else _known(value, stored)


def native_parameters(
    statement: Statement, run: Rewritten, parameters: Parameters
) -> tuple[Sequence[object], list[object]]:
    """Return the parameters as they were given, and as the server takes them. Raises InvalidValue."""
    values = given(statement.names, parameters)
    return values, [native_parameter(*each) for each in placed(statement.names, run.places, values)]


def _is_json(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _known(value: object, stored: Stored) -> object:
    """Return a value whose type the server knows, as it is; a number of numpy's, or of an Enum, as a plain one."""
    return value if not isinstance(value, (int, float, str)) or isinstance(value, bool) else stored


def _plain(shown: Shown) -> Shown:
    """Return a table without its versions: nothing is found before the statement runs."""
    return Shown(shown.alias.removesuffix("~rows"), shown.table, shown.ref)


class Question:
    """What is asked of the server in one statement: its words, the tables that it names, and its parameters."""

    def __init__(
        self, reader: NativeReader, at: Resolved | None, tables: Tables | None, values: Sequence[object] = ()
    ) -> None:
        self._reader = reader
        self._at = at
        self._tables = tables
        self._given = values
        self._values: dict[int, object] = {}
        self._shown: dict[str, Shown] = {}
        self.words = Words(self._named, vectors=reader.vectors)

    def _named(self, name: str) -> Shown | None:
        """Return the table of a name, unless it is one of the statement's own."""
        if "@" not in name and name.lower() not in {shown.alias.lower() for shown in self._shown.values()}:
            return None
        return None if self._tables is None else self._tables.find(name)

    def bind(self, value: object) -> str:
        """Return the parameter that stands for a value."""
        number = self.words.another_parameter()
        self._values[number] = value
        return f"${number}"

    def prepare(self, run: Rewritten) -> None:
        """Let the statement name the tables that its analysis found, and know what its parameters are."""
        self.show(map(_plain, run.shown))
        for at, (place, value) in enumerate(zip(run.places, self._given, strict=False), 1):
            if value is None:
                self.words.nulls.add(at)
            elif place.type is not None and place.type.kind is Kind.VECTOR:
                self.words.of_vectors.add(at)
            elif place.type is None and isinstance(value, str):
                self.words.texts.add(at)

    def show(self, shown: Iterable[Shown]) -> None:
        """Let the statement name tables."""
        for table in shown:
            self._shown.setdefault(table.alias, table)

    def ask(self, sql: str, own: nodes.Query | nodes.Update | nodes.Delete | nodes.Insert | None = None) -> list[Any]:
        """Ask; return the rows.

        Args:
            own: what has a WITH clause of its own that stands before the statement.
        """
        tables = list(self._definitions())
        prefix = "WITH "
        if own is not None and own.tables:
            taken = {shown.alias.lower() for shown in self._shown.values()}
            mine = self.words.common_tables(own.tables, recursive=own.recursive)
            if any(table.name.lower() in taken for table in own.tables):  # the table stands in the one of its name
                sql = f'SELECT * FROM ({mine}{sql}) AS "hf:statement"'
            else:
                prefix = f"WITH {'RECURSIVE ' * own.recursive}"
                tables.append(mine.removeprefix(prefix).strip())
        whole = f"{prefix}{', '.join(tables)} {sql}" if tables else sql
        if self.words.moment is not None:
            self._values[self.words.moment] = self._reader.now()
        self._values |= {number: self._given[at - 1] for at, number in self.words.used.items()}
        return self._reader.ask(whole, [self._values[number] for number in range(1, self.words.parameters + 1)])

    def _definitions(self) -> Iterator[str]:
        for shown in self._shown.values():
            assert self._tables is not None
            view = self._tables.view(shown.alias) if shown.table.id == SYSTEM_ID else None
            if view is not None:
                yield self._reader.defined_whole(view)
                continue
            there = self._at if shown.ref is None else resolve(self._reader, shown.ref)
            assert there is not None
            first = self.words.parameters + 1
            text, numbers = self._reader.defined(
                shown.alias, shown.table, there.seen_from, first, versioned=shown.versioned
            )
            for number in numbers:
                self.bind(number)
            yield text


def told(node: nodes.Node, column: Column, where: str) -> tuple[Stored] | None:
    """Return the value for a column that an expression says without the server, or None. Raises InvalidValue."""
    kind = column.type.kind
    if isinstance(node, nodes.Null):
        return (None,)
    if isinstance(node, nodes.Text) and kind not in (Kind.INTEGER, Kind.REAL, Kind.BLOB, Kind.INTERVAL):
        return (encode(node.value, column.type, where),)
    if isinstance(node, nodes.Truth) and kind in (Kind.BOOLEAN, Kind.INTEGER):
        return (int(node.value),)
    if isinstance(node, nodes.Number) and node.is_whole and kind is Kind.INTEGER:
        return (int(node.text) if node.text.isdigit() else int(node.text, 0),)
    return None


def computed(reader: NativeReader, expression: str, column: Column, where: str) -> Stored:
    """Return the value of a default, as a column stores it. Raises SqlError, InvalidValue, Unsupported."""
    node = parse_expression(expression)
    plain = told(node, column, where)
    if plain is not None:
        return plain[0]
    question = Question(reader, None, None)
    text = question.words.as_column(node, column)
    ((value,),) = question.ask(f"SELECT {text} WHERE coalesce(TRUE, ({text}) IS NULL)")
    return encode(value, column.type, where)


class Tables(Protocol):
    """How names are looked up."""

    def find(self, name: str) -> Shown:
        """Return the table of a name, `name@ref` included. Raises NotFound, and Unsupported."""
        ...

    def view(self, name: str) -> SystemView | None:
        """Return the view of the whole store of a name, or None."""
        ...
