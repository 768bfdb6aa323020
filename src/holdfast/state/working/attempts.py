"""What a commit is going to write, and what it takes to go on as if it had not been tried."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import key_of as key_of_row
from holdfast.core.schema import Key
from holdfast.core.types import Stored
from holdfast.engine.contract import Reader
from holdfast.errors import NotFound
from holdfast.state.rows.drafts import Draft
from holdfast.state.rows.log import Noted
from holdfast.state.rows.tables import PARTS, ROOT, STATE, Name, key_of, stored_row


@dataclass(slots=True)
class Attempt:
    """What a commit is going to write.

    Attributes:
        drafts: of each key that was looked at.
        events: of each log.
        removed: keys that are to go.
        noted: the events.
        edits: how many changes there had been when it was drafted.
        opened: the commit that it was written into.
        before: what was seen before it.
        settled: whether the working copy took it for written.
    """

    drafts: dict[Name, Draft]
    events: dict[Name, Draft]
    removed: set[Name]
    noted: list[Noted]
    edits: int
    opened: Point | None = None
    before: VersionVector | None = None
    settled: bool = False

    @property
    def written(self) -> dict[Name, Draft]:
        """The drafts that change rows."""
        return {name: draft for name, draft in {**self.drafts, **self.events}.items() if draft.changes}

    def forget(self) -> None:
        """Let nothing of it be pending again."""
        for part in (self.drafts, self.events, self.removed, self.noted):
            part.clear()

    def landed(self, reader: Reader, message: str) -> bool:
        """Tell whether the commit that it was written into is there, and is this one and not another's."""
        assert self.opened is not None
        try:
            commit = reader.commit(self.opened)
        except NotFound:
            return False
        if commit.point != self.opened or commit.message != message:
            return False
        there = {
            (change.table.name, key_of_row(change.table, row)): change.after and change.after.values
            for change in reader.changes(self.opened)
            if (row := change.after or change.before) is not None
        }
        wanted = self._rows()
        return bool(wanted) and all(there.get(place, row) == row for place, row in wanted.items()) and bool(there)

    def _rows(self) -> Mapping[tuple[str, Key], tuple[Stored, ...] | None]:
        return {
            ((STATE if address == ROOT else PARTS).name, key_of(name, address)): (
                None if cells is None else stored_row(name, address, cells)
            )
            for name, draft in self.written.items()
            for address, cells, _ in draft.changes
        }
