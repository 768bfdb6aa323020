"""The SQL of views of the whole store, for SQLite."""

from __future__ import annotations

from holdfast.core.schema import Catalogue
from holdfast.core.types import Kind
from holdfast.engine.contract.system import SystemColumn, SystemView
from holdfast.engine.sql.layout import literal, quoted
from holdfast.engine.sql.views import rows_select


def system_select(view: SystemView, catalogue: Catalogue) -> str:
    """Return the query that a view of the whole store stands for; one without rows if its table is not there yet."""
    if isinstance(view.source, str):
        columns = ", ".join(f"{_of_entry(column)} AS {quoted(column.name)}" for column in view.columns)
        return f"SELECT {columns} FROM main.hf_entry AS e WHERE e.register = {literal(view.source)}"
    source = catalogue.find(view.source.name)
    if source is None or not source.owned:
        return f"SELECT {', '.join(f'NULL AS {quoted(column.name)}' for column in view.columns)} WHERE FALSE"
    columns = ", ".join(f"{column.of} AS {quoted(column.name)}" for column in view.columns)
    where = f" WHERE {view.where}" if view.where else ""
    return f"SELECT {columns} FROM ({rows_select(source, None, None, versioned=False)}){where}"


def _of_entry(column: SystemColumn) -> str:
    if not column.of:
        return "e.key"
    value = f"json_extract(CAST(e.value AS TEXT), {literal(f'$.{column.of}')})"
    if column.type.kind is not Kind.TIMESTAMP:
        return value
    moment = f"strftime('%Y-%m-%d %H:%M:%S', {value} / 1000000, 'unixepoch') || printf('.%06d', {value} % 1000000)"
    return f"CASE WHEN {value} > 0 THEN {moment} END"
