"""A store in a schema of a PostgreSQL database."""

from __future__ import annotations

import math
import os
import re
import time
import weakref
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from holdfast.core.canonical import json_value
from holdfast.core.clock import Clock, Ids, RandomIds, SystemClock
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.core.refs import MAIN
from holdfast.engine.contract import Durability
from holdfast.engine.postgres.driver import Options, PostgresDriver, lock_number
from holdfast.engine.postgres.ear import PostgresEar
from holdfast.engine.postgres.layout import CHANGES, FORMAT, FUNCTIONS, SYSTEM_TABLES
from holdfast.engine.postgres.session import PostgresSession
from holdfast.engine.postgres.writer import PostgresChanges
from holdfast.engine.sql.access import Access
from holdfast.engine.sql.engine import SqlEngine
from holdfast.engine.sql.layout import FEATURES
from holdfast.engine.sql.writer import Counter
from holdfast.engine.turns.queue import WriteQueue
from holdfast.errors import InvalidValue, NotFound, Unsupported

SCHEMA = "holdfast"
"""The schema of a store whose URL names no workspace; of others it is followed by an underscore and the workspace."""

_WORKSPACE = re.compile(r"[a-z0-9_]{1,48}")
_SECRETS = frozenset({"password", "passfile", "sslpassword", "sslkey", "oauth_client_secret"})
"""Parameters of a URL that nobody is shown."""
VERSION_MIN = 150000
"""PostgreSQL 15, as its server numbers itself."""

LOOK_SECONDS = 0.5
"""Where nobody is told of commits, those who wait for one look as often."""

SILENCE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}
"""After 30 seconds in which the network brings nothing a connection is lost. A URL may say otherwise."""


class PostgresEngine(SqlEngine[Options, PostgresSession]):
    """A store in a database. Writers of different branches wait for nobody, those of this process for their turn."""

    def __init__(self, options: Options, clock: Clock, ids: Ids) -> None:
        super().__init__(options.url, options, clock, ids)
        self._queue = WriteQueue(None, lambda: "somebody")
        self._ear = PostgresEar(options.conninfo, options.schema)
        weakref.finalize(self, self._ear.close)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        durability: Durability = Durability.FULL,
        timeout: float = TIMEOUT_SECONDS,
        statement_timeout: float | None = None,
        read_only: bool = False,
        create: bool = True,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> PostgresEngine:
        """Open the store in a schema of a database, or make one there. Several processes may do so at once.

        Args:
            url: `postgresql://user@host/database?workspace=acme`, with whatever else PostgreSQL's client takes.
            durability: "full" waits for the server's disk; what "process" has acknowledged may be lost if the server
                dies within a second.
            timeout: seconds to wait for another writer.
            statement_timeout: seconds that one statement may run; None for as long as it takes.
            read_only: whether nothing is to be written.
            create: whether a store that is not there is made.
            clock, ids: where commits get their time, and lines and salts their randomness.

        Raises:
            InvalidValue: the URL has a workspace of odd characters.
            NotFound: there is no store, and none is to be made.
            StoreUnavailable: the database cannot be reached, or refuses.
            Unsupported: the server is too old, or the store of a newer format.
        """
        options = _options(url, durability, timeout, statement_timeout, read_only=read_only)
        engine = cls(options, clock or SystemClock(), ids or RandomIds())
        driver = PostgresDriver(options)
        try:
            engine._prepare(driver, create=create and not read_only)
        finally:
            driver.close()
        return engine

    def pulse(self) -> object:
        """Return how often writers told, over a connection of its own, that they wrote.

        Nobody is told through a pooler: there it is another thing every now and then.
        """
        return time.monotonic() // LOOK_SECONDS if self._options.pooled else self._ear.listen()

    def _connected(self, *, shared: bool) -> PostgresSession:  # noqa: ARG002 - one is like the other
        driver = PostgresDriver(self._options)
        return PostgresSession(driver, self._queue, self._options, self._clock, self._ids, self._shared_session)

    def close(self) -> None:
        """Close all sessions. Idempotent."""
        super().close()
        self._ear.close()

    # Opening

    def _prepare(self, driver: PostgresDriver, *, create: bool) -> None:
        """Make the store where there is none; refuse one that this cannot read."""
        ((version, text),) = driver.rows(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
        )
        if version < VERSION_MIN:
            raise Unsupported(f"{self.url} is PostgreSQL {text}; Holdfast needs 15 or newer")
        if not self._is_there(driver):
            if not create:
                raise NotFound(f"there is no store in {self.url}; connect() without read_only to make it")
            self._create(driver)
        meta = f'"{self._options.schema}".hf_meta'  # without its schema it would not be found where that is forbidden
        found = dict(driver.rows(f"SELECT key, value FROM {meta} WHERE key IN ('format', 'features')"))
        if int(found["format"]) > FORMAT:
            raise Unsupported(f"{self.url} is a store of format {found['format']}; this knows {FORMAT}: update it")
        if int(found["format"]) < FORMAT and not self.read_only:
            self._upgrade(driver)
        unknown = set(json_value(found["features"], "features")) - FEATURES
        if unknown:
            raise Unsupported(f"{self.url} needs features this Holdfast does not know: {unknown}; update it")

    def _is_there(self, driver: PostgresDriver) -> bool:
        found = "SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'hf_meta'"
        return bool(driver.rows(found, (self._options.schema,)))

    def _upgrade(self, driver: PostgresDriver) -> None:
        """Bring a store of an older format up to date, alone; another process may have been quicker."""
        driver.begin(Access.ALONE, self._options.timeout)
        try:
            ((format_,),) = driver.rows("SELECT value FROM hf_meta WHERE key = 'format'")
            for version in range(int(format_), FORMAT):
                for statement in CHANGES[version]:
                    driver.rows(statement)
            driver.rows("UPDATE hf_meta SET value = ? WHERE key = 'format'", (str(FORMAT),))
            driver.commit()
        except BaseException:
            if driver.in_transaction:
                driver.rollback()
            raise

    def _create(self, driver: PostgresDriver) -> None:
        driver.begin(Access.ALONE, self._options.timeout)
        try:
            if not self._is_there(driver):  # else another process was quicker
                schema = self._options.schema
                if not driver.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (schema,)):
                    driver.rows(f'CREATE SCHEMA "{schema}"')  # IF NOT EXISTS would take the right to make it
                for statement in (*SYSTEM_TABLES, *FUNCTIONS):
                    driver.rows(statement)
                driver.rows("INSERT INTO hf_meta VALUES ('format', ?), ('features', '[]')", (str(FORMAT),))
                PostgresChanges(driver, Counter(), self._clock, self._ids).create_store(MAIN)
            driver.commit()
        except BaseException:
            if driver.in_transaction:
                driver.rollback()
            raise


