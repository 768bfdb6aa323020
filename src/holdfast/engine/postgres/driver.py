"""One connection to PostgreSQL: runs statements, and turns its errors into ours."""

from __future__ import annotations

import hashlib
import os
import re
import select
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.engine.postgres.errors import of_statement, translated, unreachable
from holdfast.engine.sql.access import Access, Again
from holdfast.engine.sql.names import Names
from holdfast.engine.sql.reader import Parameters, line_reader
from holdfast.errors import HoldfastError, StoreError, StoreUnavailable

STATEMENTS_KEPT = 1024
"""Texts of statements that are kept as PostgreSQL takes them."""

INSERTED_MAX = 16
"""Rows that one INSERT has: each number of them is a statement of its own to prepare."""

WAITING_MAX = 1000
"""Statements that wait to be sent together."""

LOOK_SECONDS = 0.01
"""How long until one looks again what became of a transaction whose server process is still at it."""

_PLACE = re.compile(r"\?(\d*)|'(?:[^']|'')*'|\b(?:main|temp)\.")
_WHICH_SERVER = """SELECT concat_ws(' ',
    CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
    pg_postmaster_start_time(),
    (SELECT min(pid) FROM pg_stat_activity WHERE datid IS NULL AND usesysid IS NULL))"""
"""The timeline of the server's log, another one after a standby took over; when it was started; and the first of its
own processes, all of which it starts again after one of them crashed. While these stay, it has forgotten nothing."""

_HAS_VECTORS = (
    "SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace"
    " WHERE e.extname = 'vector'"
)
_WHICH_PROCESS = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_PROCESS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"

_MOMENTS = frozenset((1114, 1184))
"""The numbers of the types timestamp and timestamptz."""

_WAIT_FOR_STANDBYS = "SELECT pg_logical_emit_message(true, 'holdfast', '')"
"""A transaction that writes to the server's log, and nothing else: standbys that have it have all before it."""

_WAITED_IN = "SyncRepWaitForLSN"
"""Where the server warns that it does not wait for its standbys any more."""

_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR, TransactionStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class Options:
    """How a store in a database is used.

    Attributes:
        conninfo: what PostgreSQL's client connects with.
        url: the store for messages, without a password.
        schema: the schema of the database that the store has for itself.
        lock: the number of the lock that writers of the store share, and who wants to be alone has for itself.
        synchronous: whether a commit waits for the disk.
        timeout: seconds to wait for another writer.
        statement_timeout: seconds that one statement may run, or None.
        read_only: whether nothing is ever written.
        pooled: whether a pooler stands before the server that gives each transaction another connection.
    """

    conninfo: str
    url: str
    schema: str
    lock: int
    synchronous: bool = True
    timeout: float = TIMEOUT_SECONDS
    statement_timeout: float | None = None
    read_only: bool = False
    pooled: bool = False


def _settings(options: Options) -> tuple[str, list[str]]:
    """Return the statement that sets what transactions go by, and its parameters."""
    settings = {
        "synchronous_commit": "on" if options.synchronous else "off",
        "client_min_messages": "warning",
        "timezone": "UTC",
        "standard_conforming_strings": "on",
        "statement_timeout": f"{round((options.statement_timeout or 0) * 1000)}",
        "application_name": "holdfast",
        "plan_cache_mode": "force_generic_plan",
    }
    local = "true" if options.pooled else "false"
    set_ = ", ".join(f"set_config(?, ?, {local})" for _ in settings)
    # The operators of pgvector are where it was installed.
    path = f"set_config('search_path', concat_ws(', ', ?::text, ({_HAS_VECTORS})), {local})"
    return f"SELECT {set_}, {path}", [*(part for pair in settings.items() for part in pair), f'"{options.schema}"']


@lru_cache(STATEMENTS_KEPT)
def adapted(sql: str) -> Any:  # noqa: ANN401 - a LiteralString, to those who know the type
    """Return a statement with places for parameters as PostgreSQL numbers them, and with its names of schemas.

    `?3` is the third parameter; a `?` is the one behind the highest so far, as in SQLite.
    """
    highest = 0

    def place(found: re.Match[str]) -> str:
        nonlocal highest
        text = found[0]
        if text[0] == "'" or text == "main.":
            return text if text[0] == "'" else ""
        if text == "temp.":
            return "pg_temp."
        number = int(found[1]) if found[1] else highest + 1
        highest = max(highest, number)
        return f"${number}"

    return _PLACE.sub(place, sql)


