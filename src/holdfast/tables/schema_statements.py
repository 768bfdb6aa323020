"""CREATE, ALTER and DROP: what each makes of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from holdfast.core.schema import Catalogue
from holdfast.engine.contract import SqlWriter
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, joined
from holdfast.errors import NotFound, SqlError, Unsupported
from holdfast.tables.alter import parse_alter
from holdfast.tables.constraints import without_foreign_key
from holdfast.tables.create import parse_create
from holdfast.tables.indexes import dropped_names, parse_create_index, parse_drop_index
from holdfast.tables.reserved import check_unowned


class SchemaStatement(Protocol):
    """A statement that changes the schema."""

    def apply(self, writer: SqlWriter, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue as the statement leaves it; the very same if there is nothing to change.

        Nothing is written; `Writer.define` does that, and refuses constraints that do not hold.
        """
        ...


@dataclass(frozen=True, slots=True)
class DropTables:
    """A DROP TABLE statement. Commits of the past go on to show the tables."""

    names: tuple[str, ...]
    if_exists: bool
    cascade: bool

    def apply(self, writer: SqlWriter, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue without the tables.

        Raises:
            NotFound: one is not there.
            SqlError: a foreign key of a table that stays refers to one, and CASCADE was not said.
        """
        _ = writer
        found = [catalogue.find(name) for name in self.names]
        for name, table in zip(self.names, found, strict=True):
            if table is None and not self.if_exists:
                raise NotFound(f"no table {name!r}; the tables are {[table.name for table in catalogue.tables]}")
        dropped = {check_unowned(table, "dropped").id for table in found if table is not None}
        if not dropped:
            return catalogue
        left = catalogue
        for table in (table for table in found if table is not None):
            for child, _, key in catalogue.references_to(table):
                if child.id in dropped:
                    continue
                if not self.cascade:
                    raise SqlError(
                        f"table {table.name!r} cannot be dropped: a foreign key of {child.name} refers to it; drop that"
                        " first, or say CASCADE"
                    )
                now = left.table(child.id)
                assert now is not None
                left = left.changed(without_foreign_key(now, key))
        return replace(
            left,
            version=catalogue.version + 1,
            tables=tuple(table for table in left.tables if table.id not in dropped),
        )


def parse_schema_statement(tokens: list[Token]) -> SchemaStatement:
    """Return what a statement that begins with CREATE, ALTER or DROP asks for.

    Raises:
        SqlError: it is not well formed.
        Unsupported: it asks for something that is not supported, by name.
    """
    first, second, third = ([*_words(tokens), "", "", ""])[:3]
    if first == "alter":
        return parse_alter(tokens)
    if first == "drop":
        return _parse_drop(tokens, second)
    if second == "index" or (second, third) == ("unique", "index"):
        return parse_create_index(tokens)
    return parse_create(tokens)


def _parse_drop(tokens: list[Token], what: str) -> SchemaStatement:
    if what == "index":
        return parse_drop_index(tokens)
    reader = Reader(tokens)
    if not reader.take("drop", "table"):
        raise Unsupported(f"{joined(tokens)[:40]!r}: of DROP only DROP TABLE and DROP INDEX are supported")
    if_exists = reader.take("if", "exists")
    names = dropped_names(reader, "a table name")
    return DropTables(names, if_exists, reader.take("cascade"))


def _words(tokens: list[Token]) -> list[str]:
    return [token.value for token in tokens if token.kind is not TokenKind.SPACE]
