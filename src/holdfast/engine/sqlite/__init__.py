"""SQLite: a store in one file."""

from holdfast.engine.sqlite.driver import SqliteDriver
from holdfast.engine.sqlite.engine import SqliteEngine
from holdfast.engine.sqlite.session import SqliteSession

__all__ = ["SqliteDriver", "SqliteEngine", "SqliteSession"]
