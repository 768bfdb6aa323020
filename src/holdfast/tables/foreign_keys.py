"""Foreign keys: from the statement to the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.schema import Action, Catalogue, ForeignKey, Table
from holdfast.core.types import Kind
from holdfast.engine.sql.tokens import Reader, split_at
from holdfast.errors import InvalidValue, NotFound, SqlError, Unsupported

_ACTIONS = [(action, action.value.lower().split()) for action in Action]
_KEYLESS = {Kind.JSON, Kind.VECTOR}


@dataclass(frozen=True, slots=True)
class Reference:
    """What a statement says of a foreign key; without `references` it is to the primary key."""

    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]
    on_delete: Action
    on_update: Action
    name: str | None


def names_of(reader: Reader) -> tuple[str, ...]:
    """Return the columns in the parentheses that come next. Raises Unsupported for expressions."""
    parts = split_at(reader.parenthesised("columns"))
    if any(len(part) != 1 or not part[0].is_name for part in parts):
        raise Unsupported("keys over expressions are not supported; name columns only")
    return tuple(part[0].name for part in parts)


def parse_reference(reader: Reader, columns: tuple[str, ...], name: str | None) -> Reference:
    """Return what follows REFERENCES.

    Raises:
        Unsupported: MATCH FULL or PARTIAL, or a check that is put off to the end of a transaction.
    """
    table = reader.name("a table name")
    token = reader.peek()
    references = names_of(reader) if token is not None and token.is_symbol("(") else ()
    actions = {"delete": Action.NO_ACTION, "update": Action.NO_ACTION}
    while True:
        if reader.take("on"):
            event = reader.name("DELETE or UPDATE").lower()
            if event not in actions:
                raise SqlError(f"REFERENCES {table}: ON is followed by DELETE or UPDATE, not by {event.upper()}")
            actions[event] = _action(reader, table)
        elif reader.take("match"):
            kind = reader.name("SIMPLE").upper()
            if kind != "SIMPLE":
                raise Unsupported(f"MATCH {kind} is not supported: a foreign key with a NULL refers to nothing")
        elif reader.take("deferrable") or reader.take("initially", "deferred"):
            raise Unsupported(
                "DEFERRABLE is not supported: foreign keys hold at the end of each statement; insert what is referred"
                " to first"
            )
        elif not (reader.take("not", "deferrable") or reader.take("initially", "immediate")):
            return Reference(columns, table, references, actions["delete"], actions["update"], name)


def _action(reader: Reader, table: str) -> Action:
    for action, words in _ACTIONS:
        if reader.take(*words):
            token = reader.peek()
            if token is not None and token.is_symbol("("):
                raise Unsupported(f"REFERENCES {table}: {action} takes no columns here; it sets all of the foreign key")
            return action
    raise SqlError(f"REFERENCES {table}: an action is one of {', '.join(action.value for action in Action)}")


def resolved(reference: Reference, table: Table, catalogue: Catalogue) -> ForeignKey:
    """Return a foreign key of `table`, which need not be in the catalogue yet.

    Raises:
        NotFound: the table it refers to, or a column of that, is not there.
        SqlError: what it refers to is not unique, or there are not as many columns.
        InvalidValue: the types differ.
    """
    itself = reference.table.lower() == table.name.lower()
    parent = table if itself else catalogue.find(reference.table)
    if parent is None:
        raise NotFound(f"{table.name}: no table {reference.table!r} to refer to; create it first")
    where = f"{table.name} ({', '.join(reference.columns)}) REFERENCES {parent.name}"
    names = reference.references or parent.primary_key
    if not names:
        raise SqlError(f"{where}: {parent.name} has no primary key; name the columns of a UNIQUE")
    for name in names:
        if parent.position(name) is None:
            raise NotFound(f"{where}: {parent.name} has no column {name!r}")
    if len(names) != len(reference.columns):
        raise SqlError(f"{where}: {len(reference.columns)} columns refer to {len(names)}")
    references = parent.ids(names)
    keys = [parent.primary_key, *parent.uniques]
    if sorted(references) not in [sorted(parent.ids(key)) for key in keys if key]:
        raise SqlError(f"{where} ({', '.join(names)}): these are neither its primary key nor UNIQUE")
    columns = table.ids(reference.columns)
    for mine, theirs in zip(table.places(columns), parent.places(references), strict=True):
        _check_types(where, table, mine, parent, theirs)
    return ForeignKey(columns, parent.id, references, reference.on_delete, reference.on_update, reference.name)


def _check_types(where: str, table: Table, mine: int, parent: Table, theirs: int) -> None:
    child, other = table.columns[mine], parent.columns[theirs]
    if child.type.kind is not other.type.kind or child.type.kind in _KEYLESS:
        raise InvalidValue(
            f"{where}: {child.name} is {child.type}, and {other.name} is {other.type}; they cannot be equal"
        )
