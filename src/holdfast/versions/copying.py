"""Copying a store with its whole history into another one, over any two engines.

Each commit is written as the source has it (engine/adopting.py): hashes, salts, marks and row ids are the same there.
The source is read in one snapshot, whatever others do meanwhile, and never written. The target is written in short
transactions, in an order in which each part has what it needs: the schema, the lines, the commits with parents before
their children, the registers, the seals. Names come last, in one transaction, after all of it was verified. A store
without names cannot be opened, so what is unfinished cannot pass for a store; an entry of the register `copy` says what
it is.

Whoever copies again goes through all of it once more, and writes what differs. So it makes no difference where the
one before was stopped, nor what became of the source since: what gc or an erasure removed there goes here, too. In a
store that is finished this would take back what was done there since. So the entry keeps a sum over all that the copy
left, and a store that is not that any more is refused; so is one with commits that the source has lost.

Leases are not copied: who owns a run in the source owns nothing in the target, and its epochs guard nothing there.
Pins are leases, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
from msgspec.structs import replace as replaced

from holdfast.core.points import Point
from holdfast.core.retention import tips_first
from holdfast.engine.adopting import is_new
from holdfast.engine.contract import Imprint, Line, Reader, Session, Writer
from holdfast.engine.leases.leases import LEASES
from holdfast.errors import AlreadyExists, BranchMoved, Fenced, NotFound, StoreCorrupt
from holdfast.versions.copies import COPY, KEY, Mark, check_whole, encoded, mark_of, origin_of
from holdfast.versions.results import Copied
from holdfast.versions.verify import verify

BATCH_ROWS = 1_000
"""What one transaction writes, unless the caller says otherwise."""
PAGE_ENTRIES = 1_000
"""Entries of a register that are read at once."""

_NOT_COPIED = frozenset({COPY, LEASES})

Progress = Callable[[Copied], None]


_packed = msgspec.msgpack.Encoder().encode
_MODULUS = 1 << 256


class Copying:
    """One run of a copy.

    Args:
        source: where it is read, in one snapshot.
        target: where each batch is a transaction of its own.
        progress: told what was copied so far, after each batch.
        batch: what one transaction writes: rows with their ends and marks, lines, or entries; a commit is never parted.
    """

    def __init__(
        self, source: Session, target: Session, progress: Progress | None = None, batch: int = BATCH_ROWS
    ) -> None:
        self._from = source
        self._to = target
        self._progress = progress
        self._batch = batch
        self._mark = Mark("", os.urandom(16).hex(), os.urandom(16).hex())
        self._sum = Sum()
        self.found = Copied()

    def run(self) -> Copied:
        """Copy what the target does not have yet; see `holdfast.copy`."""
        self._to.check_no_transaction()
        with self._from.read() as source:
            check_whole(source)
            lines = source.lines()
            self.found = Copied(commits_total=sum(line.head for line in lines) + 1)
            if self._begin(source, lines):
                self._remove_gone(lines)
                self._lines(lines)
                self._commits(source, lines)
                self._entries(source)
                self._seals(source)
                self._finish(source)
        return self.found

    # The beginning: what may be written at all

    def _begin(self, source: Reader, lines: list[Line]) -> bool:
        """Make the target an unfinished copy, with the schema of the source; return whether there is anything to do."""
        self._mark = replaced(self._mark, source=origin_of(source))
        with self._to.read() as there:
            mark, heads = mark_of(there), there.lines()
            _check_target(there, mark, self._mark.source)
            if mark is not None and mark.left:
                _check_has_all(source, heads)
            _check_schema(source, there)
        if mark is not None and mark.left and sum_of(source).with_names(source) == mark.left:
            self.found = replace(self.found, commits_present=self.found.commits_total)
            return False
        if mark is not None:
            self._mark = replaced(self._mark, name=mark.name, changed=mark.changed)
        with self._to.write() as writer:
            if (mark_of(writer), writer.lines()) != (mark, heads):
                raise BranchMoved("somebody else wrote into the target meanwhile; nothing was copied; look, and retry")
            if mark is None:
                writer.adopt_line(lines[0])
            for name in writer.branches():
                writer.delete_branch(name)
            for name in writer.tags():
                writer.delete_tag(name)
            writer.put_entry(COPY, KEY, encoded(self._mark))
            newer = range(writer.catalogue().version + 1, source.catalogue().version + 1)
            writer.adopt_catalogues([source.catalogue(version) for version in newer])
        return True

    # Lines and commits

    def _remove_gone(self, lines: list[Line]) -> None:
        """Remove the commits that an earlier run copied and that the source has not any more."""
        heads = {line.uid: line.head for line in lines}
        with self._to.read() as there:
            beyond = [line for line in there.lines() if line.head > heads.get(line.uid, 0)]
            gone = tips_first(mark for line in beyond for mark in there.marks(line.uid, heads.get(line.uid, 0)))
        for mark in gone:
            done = False
            while not done:
                with self._to.write() as writer:
                    self._check_mine(writer)
                    self._change(writer)
                    done = writer.remove(mark.point, self._batch).done

    def _lines(self, lines: list[Line]) -> None:
        with self._to.read() as there:
            known = {line.uid: line.parent for line in there.lines()}
        new = [line for line in lines if line.uid not in known or known[line.uid] != line.parent]
        for at in range(0, len(new), self._batch):
            with self._to.write() as writer:
                self._check_mine(writer)
                for line in new[at : at + self._batch]:
                    writer.adopt_line(line)

    def _commits(self, source: Reader, lines: list[Line]) -> None:
        batch: list[Imprint] = []
        size = 0
        for point in parents_first(source, lines):
            batch.append(source.imprint(point))
            self._sum.add(told(batch[-1]))
            size += batch[-1].size
            if size >= self._batch:
                self._adopt(batch)
                batch, size = [], 0
        self._adopt(batch)

    def _adopt(self, batch: list[Imprint]) -> None:
        with self._to.read() as there:
            known = [_imprint(there, imprint.commit.point) for imprint in batch]
        differing = [new for new, old in zip(batch, known, strict=True) if new != old]
        fresh = [new for new, old in zip(batch, known, strict=True) if old is None]
        if differing:
            with self._to.write() as writer:
                self._check_mine(writer)
                if len(fresh) < len(differing):
                    self._change(writer)
                for imprint in differing:
                    writer.adopt(imprint)
        self._report(
            commits=len(fresh),
            commits_present=len(batch) - len(fresh),
            rows=sum(len(rows) for imprint in fresh for rows in imprint.made.values()),
        )

    # What is outside of history

    def _entries(self, source: Reader) -> None:
        with self._to.read() as there:
            registers = sorted({*source.registers(), *there.registers()} - _NOT_COPIED)
        for register in registers:
            for page in _pages(source, register):
                for key, value in page:
                    self._sum.add([register, key, value])
                with self._to.read() as there:
                    new = [(key, value) for key, value in page if there.entry(register, key) != value]
                self._put_entries(register, new)
            with self._to.read() as there:
                keys = [key for page in _pages(there, register) for key, _ in page]
            gone = [key for key in keys if source.entry(register, key) is None]
            for at in range(0, len(gone), PAGE_ENTRIES):
                self._remove_entries(gone[at : at + PAGE_ENTRIES], register)

    def _put_entries(self, register: str, new: list[tuple[str, bytes]]) -> None:
        if new:
            with self._to.write() as writer:
                self._check_mine(writer)
                for key, value in new:
                    writer.put_entry(register, key, value)
            self._report(entries=len(new))

    def _remove_entries(self, gone: list[str], register: str) -> None:
        with self._to.write() as writer:
            self._check_mine(writer)
            for key in gone:
                writer.remove_entry(register, key)

    def _seals(self, source: Reader) -> None:
        """Let readers of the target, too, know some lines by the commits that merged them alone."""
        wanted = {uid: trunk for uid, (_, trunk) in source.shape().seals.items()}
        with self._to.read() as there:
            known = {uid: trunk for uid, (_, trunk) in there.shape().seals.items()}
        new = [(uid, trunk) for uid, trunk in wanted.items() if known.get(uid) != trunk]
        for at in range(0, len(new), self._batch):
            with self._to.write() as writer:
                self._check_mine(writer)
                writer.seal_lines(new[at : at + self._batch])

    # The end

    def _finish(self, source: Reader) -> None:
        """Verify all of it, then give it the names."""
        if self._mark.changed:
            self._to.scrub()  # what was erased in the source must not linger here
        with self._to.read() as there:
            try:
                verify(there)
            except StoreCorrupt as error:
                raise StoreCorrupt(
                    f"the copy stays unfinished: it does not verify; verify the source: {error}"
                ) from error
            if sum_of(there).total != self._sum.total:
                raise StoreCorrupt("the copy stays unfinished: it is not what the source has; copy again")
            lines = there.lines()
        with self._to.write() as writer:
            self._check_mine(writer)
            if writer.lines() != lines:
                raise BranchMoved(
                    "somebody else wrote into the target meanwhile; the copy stays unfinished; do it again"
                )
            branches, tags = source.branches(), source.tags()
            for name, line in branches.items():
                writer.point_branch(name, line.uid, None)
            for name, point in tags.items():
                writer.put_tag(name, point)
            done = replaced(self._mark, changed=False, left=self._sum.with_names(source))
            writer.put_entry(COPY, KEY, encoded(done))
        self.found = replace(self.found, names=len(branches) + len(tags))

    def _change(self, writer: Writer) -> None:
        """Note that something of what was copied before is taken back."""
        if not self._mark.changed:
            self._mark = replaced(self._mark, changed=True)
            writer.put_entry(COPY, KEY, encoded(self._mark))

    def _check_mine(self, writer: Writer) -> None:
        mark = mark_of(writer)
        if mark is None or mark.by != self._mark.by:
            raise Fenced("another copy into this store was begun, and goes on from here; this one has ended")

    def _report(self, **more: int) -> None:
        self.found = replace(self.found, **{name: getattr(self.found, name) + number for name, number in more.items()})
        if self._progress is not None:
            self._progress(self.found)


def parents_first(reader: Reader, lines: list[Line]) -> Iterator[Point]:
    """Yield all commits, each behind its parents. Remembers one number a line, however many commits there are."""
    heads = {line.uid: line.head for line in lines}
    done = {line.uid: -1 if line.parent is None else 0 for line in lines}
    forks = {line.uid: line.parent for line in lines}
    for line in lines:
        waiting = [Point(line.uid, heads[line.uid])]
        while waiting:
            wanted = waiting[-1]
            if done[wanted.line] >= wanted.n:
                waiting.pop()
                continue
            point = Point(wanted.line, done[wanted.line] + 1)
            needs = [need for need in _needs(reader, point, forks[point.line]) if done[need.line] < need.n]
            if needs:
                waiting += needs
                continue
            yield point
            done[point.line] = point.n


def _needs(reader: Reader, point: Point, fork: Point | None) -> Iterator[Point]:
    """Yield the commits that have to come before one, but for the one before it on its line."""
    if point.n == 1 and fork is not None:
        yield reader.commit(fork).point
    for parent in reader.commit(point).parents[1:]:
        found = [other.point for other in reader.commits_like(parent.hex()) if other.hash == parent]
        if not found:
            raise StoreCorrupt(f"commit {parent.hex()[:12]} was merged and is not there; verify the source")
        yield found[0]


class Sum:
    """A sum of the digests of what a store has: the same in whatever order, and in every engine. It goes by hashes."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, what: object) -> None:
        """Add one thing."""
        self.total = (self.total + int.from_bytes(hashlib.sha256(_packed(what)).digest())) % _MODULUS

    def with_names(self, reader: Reader) -> str:
        """Return the sum together with the names that a store has, the lines they stand for, and its schema."""
        names = {name: [line.uid, line.parent] for name, line in reader.branches().items()}
        told = _packed([self.total.to_bytes(32), names, reader.tags(), reader.catalogue().version])
        return hashlib.sha256(told).hexdigest()


