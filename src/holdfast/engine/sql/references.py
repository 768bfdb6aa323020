"""Foreign keys, as seen from a branch.

They hold at the end of each statement. While it runs, triggers note what may have broken one: a row whose parent is not
there, and a row with children that goes or gets another key; usually that is nothing. At the end the actions are
carried out, level by level (a chain of rows may be longer than triggers nest), and what must hold then is looked at.

A foreign key and values for its columns stand for all rows that have them: it is broken if there is a child with these
values, and no parent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from holdfast.core.canonical import shortened
from holdfast.core.schema import Action, Catalogue, ForeignKey, Table
from holdfast.core.types import Stored, decode
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.translate.defaults import default_value
from holdfast.engine.sql.views import delete_view, rows_view, update_view
from holdfast.errors import ConstraintFailed, SqlError

LEVELS_MAX = 100_000
"""How long a chain of rows may be that one statement deletes or changes through foreign keys."""

Values = tuple[Stored, ...]


class Note(NamedTuple):
    """What a trigger noted: a foreign key (the id of its table, and its place there), and values.

    Of a row that refers to what is not there these are the values of its foreign key; of a row with children that
    `left` its key they are the old key and, if it was not deleted, the new one.
    """

    child: int
    place: int
    values: Values
    left: bool


class Notes:
    """What the triggers noted since the statement began."""

    def __init__(self) -> None:
        self.taken: list[Note] = []

    def check(self, child: int, place: int, *values: Stored) -> None:
        """hf_check: note a row that refers to what is not there."""
        self.taken.append(Note(child, place, values, left=False))

    def left(self, child: int, place: int, *values: Stored) -> None:
        """hf_left: note a row with children that is deleted, or gets another key."""
        self.taken.append(Note(child, place, values, left=True))

    def take(self) -> list[Note]:
        """Return what was noted, and forget it."""
        taken, self.taken = self.taken, []
        return taken


class Rows(Protocol):
    """The rows that the open commit shows, as foreign keys ask for them."""

    def having(self, table: Table, columns: tuple[int, ...], values: Values) -> list[int]:
        """Return the versions of the rows that have values in columns, which are named by their ids."""
        ...

    def end(self, table: Table, handle: int) -> None:
        """Delete a row, by its version."""
        ...

    def change(self, table: Table, handle: int, new: Mapping[int, Stored], defaults: Collection[int]) -> None:
        """Give a row other values, by the ids of columns, and some columns their defaults."""
        ...


class Database(Protocol):
    """What is needed of a driver: run one statement, get all its rows."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...


