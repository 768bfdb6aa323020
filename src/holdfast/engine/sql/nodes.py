"""The tree that a statement is: expressions and queries of PostgreSQL's dialect, before anything is known of tables.

Names are kept as written (quoted ones without their quotes). Equal trees are equal expressions: that is how a column of
GROUP BY is found again in the list of a SELECT.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec


class Node(msgspec.Struct, frozen=True):
    """Any part of a statement. A Struct, because the many kinds of it are made at every import."""


class Null(Node, frozen=True):
    """NULL."""


class Truth(Node, frozen=True):
    """TRUE or FALSE."""

    value: bool


class Number(Node, frozen=True):
    """A number, as written."""

    text: str

    @property
    def is_whole(self) -> bool:
        """Whether it is an integer."""
        return self.text.isdigit() or self.text[:2].lower() == "0x"


class Text(Node, frozen=True):
    """A string without a type of its own: it takes that of what stands beside it."""

    value: str


class Bytes(Node, frozen=True):
    """X'...', as written."""

    text: str


class TypeName(Node, frozen=True):
    """A type as written in a cast: its words in lower case, and its sizes."""

    name: str
    sizes: tuple[int, ...] = ()
    many: bool = False


class Typed(Node, frozen=True):
    """A string with its type before it: DATE '2026-01-31'."""

    type: TypeName
    value: str


class Interval(Node, frozen=True):
    """INTERVAL '1 month 2 days': months apart, since they have no fixed length; days have 24 hours."""

    months: int
    us: int


class Parameter(Node, frozen=True):
    """A parameter, numbered from 1 in the order of writing."""

    number: int


class Name(Node, frozen=True):
    """A column, perhaps with its table."""

    name: str
    table: str | None = None


class Star(Node, frozen=True):
    """`*` or `table.*`."""

    table: str | None = None


class Unary(Node, frozen=True):
    """`-a`, `+a`, `~a`, `not a`."""

    operator: str
    operand: Node


class Binary(Node, frozen=True):
    """`a operator b`; the operator in lower case, `is distinct from` among them."""

    operator: str
    left: Node
    right: Node


class Is(Node, frozen=True):
    """`a IS [NOT] null | true | false | unknown`."""

    operand: Node
    what: str
    negated: bool


class Between(Node, frozen=True):
    """`a [NOT] BETWEEN [SYMMETRIC] low AND high`."""

    operand: Node
    low: Node
    high: Node
    negated: bool
    symmetric: bool


class In(Node, frozen=True):
    """`a [NOT] IN (items)`, `IN (SELECT ...)` (one `Subquery`) or `IN %s` (one `Parameter` that is many)."""

    operand: Node
    items: tuple[Node, ...]
    negated: bool
    many: bool = False


class Quantified(Node, frozen=True):
    """`a operator ANY (of)`, or ALL."""

    operator: str
    operand: Node
    every: bool
    of: Node


class Like(Node, frozen=True):
    """`a [NOT] LIKE | ILIKE | GLOB pattern [ESCAPE escape]`."""

    operator: str
    operand: Node
    pattern: Node
    escape: Node | None
    negated: bool


class Case(Node, frozen=True):
    """CASE, with an operand or with conditions."""

    operand: Node | None
    whens: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


class Cast(Node, frozen=True):
    """`CAST(a AS type)` or `a::type`."""

    operand: Node
    type: TypeName


class AtTimeZone(Node, frozen=True):
    """`a AT TIME ZONE zone`."""

    operand: Node
    zone: Node


class Collate(Node, frozen=True):
    """`a COLLATE name`."""

    operand: Node
    name: str


class Row(Node, frozen=True):
    """`(a, b)`."""

    items: tuple[Node, ...]


class Array(Node, frozen=True):
    """`ARRAY[a, b]`."""

    items: tuple[Node, ...]


class OrderItem(Node, frozen=True):
    """An item of ORDER BY; `nulls_first` None: PostgreSQL's own order, NULLs after everything else."""

    expression: Node
    descending: bool = False
    nulls_first: bool | None = None


class Window(Node, frozen=True):
    """OVER (...), or the body of a named window. `frame` is SQL that needs no translation."""

    name: str | None = None
    partition: tuple[Node, ...] = ()
    order: tuple[OrderItem, ...] = ()
    frame: str = ""


