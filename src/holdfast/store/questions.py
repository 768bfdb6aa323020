"""What a `Store` tells of its history."""

from __future__ import annotations

from holdfast.core.refs import RUNS
from holdfast.store.connection import Connection
from holdfast.versions.diff import schema_at
from holdfast.versions.results import Branch, CommitInfo, RowChange, Tag, Verification


class Questions(Connection):
    """Looking at commits, branches and tables; none of it writes."""

    @property
    def head(self) -> str:
        """The hash of the newest commit here, in hexadecimal."""
        with self._lock, self._session.read() as reader:
            return reader.commit(self._at(reader).point).hash.hex()

    def diff(self, a: str, b: str | None = None) -> list[RowChange]:
        """Return the rows that differ between `a` and `b` (default: here), by table and key. Costs what changed."""
        with self._lock:
            return self._versions.diff(a, self._here if b is None else b)

    def log(self, ref: str | None = None, limit: int | None = None) -> list[CommitInfo]:
        """Return the commits that led here, or to another ref, newest first, each by its first parent."""
        with self._lock:
            return self._versions.log(self._here if ref is None else ref, limit)

    def show(self, ref: str | None = None) -> tuple[CommitInfo, list[RowChange]]:
        """Return a commit and the rows it changed; of a merge, those it had to decide."""
        with self._lock:
            return self._versions.show(self._here if ref is None else ref)

    def branches(self, *, runs: bool = False) -> list[Branch]:
        """Return the branches, by name; those of runs, which `runs()` lists, only if they are asked for."""
        with self._lock:
            found = self._versions.branches()
        return [branch for branch in found if runs or not branch.name.startswith(RUNS)]

    def tags(self) -> list[Tag]:
        """Return all tags, by name."""
        with self._lock:
            return self._versions.tags()

    def tables(self) -> list[str]:
        """Return the names of the tables that can be seen here."""
        with self._lock, self._session.read() as reader:
            return [table.name for table in schema_at(reader, self._at(reader)).tables]

    def verify(self) -> Verification:
        """Check the whole store: every hash is computed again, every head looked at. Raises StoreCorrupt."""
        with self._lock:
            return self._versions.verify()
