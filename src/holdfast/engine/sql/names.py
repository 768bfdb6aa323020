"""What a connection remembers: line ids, catalogues, and the temporary views it has made.

All of it was read or made inside transactions. A rollback takes back what was made, so it forgets everything.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.schema import Catalogue
from holdfast.errors import NotFound

VECTORS_MAX = 64
"""Long vectors kept in the temporary table before it is emptied."""

LineRow = tuple[int, str, int | None, int | None]
"""id, uid, parent id, n of the fork."""


class Names:
    """The caches of one connection."""

    def __init__(self, read_lines: Callable[[int], list[LineRow]]) -> None:
        self._read_lines = read_lines
        self.forget()

    def forget(self) -> None:
        """Drop everything, as a rollback must."""
        self._by_uid: dict[str, int] = {}
        self._by_id: dict[int, LineRow] = {}
        self.catalogues: dict[int, Catalogue] = {}
        self.views: dict[str, tuple[object, ...]] = {}
        self.schema_digests: dict[int, bytes] = {}
        self.vectors: dict[tuple[tuple[int, int], ...], int] = {}

    def _read(self) -> None:
        """Lines are only ever added, with growing ids."""
        for row in self._read_lines(max(self._by_id, default=0)):
            self._by_id[row[0]] = row
            self._by_uid[row[1]] = row[0]

    def schema_digest(self, catalogue: Catalogue) -> bytes:
        """Return the digest of a catalogue."""
        known = self.schema_digests.get(catalogue.version)
        if known is None:
            known = self.schema_digests[catalogue.version] = catalogue.digest()
        return known

    def id_of(self, uid: str) -> int:
        """Return the id that a line has in this file. Raises NotFound."""
        if uid not in self._by_uid:
            self._read()
        if uid not in self._by_uid:
            raise NotFound(f"no line {uid!r} in this store")
        return self._by_uid[uid]

    def uid_of(self, line: int) -> str:
        """Return the uid of a line of this file."""
        if line not in self._by_id:
            self._read()
        return self._by_id[line][1]

    def fork_of(self, line: int) -> tuple[int | None, int]:
        """Return the line that this one was forked from, and where; (None, 0) for the first."""
        if line not in self._by_id:
            self._read()
        _, _, parent, fork_n = self._by_id[line]
        return parent, fork_n or 0
