"""What a connection remembers: line ids, catalogues, and the temporary views it has made.

All of it was read or made inside transactions. A rollback takes back what was made, so it forgets everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.core.schema import Catalogue, Table
from holdfast.engine.contract import Line
from holdfast.engine.sql.searches import Searches
from holdfast.engine.sql.views import Related, Texts
from holdfast.errors import NotFound

VECTORS_MAX = 64
"""Long vectors kept in the temporary table before it is emptied."""

SHARED_VECTORS_MAX = 1024
"""The same on a connection that writes for many branches, where all vectors stand in the table."""

Ready = tuple[Table, Related]
"""A table that is ready to be written, and what is related to it."""

LineRow = tuple[int, str, int | None, int | None, int | None, int | None]
"""id, uid, parent id, n of the fork; trunk id and n, if it was sealed when it was read."""


class Names:
    """The caches of one connection.

    Attributes:
        shared: whether the connection writes for one branch after the other. Its views then read from a table which
            branch it is, where those of other connections have it written into them: those are faster, and slow to
            replace.
        marks_ended: whether versions that ended somewhere are marked so.
    """

    def __init__(
        self,
        read_line: Callable[[str, int | str], list[LineRow]],
        *,
        shared: bool = False,
        marks_ended: bool = True,
    ) -> None:
        self._read_line = read_line
        self._marks_ended = marks_ended
        self.shared = shared
        self.vectors_max = SHARED_VECTORS_MAX if shared else VECTORS_MAX
        self.vectors_made = 0
        self.searches = Searches()
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
        self.lines_seen: dict[tuple[str, int], int] = {}
        """Under which number stands what is seen from the head of a line, by its uid and epoch."""
        self.seen_from: dict[tuple[str, int], tuple[Mapping[int, int], bool]] = {}
        """What is seen from the head of a line, by its uid and epoch, and whether trunks imply the rest of it.

        When lines are sealed later it is still right: it lists them.
        """
        self.branches_read: dict[str, tuple[Line, int]] = {}
        """Where branches were when they were last written to, and the version of the schema then."""
        self.here: tuple[object, ...] | None = None
        """What stands in temp.hf_here."""
        self.texts: dict[int, Texts] = {}
        self.ready: dict[int, Ready] = {}
        """The tables whose command views, and what those read, are as `ready_at` says."""
        self.ready_at: tuple[object, ...] | None = None
        self._journal: list[tuple[dict[Any, Any], object, object]] = []

    def keep(self, where: dict[Any, Any], key: object, value: object) -> None:
        """Note something that was made; `undo` takes it back."""
        self._journal.append((where, key, where.get(key)))
        where[key] = value

    def begin(self) -> None:
        """Begin a transaction: what was made before it is not undone one by one."""
        self._journal.clear()

    def mark(self) -> int:
        """Return what `undo` needs to come back to now."""
        return len(self._journal)

    def undo(self, mark: int) -> None:
        """Forget what was made since `mark`, as the engine does when a savepoint is undone."""
        while len(self._journal) > mark:
            where, key, before = self._journal.pop()
            if before is None:
                where.pop(key, None)
            else:
                where[key] = before
        self.here = self.ready_at = None

    def texts_of(self, table: Table) -> Texts:
        """Return the statements that read and write a table's versions; making them takes as long as running them."""
        known = self.texts.get(table.id)
        if known is None or known.table is not table:
            known = self.texts[table.id] = Texts(table, marks_ended=self._marks_ended)
        return known

    def ready_for(self, here: tuple[object, ...]) -> dict[int, Ready]:
        """Return the tables that are ready to be written from a place; none if the last was another."""
        if self.ready_at != here:
            self.ready, self.ready_at = {}, here
        return self.ready

    def _line(self, by: str, value: int | str) -> LineRow:
        found = self._read_line(by, value)
        if not found:
            raise NotFound(f"no line {value!r} in this store")
        (row,) = found
        self._by_id[row[0]] = self._by_uid[row[1]] = row
        return row

    def forget_line(self, uid: str) -> None:
        """Let a line be read again, or no more."""
        row = self._by_uid.pop(uid, None)
        if row is not None:
            self._by_id.pop(row[0], None)
        self.seen_from.clear()

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
