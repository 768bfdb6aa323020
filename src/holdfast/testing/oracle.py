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
from holdfast.errors import AlreadyExists, BranchMoved, Conflict, InvalidValue, MergeConflict, NotFound, ReadOnly
from holdfast.testing.snapshots import Draft, Snapshot, Trace, by_key, decoded, key_of
from holdfast.testing.threeway import Base, Decide, Side, merge
from holdfast.versions.edits import Edit
from holdfast.versions.results import Merge, RowChange

Policy = str | Callable[[Conflict], object]


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

    def merge(self, source: str, into: str, policy: Policy = "fail", message: str | None = None) -> Merge:
        """Bring what `source` has seen into the branch `into`.

        Raises:
            MergeConflict: something needs a decision that the policy does not take, or a constraint would not hold.
            NotFound: no such ref or branch.
            ReadOnly: `into` is a tag or a commit.
            InvalidValue: a branch into itself, or an unknown policy.
        """
        decide = _decide(policy)
        if source == into:
            raise InvalidValue(f"branch {into!r} cannot be merged into itself")
        if into not in self._branches and self.at(into).hash:
            raise ReadOnly(f"{into!r} is no branch; merge into a branch")
        while True:  # a policy may itself commit: what it was asked about is then out of date
            line = self._line(into)
            ours, theirs = line.head, self.at(source)
            if theirs.point in ours.seen:
                return Merge(ours.hash, changed=False)
            point = Point(line.uid, line.length + 1)
            sides = self._side(ours, theirs), self._side(theirs, ours)
            merged = merge(self._catalogue, point, self._base(ours, theirs), *sides, decide)
            if self._line(into) is line and line.head is ours:
                break
        if merged.left:
            raise MergeConflict(f"{source!r} does not merge into {into!r}: {len(merged.left)} conflicts", merged.left)
        text = f"merge {source} into {into}" if message is None else message
        commit = self._advance(line, (theirs,), text, merged.rows, merged.traces)
        return Merge(commit.hash, changed=True, conflicts=tuple(merged.resolved))

    def diff(self, a: str, b: str) -> list[RowChange]:
        """Return the rows that differ between two refs, sorted by table and key."""
        before, after = self._plain(a), self._plain(b)
        changes = [
            RowChange(name, key, old, new)
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

    def _side(self, side: Commit, other: Commit) -> Side:
        unshared = [trace for point in side.seen - other.seen for trace in self._commits[point].traces]
        return Side(side.rows, side.seen, unshared)

    def _base(self, ours: Commit, theirs: Commit) -> Base:
        shared = [self._commits[point] for point in ours.seen & theirs.seen]
        older = {parent for commit in shared for parent in commit.parents}
        return Base([commit.rows for commit in shared if commit.hash not in older])

    def _shown(self, ref: str) -> tuple[Commit, Catalogue]:
        commit = self.at(ref)
        return commit, self._catalogue if ref in self._branches else commit.catalogue

    def _plain(self, ref: str) -> dict[str, dict[Key, dict[str, object]]]:
        commit, catalogue = self._shown(ref)
        shown = {table: by_key(table, commit.rows.get(table.id, {})) for table in catalogue.tables}
        return {
            table.name: {key: decoded(table, version.values) for key, version in rows.items()}
            for table, rows in shown.items()
        }

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


def _decide(policy: Policy) -> Decide:
    if callable(policy):
        return policy
    policies: dict[str, Decide] = {
        "fail": lambda _: NotImplemented,
        "ours": lambda conflict: conflict.ours,
        "theirs": lambda conflict: conflict.theirs,
    }
    if policy not in policies:
        raise InvalidValue(f"{policy!r} is no merge policy; use 'fail', 'ours', 'theirs' or a callable")
    return policies[policy]
