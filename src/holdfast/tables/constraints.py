"""Constraints by their names, those included that were made without one: they are called as PostgreSQL calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from holdfast.core.schema import Catalogue, Check, ForeignKey, Table
from holdfast.engine.sql.renaming import columns_in
from holdfast.errors import SqlError, Unsupported

Dropped = Callable[[], Table]


def constraints(table: Table) -> dict[str, Dropped]:
    """Return the constraints of a table: each name with what gives the table without it."""
    found: dict[str, Dropped] = {}
    for name, drop in _named(table):
        free = (name if not number else f"{name}{number}" for number in range(len(found) + 1))
        found[next(each for each in free if each not in found)] = drop
    return found


def _named(table: Table) -> Iterator[tuple[str, Dropped]]:
    if table.primary_key:
        yield f"{table.name}_pkey", partial(_refuse_key, table)
    unnamed = list(table.uniques)
    for index in table.indexes:
        if index.unique:
            unnamed.remove(table.names(index.columns))
            yield index.name, partial(table.without_index, index)
    for names in unnamed:
        yield f"{table.name}_{'_'.join(names)}_key", partial(_without_unique, table, names)
    for check in table.checks:
        columns = columns_in(check.expression, {column.name: None for column in table.columns})
        middle = f"_{columns[0]}" if len(columns) == 1 else ""
        yield check.name or f"{table.name}{middle}_check", partial(_without_check, table, check)
    for key in table.foreign_keys:
        name = key.name or f"{table.name}_{'_'.join(table.names(key.columns))}_fkey"
        yield name, partial(without_foreign_key, table, key)


def _refuse_key(table: Table) -> Table:
    raise Unsupported(f"the primary key of {table.name} cannot be dropped: it says which rows are the same on branches")


def _without_unique(table: Table, names: tuple[str, ...]) -> Table:
    uniques = list(table.uniques)
    uniques.remove(names)
    return replace(table, uniques=tuple(uniques))


def _without_check(table: Table, check: Check) -> Table:
    return replace(table, checks=tuple(other for other in table.checks if other is not check))


def without_foreign_key(table: Table, key: ForeignKey) -> Table:
    """Return the table without one of its foreign keys."""
    return replace(table, foreign_keys=tuple(other for other in table.foreign_keys if other is not key))


def check_referred(before: Table, after: Table, catalogue: Catalogue) -> None:
    """Raise SqlError if a foreign key refers to what was unique and is not any more."""
    keys = [sorted(after.ids(names)) for names in (after.primary_key, *after.uniques) if names]
    for child, _, key in catalogue.references_to(before):
        if sorted(key.references) not in keys:
            columns = ", ".join(before.names(key.references))
            raise SqlError(
                f"UNIQUE ({columns}) of {before.name} is needed by a foreign key of {child.name}; drop that first"
            )


def uses_of(table: Table, column: int, catalogue: Catalogue) -> list[str]:
    """Return what uses a column, by its id, in words: keys, constraints and indexes."""
    (name,) = table.names([column])
    found = ["the primary key"] if column in table.ids(table.primary_key) else []
    found += [f"UNIQUE ({', '.join(names)})" for names in table.uniques if column in table.ids(names)]
    found += [f"CHECK ({check.expression})" for check in table.checks if columns_in(check.expression, {name: None})]
    found += [f"the index {index.name}" for index in table.indexes if column in index.columns and not index.unique]
    found += [
        f"FOREIGN KEY ({', '.join(table.names(key.columns))})" for key in table.foreign_keys if column in key.columns
    ]
    for child, _, key in catalogue.references_to(table):
        if column in key.references:
            found.append(f"FOREIGN KEY ({', '.join(child.names(key.columns))}) of {child.name}")
    return found
