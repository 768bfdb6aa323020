"""Goal: however branches of a state are written, rebased and merged, nothing is lost, doubled or brought back.

Method: a state machine. Every change has a number of its own, and a branch is modelled as the set of the changes that
it has seen: merging is their union. What a state shows is worked out from that set: counters are the sum of what was
added, sets and lists have what was put in and not taken out. Several handles stand on each branch, so that commits
rebase; branches merge both ways, criss-cross included. Seen to fail: the base of crossed merges taken for
empty, and what one side had removed there taken for new.
"""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from holdfast import BranchMoved, Counter, Memory, MergeConflict, Versioned

Change = tuple[str, int]
"""What was done, and its number, which is also what was put in or taken out."""

BRANCHES_MAX, HANDLES_MAX, PAST_MAX = 4, 6, 5
STEPS = 40
UNDOING = {"take out": "append", "discard": "add", "drop": "put", "delete": "set"}
PUTS = ("append", "add", "put", "set", "count", "append inside")
ACTS = st.sampled_from([*PUTS, *PUTS, *UNDOING])


@dataclass
class Handle:
    """A state, and the changes that it shows: those of commits, and those that are pending."""

    state: Versioned
    branch: str
    seen: frozenset[Change]
    pending: set[Change] = field(default_factory=set)

    @property
    def shown(self) -> frozenset[Change]:
        """All changes that the state shows."""
        return self.seen | self.pending

    def alive(self, kind: str) -> list[int]:
        """Return what was put in by changes of a kind, and not taken out."""
        undo = dict(UNDOING)
        gone = {number for what, number in self.shown if undo.get(what) == kind}
        return sorted(number for what, number in self.shown if what == kind and number not in gone)


