"""The views through which a branch is seen, and the command views through which it is written.

A user's table T is a TEMP view of the versions that the branch's vector sees and no tombstone in it ends. Writes are
rewritten to INSERTs into three command views, whose triggers check the constraints *as seen from the branch* and write
versions and tombstones:

    hf_insert_<id> (columns of T)                add a row
    hf_update_<id> ("hf:vid", columns of T)      replace the row whose version is "hf:vid"
    hf_delete_<id> ("hf:vid")                    end it

Foreign keys hold at the end of a statement: the triggers only note what may have broken one (engine/sql/references.py).

`hf_rows_<id>` is T with "hf:vid" beside its columns. Updating a view in place was rejected: SQLite forgets the alias
of an updated view, needs a row id it does not show, and reports no row count.

A version born in the open commit was seen by no one, so it is changed and removed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from holdfast.core.schema import Catalogue, Column, ForeignKey, Table
from holdfast.core.types import Kind
from holdfast.engine.sql.layout import (
    DECIMAL_COLLATION,
    VID,
    cell_of,
    cells,
    key_cells,
    literal,
    quoted,
    tombstones,
    versions,
)
from holdfast.engine.sql.translate.defaults import checked

HEAD = 2**63 - 1
"""The bound of a line that is seen up to its head, the open commit included."""

CASE_LINES_MAX = 12
"""Longer vectors are looked up in a temporary table; measured: CASE is faster up to about a dozen lines."""


class Listing(NamedTuple):
    """Where a long vector stands.

    Attributes:
        sql: the number that it has for the line `{line}`, or NULL.
        parameters: what that refers to, from ?1 on.
    """

    sql: str
    parameters: tuple[object, ...] = ()

    def number_of(self, line: str) -> str:
        """Return the number that the vector has for the line in a column."""
        return self.sql.format(line=line)


def listing_of(vector: int | str) -> Listing:
    """Return where a vector stands in temp.hf_vector under a number, or an expression for it."""
    return Listing(f"(SELECT x.n FROM temp.hf_vector AS x WHERE x.vec = {vector} AND x.line = {{line}})")


HERE_LINE, HERE_N = (f"(SELECT {column} FROM temp.hf_here)" for column in ("line", "n"))
HERE_LISTING = listing_of("(SELECT vec FROM temp.hf_here)")
"""Where a connection that writes for many branches has it from which of them it is: see `Names.shared`."""

LocalVector = Mapping[int, int] | Mapping[int, str]
"""A version vector with the lines' ids in this file; its numbers, or what stands for them in SQL."""


def rows_view(table: Table) -> str:
    """Return the name of the view that shows a table's rows with their versions."""
    return f"hf_rows_{table.id}"


def insert_view(table: Table) -> str:
    """Return the name of the command view that adds rows."""
    return f"hf_insert_{table.id}"


def update_view(table: Table) -> str:
    """Return the name of the command view that replaces rows."""
    return f"hf_update_{table.id}"


def delete_view(table: Table) -> str:
    """Return the name of the command view that ends rows."""
    return f"hf_delete_{table.id}"


def bound(line: str, vector: LocalVector, listing: Listing | None, *, sealed: bool = False) -> str:
    """Return the SQL expression of the highest commit that `vector` sees of the line in the column `line`.

    Args:
        listing: where a long vector stands; None for short ones, which are written out.
        sealed: whether a line that the vector does not list may be one that its trunk implies.
    """
    other = "-1"
    if sealed:
        of_trunk = bound("s.trunk", vector, listing)
        other = (
            f"coalesce((SELECT s.head_n FROM main.hf_line AS s WHERE s.id = {line} AND s.trunk_n <= {of_trunk}), -1)"
        )
    if listing is not None:
        return f"coalesce({listing.number_of(line)}, {other})"
    arms = "".join(f" WHEN {int(uid)} THEN {n}" for uid, n in vector.items())
    return f"CASE {line}{arms} ELSE {other} END" if arms else other


