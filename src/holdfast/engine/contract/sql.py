"""What engines with SQL can do in addition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from holdfast.core.points import Point, Rid
from holdfast.core.rows import Row
from holdfast.core.schema import Column, Key, Table
from holdfast.core.types import Stored
from holdfast.engine.contract.reading import Reader
from holdfast.engine.contract.system import SystemView
from holdfast.engine.contract.values import Line, Metric, WordSyntax
from holdfast.engine.contract.writing import Writer

if TYPE_CHECKING:  # what SQLite and PostgreSQL share is loaded with the first of them
    from holdfast.engine.sql.views import Command


class NativeReader(Reader, Protocol):
    """What an engine can do in addition that takes statements in PostgreSQL's own words (engine/sql/words.py)."""

    @property
    def vectors(self) -> str:
        """The type that statements have for vectors."""
        ...

    def defined(
        self, name: str, table: Table, at: Line | Point, first: int, *, versioned: bool = False
    ) -> tuple[str, list[object]]:
        """Return the common table that is a table as seen from a point, or the head of a line, and its parameters.

        Args:
            first: the number of the first of them.
            versioned: whether it has the column "hf:vid", too.
        """
        ...

    def defined_whole(self, view: SystemView) -> str:
        """Return the common table that is a view of the whole store."""
        ...

    def now(self) -> str:
        """Return the moment that NOW() is in this transaction, as a stored TIMESTAMP."""
        ...

    def ask(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a statement that reads; return its rows as Python values.

        Raises:
            SqlError, Unsupported, InvalidValue: it is refused. What the transaction did before stays.
        """
        ...


class NativeWriter(NativeReader, Writer, Protocol):
    """The same of a writer."""

    def look_up(self, table: Table, keys: Sequence[Key]) -> None:
        """Find the rows of keys that are going to be looked for, all at once."""
        ...

    def statement(self) -> AbstractContextManager[None]:
        """Let foreign keys hold at the end of the block, and what they ask for be done then; all of it, or nothing."""
        ...

    def versions_of(self, table: Table, handles: Sequence[int]) -> list[Row]:
        """Return versions by their handles, in the order of these."""
        ...

    def handles_of(self, table: Table, rids: Sequence[Rid]) -> list[int]:
        """Return the handles of the versions of rows that the open commit made, in the order of these."""
        ...

    def alike(self, table: Table, names: tuple[str, ...], values: tuple[Stored, ...]) -> Row | None:
        """Return the row that has the values of a row in columns that are unique together; None if there is none."""
        ...

    def try_checks(self, table: Table) -> None:
        """Compute the checks of a table once, for a row of NULLs. Raises SqlError, InvalidValue, Unsupported."""
        ...

    def last_rid(self) -> Rid:
        """The row that was added last."""
        ...


def reads_natively(reader: Reader) -> TypeGuard[NativeReader]:
    """Tell whether statements are put to this reader in PostgreSQL's own words."""
    return hasattr(reader, "defined_whole")


def writes_natively(writer: Reader) -> TypeGuard[NativeWriter]:
    """Tell the same of a writer."""
    return hasattr(writer, "defined_whole")


class SqlReader(Reader, Protocol):
    """What engines with SQL can do in addition."""

    def show(self, table: Table, alias: str, at: Line | Point, *, versioned: bool = False) -> None:
        """Let `alias` name `table` in the statements that follow, as seen from a point or from the head of a line.

        Args:
            versioned: whether it has the column "hf:vid" too, by which it is joined with what a search found.
        """
        ...

    def show_whole(self, view: SystemView) -> None:
        """Let the name of a view of the whole store be known to the statements that follow."""
        ...

    def nearest(
        self,
        table: Table,
        column: Column,
        at: Line | Point,
        metric: Metric,
        query: bytes,
        k: int,
        among: tuple[str, Sequence[object]] | None = None,
    ) -> int:
        """Find the rows whose vectors are nearest to `query`; exact. Return the number of the search.

        `temp.hf_found` then has, under this number in `search`, the `vid`, the `score` (the distance) and the `place`
        (from 1: by score, then by row id) of the `k` nearest, and of those as near as the last of them, so that a
        statement may order equal ones as it likes. Rows without a vector are passed over. What was found is good for
        the statements of this snapshot, of the last `SEARCHES_KEPT` searches (engine/sql/searches.py).

        Args:
            at: the line, or the point, that is looked at; of the line that is written, its open commit too.
            query: little-endian float32, as stored.
            among: SQL that yields the vids to look at, with its parameters.

        Raises:
            InvalidValue: `query` is no vector of the column's dimensions, or `k` is negative.
        """
        ...

    def matching(
        self,
        table: Table,
        column: Column,
        at: Line | Point,
        words: str,
        syntax: WordSyntax,
        config: str | None = None,
        k: int | None = None,
    ) -> int:
        """Find the rows whose text matches; return the number of the search, as `nearest` does.

        The score is BM25's, as the rows that are seen give it, whatever other branches have: larger is better. The
        column needs a text index (engine/sql/text_index.py).

        Args:
            config: what the words are to be understood as: "english" or "simple"; None as the index does.
            k: how many of the best to keep, with those as good as the last of them; None for all.

        Raises:
            NotFound: the column has no text index.
            InvalidValue: `words` is not well formed.
            Unsupported: a part of `words` that has no meaning here, or the index was made for another `config`.
        """
        ...

    def query(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a statement that reads; return its rows as the engine has them."""
        ...


class SqlWriter(SqlReader, Writer, Protocol):
    """What engines with SQL can do in addition."""

    def apply(
        self, table: Table, sql: str, parameters: Iterable[Sequence[object]], command: Command | None = None
    ) -> int:
        """Run an INSERT into a command view of `table` (engine/sql/views.py) once for each of `parameters`.

        Args:
            command: a command view of the statement's own, which is made first.

        Returns:
            How many rows were touched.
        """
        ...

    def prepare(self, table: Table) -> None:
        """Let the statements that follow read `hf_rows_<id>` of a table that is going to be written."""
        ...

    def gather(self, table: Table, sql: str, parameters: Sequence[object], command: Command | None = None) -> list[int]:
        """Run one as `apply` does, once; return the versions of the rows that it wrote, each once, in its order."""
        ...
