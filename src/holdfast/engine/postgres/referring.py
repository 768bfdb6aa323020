"""Foreign keys on PostgreSQL: noted while a statement runs, and settled at its end (engine/sql/references.py)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from holdfast.core.rows import Row
from holdfast.core.schema import Column, Table
from holdfast.core.types import Stored, encode
from holdfast.engine.cells import held
from holdfast.engine.postgres.statements import default_question
from holdfast.engine.postgres.survey import PostgresSurvey
from holdfast.engine.sql.references import Link, Notes, Settlement
from holdfast.engine.sql.writer import SqlChanges
from holdfast.errors import InvalidValue


class ReferringRows(PostgresSurvey, SqlChanges):
    """What foreign keys ask of a writer."""

    _notes: Notes
    _in_statement: bool

    @abstractmethod
    def versions_of(self, table: Table, handles: Sequence[int]) -> list[Row]:
        """Return versions by their handles, in the order of these."""

    @abstractmethod
    def _update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row."""

    @abstractmethod
    def _delete(self, table: Table, row: Row) -> None:
        """Remove a row."""

    @abstractmethod
    def _seen_with(self, table: Table, names: tuple[str, ...], values: Sequence[Stored]) -> list[int]:
        """Return the versions that the open commit sees with values in columns."""

    @contextmanager
    def statement(self) -> Generator[None]:
        """Let foreign keys hold at the end of the block, and what they ask for be done then; all of it, or nothing."""
        if self._in_statement:
            yield
            return
        self._notes.take()
        self._in_statement = True
        try:
            with self.savepoint():
                yield
                if self._notes.taken:
                    Settlement(self, self.catalogue(), self._notes).settle()
        finally:
            self._in_statement = False

    def _alone_if_referring(self, table: Table) -> AbstractContextManager[None]:
        """Return a statement of its own for a write of a table that refers to another, or is referred to."""
        return self.statement() if table.foreign_keys or self._referring(table) else nullcontext()

    def _referring(self, table: Table) -> list[Link]:
        """Return the foreign keys that refer to a table."""
        return [
            Link(child, key, table)
            for child in self.catalogue().tables
            for key in child.foreign_keys
            if key.table == table.id
        ]

    def _referred(self, table: Table) -> list[Link]:
        """Return the foreign keys of a table."""
        parents = [(key, self.catalogue().table(key.table)) for key in table.foreign_keys]
        return [Link(table, key, parent) for key, parent in parents if parent is not None]

    def _note_child(self, table: Table, values: tuple[Stored, ...], before: tuple[Stored, ...] | None) -> None:
        """Note a row that refers to what is not there: its parent may come before the statement ends.

        One that refers to what it did before is left alone: it may be older than the foreign key.
        """
        for place, link in enumerate(self._referred(table)):
            columns = table.places(link.key.columns)
            mine = tuple(values[at] for at in columns)
            same = before is not None and mine == tuple(before[at] for at in columns)
            if not same and not link.has_parent(self, mine):
                self._notes.check(table.id, place, *mine)

    def _note_parent(self, table: Table, before: tuple[Stored, ...], after: tuple[Stored, ...] | None) -> None:
        """Note a row with children that is deleted, or gets another key."""
        for link in self._referring(table):
            at = table.places(link.key.references)
            old = tuple(before[place] for place in at)
            new = () if after is None else tuple(after[place] for place in at)
            if None not in old and old != new and link.children(self, old):
                self._notes.left(link.child.id, link.child.foreign_keys.index(link.key), *old, *new)

    def having(self, table: Table, columns: tuple[int, ...], values: tuple[Stored, ...]) -> list[int]:
        """Return the versions of the rows that have values in columns, which are named by their ids."""
        found = [table.columns[at] for at in table.places(columns)]
        try:
            mine = [held(value, column, table.name) for value, column in zip(values, found, strict=True)]
        except InvalidValue:  # a value that the column cannot hold is in no row
            return []
        return self._seen_with(table, tuple(column.name for column in found), mine)

    def end(self, table: Table, handle: int) -> None:
        """Delete a row, by its version; nothing if an action has done so."""
        for row in self.versions_of(table, [handle]):
            self._delete(table, row)

    def change(self, table: Table, handle: int, new: Mapping[int, Stored], defaults: Collection[int]) -> None:
        """Give a row other values, by the ids of columns, and some columns their defaults."""
        for row in self.versions_of(table, [handle]):
            values = [
                self._default(table, column) if column.id in defaults else new.get(column.id, value)
                for column, value in zip(table.columns, row.values, strict=True)
            ]
            self._update(table, row, values)

    def _default(self, table: Table, column: Column) -> Stored:
        """Return what a column is given that is given nothing."""
        if column.default is None:
            return None
        sql, parameters = default_question(column, self.vectors, self.now)
        ((value,),) = self._driver.native(sql, parameters)
        return encode(value, column.type, f"{table.name}.{column.name}")
