"""The views through which a branch is seen, and the command views through which it is written.

A user's table T is a TEMP view of the versions that the branch's vector sees and no tombstone in it ends. Writes are
rewritten to INSERTs into three command views, whose triggers check the constraints *as seen from the branch* and write
versions and tombstones:

    hf_insert_<id> (columns of T)                add a row
    hf_update_<id> ("hf:vid", columns of T)      replace the row whose version is "hf:vid"
    hf_delete_<id> ("hf:vid")                    end it

`hf_rows_<id>` is T with "hf:vid" beside its columns. Updating a view in place was rejected: SQLite forgets the alias
of an updated view, needs a row id it does not show, and reports no row count.

A version born in the open commit was seen by no one, so it is changed and removed in place.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.schema import Column, Table
from holdfast.core.types import Kind
from holdfast.engine.sql.expressions import translated
from holdfast.engine.sql.layout import (
    DECIMAL_COLLATION,
    cell_of,
    cells,
    key_cells,
    literal,
    quoted,
    tombstones,
    versions,
)

VID = "hf:vid"
"""The hidden column that names a version in `hf_rows_<id>`."""

HEAD = 2**63 - 1
"""The bound of a line that is seen up to its head, the open commit included."""

CASE_LINES_MAX = 12
"""Longer vectors are looked up in a temporary table; measured: CASE is faster up to about a dozen lines."""

LocalVector = Mapping[int, int]
"""A version vector with the lines' ids in this file."""


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


def bound(line: str, vector: LocalVector, stored_as: int | None, *, sealed: bool = False) -> str:
    """Return the SQL expression of the highest commit that `vector` sees of the line in the column `line`.

    Args:
        stored_as: the number under which the vector stands in temp.hf_vector, for long ones.
        sealed: whether a line that the vector does not list may be one that its trunk implies.
    """
    other = "-1"
    if sealed:
        of_trunk = bound("s.trunk", vector, stored_as)
        other = (
            f"coalesce((SELECT s.head_n FROM main.hf_line AS s WHERE s.id = {line} AND s.trunk_n <= {of_trunk}), -1)"
        )
    if stored_as is not None:
        listed = f"(SELECT x.n FROM temp.hf_vector AS x WHERE x.vec = {stored_as} AND x.line = {line})"
        return f"coalesce({listed}, {other})"
    arms = "".join(f" WHEN {int(uid)} THEN {int(n)}" for uid, n in vector.items())
    return f"CASE {line}{arms} ELSE {other} END" if arms else other


def visible(table: Table, vector: LocalVector, stored_as: int | None, *, sealed: bool = False) -> str:
    """Return the condition under which a version `v` is seen: born in the vector, and not ended in it.

    The unary plus keeps SQLite from choosing the index on (line, n), which is for merges (measured: 3,000 times
    slower). `dead` spares living rows the look for a tombstone.
    """
    return (
        f"+v.n <= {bound('v.line', vector, stored_as, sealed=sealed)} AND (v.dead = 0 OR NOT EXISTS (SELECT 1"
        f" FROM main.{tombstones(table)} AS k"
        f" WHERE k.vid = v.vid AND k.n <= {bound('k.line', vector, stored_as, sealed=sealed)}))"
    )


def select_view(
    name: str, table: Table, vector: LocalVector, stored_as: int | None, *, versioned: bool, sealed: bool = False
) -> str:
    """Return the statement that creates the view of a table as a vector sees it."""
    columns = [f"v.{cell} AS {quoted(column.name)}" for cell, column in zip(cells(table), table.columns, strict=True)]
    if versioned:
        columns.insert(0, f"v.vid AS {quoted(VID)}")
    return (
        f"CREATE TEMP VIEW {quoted(name)} AS SELECT {', '.join(columns)} FROM main.{versions(table)} AS v"
        f" WHERE {visible(table, vector, stored_as, sealed=sealed)}"
    )


def command_views(table: Table, line: int) -> list[tuple[str, list[str]]]:
    """Return the command views of a table for writing on a line: each name with the statements that create it."""
    names = [quoted(column.name) for column in table.columns]
    news = [f"NEW.{name}" for name in names]
    maker = _Writer(table, line, news)
    return [
        _command(insert_view(table), names, maker.insert_body()),
        _command(update_view(table), [quoted(VID), *names], maker.update_body()),
        _command(delete_view(table), [quoted(VID)], maker.delete_body()),
    ]


