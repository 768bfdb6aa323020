"""What a `Store` does with branches, tags and commits."""

from __future__ import annotations

import os
from typing import Self

from holdfast.core.durations import Duration, microseconds_of
from holdfast.store.connection import Connection
from holdfast.versions.policies import Policy
from holdfast.versions.results import Merge


class Branching(Connection):
    """Making, moving, merging and forgetting branches."""

    def branch(self, name: str, at: str | None = None) -> Self:
        """Make a branch here, or at another ref, and return a Store on it. Costs one row, whatever it inherits.

        Raises:
            AlreadyExists: the name is taken, by a branch (use `checkout`) or a tag.
            NotFound: there is no such ref.
            InvalidValue: the name cannot name a branch.
            ReadOnly: it begins with "runs/", as those of runs do.
        """
        self._check_not_of_a_run(name)
        with self._lock:
            self._versions.branch(name, self._here if at is None else at)
        return type(self)(self._engine, name, ids=self._ids)

    def checkout(self, ref: str, *, lease: Duration | None = None) -> Self:
        """Return a Store on another ref: of a branch to read and write, of a tag or a commit to read only.

        Each statement on it sees one snapshot, whatever gc does. Between two statements gc may prune a commit that is
        neither tagged nor leased; the next one then raises NotFound.

        Args:
            ref: a branch, tag or commit.
            lease: how long gc spares the commit even so, as a duration such as "1h", or until the Store is closed.
                It costs a write.

        Raises:
            NotFound: there is no such ref, or it was pruned.
        """
        length_us = None if lease is None else microseconds_of(lease, "lease")
        with self._lock:
            _ = self._session  # a closed Store opens no other
            token = None
            if length_us is not None:
                token = os.urandom(16).hex()
                self._versions.pin(token, ref, length_us)
            store = self.at(self._engine, ref, ids=self._ids)
            store.leased = token
            return store

    def delete_branch(self, name: str) -> None:
        """Forget a branch; its commits stay where others have merged or tagged them.

        Raises:
            NotFound: there is no such branch; ReadOnly: it is that of a run.
        """
        self._check_not_of_a_run(name)
        with self._lock:
            self._versions.delete_branch(name)

    def reset(self, to: str) -> str:
        """Let this branch go on from another ref; return the new head. What it had stays in its old commits."""
        with self._lock:
            self._check_writable()
            head = self._versions.reset(self.ref, to)
            self._after_merge()
            return head

    def tag(self, name: str, at: str | None = None) -> str:
        """Give this point, or another ref, a name that stays; return its hash. Raises AlreadyExists."""
        with self._lock:
            return self._versions.tag(name, self._here if at is None else at)

    def delete_tag(self, name: str) -> None:
        """Forget a tag. Raises NotFound."""
        with self._lock:
            self._versions.delete_tag(name)

    def merge(
        self,
        source: str,
        into: str | None = None,
        policy: Policy = "fail",
        message: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Merge:
        """Merge what a ref has into this branch, or into another, in one commit.

        Rows that one side changed are taken; rows that both changed are merged cell by cell. What both changed
        differently is a conflict. Merging what is there already does nothing.

        Args:
            source: a branch, tag or commit.
            into: the branch to merge into; its values are `ours`.
            policy: what to do with conflicts: "fail", "ours", "theirs", a function that is given each `Conflict` and
                returns the value to keep (or NotImplemented), or a dict of these by table, in which a table may have a
                dict of these by key. `...` stands for the tables or keys that are not named, which are else "fail":
                `{"steps": {("run-1", 3): "theirs", ...: "ours"}}`.
            message: that of the commit.
            dry_run: write nothing; return what the merge would change, and the conflicts that it would leave.

        Raises:
            MergeConflict: conflicts that the policy left, or a constraint that would not hold; nothing was merged.
            NotFound, ReadOnly, InvalidValue: see the message.
        """
        self._check_not_of_a_run(into)
        with self._lock:
            if into is None:
                self._check_writable()
            self._check_no_transaction("a merge")
            merge = self._versions.merge(source, self.ref if into is None else into, policy, message, dry_run=dry_run)
            self._after_merge()
            return merge

    def cherry_pick(
        self, ref: str, message: str | None = None, policy: Policy = "fail", *, dry_run: bool = False
    ) -> Merge:
        """Do here what one commit did elsewhere, in one commit; of a merge, all that it brought to its branch.

        A row keeps its identity: merging the branch that it comes from later neither loses nor doubles it. What is here
        already is not written again, and if all of it is there is no commit.

        Args:
            ref: a branch (its newest commit), tag or commit; what it left is `theirs`, what is here `ours`.
            message, policy, dry_run: as in `merge`.

        Raises:
            MergeConflict: as `merge`.
            ReadOnly: this is the checkout of a commit.
            Unsupported: content of rows that the commit changed was erased.
            NotFound, InvalidValue: see the message.
        """
        with self._lock:
            self._check_writable()
            self._check_no_transaction("a cherry-pick")
            pick = self._versions.cherry_pick(ref, self.ref, policy, message, dry_run=dry_run)
            self._after_merge()
            return pick

    def revert(self, ref: str, message: str | None = None, policy: Policy = "fail", *, dry_run: bool = False) -> Merge:
        """Take back here what one commit did, in one commit; of a merge, all that it brought to its branch.

        History stays as it is, and so does a table that the commit created. What was changed again since is a conflict.

        Args:
            ref: a branch (its newest commit), tag or commit; what was before it is `theirs`, what is here `ours`.
            message, policy, dry_run: as in `merge`.

        Raises:
            Unsupported: also if the commit changed no rows but the schema.
            MergeConflict, ReadOnly, NotFound, InvalidValue: as `cherry_pick`.
        """
        with self._lock:
            self._check_writable()
            self._check_no_transaction("a revert")
            revert = self._versions.revert(ref, self.ref, policy, message, dry_run=dry_run)
            self._after_merge()
            return revert
