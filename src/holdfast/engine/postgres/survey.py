"""What a snapshot on PostgreSQL tells otherwise than one of a file."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.core.schema import Table
from holdfast.engine.sql.layout import tombstones, versions
from holdfast.engine.sql.reader import SqlSnapshot
from holdfast.engine.sql.survey import Survey


class PostgresSurvey(Survey):
    """A consistent snapshot."""

    damage = SqlSnapshot.damage  # there are no indexes of words

    def _damage_of_pages(self) -> Iterator[str]:
        """Yield nothing: the server checks its pages, if it was set up with checksums."""
        yield from ()

    def _damage_of(self, table: Table) -> Iterator[str]:
        """Yield what is wrong with the versions of a table."""
        k, v = tombstones(table), versions(table)
        ((missing,),) = self._db.rows(
            f"SELECT count(*) FROM {k} AS k LEFT JOIN {v} AS v ON v.vid = k.vid WHERE v.vid IS NULL"
        )
        if missing:
            yield f"table {table.name}: {missing} ended versions are missing"