class Merges(RuleBasedStateMachine):
    """Branches of a store, their handles, and what they should show."""

    source: Callable[[Path], Any]
    crossing: bool
    """Whether merges may cross, as they do among three branches, or with commits of the past.

    Where no one commit is the base, a merge may be refused that could have been done, but is never done wrongly.
    """

    @initialize()
    def begin(self) -> None:
        """Open a store with one value of each kind."""
        self.folder = tempfile.TemporaryDirectory()
        self.at = type(self).source(Path(self.folder.name))
        self.number = 0
        self.merges: dict[str, int] = {"asked for": 0, "refused": 0}
        first = self.opened("main")
        first.update(list=[], set=set(), map={"inside": {"log": []}, "calls": Counter()}, calls=Counter())
        first.commit()
        self.branches: dict[str, frozenset[Change]] = {"main": frozenset()}
        self.handles = [Handle(first, "main", frozenset())]
        self.past: list[tuple[str, frozenset[Change]]] = []
        self.another(0, new=False)
        for _ in range(2 if self.crossing else 1):
            self.another(0, new=True)

    def opened(self, branch: str) -> Versioned:
        """Return another handle."""
        return Versioned(self.at, branch=branch, durability="process" if isinstance(self.at, Path) else "full")

    def handle(self, index: int) -> Handle:
        """Return one of the handles."""
        return self.handles[index % len(self.handles)]

    @rule(index=st.integers(0, HANDLES_MAX), kind=ACTS, which=st.integers(0, 9))
    def act(self, index: int, kind: str, which: int) -> None:
        """Change something."""
        at = self.handle(index)
        kinds = {what for what, _ in at.pending}
        if {kind, *kinds} >= {"append", "take out"}:  # a pair of these in one commit is a change of an item in place
            return
        if kind in UNDOING:
            alive = at.alive(UNDOING[kind])
            if not alive:
                return
            number = alive[which % len(alive)]
        else:
            self.number = number = self.number + 1
        self.do(at.state, kind, number)
        at.pending.add((kind, number))
        self.check(at)

    def do(self, state: Versioned, kind: str, number: int) -> None:
        """Do one change."""
        item = {"id": number, "text": f"change {number}"}
        acts: dict[str, Callable[[], object]] = {
            "append": lambda: state["list"].append(item),
            "take out": lambda: state["list"].remove(item),
            "append inside": lambda: state["map"]["inside"]["log"].append(number),
            "add": lambda: state["set"].add(number),
            "discard": lambda: state["set"].remove(number),
            "put": lambda: state["map"].__setitem__(f"k{number}", [number]),
            "drop": lambda: state["map"].pop(f"k{number}"),
            "set": lambda: state.__setitem__(f"k{number}", number),
            "delete": lambda: state.__delitem__(f"k{number}"),
            "count": lambda: (state["calls"].add(number), state["map"]["calls"].add(-number)),
        }
        acts[kind]()

    @rule(index=st.integers(0, HANDLES_MAX))
    def commit(self, index: int) -> None:
        """Commit, over what others committed to the branch."""
        at = self.handle(index)
        before = at.state.head
        try:
            at.state.commit()
        except BranchMoved:  # the branch has merged what crossed, and it stays pending
            assert self.crossing
            assert at.state.head == before
            self.check(at)
            return
        if at.pending and at.state.head == before:  # what was put in was taken out again: there is nothing to commit
            at.pending = set()
        if at.pending:
            at.seen = self.branches[at.branch] = self.branches[at.branch] | at.shown
            at.pending = set()
            self.past = [*self.past[-PAST_MAX:], (at.state.head, at.seen)]
        self.check(at)
        with at.state.checkout(at.state.head) as past:
            self.compare(past, at)
        assert at.state.pending() == []
        assert at.state.commit() == at.state.head

    @rule(index=st.integers(0, HANDLES_MAX), kinds=st.lists(ACTS, min_size=1, max_size=3), which=st.integers(0, 9))
    def work(self, index: int, kinds: list[str], which: int) -> None:
        """Change something, and commit."""
        for kind in kinds:
            self.act(index, kind, which)
        self.commit(index)

    @rule(index=st.integers(0, HANDLES_MAX))
    def refresh(self, index: int) -> None:
        """Take over what others committed."""
        at = self.handle(index)
        try:
            at.state.refresh()
        except BranchMoved:
            assert self.crossing
            self.check(at)
            return
        at.seen = self.branches[at.branch]
        self.check(at)

    @rule(index=st.integers(0, HANDLES_MAX), new=st.booleans())
    def another(self, index: int, new: bool) -> None:
        """Open another handle, or make another branch."""
        at = self.handle(index)
        if len(self.handles) == HANDLES_MAX:
            old = self.handles.pop(0)
            old.state.discard()
            old.state.close()
            at = self.handle(index)
        if new and len(self.branches) < (BRANCHES_MAX if self.crossing else 2):
            name = f"b{len(self.branches)}"
            self.branches[name] = at.seen
            at.state.branch(name).close()  # it lives no longer than the state that made it
            self.handles.append(Handle(self.opened(name), name, at.seen))
        else:
            self.handles.append(Handle(self.opened(at.branch), at.branch, self.branches[at.branch]))
        self.check(self.handles[-1])

    @rule(index=st.integers(0, HANDLES_MAX), other=st.integers(0, BRANCHES_MAX))
    def merge(self, index: int, other: int) -> None:
        """Merge another branch."""
        at = self.handle(index)
        source = list(self.branches)[other % len(self.branches)]
        if source != at.branch:
            self.merge_into(at, source, self.branches[source])

    def merge_into(self, at: Handle, source: str, seen: frozenset[Change]) -> None:
        """Merge. Where merges crossed, and no one commit is the base, it may be refused; it is never done wrongly."""
        head = at.state.head
        self.merges["asked for"] += 1
        try:
            assert at.state.merge(source).conflicts == ()
        except MergeConflict:
            assert self.crossing
            assert at.state.head == head
            self.merges["refused"] += 1
        except BranchMoved:  # the merge is done, but what is pending here does not go with it
            assert self.crossing
            self.branches[at.branch] |= seen
        else:
            at.seen = self.branches[at.branch] = self.branches[at.branch] | seen
        self.check(at)

    @rule(index=st.integers(0, HANDLES_MAX), which=st.integers(0, 4))
    def merge_a_commit(self, index: int, which: int) -> None:
        """Merge a commit of the past, behind which its branch may have gone on: merges cross."""
        at = self.handle(index)
        if self.past and self.crossing:
            head, seen = self.past[-1 - which % len(self.past)]
            self.merge_into(at, head, seen)

    def check(self, at: Handle) -> None:
        """Hold a state against its changes."""
        self.compare(at.state, at)

    def compare(self, state: Versioned, at: Handle) -> None:
        """Hold what a state shows against the changes that it has seen."""
        ids = [item["id"] for item in state["list"]]
        assert sorted(ids) == at.alive("append")
        assert sorted(state["set"]) == at.alive("add")
        assert sorted(state["map"]["inside"]["log"]) == at.alive("append inside")
        names = sorted(key for key in state["map"] if key.startswith("k"))
        assert names == sorted(f"k{number}" for number in at.alive("put"))
        assert sorted(key for key in state if key.startswith("k")) == sorted(f"k{n}" for n in at.alive("set"))
        total = sum(number for what, number in at.shown if what == "count")
        assert (state["calls"], state["map"]["calls"]) == (total, -total)

    def teardown(self) -> None:
        """Close the store."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            for at in getattr(self, "handles", []):
                at.state.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()


SOURCES: dict[str, Callable[[Path], Any]] = {"file": lambda folder: folder / "s.db", "memory": lambda _: Memory()}


def machine(where: str, *, crossing: bool) -> type[Merges]:
    """Return the machine on a kind of store."""
    return type("Merges", (Merges,), {"source": staticmethod(SOURCES[where]), "crossing": crossing})


@pytest.mark.slow
@pytest.mark.parametrize("crossing", [False, True])
@pytest.mark.parametrize("where", SOURCES)
def test_c7_c9_b5_changes_are_seen_once_however_they_came(where: str, crossing: bool, soak: bool) -> None:
    few = settings(max_examples=5, stateful_step_count=40, derandomize=True)
    many = settings(max_examples=500, stateful_step_count=80)
    chosen = settings(many if soak else few, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine(where, crossing=crossing), settings=chosen)


RULES = {"work": 10, "act": 3, "commit": 1, "refresh": 1, "another": 1, "merge": 5}
"""How often each rule is followed, among all of them."""


def follow(history: Merges, seed: int, steps: int) -> None:
    """Follow the rules at random: all of them in each history, where Hypothesis leaves out most."""
    choose = random.Random(seed)
    rules = RULES | ({"merge_a_commit": 5} if history.crossing else {})
    kinds = [*PUTS, *PUTS, *UNDOING]
    history.begin()
    try:
        for name in choose.choices(list(rules), list(rules.values()), k=steps):
            given: dict[str, dict[str, Any]] = {
                "work": {"kinds": choose.choices(kinds, k=choose.randint(1, 3)), "which": choose.randrange(10)},
                "act": {"kind": choose.choice(kinds), "which": choose.randrange(10)},
                "another": {"new": choose.random() < 0.5},
                "merge": {"other": choose.randrange(BRANCHES_MAX)},
                "merge_a_commit": {"which": choose.randrange(PAST_MAX)},
            }
            getattr(history, name)(index=choose.randrange(HANDLES_MAX), **given.get(name, {}))
    finally:
        history.teardown()


@pytest.mark.slow
@pytest.mark.parametrize("crossing", [False, True])
@pytest.mark.parametrize("where", SOURCES)
def test_c7_c9_b5_changes_are_seen_once_in_long_histories(where: str, crossing: bool, soak: bool) -> None:
    seeds = 1_000 if soak else {"memory": 30, "file": 10}[where]
    asked, refused = 0, 0
    for seed in range(seeds):
        history = machine(where, crossing=crossing)()
        follow(history, seed, steps=STEPS)
        asked, refused = asked + history.merges["asked for"], refused + history.merges["refused"]
    assert refused < asked / 4
    assert crossing or not refused


@pytest.mark.slow
@pytest.mark.parametrize("seed", [85, 121, 185, 225, 265, 269])
def test_b1_what_was_taken_out_stays_out_when_merges_cross_again_and_again(seed: int) -> None:
    """One crossed merge puts the items of both sides in one order, and so writes rows anew.

    Another branch has meanwhile removed an item by ending the version of its row that it saw, not the new one: it was
    there again, at the end of these histories. Nothing tells whether the new version is a change, so it is a conflict.
    """
    follow(machine("memory", crossing=True)(), seed, steps=60)
