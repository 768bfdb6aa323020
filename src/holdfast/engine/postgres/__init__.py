"""Commits in a PostgreSQL database: branches, merges, state, runs and caches. Statements of users are yet to come."""

from holdfast.engine.postgres.engine import PostgresEngine
from holdfast.engine.postgres.session import PostgresSession

__all__ = ["PostgresEngine", "PostgresSession"]
