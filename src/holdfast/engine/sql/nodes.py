"""The tree that a statement is: expressions and queries of PostgreSQL's dialect, before anything is known of tables.

Names are kept as written (quoted ones without their quotes). Equal trees are equal expressions: that is how a column of
GROUP BY is found again in the list of a SELECT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import cast


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of a statement."""


@dataclass(frozen=True, slots=True)
class Null(Node):
    """NULL."""


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number, as written."""

    text: str

    @property
    def is_whole(self) -> bool:
        """Whether it is an integer."""
        return self.text.isdigit() or self.text[:2].lower() == "0x"


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string without a type of its own: it takes that of what stands beside it."""

    value: str


@dataclass(frozen=True, slots=True)
class Bytes(Node):
    """X'...', as written."""

    text: str


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """A type as written in a cast: its words in lower case, and its sizes."""

    name: str
    sizes: tuple[int, ...] = ()
    many: bool = False


@dataclass(frozen=True, slots=True)
class Typed(Node):
    """A string with its type before it: DATE '2026-01-31'."""

    type: TypeName
    value: str


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """INTERVAL '1 month 2 days': months apart, since they have no fixed length; days have 24 hours."""

    months: int
    us: int


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A parameter, numbered from 1 in the order of writing."""

    number: int


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A column, perhaps with its table."""

    name: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Star(Node):
    """`*` or `table.*`."""

    table: str | None = None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-a`, `+a`, `~a`, `not a`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`a operator b`; the operator in lower case, `is distinct from` among them."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Is(Node):
    """`a IS [NOT] null | true | false | unknown`."""

    operand: Node
    what: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Between(Node):
    """`a [NOT] BETWEEN [SYMMETRIC] low AND high`."""

    operand: Node
    low: Node
    high: Node
    negated: bool
    symmetric: bool


@dataclass(frozen=True, slots=True)
class In(Node):
    """`a [NOT] IN (items)`, `IN (SELECT ...)` (one `Subquery`) or `IN %s` (one `Parameter` that is many)."""

    operand: Node
    items: tuple[Node, ...]
    negated: bool
    many: bool = False


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    """`a operator ANY (of)`, or ALL."""

    operator: str
    operand: Node
    every: bool
    of: Node


@dataclass(frozen=True, slots=True)
class Like(Node):
    """`a [NOT] LIKE | ILIKE | GLOB pattern [ESCAPE escape]`."""

    operator: str
    operand: Node
    pattern: Node
    escape: Node | None
    negated: bool


@dataclass(frozen=True, slots=True)
class Case(Node):
    """CASE, with an operand or with conditions."""

    operand: Node | None
    whens: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """`CAST(a AS type)` or `a::type`."""

    operand: Node
    type: TypeName


@dataclass(frozen=True, slots=True)
class AtTimeZone(Node):
    """`a AT TIME ZONE zone`."""

    operand: Node
    zone: Node


@dataclass(frozen=True, slots=True)
class Collate(Node):
    """`a COLLATE name`."""

    operand: Node
    name: str


@dataclass(frozen=True, slots=True)
class Row(Node):
    """`(a, b)`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array(Node):
    """`ARRAY[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class OrderItem(Node):
    """An item of ORDER BY; `nulls_first` None: PostgreSQL's own order, NULLs after everything else."""

    expression: Node
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Window(Node):
    """OVER (...), or the body of a named window. `frame` is SQL that needs no translation."""

    name: str | None = None
    partition: tuple[Node, ...] = ()
    order: tuple[OrderItem, ...] = ()
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function's call. `named` are arguments written as `name => value`."""

    name: str
    arguments: tuple[Node, ...] = ()
    star: bool = False
    distinct: bool = False
    order: tuple[OrderItem, ...] = ()
    where: Node | None = None
    over: Window | None = None
    named: tuple[tuple[str, Node], ...] = ()
    shown: str | None = field(default=None, compare=False)
    """The name as written, where it stands for another function: SUBSTRING(a FROM 2)."""


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """A query in parentheses, as a value or a table."""

    query: Query


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """EXISTS (query)."""

    query: Query


# Queries


@dataclass(frozen=True, slots=True)
class Item(Node):
    """An item of a SELECT's list or of RETURNING. `text` is the expression as written."""

    expression: Node
    alias: str | None = None
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TableName(Node):
    """A table in FROM: `name`, or `"name@ref"`, with its alias and the names it gives the columns."""

    name: str
    alias: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableQuery(Node):
    """A query in FROM."""

    query: Query
    alias: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableCall(Node):
    """A function in FROM."""

    call: Call
    alias: str | None = None
    columns: tuple[str, ...] = ()
    ordinality: bool = False


@dataclass(frozen=True, slots=True)
class Join(Node):
    """Two tables joined: `kind` is `,`, `join`, `left join`, `cross join`, ..., perhaps with `natural ` before it."""

    kind: str
    left: Node
    right: Node
    on: Node | None = None
    using: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Select(Node):
    """One SELECT."""

    items: tuple[Item, ...]
    source: Node | None = None
    where: Node | None = None
    group: tuple[Node, ...] = ()
    having: Node | None = None
    windows: tuple[tuple[str, Window], ...] = ()
    distinct: bool = False
    distinct_on: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Values(Node):
    """VALUES (...), (...)."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class SetOperation(Node):
    """UNION, INTERSECT or EXCEPT, perhaps with ` all` behind it."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class CommonTable(Node):
    """A table of the WITH clause; `hint` is `materialized`, `not materialized` or nothing."""

    name: str
    columns: tuple[str, ...]
    query: Query
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A whole query: a body (Select, Values or SetOperation; a Query if it was in parentheses) and what goes around."""

    body: Node
    order: tuple[OrderItem, ...] = ()
    limit: Node | None = None
    offset: Node | None = None
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


# Statements that write


@dataclass(frozen=True, slots=True)
class Assignment(Node):
    """`column = value`, or `(a, b) = (values)`."""

    columns: tuple[str, ...]
    value: Node


@dataclass(frozen=True, slots=True)
class OnConflict(Node):
    """ON CONFLICT. `target` are the columns of the key; `assignments` None: DO NOTHING."""

    target: tuple[str, ...] | None
    constraint: str | None
    assignments: tuple[Assignment, ...] | None
    where: Node | None = None


@dataclass(frozen=True, slots=True)
class Insert(Node):
    """INSERT. `source` None: DEFAULT VALUES."""

    table: str
    alias: str | None
    columns: tuple[str, ...] | None
    source: Query | None
    conflict: OnConflict | None = None
    returning: tuple[Item, ...] = ()
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class Update(Node):
    """UPDATE, perhaps with other tables in FROM."""

    table: str
    alias: str | None
    assignments: tuple[Assignment, ...]
    source: Node | None = None
    where: Node | None = None
    returning: tuple[Item, ...] = ()
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class Delete(Node):
    """DELETE, perhaps with other tables in USING."""

    table: str
    alias: str | None
    source: Node | None = None
    where: Node | None = None
    returning: tuple[Item, ...] = ()
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


def contains(node: Node, wanted: Callable[[Node], bool], *, queries: bool = False) -> bool:
    """Tell whether an expression has a wanted part; inside its subqueries only if `queries`."""
    left = [node]
    while left:
        part = left.pop()
        if wanted(part):
            return True
        left += children(part, queries=queries)
    return False


def children(node: Node, *, queries: bool = False) -> list[Node]:
    """Return the parts of a node; those that are queries only if `queries`."""
    found: list[Node] = []
    left: list[object] = [getattr(node, part.name) for part in reversed(fields(node))]
    while left:
        part = left.pop()
        if isinstance(part, tuple):
            left += reversed(cast("tuple[object, ...]", part))
        elif isinstance(part, Node) and (queries or not isinstance(part, Query)):
            found.append(part)
    return found
