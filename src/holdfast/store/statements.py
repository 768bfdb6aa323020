"""SQL on a `Store`, and its transactions."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Self

from holdfast.core.limits import PARAMETERS_MAX
from holdfast.core.points import Point
from holdfast.core.tasks import current_task
from holdfast.engine.contract import Reader, SqlWriter, Writer
from holdfast.errors import Unsupported, ValueTooLarge
from holdfast.store.connection import Connection
from holdfast.tables.cursor import Cursor
from holdfast.tables.parameters import Parameters
from holdfast.tables.plain import are_plain
from holdfast.tables.statement import Statement, Verb, parse
from holdfast.versions.history import Versions
from holdfast.versions.resolve import Resolved


class Statements(Connection):
    """What a `Store` does with SQL."""

    def execute(self, sql: str, parameters: Parameters = None) -> Cursor:
        """Run one statement and return its rows.

        A statement that writes is one commit, durable when this returns, or part of the open transaction. One that
        changes nothing makes no commit. A statement that reads sees one snapshot.

        Args:
            sql: SQL of PostgreSQL's dialect; `"table@ref"` reads a table at another ref.
            parameters: a list for `%s`, a dict for `%(name)s`. dict and list go into JSONB, lists and arrays into
                VECTOR columns (the dimension is checked), datetimes into TIMESTAMP (UTC if they have no zone).

        Raises:
            SqlError: the statement is not well formed; ConstraintFailed: a constraint would not hold.
            InvalidValue: a parameter does not fit its column, or their number is wrong.
            Unsupported: the statement cannot be translated faithfully; the message names the part.
            NotFound: no such table, column or ref.
            ReadOnly: a write on the checkout of a commit.
            All of them change nothing.
        """
        return self._run(parse(sql), [parameters])

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Cursor:
        """Run a statement that writes once for each of `parameters`, all in one commit, or none of it.

        Raises:
            As `execute`; Unsupported for a statement that reads.
        """
        statement = parse(sql)
        if statement.verb in (Verb.SELECT, Verb.SCHEMA):
            word = statement.summary.split(" ", 1)[0] or "SELECT"
            raise Unsupported(f"executemany() takes INSERT, UPDATE or DELETE, not {word}; use execute()")
        return self._run(statement, parameters)

    def _run(self, statement: Statement, parameters: Iterable[Parameters]) -> Cursor:
        if len(statement.names) > PARAMETERS_MAX:
            raise ValueTooLarge(
                f"the statement has {len(statement.names)} parameters, more than {PARAMETERS_MAX}; use executemany()"
            )
        if statement.verb is Verb.SELECT:
            (values,) = parameters
            with self._lock:
                session = self._session
                self._check_owner()
                return session.read_once(
                    lambda reader: self._runner.read(self._sql(reader), self._at(reader), statement, values)
                )

        def work(writer: SqlWriter) -> Cursor:
            line = writer.opened
            return self._runner.write(writer, Resolved(Point(line.uid, line.head), line), statement, parameters)

        if are_plain(parameters):
            with self._lock:
                together = self._versions if self._writer is None else None
                self._check_writable()
                _ = self._sql(None)
            if together is not None:  # without the lock, so that those who share this Store can share a transaction
                return together.write(self.ref, statement.summary, work)
        with self._commit(statement.summary, None) as writer:
            return work(self._sql(writer))

    def _sql(self, snapshot: Reader | None) -> Any:  # noqa: ANN401 - an SqlReader, or an SqlWriter
        if not self._session.has_sql:
            raise Unsupported("this engine has no SQL; SQLite files and PostgreSQL have")
        return snapshot

    @contextmanager
    def _commit(self, message: str, metadata: object) -> Generator[Writer]:
        """Open a commit for the block, or a savepoint in the one that is open."""
        with self._lock:
            session = self._session
            self._check_owner()
            self._check_writable()
            if self._writer is not None:
                with self._writer.savepoint():
                    yield self._writer
                return
            with Versions(session, self._ids).open_commit(self.ref, message, metadata, self._note_sealed) as writer:
                self._writer, self._owner = writer, current_task()
                try:
                    yield writer
                finally:
                    self._writer = self._owner = None

    @contextmanager
    def _snapshot(self) -> Generator[None]:
        """Let what is read in the block be of one moment."""
        with self._lock:
            session = self._session
            self._check_owner()
            if self._writer is not None or self._reader is not None:
                yield
                return
            with session.read() as reader:
                reader.branches()  # the moment is that of the first question; let it be now
                self._reader, self._owner = reader, current_task()
                try:
                    yield
                finally:
                    self._reader = self._owner = None

    @contextmanager
    def transaction(self, message: str = "", metadata: object = None, *, read_only: bool = False) -> Generator[Self]:
        """Make one commit of the statements in the block; an exception takes all of them back.

        Inside another transaction it is a savepoint: an exception takes back the block only. The store's writers wait
        for the block to end, so keep slow work out of it.

        With `read_only` nothing is written, and all that is read in the block is of one moment, whatever others commit
        meanwhile; nobody waits for it. Inside another transaction it reads what that one does.

        What is pending of `state` becomes part of the commit; if it is taken back, it is pending again.

        Args:
            message: says why, in `log()`.
            metadata: a JSON-like value kept with the commit.
            read_only: whether the block only reads.

        Raises:
            ReadOnly: this is the checkout of a commit; a write in a block that only reads.
            Timeout: somebody else is writing for longer than `timeout`.
        """
        if read_only:
            with self._snapshot():
                yield self
            return
        with self._lock:  # else whether another is open might be another thread's
            outermost, joined, done = self._writer is None, self._joined(), False
            try:
                with self._commit(message, metadata):
                    yield self
                    if outermost:
                        self._before_commit()
                done = True
            finally:
                if outermost or not done:
                    self._after_transaction(done=done, since=joined)
