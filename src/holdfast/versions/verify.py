"""Checking a store: every hash is computed again from what is stored, and so is what every merge made visible."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.core.hashing import (
    CommitHeader,
    Leaf,
    changes_digest,
    leaf_of,
    rid_bytes,
    salted_leaf,
    texts_digest,
    texts_salt,
)
from holdfast.core.points import Point, join
from holdfast.core.retention import Pruned
from holdfast.core.rows import Change
from holdfast.engine.contract import Commit, Erasure, Line, Reader
from holdfast.errors import HoldfastError, StoreClosed, StoreCorrupt, StoreError, Timeout
from holdfast.versions.results import Verification

FINDINGS_MAX = 20


def verify(reader: Reader) -> Verification:
    """Check the whole store.

    Raises:
        StoreCorrupt: something is damaged; the message names each place, up to `FINDINGS_MAX`.
    """
    check = _Check(reader)
    findings: list[str] = []
    try:
        for finding in check.findings():
            findings.append(finding)
            if len(findings) >= FINDINGS_MAX:
                break
    except StoreCorrupt as error:
        findings.append(str(error))
    except (StoreError, StoreClosed, Timeout):
        raise  # says nothing about what is stored
    except (HoldfastError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        findings.append(f"what is stored cannot be read: {error}")  # a name, a number or a text that was changed
    if findings:
        raise StoreCorrupt("the store is damaged:\n" + "\n".join(f"  {finding}" for finding in findings))
    return Verification(check.commits, check.changes, check.erased, check.pruned)


class _Check:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.commits = self.changes = self.erased = self.pruned = 0

    def findings(self) -> Iterator[str]:
        yield from self._reader.damage()
        for line in self._reader.lines():
            yield from self._line(line)
        for name, point in self._reader.tags().items():
            if self._commit(point) is None:
                yield f"tag {name!r} names a commit that is not there"

    def _commit(self, point: Point) -> Commit | None:
        try:
            return self._reader.commit(point)
        except StoreCorrupt:
            raise
        except HoldfastError:
            return None

    def _line(self, line: Line) -> Iterator[str]:
        """Follow a line from its fork to its head; each commit's first parent is the one before it."""
        before = self._commit(line.parent) if line.parent else None
        if line.parent and before is None:
            yield f"line {line.uid} was forked from a commit that is not there"
            return
        for n in range(0 if line.parent is None else 1, line.head + 1):
            commit = self._commit(Point(line.uid, n))
            if commit is None:
                yield f"commit {n} of line {line.uid} is missing"
                return
            yield from self._check_commit(commit, before)
            before = commit
        if before is not None and before.hash != line.head_hash:
            head, newest = line.head_hash.hex()[:12], before.hash.hex()[:12]
            yield f"the head of line {line.uid} is {head}, its newest commit {newest}"

    def _check_commit(self, commit: Commit, before: Commit | None) -> Iterator[str]:
        self.commits += 1
        name = f"commit {commit.hash.hex()[:12]}"
        if commit.parents[:1] != ((before.hash,) if before else ()):
            yield f"{name} names another parent than the commit before it"
        schema = self._reader.catalogue(commit.schema)
        texts, leaves = self._texts_and_leaves(commit)
        header = CommitHeader(commit.point, commit.parents, commit.at_us, texts, schema.digest(), commit.changes)
        if header.hash() != commit.hash:
            yield f"{name}: its hash does not match what it says of itself"
        if not self._are_its_changes(commit, leaves):
            yield f"{name}: its rows do not match their digest"
        if len(commit.parents) == 2:
            yield from self._check_merge(commit, name)

    def _are_its_changes(self, commit: Commit, leaves: list[Leaf]) -> bool:
        self.pruned += bool(commit.pruned)
        if commit.pruned is Pruned.BARE:
            return not leaves
        return commit.pruned is Pruned.LEAVING or changes_digest(leaves) == commit.changes

    def _check_merge(self, commit: Commit, name: str) -> Iterator[str]:
        """A merge sees what its parents see, and itself; in the chain nothing but its second parent's hash says so."""
        found = [
            other for other in self._reader.commits_like(commit.parents[1].hex()) if other.hash == commit.parents[1]
        ]
        if not found:
            yield f"{name} merges a commit that is not there"
            return
        point = commit.point
        before = self._reader.vector(Point(point.line, point.n - 1))
        expected = {**join(before, self._reader.vector(found[0].point)), point.line: point.n}
        if self._reader.vector(point) != expected:
            yield f"{name}: what it merged is not what it shows"

    def _texts_and_leaves(self, commit: Commit) -> tuple[bytes, list[Leaf]]:
        """Take what is gone from the marks that were kept, and compute the rest from the rows."""
        changes = self._reader.changes(commit.point)
        self.changes += len(changes)
        kept = self._reader.erasures(commit.point)
        leaves = {key: erasure.leaf for key, erasure in kept.items() if erasure.is_gone}
        self.erased += sum(erasure.salt is None for erasure in kept.values())
        for change in changes:
            key = change.table.id, rid_bytes(change.rid)
            erasure = kept.get(key)
            if erasure is not None and erasure.is_gone:
                if erasure.salt is not None and change.after is not None:
                    leaves[key] = Leaf(*key, b"a row that was removed is there")
                continue
            leaf = leaf_of(change, commit.salt) if commit.salt else _salted(change, erasure)
            if leaf is not None:
                leaves[key] = leaf
        texts = kept.get((0, b""))
        if commit.salt is not None:
            return texts_digest(texts_salt(commit.salt), commit.message, commit.metadata), _rows_only(leaves)
        if texts is not None and texts.salt is not None:
            return texts_digest(texts.salt, commit.message, commit.metadata), _rows_only(leaves)
        return (texts.leaf.mark if texts else b""), _rows_only(leaves)


def _salted(change: Change, erasure: Erasure | None) -> Leaf | None:
    return salted_leaf(change, lambda _table_id, _rid: erasure.salt if erasure else None)


def _rows_only(leaves: dict[tuple[int, bytes], Leaf]) -> list[Leaf]:
    return [leaf for (table_id, _), leaf in leaves.items() if table_id != 0]