class ViewedRows:
    """Rows in views, with command views beside them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def having(self, table: Table, columns: tuple[int, ...], values: Values) -> list[int]:
        """Return the versions of the rows that have values in columns."""
        same = " AND ".join(f"{quoted(name)} = ?" for name in table.names(columns))
        sql = f"SELECT {quoted(VID)} FROM {rows_view(table)} WHERE {same}"
        return [vid for (vid,) in self._database.rows(sql, values)]

    def end(self, table: Table, handle: int) -> None:
        """Delete a row."""
        self._database.rows(f"INSERT INTO {delete_view(table)} VALUES (?)", (handle,))

    def change(self, table: Table, handle: int, new: Mapping[int, Stored], defaults: Collection[int]) -> None:
        """Give a row other values."""
        values: list[str] = []
        given: list[Stored] = []
        for column in table.columns:
            if column.id in defaults:
                values.append(default_value(column, f"{table.name}.{column.name}"))
            elif column.id in new:
                values.append("?")
                given.append(new[column.id])
            else:
                values.append(f"c.{quoted(column.name)}")
        self._database.rows(
            f"INSERT INTO {update_view(table)} SELECT c.{quoted(VID)}, {', '.join(values)}"
            f" FROM {rows_view(table)} AS c WHERE c.{quoted(VID)} = ?",
            (*given, handle),
        )


class Link(NamedTuple):
    """A foreign key with the tables at its ends."""

    child: Table
    key: ForeignKey
    parent: Table

    @property
    def name(self) -> str:
        """The foreign key, as it is written."""
        mine, theirs = (", ".join(names) for names in self._names)
        return f"FOREIGN KEY ({mine}) REFERENCES {self.parent.name} ({theirs})"

    @property
    def _names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.child.names(self.key.columns), self.parent.names(self.key.references)

    def children(self, rows: Rows, values: Values) -> list[int]:
        """Return the versions of the rows that refer to a key."""
        return rows.having(self.child, self.key.columns, values)

    def has_parent(self, rows: Rows, values: Values) -> bool:
        """Tell whether values refer to nothing, or to a row that is there."""
        return None in values or bool(rows.having(self.parent, self.key.references, values))

    def is_broken(self, rows: Rows, values: Values) -> bool:
        """Tell whether rows refer to a key that no row has."""
        return not self.has_parent(rows, values) and bool(self.children(rows, values))

    def error(self, note: Note) -> ConstraintFailed:
        """Return the error for what is noted."""
        (mine, theirs), width = self._names, len(self.key.columns)
        shown = ", ".join(
            shortened(repr(decode(value, self.parent.columns[at].type)))
            for value, at in zip(note.values[:width], self.parent.places(self.key.references), strict=True)
        )
        child, parent = f"{self.child.name} ({', '.join(mine)})", f"{self.parent.name} ({', '.join(theirs)})"
        text = (
            f"{parent} = ({shown}) is referred to by {child}"
            if note.left
            else f"{child} = ({shown}) is not in {parent}"
        )
        return ConstraintFailed(f"FOREIGN KEY constraint failed: {text}; nothing was changed")


class Settlement:
    """Carries out, at the end of a statement, what foreign keys ask for, and sees that they hold.

    Args:
        ready: gets a table ready to be looked at and written.
    """

    def __init__(
        self, rows: Rows, catalogue: Catalogue, notes: Notes, ready: Callable[[Table], object] = lambda _: None
    ) -> None:
        self._rows = rows
        self._catalogue = catalogue
        self._notes = notes
        self._ready = ready

    def settle(self) -> None:
        """Settle what was noted.

        Raises:
            ConstraintFailed: a foreign key, or what an action would break, does not hold; the caller takes all back.
        """
        final: dict[tuple[int, int, Values], Note] = {}
        for _ in range(LEVELS_MAX):
            notes = self._notes.take()
            if not notes:
                break
            acting: dict[tuple[int, int], list[Note]] = {}
            for note in notes:
                link = self._link(note)
                action = _action(link.key, note)
                if action is Action.RESTRICT and link.is_broken(self._rows, note.values[: len(link.key.columns)]):
                    raise link.error(note)
                if action in (None, Action.NO_ACTION, Action.RESTRICT, Action.SET_DEFAULT):
                    # A default may be the very key that is gone.
                    final[note.child, note.place, note.values[: len(link.key.columns)]] = note
                if action in (Action.CASCADE, Action.SET_NULL, Action.SET_DEFAULT):
                    acting.setdefault((note.child, note.place), []).append(note)
            for together in acting.values():
                self._act(self._link(together[0]), together)
        else:
            raise SqlError(f"rows refer to each other through more than {LEVELS_MAX} levels; delete them in parts")
        for (_, _, values), note in final.items():
            link = self._link(note)
            self._ready(link.child)
            if link.is_broken(self._rows, values):
                raise link.error(note)

    def _link(self, note: Note) -> Link:
        child = self._catalogue.table(note.child)
        assert child is not None, "the notes are of this statement"
        key = child.foreign_keys[note.place]
        parent = self._catalogue.table(key.table)
        assert parent is not None, "a table that is referred to is not dropped"
        return Link(child, key, parent)

    def _act(self, link: Link, notes: list[Note]) -> None:
        """Carry out the actions of one foreign key for the rows that left their keys.

        All children are looked up before the first is changed: one row's new key may be another's old one.
        """
        width = len(link.key.columns)
        self._ready(link.child)
        found = [(note, vid) for note in notes for vid in link.children(self._rows, note.values[:width])]
        for note, vid in found:
            if _action(link.key, note) is Action.CASCADE and len(note.values) == width:
                self._rows.end(link.child, vid)
            else:
                self._change(link, vid, note)

    def _change(self, link: Link, vid: int, note: Note) -> None:
        action, width = _action(link.key, note), len(link.key.columns)
        columns = [link.child.columns[at] for at in link.child.places(link.key.columns)]
        new: dict[int, Stored] = {column.id: None for column in columns}
        if action is Action.CASCADE:
            new = dict(zip(link.key.columns, note.values[width:], strict=True))
        by_default = [column.id for column in columns if action is Action.SET_DEFAULT and column.default is not None]
        self._rows.change(link.child, vid, new, by_default)


def _action(key: ForeignKey, note: Note) -> Action | None:
    """Return what a note asks for; None where only the foreign key must hold."""
    if not note.left:
        return None
    return key.on_update if len(note.values) > len(key.columns) else key.on_delete
