"""Goal: a copy is the store. Method: the state machine with gc, which now and then goes on in a copy of its store.

A copy is on another engine than what it is of. It is stopped at any batch, what it is of goes on meanwhile (gc and
all), and it is finished by another run; or brought up to date later. From then on it has to answer as the oracle does,
which knows nothing of copies: by snapshots, by the hashes of whatever is done next, and by what gc may remove.
"""

# pyright: basic

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from holdfast.errors import AlreadyExists, StoreUnavailable
from holdfast.testing.machine import MakePair, Pair
from holdfast.testing.wishes import Wish, connections, pick, wishes
from holdfast.versions.copying import Copying, sum_of
from holdfast.versions.edits import Put
from tests.property.reaching import run_through
from tests.property.stores import disk_pair, memory_pair, postgres_pair, sqlite_pair
from tests.property.test_gc import YEAR_US, _GcMachine

RUNS, STEPS_EACH = 10, 40
SOAK_RUNS, SOAK_STEPS_EACH = 2_000, 80

KINDS = frozenset({
    "copy:begun", "copy:stopped", "copy:finished", "copy:of what changed", "copy:after gc", "copy:sealed",
    "copy:again", "copy:again:nothing", "copy:again:refused", "copy:moved",
    "gc:rows", "gc:sealed", "gc:pruned", "merge:clean", "merge:resolved", "merge:criss-cross", "pick:resolved",
    "revert:resolved", "reset", "delete branch", "gone",
})  # fmt: skip

ENGINES: dict[str, MakePair] = {
    "sqlite": sqlite_pair, "memory": memory_pair, "disk": disk_pair, "postgres": postgres_pair
}  # fmt: skip


class _Stopped(Exception):
    """What stops a copy."""


@dataclass
class _Copy:
    pair: Pair
    finished: bool
    operations: int
    collections: int