def sum_of(reader: Reader) -> Sum:
    """Return the sum of all that a copy takes over, but for the names."""
    found = Sum()
    for line in reader.lines():
        for n in range(0 if line.parent is None else 1, line.head + 1):
            found.add(told(reader.imprint(Point(line.uid, n))))
    for register in reader.registers():
        if register not in _NOT_COPIED:
            for page in _pages(reader, register):
                for key, value in page:
                    found.add([register, key, value])
    return found


def told(imprint: Imprint) -> object:
    """Return what of a commit is summed up: which versions and ends there are. Their content is in its hash."""
    commit = imprint.commit
    made = sorted((table, [row.rid for row in rows]) for table, rows in imprint.made.items())
    ended = sorted((table, [(row.rid, row.born) for row in rows]) for table, rows in imprint.ended.items())
    kept = sorted((key, erasure.salt) for key, erasure in imprint.kept.items())
    return [commit.hash, commit.pruned, commit.salt, imprint.merged, made, ended, kept]


def _imprint(reader: Reader, point: Point) -> Imprint | None:
    try:
        return reader.imprint(point) if point.n <= reader.line(point.line).head else None
    except NotFound:  # the first of all
        return None


def _pages(reader: Reader, register: str) -> Iterator[list[tuple[str, bytes]]]:
    after: str | None = ""
    while after is not None:
        page = list(reader.entries(register, after=after, limit=PAGE_ENTRIES))
        yield page
        after = page[-1][0] if len(page) == PAGE_ENTRIES else None


