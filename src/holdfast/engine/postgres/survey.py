"""What a snapshot on PostgreSQL tells otherwise than one of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from holdfast.core.points import Point, VersionVector
from holdfast.core.rows import Row
from holdfast.core.schema import Key, Table
from holdfast.core.types import Kind, Stored
from holdfast.engine.contract import Line
from holdfast.engine.contract.system import SystemView
from holdfast.engine.postgres.driver import PostgresDriver
from holdfast.engine.postgres.layout import of_keys
from holdfast.engine.postgres.statements import Seen, system_definition, table_definition
from holdfast.engine.sql.access import Again
from holdfast.engine.sql.layout import tombstones, versions
from holdfast.engine.sql.reader import BRANCH, SqlSnapshot, told_of
from holdfast.engine.sql.survey import Survey
from holdfast.engine.sql.views import CASE_LINES_MAX, HEAD, Listing
from holdfast.engine.sql.words import numbers_of, vector_of

KEYS_MAX = 10_000
"""Keys that are looked up at once."""

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

    def branch(self, name: str) -> Line | None:
        """Return the line that a branch names, or None."""
        line = super().branch(name)
        self._note_branch(name, line)
        return line

    def _note_branch(self, name: str, line: Line | None) -> None:
        """Remember where a branch was; who goes by that looks whether it is there still."""
        known = self._names.branches_read
        if line is None or self._schema is None:
            known.pop(name, None)
            return
        if len(known) >= LINES_MAX:
            known.clear()
        self._names.keep(known, name, (line, self._schema))

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

    def rows(self, table: Table, vector: VersionVector, keys: Iterable[Key] | None = None) -> Iterator[Row]:
        """Yield the rows that `vector` sees, of these keys or all; those of many keys are asked for at once."""
        if keys is None or not table.primary_key:
            yield from super().rows(table, vector, keys)
            return
        sql, numbers = self._rows_query(table, vector, 0)
        yield from (row for _, row in self._of_keys(table, sql, numbers, list(keys), newest=False))

    def _of_keys(
        self, table: Table, sql: str, numbers: Sequence[object], keys: Sequence[Key], *, newest: bool
    ) -> Iterator[tuple[Key, Row]]:
        """Yield what a query for all rows finds of some keys, in their order."""
        asked = of_keys(table, sql, len(numbers), newest=newest)
        for at in range(0, len(keys), KEYS_MAX):
            some = keys[at : at + KEYS_MAX]
            columns = [list(column) for column in zip(*some, strict=True)]
            for number, *row in self._db.rows(asked, [*numbers, *columns]):
                yield some[number - 1], self._row(tuple(row))

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


class OneLook(PostgresSurvey):
    """A snapshot for one statement, which is asked at once: where a branch was is looked up along with it.

    Attributes:
        guessed: whether anything it told is a guess until then.
    """

    guessed = False

    def branch(self, name: str) -> Line | None:
        """Return the line that a branch named when it was last seen, or does now."""
        guess = self._names.branches_read.get(name)
        if guess is None or self._schema not in (None, guess[1]):
            return super().branch(name)
        self.guessed = True
        self._last_line, self._schema = guess

        def check(rows: list[tuple[Any, ...]]) -> None:
            found = told_of(rows)
            if found != [guess]:
                self._schema = found[0][1] if found else None
                self._note_branch(name, found[0][0] if found else None)
                raise Again

        self._driver.look(BRANCH, (name,), check)
        return self._last_line

    def ask(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run the statement, and end the transaction. Raises Again if a guess was wrong, or this is asked once more."""
        return self._driver.native_at_last(sql, parameters)
