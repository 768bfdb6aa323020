"""Hearing of commits by LISTEN."""

from __future__ import annotations

import psycopg
from psycopg import sql

from holdfast.engine.ear import LOOK_SECONDS, Ear


class PostgresEar(Ear):
    """Counts notifications.

    Args:
        conninfo: what PostgreSQL's client connects with.
        channel: where writers tell.
    """

    losses = (psycopg.Error,)

    def __init__(self, conninfo: str, channel: str) -> None:
        super().__init__()
        self._conninfo = conninfo
        self._channel = channel

    def attend(self) -> None:
        """Connect, and count notifications until it is over."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            self.heard += 1
            while not self.over.is_set():
                self.heard += sum(1 for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1))
