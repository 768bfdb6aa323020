"""From a statement to what the engine runs: writes become INSERTs into the command views of their table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.core.schema import Table
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.queries import Queries
from holdfast.engine.sql.translate.scope import Context, Field, Scope, Search, Shown
from holdfast.engine.sql.translate.typed import Place
from holdfast.tables.cursor import Shape
from holdfast.tables.statement import Statement
from holdfast.tables.writes import Write, written

Find = Callable[[str], Shown | None]
"""Returns the table of a name as the statement has it, `name@ref` included."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement ready to run: its SQL, where its parameters go, what it reads, and what it gives."""

    sql: str
    places: list[Place]
    shown: list[Shown]
    shape: Shape | None = None
    searches: tuple[Search, ...] = ()
    write: Write | None = None
    plain: Rewritten | None = field(default=None, repr=False)
    """The same without the search for the nearest rows, which leaves out those that have no vector."""


def rewrite(statement: Statement, find: Find, target: Callable[[str], Table]) -> Rewritten:
    """Return what the engine runs for a statement that reads or writes rows.

    Args:
        find: the tables that can be read.
        target: returns the table to write of a name, or raises NotFound.

    Raises:
        NotFound: it names a table, or writes a column, that is not there.
        Unsupported: it cannot be translated faithfully; the message names the part.
        InvalidValue: a literal is no value of the type beside it.
        SqlError: it makes no sense.
    """
    context = Context(find, [Place() for _ in statement.names])
    queries = Queries()
    node = statement.node
    if isinstance(node, nodes.Query):
        sql, fields = queries.query(node, Scope(context))
        return Rewritten(
            sql, context.places, list(context.shown.values()), _shape(fields), tuple(context.searches)
        )
    assert node is not None
    write = written(node, queries, context, target)
    return Rewritten(
        write.sql,
        context.places,
        list(context.shown.values()),
        _shape(write.fields) if write.fields is not None else None,
        tuple(context.searches),
        write,
    )


def _shape(fields: list[Field]) -> Shape:
    return Shape([found.name for found in fields], [found.type for found in fields])
