"""Writing on PostgreSQL: the open commit of a line, without triggers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.core.limits import COMMIT_ROWS_MAX
from holdfast.core.points import Point
from holdfast.core.rows import Row
from holdfast.core.schema import Catalogue, Table
from holdfast.core.types import Stored
from holdfast.engine.cells import fit
from holdfast.engine.checks import PlainChecks, refuse_unsupported
from holdfast.engine.contract import Violation
from holdfast.engine.postgres.layout import reshaped
from holdfast.engine.postgres.survey import PostgresSurvey
from holdfast.engine.sql.layout import cell_of, cells, insert_version, tombstones, versions
from holdfast.engine.sql.writer import SqlChanges
from holdfast.errors import ValueTooLarge


class PostgresChanges(PostgresSurvey, SqlChanges, PlainChecks):
    """The writing half of the contract. Lives as long as the transaction it writes in."""

    _size_of = "pg_column_size"

    # Rows

    def insert(self, table: Table, values: Sequence[object]) -> None:
        """Add a row."""
        row = fit(table, self._with_number(table, values))
        self._refuse(table, row, None)
        self._touch(table)
        line, n = self._place(self._next)
        self._put(table, (line, n, self._counter.next_ordinal()), row)

    def update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row that the branch sees."""
        new = fit(table, values)
        self._refuse(table, new, row)
        self._touch(table)
        self._counter.count(row.handle, table.id)
        if row.born == self._next:  # seen by no one: it is changed in place
            pairs = ", ".join(f"{cell} = ?" for cell in cells(table))
            self._db.rows(f"UPDATE {versions(table)} SET {pairs} WHERE vid = ?", (*new, row.handle))
            return
        self._end_version(table, row.handle, self._place(self._next))
        self._put(table, (self._names.id_of(row.rid.line), row.rid.n, row.rid.ordinal), new)

    def delete(self, table: Table, row: Row) -> None:
        """Remove a row that the branch sees."""
        self._touch(table)
        self._counter.count(row.handle, table.id)
        if row.born == self._next:
            self._db.rows(f"DELETE FROM {versions(table)} WHERE vid = ?", (row.handle,))
        else:
            self._end_version(table, row.handle, self._place(self._next))

    @property
    def _next(self) -> Point:
        """The commit that is open."""
        return Point(self.opened.uid, self.opened.head + 1)

    def _put(self, table: Table, rid: tuple[int, int, int], values: Sequence[Stored]) -> None:
        self._db.rows(insert_version(table), (*rid, *self._place(self._next), *values))

    def _touch(self, table: Table) -> None:
        self._touched[table.id] = table
        self._rows_touched += 1
        if self._rows_touched > COMMIT_ROWS_MAX:
            raise ValueTooLarge(f"a commit touches more than {COMMIT_ROWS_MAX} rows; make several of it")

    def _with_number(self, table: Table, values: Sequence[object]) -> Sequence[object]:
        """Return the values with the next number where a key that is numbered is NULL: next to that of any branch."""
        if not table.numbered:
            return values
        (at,) = table.positions(table.primary_key)
        if values[at] is not None:
            return values
        (cell,) = cell_of(table, table.primary_key)
        ((number,),) = self._db.rows(f"SELECT coalesce(max({cell}), 0) + 1 FROM {versions(table)}")
        return [*values[:at], number, *values[at + 1 :]]

    def _end_version(self, table: Table, vid: int, place: tuple[int, int]) -> None:
        """End a version for whoever sees a commit (the id of a line, n)."""
        self._db.rows(f"INSERT INTO {tombstones(table)} VALUES (?, ?, ?)", (vid, *place))

    def _mark_ended(self, table: Table, place: tuple[int, int]) -> None:
        """Do nothing: versions are not marked as ended."""

    def _mark_living(self, table: Table, vids: Sequence[tuple[int]]) -> None:
        """Do nothing: versions are not marked as ended."""

    def _never_again(self, table: Table, newest: int | None) -> None:
        """Do nothing: PostgreSQL gives no number twice."""

    # Constraints: what triggers do in a file is done here as on a tree

    def violations(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the constraints that these rows, as the open commit shows them, would break."""
        return PlainChecks.violations(self, table, rows)

    def orphans(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return nothing: there are no foreign keys here."""
        return PlainChecks.orphans(self, table, rows)

    def refuse_broken(self, now: Catalogue, catalogue: Catalogue) -> None:
        """Refuse a new constraint that does not hold at the head of every branch, the open commit included."""
        PlainChecks.refuse_broken(self, now, catalogue)

    def _alike(self, table: Table, names: tuple[str, ...], values: Sequence[Stored]) -> list[int]:
        """Return the versions that the open commit sees with the values of a row in these columns; none with NULLs."""
        mine = [values[at] for at in table.positions(names)]
        if None in mine:
            return []
        sql, numbers = self._finders.get((table.id, 0)) or self._finder(table, 0)
        same = "".join(f" AND {cell} = ?" for cell in cell_of(table, names, "v."))
        return [row[0] for row in self._db.rows(f"{sql}{same}", [*numbers, *mine])]

    # Tables

    def define(self, catalogue: Catalogue) -> None:
        """Make `catalogue` the schema of the store."""
        refuse_unsupported(catalogue)
        super().define(catalogue)

    def adopt_catalogues(self, catalogues: Sequence[Catalogue]) -> None:
        """Write the versions of the schema that follow the present one."""
        for newest in catalogues[-1:]:  # what was dropped since needs nothing
            refuse_unsupported(newest)
        super().adopt_catalogues(catalogues)

    def _reshaped(self, before: Table | None, table: Table) -> list[str]:
        return reshaped(before, table)
