"""Runs statements in an open transaction, on the branch or point it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

from holdfast.core.canonical import json_text
from holdfast.core.schema import Catalogue, Table
from holdfast.core.types import Stored
from holdfast.engine.contract import (
    NativeReader,
    NativeWriter,
    Reader,
    SqlReader,
    SqlWriter,
    reads_natively,
    writes_natively,
)
from holdfast.engine.contract.system import SYSTEM_ID, SystemView
from holdfast.engine.sql.translate.scope import Shown
from holdfast.engine.sql.views import delete_view
from holdfast.errors import HoldfastError, InvalidValue, NotFound, SqlError, Unsupported
from holdfast.tables.cursor import Cursor
from holdfast.tables.native import NativeWrite, look_up_keys, read
from holdfast.tables.parameters import Parameters, bound
from holdfast.tables.questions import native_parameters
from holdfast.tables.reserved import check_table_name
from holdfast.tables.rewrite import Rewritten, rewrite, used
from holdfast.tables.searching import TooFew, find
from holdfast.tables.statement import CACHED_LENGTH_MAX, Statement, Verb, depth_refused
from holdfast.tables.writes import Write
from holdfast.versions.diff import schema_at
from holdfast.versions.resolve import Resolved, resolve

REWRITES_CACHED = 512

FindView = Callable[[str], SystemView | None]


class StatementRunner:
    """Rewrites statements, remembers the rewriting by text and schema version, and runs them.

    Args:
        system_view: returns the view of the whole store of a name, or None.
    """

    def __init__(self, system_view: FindView = lambda _: None) -> None:
        self._system_view = system_view
        self._rewrites: dict[tuple[str, int], tuple[Catalogue, Rewritten]] = {}

    def _rewritten(self, reader: SqlReader | NativeReader, statement: Statement, catalogue: Catalogue) -> Rewritten:
        key = (statement.sql, catalogue.version)
        known, run = self._rewrites.get(key, (None, None))
        # A version that was rolled back comes again, with other tables; and a ref moves to another version.
        same = known is catalogue or known == catalogue
        if run is None or not same or not all(_is_still(reader, shown) for shown in run.shown):
            run = self._rewrite(reader, statement, catalogue)
            if len(statement.sql) <= CACHED_LENGTH_MAX:
                if len(self._rewrites) >= REWRITES_CACHED:
                    self._rewrites.clear()
                self._rewrites[key] = (catalogue, run)
        return run

    def read(
        self, reader: SqlReader | NativeReader, at: Resolved, statement: Statement, parameters: Parameters
    ) -> Cursor:
        """Run a statement that reads, as seen from `at`."""
        catalogue = schema_at(reader, at)
        run = self._rewritten(reader, statement, catalogue)
        if reads_natively(reader):
            tables = _Tables(reader, catalogue, self._system_view)
            return read(reader, at, statement, run, tables, native_parameters(statement, run, parameters)[1])
        reader = cast("SqlReader", reader)
        values = bound(statement.names, run.places, parameters)
        assert run.shape is not None
        try:
            if not run.searches:
                self._show(reader, at, run.shown)
                return Cursor(run.shape, reader.query(run.sql, values))
            return self._found(reader, at, statement, run, values, catalogue)
        except SqlError as error:
            raise _explained(error, catalogue) from error

    def write(
        self,
        writer: SqlWriter | NativeWriter,
        at: Resolved,
        statement: Statement,
        parameters: Iterable[Parameters],
    ) -> Cursor:
        """Run a statement that writes, once for each of `parameters`, in the open commit of the branch `at`."""
        if not isinstance(parameters, Iterable):
            raise InvalidValue(f"the parameters of many runs are an iterable, not {type(parameters).__name__}")
        catalogue = writer.catalogue()
        if statement.verb is Verb.SCHEMA:
            return _change_schema(cast("SqlWriter", writer), catalogue, statement)
        run = self._rewritten(writer, statement, catalogue)
        assert run.write is not None
        if writes_natively(writer):
            return self._write_natively(writer, at, statement, run, catalogue, parameters)
        writer = cast("SqlWriter", writer)
        self._show(writer, at, run.shown)
        values = (bound(statement.names, run.places, given) for given in parameters)
        try:
            if run.write.returning is None and not run.searches:
                return Cursor(rowcount=writer.apply(run.write.table, run.sql, values, run.write.command))
            return _written_once(writer, at, run, run.write, list(values))
        except SqlError as error:
            raise _explained(error, catalogue) from error

    def _write_natively(
        self,
        writer: NativeWriter,
        at: Resolved,
        statement: Statement,
        run: Rewritten,
        catalogue: Catalogue,
        parameters: Iterable[Parameters],
    ) -> Cursor:
        tables = _Tables(writer, catalogue, self._system_view)
        runs = [native_parameters(statement, run, each) for each in parameters]
        assert run.write is not None
        if run.write.returning is not None and len(runs) != 1:
            raise Unsupported("RETURNING is not supported in executemany(); use execute()")
        cursor = Cursor(rowcount=0)
        touched = 0
        with writer.savepoint():
            look_up_keys(writer, statement.node, run.write.table, [given for given, _ in runs])
            for given, values in runs:
                with writer.statement():
                    cursor = NativeWrite(writer, at, statement, run, tables, given, values).run()
                touched += cursor.rowcount
        cursor.rowcount = touched
        return cursor

    def _rewrite(
        self,
        reader: SqlReader | NativeReader,
        statement: Statement,
        catalogue: Catalogue,
        *,
        searches_nearest: bool = True,
    ) -> Rewritten:
        tables = _Tables(reader, catalogue, self._system_view)
        searches_nearest = searches_nearest and not reads_natively(reader)
        with depth_refused():
            return rewrite(statement, tables.find, tables.target, searches_nearest=searches_nearest)

    def _found(
        self,
        reader: SqlReader,
        at: Resolved,
        statement: Statement,
        run: Rewritten,
        values: list[Stored],
        catalogue: Catalogue,
    ) -> Cursor:
        """Run a statement over rows that are found first; or without that, where some have no vector to be found by."""
        filled: list[object] = [*values, *(None for _ in run.places[len(values) :])]
        self._show(reader, at, run.shown)
        try:
            find(reader, at, run, filled)
        except TooFew:
            if run.plain is None:
                run.plain = self._rewrite(reader, statement, catalogue, searches_nearest=False)
            run = run.plain
            self._show(reader, at, run.shown)
            filled = [*values, *(None for _ in run.places[len(values) :])]
            find(reader, at, run, filled)
        assert run.shape is not None
        return Cursor(run.shape, reader.query(run.sql, used(run.sql, filled)))

    def _show(self, reader: SqlReader, at: Resolved, shown: list[Shown]) -> None:
        for name in shown:
            view = self._system_view(name.alias) if name.table.id == SYSTEM_ID else None
            if view is not None:
                reader.show_whole(view)
                continue
            there = at if name.ref is None else resolve(reader, name.ref)
            reader.show(name.table, name.alias, there.seen_from, versioned=name.versioned)


def _change_schema(writer: SqlWriter, catalogue: Catalogue, statement: Statement) -> Cursor:
    from holdfast.tables.schema_statements import parse_schema_statement  # noqa: PLC0415 - most programs change none

    if statement.names:
        raise Unsupported(f"{statement.summary} takes no parameters; write the values into the statement")
    with depth_refused():
        changed = parse_schema_statement(list(statement.tokens)).apply(writer, catalogue)
        if changed is not catalogue:
            writer.define(replace(changed, version=catalogue.version + 1))
    return Cursor(rowcount=0)


class _Tables:
    """The tables that a statement can name, as the reader's moment has them."""

    def __init__(self, reader: Reader, catalogue: Catalogue, system_view: FindView) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._system_view = system_view

    def view(self, name: str) -> SystemView | None:
        """Return the view of the whole store of a name, or None."""
        return self._system_view(name)

    def find(self, name: str) -> Shown:
        """Return the table of a name, `name@ref` included. Raises NotFound, and Unsupported for the engine's own."""
        view = self._system_view(name.lower())
        if view is not None:
            return Shown(view.name, view.table, None)
        check_table_name(name)
        table, at, ref = name.partition("@")
        if not at:
            return Shown(self.target(name).name, self.target(name), None)
        there = schema_at(self._reader, resolve(self._reader, ref)).find(table)
        if there is None:
            raise NotFound(f"{name}: there is no table {table!r} at {ref!r}")
        # SQLite ignores the case of names, refs do not: capitals are marked by their places.
        capitals = [str(place) for place, letter in enumerate(ref) if letter.isupper()]
        return Shown("~".join([name.lower(), *capitals]), there, ref)

    def target(self, name: str) -> Table:
        """Return the table of a name to write. Raises NotFound."""
        found = self._catalogue.find(name)
        if found is not None:
            return found
        check_table_name(name)
        if "@" in name:
            raise Unsupported(f"{name!r} is read-only; check that ref out and write there")
        raise NotFound(f"no table {name!r}; the tables are {[table.name for table in self._catalogue.tables]}")


