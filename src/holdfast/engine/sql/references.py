"""Foreign keys, as seen from a branch.

They hold at the end of each statement. While it runs, triggers note what may have broken one: a row whose parent is not
there, and a row with children that goes or gets another key; usually that is nothing. At the end the actions are
carried out, level by level (a chain of rows may be longer than triggers nest), and what must hold then is looked at.

A foreign key and values for its columns stand for all rows that have them: it is broken if there is a child with these
values, and no parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


class Database(Protocol):
    """What is needed of a driver: run one statement, get all its rows."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...


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

    def children(self, database: Database, values: Values) -> list[int]:
        """Return the versions of the rows that refer to a key."""
        return _having(database, self.child, self.key.columns, values)

    def is_broken(self, database: Database, values: Values) -> bool:
        """Tell whether rows refer to a key that no row has."""
        if None in values or _having(database, self.parent, self.key.references, values):
            return False
        return bool(self.children(database, values))

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


def _having(database: Database, table: Table, columns: Iterable[int], values: Values) -> list[int]:
    same = " AND ".join(f"{quoted(name)} = ?" for name in table.names(columns))
    return [vid for (vid,) in database.rows(f"SELECT {quoted(VID)} FROM {rows_view(table)} WHERE {same}", values)]


class Settlement:
    """Carries out, at the end of a statement, what foreign keys ask for, and sees that they hold.

    Args:
        database: where the views of all tables that are related are.
        write_to: gets a table ready to be written through its command views.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, notes: Notes, write_to: Callable[[Table], object]
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._notes = notes
        self._write_to = write_to

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
                if action is Action.RESTRICT and link.is_broken(self._database, note.values[: len(link.key.columns)]):
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
            self._write_to(link.child)
            if link.is_broken(self._database, values):
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
        self._write_to(link.child)
        found = [(note, vid) for note in notes for vid in link.children(self._database, note.values[:width])]
        for note, vid in found:
            if _action(link.key, note) is Action.CASCADE and len(note.values) == width:
                self._database.rows(f"INSERT INTO {delete_view(link.child)} VALUES (?)", (vid,))
            else:
                self._change(link, vid, note)

    def _change(self, link: Link, vid: int, note: Note) -> None:
        new: dict[int, str] = {}
        given: Values = ()
        action = _action(link.key, note)
        for column in (link.child.columns[at] for at in link.child.places(link.key.columns)):
            new[column.id] = "NULL"
            if action is Action.CASCADE:
                new[column.id] = "?"
            elif action is Action.SET_DEFAULT and column.default is not None:
                where = f"{link.child.name}.{column.name}"
                new[column.id] = default_value(column, where)
        if action is Action.CASCADE:
            given = note.values[len(link.key.columns) :]
        values = ", ".join(new.get(column.id, f"c.{quoted(column.name)}") for column in link.child.columns)
        self._database.rows(
            f"INSERT INTO {update_view(link.child)} SELECT c.{quoted(VID)}, {values}"
            f" FROM {rows_view(link.child)} AS c WHERE c.{quoted(VID)} = ?",
            (*_in_order(link, given), vid),
        )


def _in_order(link: Link, values: Values) -> Values:
    """Return values for the columns of a foreign key in the order in which they stand in its table."""
    if not values:
        return ()
    by_column = dict(zip(link.key.columns, values, strict=True))
    return tuple(by_column[column.id] for column in link.child.columns if column.id in by_column)


def _action(key: ForeignKey, note: Note) -> Action | None:
    """Return what a note asks for; None where only the foreign key must hold."""
    if not note.left:
        return None
    return key.on_update if len(note.values) > len(key.columns) else key.on_delete
