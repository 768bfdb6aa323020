"""How the entries of a tree tell which rows have the same values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.core.points import Point
from holdfast.core.rows import Row
from holdfast.core.schema import Catalogue, Table
from holdfast.core.types import Stored
from holdfast.engine.checks import PlainChecks
from holdfast.engine.contract import Line
from holdfast.engine.tree import keys
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.entries import Entries
from holdfast.engine.tree.reader import Seen, row_of, seen_by
from holdfast.engine.tree.tree import beyond


class ConstraintChecks(Entries, PlainChecks):
    """What a writer can tell of constraints."""

    def __init__(self, draft: Draft, catalogues: dict[bytes, Catalogue]) -> None:
        super().__init__(draft, catalogues)
        self._line: Line | None = None
        self._seen: Seen | None = None

    @property
    def opened(self) -> Line:
        """The line of the open commit, as it is now."""
        assert self._line is not None, "open() comes first"
        return self._line

    @property
    def _here(self) -> Seen:
        """What the open commit sees, itself included."""
        if self._seen is None:
            self._seen = seen_by(self.vector(Point(self.opened.uid, self.opened.head + 1)))
        return self._seen

    def _alike(self, table: Table, names: tuple[str, ...], values: Sequence[Stored]) -> list[int]:
        """Return the versions that the open commit sees with the values of a row in these columns; none with NULLs."""
        return list(map(keys.handle_of, self._versions_with(table, names, values, self._here)))

    def _versions_with(
        self, table: Table, names: tuple[str, ...], values: Sequence[Stored], seen: Seen
    ) -> Iterator[bytes]:
        mine = [values[at] for at in table.positions(names)]
        if None in mine:
            return
        if names == table.primary_key:
            row = keys.rows_prefix(table) + keys.encoded(mine)
            yield from (key for key, _ in self._shown_of(seen, row))
            return
        prefix = keys.unique_prefix(table, table.ids(names)) + keys.encoded(mine)
        for row in self._rows_with(prefix):
            for version, _ in self._shown_of(seen, keys.rows_prefix(table) + row):
                if self._tree.held(prefix + keys.row_and_born(version)) is not None:
                    yield version

    def _rows_with(self, prefix: bytes) -> Iterator[bytes]:
        """Yield the keys of the rows of which some version has the values of a UNIQUE: one look for each row."""
        end = beyond(prefix)
        entry = next(self._tree.prefix(prefix), None)
        while entry is not None:
            row = entry[0][len(prefix) : -keys.POINT_BYTES]
            yield row
            entry = next(self._tree.range(prefix + row + b"\xff" * keys.POINT_BYTES, end), None)

    def _row_at(self, table: Table, version: bytes) -> Row:
        raw = self._tree.get(version)
        assert raw is not None, "it was just found"
        return row_of(table, version, raw)
