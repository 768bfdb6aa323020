"""ON CONFLICT: a command view of the statement's own, whose trigger updates the row that is there or adds the new one.

A trigger takes no parameters, so those of DO UPDATE are columns of the view.
"""

from __future__ import annotations

import hashlib

from holdfast.core.schema import Table
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.translate.scope import Context, Field, Scope, Source
from holdfast.engine.sql.views import Command, insert_view, update_view
from holdfast.errors import SqlError, Unsupported
from holdfast.tables.translation import Translation


def upsert_command(insert: Translation, conflict: nodes.OnConflict) -> Command:
    """Return the command view for the ON CONFLICT clause of an INSERT.

    Raises:
        SqlError: its columns are no key of the table.
        Unsupported: DO UPDATE changes the key that it goes by.
    """
    table = insert.table
    keys = conflict_keys(table, conflict)
    body = [] if conflict.assignments is None else [_update(insert, conflict, keys[0])]
    parameters = insert.context.hoisted
    insert.context.hoisted = None
    names = [column.name for column in table.columns]
    missing = " AND ".join(f"NOT EXISTS (SELECT 1 FROM {insert.rows} WHERE {_same(insert, key)})" for key in keys)
    listed = ", ".join(map(quoted, names))
    values = ", ".join(f"NEW.{quoted(name)}" for name in names)
    add = f"INSERT INTO {insert_view(table)} ({listed}) SELECT {values}"
    body.append(f"{add} WHERE {missing}" if keys else add)
    columns = [*names, *(name for name, _ in parameters or [])]
    digest = hashlib.sha256("\0".join([*columns, *body]).encode()).hexdigest()[:16]
    return Command(f"hf_upsert_{table.id}_{digest}", tuple(columns), tuple(body), tuple(parameters or []))


def conflict_keys(table: Table, conflict: nodes.OnConflict) -> list[tuple[str, ...]]:
    """Return the keys that a conflict may be about. Raises SqlError, and Unsupported."""
    known = [key for key in (table.primary_key, *table.uniques) if key]
    if conflict.constraint is not None:
        if conflict.constraint.lower() != f"{table.name.lower()}_pkey" or not table.primary_key:
            raise Unsupported(f"ON CONFLICT ON CONSTRAINT {conflict.constraint}: name the columns of the key instead")
        return [table.primary_key]
    if conflict.target is None:
        return known
    wanted = {name.lower() for name in conflict.target}
    for key in known:
        if {name.lower() for name in key} == wanted:
            return [key]
    raise SqlError(
        f"ON CONFLICT ({', '.join(conflict.target)}): no PRIMARY KEY or UNIQUE of {table.name} has these columns; its"
        f" keys are {[', '.join(key) for key in known]}"
    )


def _same(insert: Translation, key: tuple[str, ...]) -> str:
    columns = [insert.table.columns[at] for at in insert.table.positions(key)]
    return " AND ".join(f"{quoted(insert.alias)}.{quoted(c.name)} = NEW.{quoted(c.name)}" for c in columns)


def _update(insert: Translation, conflict: nodes.OnConflict, key: tuple[str, ...]) -> str:
    assert conflict.assignments is not None
    insert.context.hoisted = []
    scope = _scope(insert.context, insert.source, insert.table)
    new = insert.assigned(conflict.assignments, scope)
    for at in insert.table.positions(key):
        column = insert.table.columns[at]
        if column.id in new and new[column.id] != f"(NEW.{quoted(column.name)})":
            raise Unsupported(f"DO UPDATE SET {column.name}: a row keeps the key that the conflict is about")
    alias = quoted(insert.alias)
    values = [new.get(column.id, f"{alias}.{quoted(column.name)}") for column in insert.table.columns]
    condition = ""
    if conflict.where is not None:
        condition = f" AND {insert.queries.expressions.condition(conflict.where, scope)}"
    return (
        f"INSERT INTO {update_view(insert.table)} SELECT {', '.join([f'{alias}.{quoted(VID)}', *values])}"
        f" FROM {insert.rows} WHERE {_same(insert, key)}{condition}"
    )


def _scope(context: Context, target: Source, table: Table) -> Scope:
    """Return what DO UPDATE can name: the row that is there, and `excluded`, the one that was to be added."""
    scope = Scope(context, write=f"ON CONFLICT of {table.name}")
    # Where both have the name, the row that is there is meant.
    merged = frozenset(column.name.lower() for column in table.columns)
    fields = [Field(column.name, column.type, sql=f"NEW.{quoted(column.name)}") for column in table.columns]
    scope.sources = [target, Source("excluded", fields, merged=merged)]
    return scope