def _set(connection: psycopg.Connection[tuple[Any, ...]], options: Options) -> None:
    sql, values = _settings(options)
    connection.execute(adapted(sql), values)


def lock_number(name: str) -> int:
    """Return the number of PostgreSQL's advisory lock of a name. Two names with one number wait for each other."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _has_news(file: int) -> bool:
    """Tell whether the server said something unasked on a connection, such as that it is gone."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


def _has_rows(cursor: psycopg.Cursor[tuple[Any, ...]]) -> bool:
    """Tell whether a statement answers with rows, without what `description` makes for each of their columns."""
    return cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK


def _with_zones(rows: list[tuple[Any, ...]], cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows whose moments are in UTC."""
    result = cursor.pgresult
    moments = [] if result is None else [at for at in range(result.nfields) if result.ftype(at) in _MOMENTS]
    if not moments:
        return rows
    found = [list(row) for row in rows]
    for row in found:
        for at in moments:
            if isinstance(row[at], datetime):
                row[at] = row[at].astimezone(UTC) if row[at].tzinfo else row[at].replace(tzinfo=UTC)
    return [tuple(row) for row in found]


def _again_unless_held(rows: list[tuple[Any, ...]]) -> None:
    if not rows[0][0]:
        raise Again


class _Statement(NamedTuple):
    """A statement that is to be sent.

    Attributes:
        look: looks at its rows, and may raise Again.
        inserts: how many rows its parameters are, if it is an INSERT without its VALUES.
        native: whether it is a user's, in PostgreSQL's own words. It is planned for its very values.
    """

    sql: str
    parameters: Parameters = ()
    look: Callable[[list[tuple[Any, ...]]], None] | None = None
    inserts: int = 0
    native: bool = False

    @property
    def adapted(self) -> Any:  # noqa: ANN401 - as `adapted`
        """The text, as PostgreSQL takes it."""
        if self.native:
            return self.sql.encode()
        if not self.inserts:
            return adapted(self.sql)
        row = f"({', '.join('?' * (len(self.parameters) // self.inserts))})"
        return adapted(f"{self.sql} VALUES {', '.join([row] * self.inserts)}")


def _tell(hear: weakref.WeakMethod[Any], said: psycopg.errors.Diagnostic) -> None:
    """Tell a driver what its server said, if somebody has it still."""
    heard = hear()
    if heard is not None:
        heard(said)


def _closer(
    driver: PostgresDriver, connection: psycopg.Connection[tuple[Any, ...]]
) -> weakref.finalize[..., PostgresDriver]:
    """Let a connection be closed with its driver, if nobody has that any more; in a fork it is the parent's.

    A `__del__` would come too late where both are garbage together: the connection complains of it.
    """
    pid = os.getpid()

    def close() -> None:
        if os.getpid() == pid:
            connection.close()

    made = weakref.finalize(driver, close)
    made.atexit = False
    return made


class PostgresDriver:
    """One connection, which is made again for the next transaction if it was lost.

    Statements whose rows nobody needs wait for the next one whose rows somebody does; all of them are sent at once, as
    a pipeline, and cost one round trip. So does a transaction's first statement with its BEGIN, and its last with its
    COMMIT.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.names = Names(line_reader(self), marks_ended=False)
        self.writing = False
        self._closed = False
        self._waiting: list[_Statement] = []
        self._access = Access.READ
        self._depth = 0  # savepoints that stand in each other
        self._begun = False  # whether the server knows of the open transaction
        self._committing = False
        self._ended = False  # whether the open transaction was, along with its last statement
        self._opening = 0  # statements with which it begins
        self._xid: str | None = None
        self._server = ""
        self._unconfirmed = False  # whether a standby was to have what was committed, and nobody waited for it
        self._process: tuple[Any, ...] = ()  # none behind a pooler, where it may serve somebody else next
        self.vectors = ""
        """The type that statements have for vectors."""
        self.held: set[int] = set()
        """The locks of the open transaction."""
        self._closer = weakref.finalize(self, bool)
        self.connection = self._connect()

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        options = self._options
        try:
            connection = psycopg.connect(options.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
            try:
                if options.pooled:
                    connection.prepare_threshold = None  # the next transaction may be another server process's
                with connection.pipeline():
                    if not options.pooled:
                        _set(connection, options)
                    told = connection.execute(_WHICH_SERVER)
                    vectors = connection.execute(_HAS_VECTORS)
                    process = connection.execute(_WHICH_PROCESS)
                ((self._server,),) = told.fetchall()
                self._process = () if options.pooled else process.fetchall()[0]
                self.vectors = "vector" if vectors.fetchall() else "real[]"
                hear = weakref.WeakMethod(self._hear)  # else the connection would keep the driver alive
                connection.add_notice_handler(lambda said: _tell(hear, said))
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise unreachable(error, options.url) from error
        self._closer.detach()
        self._closer = _closer(self, connection)
        return connection

    def _hear(self, said: psycopg.errors.Diagnostic) -> None:
        if said.source_function == _WAITED_IN:
            self._unconfirmed = True

    def _ours(self, error: Exception) -> Exception:
        if self._access in (Access.TRIAL, Access.PATIENT):
            lost = self.connection.closed and not self._closed and not self._committing
            if lost or isinstance(error, psycopg.errors.DeadlockDetected):  # a COMMIT behind it was passed over
                return Again()
        return translated(error, self._options.url, self._options.timeout)

    # Statements

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement, behind those that wait, and return its rows."""
        self._waiting.append(_Statement(sql, parameters))
        return self._send()[-1]

    def native(self, sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Run a user's statement in PostgreSQL's own words; return its rows as Python values. If it fails, it alone."""
        mark = self.savepoint()
        self._waiting.append(_Statement(sql, parameters, native=True))
        try:
            rows = self._send()[-1]
        except HoldfastError as error:
            if not self.connection.closed:
                self.undo(mark)
            raise of_statement(error) from error.__cause__
        self.release(mark)
        return rows

    def native_at_last(self, sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Run a user's statement as `native`, and end the transaction with it, which only reads.

        Raises:
            Again: a look found another thing than was expected, or this is not the transaction's first such statement.
        """
        self._waiting += [_Statement(sql, parameters, native=True), _Statement("COMMIT")]
        try:
            return self._send()[-2]
        except HoldfastError as error:
            raise of_statement(error) from error.__cause__

    def look(self, sql: str, parameters: Parameters, look: Callable[[list[tuple[Any, ...]]], None]) -> None:
        """Run a statement as `later`; `look` is shown its rows then, and may raise Again."""
        self._waiting.append(_Statement(sql, parameters, look))

    def later(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement whose rows nobody needs, no later than the next whose rows are asked for, and in order."""
        self._waiting.append(_Statement(sql, parameters))

    def insert(self, head: str, values: Parameters) -> None:
        """Insert a row, as `later`, along with those inserted just before; `head` is the INSERT up to its VALUES."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.sql == head and last.inserts < INSERTED_MAX:
            self._waiting[-1] = last._replace(parameters=(*last.parameters, *values), inserts=last.inserts + 1)
        else:
            self._waiting.append(_Statement(head, values, inserts=1))
            if len(self._waiting) >= WAITING_MAX:
                self._send()

    def many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run a statement once for each of `parameters`."""
        for given in parameters:
            self._waiting.append(_Statement(sql, given))
            if len(self._waiting) >= WAITING_MAX:
                self._send()

    def all_of(self, statements: Sequence[tuple[str, Parameters]]) -> list[list[tuple[Any, ...]]]:
        """Run several statements, and return the rows of each."""
        self._waiting += [_Statement(*statement) for statement in statements]
        return self._send()[-len(statements) :] if statements else []

    def _send(self) -> list[list[tuple[Any, ...]]]:
        """Send all that waits; return the rows of each."""
        sent, self._waiting = self._waiting, []
        if self._ended:
            raise Again
        try:
            self._begin_statement()
            self._begun = True
            results = self._run(sent)
        except psycopg.Error as error:
            raise self._ours(error) from error
        except BaseException:  # an interrupt: what of it was answered, nobody knows
            self.connection.close()
            raise
        self._ended = sent[-1].sql == "COMMIT"
        for statement, rows in zip(sent, results, strict=True):
            if statement.look is not None:
                statement.look(rows)
        return results

    def _run(self, statements: list[_Statement]) -> list[list[tuple[Any, ...]]]:
        with self.connection.pipeline() if len(statements) > 1 else nullcontext():
            cursors = [
                self.connection.execute(
                    statement.adapted, statement.parameters or None, prepare=False if statement.native else None
                )
                for statement in statements
            ]
        results = [cursor.fetchall() if _has_rows(cursor) else [] for cursor in cursors]
        return [
            _with_zones(rows, cursor) if statement.native else rows
            for statement, cursor, rows in zip(statements, cursors, results, strict=True)
        ]

    # Transactions

    def begin(self, access: Access, patience: float) -> None:
        """Begin a transaction that waits for others so many seconds at most; the server is told with what comes next.

        Its lock of the store keeps it apart from those that want to be alone.
        """
        self._revive()
        self._waiting.clear()
        self.held.clear()
        self._depth = 0
        self._ended = False
        self._access, self._begun, self._xid = access, False, None  # after it was asked what became of the last one
        self.later("BEGIN" if access.writes else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if self._options.pooled:
            self.later(*_settings(self._options))
        self._opening = len(self._waiting)
        if not access.writes:
            return
        lock = "pg_advisory_xact_lock" if access is Access.ALONE else "pg_advisory_xact_lock_shared"
        sql = f"SELECT set_config('lock_timeout', ?, true), pg_current_xact_id()::text, {lock}(?)"
        patience_ms = str(max(round(patience * 1000), 1))
        self.look(sql, (patience_ms, self._options.lock), self._note_xid)
        self._opening = len(self._waiting)

    def _note_xid(self, rows: list[tuple[Any, ...]]) -> None:
        self._xid = rows[0][1]

    def _revive(self) -> None:
        """Connect again if the connection was lost, as far as one can tell without asking the server."""
        while not self.connection.closed and _has_news(self.connection.fileno()):
            try:  # first comes why the server ends the connection, only then its end
                self.connection.pgconn.consume_input()
            except psycopg.Error:
                self.connection.close()
            if self.connection.pgconn.status != ConnStatus.OK:
                self.connection.close()
        if self.connection.closed and not self._closed:
            left = self._process
            self.names.forget()
            self.connection = self._connect()
            try:
                if left:
                    self.connection.execute(_END_PROCESS, left)  # it may notice nothing for hours, and keep its locks
            except psycopg.Error as error:
                raise unreachable(error, self._options.url) from error

    def hold(self, *whats: str) -> None:
        """Let nobody else hold the same until the transaction ends, unless this holds it."""
        numbers = sorted({lock_number(f"{self._options.schema}\0{what}") for what in whats} - self.held)
        if not numbers:
            return
        self.held.update(numbers)
        if self._access is Access.TRIAL:
            sql = "SELECT bool_and(pg_try_advisory_xact_lock(number)) FROM unnest(?::bigint[]) AS number"
            self.look(sql, (numbers,), _again_unless_held)
        else:
            self.later("SELECT pg_advisory_xact_lock(number) FROM unnest(?::bigint[]) AS number", (numbers,))

    def be_alone(self) -> None:
        """Let nobody else write until the transaction ends. Raises Again where it has to be alone from its begin."""
        if self._access is Access.ALONE:
            return
        if self._access is not Access.ONCE:
            raise Again(Access.ALONE)
        self.rows("SELECT pg_advisory_xact_lock(?)", (self._options.lock,))
        self._access = Access.ALONE

    def commit(self) -> None:
        """Make what the open transaction wrote durable.

        PostgreSQL takes back one of which a statement failed, and answers COMMIT as if all were well.

        Raises:
            StoreError: a statement failed that nobody undid, and all of the transaction with it.
            StoreUnavailable: the server could not be asked what became of it.
            Again: the connection was lost, and nothing of it is there.
        """
        if self._ended:
            self._ended = False
            return
        if not self._begun:
            if len(self._waiting) == self._opening:  # nothing is asked of the server
                self._waiting.clear()
                return
            self._send()  # its number has to be known before its end is sent
        if self.writing and self.connection.info.transaction_status is TransactionStatus.INERROR:
            raise StoreError(
                "a statement failed, and all of its transaction with it; leave its block, and run it again"
            )
        self.later("COMMIT")
        if self.writing:  # not within the transaction: its end would wait for those of all others that notify
            self.later("SELECT pg_notify(?, '')", (self._options.schema,))
        self._committing, self._unconfirmed = True, False
        try:
            self._send()
        except StoreUnavailable as error:
            if self._xid is None or not self._landed(self._xid, error):
                raise
        finally:
            self._committing = self._ended = False
        if self._unconfirmed:
            raise StoreUnavailable(
                f"{self._options.url} has committed this, but its standby has not confirmed it: it is there, unless the"
                " standby takes over without it; look, once the standby is back"
            )

    def _landed(self, xid: str, lost: StoreUnavailable) -> bool:
        """Tell, on a new connection, whether a transaction was committed whose COMMIT had no answer.

        Nobody can where another server has taken over meanwhile, or this one was started again: what had not reached
        the disk it forgot, numbers included, and it may give the number to another transaction.

        Raises:
            Again, StoreUnavailable: it was not.
        """
        was_here = self._server
        self.connection.close()
        self._revive()
        if self._server != was_here:
            return False
        try:
            status = self._status_of(xid)
        except psycopg.Error as error:
            raise lost from error
        if status != "aborted":
            return status == "committed"
        if self._access not in (Access.TRIAL, Access.PATIENT):
            raise StoreUnavailable(f"{str(lost).partition('. ')[0]}. Nothing was committed; do it again") from lost
        raise Again from lost

    def _status_of(self, xid: str) -> str:
        """Return what became of a transaction; if it was committed, once the standbys know."""
        status, until = "in progress", time.monotonic() + self._options.timeout
        while status == "in progress" and time.monotonic() < until:  # its server process is ending
            time.sleep(LOOK_SECONDS)
            ((status,),) = self.connection.execute("SELECT pg_xact_status($1::xid8)", (xid,)).fetchall()
        if status == "committed":
            with self.connection.transaction():
                if self._options.pooled:
                    _set(self.connection, self._options)
                self.connection.execute(_WAIT_FOR_STANDBYS)
        return str(status)

    def rollback(self) -> None:
        """Take back what the open transaction did."""
        self._waiting.clear()
        if self._begun:
            self.rows("ROLLBACK")

    def savepoint(self) -> str:
        """Begin what can be taken back by itself; return its name."""
        name = f"hf_{self._depth}"  # one name for all would mean another one while a release waits to be sent
        self._depth += 1
        self.later(f"SAVEPOINT {name}")
        return name

    def settle(self) -> None:
        """Send what waits, so that its failure is not that of what comes next."""
        if self._waiting:
            self._send()

    def release(self, savepoint: str) -> None:
        """Keep what was done since a savepoint, and forget it."""
        self._depth -= 1
        self.later(f"RELEASE {savepoint}")

    def undo(self, savepoint: str) -> None:
        """Take back what was done since a savepoint, and forget it."""
        self._depth = int(savepoint.removeprefix("hf_"))
        begin = f"SAVEPOINT {savepoint}"
        at = next((at for at in reversed(range(len(self._waiting))) if self._waiting[at].sql == begin), None)
        if at is not None:  # the server has not heard of it
            del self._waiting[at:]
            return
        self._waiting.clear()
        self.later(f"ROLLBACK TO {savepoint}")
        self.rows(f"RELEASE {savepoint}")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; not on a connection that was closed, or lost, meanwhile."""
        return (not self._begun and bool(self._waiting)) or self.connection.info.transaction_status in _OPEN

    @property
    def lost(self) -> bool:
        """Whether the open transaction is gone, with the connection."""
        return self.writing and not self.in_transaction

    def _begin_statement(self) -> None:
        """Without this check, what follows the loss of a transaction would be committed alone."""
        if self.writing and self._begun and self.connection.info.transaction_status not in _OPEN:
            raise StoreError("an earlier error took back the whole transaction; leave its block, and run it again")

    def keep_vectors(self) -> None:
        """Do nothing: vectors are parameters."""

    def empty_vectors(self) -> None:
        """Do nothing."""

    def words(self, tokenizer: Sequence[str], text: str) -> list[str]:
        """Return the words of a text."""
        raise NotImplementedError("searches are statements, which this engine does not run")

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self.connection.close()