def _is_still(reader: Reader, shown: Shown) -> bool:
    """Tell whether a table at another ref is what it was."""
    if shown.ref is None:
        return True
    return schema_at(reader, resolve(reader, shown.ref)).find(shown.table.name) == shown.table


def _written_once(writer: SqlWriter, at: Resolved, run: Rewritten, write: Write, runs: list[list[Stored]]) -> Cursor:
    """Run a write that searches, or gives what RETURNING asks for, a row for each that was written."""
    if len(runs) != 1:
        raise Unsupported("RETURNING, and searches, are not supported in executemany(); use execute()")
    (values,) = runs
    filled: list[object] = [*values, *(None for _ in run.places[len(values) :])]
    writer.prepare(write.table)
    find(writer, at, run, filled)
    given = used(run.sql, filled)
    if write.returning is None:
        return Cursor(rowcount=writer.apply(write.table, run.sql, [given], write.command))
    if not write.deletes:
        filled[write.touched - 1] = _list(writer.gather(write.table, run.sql, given, write.command))
        rows = writer.query(write.returning, filled)
    else:  # what is gone cannot be shown any more
        touched = [vid for (vid,) in writer.query(run.sql, given)]
        filled[write.touched - 1] = _list(touched)
        rows = writer.query(write.returning, filled)
        writer.apply(write.table, f"INSERT INTO {delete_view(write.table)} VALUES (?)", [(vid,) for vid in touched])
    assert run.shape is not None
    return Cursor(run.shape, rows, rowcount=len(rows))


def _list(vids: list[int]) -> str:
    return json_text(vids, "versions")


_TOO_DEEP = ("Recursion limit", "parser stack overflow")


def _explained(error: SqlError, catalogue: Catalogue) -> HoldfastError:
    if str(error) in _TOO_DEEP or str(error).startswith("Expression tree is too large"):
        return SqlError(
            f"the parts of the statement stand in each other too deep, or too many follow each other ({error}); use"
            " IN (...), parameters, or several statements"
        )
    if str(error).startswith("misuse of aggregate"):
        return SqlError(f"{error}: an aggregate stands in the list of a SELECT, in HAVING or in ORDER BY, not in WHERE")
    prefix = "no such table: "
    if prefix in str(error):
        name = str(error).split(prefix, 1)[1]
        return NotFound(f"no table {name!r}; the tables are {[table.name for table in catalogue.tables]}")
    prefix = "no such function: "
    if prefix in str(error):
        return Unsupported(f"the function {str(error).split(prefix, 1)[1]}() is not supported")
    return error
