"""The oracle: a whole store in memory, written to be obviously right.

Each commit keeps a copy of every table and the set of all commits before it; a branch is a name for a line, and a line
remembers its head. There are no versions, vectors, tombstones, caches, locks or indexes. An engine that gives the same
answers, snapshots and hashes for the same operations therefore keeps the rules that docs/format.md states, as far as
those operations reach. The oracle shares with the engines only what has one right form: stored values, schemas and the
hash functions. It costs the size of the store at each commit and is meant for small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.core import hashing
from holdfast.core.clock import Clock, Ids
from holdfast.core.points import Point
from holdfast.core.refs import MAIN, check_name, is_hash_prefix
from holdfast.core.schema import Catalogue, Key, Table, key_order
from holdfast.core.types import Stored
from holdfast.errors import (
    AlreadyExists,
    BranchMoved,
    InvalidValue,
    MergeConflict,
    NotFound,
    ReadOnly,
    Unsupported,
)
from holdfast.testing.answers import decider
from holdfast.testing.snapshots import Draft, Snapshot, Trace, by_key, decoded, key_of
from holdfast.testing.threeway import Base, Side, merge
from holdfast.versions.edits import Edit
from holdfast.versions.policies import Policy
from holdfast.versions.results import Merge, RowChange


@dataclass(frozen=True, eq=False, slots=True)
class Commit:
    """A commit, with all that is seen from it."""

    point: Point
    hash: str
    parents: tuple[str, ...]
    at_us: int
    message: str
    salt: bytes
    catalogue: Catalogue
    rows: Snapshot
    traces: tuple[Trace, ...]
    seen: frozenset[Point]
    """This commit and all before it."""


@dataclass(slots=True)
class Line:
    """A line: where it stands, and how many commits of its own it has. Without any it stands where it was forked."""

    uid: str
    head: Commit
    length: int = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch and the hash of the commit it stands at."""

    name: str
    head: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be brought to a branch. `merges` is the commit that it sees from then on; None for a copy."""

    message: str
    base: Base
    ours: Side
    theirs: Side
    merges: Commit | None


class Oracle:
    """The interface of `holdfast.versions.Versions`, over whole-table snapshots.

    Example:
        >>> from holdfast.testing import FakeClock, SeededIds
        >>> oracle = Oracle(FakeClock(), SeededIds())
        >>> oracle.branch("idea") == oracle.head("main")
        True
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._catalogue = Catalogue()
        self._commits: dict[Point, Commit] = {}
        self._tags: dict[str, Commit] = {}
        uid = ids.line_uid()
        genesis = self._commit(Point(uid, 0), (), "store created", {}, [])
        self._branches = {MAIN: Line(uid, genesis)}

    def create_table(self, branch: str, table: Table) -> str:
        """Add a table to the store, as a commit on `branch`; return its hash. Raises AlreadyExists, NotFound."""
        line = self._line(branch)
        self._catalogue = self._catalogue.with_table(table)
        return self._advance(line, (), f"CREATE TABLE {table.name}", line.head.rows, []).hash

    def branch(self, name: str, at: str = MAIN) -> str:
        """Create a branch at a ref; return the hash it stands at. Raises AlreadyExists, NotFound, InvalidValue."""
        check_name(name, "branch")
        if name in self._branches:
            raise AlreadyExists(f"branch {name!r} exists already")
        if name in self._tags:
            raise AlreadyExists(f"{name!r} is a tag")
        self._branches[name] = Line(self._ids.line_uid(), self.at(at))
        return self._branches[name].head.hash

    def delete_branch(self, name: str) -> None:
        """Forget a branch; its commits stay. Raises NotFound, and InvalidValue for `main`."""
        self._line(name)
        if name == MAIN:
            raise InvalidValue("the branch 'main' cannot be deleted")
        del self._branches[name]

    def reset(self, branch: str, to: str) -> str:
        """Let a branch stand at a ref, on a new line; return the hash there. Raises NotFound."""
        self._line(branch)
        self._branches[branch] = Line(self._ids.line_uid(), self.at(to))
        return self._branches[branch].head.hash

    def tag(self, name: str, at: str = MAIN) -> str:
        """Name the commit at a ref, for good; return its hash. Raises AlreadyExists (another commit), NotFound."""
        check_name(name, "tag")
        commit = self.at(at)
        if name in self._branches:
            raise AlreadyExists(f"{name!r} is a branch")
        if self._tags.get(name, commit) is not commit:
            raise AlreadyExists(f"tag {name!r} names another commit")
        self._tags[name] = commit
        return self._tags[name].hash

    def delete_tag(self, name: str) -> None:
        """Forget a tag. Raises NotFound."""
        if name not in self._tags:
            raise NotFound(f"there is no tag {name!r}")
        del self._tags[name]

    def commit(self, branch: str, edits: Sequence[Edit], message: str = "", *, expect: str | None = None) -> str:
        """Apply edits as one commit; return the hash of the head after it, which stays where it was if nothing changed.

        Raises:
            BranchMoved: `expect` is given and is not the hash of the head.
            NotFound: there is no such branch, table or column, or no such row to delete.
            InvalidValue: a column cannot hold its value.
            ConstraintFailed: a key, UNIQUE or NOT NULL would no longer hold.
        """
        line = self._line(branch)
        if expect is not None and expect != line.head.hash:
            raise BranchMoved(f"branch {branch!r} moved from {expect} to {line.head.hash}")
        draft = Draft(self._catalogue, line.head.rows, Point(line.uid, line.length + 1))
        for edit in edits:
            draft.apply(edit)
        rows, traces = draft.finish()
        return self._advance(line, (), message, rows, traces).hash if traces else line.head.hash

    def merge(
        self, source: str, into: str, policy: Policy = "fail", message: str | None = None, *, dry_run: bool = False
    ) -> Merge:
        """Bring what `source` has seen into the branch `into`.

        Raises:
            MergeConflict: something needs a decision that the policy does not take, or a constraint would not hold.
            NotFound: no such ref or branch.
            ReadOnly: `into` is a tag or a commit.
            InvalidValue: a branch into itself, or an unknown policy.
        """
        if source == into:
            raise InvalidValue(f"branch {into!r} cannot be merged into itself")

        def plan(ours: Commit) -> _Plan | None:
            theirs = self.at(source)
            if theirs.point in ours.seen:
                return None
            sides = self._side(ours, ours.seen - theirs.seen), self._side(theirs, theirs.seen - ours.seen)
            return _Plan(f"merge {source} into {into}", self._base(ours, theirs), *sides, merges=theirs)

        return self._bring(into, plan, policy, message, dry_run=dry_run)

    def cherry_pick(
        self, ref: str, onto: str, policy: Policy = "fail", message: str | None = None, *, dry_run: bool = False
    ) -> Merge:
        """Do on the branch `onto` what the commit at a ref did against its first parent.

        Raises:
            MergeConflict, NotFound, ReadOnly, InvalidValue: as `merge`.
        """

        def plan(ours: Commit) -> _Plan | None:
            commit = self.at(ref)
            return self._copy(commit, ours, self._parent(commit), commit, "cherry-pick")

        return self._bring(onto, plan, policy, message, dry_run=dry_run)

    def revert(
        self, ref: str, onto: str, policy: Policy = "fail", message: str | None = None, *, dry_run: bool = False
    ) -> Merge:
        """Take back on the branch `onto` what the commit at a ref did against its first parent.

        Raises:
            Unsupported: it changed the schema alone.
            MergeConflict, NotFound, ReadOnly, InvalidValue: as `merge`.
        """

        def plan(ours: Commit) -> _Plan | None:
            commit = self.at(ref)
            parent = self._parent(commit)
            if not commit.traces and len(commit.parents) < 2:
                raise Unsupported(f"commit {commit.hash} changed the schema alone")
            return self._copy(commit, ours, commit, parent, "revert")

        return self._bring(onto, plan, policy, message, dry_run=dry_run)

    def _bring(
        self, into: str, plan: Callable[[Commit], _Plan | None], policy: Policy, message: str | None, *, dry_run: bool
    ) -> Merge:
        decide = decider(policy, self._catalogue)
        if into not in self._branches and self.at(into).hash:
            raise ReadOnly(f"{into!r} is no branch; name a branch")
        while True:  # a policy may itself commit: what it was asked about is then out of date
            line = self._line(into)
            ours, planned = line.head, plan(line.head)
            if planned is None:
                return Merge(ours.hash, changed=False, dry_run=dry_run)
            point, copied = Point(line.uid, line.length + 1), planned.merges is None
            sides = planned.base, planned.ours, planned.theirs
            merged = merge(self._catalogue, point, *sides, decide, copied=copied)
            if self._line(into) is line and line.head is ours:
                break
        changed = bool(merged.traces) or not copied
        if dry_run:
            left = (*merged.left, *merged.broken)
            changes = self._differences(self._catalogue, ours.rows, self._catalogue, merged.rows)
            resolved = tuple(merged.resolved)
            return Merge(ours.hash, changed and not left, resolved, dry_run=True, left=left, changes=tuple(changes))
        if conflicts := merged.left or merged.broken:
            raise MergeConflict(f"{len(conflicts)} conflicts on {into!r}", conflicts)
        text = planned.message if message is None else message
        if changed:
            self._advance(line, (planned.merges,) if planned.merges else (), text, merged.rows, merged.traces)
        return Merge(line.head.hash, changed=changed, conflicts=tuple(merged.resolved))

    def _parent(self, commit: Commit) -> Commit:
        """Return the first parent of a commit; of the first commit itself."""
        by_hash = {one.hash: one for one in self._commits.values()}
        return by_hash[commit.parents[0]] if commit.parents else commit

    def _copy(self, commit: Commit, ours: Commit, base: Commit, theirs: Commit, word: str) -> _Plan | None:
        """Plan to do on `ours` what leads from `base` to `theirs`, which are a commit and its parent or the reverse."""
        sides = self._side(ours, ours.seen ^ base.seen), self._side(theirs, theirs.seen ^ base.seen)
        message = f"{word} {commit.hash[:12]}: {commit.message}"
        return _Plan(message, Base([base.rows]), *sides, merges=None) if sides[1].touched else None

    def diff(self, a: str, b: str) -> list[RowChange]:
        """Return the rows that differ between two refs, sorted by table and key."""
        (before, then), (after, now) = self._shown(a), self._shown(b)
        return self._differences(then, before.rows, now, after.rows)

    @staticmethod
    def _differences(then: Catalogue, old_rows: Snapshot, now: Catalogue, new_rows: Snapshot) -> list[RowChange]:
        before, after = _plain(then, old_rows), _plain(now, new_rows)
        keys = {table.name: table.primary_key for table in (*then.tables, *now.tables)}
        changes = [
            RowChange(name, key, old, new, keys[name])
            for name in {**before, **after}
            for key in {**before.get(name, {}), **after.get(name, {})}
            if (old := before.get(name, {}).get(key)) != (new := after.get(name, {}).get(key))
        ]
        return sorted(changes, key=lambda change: (change.table, key_order(change.key)))

    def log(self, ref: str, limit: int | None = None) -> list[Commit]:
        """Return the commits from a ref back along first parents, newest first."""
        commits = {commit.hash: commit for commit in self._commits.values()}
        chain = [self.at(ref)]
        while chain[-1].parents:
            chain.append(commits[chain[-1].parents[0]])
        return chain[:limit]

    def head(self, ref: str) -> str:
        """Return the hash of the commit at a ref."""
        return self.at(ref).hash

    def branches(self) -> list[Branch]:
        """Return all branches, sorted by name."""
        return [Branch(name, line.head.hash) for name, line in sorted(self._branches.items())]

    def snapshot(self, ref: str) -> dict[str, dict[Key, tuple[Stored, ...]]]:
        """Return what a ref shows: table name -> key -> stored values. A branch shows the newest schema."""
        commit, catalogue = self._shown(ref)
        shown = {table.name: by_key(table, commit.rows.get(table.id, {})) for table in catalogue.tables}
        return {name: {key: version.values for key, version in rows.items()} for name, rows in shown.items()}

    def verify(self) -> list[str]:
        """Return what is wrong with the oracle's own history, a sentence each: nothing, unless it has a bug."""
        problems: list[str] = []
        by_hash = {commit.hash: commit for commit in self._commits.values()}
        for commit in self._commits.values():
            parents = [by_hash[parent] for parent in commit.parents]
            if commit.hash != _hash_of(commit):
                problems.append(f"commit {commit.hash} does not hash to its name")
            if commit.seen != frozenset({commit.point}).union(*(parent.seen for parent in parents)):
                problems.append(f"commit {commit.hash} does not see what its parents see")
            for table in commit.catalogue.tables:
                for rid, version in commit.rows.get(table.id, {}).items():
                    if rid != version.rid or version.born not in commit.seen:
                        problems.append(f"commit {commit.hash} shows {key_of(table, version)} before it was made")
        return problems

    def at(self, ref: str) -> Commit:
        """Return the commit at a ref: a branch, else a tag, else a hash or a unique prefix of one.

        Raises:
            NotFound: nothing has this name.
            InvalidValue: several commits begin like this.
        """
        if ref in self._branches:
            return self._branches[ref].head
        if ref in self._tags:
            return self._tags[ref]
        found = [commit for commit in self._commits.values() if commit.hash.startswith(ref)]
        if not is_hash_prefix(ref) or not found:
            raise NotFound(f"no branch, tag or commit is named {ref!r}")
        if len(found) > 1:
            raise InvalidValue(f"{ref!r} is the beginning of {len(found)} commits; give more digits")
        return found[0]

    def has_one_base(self, a: str, b: str) -> bool:
        """Tell whether the common ancestor of two refs is a single commit; it is not after criss-cross merges."""
        return self._base(self.at(a), self.at(b)).known

    def _line(self, branch: str) -> Line:
        if branch not in self._branches:
            raise NotFound(f"there is no branch {branch!r}")
        return self._branches[branch]

    def _side(self, side: Commit, between: frozenset[Point]) -> Side:
        return Side(side.rows, side.seen, [trace for point in between for trace in self._commits[point].traces])

    def _base(self, ours: Commit, theirs: Commit) -> Base:
        shared = [self._commits[point] for point in ours.seen & theirs.seen]
        older = {parent for commit in shared for parent in commit.parents}
        return Base([commit.rows for commit in shared if commit.hash not in older])

    def _shown(self, ref: str) -> tuple[Commit, Catalogue]:
        commit = self.at(ref)
        return commit, self._catalogue if ref in self._branches else commit.catalogue

    def _advance(
        self, line: Line, others: tuple[Commit, ...], message: str, rows: Snapshot, traces: list[Trace]
    ) -> Commit:
        """Make the next commit of a line."""
        point = Point(line.uid, line.length + 1)
        line.head = self._commit(point, (line.head, *others), message, rows, traces)
        line.length = point.n
        return line.head

    def _commit(
        self, point: Point, parents: tuple[Commit, ...], message: str, rows: Snapshot, traces: list[Trace]
    ) -> Commit:
        hashes = tuple(parent.hash for parent in parents)
        seen = frozenset({point}).union(*(parent.seen for parent in parents))
        own = (self._clock.now_us(), message, self._ids.salt(), self._catalogue)
        commit = Commit(point, "", hashes, *own, rows, tuple(traces), seen)
        object.__setattr__(commit, "hash", _hash_of(commit))
        self._commits[point] = commit
        return commit


def _plain(catalogue: Catalogue, rows: Snapshot) -> dict[str, dict[Key, dict[str, object]]]:
    """Return rows as users see them, by table and key."""
    shown = {table: by_key(table, rows.get(table.id, {})) for table in catalogue.tables}
    return {
        table.name: {key: decoded(table, version.values) for key, version in found.items()}
        for table, found in shown.items()
    }


def _hash_of(commit: Commit) -> str:
    """Return the hash of a commit from its contents alone."""
    return (
        hashing.CommitHeader(
            point=commit.point,
            parents=tuple(bytes.fromhex(parent) for parent in commit.parents),
            at_us=commit.at_us,
            texts=hashing.texts_digest(hashing.texts_salt(commit.salt), commit.message, None),
            schema=commit.catalogue.digest(),
            changes=hashing.changes_digest(trace.leaf(commit.salt) for trace in commit.traces),
        )
        .hash()
        .hex()
    )
