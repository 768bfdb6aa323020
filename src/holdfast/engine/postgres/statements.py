"""What a user's statement sees of the store's tables: common tables before it.

A view would be a row in the server's catalogue for each connection, branch and table, could not be made by who only
reads, and would be gone behind a pooler that lends connections by transactions. A common table that is not materialized
is planned as a view is, and costs nothing to make (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from holdfast.core.schema import Catalogue, Column, Table
from holdfast.core.types import Kind, Stored
from holdfast.engine.contract.system import SystemColumn, SystemView
from holdfast.engine.postgres.driver import adapted
from holdfast.engine.sql.layout import VID, literal, quoted, versions
from holdfast.engine.sql.parser.queries import parse_expression
from holdfast.engine.sql.views import Listing, visible
from holdfast.engine.sql.words import NATIVE, Words, identifier, native_type, native_value

_FROM_STORED = {
    Kind.BOOLEAN: "({cell} <> 0)",
    Kind.INTERVAL: "({cell} * INTERVAL '1 microsecond')",
}
"""How a stored value becomes that of a statement, where a cast alone does not do."""
_AS_THEY_ARE = frozenset((Kind.INTEGER, Kind.REAL, Kind.TEXT, Kind.BLOB))


class Seen(NamedTuple):
    """What a table is seen by.

    Attributes:
        places: what stands for the highest commit that is seen, by line.
        listing: where a long vector stands.
        sealed: whether trunks imply lines that are not listed.
    """

    places: Mapping[int, str]
    listing: Listing | None
    sealed: bool


def table_definition(name: str, table: Table, seen: Seen, vectors: str, *, versioned: bool = False) -> str:
    """Return the common table that is a table as a vector sees it.

    Args:
        vectors: the type that statements have for vectors.
        versioned: whether it has the column "hf:vid" too.
    """
    condition = visible(table, seen.places, seen.listing, sealed=seen.sealed, marks_ended=False)
    columns = [f"{from_stored(column, vectors)} AS {identifier(column.name)}" for column in table.columns]
    columns += [f"v.vid AS {quoted(VID)}"] if versioned else []
    rows = f"SELECT {', '.join(columns)} FROM {versions(table)} AS v WHERE {adapted(condition)}"
    return f"{identifier(name)} AS NOT MATERIALIZED ({rows})"


def check_question(table: Table, values: Sequence[Stored], now: Callable[[], str]) -> tuple[str, list[object]]:
    """Return the statement that tells of each check of a table whether it holds for a row, and its parameters."""
    words = Words(lambda _: None, len(table.columns))
    given: list[object] = [
        native_value(value, column.type) for value, column in zip(values, table.columns, strict=True)
    ]
    row = ", ".join(
        f"CAST(${at} AS {native_type(column.type)}) AS {identifier(column.name)}"
        for at, column in enumerate(table.columns, 1)
    )
    checks = ", ".join(f"({words.write(parse_expression(check.expression))})" for check in table.checks)
    if words.moment is not None:
        given.append(now())
    return f'SELECT {checks or "NULL"} FROM (SELECT {row}) AS "hf:row"', given


def default_question(column: Column, vectors: str, now: Callable[[], str]) -> tuple[str, list[object]]:
    """Return the statement that computes the default of a column, and its parameters."""
    assert column.default is not None
    words = Words(lambda _: None, vectors=vectors)
    text = words.as_column(parse_expression(column.default), column)
    # It names no column, and nothing that aggregates: else it is refused here.
    return f"SELECT {text} WHERE coalesce(TRUE, ({text}) IS NULL)", [] if words.moment is None else [now()]


def from_stored(column: Column, vectors: str) -> str:
    """Return the value of a column for a statement."""
    cell = f"v.c{column.id}"
    if column.type.kind is Kind.VECTOR:
        return f"CAST({cell} AS {vectors})"
    if column.type.kind in _AS_THEY_ARE:
        return cell
    known = _FROM_STORED.get(column.type.kind)
    return known.format(cell=cell) if known is not None else f"CAST({cell} AS {native_type(column.type)})"


def system_definition(view: SystemView, catalogue: Catalogue) -> str:
    """Return the common table that is a view of the whole store; one without rows if its table is not there yet."""
    name = f"{identifier(view.name)} AS NOT MATERIALIZED"
    if isinstance(view.source, str):
        columns = ", ".join(f"{_of_entry(column)} AS {identifier(column.name)}" for column in view.columns)
        value = "CAST(convert_from(e.value, 'UTF8') AS jsonb) AS value"
        entries = f"SELECT e.key, {value} FROM hf_entry AS e WHERE e.register = {literal(view.source)}"
        return f"{name} (SELECT {columns} FROM ({entries}) AS e)"
    source = catalogue.find(view.source.name)
    if source is None or not source.owned:
        nothing = ", ".join(
            f"CAST(NULL AS {NATIVE[column.type.kind]}) AS {identifier(column.name)}" for column in view.columns
        )
        return f"{name} (SELECT {nothing} WHERE FALSE)"
    cells = ", ".join(f"v.c{column.id} AS {identifier(column.name)}" for column in source.columns)
    columns = ", ".join(f"{_of_row(column)} AS {identifier(column.name)}" for column in view.columns)
    where = f" WHERE {view.where}" if view.where else ""
    return f"{name} (SELECT {columns} FROM (SELECT {cells} FROM {versions(source)} AS v) AS v{where})"


def _of_entry(column: SystemColumn) -> str:
    if not column.of:
        return "e.key"
    field = f"(e.value ->> {literal(column.of)})"
    if column.type.kind is not Kind.TIMESTAMP:
        return f"CAST({field} AS {NATIVE[column.type.kind]})"
    since = f"CAST({field} AS bigint)"
    return f"CASE WHEN {since} > 0 THEN TIMESTAMPTZ 'epoch' + {since} * INTERVAL '1 microsecond' END"


def _of_row(column: SystemColumn) -> str:
    return f"CAST({column.of} AS {NATIVE[column.type.kind]})"
