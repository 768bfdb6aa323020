"""Views of the whole store, across all branches, as the rooms above define them and engines with SQL show them."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.core.schema import Column, Table
from holdfast.core.types import ColumnType

SYSTEM_ID = -1
"""The id of the table that a view is taken for by statements."""


@dataclass(frozen=True, slots=True)
class SystemColumn:
    """A column of a view.

    Attributes:
        of: where it comes from: of a register "" for the key of an entry, else a field of its JSON value, in which a
            TIMESTAMP is a number of microseconds; of a table an SQL expression over its columns.
    """

    name: str
    type: ColumnType
    of: str


@dataclass(frozen=True, slots=True)
class SystemView:
    """A view of all branches.

    Attributes:
        name: begins with "hf_".
        source: the name of a register, or a table of Holdfast's own, of which all rows are shown, of whatever branch.
        where: a condition over the columns of the table.
        table: what statements take it for.
    """

    name: str
    source: str | Table
    columns: tuple[SystemColumn, ...]
    where: str = ""
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        """Make the table."""
        columns = tuple(Column(at, column.name, column.type) for at, column in enumerate(self.columns, 1))
        object.__setattr__(self, "table", Table(SYSTEM_ID, self.name, columns, owned=True))
