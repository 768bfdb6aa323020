"""Everything that can be done with branches, commits and merges, over one session of any engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast.core.canonical import json_text
from holdfast.core.clock import Ids, RandomIds
from holdfast.core.points import Point
from holdfast.core.refs import MAIN, check_name
from holdfast.core.rows import key_of
from holdfast.core.schema import Key, Table
from holdfast.core.types import ColumnType, Kind, Stored, encode
from holdfast.engine.contract import Commit, Line, Lookups, Reader, Result, Session, Writer
from holdfast.errors import AlreadyExists, InvalidValue, NotFound
from holdfast.versions.diff import changes_of_commit, diff, schema_at
from holdfast.versions.edits import Edit, apply_edit
from holdfast.versions.erase import Subject, erase
from holdfast.versions.gc import BUDGET_ROWS, Collection, Progress, Retention
from holdfast.versions.merge import Planner, bring
from holdfast.versions.picking import plan_cherry_pick, plan_revert
from holdfast.versions.plans import Plan, plan_merge
from holdfast.versions.policies import Policy
from holdfast.versions.resolve import Resolved, branch_of, check_kept, held_branch, resolve
from holdfast.versions.results import (
    Branch,
    Collected,
    CommitInfo,
    Erased,
    Merge,
    RowChange,
    Tag,
    Verification,
    moment,
)
from holdfast.versions.verify import verify
from holdfast.versions.wholes import Rules

_MESSAGE = ColumnType(Kind.TEXT)


class Versions:
    """Branches, commits, merges, diffs and logs. Each method is one transaction: atomic, and durable when it returns.

    Args:
        session: the connection to work on; it is not closed.
        ids: where new lines get their identity.
        rules: returns how rows that together stand for one thing are merged.
    """

    def __init__(self, session: Session, ids: Ids | None = None, rules: Callable[[], Sequence[Rules]] = tuple) -> None:
        self._session = session
        self._ids = ids or RandomIds()
        self._rules = rules

    # Names

    def branch(self, name: str, at: str = MAIN) -> str:
        """Make a branch at a ref, in one row whatever it inherits; return its head.

        Raises:
            AlreadyExists: the name is taken, by a branch or a tag.
            NotFound: there is no such ref.
            InvalidValue: the name cannot name a branch.
        """
        check_name(name, "branch")
        with self._session.write() as writer:
            writer.hold(name)
            if writer.branch(name):
                raise AlreadyExists(f"branch {name!r} exists already; check it out, or choose another name")
            if writer.tag(name):
                raise AlreadyExists(f"{name!r} is a tag, and a ref names one thing; choose another name")
            point = resolve(writer, at).point
            return self._fork(writer, name, point, expect=None)

    def _fork(self, writer: Writer, name: str, point: Point, expect: str | None) -> str:
        line = writer.create_line(self._ids.line_uid(), point)
        writer.point_branch(name, line.uid, expect)
        return line.head_hash.hex()

    def delete_branch(self, name: str) -> None:
        """Forget a branch. What others merged from it, and tags on it, stay.

        Raises:
            NotFound: there is no such branch.
            InvalidValue: it is `main`.
        """
        if name == MAIN:
            raise InvalidValue(f"branch {MAIN!r} cannot be deleted; reset it to another ref instead")
        with self._session.write() as writer:
            held_branch(writer, name)
            writer.delete_branch(name)

    def reset(self, branch: str, to: str) -> str:
        """Let a branch go on from another point, on a new line; the old line stays as it is. Return the head."""
        with self._session.write() as writer:
            line = held_branch(writer, branch)
            point = resolve(writer, to).point
            return self._fork(writer, branch, point, expect=line.uid)

    def tag(self, name: str, at: str = MAIN) -> str:
        """Give a point a name that stays; return its hash.

        Raises:
            AlreadyExists: the tag names another point, or a branch has the name.
            NotFound, InvalidValue: there is no such ref; the name cannot name a tag.
        """
        check_name(name, "tag")
        with self._session.write() as writer:
            writer.hold(name)
            point = resolve(writer, at).point
            known = writer.tag(name)
            if known is None and writer.branch(name):
                raise AlreadyExists(f"{name!r} is a branch, and a ref names one thing; choose another name")
            commit = writer.commit(point)
            if known is not None and writer.commit(known).hash != commit.hash:
                raise AlreadyExists(f"tag {name!r} names another commit; delete the tag first")
            writer.put_tag(name, point)
            return commit.hash.hex()

    def delete_tag(self, name: str) -> None:
        """Forget a tag. Raises NotFound."""
        with self._session.write() as writer:
            writer.hold(name)
            if writer.tag(name) is None:
                raise NotFound(f"no tag {name!r}")
            writer.delete_tag(name)

    def branches(self) -> list[Branch]:
        """Return all branches, by name."""
        with self._session.read() as reader:
            heads = [(name, reader.commit(Point(line.uid, line.head))) for name, line in reader.branches().items()]
        return [Branch(name, commit.hash.hex(), moment(commit.at_us)) for name, commit in heads]

    def tags(self) -> list[Tag]:
        """Return all tags, by name."""
        with self._session.read() as reader:
            heads = [(name, reader.commit(point)) for name, point in reader.tags().items()]
        return [Tag(name, commit.hash.hex(), moment(commit.at_us)) for name, commit in heads]

    def head(self, ref: str) -> str:
        """Return the hash of the commit at a ref."""
        with self._session.read() as reader:
            return reader.commit(resolve(reader, ref).point).hash.hex()

    # Commits

    @contextmanager
    def open_commit(
        self,
        branch: str,
        message: str,
        metadata: object = None,
        sealed: Callable[[Commit | None], None] = lambda _: None,
    ) -> Generator[Writer]:
        """Open the next commit of a branch for the block, and seal it at its end; an exception takes all back."""
        with self._session.write() as writer, _sealing(writer, branch, message, metadata, sealed):
            yield writer

    def write(
        self, branch: str, message: str, work: Callable[[Any], Result], ahead: Callable[[], Lookups] = Lookups
    ) -> Result:
        """Make one commit of what `work` writes; return what it returns. See `commit_work`."""
        return self.commit_work(branch, message, work, ahead=ahead)[0]

    def commit_work(
        self,
        branch: str,
        message: str,
        work: Callable[[Any], Result],
        metadata: object = None,
        ahead: Callable[[], Lookups] = Lookups,
    ) -> tuple[Result, Commit | None]:
        """Make one commit of what `work` writes; return what it returns, and the commit, None if nothing changed.

        Args:
            ahead: returns what `work` looks up, as far as one can tell before.

        The commit may share its fsync with those of other callers: see `Session.write_together` for what `work` may do.
        """
        check_message(message)
        text = None if metadata is None else json_text(metadata, "metadata")

        def commit(writer: Writer) -> tuple[Result, Commit | None]:
            writer.expect(Lookups(branch) | ahead())
            writer.open(held_branch(writer, branch))
            result = work(writer)
            return result, writer.seal(message, text)

        return self._session.write_together(commit)

    def create_table(self, branch: str, table: Table) -> str:
        """Add a table to the store's schema, in a commit on a branch; return the head. Raises AlreadyExists."""
        with self._session.write(alone=True) as writer:
            with _sealing(writer, branch, f"CREATE TABLE {table.name}"):
                writer.define(writer.catalogue().with_table(table))
            return branch_of(writer, branch).head_hash.hex()

    def commit(self, branch: str, edits: Sequence[Edit], message: str = "", metadata: object = None) -> str:
        """Make changes by key, in one commit; return the head, which is the old one if nothing changed.

        Raises:
            NotFound: no such branch or table, or a row to delete that is not there.
            ConstraintFailed: a constraint would not hold.
            InvalidValue: a column cannot hold its value.
        """
        with self._session.write() as writer:
            with _sealing(writer, branch, message, metadata):
                line = writer.opened
                seen = {**writer.vector(Point(line.uid, line.head)), line.uid: line.head + 1}
                for edit in edits:
                    apply_edit(writer, seen, edit)
            return branch_of(writer, branch).head_hash.hex()

    # Merging

    def merge(
        self,
        source: str,
        into: str,
        policy: Policy = "fail",
        message: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Merge:
        """Merge what a ref sees into a branch. Merging what the branch already sees writes nothing.

        Args:
            source: what is merged; its values are `theirs`.
            into: the branch that is written; its values are `ours`.
            policy: what becomes of conflicts.
            message: that of the commit; without one it says what was merged.
            dry_run: write nothing, and return what the merge would come to, conflicts included.

        Raises:
            MergeConflict: conflicts that the policy left, or a constraint that would not hold; nothing was merged. A
                dry run returns them.
            NotFound: no such ref or branch.
            ReadOnly: `into` is a tag or a commit.
            InvalidValue: a branch is merged into itself, or the policy is none.
        """
        if source == into:
            raise InvalidValue(f"branch {into!r} cannot be merged into itself; name another source")

        def plan(reader: Reader, line: Line) -> Plan | None:
            theirs = resolve(reader, source).point
            return plan_merge(reader, f"merge {source} into {into}", line, theirs, self._rules())

        return self._bring(into, plan, policy, message, dry_run=dry_run)

    def cherry_pick(
        self,
        ref: str,
        onto: str,
        policy: Policy = "fail",
        message: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Merge:
        """Do on a branch what the commit at a ref did against its first parent; of a merge, all that it brought.

        Rows keep their identity, so a later merge of where they come from neither loses nor doubles them. What the
        branch has already is not written, and if it has all of it there is no commit.

        Args:
            ref: the commit; its values are `theirs`, those of its first parent the base.
            onto: the branch that is written; its values are `ours`.
            policy, message, dry_run: as in `merge`.

        Raises:
            MergeConflict: as `merge`.
            NotFound, ReadOnly, InvalidValue: as `merge`.
            Unsupported: content of rows that the commit changed was erased.
        """
        return self._bring(
            onto,
            lambda reader, line: plan_cherry_pick(reader, line, ref, self._rules()),
            policy,
            message,
            dry_run=dry_run,
        )

    def revert(
        self,
        ref: str,
        onto: str,
        policy: Policy = "fail",
        message: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Merge:
        """Take back on a branch what the commit at a ref did against its first parent; of a merge, all that it brought.

        History stays: the rows are written as they were before. A table that the commit created stays, too. To merge
        something again after its merge was reverted, revert the revert.

        Args:
            ref: the commit; its values are the base, those of its first parent `theirs`.
            onto: the branch that is written; its values are `ours`.
            policy, message, dry_run: as in `merge`.

        Raises:
            MergeConflict: as `merge`.
            NotFound, ReadOnly, InvalidValue: as `merge`.
            Unsupported: the commit changed no rows but the schema, or content of rows that it changed was erased.
        """
        return self._bring(
            onto, lambda reader, line: plan_revert(reader, line, ref, self._rules()), policy, message, dry_run=dry_run
        )

    def _bring(self, into: str, planner: Planner, policy: Policy, message: str | None, *, dry_run: bool) -> Merge:
        if message is not None:
            check_message(message)
        return bring(self._session, into, planner, policy, message, dry_run=dry_run)

    # Removal

    def gc(
        self,
        older_than_us: int | None = None,
        keep_last: int | None = None,
        *,
        dry_run: bool = False,
        budget: int = BUDGET_ROWS,
        batches: int | None = None,
        progress: Progress | None = None,
    ) -> Collected:
        """Remove what nobody can ask for any more; see `Store.gc`. Not one transaction, but many short ones."""
        now = self._session.clock.now_us()
        retention = Retention(None if older_than_us is None else now - older_than_us, keep_last)
        collection = Collection(self._session, retention, now, budget, batches, progress)
        return collection.preview() if dry_run else collection.run()

    def erase(self, subject: Subject, *, texts: bool = False) -> Erased:
        """Remove rows from every branch, every commit and the file; see `versions/erase.py`.

        The removal is one transaction; the file is rewritten after it.
        """
        with self._session.write(alone=True) as writer:
            erased = erase(writer, subject, texts=texts)
        self._session.scrub()
        return erased

    def pin(self, token: str, at: str, length_us: int) -> str:
        """Lease a point under a token, so that gc spares it for so long; return its hash."""
        with self._session.write() as writer:
            point = resolve(writer, at).point
            writer.pin(token, point, self._session.clock.now_us() + length_us)
            return writer.commit(point).hash.hex()

    def unpin(self, token: str) -> None:
        """End a lease. Idempotent."""
        with self._session.write() as writer:
            writer.unpin(token)

    # Questions

    def diff(self, a: str, b: str) -> list[RowChange]:
        """Return the rows that differ between two refs, by table and key."""
        with self._session.read() as reader:
            return diff(reader, resolve(reader, a), resolve(reader, b))

    def log(self, ref: str = MAIN, limit: int | None = None) -> list[CommitInfo]:
        """Return the commits that led to a ref, newest first, each by its first parent."""
        with self._session.read() as reader:
            commits: list[CommitInfo] = []
            point: Point | None = resolve(reader, ref, pruned=True).point
            while point is not None and (limit is None or len(commits) < limit):
                commit = reader.commit(point)
                commits.append(CommitInfo.of(commit))
                at = commit.point
                point = Point(at.line, at.n - 1) if at.n else None
            return commits

    def show(self, ref: str) -> tuple[CommitInfo, list[RowChange]]:
        """Return the commit at a ref, and the rows it changed against its first parent (a merge: its resolutions)."""
        with self._session.read() as reader:
            commit = reader.commit(resolve(reader, ref).point)
            for parent in commit.parents[:1]:  # else an update would look like a new row
                check_kept(reader.commits_like(parent.hex())[0])
            return CommitInfo.of(commit), changes_of_commit(reader.changes(commit.point))

    def snapshot(self, ref: str) -> dict[str, dict[Key, tuple[Stored, ...]]]:
        """Return all rows that a ref shows, in stored form, by table and key."""
        with self._session.read() as reader:
            at: Resolved = resolve(reader, ref)
            vector = reader.vector(at.point)
            return {
                table.name: {key_of(table, row): row.values for row in reader.rows(table, vector)}
                for table in schema_at(reader, at).tables
            }

    def verify(self) -> Verification:
        """Check the whole store: every hash computed again, and the heads. Raises StoreCorrupt, naming the places."""
        with self._session.read() as reader:
            return verify(reader)


@contextmanager
def _sealing(
    writer: Writer,
    branch: str,
    message: str,
    metadata: object = None,
    sealed: Callable[[Commit | None], None] = lambda _: None,
) -> Generator[None]:
    """Open the next commit of a branch for the block, and seal it at its end."""
    check_message(message)
    text = None if metadata is None else json_text(metadata, "metadata")
    writer.open(held_branch(writer, branch))
    yield
    sealed(writer.seal(message, text))


def check_message(message: object) -> None:
    """Raise InvalidValue unless `message` can be a commit's."""
    if not isinstance(message, str):
        raise InvalidValue(f"a commit's message is a str, not {type(message).__name__}")
    encode(message, _MESSAGE, "the commit's message")
