"""What a `Store` removes for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.core.durations import Duration, microseconds_of
from holdfast.errors import InvalidValue, TransactionOpen
from holdfast.store.connection import Connection
from holdfast.versions.erase import Subject
from holdfast.versions.gc import BUDGET_ROWS, Progress
from holdfast.versions.results import Collected, Erased

if TYPE_CHECKING:
    from holdfast.runs.retention import Keep


def _check_count(name: str, number: object) -> None:
    """Raise InvalidValue unless a number can be one of things."""
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raise InvalidValue(f"{name} is a whole number of at least 1, not {number!r}")


class Removal(Connection):
    """Collecting what nobody can ask for, and erasing what nobody may."""

    def gc(
        self,
        *,
        older_than: Duration | None = None,
        keep_last: int | None = None,
        keep: Keep | None = None,
        dry_run: bool = False,
        budget: int = BUDGET_ROWS,
        batches: int | None = None,
        progress: Progress | None = None,
    ) -> Collected:
        """Remove what nobody can ask for any more, in short transactions between which others write.

        Without `older_than` and `keep_last` that is what no branch, tag or lease sees: the commits of deleted branches,
        and those that a branch was reset away from. With either, commits that neither keeps are *pruned*: their hash
        and message stay in `log()`, but they cannot be checked out, and versions of rows that only they showed are
        removed. Heads of branches, tags and leased checkouts always stay.

        A row that was made and removed again between two commits that stay leaves no trace: a later merge does not
        count its key as changed. Nothing else that can be asked for is different afterwards.

        Each transaction is atomic and durable; a kill in between loses nothing, and the next gc goes on. The file
        keeps its size, and fills the room with what is written next.

        Args:
            older_than: keep commits that are younger, such as "30d".
            keep_last: keep this many of the newest commits of each branch.
            keep: how long runs are kept that are complete, failed or cancelled: a duration such as "30d", a number of
                the newest, or either by status, as in `{"complete": "30d", "failed": 100}`. Others go first, with all
                that they recorded but what was merged. None keeps all. Runs that wait, or are worked on, always stay.
            dry_run: only tell what would be removed; of commits that nobody sees without their rows, and no `bytes`.
            budget: rows that one transaction removes.
            batches: stop after so many transactions; the result's `more` tells whether something was left.
            progress: called with what has been removed so far, after each transaction.

        Raises:
            InvalidValue: an option is none.
            TransactionOpen: inside a transaction.
        """
        for name, number in (("keep_last", keep_last), ("budget", budget), ("batches", batches)):
            _check_count(name, number)
        age_us = None if older_than is None else microseconds_of(older_than, "older_than")
        with self._lock:
            if self._writer is not None:
                raise TransactionOpen("gc is made of transactions of its own; run it after this one")
            removed = 0 if keep is None else self._remove_runs(keep, dry_run=dry_run)
            collected = self._versions.gc(
                age_us, keep_last, dry_run=dry_run, budget=budget, batches=batches, progress=progress
            )
        return replace(collected, runs_removed=removed)

    def erase(self, subject: Subject, *, texts: bool = False) -> Erased:
        """Remove rows for good: from every branch, from every commit of the past, and from the file.

        All versions of a row go, also those under other keys. Hashes stay: `verify` checks them and counts what was
        erased. What refers to the rows, or repeats their content in other rows, names or texts, is not looked for.

        The removal is one commit-like transaction, durable when it is done; then the file is rewritten and its log
        emptied, which takes as long as the store is large and keeps others from writing. An error in between leaves
        the rows removed and remnants in the file: run it again.

        Args:
            subject: for each table keys, or the values of some columns that the rows had in any version:
                `{"users": [7], "steps": [("run-1", 3)], "messages": {"user_id": 7}}`.
            texts: erase the message and metadata of the commits that made or ended these rows, too.

        Raises:
            NotFound: no such table or column.
            InvalidValue: the subject is none.
            Timeout: others used the store for too long.
            TransactionOpen: inside a transaction.
        """
        with self._lock:
            return self._versions.erase(subject, texts=texts)
