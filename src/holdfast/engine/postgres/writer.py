"""Writing on PostgreSQL: the open commit of a line, without triggers.

What is written waits with the driver for the next question and goes to the server together with it, so the open commit
knows by itself what it made and what it ended: nothing of that is read back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from holdfast.core.clock import Clock, Ids
from holdfast.core.limits import COMMIT_ROWS_MAX
from holdfast.core.points import Point, Rid
from holdfast.core.rows import Change, Resolution, Row, key_of
from holdfast.core.schema import Catalogue, Check, Key, Table
from holdfast.core.types import Stored
from holdfast.engine.cells import fit
from holdfast.engine.checks import PlainChecks, double, raise_for
from holdfast.engine.contract import Commit, Imprint, Line, Lookups, Violation
from holdfast.engine.postgres.driver import PostgresDriver
from holdfast.engine.postgres.layout import of_keys, reshaped, told, told_value
from holdfast.engine.postgres.referring import ReferringRows
from holdfast.engine.postgres.statements import check_question
from holdfast.engine.sql.layout import cell_of, cells, tombstones, versions
from holdfast.engine.sql.reader import BRANCH
from holdfast.engine.sql.references import Link, Notes
from holdfast.engine.sql.refs import put_ref, remove_ref
from holdfast.engine.sql.views import HEAD, version_columns
from holdfast.engine.sql.writer import PUT_ENTRY, REMOVE_ENTRY, Counter
from holdfast.errors import ConstraintFailed, ValueTooLarge

ENTRIES = (
    "SELECT e.register, e.key, e.value FROM unnest(?::text[], ?::text[]) AS q (register, key)"
    ' JOIN hf_entry AS e ON e.register = q.register COLLATE "C" AND e.key = q.key COLLATE "C"'
)

REF_SUMS = 64
"""Over how many rows the sum of all names is spread: two transactions that change names rarely need the same."""


@dataclass(slots=True)
class Fetched:
    """What was fetched because it was going to be looked up, until it is.

    Attributes:
        branches: the rows of branches, by their names.
        entries: those of registers.
        rows: those of tables, by the id of the table and their key.
        seen_from: the uid and the epoch of the line from which rows were looked for, and the version of the schema.
    """

    branches: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    entries: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    rows: dict[tuple[int, Key], Row | None] = field(default_factory=dict)
    seen_from: tuple[str, int, int] | None = None

    def rows_for(self, line: Line, schema: int | None) -> dict[tuple[int, Key], Row | None]:
        """Return the rows if they are those that a line shows."""
        return self.rows if self.seen_from == (line.uid, line.epoch, schema) else {}


@dataclass(slots=True)
class _Written:
    """What the open commit did to a table.

    Attributes:
        made: the versions it made, by their rows.
        ended: the versions it ended, by their handles.
        found: the rows of keys that were looked for, or written; None where there is none.
    """

    made: dict[Rid, Row] = field(default_factory=dict)
    ended: dict[int, Row] = field(default_factory=dict)
    found: dict[Key, Row | None] = field(default_factory=dict)

    def copy(self) -> _Written:
        return _Written(dict(self.made), dict(self.ended), dict(self.found))


class PostgresChanges(ReferringRows, PlainChecks):
    """The writing half of the contract. Lives as long as the transaction it writes in."""

    _size_of = "pg_column_size"

    def __init__(self, driver: PostgresDriver, counter: Counter, clock: Clock, ids: Ids) -> None:
        super().__init__(driver, driver.names, counter, clock, ids)
        self._written: dict[int, _Written] = {}
        self._fetched = Fetched()
        self._notes = Notes()
        self._in_statement = False
        self._named: dict[str, str] = {}  # branches by the uids of their lines

    # What others may not change meanwhile

    def hold(self, name: str) -> None:
        """Let nobody else make, move or delete a branch or a tag of this name, nor commit to its branch."""
        self._driver.hold(f"ref/{name}")

    def branch(self, name: str) -> Line | None:
        """Return the line that a branch names, or None."""
        fetched = self._fetched.branches.pop(name, None)
        if fetched is None:
            line = super().branch(name)
        else:
            line = self._branch(fetched)
            self._note_branch(name, line)
        if line is not None:
            self._named[line.uid] = name
        return line

    def entry(self, register: str, key: str) -> bytes | None:
        """Return an entry of a register, or None; nobody else who reads it in order to write has it meanwhile."""
        if (register, key) in self._fetched.entries:
            return self._fetched.entries.pop((register, key))
        self._driver.hold(f"entry/{register}/{key}")
        return super().entry(register, key)

    def put_entry(self, register: str, key: str, value: bytes) -> None:
        """Let an entry of a register have a value."""
        self._fetched.entries.pop((register, key), None)
        self._db.later(PUT_ENTRY, (register, key, value))

    def remove_entry(self, register: str, key: str) -> None:
        """Remove an entry of a register, if it is there."""
        self._fetched.entries.pop((register, key), None)
        self._db.later(REMOVE_ENTRY, (register, key))

    def expect(self, lookups: Lookups) -> None:
        """Fetch what is going to be looked up, all at once.

        Rows are asked for as the branch was when it was written to last; if more than its head has changed since then,
        they are of no use.
        """
        name = lookups.branch
        whats = [f"entry/{register}/{key}" for register, key in lookups.entries]
        self._driver.hold(*whats, *([] if name is None else [f"ref/{name}"]))
        guess = self._names.branches_read.get(name or "")
        tables = list(self._asked_of(*guess, lookups.rows)) if guess else []
        queries = [(BRANCH, (name,)), (ENTRIES, tuple(map(list, zip(*lookups.entries, strict=True))) or ([], []))]
        branch, entries, *found = self._driver.all_of([*queries, *(query for _, _, query in tables)])
        self._fetched = Fetched(
            branches={} if name is None else {name: branch},
            entries=dict.fromkeys(lookups.entries) | {(register, key): value for register, key, value in entries},
            rows={(table.id, key): None for table, keys, _ in tables for key in keys},
            seen_from=(guess[0].uid, guess[0].epoch, guess[1]) if guess else None,
        )
        for (table, keys, _), rows in zip(tables, found, strict=True):
            self._fetched.rows.update({(table.id, keys[at - 1]): self._row(tuple(row)) for at, *row in rows})

    def _asked_of(
        self, line: Line, version: int, rows: Iterable[tuple[str, Key]]
    ) -> Iterator[tuple[Table, list[Key], tuple[str, Sequence[object]]]]:
        """Yield of each table the query for rows by their keys, as a branch shows them that is where it was."""
        seen, catalogue = self._names.seen_from.get((line.uid, line.epoch)), self._names.catalogues.get(version)
        if seen is None or catalogue is None:
            return
        keys: dict[str, list[Key]] = {}
        for name, key in rows:
            keys.setdefault(name, []).append(key)
        for name, asked in keys.items():
            table = catalogue.find(name)
            if table is not None:
                sql, numbers = self._seen_rows(table, seen[0], 0, sealed=seen[1])
                columns = [list(column) for column in zip(*asked, strict=True)]
                yield table, asked, (of_keys(table, sql, len(numbers)), [*numbers, *columns])

    def point_branch(self, name: str, line: str, expect: str | None) -> None:
        """Let a branch name a line, if it names `expect` now."""
        self.hold(name)
        super().point_branch(name, line, expect)

    def _put_ref(self, kind: str, name: str, line: str, n: int | None) -> None:
        put_ref(self._db, kind, name, (self._names.id_of(line), line), n, self._ref_sum(name))

    def _remove_ref(self, kind: str, name: str) -> None:
        remove_ref(self._db, kind, name, self._ref_sum(name))

    def _ref_sum(self, name: str) -> str:
        """Return which sum a name counts in, which nobody else changes meanwhile."""
        key = f"refs/{blake2b(name.encode(), digest_size=1).digest()[0] % REF_SUMS:02d}"
        self._driver.hold(key)
        return key

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Undo what the block did if it raises."""
        held, written = set(self._driver.held), {table: done.copy() for table, done in self._written.items()}
        try:
            with super().savepoint():
                yield
        except BaseException:
            self._driver.held, self._written, self._fetched = held, written, Fetched()
            raise

    # Rows

    def open(self, line: Line) -> None:
        """Begin the next commit of a line."""
        super().open(line)
        self._written.clear()

    def seal(self, message: str, metadata: str | None = None) -> Commit | None:
        """Finish the open commit and move the head. Without any net change there is no commit."""
        line, name = self.opened, self._named.get(self.opened.uid)
        elsewhere = self._theirs is not None or self._defined  # its older commits show other things, too
        commit = super().seal(message, metadata)
        if commit is not None and name is not None:  # so that what is read next need not look first
            head = replace(line, head=commit.point.n, head_hash=commit.hash)
            self._note_branch(name, None if elsewhere else head)
        return commit

    def _done_to(self, table: Table) -> _Written:
        return self._written.setdefault(table.id, _Written())

    def find(self, table: Table, key: Key) -> Row | None:
        """Return the row of a primary key as the open commit shows it, or None."""
        found = self._done_to(table).found
        if key not in found:
            fetched = self._fetched.rows_for(self.opened, self._schema)
            at = (table.id, key)
            found[key] = fetched[at] if at in fetched else super().find(table, key)
        return found[key]

    def look_up(self, table: Table, keys: Sequence[Key]) -> None:
        """Find the rows of keys that are going to be looked for, all at once."""
        found = self._done_to(table).found
        asked = [key for key in dict.fromkeys(keys) if key not in found and None not in key]
        sql, numbers = self._finders.get((table.id, 0)) or self._finder(table, 0)
        found.update(dict.fromkeys(asked))
        found.update(self._of_keys(table, sql, numbers, asked, newest=True))

    def _sees_anew(self) -> None:
        super()._sees_anew()
        for done in self._written.values():
            done.found.clear()

    def insert(self, table: Table, values: Sequence[object]) -> None:
        """Add a row."""
        with self._alone_if_referring(table):
            self._insert(table, values)

    def update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        """Replace the values of a row that the branch sees."""
        with self._alone_if_referring(table):
            self._update(table, row, values)

    def delete(self, table: Table, row: Row) -> None:
        """Remove a row that the branch sees."""
        with self._alone_if_referring(table):
            self._delete(table, row)

    def _insert(self, table: Table, values: Sequence[object]) -> None:
        row = fit(table, self._with_number(table, values))
        self._refuse(table, row, None)
        self._touch(table)
        here = self._next
        self._put(table, Row(Rid(here.line, here.n, self._counter.next_ordinal()), here, row))
        self._note_child(table, row, None)

    def _update(self, table: Table, row: Row, values: Sequence[object]) -> None:
        new = Row(row.rid, self._next, fit(table, values))
        self._refuse(table, new.values, row)
        self._touch(table)
        if row.born == self._next:  # seen by no one: it is changed in place
            pairs = ", ".join(f"{cell} = ?" for cell in cells(table))
            self._db.later(
                f"UPDATE {versions(table)} SET {pairs} WHERE {_OWN}", (*told(table, new.values), *self._own(row.rid))
            )
            self._note_made(table, new, key_of(table, row))
        else:
            self._end(table, row)
            self._put(table, new)
        self._note_child(table, new.values, row.values)
        self._note_parent(table, row.values, new.values)

    def _delete(self, table: Table, row: Row) -> None:
        self._touch(table)
        self._note_parent(table, row.values, None)
        if row.born != self._next:
            self._end(table, row)
            return
        self._db.later(f"DELETE FROM {versions(table)} WHERE {_OWN}", self._own(row.rid))
        done = self._done_to(table)
        del done.made[row.rid]
        done.found[key_of(table, row)] = None

    def settle(self, table: Table, resolution: Resolution) -> None:
        """Carry out what was decided for rows that both sides touched."""
        self._touched[table.id] = table
        for row in resolution.ended:
            self._end(table, row)
        here = self._next
        for rid, values in resolution.fresh:
            self._put(table, Row(rid or Rid(here.line, here.n, self._counter.next_ordinal()), here, values))

    @property
    def _next(self) -> Point:
        """The commit that is open."""
        return Point(self.opened.uid, self.opened.head + 1)

    def _put(self, table: Table, row: Row) -> None:
        """Write a version that the open commit makes."""
        columns = ", ".join(["rline", "rn", "rord", "line", "n", *cells(table)])
        rid = (self._names.id_of(row.rid.line), row.rid.n, row.rid.ordinal)
        values = (*rid, *self._place(row.born), *told(table, row.values))
        self._driver.insert(f"INSERT INTO {versions(table)} ({columns})", values)
        self._note_made(table, row)

    def _note_made(self, table: Table, row: Row, before: Key | None = None) -> None:
        done = self._done_to(table)
        done.made[row.rid] = row
        if before is not None:
            done.found[before] = None
        done.found[key_of(table, row)] = row

    def _end(self, table: Table, row: Row) -> None:
        """End a version for whoever sees the open commit."""
        self._driver.insert(f"INSERT INTO {tombstones(table)}", (row.handle, *self._place(self._next)))
        done = self._done_to(table)
        done.ended[row.handle] = row
        done.found[key_of(table, row)] = None

    def _own(self, rid: Rid) -> tuple[int, ...]:
        """Return what finds the version of a row that the open commit made: its number is not asked for."""
        return (*self._place(self._next), self._names.id_of(rid.line), rid.n, rid.ordinal)

    def _touch(self, table: Table) -> None:
        self._touched[table.id] = table
        self._rows_touched += 1
        if self._rows_touched > COMMIT_ROWS_MAX:
            raise ValueTooLarge(f"a commit touches more than {COMMIT_ROWS_MAX} rows; make several of it")

    def _with_number(self, table: Table, values: Sequence[object]) -> Sequence[object]:
        """Return the values with the next number where a key that is numbered is NULL: next to that of any branch."""
        if not table.numbered:
            return values
        (at,) = table.positions(table.primary_key)
        if values[at] is not None:
            return values
        (cell,) = cell_of(table, table.primary_key)
        self._driver.hold(f"number/{table.id}")
        ((number,),) = self._db.rows(f"SELECT coalesce(max({cell}), 0) + 1 FROM {versions(table)}")
        return [*values[:at], number, *values[at + 1 :]]

    def versions_of(self, table: Table, handles: Sequence[int]) -> list[Row]:
        """Return versions by their handles, in the order of these."""
        sql = f"SELECT {version_columns(table)} FROM {versions(table)} AS v WHERE v.vid = ANY(?::bigint[])"
        found = {row.handle: row for row in map(self._row, self._db.rows(sql, (list(handles),)))}
        return [found[handle] for handle in handles if handle in found]

    def handles_of(self, table: Table, rids: Sequence[Rid]) -> list[int]:
        """Return the handles of the versions of rows that the open commit made, in the order of these."""
        sql = f"SELECT vid, rline, rn, rord FROM {versions(table)} WHERE line = ? AND n = ?"
        found = {(line, n, order): vid for vid, line, n, order in self._db.rows(sql, self._place(self._next))}
        return [found[self._names.id_of(rid.line), rid.n, rid.ordinal] for rid in rids]

    def alike(self, table: Table, names: tuple[str, ...], values: tuple[Stored, ...]) -> Row | None:
        """Return the row that has the values of a row in columns that are unique together; None if there is none."""
        if names == table.primary_key:
            key = tuple(values[at] for at in table.positions(names))
            return None if None in key else self.find(table, key)
        found = self._alike(table, names, values)
        return self._version(table, found[0]) if found else None

    def last_rid(self) -> Rid:
        """The row that was added last."""
        here = self._next
        return Rid(here.line, here.n, self._counter.ordinal)

    # Net changes

    def _is_mine(self, point: Point) -> bool:
        return self._line is not None and point == self._next

    def _made_by(self, table: Table, point: Point) -> list[Row]:
        return list(self._done_to(table).made.values()) if self._is_mine(point) else super()._made_by(table, point)

    def _ended_by(self, table: Table, point: Point) -> list[Row]:
        return list(self._done_to(table).ended.values()) if self._is_mine(point) else super()._ended_by(table, point)

    def _has_ended(self, table: Table) -> bool:
        return bool(self._done_to(table).ended)

    def _take_back(self, change: Change) -> None:
        """Remove the version that came of changing a row and putting it back, and the end of the one before."""
        assert change.before is not None
        self._db.later(f"DELETE FROM {versions(change.table)} WHERE {_OWN}", self._own(change.rid))
        own = (change.before.handle, self._place(self._next)[0])
        self._db.later(f"DELETE FROM {tombstones(change.table)} WHERE vid = ? AND line = ?", own)

    def _mark_ended(self, table: Table, place: tuple[int, int]) -> None:
        """Do nothing: versions are not marked as ended."""

    def _mark_living(self, table: Table, vids: Sequence[tuple[int]]) -> None:
        """Do nothing: versions are not marked as ended."""

    def _never_again(self, table: Table, newest: int | None) -> None:
        """Do nothing: PostgreSQL gives no number twice."""

    # Constraints: what triggers do in a file is done here as on a tree

    def violations(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the constraints that these rows, as the open commit shows them, would break."""
        found = list(rows)
        broken = [
            Violation(f"CHECK ({check.name or check.expression})", (row,), table)
            for row in found
            for check in self._broken_checks(table, row.values)
        ]
        broken += [
            Violation(link.name, (row,), table)
            for link in self._referred(table)
            for row in found
            if link.is_broken(self, tuple(row.values[at] for at in table.places(link.key.columns)))
        ]
        return PlainChecks.violations(self, table, found) + broken

    def orphans(self, table: Table, rows: Iterable[Row]) -> list[Violation]:
        """Return the rows that refer to what one of these was, where the open commit shows no row of that key."""
        left, found = list(rows), list[Violation]()
        for link in self._referring(table):
            at = table.places(link.key.references)
            for values in dict.fromkeys(tuple(row.values[place] for place in at) for row in left):
                if link.is_broken(self, values):
                    orphans = self.versions_of(link.child, link.children(self, values))
                    found.append(Violation(link.name, tuple(orphans), link.child))
        return found

    def refuse_broken(self, now: Catalogue, catalogue: Catalogue) -> None:
        """Refuse a new constraint that does not hold at the head of every branch, the open commit included."""
        PlainChecks.refuse_broken(self, now, catalogue)
        for table in catalogue.tables:
            known = now.table(table.id)
            if known is not None and set(table.checks) - set(known.checks):
                self._refuse_unchecked(table)
            for key in table.foreign_keys if known is not None else ():
                parent = catalogue.table(key.table)
                if known is not None and key not in known.foreign_keys and parent is not None:
                    self._refuse_orphans(Link(table, key, parent))

    def _refuse_orphans(self, link: Link) -> None:
        """Refuse a foreign key that does not hold for all rows of every branch."""
        mine, theirs = link.child.places(link.key.columns), link.parent.places(link.key.references)
        for branch, line in self.branches().items():
            vector = self.vector(Point(line.uid, HEAD))
            there = {tuple(row.values[at] for at in theirs) for row in self.rows(link.parent, vector)}
            keys = [(row, tuple(row.values[at] for at in mine)) for row in self.rows(link.child, vector)]
            broken = [row for row, values in keys if None not in values and values not in there]
            raise_for(f"{link.name} of {link.child.name}", branch, link.child, broken)

    def _refuse_unchecked(self, table: Table) -> None:
        """Refuse checks that do not hold for all rows of every branch."""
        for branch, line in self.branches().items():
            for row in self.rows(table, self.vector(Point(line.uid, HEAD))):
                for check in self._broken_checks(table, row.values):
                    raise_for(f"CHECK ({check.expression}) of {table.name}", branch, table, [row])

    def _refuse(self, table: Table, values: tuple[Stored, ...], before: Row | None) -> None:
        super()._refuse(table, values, before)
        for check in self._broken_checks(table, values):
            said = f"{table.name}: {check.name or check.expression}"
            raise ConstraintFailed(f"CHECK constraint failed: {said}; nothing was changed")

    def _broken_checks(self, table: Table, values: tuple[Stored, ...]) -> list[Check]:
        """Return the checks that do not hold for a row."""
        if not table.checks:
            return []
        asked, parameters = check_question(table, values, self.now)
        ((*answers,),) = self._driver.native(asked, parameters)
        return [check for check, holds in zip(table.checks, answers, strict=True) if holds is False]

    def try_checks(self, table: Table) -> None:
        """Compute the checks of a table once, for a row of NULLs."""
        self._broken_checks(table, (None,) * len(table.columns))

    def _refuse_double(
        self, table: Table, names: tuple[str, ...], values: tuple[Stored, ...], before: Row | None
    ) -> None:
        if names != table.primary_key:
            super()._refuse_double(table, names, values, before)
            return
        there = self.find(table, tuple(values[at] for at in table.positions(names)))
        if there is not None and (before is None or there.rid != before.rid):
            raise double(table, names)

    def _alike(self, table: Table, names: tuple[str, ...], values: Sequence[Stored]) -> list[int]:
        """Return the versions that the open commit sees with the values of a row in these columns; none with NULLs."""
        mine = [values[at] for at in table.positions(names)]
        return [] if None in mine else self._seen_with(table, names, mine)

    def _seen_with(self, table: Table, names: tuple[str, ...], values: Sequence[Stored]) -> list[int]:
        """Return the versions that the open commit sees with values in columns."""
        sql, numbers = self._finders.get((table.id, 0)) or self._finder(table, 0)
        columns = [table.columns[at] for at in table.positions(names)]
        mine = [told_value(column, value) for column, value in zip(columns, values, strict=True)]
        same = "".join(f" AND {cell} = ?" for cell in cell_of(table, names, "v."))
        return [row[0] for row in self._db.rows(f"{sql}{same}", [*numbers, *mine])]

    # Tables

    def define(self, catalogue: Catalogue) -> None:
        """Make `catalogue` the schema of the store."""
        self._driver.be_alone()
        super().define(catalogue)

    def adopt_catalogues(self, catalogues: Sequence[Catalogue]) -> None:
        """Write the versions of the schema that follow the present one."""
        self._driver.be_alone()
        super().adopt_catalogues(catalogues)

    def adopt_line(self, line: Line) -> None:
        """Make a line as another store has it, but without commits; if it is there, let it be forked where that is."""
        self._driver.be_alone()
        super().adopt_line(line)

    def adopt(self, imprint: Imprint) -> None:
        """Let a commit be what an imprint of it says."""
        self._driver.be_alone()
        super().adopt(imprint)

    def _told(self, table: Table, values: Sequence[Stored]) -> Sequence[object]:
        return told(table, values)

    def _reshaped(self, before: Table | None, table: Table) -> list[str]:
        ((unicode,),) = self._db.rows("SELECT to_regcollation('pg_c_utf8') IS NOT NULL")
        return reshaped(before, table, unicode=unicode)

    # Removal

    def _collects(self) -> None:
        self._driver.be_alone()
        super()._collects()

    def prune(self, points: Iterable[Point]) -> int:
        """Let commits be no points any more that can be checked out, unless another gc did; return how many it were."""
        self._driver.be_alone()
        return super().prune(points)

    def remove_lines(self, lines: Iterable[str]) -> None:
        """Remove those of these `empty_lines` that still have no commits and no names."""
        self._driver.be_alone()
        super().remove_lines(lines)


_OWN = "line = ? AND n = ? AND rline = ? AND rn = ? AND rord = ?"
"""Finds a version by the commit that made it and its row."""
