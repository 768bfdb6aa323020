"""What execute() returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.core.types import ColumnType, Kind, Stored, decode
from holdfast.errors import InvalidValue

Row = dict[str, Any]
"""A row: column name -> Python value."""


class Shape:
    """The columns of a result: their names, and the types of those that are decoded, by position."""

    __slots__ = ("decoded", "names")

    def __init__(self, names: Sequence[str], types: Sequence[ColumnType | None]) -> None:
        self.names = _distinct(names)
        self.decoded = tuple((at, type_) for at, type_ in enumerate(types) if type_ is not None)


class Cursor:
    """The rows of a statement, as dicts, in the order the statement gave them.

    They were all read when the statement ran, in one snapshot: nothing that is written later changes them, and no lock
    is held while they are looked at.

    Attributes:
        columns: the names of the result's columns; empty for a statement without a result. A name that would be
            there twice gets a number: `step`, `step:1`.
        rowcount: rows that a write touched, or rows in the result.
    """

    def __init__(
        self,
        shape: Shape | None = None,
        rows: Sequence[tuple[Stored, ...]] = (),
        rowcount: int | None = None,
    ) -> None:
        self.columns = shape.names if shape else ()
        self.rowcount = len(rows) if rowcount is None else rowcount
        self._types = shape.decoded if shape else ()
        self._rows = rows
        self._at = 0

    def fetchone(self) -> Row | None:
        """Return the next row, or None after the last."""
        if self._at >= len(self._rows):
            return None
        self._at += 1
        return self._row(self._rows[self._at - 1])

    def fetchmany(self, size: int = 1) -> list[Row]:
        """Return the next rows, at most `size`."""
        rows = self._rows[self._at : self._at + max(size, 0)]
        self._at += len(rows)
        return [self._row(row) for row in rows]

    def fetchall(self) -> list[Row]:
        """Return all rows that were not fetched yet."""
        return self.fetchmany(len(self._rows))

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows that were not fetched yet."""
        while (row := self.fetchone()) is not None:
            yield row

    def _row(self, stored: tuple[Stored, ...]) -> Row:
        row = dict(zip(self.columns, stored, strict=True))
        for at, type_ in self._types:
            row[self.columns[at]] = _decoded(stored[at], type_)
        return row

    def __repr__(self) -> str:
        """Show the columns and how many rows there are."""
        return f"<Cursor {list(self.columns)} {self.rowcount} rows>"


def _decoded(stored: Stored, of: ColumnType) -> Any:  # noqa: ANN401 - what decode returns
    """Return a value as its column's type says, or as it is: a UNION names the type of its first SELECT only."""
    if of.kind is Kind.BOOLEAN and stored not in (0, 1):
        return stored
    try:
        return decode(stored, of)
    except (ValueError, TypeError, ArithmeticError, InvalidValue):
        return stored


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) == len(names):
        return tuple(names)
    written = set(names)
    numbers: dict[str, int] = {}
    seen: set[str] = set()
    distinct: list[str] = []
    for name in names:
        candidate = name
        while candidate in seen or (candidate != name and candidate in written):
            numbers[name] = numbers.get(name, 0) + 1
            candidate = f"{name}:{numbers[name]}"
        seen.add(candidate)
        distinct.append(candidate)
    return tuple(distinct)