def visible(
    table: Table, vector: LocalVector, listing: Listing | None, *, sealed: bool = False, marks_ended: bool = True
) -> str:
    """Return the condition under which a version `v` is seen: born in the vector, and not ended in it.

    The unary plus keeps SQLite from choosing the index on (line, n), which is for merges (measured: 3,000 times
    slower). `dead` spares living rows the look for a tombstone, where versions are marked so.
    """
    born, not_ended = _born_and_not_ended(table, vector, listing, sealed=sealed)
    return f"{born} AND (v.dead = 0 OR {not_ended})" if marks_ended else f"{born} AND {not_ended}"


def _born_and_not_ended(table: Table, vector: LocalVector, listing: Listing | None, *, sealed: bool) -> tuple[str, str]:
    ended = f"k.vid = v.vid AND k.n <= {bound('k.line', vector, listing, sealed=sealed)}"
    return (
        f"+v.n <= {bound('v.line', vector, listing, sealed=sealed)}",
        f"NOT EXISTS (SELECT 1 FROM main.{tombstones(table)} AS k WHERE {ended})",
    )


def vids_query(table: Table, vector: LocalVector, listing: Listing | None, *, sealed: bool = False) -> str:
    """Return the query for the vids of the versions that a vector sees, out of indexes alone: it reads no row."""
    born, not_ended = _born_and_not_ended(table, vector, listing, sealed=sealed)
    v = versions(table)
    return f"SELECT v.vid FROM main.{v} AS v INDEXED BY {v}_at WHERE {born} AND {not_ended}"


def rows_select(
    table: Table, vector: LocalVector | None, listing: Listing | None, *, versioned: bool, sealed: bool = False
) -> str:
    """Return the query of a table's rows as a vector sees them; without one, of all versions there are.

    Args:
        versioned: whether the versions stand beside the columns.
        sealed: see `bound`.
    """
    columns = [f"v.{cell} AS {quoted(column.name)}" for cell, column in zip(cells(table), table.columns, strict=True)]
    if versioned:
        columns.insert(0, f"v.vid AS {quoted(VID)}")
    where = "" if vector is None else f" WHERE {visible(table, vector, listing, sealed=sealed)}"
    return f"SELECT {', '.join(columns)} FROM main.{versions(table)} AS v{where}"


def select_view(
    name: str, table: Table, vector: LocalVector, listing: Listing | None, *, versioned: bool, sealed: bool = False
) -> str:
    """Return the statement that creates the view of a table as a vector sees it."""
    rows = rows_select(table, vector, listing, versioned=versioned, sealed=sealed)
    return f"CREATE TEMP VIEW {quoted(name)} AS {rows}"


@dataclass(frozen=True, slots=True)
class Related:
    """The foreign keys of a table, each with the table it refers to, and those of others (or its own) that refer to it.

    The latter with the table that has each, and its place among that table's foreign keys.
    """

    parents: tuple[tuple[ForeignKey, Table], ...]
    children: tuple[tuple[Table, int, ForeignKey], ...]

    @classmethod
    def of(cls, table: Table, catalogue: Catalogue) -> Related:
        """Return what is related to a table."""
        parents = ((key, catalogue.table(key.table)) for key in table.foreign_keys)
        there = tuple((key, parent) for key, parent in parents if parent is not None)
        return cls(there, tuple(catalogue.references_to(table)))

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.parents or self.children)

    @property
    def tables(self) -> list[Table]:
        """The tables at the other ends."""
        return [*(parent for _, parent in self.parents), *(child for child, _, _ in self.children)]


def command_views(table: Table, related: Related, line: int | None) -> list[tuple[str, list[str]]]:
    """Return the command views of a table for writing on a line: each name with the statements that create it.

    Args:
        line: its id; None for the line that stands in temp.hf_here.
    """
    names = [quoted(column.name) for column in table.columns]
    news = [f"NEW.{name}" for name in names]
    maker = _Writer(table, related, line, news)
    return [
        _command(insert_view(table), names, maker.insert_body()),
        _command(update_view(table), [quoted(VID), *names], maker.update_body()),
        _command(delete_view(table), [quoted(VID)], maker.delete_body()),
    ]


