"""Counts what goes to a PostgreSQL server, and how often somebody waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holdfast.engine.postgres.driver import PostgresDriver


@contextmanager
def trips_counted() -> Iterator[list[int]]:
    """Yield how many statements went in each round trip."""
    trips: list[int] = []
    send = PostgresDriver._send

    def counted(driver: PostgresDriver) -> list[list[tuple[Any, ...]]]:
        trips.append(len(driver._waiting))
        return send(driver)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresDriver, "_send", counted)
        yield trips
