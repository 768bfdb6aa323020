"""Tables that Holdfast's own code writes: they follow branches as a user's do, and statements can only read them."""

from __future__ import annotations

from holdfast.core.schema import Catalogue, Table
from holdfast.engine.contract import Writer
from holdfast.errors import AlreadyExists


def owned_tables(catalogue: Catalogue, tables: tuple[Table, ...]) -> tuple[Table, ...] | None:
    """Return tables as a store has them; None if it does not have all of them yet."""
    found = [there for table in tables if (there := catalogue.find(table.name)) is not None and there.owned]
    return tuple(found) if len(found) == len(tables) else None


def make_owned(writer: Writer, tables: tuple[Table, ...], what: str) -> tuple[Table, ...]:
    """Return tables as the store has them; those that are missing are made, in the open commit.

    Args:
        what: needs them, for the message.

    Raises:
        AlreadyExists: the user has a table of such a name.
    """
    for table in tables:
        there = writer.catalogue().find(table.name)
        if there is None:
            writer.define(writer.catalogue().with_table(table))
        elif not there.owned:
            raise AlreadyExists(
                f"this store has a table {table.name!r} of your own, which {what} need{'' if what[-1] == 's' else 's'};"
                " rename it with ALTER TABLE"
            )
    found = owned_tables(writer.catalogue(), tables)
    assert found is not None
    return found
