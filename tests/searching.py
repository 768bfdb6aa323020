"""What the tests of searches share: a store whose columns are searched below the SQL that people write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from holdfast import Store
from holdfast.core.points import Point
from holdfast.core.schema import Column, Table
from holdfast.engine.contract import Line, Metric, WordSyntax
from holdfast.engine.sql.text_index import text_index_statements


class Found(NamedTuple):
    """A row that a search found."""

    key: Any
    score: float
    place: int


@contextmanager
def looking(db: Store, name: str = "t") -> Iterator[tuple[Any, Table, Line | Point]]:
    """Give the snapshot that the store's next statement would see, a table, and where the store looks."""
    with db._session.read() as reader:
        at = db._at(reader)
        table = reader.catalogue().find(name)
        assert table is not None
        yield reader, table, at.line or at.point


def column_of(table: Table, name: str) -> Column:
    return next(column for column in table.columns if column.name == name)


def _joined(reader: Any, table: Table, at: Line | Point, search: int) -> list[Found]:
    """Return what a search found, with the first column of the row, in its order."""
    reader.show(table, "hf_seen", at, versioned=True)
    sql = (
        f'SELECT s."{table.columns[0].name}", f.score, f.place FROM temp.hf_found AS f'
        ' JOIN hf_seen AS s ON s."hf:vid" = f.vid WHERE f.search = ? ORDER BY f.place'
    )
    return [Found(*row) for row in reader.query(sql, (search,))]


def nearest(
    db: Store,
    metric: Metric,
    query: bytes,
    k: int,
    *,
    column: str = "v",
    among: tuple[str, Sequence[object]] | None = None,
) -> list[Found]:
    """Return the nearest rows; `among` may read the rows of the store as hf_seen."""
    with looking(db) as (reader, table, at):
        reader.show(table, "hf_seen", at, versioned=True)
        search = reader.nearest(table, column_of(table, column), at, metric, query, k, among)
        return _joined(reader, table, at, search)


def matching(
    db: Store,
    words: str,
    syntax: WordSyntax = WordSyntax.PLAIN,
    *,
    column: str = "body",
    config: str | None = None,
    k: int | None = None,
) -> list[Found]:
    """Return the matching rows, best first."""
    with looking(db) as (reader, table, at):
        search = reader.matching(table, column_of(table, column), at, words, syntax, config, k)
        return _joined(reader, table, at, search)


def create_text_index(db: Store, column: str = "body", config: str = "english") -> None:
    """Make a text index, as a statement would."""
    with db._session.write() as writer:
        table = writer.catalogue().find("t")
        assert table is not None
        for statement in text_index_statements(table, column_of(table, column), config):
            writer.query(statement, ())  # type: ignore[attr-defined]