def _command(view: str, columns: list[str], body: list[str]) -> tuple[str, list[str]]:
    nothing = ", ".join(f"NULL AS {column}" for column in columns)
    return view, [
        f"CREATE TEMP VIEW {view} AS SELECT {nothing}",
        f"CREATE TEMP TRIGGER {view}_do INSTEAD OF INSERT ON {view} BEGIN {' '.join(part + ';' for part in body)} END",
    ]


class _Writer:
    """The bodies of the command triggers of one table on one line."""

    def __init__(self, table: Table, line: int, values: list[str]) -> None:
        self.table = table
        self.line = line
        self.values = values
        self.v = versions(table)  # unqualified: older SQLite allows no schema name in a trigger
        self.k = tombstones(table)
        self.n = f"(SELECT head_n + 1 FROM main.hf_line WHERE id = {line})"  # the head moves when the commit is sealed
        self.born_now = f"line = {line} AND n = {self.n}"

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
        row = ", ".join([str(self.line), self.n, "hf_ordinal()", str(self.line), self.n, *values])
        insert = f"INSERT INTO {self.v} ({columns}) VALUES ({row})"
        return [*self._row_checks(values, required), *self._key_checks(besides=""), insert]

    def update_body(self) -> list[str]:
        vid = f"NEW.{quoted(VID)}"
        pairs = ", ".join(f"{cell} = {new}" for cell, new in zip(cells(self.table), self.values, strict=True))
        columns = ", ".join(["rline", "rn", "rord", "line", "n", *cells(self.table)])
        source = ", ".join(["rline", "rn", "rord", str(self.line), self.n, *self.values])
        older = f"vid = {vid} AND NOT ({self.born_now})"
        return [
            *self._row_checks(self.values, self._required()),
            *self._key_checks(besides=f" AND {quoted(VID)} <> {vid}"),
            "SELECT hf_count()",
            f"UPDATE {self.v} SET {pairs} WHERE vid = {vid} AND {self.born_now}",
            f"INSERT INTO {self.v} ({columns}) SELECT {source} FROM {self.v} WHERE {older}",
            *self._end(vid),
        ]

    def delete_body(self) -> list[str]:
        vid = f"NEW.{quoted(VID)}"
        return ["SELECT hf_count()", *self._end(vid), f"DELETE FROM {self.v} WHERE vid = {vid} AND {self.born_now}"]

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
            f"{_as_stored(value, column)} AS {quoted(column.name)}"
            for column, value in zip(table.columns, values, strict=True)
        )
        for check in table.checks:
            failed = f"EXISTS (SELECT 1 FROM (SELECT {row}) WHERE NOT ({translated(check.expression)}))"
            checks.append(_raise(f"CHECK constraint failed: {table.name}: {check.name or check.expression}", failed))
        return checks

    def _key_checks(self, besides: str) -> list[str]:
        sets = [self.table.primary_key] if self.table.primary_key else []
        return [self._unique_check(names, besides) for names in [*sets, *self.table.uniques]]

    def _unique_check(self, names: tuple[str, ...], besides: str) -> str:
        table = self.table
        same = " AND ".join(f"{quoted(table.columns[at].name)} = {self.values[at]}" for at in table.positions(names))
        message = f"UNIQUE constraint failed: {', '.join(f'{table.name}.{name}' for name in names)}"
        return _raise(message, f"EXISTS (SELECT 1 FROM {rows_view(table)} WHERE {same}{besides})")


def _as_stored(value: str, column: Column) -> str:
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


def rows_query(table: Table, vector: LocalVector, stored_as: int | None, *, by_key: bool, sealed: bool = False) -> str:
    """Return the query for the versions that a vector sees, all or those of one key (given as parameters)."""
    key = "".join(f" AND {cell} = ?" for cell in key_cells(table, "v.")) if by_key else ""
    return (
        f"SELECT {version_columns(table)} FROM main.{versions(table)} AS v"
        f" WHERE {visible(table, vector, stored_as, sealed=sealed)}{key}"
    )


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
