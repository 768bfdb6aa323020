"""From the name of a point to the point: a branch, a tag, or a commit hash, looked up in that order."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.points import Point
from holdfast.core.refs import HASH_PREFIX_LENGTH_MIN, is_hash_prefix
from holdfast.engine.contract import Commit, Line, Reader, Writer
from holdfast.errors import InvalidValue, NotFound
from holdfast.versions.copies import check_whole


@dataclass(frozen=True, slots=True)
class Resolved:
    """A point, and the line whose head it is if a branch was named."""

    point: Point
    line: Line | None = None

    @property
    def seen_from(self) -> Line | Point:
        """What a view is made of: the line's head, or the point."""
        return self.line or self.point


def resolve(reader: Reader, ref: object, *, pruned: bool = False) -> Resolved:
    """Return what a ref names.

    Args:
        pruned: whether it may be a commit of which gc left only the hash, the message and the place in the log.

    Raises:
        NotFound: nothing, or a commit that was pruned.
        StoreUnavailable: nothing, because the store is an unfinished copy.
        InvalidValue: several commits, or no str.
    """
    if not isinstance(ref, str):
        raise InvalidValue(f"a ref is a str naming a branch, a tag or a commit, not {type(ref).__name__}: {ref!r}")
    line = reader.branch(ref)
    if line:
        return Resolved(Point(line.uid, line.head), line)
    tag = reader.tag(ref)
    if tag:
        return Resolved(tag)
    commits = reader.commits_like(ref) if is_hash_prefix(ref) else []
    if len(commits) > 1:
        hashes = ", ".join(commit.hash.hex()[: len(ref) + 6] for commit in commits)
        raise InvalidValue(f"{ref!r} is the beginning of several commits ({hashes}); give more digits")
    if not commits:
        check_whole(reader)
        raise NotFound(
            f"no branch, tag or commit {ref[:80]!r}; of a commit's hash give at least {HASH_PREFIX_LENGTH_MIN} digits"
        )
    if not pruned:
        check_kept(commits[0])
    return Resolved(commits[0].point)


def check_kept(commit: Commit) -> None:
    """Raise NotFound for a commit that was pruned."""
    if commit.pruned:
        raise NotFound(
            f"commit {commit.hash.hex()[:12]} was pruned by gc: log() still has it, its rows are gone;"
            " tag what has to stay"
        )


def is_kept(reader: Reader, point: Point) -> bool:
    """Tell whether a point that was read in an earlier snapshot can still be checked out."""
    try:
        return not reader.commit(point).pruned
    except NotFound:
        return False


def still(reader: Reader, at: Resolved, ref: str) -> Resolved:
    """Return what was resolved in an earlier snapshot. Raises NotFound if gc pruned or removed it since."""
    if not is_kept(reader, at.point):
        raise NotFound(f"{ref!r}, which was checked out, was pruned by gc since; tag what shall stay, or lease it")
    return at


def held_branch(writer: Writer, name: object) -> Line:
    """Return the line of a branch, which is held until the transaction ends. Raises NotFound."""
    if isinstance(name, str):
        writer.hold(name)
    return branch_of(writer, name)


def branch_of(reader: Reader, name: object) -> Line:
    """Return the line of a branch. Raises NotFound."""
    line = reader.branch(name) if isinstance(name, str) else None
    if line is None:
        check_whole(reader)
        raise NotFound(f"no branch {name!r}; make it with branch({name!r})")
    return line