class Call(Node, frozen=True):
    """A function's call. `named` are arguments written as `name => value`."""

    name: str
    arguments: tuple[Node, ...] = ()
    star: bool = False
    distinct: bool = False
    order: tuple[OrderItem, ...] = ()
    where: Node | None = None
    over: Window | None = None
    named: tuple[tuple[str, Node], ...] = ()
    shown: str | None = None
    """The name as written, where it stands for another function: SUBSTRING(a FROM 2)."""


class Subquery(Node, frozen=True):
    """A query in parentheses, as a value or a table."""

    query: Query


class Exists(Node, frozen=True):
    """EXISTS (query)."""

    query: Query


# Queries


class Item(Node, frozen=True):
    """An item of a SELECT's list or of RETURNING."""

    expression: Node
    alias: str | None = None


class TableName(Node, frozen=True):
    """A table in FROM: `name`, or `"name@ref"`, with its alias and the names it gives the columns."""

    name: str
    alias: str | None = None
    columns: tuple[str, ...] = ()


class TableQuery(Node, frozen=True):
    """A query in FROM."""

    query: Query
    alias: str | None = None
    columns: tuple[str, ...] = ()


class TableCall(Node, frozen=True):
    """A function in FROM."""

    call: Call
    alias: str | None = None
    columns: tuple[str, ...] = ()
    ordinality: bool = False


class Join(Node, frozen=True):
    """Two tables joined: `kind` is `,`, `join`, `left join`, `cross join`, ..., perhaps with `natural ` before it."""

    kind: str
    left: Node
    right: Node
    on: Node | None = None
    using: tuple[str, ...] = ()


class Select(Node, frozen=True):
    """One SELECT."""

    items: tuple[Item, ...]
    source: Node | None = None
    where: Node | None = None
    group: tuple[Node, ...] = ()
    having: Node | None = None
    windows: tuple[tuple[str, Window], ...] = ()
    distinct: bool = False
    distinct_on: tuple[Node, ...] = ()


class Values(Node, frozen=True):
    """VALUES (...), (...)."""

    rows: tuple[tuple[Node, ...], ...]


class SetOperation(Node, frozen=True):
    """UNION, INTERSECT or EXCEPT, perhaps with ` all` behind it."""

    operator: str
    left: Node
    right: Node


class CommonTable(Node, frozen=True):
    """A table of the WITH clause; `hint` is `materialized`, `not materialized` or nothing."""

    name: str
    columns: tuple[str, ...]
    query: Query
    hint: str = ""


class Query(Node, frozen=True):
    """A whole query: a body (Select, Values or SetOperation; a Query if it was in parentheses) and what goes around."""

    body: Node
    order: tuple[OrderItem, ...] = ()
    limit: Node | None = None
    offset: Node | None = None
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


# Statements that write


class Assignment(Node, frozen=True):
    """`column = value`, or `(a, b) = (values)`."""

    columns: tuple[str, ...]
    value: Node


class OnConflict(Node, frozen=True):
    """ON CONFLICT. `target` are the columns of the key; `assignments` None: DO NOTHING."""

    target: tuple[str, ...] | None
    constraint: str | None
    assignments: tuple[Assignment, ...] | None
    where: Node | None = None


class Insert(Node, frozen=True):
    """INSERT. `source` None: DEFAULT VALUES."""

    table: str
    alias: str | None
    columns: tuple[str, ...] | None
    source: Query | None
    conflict: OnConflict | None = None
    returning: tuple[Item, ...] = ()
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


class Update(Node, frozen=True):
    """UPDATE, perhaps with other tables in FROM."""

    table: str
    alias: str | None
    assignments: tuple[Assignment, ...]
    source: Node | None = None
    where: Node | None = None
    returning: tuple[Item, ...] = ()
    tables: tuple[CommonTable, ...] = ()
    recursive: bool = False


class Delete(Node, frozen=True):
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
    left: list[object] = [getattr(node, name) for name in reversed(node.__struct_fields__)]
    while left:
        part = left.pop()
        if isinstance(part, tuple):
            left += reversed(cast("tuple[object, ...]", part))
        elif isinstance(part, Node) and (queries or not isinstance(part, Query)):
            found.append(part)
    return found
