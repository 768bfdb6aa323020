"""From a statement to what the engine runs: writes become INSERTs into the command views of their table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from holdfast.core.schema import Table
from holdfast.engine.sql import nodes
from holdfast.engine.sql.translate.queries import Queries
from holdfast.engine.sql.translate.scope import Context, Scope, Search, Shown
from holdfast.engine.sql.translate.typed import Place
from holdfast.tables.cursor import Shape
from holdfast.tables.statement import Statement
from holdfast.tables.writes import Write, written

Find = Callable[[str], Shown | None]
"""Returns the table of a name as the statement has it, `name@ref` included."""

_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?(\d+)""")


class Rewritten(msgspec.Struct, eq=False):
    """A statement ready to run: its SQL, where its parameters go, what it reads, and what it gives.

    `plain` is the same without searches for the nearest rows, once it was needed.
    """

    sql: str
    places: list[Place]
    shown: list[Shown]
    shape: Shape | None = None
    searches: tuple[Search, ...] = ()
    write: Write | None = None
    plain: Rewritten | None = None


def rewrite(
    statement: Statement, find: Find, target: Callable[[str], Table], *, searches_nearest: bool = True
) -> Rewritten:
    """Return what the engine runs for a statement that reads or writes rows.

    Args:
        find: the tables that can be read.
        target: returns the table to write of a name, or raises NotFound.
        searches_nearest: whether the nearest rows are found before the statement runs.

    Raises:
        NotFound: it names a table, or writes a column, that is not there.
        Unsupported: it cannot be translated faithfully; the message names the part.
        InvalidValue: a literal is no value of the type beside it.
        SqlError: it makes no sense.
    """
    context = Context(find, [Place() for _ in statement.names], searches_nearest=searches_nearest)
    queries = Queries()
    write, node = None, statement.node
    if isinstance(node, nodes.Query):
        sql, fields = queries.query(node, Scope(context))
    else:
        assert node is not None
        write = written(node, queries, context, target)
        sql, fields = write.sql, write.fields or []
    shape = Shape([found.name for found in fields], [found.type for found in fields])
    return Rewritten(sql, context.places, list(context.shown.values()), shape, tuple(context.searches), write)


def used(sql: str, values: Sequence[object]) -> Sequence[object]:
    """Return the values that a statement takes: those up to the highest parameter in it."""
    numbers = [int(found[1]) for found in _PARAMETER.finditer(sql) if found[1]]
    return values[: max(numbers, default=0)]