class _CopyMachine(_GcMachine):
    engines: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        self.kind = 0
        self.copy_: _Copy | None = None

    def teardown(self) -> None:
        super().teardown()
        if self.copy_ is not None:
            self.copy_.pair.close()

    @precondition(lambda self: self.copy_ is None)
    @rule(after=st.integers(0, 6), batch=st.sampled_from([1, 3, 20]))
    def begin(self, after: int, batch: int) -> None:
        """Begin a copy on the next engine, and stop it after some batches."""
        make = ENGINES[type(self).engines[(self.kind + 1) % len(type(self).engines)]]
        self.ids[1].seed(1_000_000 + self.operations)  # it is another store, until it is a copy
        pair = make(self.clocks[1], self.ids[1])
        self.copy_ = _Copy(pair, finished=False, operations=self.operations, collections=self.collections)
        self.collected["copy:begun"] += 1
        self.go_on(batch, after)

    @precondition(lambda self: self.copy_ is not None)
    @rule(batch=st.sampled_from([1, 5, 1_000]), after=st.none() | st.integers(1, 6))
    def go_on(self, batch: int, after: int | None) -> None:
        """Go on with a copy, and perhaps stop it again."""
        copy = self.copy_
        assert copy is not None
        reports = 0

        def stop(_: object) -> None:
            nonlocal reports
            reports += 1
            if reports == after:
                raise _Stopped

        was, changed = copy.finished, copy.operations < self.operations
        collected = copy.collections < self.collections
        run = Copying(self.pair.first._session, copy.pair.first._session, stop, batch)
        try:
            found = run.run()
        except _Stopped:
            self.collected["copy:stopped"] += 1
            copy.finished = False
            for name in ("main", self.oracle.head("main")):
                with pytest.raises(StoreUnavailable, match="unfinished"):
                    copy.pair.second.commit(name, [])
            return
        except AlreadyExists:
            assert was, "only what is finished may be refused"
            self.collected["copy:again:refused"] += 1
            copy.pair.close()
            self.copy_ = None
            return
        copy.finished, copy.operations, copy.collections = True, self.operations, self.collections
        self.check_same(copy.pair)
        assert found.commits + found.commits_present == found.commits_total
        self.collected.update({
            "copy:again" if was else "copy:finished": 1,
            "copy:again:nothing": was and not changed,
            "copy:of what changed": changed,
            "copy:after gc": changed and collected,
            "copy:sealed": bool(self.sealed(copy.pair)),
        })  # fmt: skip

    @rule(on=connections, at=pick, wanted=wishes, after=st.integers(1, 4), gone=st.booleans())
    def pass_on(self, on: int, at: int, wanted: Sequence[Wish], after: int, *, gone: bool) -> None:
        """Copy a part, change something, copy the rest, and go on there."""
        if self.copy_ is None:
            self.begin(after, 3)
        branch = self.name(at)
        self.commit_edits(on, branch, self.edits(branch, wanted), "commit")
        if gone:
            self.gc(on, at % 20, 1 + at % 3, 1_000, None, None)
        if self.copy_ is not None:
            self.go_on(1_000, None)
        if self.copy_ is not None:
            self.move()

    @rule(on=connections, at=pick)
    def seal(self, on: int, at: int) -> None:
        """Let a line be sealed, as that of a finished run is, and copy that."""
        if "runs/c" not in self.names():
            self.branch(on, "runs/c", 0)
        self.commit_edits(on, "runs/c", [Put("users", {"id": 3, "age": at % 9})], "commit")
        self.finish(on)
        self.gc(on, None, None, 1_000, None, None)
        if self.copy_ is None:
            self.begin(at % 5, 20)
        if self.copy_ is not None:
            self.go_on(1_000, None)

    @rule(on=connections, at=pick)
    def lose(self, on: int, at: int) -> None:
        """Let the store lose commits that a finished copy has."""
        if "b" not in self.names():
            self.branch(on, "b", 0)
        self.commit_edits(on, "b", [Put("users", {"id": 2, "age": at % 9 + 10})], "commit")
        if self.copy_ is None:
            self.begin(0, 20)
        if self.copy_ is not None:
            self.go_on(1_000, None)
        self.both(on, lambda store: store.delete_branch("b"))
        self.gc(on, None, None, 1_000, None, None)
        if self.copy_ is not None:
            self.go_on(1_000, None)

    def sealed(self, pair: Pair) -> Any:
        with pair.second._session.read() as reader:
            return reader.shape().seals

    def check_same(self, copy: Pair) -> None:
        """Compare a store with its copy, by all that each says of itself and by all that it shows."""
        copy.second.verify()
        told = []
        for pair in (self.pair, copy):
            with pair.second._session.read() as reader:
                total = sum_of(reader)
                names = reader.branches().keys(), reader.tags()
                lines = {line.uid: (line.parent, line.head, line.head_hash) for line in reader.lines() if line.head}
                told.append((total.total, total.with_names(reader), names, lines, reader.shape().seals))
        assert told[0] == told[1]
        for branch in self.oracle.branches():
            self.compare_at(copy.second, branch.name)
            assert [c.hash for c in copy.second.log(branch.name)] == [c.hash for c in self.oracle.log(branch.name)]
        for ref in self.made[-12:]:
            self.compare_at(copy.second, ref)

    @precondition(lambda self: self.copy_ is not None and self.copy_.operations == self.operations)
    @rule()
    def move(self) -> None:
        """Go on in the copy, if it is what the store is. Its leases are others."""
        copy = self.copy_
        assert copy is not None
        if not copy.finished:
            return
        self.pair.close()
        self.pair, self.copy_ = copy.pair, None
        self.kind += 1
        for token, commit in self.oracle._pinned.items():
            self.pair.first.pin(token, commit.hash, YEAR_US)
        self.collected["copy:moved"] += 1


def _machine(engines: tuple[str, ...], collected: Counter[str]) -> type[_CopyMachine]:
    namespace = {"make_pair": staticmethod(ENGINES[engines[0]]), "engines": engines, "collected": collected}
    return type("CopyAgainstOracle", (_CopyMachine,), namespace)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "engines",
    [("sqlite", "memory"), ("sqlite", "postgres", "disk"), ("memory", "disk", "postgres")],
    ids=" -> ".join,
)
def test_a_copy_is_the_store(engines: tuple[str, ...], soak: bool) -> None:
    options = settings(
        max_examples=SOAK_RUNS if soak else RUNS,
        stateful_step_count=SOAK_STEPS_EACH if soak else STEPS_EACH,
        derandomize=not soak,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_through(KINDS, partial(_machine, engines), options)