@dataclass(frozen=True, slots=True)
class Command:
    """A command view of one statement: what it is called, its columns, and what its trigger does.

    `parameters` are columns that hold parameters of the statement, with their numbers.
    """

    name: str
    columns: tuple[str, ...]
    body: tuple[str, ...]
    parameters: tuple[tuple[str, int], ...] = ()

    def statements(self) -> list[str]:
        """Return the statements that create it."""
        return _command(self.name, [quoted(column) for column in self.columns], list(self.body))[1]


def _command(view: str, columns: list[str], body: list[str]) -> tuple[str, list[str]]:
    nothing = ", ".join(f"NULL AS {column}" for column in columns)
    return view, [
        f"CREATE TEMP VIEW {view} AS SELECT {nothing}",
        f"CREATE TEMP TRIGGER {view}_do INSTEAD OF INSERT ON {view} BEGIN {' '.join(part + ';' for part in body)} END",
    ]


class _Writer:
    """The bodies of the command triggers of one table on one line."""

    def __init__(self, table: Table, related: Related, line: int | None, values: list[str]) -> None:
        self.table = table
        self.related = related
        self.line = HERE_LINE if line is None else str(line)
        self.values = values
        self.v = versions(table)  # unqualified: older SQLite allows no schema name in a trigger
        self.k = tombstones(table)
        # The head moves when the commit is sealed.
        self.n = HERE_N if line is None else f"(SELECT head_n + 1 FROM main.hf_line WHERE id = {line})"
        self.born_now = f"line = {self.line} AND n = {self.n}"

    def insert_body(self) -> list[str]:
        values = list(self.values)
        required = self._required()
        if self.table.numbered:
            # The largest number of any branch, not of this one: branches that are merged later do not collide.
            (at,) = self.table.positions(self.table.primary_key)
            values[at] = (
                f"coalesce({values[at]}, (SELECT coalesce(max(c{self.table.columns[at].id}), 0) + 1 FROM {self.v}))"
            )
            required.remove(at)  # NULL asks for a number
        columns = ", ".join(["rline", "rn", "rord", "line", "n", *cells(self.table)])
        row = ", ".join([self.line, self.n, "hf_ordinal()", self.line, self.n, *values])
        insert = f"INSERT INTO {self.v} ({columns}) VALUES ({row})"
        return [*self._row_checks(values, required), *self._key_checks(), *self._parents(values), insert]

    def update_body(self) -> list[str]:
        vid = f"NEW.{quoted(VID)}"
        pairs = ", ".join(f"{cell} = {new}" for cell, new in zip(cells(self.table), self.values, strict=True))
        columns = ", ".join(["rline", "rn", "rord", "line", "n", *cells(self.table)])
        source = ", ".join(["rline", "rn", "rord", self.line, self.n, *self.values])
        older = f"vid = {vid} AND NOT ({self.born_now})"
        return [
            *self._row_checks(self.values, self._required()),
            *self._key_checks(besides=f" AND {quoted(VID)} <> {vid}", vid=vid),
            *self._parents(self.values, vid),
            *self._children(vid, self.values),
            f"SELECT hf_count({vid}, {self.table.id})",
            f"UPDATE {self.v} SET {pairs} WHERE vid = {vid} AND {self.born_now}",
            f"INSERT INTO {self.v} ({columns}) SELECT {source} FROM {self.v} WHERE {older}",
            *self._end(vid),
        ]

    def delete_body(self) -> list[str]:
        vid = f"NEW.{quoted(VID)}"
        return [
            *self._children(vid),
            f"SELECT hf_count({vid}, {self.table.id})",
            *self._end(vid),
            f"DELETE FROM {self.v} WHERE vid = {vid} AND {self.born_now}",
        ]

    def _parents(self, values: list[str], vid: str | None = None) -> list[str]:
        """Note the row if what it refers to is not there (yet), unless it referred to it before."""
        notes: list[str] = []
        for place, (key, parent) in enumerate(self.related.parents):
            mine = [values[at] for at in self.table.places(key.columns)]
            there = _equal("p.", parent.names(key.references), mine)
            conditions = [*(f"{value} IS NOT NULL" for value in mine)]
            if vid is not None:
                same = _pairs(key.columns, mine)
                conditions.append(f"NOT EXISTS (SELECT 1 FROM {self.v} AS v WHERE v.vid = {vid} AND {same})")
            conditions.append(f"NOT EXISTS (SELECT 1 FROM {rows_view(parent)} AS p WHERE {there})")
            noted = ", ".join([str(self.table.id), str(place), *mine])
            notes.append(f"SELECT hf_check({noted}) WHERE {' AND '.join(conditions)}")
        return notes

    def _children(self, vid: str, values: list[str] | None = None) -> list[str]:
        """Note the row if others refer to it and it goes, or gets another key."""
        notes: list[str] = []
        for child, place, key in self.related.children:
            old = [f"v.c{column}" for column in key.references]
            new = [] if values is None else [values[at] for at in self.table.places(key.references)]
            refers = _equal("c.", child.names(key.columns), old)
            moves = f" AND NOT ({_pairs(key.references, new)})" if new else ""
            notes.append(
                f"SELECT hf_left({', '.join([str(child.id), str(place), *old, *new])}) FROM {self.v} AS v"
                f" WHERE v.vid = {vid}{moves} AND EXISTS (SELECT 1 FROM {rows_view(child)} AS c WHERE {refers})"
            )
        return notes

    def _end(self, vid: str) -> list[str]:
        older = f"vid = {vid} AND NOT ({self.born_now})"
        return [
            f"INSERT INTO {self.k} (vid, line, n) SELECT vid, {self.line}, {self.n} FROM {self.v} WHERE {older}",
            f"UPDATE {self.v} SET dead = 1 WHERE {older} AND dead = 0",
        ]

    def _required(self) -> list[int]:
        """Return the positions of the columns that cannot be NULL."""
        keys = self.table.positions(self.table.primary_key)
        return [at for at, column in enumerate(self.table.columns) if column.not_null or at in keys]

    def _row_checks(self, values: list[str], required: list[int]) -> list[str]:
        table = self.table
        checks = [
            _raise(f"NOT NULL constraint failed: {table.name}.{table.columns[at].name}", f"{values[at]} IS NULL")
            for at in required
        ]
        row = ", ".join(
            f"{as_stored(value, column)} AS {quoted(column.name)}"
            for column, value in zip(table.columns, values, strict=True)
        )
        for check in table.checks:
            failed = f"EXISTS (SELECT 1 FROM (SELECT {row}) WHERE NOT ({checked(check.expression, table.columns)}))"
            checks.append(_raise(f"CHECK constraint failed: {table.name}: {check.name or check.expression}", failed))
        return checks

    def _key_checks(self, besides: str = "", vid: str | None = None) -> list[str]:
        sets = [self.table.primary_key] if self.table.primary_key else []
        return [self._unique_check(names, besides, vid) for names in dict.fromkeys([*sets, *self.table.uniques])]

    def _unique_check(self, names: tuple[str, ...], besides: str, vid: str | None) -> str:
        """Return the check of a UNIQUE; of an update only if it changes it: looking costs what versions there were."""
        table, mine = self.table, [self.values[at] for at in self.table.positions(names)]
        same = _equal("", names, mine)
        message = f"UNIQUE constraint failed: {', '.join(f'{table.name}.{name}' for name in names)}"
        taken = f"EXISTS (SELECT 1 FROM {rows_view(table)} WHERE {same}{besides})"
        if vid is not None:
            kept = _pairs(table.ids(names), mine)
            kept = f"EXISTS (SELECT 1 FROM {self.v} AS v WHERE v.vid = {vid} AND {kept})"
            taken = f"CASE WHEN {kept} THEN 0 ELSE {taken} END"
        return _raise(message, taken)


