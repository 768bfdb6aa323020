"""The tables that the suites work on: few columns, few possible values, so that changes meet."""

from __future__ import annotations

from holdfast.core.schema import Column, Table
from holdfast.core.types import JSON, ColumnType, Kind

TEXT = ColumnType(Kind.TEXT)
INTEGER = ColumnType(Kind.INTEGER)


def table(
    name: str,
    columns: dict[str, ColumnType],
    *,
    primary_key: tuple[str, ...] = (),
    uniques: tuple[tuple[str, ...], ...] = (),
) -> Table:
    """Return the definition of a table; the store gives it its id."""
    numbered = tuple(Column(at, column, kind) for at, (column, kind) in enumerate(columns.items(), 1))
    return Table(0, name, numbered, primary_key, uniques)


STEPS = table(
    "steps",
    {"run_id": TEXT, "step": INTEGER, "note": TEXT, "state": JSON},
    primary_key=("run_id", "step"),
)
"""A composite key, and two columns that can be merged cell by cell."""

USERS = table("users", {"id": INTEGER, "email": TEXT, "age": INTEGER}, primary_key=("id",), uniques=(("email",),))
"""A UNIQUE column: what each side keeps, their merge may break."""

JOURNAL = table("journal", {"line": TEXT, "size": INTEGER})
"""No primary key: rows are told apart by their row ids alone, and equal rows stay two."""
