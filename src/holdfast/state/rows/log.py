"""The log of a state: events, each a row that belongs to a commit."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from holdfast.core.codec import Codec
from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Row
from holdfast.engine.contract import Reader
from holdfast.errors import NotFound
from holdfast.state.rows.contents import content_of, encoded_of
from holdfast.state.rows.namespaces import is_inside
from holdfast.state.rows.storing import read_names
from holdfast.state.rows.tables import HIDDEN, Address, Cells, Name, read_row, tables_in
from holdfast.state.rows.tables import inside as inside_of
from holdfast.versions.results import moment

LOG = "log"
"""The form of the row that has a log's events as its parts. They stand at their times, in microseconds since 1970."""

LOG_KEY = f"{HIDDEN}events"
"""The key under which a namespace has its log."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was noted, in the commit that it belongs to.

    Attributes:
        seq: its number, from 1, among the events that were asked for.
        kind: what happened, in a word of the caller's.
        at: when, in UTC.
        run_id: the run, or the namespace, whose log it is in; "" for the state itself.
        step: the step that noted it, or None.
        before: the hash of the commit that its author saw.
        commit_hash: the hash of the commit that it belongs to, and whose state is what it left; None while it is not
            committed. Both are None, too, when gc removed that commit and the event lives on.
        data: what the caller noted.
        usage: tokens and the like, or None.
    """

    seq: int
    kind: str
    at: datetime
    run_id: str
    step: str | None
    before: str | None
    commit_hash: str | None
    data: Any = None
    usage: Any = None


@dataclass(frozen=True, slots=True)
class ActionEvent(Event):
    """An event of kind "action": something that a model did."""


@dataclass(frozen=True, slots=True)
class Noted:
    """An event that is not committed yet."""

    namespace: str
    at_us: int
    item: dict[str, Any]

    def cells(self, codec: Codec, where: str) -> Cells:
        """Return the row of the event. Raises NotStorable."""
        content = content_of(codec.encode(self.item, where))
        return content.cells(self.at_us)


def event_of(seq: int, namespace: str, at_us: int, item: dict[str, Any], before: str | None, own: str | None) -> Event:
    """Return an event as people see it."""
    kind = ActionEvent if item.get("kind") == "action" else Event
    return kind(
        seq,
        item.get("kind", ""),
        moment(at_us),
        namespace,
        item.get("step"),
        before,
        own,
        item.get("data"),
        item.get("usage"),
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it is stored, with the hash of its commit and of the one before."""

    namespace: str
    at_us: int
    part: str
    item: dict[str, Any]
    before: str | None
    commit_hash: str | None


def read_events(reader: Reader, vector: VersionVector, inside: str, codec: Codec) -> Iterator[Kept]:
    """Yield the events of a namespace and of those inside it, namespace by namespace, in order in each.

    Raises:
        Unreadable, Untrusted: what was noted cannot be made again.
    """
    tables = tables_in(reader.catalogue())
    if tables is None:
        return

    @cache
    def hashes(at: Point) -> tuple[str | None, str | None]:
        try:
            commit = reader.commit(at)
        except NotFound:  # gc took the commit; a row that was cherry-picked, or that is still seen, outlives it
            return None, None
        return (commit.parents[0].hex() if commit.parents else None), commit.hash.hex()

    for namespace in sorted({name.namespace for name in read_names(reader, vector) if name.key == LOG_KEY}):
        if is_inside(namespace, inside):
            rows = list(reader.scan(tables[1], vector, Name(namespace, LOG_KEY)))
            for address, row, cells in _events_of(rows):
                chunks = partial(_chunks_of, rows, address)
                item = codec.decode(encoded_of(cells, chunks, "an event"), "an event")
                yield Kept(namespace, cells.place, address.part, item, *hashes(Point(row.rid.line, row.rid.n)))


def _chunks_of(rows: list[Row], address: Address) -> list[Cells]:
    found = (read_row(row.values) for row in rows)
    chunks = [(cells.place, part, cells) for part, cells in found if part.path == inside_of(address)]
    return [cells for _, _, cells in sorted(chunks)]


def _events_of(rows: list[Row]) -> list[tuple[Address, Row, Cells]]:
    found = ((*read_row(row.values), row) for row in rows)
    events = [(address, row, cells) for address, cells, row in found if address.path == "/"]
    return sorted(events, key=lambda event: (event[2].place, event[0].part))