def _equal(prefix: str, names: tuple[str, ...], values: list[str]) -> str:
    return " AND ".join(f"{prefix}{quoted(name)} = {value}" for name, value in zip(names, values, strict=True))


def _pairs(columns: tuple[int, ...], values: list[str]) -> str:
    return " AND ".join(f"v.c{column} IS {value}" for column, value in zip(columns, values, strict=True))


def as_stored(value: str, column: Column) -> str:
    """Return a value of NEW as a cell will hold it and compare: '7' is 7 in an INTEGER column, 1 is 1.0 in a REAL one.

    What a cell cannot hold at all is refused when it is written.
    """
    return _AS_STORED.get(column.type.kind, "CAST({} AS TEXT)").format(value)


_AS_STORED = {
    Kind.ANY: "{}",
    Kind.BLOB: "{}",
    Kind.VECTOR: "{}",
    Kind.INTEGER: "CAST({} AS INTEGER)",
    Kind.BOOLEAN: "CAST({} AS INTEGER)",
    Kind.REAL: "CAST({} AS REAL)",
    Kind.NUMERIC: f"CAST({{}} AS TEXT) COLLATE {DECIMAL_COLLATION}",
}


def _raise(message: str, condition: str) -> str:
    return f"SELECT RAISE(ABORT, {literal(message)}) WHERE {condition}"


