"""What a snapshot on PostgreSQL tells otherwise than one of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from holdfast.core.points import Point
from holdfast.core.rows import Row
from holdfast.core.schema import Table
from holdfast.core.types import Kind, Stored
from holdfast.engine.contract import Line
from holdfast.engine.contract.system import SystemView
from holdfast.engine.postgres.driver import PostgresDriver
from holdfast.engine.postgres.statements import Seen, system_definition, table_definition
from holdfast.engine.sql.layout import tombstones, versions
from holdfast.engine.sql.reader import SqlSnapshot
from holdfast.engine.sql.survey import Survey
from holdfast.engine.sql.views import CASE_LINES_MAX, HEAD, Listing
from holdfast.engine.sql.words import numbers_of, vector_of

LINES_MAX = 4096
"""Lines of which a connection remembers what is seen from their heads."""


class PostgresSurvey(Survey):
    """A consistent snapshot."""

    moment: Callable[[], str]
    """Returns NOW(), the same for all of a transaction."""

    def now(self) -> str:
        """Return the moment that NOW() is in this transaction, as a stored TIMESTAMP."""
        return self.moment()

    @property
    def _driver(self) -> PostgresDriver:
        """The connection, which knows more than one of SQLite."""
        assert isinstance(self._db, PostgresDriver)
        return self._db

    # Statements

    def defined(
        self, name: str, table: Table, at: Line | Point, first: int, *, versioned: bool = False
    ) -> tuple[str, list[object]]:
        """Return the common table that is a table as seen from a point, or the head of a line, and its parameters.

        Args:
            first: the number of the first of them.
        """
        vector, sealed = self._seen_from(at) if isinstance(at, Line) else (self._local_vector(at), self._any_sealed)
        listing = self._listing(vector, first)
        numbers: list[object] = [*vector.values()] if listing is None else [*listing.parameters]
        places = {line: f"${number}" for number, line in enumerate(vector, first)} if listing is None else {}
        seen = Seen(places, listing, sealed)
        return table_definition(name, table, seen, self.vectors, versioned=versioned), numbers

    def _listing(self, vector: Mapping[int, int], first: int = 1) -> Listing | None:
        """Return where a long vector stands: in two parameters, of which this is the number of the first.

        Nothing is made for it on the server. A line is looked up in the first by halves.
        """
        if len(vector) <= CASE_LINES_MAX:
            return None
        lines, numbers = (f"?{at}::bigint[]" for at in (first, first + 1))
        at = f"width_bucket({{line}}, {lines})"
        pairs = sorted(vector.items())
        arrays = [f"{{{','.join(map(str, column))}}}" for column in zip(*pairs, strict=True)]
        return Listing(f"CASE ({lines})[{at}] WHEN {{line}} THEN ({numbers})[{at}] END", tuple(arrays))

    @property
    def vectors(self) -> str:
        """The type that statements have for vectors: pgvector's, where it is installed."""
        return self._driver.vectors

    def defined_whole(self, view: SystemView) -> str:
        """Return the common table that is a view of the whole store."""
        return system_definition(view, self.catalogue())

    def ask(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a statement in PostgreSQL's own words; return its rows as Python values.

        Raises:
            SqlError, Unsupported, InvalidValue: the server refuses it. What the transaction did before stays.
        """
        return self._driver.native(sql, parameters)

    def _seen_from(self, line: Line) -> tuple[Mapping[int, int], bool]:
        """Return what is seen from the head of a line, the open commit included, and whether trunks imply the rest."""
        known = self._names.seen_from.get((line.uid, line.epoch))
        if known is None:
            known = self._local_vector(Point(line.uid, HEAD)), self._any_sealed
            if len(self._names.seen_from) >= LINES_MAX:
                self._names.seen_from.clear()
            self._names.keep(self._names.seen_from, (line.uid, line.epoch), known)
        return known

    def _row(self, row: tuple[Any, ...]) -> Row:
        if list in map(type, row):  # a vector
            row = tuple(vector_of(cast("list[float]", value)) if isinstance(value, list) else value for value in row)
        return super()._row(row)

    def handles_like(self, table: Table, columns: Sequence[str], values: Sequence[Stored]) -> list[int]:
        """Return the handles of all versions, on any line, of rows that ever had these values."""
        kinds = [table.columns[at].type.kind for at in table.positions(tuple(columns))]
        given = [
            numbers_of(value) if kind is Kind.VECTOR and isinstance(value, bytes) else value
            for kind, value in zip(kinds, values, strict=True)
        ]
        return super().handles_like(table, columns, given)  # type: ignore[arg-type]

    damage = SqlSnapshot.damage  # there are no indexes of words

    def _damage_of_pages(self) -> Iterator[str]:
        """Yield nothing: the server checks its pages, if it was set up with checksums."""
        yield from ()

    def _damage_of(self, table: Table) -> Iterator[str]:
        """Yield what is wrong with the versions of a table."""
        k, v = tombstones(table), versions(table)
        ((missing,),) = self._db.rows(
            f"SELECT count(*) FROM {k} AS k LEFT JOIN {v} AS v ON v.vid = k.vid WHERE v.vid IS NULL"
        )
        if missing:
            yield f"table {table.name}: {missing} ended versions are missing"
