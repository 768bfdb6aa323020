"""How values lie in tables: a value is a row, and what it is made of are more rows.

`state` has a row for each key. What can be written in a few kilobytes of JSON stands in that row. A list, a set, a
larger mapping, a counter and a blob are *containers*: the row says what they are, and each of their parts has a row of
its own in `state_parts`, so that a change of one part writes one row, and two branches that change different parts
need no decision.

A part is found at an *address*: the path of its container, and its name in there. Names of entries are the keys of the
mapping; items of lists and chunks of blobs have names that nobody else gives, and are ordered by their `place`, so that
appends on two branches never meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from holdfast.core.schema import Catalogue, Column, Key, Table
from holdfast.core.types import JSON, ColumnType, Kind, Stored
from holdfast.versions.owned import owned_tables

_TEXT = ColumnType(Kind.TEXT)
_BLOB = ColumnType(Kind.BLOB)

STATE = Table(
    0,
    "state",
    (
        Column(1, "namespace", _TEXT),
        Column(2, "key", _TEXT),
        Column(3, "form", _TEXT),
        Column(4, "value", JSON),
        Column(5, "data", _BLOB),
    ),
    primary_key=("namespace", "key"),
    owned=True,
)
"""A row for each key: its form, and its value if that is not made of parts."""

PARTS = Table(
    0,
    "state_parts",
    (
        Column(1, "namespace", _TEXT),
        Column(2, "key", _TEXT),
        Column(3, "path", _TEXT),
        Column(4, "part", _TEXT),
        Column(5, "place", ColumnType(Kind.INTEGER)),
        Column(6, "form", _TEXT),
        Column(7, "value", JSON),
        Column(8, "data", _BLOB),
    ),
    primary_key=("namespace", "key", "path", "part"),
    owned=True,
)
"""A row for each part of a container."""

GAP = 1024
"""How far apart the places of neighbours are at first: ten items can be put between two, one after the other."""


HIDDEN = "hf:"
"""What keys begin with that are not a user's."""


class Name(NamedTuple):
    """A key of state, and the namespace that it lies in: "" for the root, else names joined by "/"."""

    namespace: str
    key: str


class Address(NamedTuple):
    """Where a part of a value is: the path of its container, and its name in it."""

    path: str
    part: str


ROOT = Address("", "")
"""Where the value itself is."""


def inside(address: Address) -> str:
    """Return the path of the parts of the container at an address."""
    if address == ROOT:
        return "/"
    return f"{address.path}{address.part.replace('%', '%25').replace('/', '%2F')}/"


def container_of(path: str) -> Address:
    """Return the address of the container whose parts have this path."""
    if path == "/":
        return ROOT
    outer, _, name = path[:-1].rpartition("/")
    return Address(f"{outer}/", name.replace("%2F", "/").replace("%25", "%"))


class Cells(NamedTuple):
    """What a row says of a value: its place among its neighbours, its form, its JSON text, and what is not JSON."""

    place: int
    form: str
    value: str | None = None
    data: bytes | None = None

    @property
    def content(self) -> tuple[str, str | None, bytes | None]:
        """All but the place."""
        return self[1:]


Rows = Mapping[Address, Cells]
"""The rows of one key."""


class RowChange(NamedTuple):
    """A row to be written, or removed if `cells` is None. `new` tells that no row has the address."""

    address: Address
    cells: Cells | None
    new: bool = False


def key_of(name: Name, address: Address) -> Key:
    """Return the primary key of a row."""
    return (*name,) if address == ROOT else (*name, *address)


def stored_row(name: Name, address: Address, cells: Cells) -> tuple[Stored, ...]:
    """Return the values of a row, in the order of the columns of its table."""
    return (*name, *cells.content) if address == ROOT else (*name, *address, *cells)


def read_row(values: tuple[Stored, ...]) -> tuple[Address, Cells]:
    """Return the address of a row of either table, and its cells."""
    if len(values) == len(STATE.columns):
        return ROOT, Cells(0, *values[2:])  # type: ignore[arg-type]
    return Address(*values[2:4]), Cells(*values[4:])  # type: ignore[arg-type]


def tables_in(catalogue: Catalogue) -> tuple[Table, Table] | None:
    """Return both tables as a store has them; None if it has no state yet."""
    found = owned_tables(catalogue, (STATE, PARTS))
    return None if found is None else (found[0], found[1])