def version_columns(table: Table) -> str:
    """Return the columns that `row_from` reads, of a versions table called `v`."""
    return ", ".join(["v.vid", "v.rline", "v.rn", "v.rord", "v.line", "v.n", *cells(table, "v.")])


class Texts:
    """The statements that read and write the versions of a table.

    Attributes:
        born: reads the versions that a line made in some of its commits.
        ended: reads those that it ended.
        insert, update, delete: write through the command views.
    """

    def __init__(self, table: Table, *, marks_ended: bool = True) -> None:
        self.table = table
        self._marks_ended = marks_ended
        v, k, columns = versions(table), tombstones(table), version_columns(table)
        names, marks = ", ".join(quoted(column.name) for column in table.columns), ", ".join("?" for _ in table.columns)
        self.born = f"SELECT {columns} FROM main.{v} AS v WHERE v.line = ? AND v.n > ? AND v.n <= ?"
        self.ended = (
            f"SELECT {columns} FROM main.{k} AS k JOIN main.{v} AS v ON v.vid = k.vid"
            " WHERE k.line = ? AND k.n > ? AND k.n <= ?"
        )
        self.insert = f"INSERT INTO {insert_view(table)} ({names}) VALUES ({marks})"
        self.update = f"INSERT INTO {update_view(table)} VALUES (?, {marks})"
        self.delete = f"INSERT INTO {delete_view(table)} VALUES (?)"
        self._rows: dict[tuple[object, ...], str] = {}

    def rows(
        self, vector: Mapping[int, int], listing: Listing | None, *, key_parts: int, sealed: bool
    ) -> tuple[str, list[object]]:
        """Return the query for the versions that a vector sees, all or those whose keys begin with so many parameters.

        The numbers of the vector are parameters, too, which come first: a head moves with every commit, and a text that
        has it would be compiled anew each time.
        """
        lines, numbers = (tuple(vector), vector.values()) if listing is None else ((), listing.parameters)
        asked = lines, listing and listing.sql, key_parts, sealed
        sql = self._rows.get(asked)
        if sql is None:
            if len(self._rows) >= QUERIES_MAX:
                self._rows.clear()
            places: LocalVector = {line: f"?{at}" for at, line in enumerate(lines, 1)}
            seen = visible(self.table, places, listing, sealed=sealed, marks_ended=self._marks_ended)
            key = "".join(f" AND {cell} = ?" for cell in key_cells(self.table, "v.")[:key_parts])
            columns = version_columns(self.table)
            sql = f"SELECT {columns} FROM main.{versions(self.table)} AS v WHERE {seen}{key}"
            self._rows[asked] = sql
        return sql, list(numbers)


QUERIES_MAX = 256
"""Texts of queries that a connection keeps for a table: one for each set of lines that somebody looked from."""

NEWEST_FIRST = " ORDER BY v.line DESC, v.n DESC LIMIT 1"
"""Lets `Texts.rows` of a key stop at the first version that is seen, where no more than one can be."""


def unique_query(table: Table, names: tuple[str, ...]) -> str:
    """Return the query for the versions in `hf_rows_<id>` that share the unique values of the version given."""
    mine = cell_of(table, names, "v.")
    same = " AND ".join(
        f"r.{quoted(table.columns[at].name)} = {cell}" for at, cell in zip(table.positions(names), mine, strict=True)
    )
    return (
        f"SELECT r.{quoted(VID)} FROM main.{versions(table)} AS v JOIN {rows_view(table)} AS r ON {same}"
        " WHERE v.vid = ?"
    )