def _options(
    url: str, durability: Durability, timeout: float, statement_timeout: float | None, *, read_only: bool
) -> Options:
    parts = urlsplit(url)
    asked = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)  # to PostgreSQL's client + is itself
    last = dict(asked)
    pooler, workspace = last.get("pooler", "session"), last.get("workspace")
    if pooler not in ("session", "transaction"):
        raise InvalidValue(f"pooler= is session (as without it) or transaction, not {pooler!r}")
    if workspace is not None and not _WORKSPACE.fullmatch(workspace):
        raise InvalidValue(f"a workspace has 1 to 48 of a-z, 0-9 and _, so not {workspace!r}; name another in the URL")
    schema = SCHEMA if workspace is None else f"{SCHEMA}_{workspace}"
    rest = urlencode(_for_client(asked, timeout), quote_via=quote)
    told = urlencode([(name, value) for name, value in asked if name not in _SECRETS], quote_via=quote, safe="/,")
    place = parts.netloc.rpartition("@")
    user = place[0].partition(":")[0]
    shown = urlunsplit((parts.scheme, f"{user}@{place[2]}" if user else place[2], parts.path, told, ""))
    return Options(
        urlunsplit((parts.scheme, parts.netloc, parts.path, rest, "")),
        shown,
        schema,
        lock_number(schema),
        synchronous=durability is Durability.FULL,
        timeout=timeout,
        statement_timeout=statement_timeout,
        read_only=read_only,
        pooled=pooler == "transaction",
    )


def _for_client(asked: list[tuple[str, str]], timeout: float) -> list[tuple[str, str]]:
    """Return the parameters of a URL for PostgreSQL's client, with how long it waits for a server that is silent."""
    patience = dict(SILENCE)
    if "PGCONNECT_TIMEOUT" not in os.environ:
        patience["connect_timeout"] = max(math.ceil(timeout), 2)
    named = [(name, value) for name, value in asked if name not in ("workspace", "pooler")]
    return [*((name, str(value)) for name, value in patience.items() if name not in dict(named)), *named]