def _check_target(there: Reader, mark: Mark | None, origin: str) -> None:
    """Raise AlreadyExists unless a store may be written over as a copy of another."""
    if mark is None:
        if not is_new(there) or origin_of(there) == origin:
            raise AlreadyExists("the target has a history of its own, or is the source itself; name a new store")
    elif mark.source != origin:
        raise AlreadyExists("the target is a copy of another store than this source; name a new store")
    elif mark.left and sum_of(there).with_names(there) != mark.left:
        raise AlreadyExists(
            "the target was copied from this source, and was changed by itself since, which would be lost; name a new"
            " store"
        )


def _check_has_all(source: Reader, heads: list[Line]) -> None:
    """Raise AlreadyExists if a finished copy has commits that its source has not, because gc removed them or worse."""
    for line in heads:
        point = Point(line.uid, line.head)
        try:
            there = not line.head or source.commit(point).hash == line.head_hash
        except NotFound:
            there = False
        if not there:
            raise AlreadyExists(
                f"the target has commits that the source does not have any more, such as {line.head_hash.hex()[:12]};"
                " name a new store"
            )


def _check_schema(source: Reader, there: Reader) -> None:
    for version in range(there.catalogue().version + 1):
        if version > source.catalogue().version or (
            there.catalogue(version).digest() != source.catalogue(version).digest()
        ):
            raise AlreadyExists("the target has tables that the source has not; name a new store")
