"""SQLite: a store in one file."""

from holdfast.engine.sqlite.driver import TIMEOUT_SECONDS, SqliteDriver
from holdfast.engine.sqlite.engine import SqliteEngine
from holdfast.engine.sqlite.session import SqliteSession

__all__ = ["TIMEOUT_SECONDS", "SqliteDriver", "SqliteEngine", "SqliteSession"]
