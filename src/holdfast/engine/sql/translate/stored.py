"""Bringing what SQL computed into the stored form of a column."""

from __future__ import annotations

from holdfast.core.types import ColumnType, Kind

_COMPUTED = {
    Kind.BOOLEAN, Kind.NUMERIC, Kind.JSON, Kind.TIMESTAMP, Kind.DATE, Kind.UUID, Kind.INTERVAL, Kind.VECTOR,
}  # fmt: skip


def _needs_conversion(to: ColumnType) -> bool:
    """Tell whether a value that SQL computed has to be brought into the column's stored form."""
    return to.kind in _COMPUTED or (to.kind is Kind.TEXT and to.size is not None)


def converted(expression: str, to: ColumnType, where: str) -> str:
    """Return the expression that brings a computed value into the stored form of a column."""
    if not _needs_conversion(to):
        return expression
    size, scale = ("NULL" if part is None else str(part) for part in (to.size, to.scale))
    place = where.replace("'", "''")
    return f"hf_as({expression}, '{to.kind.value}', {size}, {scale}, '{place}')"
