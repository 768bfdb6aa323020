"""A statement's tree in PostgreSQL's own words, for a PostgreSQL server.

The tree is of PostgreSQL's dialect, so each node is written as it was meant. Names are written in lower case and
quoted, since their case does not count here; moments that ask the clock become parameters, so that all of a statement,
and of a transaction, has the moment that the store gives it.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeGuard

from holdfast.core.schema import Column
from holdfast.core.types import ColumnType, Kind, Stored, decode, encode
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import literal, quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.scope import Shown
from holdfast.engine.sql.type_names import TYPES
from holdfast.errors import SqlError, Unsupported

NAME_BYTES_MAX = 63
"""PostgreSQL cuts longer names off."""

NATIVE = {
    Kind.INTEGER: "bigint",
    Kind.REAL: "double precision",
    Kind.TEXT: "text",
    Kind.BLOB: "bytea",
    Kind.BOOLEAN: "boolean",
    Kind.NUMERIC: "numeric",
    Kind.JSON: "jsonb",
    Kind.TIMESTAMP: "timestamptz",
    Kind.DATE: "date",
    Kind.UUID: "uuid",
    Kind.INTERVAL: "interval",
    Kind.VECTOR: "real[]",
}
"""What the columns of a kind are to a statement."""

_MOMENTS = frozenset(("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp"))
_OF_SQLITE = ("datetime", "tinyint", "mediumint", "string", "clob", "blob", "any")
_DISTANCES = ("<->", "<=>", "<#>")
_OF_ANY = re.compile(
    "concat(_ws)?|format|count|num_(non)?nulls|pg_typeof|(array|jsonb?)_agg|to_jsonb?|jsonb?_build_(array|object)"
)
"""Functions that take values of any type."""
_BEYOND = re.compile(
    "pg_(?!typeof$|column_size$|size_pretty$).*|lo_.*|lo(read|write)|dblink.*|.*_to_xml.*|ts_stat|set_config|setval"
    "|nextval|currval|lastval|inet_(client|server)_.*|brin_.*|gin_clean_.*|binary_upgrade_.*"
)
"""Functions that read or change what is not of the store, or do so when a text that they are given says it."""
_OF_VECTORS = ("l2_distance", "cosine_distance", "inner_product", "vector_dims", "vector_norm")


def native_type(of: ColumnType) -> str:
    """Return the type that PostgreSQL has for values of a column."""
    if of.kind is Kind.NUMERIC and of.size is not None:
        return f"numeric({of.size}, {of.scale or 0})"
    return NATIVE[of.kind]


def native_value(stored: Stored, of: ColumnType) -> object:
    """Return a stored value as PostgreSQL's client takes it; text takes the type of what it stands beside."""
    if stored is None:
        return None
    if of.kind is Kind.BOOLEAN:
        return bool(stored)
    if of.kind is Kind.VECTOR:
        return numbers_of(stored)
    return decode(stored, of) if of.kind in (Kind.INTERVAL, Kind.NUMERIC) else stored


def numbers_of(vector: Stored) -> list[float]:
    """Return the numbers of a stored vector, as a server takes them."""
    assert isinstance(vector, bytes)
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))


