"""What a connection remembers: line ids, catalogues, and the temporary views it has made.

All of it was read or made inside transactions. A rollback takes back what was made, so it forgets everything.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.schema import Catalogue
from holdfast.errors import NotFound

VECTORS_MAX = 64
"""Long vectors kept in the temporary table before it is emptied."""

LineRow = tuple[int, str, int | None, int | None, int | None, int | None]
"""id, uid, parent id, n of the fork; trunk id and n, if it was sealed when it was read."""


class Names:
    """The caches of one connection."""

    def __init__(self, read_line: Callable[[str, int | str], list[LineRow]]) -> None:
        self._read_line = read_line
        self.vectors_made = 0
        self.forget()

    def forget(self) -> None:
        """Drop everything, as the rollback of a write must."""
        self._by_uid: dict[str, LineRow] = {}
        self._by_id: dict[int, LineRow] = {}
        self.catalogues: dict[int, Catalogue] = {}
        self.schema_digests: dict[int, bytes] = {}
        self.forget_made()

    def forget_made(self) -> None:
        """Drop what the connection made for itself, as the rollback of a read must: what it read was committed."""
        self.views: dict[str, tuple[object, ...]] = {}
        self.vectors: dict[tuple[tuple[int, int], ...], int] = {}

    def _line(self, by: str, value: int | str) -> LineRow:
        found = self._read_line(by, value)
        if not found:
            raise NotFound(f"no line {value!r} in this store")
        (row,) = found
        self._by_id[row[0]] = self._by_uid[row[1]] = row
        return row

    def schema_digest(self, catalogue: Catalogue) -> bytes:
        """Return the digest of a catalogue."""
        known = self.schema_digests.get(catalogue.version)
        if known is None:
            known = self.schema_digests[catalogue.version] = catalogue.digest()
        return known

    def id_of(self, uid: str) -> int:
        """Return the id that a line has in this file. Raises NotFound."""
        return (self._by_uid.get(uid) or self._line("uid", uid))[0]

    def uid_of(self, line: int) -> str:
        """Return the uid of a line of this file. Raises NotFound."""
        return (self._by_id.get(line) or self._line("id", line))[1]

    def fork_of(self, line: int) -> tuple[int | None, int]:
        """Return the line that this one was forked from, and where; (None, 0) for the first."""
        _, _, parent, fork_n, *_ = self._by_id.get(line) or self._line("id", line)
        return parent, fork_n or 0

    def trunk_of(self, line: int) -> tuple[int, int] | None:
        """Return the commit that implies all of a line, if it is sealed.

        A line that was not sealed when it was read is looked at again: the answer must fit every view made before.
        """
        *_, trunk, trunk_n = self._by_id.get(line) or self._line("id", line)
        if trunk is None:
            *_, trunk, trunk_n = self._line("id", line)
        return None if trunk is None or trunk_n is None else (trunk, trunk_n)
