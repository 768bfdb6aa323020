"""The working copy of a state: its values as Python objects, and what of them is not committed yet.

A value is read once, and is then the same object at every access. It tells of its changes, or it is compared with what
is stored; either way a commit writes what changed, and nothing is written that did not. A working copy stands on one
commit, its *base*. When others have committed to the branch, a commit first catches up with them: it takes over what
they changed, merges what both did, and goes on from their head. If that needs a decision, nothing is written and
everything stays pending.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from holdfast.core.codec import Codec
from holdfast.core.points import Point, VersionVector
from holdfast.engine.contract import Commit, Lookups, Writer
from holdfast.errors import BranchMoved, StoreError
from holdfast.state.differences import StateDiff
from holdfast.state.nodes.leaves import Leaf
from holdfast.state.rows.drafts import Draft
from holdfast.state.rows.log import LOG, LOG_KEY, Kept, Noted, read_events
from holdfast.state.rows.namespaces import full, is_inside
from holdfast.state.rows.storing import (
    RowWriter,
    changes_between,
    lookups,
    read_rows,
    touched_between,
    touched_names,
)
from holdfast.state.rows.tables import HIDDEN, ROOT, Cells, Name, inside
from holdfast.state.working.attempts import Attempt
from holdfast.state.working.catching import CatchingUp
from holdfast.state.working.ground import Ground, Written
from holdfast.versions.resolve import resolve

CATCH_UPS_MAX = 100
"""How often a commit goes on from a newer head before it is given up."""


NOTHING = Lookups()


class _Moved(Exception):
    """The branch is not where the working copy stands."""


Along = Callable[[Writer], None]
"""Writes something else into the commit of a state, before the state, or refuses the commit."""


class WorkingCopy(CatchingUp):
    """The values of a branch, or of a commit, and what is to become of their changes."""

    def __init__(self, ground: Ground, codec: Codec, *, verify: bool = False) -> None:
        super().__init__(ground, codec, verify=verify)
        self._noted: list[Noted] = []
        self._joined: list[Attempt] = []
        self._doubted: tuple[Attempt, str] | None = None
        self._closed = False

    # Commits

    def pending(self) -> list[Name]:
        """Return the keys whose values differ from what is committed, sorted. Raises NotStorable."""
        with self._alone():
            self._settle_doubt()
            drafts = self._drafted(self.base.line)
            return sorted({*self._removed_there(), *(name for name, draft in drafts.items() if draft.changes)})

    @property
    def has_news(self) -> bool:
        """Whether events wait for a commit."""
        return bool(self._noted)

    def commit(
        self,
        message: str = "",
        metadata: object = None,
        along: Along | None = None,
        ahead: Lookups = NOTHING,
    ) -> str:
        """Write what changed, in one commit, durable when this returns; return the hash of the head.

        Args:
            ahead: what that is going to look up.
            along: what is written in the same commit, which is made then whether or not the state changed. It may be
                called again after all that it did was undone, and what it raises undoes the commit.

        Raises:
            NotStorable: a value cannot be stored. Nothing was written, and everything is still pending.
            BranchMoved: others changed the same, and no rule merges it. Likewise.
        """
        with self.lock:
            self._check_writable()
            for _ in range(CATCH_UPS_MAX):
                with self._edits.lock:
                    self._settle_doubt()
                    attempt = self._attempt()
                    if along is None and not attempt.written and not self._removed_there():
                        self._settle(attempt)
                        return self.head
                    _ = self._vector  # while this has the connection
                try:
                    self._try(attempt, message, metadata, along, ahead)
                except _Moved:
                    self.catch_up()
                else:
                    return self.head
        raise BranchMoved(f"{self.ground.ref!r} moved {CATCH_UPS_MAX} times while it was being written; retry")

    def _attempt(self) -> Attempt:
        drafts = self._drafted(self.base.line)
        return Attempt(drafts, self._drafted_events(), set(self._removed), list(self._noted), self._edits.count)

    def _attempt_within(self, writer: Writer) -> Attempt:
        self._writer = writer
        try:
            return self._attempt()
        finally:
            self._writer = None

    def _try(self, attempt: Attempt, message: str, metadata: object, along: Along | None, ahead: Lookups) -> None:
        """Write an attempt, and stand on what came of it.

        Nobody waits for the store with the lock of the values: they may be changed meanwhile, and are then looked at
        again when it is this one's turn. What is written is taken for done before the commit is; if that fails, or is
        interrupted, all of it is pending again.
        """
        tried = attempt

        def work(writer: Writer) -> VersionVector:  # perhaps in another thread, so it cannot take the other lock
            nonlocal tried
            with self._edits.lock:
                if tried.settled:  # it was undone with the work of others
                    self._take_back(tried)
                if tried.edits != self._edits.count:  # taking back counts, too
                    tried = self._attempt_within(writer)
                tried.opened, tried.before = Point(writer.opened.uid, writer.opened.head + 1), self._vector
                if along is not None:
                    along(writer)
                seen = self._write(tried.written, writer)
                self._settle(tried)
                return seen

        try:
            looked_up = lambda: ahead | lookups(tried.written)  # noqa: E731
            self._stand_on(self.ground.write(message, work, metadata, looked_up), tried)
        except BaseException as error:
            with self._edits.lock:
                if tried.settled:
                    self._take_back(tried)
                    if isinstance(error, StoreError) or not isinstance(error, Exception):
                        self._doubted = (tried, message)  # nobody knows whether it is there
            raise

    def _stand_on(self, written: Written[VersionVector], attempt: Attempt) -> None:
        """Stand on what was written: a commit, or a part of the open transaction."""
        if written.joined:
            self._joined.append(attempt)
            self._vector = written.result
        elif written.commit is not None:
            self.base, self.head = written.commit.point, written.commit.hash.hex()
            self._vector = written.result

    def _take_back(self, attempt: Attempt) -> None:
        """Let all of an attempt be pending again."""
        attempt.settled = False
        for name, draft in attempt.drafts.items():
            if draft.changes:
                self._detach(name)
                if name in self._values:
                    self._assigned.add(name)
        self._removed |= {name for name in attempt.removed if name not in self._values}
        self._noted[:0] = attempt.noted
        self._edits.count += 1

    def _settle_doubt(self) -> None:
        """Find out whether a commit is there whose end was not seen."""
        if self._doubted is None:
            return
        attempt, message = self._doubted
        with self.ground.reading() as reader:
            if attempt.landed(reader, message) and attempt.opened is not None:
                self.base, self.head = attempt.opened, reader.commit(attempt.opened).hash.hex()
                self._vector = reader.vector(attempt.opened)
                self._noted = [noted for noted in self._noted if noted not in attempt.noted]
                for name in attempt.drafts:
                    self._detach(name)  # what is known of its rows is from before
        self._doubted = None

    @property
    def joined(self) -> int:
        """How many parts of the open transaction were written by this."""
        return len(self._joined)

    def transaction_ended(self, *, done: bool, since: int = 0, commit: Commit | None = None) -> None:
        """Take note that the transaction ended which commits had become part of, or that some of it was taken back.

        What was written into it, and taken back, is pending again.

        Args:
            since: how many parts of it stay.
            commit: the commit that it became.
        """
        with self._alone():
            ended, self._joined = self._joined[since:], self._joined[:since]
            if not ended:
                return
            if done:
                self._go_on(ended[0], commit)
                return
            if ended[0].before is not None:
                self._vector = ended[0].before
            for attempt in reversed(ended):
                self._take_back(attempt)

    def _go_on(self, attempt: Attempt, commit: Commit | None) -> None:
        """Stand on the commit that a transaction became; on the base if nothing came of it."""
        if commit is None:
            self._vector = attempt.before or self._vector
            return
        self.base, self.head = commit.point, commit.hash.hex()
        with self.ground.reading() as reader:
            self._vector = reader.vector(commit.point)

    def catch_up(self) -> None:
        """Go on from where the branch is now; inside a transaction that this is part of, nobody else can move it."""
        with self._alone():
            if not self._joined:
                self._settle_doubt()
                super().catch_up()

    def _drafted_events(self) -> dict[Name, Draft]:
        """Return what is to be written of the log of each namespace."""
        drafts: dict[Name, Draft] = {}
        for noted in self._noted:
            name = Name(noted.namespace, LOG_KEY)
            draft = drafts.get(name)
            if draft is None:
                draft = drafts[name] = Draft(self.codec, self._names, "")
                draft.put(ROOT, Cells(0, LOG), new=False)
            address = self._names.another(inside(ROOT))
            Leaf(address, noted.at_us, None, self._edits).create(noted.item, f"the event {noted.item['kind']!r}", draft)
        return drafts

    def note(self, noted: Noted) -> None:
        """Let an event, as it is now, belong to the next commit. Raises NotStorable."""
        with self._alone():
            self._check_writable()
            where = f"the event {noted.item['kind']!r}"
            item = self.codec.decode(
                self.codec.encode(noted.item, where), where
            )  # the caller may change its data later
            self._noted.append(replace(noted, item=item))
            self._edits.count += 1

    def events(self, inside: str) -> tuple[list[Kept], list[Noted]]:
        """Return the events of a namespace and those inside it: those that are committed, and those that wait."""
        with self._alone(), self.ground.reading() as reader:
            self._check_kept(reader)
            kept = list(read_events(reader, self._vector, inside, self.codec))
            return kept, [noted for noted in self._noted if is_inside(noted.namespace, inside)]

    def _write(self, changed: dict[Name, Draft], writer: Writer) -> VersionVector:
        """Write into the open commit; return what it sees. Raises _Moved if others have changed any state."""
        line, seen = writer.opened, self._vector
        if (line.uid, line.head) != self.base:
            seen = writer.vector(Point(line.uid, line.head))
            if line.uid != self.base.line or touched_names(writer, self._vector, seen):
                raise _Moved
        seen = {**seen, line.uid: line.head + 1}
        rows = RowWriter(writer, seen)
        for name in sorted(self._removed):
            rows.remove(name)
        for name, draft in changed.items():
            rows.write(name, draft.changes)
        return seen

    def _settle(self, attempt: Attempt) -> None:
        """Take an attempt for written, and let values tell their changes that nobody else holds."""
        attempt.settled = True
        self._edits.count += 1
        for name in self._removed:
            self._detach(name)
        for draft in attempt.drafts.values():
            draft.settle()
        for name in attempt.drafts:
            self._adopt(name)
        for pending in (self._assigned, self._removed, self._dirty, self._noted):
            pending.clear()

    def discard(self) -> None:
        """Forget what is not committed. Values are read anew; objects that the user holds stay as they are."""
        with self._alone():
            self._edits.count += 1
            for attempt in self._joined:
                attempt.forget()
            self._forget(self._values)
            for pending in (self._assigned, self._removed, self._dirty, self._noted):
                pending.clear()

    def move(self, point: Point) -> None:
        """Stand on another commit of the branch, or on this one again, and forget all that is not committed.

        Values that somebody holds are then what they were there. What is written goes on from there as after any commit
        of others: BranchMoved if those in between changed the same.
        """
        with self._alone():
            self._noted.clear()
            self.restore(point)

    def move_to_head(self) -> None:
        """Stand on the newest commit of the branch, and forget all that is not committed: as `move`."""
        with self._alone():
            with self.ground.reading() as reader:
                point = self.ground.at(reader).point
            self.move(point)

    def elsewhere(self, ground: Ground) -> Self:
        """Return a working copy of another place, made as this one is."""
        return type(self)(ground, self.codec, verify=self._verify)

    def diff(self, a: str, b: str, namespace: str) -> StateDiff:
        """Return how the keys of a namespace, and of those inside it, differ between two refs."""
        diff = StateDiff({}, {}, {})
        with self.lock, self.ground.reading() as reader:
            older, newer = (reader.vector(resolve(reader, ref).point) for ref in (a, b))
            for name in sorted(touched_between(reader, older, newer)):
                if name.key.startswith(HIDDEN) or not is_inside(name.namespace, namespace):
                    continue
                before, after = read_rows(reader, older, name), read_rows(reader, newer, name)
                if before != after:
                    values = [self._loaded(name, rows)[0] for rows in (before, after) if rows]
                    diff.note(full(name), values, added=not before, removed=not after)
        return diff

    def changed_last(self, commits_max: int) -> list[Name]:
        """Return the keys that the newest commit changed which changed any, sorted; of so many commits at most."""
        with self.lock, self.ground.reading() as reader:
            at, after = self.base, self._vector
            for _ in range(commits_max):
                if not at.n:
                    break
                at = reader.commit(Point(at.line, at.n - 1)).point
                before = reader.vector(at)
                names = [name for name in touched_names(reader, before, after) if not name.key.startswith(HIDDEN)]
                if names:
                    return sorted(names)
                after = before
            return []

    def revert_to(self, ref: str, message: str) -> None:
        """Write a commit in which all keys are as they were at a ref, and forget what is pending."""

        def work(writer: Writer) -> None:
            line = writer.opened
            mine, then = writer.vector(Point(line.uid, line.head)), writer.vector(resolve(writer, ref).point)
            rows = RowWriter(writer, {**mine, line.uid: line.head + 1})
            for name in sorted(touched_between(writer, mine, then)):
                if name.key != LOG_KEY:
                    rows.write(name, changes_between(read_rows(writer, mine, name), read_rows(writer, then, name)))

        with self.lock:
            self._check_writable()
            self.ground.versions.commit_work(self.ground.ref, message, work, None)
            self.discard()
            self.catch_up()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Give back what this holds."""
        self._closed = True
        self.ground.close()