def vector_of(numbers: Sequence[float]) -> bytes:
    """Return a vector as it is stored."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def as_column(sql: str, column: Column) -> str:
    """Return an expression as a value of a column; JSON as text, so that a string is told from what it says."""
    cast = f"CAST({sql} AS {native_type(column.type)})"
    return f"CAST({cast} AS text)" if column.type.kind is Kind.JSON else cast


def identifier(name: str) -> str:
    """Return a name as PostgreSQL is told it: in lower case, and no longer than it keeps names apart."""
    folded = name.lower()
    if len(folded.encode()) > NAME_BYTES_MAX:
        digest = hashlib.sha256(folded.encode()).hexdigest()[:16]
        folded = f"{folded.encode()[:40].decode(errors='ignore')}~{digest}"
    return quoted(folded)


class Words:
    """Writes nodes.

    Args:
        table: returns the table of the store of a name as written; None if it is none.
        parameters: how many parameters there are already.
        vectors: the type that the server has for vectors.

    Attributes:
        of_vectors: the parameters of the statement that are vectors.
        nulls: those that are None.
        texts: those that are a str, and whose place has no type.
        used: the number that each parameter of the statement has in the text; those that it does not name have none.
    """

    def __init__(
        self, table: Callable[[str], Shown | None], parameters: int = 0, vectors: str = NATIVE[Kind.VECTOR]
    ) -> None:
        self._table = table
        self._vectors = vectors
        self.parameters = parameters
        self.used: dict[int, int] = {}
        self.of_vectors: set[int] = set()
        self.nulls: set[int] = set()
        self.texts: set[int] = set()
        self.moment: int | None = None
        """The number of the parameter that takes the moment, if one is asked for."""
        self.home: tuple[str, frozenset[str]] | None = None
        """A table, and its columns: which names without a table mean."""

    def write(self, node: Node) -> str:
        """Return an expression. Raises Unsupported for what a PostgreSQL server has no words for."""
        return str(getattr(self, f"_{type(node).__name__.lower()}")(node))

    def listed(self, parts: Iterable[Node]) -> str:
        """Return expressions between commas."""
        return ", ".join(map(self.write, parts))

    def another_parameter(self) -> int:
        """Return the number of another parameter."""
        self.parameters += 1
        return self.parameters

    def named(self, name: str) -> str:
        """Return the name of a table, or what stands for it, as the statement has it."""
        found = self._table(name) if "@" in name else None
        return identifier(name if found is None else found.alias)

    # Values

    def _null(self, _node: nodes.Null) -> str:
        return "NULL"

    def _truth(self, node: nodes.Truth) -> str:
        return "TRUE" if node.value else "FALSE"

    def _number(self, node: nodes.Number) -> str:
        return f"({node.text})" if node.text.startswith("-") else node.text

    def _text(self, node: nodes.Text) -> str:
        return literal(node.value)

    def _bytes(self, node: nodes.Bytes) -> str:
        return f"'\\x{node.text[2:-1]}'::bytea"

    def _typed(self, node: nodes.Typed) -> str:
        return f"CAST({literal(node.value)} AS {self._type(node.type)})"

    def _type(self, node: nodes.TypeName) -> str:
        kind = TYPES.get(node.name)
        if kind is Kind.VECTOR:
            return self._vectors
        name = NATIVE[kind] if kind is not None and node.name in _OF_SQLITE and kind in NATIVE else node.name
        sizes = f"({', '.join(map(str, node.sizes))})" if node.sizes else ""
        return f"{name}{sizes}{'[]' * node.many}"

    def _interval(self, node: nodes.Interval) -> str:
        return f"(INTERVAL '{node.months} months' + INTERVAL '{node.us} microseconds')"

    def _parameter(self, node: nodes.Parameter) -> str:
        if node.number in self.nulls:
            return "NULL"  # it has the type of its place; a parameter may have none
        if node.number not in self.used:
            self.used[node.number] = self.another_parameter()
        found = f"${self.used[node.number]}"
        return f"CAST(CAST({found} AS real[]) AS {self._vectors})" if node.number in self.of_vectors else found

    def _name(self, node: nodes.Name) -> str:
        if node.table == "":
            raise SqlError("DEFAULT stands where it has no meaning")
        table = node.table
        if table is None and self.home is not None and node.name.lower() in self.home[1]:
            table = self.home[0]
        return identifier(node.name) if table is None else f"{self.named(table)}.{identifier(node.name)}"

    def _star(self, node: nodes.Star) -> str:
        return "*" if node.table is None else f"{self.named(node.table)}.*"

    def _row(self, node: nodes.Row) -> str:
        return f"ROW({self.listed(node.items)})"

    def _array(self, node: nodes.Array) -> str:
        return f"ARRAY[{self.listed(node.items)}]"

    # Operators

    def _unary(self, node: nodes.Unary) -> str:
        return f"({node.operator.upper()} {self.write(node.operand)})"

    def _binary(self, node: nodes.Binary) -> str:
        chain: list[nodes.Binary] = []
        at: Node = node
        while isinstance(at, nodes.Binary):  # a + b + c + ... without going as deep as it is long
            chain.append(at)
            at = at.left
        of_vectors = chain[-1].operator in _DISTANCES
        found = self.vector(at) if of_vectors else self.write(at)
        for part in reversed(chain):
            right = self.vector(part.right) if part.operator in _DISTANCES else self.write(part.right)
            found = f"({found} {part.operator.upper()} {right})"
        return found

    def vector(self, node: Node) -> str:
        """Return an expression that stands where a vector is meant: a parameter, or a string such as '[1, 2]'."""
        if isinstance(node, nodes.Cast) and TYPES.get(node.type.name) is Kind.VECTOR:
            node = node.operand
        if isinstance(node, nodes.Text):
            numbers = numbers_of(encode(node.value, ColumnType(Kind.VECTOR), "a vector"))
            return f"CAST(CAST('{{{', '.join(map(repr, numbers))}}}' AS real[]) AS {self._vectors})"
        if isinstance(node, nodes.Parameter):
            self.of_vectors.add(node.number)
        return self.write(node)

    def _of_any_type(self, node: Node) -> str:
        """Return an expression where a server does not look for a type; of a parameter it wants one."""
        is_text = isinstance(node, nodes.Parameter) and node.number in self.texts
        return f"CAST({self.write(node)} AS text)" if is_text else self.write(node)

    def as_column(self, node: Node, column: Column) -> str:
        """Return an expression as a value of a column."""
        return as_column(self.vector(node) if column.type.kind is Kind.VECTOR else self.write(node), column)

    def _is(self, node: nodes.Is) -> str:
        return f"({self._of_any_type(node.operand)} IS {'NOT ' * node.negated}{node.what.upper()})"

    def _between(self, node: nodes.Between) -> str:
        word = f"{'NOT ' * node.negated}BETWEEN{' SYMMETRIC' * node.symmetric}"
        return f"({self.write(node.operand)} {word} {self.write(node.low)} AND {self.write(node.high)})"

    def _in(self, node: nodes.In) -> str:
        operand, word = self.write(node.operand), "NOT IN" if node.negated else "IN"
        if node.many:
            return f"({operand} {'<> ALL' if node.negated else '= ANY'} ({self.write(node.items[0])}))"
        if len(node.items) == 1 and isinstance(node.items[0], nodes.Subquery):
            return f"({operand} {word} {self.write(node.items[0])})"
        return f"({operand} {word} ({self.listed(node.items)}))"

    def _quantified(self, node: nodes.Quantified) -> str:
        of = self.write(node.of)
        return f"({self.write(node.operand)} {node.operator} {'ALL' if node.every else 'ANY'} ({of}))"

    def _like(self, node: nodes.Like) -> str:
        if node.operator == "glob":
            raise Unsupported("GLOB is SQLite's: use LIKE, or ~ with a regular expression")
        escape = "" if node.escape is None else f" ESCAPE {self.write(node.escape)}"
        word = f"{'NOT ' * node.negated}{node.operator.upper()}"
        return f"({self.write(node.operand)} {word} {self.write(node.pattern)}{escape})"

    def _case(self, node: nodes.Case) -> str:
        operand = "" if node.operand is None else f" {self.write(node.operand)}"
        whens = "".join(f" WHEN {self.write(when)} THEN {self.write(then)}" for when, then in node.whens)
        otherwise = "" if node.otherwise is None else f" ELSE {self.write(node.otherwise)}"
        return f"CASE{operand}{whens}{otherwise} END"

    def _cast(self, node: nodes.Cast) -> str:
        if TYPES.get(node.type.name) is Kind.VECTOR:
            return self.vector(node)
        return f"CAST({self.write(node.operand)} AS {self._type(node.type)})"

    def _attimezone(self, node: nodes.AtTimeZone) -> str:
        return f"({self.write(node.operand)} AT TIME ZONE {self.write(node.zone)})"

    def _collate(self, node: nodes.Collate) -> str:
        return f"({self.write(node.operand)} COLLATE {quoted(node.name)})"

    # Calls

    def _call(self, node: nodes.Call) -> str:
        name = node.name.lower()
        if name in _MOMENTS and not node.arguments:
            return self._moment()
        if name == "current_date" and not node.arguments:
            return f"CAST({self._moment()} AS date)"
        if name == "extract":
            field, of = node.arguments
            if not isinstance(field, nodes.Text) or not (field.value.isascii() and field.value.isidentifier()):
                raise SqlError("EXTRACT takes a field such as year, then FROM")
            return f"EXTRACT({field.value} FROM {self.write(of)})"
        arguments = list(node.arguments)
        within = ""
        if name in ("percentile_cont", "percentile_disc"):
            within = f" WITHIN GROUP (ORDER BY {self.write(arguments.pop())})"
        if _BEYOND.fullmatch(name):
            raise Unsupported(f"{name}() reaches beyond the tables of a store: ask the server by itself")
        write = self.vector if name in _OF_VECTORS else self._of_any_type if _OF_ANY.fullmatch(name) else self.write
        listed = "*" if node.star else ", ".join(map(write, arguments))
        named = [f"{key} => {self.write(value)}" for key, value in node.named]
        listed = ", ".join([*([listed] if listed else []), *named])
        listed = f"{'DISTINCT ' * node.distinct}{listed}{self._order(node.order)}"
        where = "" if node.where is None else f" FILTER (WHERE {self.write(node.where)})"
        name = "hf_sum" if name == "sum" else name
        called = name if name.isidentifier() and name.isascii() else quoted(name)  # coalesce and its like are no names
        return f"{called}({listed}){within}{where}{self._over(node.over)}"

    def _moment(self) -> str:
        if self.moment is None:
            self.moment = self.another_parameter()
        return f"CAST(${self.moment} AS timestamptz)"

    def _over(self, window: nodes.Window | None) -> str:
        if window is None:
            return ""
        if window.name is not None and not (window.partition or window.order or window.frame):
            return f" OVER {identifier(window.name)}"
        return f" OVER ({self._window(window)})"

    def _window(self, window: nodes.Window) -> str:
        parts = [] if window.name is None else [identifier(window.name)]
        parts += [f"PARTITION BY {self.listed(window.partition)}"] if window.partition else []
        return " ".join([*parts, self._order(window.order).strip(), window.frame]).strip()

    def _order(self, items: Iterable[nodes.OrderItem]) -> str:
        found = [self._order_item(item) for item in items]
        return f" ORDER BY {', '.join(found)}" if found else ""

    def _order_item(self, item: nodes.OrderItem) -> str:
        nulls = "" if item.nulls_first is None else f" NULLS {'FIRST' if item.nulls_first else 'LAST'}"
        return f"{self.write(item.expression)}{' DESC' * item.descending}{nulls}"

    def _subquery(self, node: nodes.Subquery) -> str:
        return f"({self.write(node.query)})"

    def _exists(self, node: nodes.Exists) -> str:
        return f"EXISTS ({self.write(node.query)})"

    # Queries

    def _query(self, node: nodes.Query) -> str:
        home, self.home = self.home, None  # inside, names mean what stands there first
        try:
            prefix = self.common_tables(node.tables, recursive=node.recursive)
            return f"{prefix}{self.body_of(node)}"
        finally:
            self.home = home

    def body_of(self, node: nodes.Query) -> str:
        """Return a query without its WITH clause."""
        body = self.write(node.body)
        if isinstance(node.body, nodes.Query):
            body = f"({body})"
        limit = "" if node.limit is None else f" LIMIT {self.write(node.limit)}"
        offset = "" if node.offset is None else f" OFFSET {self.write(node.offset)}"
        return f"{body}{self._order(node.order)}{limit}{offset}"

    def common_tables(self, tables: Iterable[nodes.CommonTable], *, recursive: bool) -> str:
        """Return a WITH clause."""
        parts = [self._common_table(table) for table in tables]
        return f"WITH {'RECURSIVE ' * recursive}{', '.join(parts)} " if parts else ""

    def _common_table(self, table: nodes.CommonTable) -> str:
        columns = f" ({', '.join(map(identifier, table.columns))})" if table.columns else ""
        hint = f"{table.hint.upper()} " if table.hint else ""
        return f"{identifier(table.name)}{columns} AS {hint}({self.write(table.query)})"

    def _select(self, node: nodes.Select) -> str:
        on = f"DISTINCT ON ({self.listed(node.distinct_on)}) " if node.distinct_on else "DISTINCT " * node.distinct
        items = ", ".join(map(self.item, node.items))
        source = "" if node.source is None else f" FROM {self.write(node.source)}"
        where = "" if node.where is None else f" WHERE {self.write(node.where)}"
        groups = [*map(self.write, node.group), *self._implied(node)]
        group = f" GROUP BY {', '.join(groups)}" if groups else ""
        having = "" if node.having is None else f" HAVING {self.write(node.having)}"
        windows = [f"{identifier(name)} AS ({self._window(window)})" for name, window in node.windows]
        defined = f" WINDOW {', '.join(windows)}" if windows else ""
        return f"SELECT {on}{items}{source}{where}{group}{having}{defined}"

    def _implied(self, node: nodes.Select) -> list[str]:
        """Return the columns whose values a grouped primary key says; the server does not know that it is one."""
        grouped = {(part.table and part.table.lower(), part.name.lower()) for part in node.group if is_name(part)}
        found: list[str] = []
        for source in _tables_in(node.source) if grouped else ():
            shown = self._table(source.name)
            if shown is None or not shown.table.primary_key:
                continue
            called = (source.alias or source.name).lower()
            keys = [name.lower() for name in shown.table.primary_key]
            if all({(called, key), (None, key)} & grouped for key in keys):
                others = (column.name for column in shown.table.columns if column.name.lower() not in keys)
                found += [f"{self.named(source.alias or source.name)}.{identifier(name)}" for name in others]
        return found

    def item(self, item: nodes.Item) -> str:
        """Return an item of a list."""
        alias = "" if item.alias is None else f" AS {identifier(item.alias)}"
        return f"{self.write(item.expression)}{alias}"

    def _values(self, node: nodes.Values) -> str:
        return f"VALUES {', '.join(f'({self.listed(row)})' for row in node.rows)}"

    def _setoperation(self, node: nodes.SetOperation) -> str:
        left, right = (self._operand(part) for part in (node.left, node.right))
        return f"{left} {node.operator.upper()} {right}"

    def _operand(self, node: Node) -> str:
        return f"({self.write(node)})"

    def _tablename(self, node: nodes.TableName) -> str:
        return f"{self.named(node.name)}{self._alias(node.alias, node.columns)}"

    def _tablequery(self, node: nodes.TableQuery) -> str:
        return f"({self.write(node.query)}){self._alias(node.alias or 'hf:query', node.columns)}"

    def _tablecall(self, node: nodes.TableCall) -> str:
        ordinality = " WITH ORDINALITY" * node.ordinality
        return f"{self.write(node.call)}{ordinality}{self._alias(node.alias, node.columns)}"

    @staticmethod
    def _alias(alias: str | None, columns: tuple[str, ...]) -> str:
        names = f" ({', '.join(map(identifier, columns))})" if columns else ""
        return f" AS {identifier(alias)}{names}" if alias is not None else ""

    def _join(self, node: nodes.Join) -> str:
        left, right = self.write(node.left), self.write(node.right)
        if isinstance(node.right, nodes.Join):
            right = f"({right})"
        kind = node.kind
        if kind == "," or (kind == "join" and node.on is None and not node.using):
            kind = "cross join"
        on = "" if node.on is None else f" ON {self.write(node.on)}"
        using = f" USING ({', '.join(map(identifier, node.using))})" if node.using else ""
        return f"{left} {kind.upper()} {right}{on}{using}"


def is_name(node: Node) -> TypeGuard[nodes.Name]:
    """Tell whether an expression is a column."""
    return isinstance(node, nodes.Name)


def _tables_in(source: Node | None) -> Iterator[nodes.TableName]:
    """Yield the tables that stand in FROM."""
    if isinstance(source, nodes.TableName):
        yield source
    elif isinstance(source, nodes.Join):
        yield from _tables_in(source.left)
        yield from _tables_in(source.right)
