"""Runs statements in an open transaction, on the branch or point it is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from holdfast.core.schema import Catalogue, Table
from holdfast.engine.contract import SqlReader, SqlWriter
from holdfast.errors import HoldfastError, InvalidValue, NotFound, SqlError, Unsupported
from holdfast.tables.cursor import Cursor
from holdfast.tables.parameters import Parameters, bound
from holdfast.tables.results import shape_of
from holdfast.tables.rewrite import Rewritten, Shown, rewrite
from holdfast.tables.schema_statements import parse_schema_statement
from holdfast.tables.statement import CACHED_LENGTH_MAX, Statement, Verb
from holdfast.versions.diff import schema_at
from holdfast.versions.resolve import Resolved, resolve

REWRITES_CACHED = 512


class StatementRunner:
    """Rewrites statements, remembers the rewriting by text and schema version, and runs them."""

    def __init__(self) -> None:
        self._rewrites: dict[tuple[str, int], tuple[Catalogue, Rewritten]] = {}

    def _rewritten(self, statement: Statement, catalogue: Catalogue) -> Rewritten:
        key = (statement.sql, catalogue.version)
        known, run = self._rewrites.get(key, (None, None))
        # A version that was rolled back comes again, with other tables.
        if run is None or (known is not catalogue and known != catalogue):
            run = rewrite(statement, catalogue)
            if len(statement.sql) <= CACHED_LENGTH_MAX:
                if len(self._rewrites) >= REWRITES_CACHED:
                    self._rewrites.clear()
                self._rewrites[key] = (catalogue, run)
        return run

    def read(self, reader: SqlReader, at: Resolved, statement: Statement, parameters: Parameters) -> Cursor:
        """Run a statement that reads, as seen from `at`."""
        catalogue = schema_at(reader, at)
        run = self._rewritten(statement, catalogue)
        values = bound(statement.names, run.places, parameters)
        shown = self._show(reader, at, run.shown, catalogue)
        try:
            if run.shape is not None:
                return Cursor(run.shape, reader.query_again(run.sql, values))
            result = reader.query(run.sql, values)
        except SqlError as error:
            raise _explained(error, catalogue) from error
        shape = shape_of(statement, run, result, replace(catalogue, tables=(*catalogue.tables, *shown)))
        if all(name.ref is None for name in run.shown):  # another ref may come to have another schema
            run.shape = shape
        return Cursor(shape, result.rows)

    def write(self, writer: SqlWriter, at: Resolved, statement: Statement, parameters: Iterable[Parameters]) -> Cursor:
        """Run a statement that writes, once for each of `parameters`, in the open commit of the branch `at`."""
        if not isinstance(parameters, Iterable):
            raise InvalidValue(f"the parameters of many runs are an iterable, not {type(parameters).__name__}")
        catalogue = writer.catalogue()
        if statement.verb is Verb.SCHEMA:
            return self._change_schema(writer, catalogue, statement)
        run = self._rewritten(statement, catalogue)
        assert run.target is not None
        self._show(writer, at, run.shown, catalogue)
        values = (bound(statement.names, run.places, given) for given in parameters)
        try:
            return Cursor(rowcount=writer.apply(run.target, run.sql, values))
        except SqlError as error:
            raise _explained(error, catalogue) from error

    def _change_schema(self, writer: SqlWriter, catalogue: Catalogue, statement: Statement) -> Cursor:
        if statement.names:
            raise Unsupported(f"{statement.summary} takes no parameters; write the values into the statement")
        changed = parse_schema_statement(list(statement.tokens)).apply(writer, catalogue)
        if changed is not catalogue:
            writer.define(replace(changed, version=catalogue.version + 1))
        return Cursor(rowcount=0)

    def _show(self, reader: SqlReader, at: Resolved, shown: list[Shown], catalogue: Catalogue) -> list[Table]:
        """Let the names that a statement reads be what they say; return the tables, each as its ref has it."""
        found: list[Table] = []
        for name in shown:
            there = at if name.ref is None else resolve(reader, name.ref)
            tables = catalogue if name.ref is None else schema_at(reader, there)
            table = tables.find(name.table)
            if table is None:
                raise NotFound(f"{name.table}@{name.ref}: there is no table {name.table!r} at {name.ref!r}")
            reader.show(table, name.alias, there.seen_from)
            found.append(table)
        return found


def _explained(error: SqlError, catalogue: Catalogue) -> HoldfastError:
    if "hf:source" in str(error):
        return SqlError(str(error).replace("table hf:source", "the SELECT of the INSERT"))
    prefix = "no such table: "
    if prefix in str(error):
        name = str(error).split(prefix, 1)[1]
        return NotFound(f"no table {name!r}; the tables are {[table.name for table in catalogue.tables]}")
    prefix = "no such function: "
    if prefix in str(error):
        return Unsupported(f"the function {str(error).split(prefix, 1)[1]}() is not supported")
    return error
