"""Whether constraints hold: of rows that a merge changed, and of all branches when a constraint is new."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from holdfast.core.points import Point
from holdfast.core.rows import Row
from holdfast.core.schema import Catalogue, Table
from holdfast.engine.contract import Line, Violation
from holdfast.engine.sql.collect import Collecting
from holdfast.engine.sql.definitions import Demand, all_versions, demands, shown_rows
from holdfast.engine.sql.layout import VID, quoted
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Database
from holdfast.engine.sql.references import Link, ViewedRows
from holdfast.engine.sql.translate.defaults import checked as translated_check
from holdfast.engine.sql.views import HEAD, Related, rows_select, rows_view, unique_query
from holdfast.errors import ConstraintFailed


class ConstraintChecks(Collecting):
    """What a snapshot can tell of constraints on the line that is being written."""

    def __init__(self, database: Database, names: Names) -> None:
        super().__init__(database, names)
        self._line: Line | None = None

    @property
    def opened(self) -> Line:
        """The line of the open commit, as it is now."""
        assert self._line is not None, "open() comes first"
        return self._line

    def _show_rows(self, table: Table) -> Related:
        """Make the views of the rows of a table, and of those that are related to it, which are returned."""
        related = Related.of(table, self.catalogue())
        for seen in (table, *related.tables):
            self.show(seen, rows_view(seen), self.opened, versioned=True)
        return related

    def violations(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the constraints that these rows, as the open commit shows them, would break."""
        related, checked = self._show_rows(table), list(rows)
        found = [violation for row in checked for violation in self._broken_alone(table, row)]
        by_handle = {row.handle: row for row in checked}
        seen: set[frozenset[int]] = set()
        for names in dict.fromkeys(table.uniques):
            for row in checked:
                same_values = frozenset(vid for (vid,) in self._db.rows(unique_query(table, names), (row.handle,)))
                if len(same_values) > 1 and row.handle in same_values and same_values not in seen:
                    seen.add(same_values)
                    others = tuple(by_handle.get(vid) or self._version(table, vid) for vid in sorted(same_values))
                    found.append(Violation(f"UNIQUE ({', '.join(names)})", others, table))
        for key, parent in related.parents:
            link = Link(table, key, parent)
            at = table.places(key.columns)
            orphans = (
                row for row in checked if link.is_broken(ViewedRows(self._db), tuple(row.values[place] for place in at))
            )
            found += [Violation(link.name, (row,), table) for row in orphans]
        return found

    def orphans(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the rows that refer to what one of these was, where the open commit shows no row of that key."""
        left, found = list(rows), list[Violation]()
        for child, _, key in self._show_rows(table).children:
            link = Link(child, key, table)
            for values in {tuple(row.values[at] for at in table.places(key.references)): None for row in left}:
                if link.is_broken(ViewedRows(self._db), values):
                    rows_left = (self._version(child, vid) for vid in link.children(ViewedRows(self._db), values))
                    found.append(Violation(link.name, tuple(rows_left), child))
        return found

    def _broken_alone(self, table: Table, row: Row) -> Generator[Violation]:
        for column, value in zip(table.columns, row.values, strict=True):
            if column.not_null and value is None:  # a row of the past, from before that was asked
                yield Violation(f"NOT NULL of {column.name}", (row,), table)
        for check in table.checks:
            condition = translated_check(check.expression, table.columns)
            sql = f"SELECT 1 FROM {rows_view(table)} WHERE {quoted(VID)} = ? AND NOT ({condition})"
            if self._db.rows(sql, (row.handle,)):
                yield Violation(f"CHECK ({check.name or check.expression})", (row,), table)

    def refuse_broken(self, now: Catalogue, catalogue: Catalogue) -> None:
        """Refuse a new constraint that does not hold at the head of every branch, the open commit included."""
        for demand in demands(now, catalogue):
            if demand.parent is None and not self._db.rows(demand.query(all_versions(demand.table), "")):
                continue  # no version breaks it, whoever sees it
            looked_at: set[tuple[tuple[int, int], ...]] = set()
            for branch, line in self.branches().items():
                vector = self._local_vector(Point(line.uid, HEAD))
                seen = tuple(sorted(vector.items()))
                if seen not in looked_at:
                    looked_at.add(seen)
                    self._refuse_broken_on(branch, vector, demand)

    def _refuse_broken_on(self, branch: str, vector: dict[int, int], demand: Demand) -> None:

        def seen(table: Table | None) -> str:
            if table is None:
                return ""
            return f"({rows_select(table, vector, self._listing(vector), versioned=True, sealed=self._any_sealed)})"

        found = self._db.rows(demand.query(seen(demand.table), seen(demand.parent)))
        if found:
            shown = shown_rows(demand.table, [self._version(demand.table, vid).values for (vid,) in found])
            raise ConstraintFailed(f"{demand.name} does not hold on branch {branch!r}: {shown}; nothing was changed")
