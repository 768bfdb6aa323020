"""A run that was entered: what is recorded of it, its state, and what waits for its next commit.

Entering replays: what is recorded answers, and moves the state to its commit; what was changed on the way there was
changed then, too, and is in that commit. At the first question without an answer the run is at its head, and goes on.

A commit has the state, the journal and what becomes of the record in one transaction, in which the lease is looked at:
whoever was taken for dead writes nothing.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from holdfast.core.tasks import current_task
from holdfast.engine.contract import Lookups, Writer, caller_of
from holdfast.engine.leases.leases import Lease
from holdfast.errors import Fenced, InvalidValue, NotStorable, RunFinished, StoreError, StoreFull
from holdfast.runs.control import DOING, Cancelled, Doing, Suspend
from holdfast.runs.journal import Journal, Question
from holdfast.runs.overlay import Overlay
from holdfast.runs.records import RunRecord, cancelling_lookup, is_to_be_cancelled
from holdfast.runs.tables import STEP_FAILED, Entry
from holdfast.runs.wish import Wish
from holdfast.runs.workplace import Workplace, entries_lookups, write_entries
from holdfast.state.working.copy import WorkingCopy

T = TypeVar("T")

Also = Callable[[Writer], None]
"""Writes what belongs into the transaction of a commit beside it."""


def strand() -> object:
    """Return who is at work: the step whose function this is called by, else the task, else the thread.

    On a thread that works for a task, as the store's do, it is that task.

    Raises:
        InvalidValue: nobody waits for that step any more.
    """
    doing = DOING.get()
    if doing is not None and doing.ended:
        raise InvalidValue(f"step {doing.label!r} has ended, and what its function does now belongs to no step")
    return doing or current_task() or caller_of()


class Active:
    """A run that was entered. Threads and tasks may share it.

    Attributes:
        lease: that it is owned by; None for one that is finished, which is only looked at.
        journal: what is recorded, and what was asked.
        copy: its state.
        wish: how it was to be entered.
        home: the task or thread in which it was entered.
        doing: the steps that are being done.
        rows: what it has written into tables, and not committed.
    """

    def __init__(
        self,
        place: Workplace,
        record: RunRecord,
        journal: Journal,
        copy: WorkingCopy,
        *,
        lease: Lease | None,
        wish: Wish,
        home: object,
    ) -> None:
        self.place = place
        self.record = record
        self.journal = journal
        self.copy = copy
        self.lease = lease
        self.wish = wish
        self.rows = Overlay(place, copy, self.layers)
        self._position = 0  # the entry whose commit the state stands on
        self._live = False
        self._pending: list[tuple[object, Entry]] = []
        self._noting = threading.Lock()  # nobody waits for the store with it, so that a loop may note
        self.cancelling = False  # whether somebody wants the run to be cancelled
        self._why_closed = ""
        self._waits_for: str | None = None
        self.home = home
        self.doing: set[Doing] = set()
        assert journal.begun is not None
        assert journal.begun.born is not None
        copy.move(journal.begun.born)

    # What is asked

    def ask(self, question: Question, who: object, *, lenient: bool = False) -> tuple[Question, Entry | None]:
        """Return what is recorded in answer, and the question with its key; None if the answer is to be found.

        Raises:
            InputMismatch: it is recorded with another input.
            RunFinished, Fenced, InvalidValue: it is not recorded, and nothing new can be.
        """
        with self.copy.lock:
            self._check_open()
            question, entry = self.journal.find(question, lenient=lenient)
            if entry is not None:
                if entry.kind != STEP_FAILED:  # what was changed before one goes with the next that is recorded
                    self._answered(entry, who)
            else:
                self.check_new(f"{question.family} {question.label!r}")
                self._arrive()
            return question, entry

    def _answered(self, entry: Entry, who: object) -> None:
        """Let the state be what it was when this was recorded; further on it stays, without what was changed since."""
        self._drop(lambda other: other not in (who, self.home))
        self.rows.clear((who, self.home))
        if entry.seq > self._position and entry.born is not None:
            self._position = entry.seq
            self.copy.move(entry.born)
        elif not self.doing:  # else it would take from those what they have changed
            self.copy.move(self.copy.base)

    def _arrive(self) -> None:
        """Go on at the head. What was changed since the last answer is new, unless there are answers beyond it."""
        if self._live:
            return
        if self.journal.answered_last > self._position:
            self._drop(lambda who: who != self.home)
            self.rows.clear((self.home,))
            self.copy.move_to_head()
        else:
            self.copy.catch_up()
        self._position, self._live = self.journal.seq, True

    def go_on_from(self, other: Active) -> None:
        """Stand at the head, with all asked that another run was asked, and with what it noted and not committed."""
        self.journal.follow(other.journal)
        self._position = self.journal.answered_last
        self._arrive()
        self.home = other.home
        run_id = self.record.run_id
        self._pending += [(who, replace(entry, run_id=run_id)) for who, entry in other._pending if who is not None]

    def skip(self) -> None:
        """Begin at the head, and take all that is recorded for asked."""
        with self.copy.lock:
            self.journal.skip_all()
            self._position = self.journal.answered_last
            self._arrive()

    def check_new(self, what: str) -> None:
        """Raise an error if nothing new can become of the run."""
        self._check_open()
        if self.lease is None:
            raise RunFinished(
                f"run {self.record.run_id!r} is {self.record.status}, and {what} is not recorded; fork it to go on:"
                f" run(…, fork={self.record.run_id!r})"
            )
        self.lease.check_sure()

    def check_between_steps(self, what: str, advice: str) -> None:
        """Raise InvalidValue if something is asked for inside a step, which is done as a whole."""
        doing = DOING.get()
        if doing is not None and doing.of is self:
            raise InvalidValue(f"{what} is asked for inside step {doing.label!r}{advice}")

    def _check_open(self) -> None:
        if self._waits_for is not None:  # what goes on beside ends with it
            raise Suspend(self.record.run_id, self._waits_for)
        if self._why_closed:
            raise InvalidValue(f"run {self.record.run_id!r} {self._why_closed}; enter it again")

    # What waits for the next commit

    def layers(self, who: object) -> list[object]:
        """Return the strands whose writes one sees: those that it is in, and itself."""
        within = (who.within,) if isinstance(who, Doing) else ()
        return list(dict.fromkeys([self.home, *within, who]))

    def note(self, entry: Entry, who: object | None) -> None:
        """Let an entry belong to the next commit of a strand; of whichever for None, and whatever is replayed."""
        self._check_open()
        with self._noting:
            self._pending.append((who, entry))

    def _drop(self, stays: Callable[[object], bool]) -> None:
        """Forget what was noted, but for that of some strands, which stays the very same: it may be being recorded."""
        with self._noting:
            self._pending = [one for one in self._pending if stays(one[0])]

    def discard(self) -> None:
        """Forget what waits for the next commit."""
        with self.copy.lock:
            self._drop(lambda _: False)
            self.rows.clear(None)
            self.copy.discard()

    def drop(self, who: object) -> None:
        """Forget what a strand noted, and wrote into tables."""
        self._drop(lambda other: other != who)
        self.rows.clear((who,))

    def _noted(self, strands: Iterable[object] | None) -> list[tuple[object, Entry]]:
        """Return what wants to be recorded, of some strands or all."""
        with self._noting:
            return [one for one in self._pending if strands is None or one[0] is None or one[0] in strands]

    def _recorded(self, noted: list[tuple[object, Entry]], strands: Iterable[object] | None) -> None:
        """Take note that all of it is recorded."""
        done = {id(one) for one in noted}
        with self._noting:
            self._pending = [one for one in self._pending if id(one) not in done]
        self.rows.clear(strands)

    # Commits

    def commit(
        self,
        message: str,
        entries: Iterable[Entry],
        strands: Iterable[object] | None = None,
        also: Also | None = None,
        *,
        needs_state: bool = False,
    ) -> None:
        """Write what was changed and what wants to be recorded, in one commit, durable when this returns.

        Args:
            strands: whose log and rows belong to it, beside those of the strand in which the run was entered: as the
                state of the run, these go with whichever comes next. None for all.
            needs_state: whether nothing is recorded without the state.

        Raises:
            NotStorable: a variable cannot be stored. The rest is recorded without the state, which stays pending,
                unless that is needed.
            Fenced: somebody else took the run over. Nothing was written.
            Cancelled: it is written, and the run is to be cancelled.
        """
        with self.copy.lock:
            whose = None if strands is None else [self.home, *strands]
            noted = self._noted(whose)
            wanted = [*(log for _, log in noted), *entries]

            def with_rows(writer: Writer) -> None:
                self.rows.apply(writer, whose)
                if also is not None:
                    also(writer)

            try:
                self._write(wanted, lambda along, ahead: self.copy.commit(message, None, along, ahead), with_rows)
            except NotStorable:
                if needs_state:
                    raise
                self._write(wanted, partial(self._alone, message), with_rows)
                self._recorded(noted, whose)
                raise
            self._recorded(noted, whose)
        self._check_not_cancelled()

    def record_only(self, message: str, entries: Iterable[Entry], also: Also | None = None) -> None:
        """Record entries in a commit, without the state and the log, which wait on. Raises as `commit`."""
        with self.copy.lock:
            self._write(list(entries), partial(self._alone, message), also)
        self._check_not_cancelled()

    def define(self, message: str, work: Callable[[Writer], T]) -> T:
        """Let `work` change the schema in a commit of its own; return what it returns. Raises Fenced."""
        assert self.lease is not None
        lease = self.lease

        def fenced(writer: Writer) -> T:
            lease.check(writer)
            return work(writer)

        with self.copy.lock:
            self._check_open()
            found = self.place.write(self.record, message, fenced)
            if self._live:
                self.copy.catch_up()
            return found

    @property
    def is_live(self) -> bool:
        """Whether the run is at its head."""
        return self._live

    def _alone(self, message: str, along: Also, ahead: Lookups) -> None:
        self.place.write(self.record, message, along, ahead)

    def _write(
        self,
        entries: list[Entry],
        commit: Callable[[Also, Lookups], object],
        also: Also | None,
    ) -> None:
        self._check_open()
        assert self.lease is not None
        lease, numbered = self.lease, self.journal.numbered(entries)

        def along(writer: Writer) -> None:
            lease.check(writer)
            write_entries(writer, numbered)
            self.cancelling = is_to_be_cancelled(writer, self.record.run_id)
            if also is not None:
                also(writer)

        try:
            commit(along, lease.looked_up | cancelling_lookup(self.record.run_id) | entries_lookups(numbered))
        except Fenced:
            self._why_closed = "was taken over by somebody else"
            raise
        except BaseException as error:
            if not isinstance(error, StoreFull) and (isinstance(error, StoreError) or not isinstance(error, Exception)):
                self._why_closed = "may have been written or not: the store could not be reached in the middle"
            raise
        self.journal.add(numbered)

    def _check_not_cancelled(self) -> None:
        if self.cancelling and not self._why_closed:
            raise Cancelled(self.record.run_id)

    # The end

    def give_back(self, writer: Writer) -> None:
        """Let others claim the run once the transaction is done."""
        assert self.lease is not None
        self.lease.give_back(writer)

    def left(self, why: str, *, waits_for: str | None = None) -> None:
        """Take note that the run was given back; what goes on in other threads can record nothing any more.

        Args:
            waits_for: of a run that is suspended, why.
        """
        assert self.lease is not None
        self._waits_for = waits_for
        self.lease.lost = True
        self.close(why)

    def close(self, why: str) -> None:
        """Forget what is not recorded, and give back the run if this still owns it. Idempotent."""
        with self.copy.lock:
            self._why_closed = self._why_closed or why
            self.discard()
        if self.lease is not None:
            self.place.desk.heart.drop(self.lease)
            if not self.lease.lost:
                self.place.let_go(self.lease)
