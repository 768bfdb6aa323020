"""Whether constraints hold, as seen from the branch that is written, where no statement tells: keys, UNIQUE, NOT NULL.

What needs SQL to be said (CHECK) or to be carried out (foreign keys) is refused when a table is defined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from holdfast.core.canonical import shortened
from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Row
from holdfast.core.schema import Catalogue, Key, Table
from holdfast.core.types import Stored, decode
from holdfast.engine.contract import Line, Violation
from holdfast.errors import ConstraintFailed, Unsupported

_NOTHING_CHANGED = "; nothing was changed"
_HEAD = 2**63 - 1
"""The bound of a line that is seen up to its head, the open commit included."""
SHOWN_MAX = 3
"""How many rows a message names."""


class PlainChecks(ABC):
    """What a writer can tell of constraints without statements."""

    @abstractmethod
    def branches(self) -> dict[str, Line]:
        """Return all branches by name, sorted."""

    @abstractmethod
    def vector(self, point: Point) -> dict[str, int]:
        """Return what `point` sees."""

    @abstractmethod
    def rows(self, table: Table, vector: VersionVector, keys: Iterable[Key] | None = None) -> Iterator[Row]:
        """Yield the rows that `vector` sees, of these keys or all."""

    @abstractmethod
    def _version(self, table: Table, handle: int) -> Row:
        """Return a version."""

    @abstractmethod
    def _alike(self, table: Table, names: tuple[str, ...], values: Sequence[Stored]) -> list[int]:
        """Return the versions that the open commit sees with the values of a row in these columns; none with NULLs."""

    def _refuse(self, table: Table, values: tuple[Stored, ...], before: Row | None) -> None:
        """Raise ConstraintFailed unless a row may be written as the open commit sees the table.

        Args:
            before: the version that it replaces, if any.
        """
        required = table.positions(table.primary_key)
        for at, column in enumerate(table.columns):
            if values[at] is None and (column.not_null or at in required):
                raise ConstraintFailed(f"NOT NULL constraint failed: {table.name}.{column.name}{_NOTHING_CHANGED}")
        sets = [table.primary_key] if table.primary_key else []
        for names in dict.fromkeys([*sets, *table.uniques]):
            if before is None or any(before.values[at] != values[at] for at in table.positions(names)):
                self._refuse_double(table, names, values, before)  # else it is unique as it was

    def _refuse_double(
        self, table: Table, names: tuple[str, ...], values: tuple[Stored, ...], before: Row | None
    ) -> None:
        """Raise ConstraintFailed if another row has the same values in columns that are unique together."""
        if any(before is None or version != before.handle for version in self._alike(table, names, values)):
            raise double(table, names)

    def violations(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the constraints that these rows, as the open commit shows them, would break."""
        checked = list(rows)
        found = [
            Violation(f"NOT NULL of {column.name}", (row,), table)
            for row in checked
            for column, value in zip(table.columns, row.values, strict=True)
            if column.not_null and value is None  # a row of the past, from before that was asked
        ]
        for names in dict.fromkeys(table.uniques):
            known: set[frozenset[int]] = set()
            for row in checked:
                alike = frozenset(self._alike(table, names, row.values))
                if len(alike) > 1 and row.handle in alike and alike not in known:
                    known.add(alike)
                    others = tuple(self._version(table, version) for version in sorted(alike))
                    found.append(Violation(f"UNIQUE ({', '.join(names)})", others, table))
        return found

    def orphans(self, table: Table, rows: Iterable[Row]) -> list[Violation]:  # noqa: ARG002 - as the contract has it
        """Return nothing: there are no foreign keys here."""
        return []

    # New constraints

    def refuse_broken(self, now: Catalogue, catalogue: Catalogue) -> None:
        """Refuse a new constraint that does not hold at the head of every branch, the open commit included."""
        for table in catalogue.tables:
            known = now.table(table.id)
            if known is None:
                continue
            free = {column.id for column in known.columns if not column.not_null}
            required = [column.name for column in table.columns if column.not_null and column.id in free]
            held = {frozenset(known.ids(names)) for names in known.uniques}
            uniques = [names for names in table.uniques if frozenset(table.ids(names)) not in held]
            if required or uniques:
                for branch, line in self.branches().items():
                    self._refuse_broken_rows(branch, line, table, required, uniques)

    def _refuse_broken_rows(
        self, branch: str, line: Line, table: Table, required: list[str], uniques: list[tuple[str, ...]]
    ) -> None:
        rows = list(self.rows(table, self.vector(Point(line.uid, _HEAD))))
        for name in required:
            (at,) = table.positions((name,))
            raise_for(f"NOT NULL of {table.name}.{name}", branch, table, [r for r in rows if r.values[at] is None])
        for names in uniques:
            places = table.positions(names)
            groups: dict[tuple[Stored, ...], list[Row]] = {}
            for row in rows:
                mine = tuple(row.values[at] for at in places)
                if None not in mine:
                    groups.setdefault(mine, []).append(row)
            broken = next((group for group in groups.values() if len(group) > 1), list[Row]())
            raise_for(f"UNIQUE ({', '.join(names)}) of {table.name}", branch, table, broken)


def double(table: Table, names: tuple[str, ...]) -> ConstraintFailed:
    """Return the error for a second row with the same values in columns that are unique together."""
    listed = ", ".join(f"{table.name}.{name}" for name in names)
    return ConstraintFailed(f"UNIQUE constraint failed: {listed}{_NOTHING_CHANGED}")


def raise_for(constraint: str, branch: str, table: Table, rows: list[Row]) -> None:
    """Raise ConstraintFailed for a new constraint and the rows of a branch that break it, if there are any."""
    if not rows:
        return
    texts = (
        {column.name: decode(value, column.type) for column, value in zip(table.columns, row.values, strict=True)}
        for row in rows[:SHOWN_MAX]
    )
    listed = ", ".join(shortened(str(text)) for text in texts)
    raise ConstraintFailed(f"{constraint} does not hold on branch {branch!r}: {listed}{_NOTHING_CHANGED}")


def refuse_unsupported(catalogue: Catalogue) -> None:
    """Raise Unsupported for tables with what only an engine with SQL can keep."""
    for table in catalogue.tables:
        asked = [f"CHECK ({check.name or check.expression})" for check in table.checks]
        asked += [f"FOREIGN KEY ({', '.join(table.names(key.columns))})" for key in table.foreign_keys]
        if asked:
            raise Unsupported(
                f"table {table.name}: {', '.join(asked)} needs an engine with SQL, such as an SQLite file; leave it out"
            )
