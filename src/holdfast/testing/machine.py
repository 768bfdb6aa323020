"""A Hypothesis state machine that drives an engine and the oracle side by side.

Each operation is done to both. Then the outcomes are compared (a hash, a value, or the kind of error with the set of
conflicts), the snapshots of all branch heads, and the snapshot of one commit from any time before. The engine has two
connections, and each operation picks one, so neither may rely on what it remembers.

Names, keys and values are few, so that operations meet. A `Counter` collects how often each kind of operation
succeeded: a machine that stopped reaching a kind would otherwise go unnoticed.
"""

# pyright: basic
# (an engine is driven by whatever has the methods)

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from holdfast.core.schema import Table
from holdfast.testing.oracle import Oracle
from holdfast.testing.outcomes import Outcome, comparable, outcome_of
from holdfast.testing.schemas import JOURNAL, STEPS, TEXT, USERS, table
from holdfast.testing.stand_ins import EPOCH_US, FakeClock, SeededIds
from holdfast.testing.wishes import (
    BRANCHES,
    TAGS,
    PickedDelete,
    PickedUpdate,
    Wish,
    branches,
    connections,
    emails,
    kinds_of_ref,
    pick,
    policies,
    wishes,
)
from holdfast.versions.edits import Delete, Edit, Put, Update
from holdfast.versions.policies import Policy

KINDS = frozenset(
    {
        "branch:branch", "branch:tag", "branch:commit", "branch:recreated", "branch:refused",
        "commit", "commit:noop", "commit:refused", "commit:update back", "commit:restore",
        "delete branch", "delete branch:refused", "diff:same", "diff:different", "log", "no such ref", "refs:prefix",
        "merge:clean", "merge:conflict", "merge:constraint", "merge:criss-cross", "merge:forward", "merge:noop",
        "merge:refused", "merge:repeated", "merge:resolved", "merge:tag", "merge:commit",
        "dry run:clean", "dry run:left", "dry run:noop", "dry run:resolved",
        "pick:branch", "pick:clean", "pick:commit", "pick:conflict", "pick:constraint", "pick:merge", "pick:noop",
        "pick:refused", "pick:resolved", "pick:tag",
        "revert:branch", "revert:clean", "revert:commit", "revert:conflict", "revert:constraint", "revert:merge",
        "revert:noop", "revert:refused", "revert:resolved", "revert:tag",
        "reset", "reset:away and back", "snapshot", "table", "table:refused",
        "tag", "tag:deleted", "tag:refused", "verify",
    }
)  # fmt: skip
"""What a long enough run of the machine must have done at least once."""


@dataclass(frozen=True)
class Pair:
    """Two connections to one store, and how to be rid of it."""

    first: Any
    second: Any
    close: Callable[[], None]

    def connection(self, number: int) -> Any:  # noqa: ANN401
        """Return one of the two."""
        return self.second if number else self.first


MakePair = Callable[[FakeClock, SeededIds], Pair]


def _create(definition: Table) -> Callable[[Any], object]:
    return lambda store: store.create_table("main", definition)


def _branch(name: str) -> Callable[[Any], object]:
    return lambda store: store.branch(name)


class _Machine(RuleBasedStateMachine):
    """The machine; `state_machine` fills in the class attributes."""

    make_pair: Callable[[FakeClock, SeededIds], Pair]
    collected: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.clocks = FakeClock(), FakeClock()
        self.ids = SeededIds(0), SeededIds(0)
        self.operations = 0
        self.oracle = Oracle(self.clocks[0], self.ids[0])
        self.pair = type(self).make_pair(self.clocks[1], self.ids[1])
        self.made = [self.oracle.head("main")]
        self.tags: set[str] = set()
        self.gone: set[str] = set()
        self.left_behind: dict[str, str] = {}
        self.merged: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        self.pair.close()

    # What the rules are made of.

    def both(self, on: int, call: Callable[[Any], object], *, compare: bool = True) -> object:
        """Do one operation to the oracle and to a connection of the engine; both must come to the same."""
        self.operations += 1
        for clock, ids in zip(self.clocks, self.ids, strict=True):
            clock.set(EPOCH_US + self.operations * 1_000_000)
            ids.seed(self.operations)
        expected = outcome_of(lambda: call(self.oracle))
        actual = outcome_of(lambda: call(self.pair.connection(on)))
        assert expected == actual, f"the oracle says {expected!r}, the engine {actual!r}"
        if compare:
            self.compare(1 - on)
        return expected

    def compare(self, on: int) -> None:
        """Compare all heads and one commit of the past, as seen by a connection."""
        engine = self.pair.connection(on)
        heads = comparable(self.oracle.branches())
        assert heads == comparable(engine.branches())
        for branch in self.oracle.branches():
            if branch.head not in self.made:
                self.made.append(branch.head)
            self.compare_at(engine, branch.name)
        self.compare_at(engine, self.made[zlib.crc32(b"%d" % self.operations) % len(self.made)])

    def compare_at(self, engine: Any, ref: str) -> None:  # noqa: ANN401
        expected, actual = self.oracle.snapshot(ref), engine.snapshot(ref)
        assert expected == actual, f"at {ref!r} the oracle shows {expected!r}, the engine {actual!r}"

    def count(self, kind: str, outcome: object = None) -> bool:
        """Count an operation, as refused if its outcome is an error of ours."""
        failed = isinstance(outcome, tuple) and len(outcome) == 1
        self.collected[f"{kind}:refused" if failed else kind] += 1
        return not failed

    def ref(self, at: int, wanted: str = "") -> tuple[str, str]:
        """Return the kind of a ref, and the ref; if there is any, one of the kind that is wanted."""
        refs = [
            ("branch", sorted(self.names())),
            ("tag", sorted(self.tags - self.names())),
            ("commit", self.made),
        ]
        there = [pair for pair in refs if pair[1]]
        there = [pair for pair in there if pair[0] == wanted] or there
        kind, names = there[(0, 1, 2, 0, -1)[at % 5] % len(there)]
        return kind, names[at // 5 % len(names)]

    def edits(self, branch: str, wanted: Sequence[Wish]) -> list[Edit]:
        """Turn wishes into edits of rows that the branch has, where they need one."""
        rows = self.oracle.snapshot(branch) if branch in self.names() else {}
        edits: list[Edit] = []
        for wish in wanted:
            name = wish.to.table if isinstance(wish, PickedUpdate) else wish.table
            keys = sorted(rows.get(name, {}), key=repr)
            if isinstance(wish, Put):
                edits.append(wish)
            elif isinstance(wish, PickedDelete):
                edits.append(Delete(name, keys[wish.place % len(keys)] if keys else _nobody(name)))
            elif keys:
                edits.append(Update(name, keys[wish.place % len(keys)], wish.to.values))
            else:
                edits.append(wish.to)
        return edits

    def names(self) -> set[str]:
        return {branch.name for branch in self.oracle.branches()}

    def name(self, at: int) -> str:
        """Return the name of a branch: mostly of one that exists."""
        there = sorted(self.names())
        return BRANCHES[at // 8 % len(BRANCHES)] if at % 8 == 7 else there[at // 8 % len(there)]

    def two_names(self, at: int) -> tuple[str, str]:
        """Return two branches that exist."""
        names = sorted(self.names())
        first = names.pop(at % len(names))
        return first, names[at // 7 % len(names)]

    # The rules.

    @initialize(on=connections)
    def create_tables(self, on: int) -> None:
        """Begin with tables, rows and branches, so that a short run already has something to disagree about."""
        for definition in (STEPS, USERS, JOURNAL):
            self.both(on, _create(definition))
        rows = [Put("users", {"id": id_, "email": None, "age": 0}) for id_ in (1, 2)]
        self.both(on, lambda store: store.commit("main", [*rows, Put("journal", {"line": "hello"})], "rows"))
        for name in ("a", "b"):
            self.both(on, _branch(name))
        self.both(on, lambda store: store.commit("a", [Put("users", {"id": 1, "age": 1})], "on a"))
        self.both(on, lambda store: store.tag("v1", "a"))
        self.tags.add("v1")

    @rule(on=connections, at=pick, name=st.sampled_from(["steps", "extra", "Extra", "more"]))
    def create_table(self, on: int, at: int, name: str) -> None:
        branch = self.name(at)
        new = table(name, {"id": TEXT, "note": TEXT}, primary_key=("id",))
        self.count("table", self.both(on, lambda store: store.create_table(branch, new)))

    @rule(on=connections, name=branches, at=pick, wanted=kinds_of_ref)
    def branch(self, on: int, name: str, at: int, wanted: str) -> None:
        kind, ref = self.ref(at, wanted)
        if self.count("branch", outcome := self.both(on, lambda store: store.branch(name, ref))):
            self.collected[f"branch:{kind}"] += 1
            self.collected["branch:recreated"] += name in self.gone
            assert outcome == self.oracle.head(ref)

    @rule(on=connections, at=pick)
    def delete_branch(self, on: int, at: int) -> None:
        name = self.name(at)
        if self.count("delete branch", self.both(on, lambda store: store.delete_branch(name))):
            self.gone.add(name)

    @rule(on=connections, at=pick, to=pick)
    def reset(self, on: int, at: int, to: int) -> None:
        name, ref = self.name(at), self.ref(to)[1]
        before = self.oracle.head(name) if name in self.names() else ""
        if self.count("reset", self.both(on, lambda store: store.reset(name, ref))):
            self.left_behind[name] = before

    @precondition(lambda self: self.left_behind.keys() & self.names())
    @rule(on=connections, at=pick)
    def reset_back(self, on: int, at: int) -> None:
        """Reset a branch to where it was before it was reset."""
        known = sorted(self.left_behind.keys() & self.names())
        name = known[at % len(known)]
        back = self.left_behind.pop(name)
        assert self.both(on, lambda store: store.reset(name, back)) == back
        self.collected["reset:away and back"] += 1

    @rule(on=connections, name=st.sampled_from(TAGS), at=pick)
    def tag(self, on: int, name: str, at: int) -> None:
        _, ref = self.ref(at)
        if self.count("tag", self.both(on, lambda store: store.tag(name, ref))):
            self.tags.add(name)

    @rule(on=connections, name=st.sampled_from(TAGS))
    def delete_tag(self, on: int, name: str) -> None:
        if self.both(on, lambda store: store.delete_tag(name)) is None:
            self.collected["tag:deleted"] += 1
            self.tags.discard(name)

    @rule(on=connections, at=pick, wanted=wishes)
    def commit(self, on: int, at: int, wanted: Sequence[Wish]) -> None:
        branch = self.name(at)
        self.commit_edits(on, branch, self.edits(branch, wanted), "commit")

    @precondition(lambda self: len(self.names()) > 1)
    @rule(on=connections, at=pick, one=wishes, two=wishes)
    def commit_to_two(self, on: int, at: int, one: Sequence[Wish], two: Sequence[Wish]) -> None:
        """Let two branches go apart."""
        for branch, wanted in zip(self.two_names(at), (one, two), strict=True):
            self.commit_edits(on, branch, self.edits(branch, wanted), "commit")

    @precondition(lambda self: len(self.names()) > 1)
    @rule(on=connections, at=pick, email=emails)
    def claim(self, on: int, at: int, email: str | None) -> None:
        """Let two branches use one UNIQUE value in different rows."""
        for id_, branch in enumerate(self.two_names(at), 1):
            self.commit_edits(on, branch, [Put("users", {"id": id_, "email": email})], "commit")

    @rule(on=connections, at=pick, commits=st.integers(1, 2))
    def update_back(self, on: int, at: int, commits: int) -> None:
        """Change a row and change it back, in one commit or in two."""
        branch = sorted(self.names())[at % len(self.names())]
        rows = self.oracle.snapshot(branch)["users"]
        if not rows:
            return
        id_, email, age = rows[sorted(rows, key=repr)[at // 7 % len(rows)]]
        there, back = (Put("users", {"id": id_, "email": email, "age": value}) for value in (7, age))
        if commits == 1:
            self.commit_edits(on, branch, [there, back], "commit")
        else:
            self.commit_edits(on, branch, [there], "commit")
            self.commit_edits(1 - on, branch, [back], "commit:update back")

    @rule(on=connections, at=pick)
    def restore(self, on: int, at: int) -> None:
        """Put all rows of `users` as they are at another ref, over what the branch has: equal rows with other ids."""
        branch = sorted(self.names())[at // 11 % len(self.names())]
        rows = self.oracle.snapshot(self.ref(at)[1]).get("users", {})
        edits = [Put("users", {"id": id_, "email": email, "age": age}) for id_, email, age in rows.values()]
        self.commit_edits(on, branch, edits, "commit:restore")

    def commit_edits(self, on: int, branch: str, edits: Sequence[Edit], kind: str) -> None:
        before = self.oracle.head(branch) if branch in self.names() else None
        message = f"{kind} {self.operations}"
        after = self.both(on, lambda store: store.commit(branch, edits, message))
        if after == before:
            kind = "commit:noop"
        self.count("commit" if isinstance(after, tuple) else kind, after)

    @rule(on=connections, source=pick, into=pick, policy=policies)
    def merge(self, on: int, source: int, into: int, policy: Policy) -> None:
        kind, ref = self.ref(source)
        self.merge_ref(on, kind, ref, self.name(into), policy, rehearsed=source % 2 == 0)

    @precondition(lambda self: len(self.names()) > 1)
    @rule(on=connections, at=pick, policy=policies)
    def merge_branches(self, on: int, at: int, policy: Policy) -> None:
        """Merge two branches that exist."""
        source, into = self.two_names(at)
        self.merge_ref(on, "branch", source, into, policy, rehearsed=at % 2 == 0)

    @rule(on=connections, at=pick, onto=pick, policy=policies)
    def cherry_pick(self, on: int, at: int, onto: int, policy: Policy) -> None:
        kind, ref = self.ref(at)
        if kind == "commit":  # mostly a late one, which not every branch has
            ref = self.made[-1 - at // 5 % min(len(self.made), 8)]
        self.copy(on, "pick", kind, ref, self.name(onto), policy, rehearsed=onto % 2 == 0)

    @rule(on=connections, at=pick, onto=pick, policy=policies)
    def revert(self, on: int, at: int, onto: int, policy: Policy) -> None:
        kind, ref = self.ref(at)
        self.copy(on, "revert", kind, ref, self.name(onto), policy, rehearsed=onto % 2 == 0)

    @rule(on=connections, at=pick, policy=policies, again=st.booleans())
    def revert_own(self, on: int, at: int, policy: Policy, *, again: bool) -> None:
        """Take back one of a branch's newest commits, and perhaps take that back."""
        onto = sorted(self.names())[at % len(self.names())]
        newest = self.oracle.log(onto, 3)
        self.copy(on, "revert", "commit", newest[at // 7 % len(newest)].hash, onto, policy, rehearsed=at % 2 == 0)
        if again:
            self.copy(1 - on, "revert", "branch", onto, onto, policy, rehearsed=at % 2 == 1)

    @precondition(lambda self: len(self.names()) > 1)
    @rule(on=connections, at=pick, policy=policies, number=st.integers(1, 3))
    def pick_and_merge(self, on: int, at: int, policy: Policy, number: int) -> None:
        """Pick the newest commits of a branch, oldest first, then merge it: rows come by two ways."""
        source, onto = self.two_names(at)
        for commit in reversed(self.oracle.log(source, number)):
            self.copy(on, "pick", "commit", commit.hash, onto, policy, rehearsed=at % 2 == 0)
        self.merge_ref(1 - on, "branch", source, onto, policy, rehearsed=at % 2 == 1)

    @precondition(lambda self: len(self.names()) > 1)
    @rule(on=connections, at=pick, policy=policies)
    def pick_claim(self, on: int, at: int, policy: Policy) -> None:
        """Pick the use of a UNIQUE value that another row has here; then take back what once freed the value."""
        source, onto = self.two_names(at)
        email = f"e{at % 3}"
        self.commit_edits(on, source, [Put("users", {"id": 2, "email": email})], "commit")
        self.commit_edits(on, onto, [Put("users", {"id": 1, "email": email})], "commit")
        self.copy(1 - on, "pick", "branch", source, onto, policy, rehearsed=at % 2 == 0)
        self.commit_edits(on, onto, [Put("users", {"id": 1, "email": None})], "commit")
        freed = self.oracle.head(onto)
        self.commit_edits(on, onto, [Put("users", {"id": 2, "email": email})], "commit")
        self.copy(1 - on, "revert", "commit", freed, onto, policy, rehearsed=at % 2 == 1)

    def copy(self, on: int, word: str, kind: str, ref: str, onto: str, policy: Policy, *, rehearsed: bool) -> None:
        merge = len(self.oracle.at(ref).parents) == 2

        def call(store: Any, *, dry_run: bool) -> object:  # noqa: ANN401
            operation = store.cherry_pick if word == "pick" else store.revert
            return operation(ref, onto, policy, dry_run=dry_run)

        outcome = self.bring(on, word, onto, call, rehearsed=rehearsed)
        if isinstance(outcome, Outcome) and outcome.changed:
            self.collected.update([f"{word}:{kind}", *[f"{word}:merge"] * merge])

    def bring(self, on: int, word: str, onto: str, call: Callable[..., object], *, rehearsed: bool) -> object:
        """Merge, pick or revert, perhaps after a dry run, which has to foretell what comes."""
        before = self.oracle.head(onto) if onto in self.names() else ""
        foretold = self.both(on, lambda store: call(store, dry_run=True)) if rehearsed else None
        assert not before or self.oracle.head(onto) == before
        outcome = self.both(on, lambda store: call(store, dry_run=False))
        if isinstance(foretold, Outcome):
            self.check_foretold(foretold, outcome, before, onto)
        if isinstance(outcome, Outcome):
            kind = "noop" if not outcome.changed else "resolved" if outcome.conflicts else "clean"
        elif isinstance(outcome, tuple) and outcome[0] == "MergeConflict":
            kind = "constraint" if any(conflict[-1] for conflict in outcome[1]) else "conflict"
            assert self.oracle.head(onto) == before
        else:
            assert foretold in (None, outcome)
            kind = "refused"
        self.collected[f"{word}:{kind}"] += 1
        return outcome

    def check_foretold(self, foretold: Outcome, outcome: object, before: str, onto: str) -> None:
        assert foretold.commit == before
        if isinstance(outcome, Outcome):
            assert (foretold.changed, foretold.conflicts) == (outcome.changed, outcome.conflicts)
            assert foretold.left == frozenset()
            assert foretold.changes == comparable(self.oracle.diff(before, self.oracle.head(onto)))
            kind = "noop" if not outcome.changed else "resolved" if outcome.conflicts else "clean"
        else:
            assert isinstance(outcome, tuple)
            assert outcome[1]
            assert outcome[1] <= foretold.left
            assert not foretold.changed
            kind = "left"
        self.collected[f"dry run:{kind}"] += 1

    @precondition(lambda self: len(self.names()) > 1)
    @rule(on=connections, at=pick, one=policies, two=policies, wanted=st.lists(wishes, min_size=2, max_size=4))
    def criss_cross(self, on: int, at: int, one: Policy, two: Policy, wanted: Sequence[Sequence[Wish]]) -> None:
        """Let two branches each merge what the other was, go on, and meet: they have two common ancestors by then."""
        x, y = self.two_names(at)
        self.commit_edits(on, x, self.edits(x, wanted[0]), "commit")
        self.commit_edits(1 - on, y, self.edits(y, wanted[1]), "commit")
        old_x, old_y = self.oracle.head(x), self.oracle.head(y)
        self.merge_ref(on, "commit", old_y, x, one)
        self.merge_ref(1 - on, "commit", old_x, y, two)
        for branch, edits in zip((x, y), wanted[2:], strict=False):
            self.commit_edits(on, branch, self.edits(branch, edits), "commit")
        for place, branch in enumerate((x, y)):
            cell = {"age": at % 3} if place else {"email": f"e{at % 3}"}
            self.commit_edits(on, branch, [Put("users", {"id": at % 2 + 1, **cell})], "commit")
        self.merge_ref(on, "branch", y, x, one)

    def merge_ref(self, on: int, kind: str, ref: str, into: str, policy: Policy, *, rehearsed: bool = False) -> None:
        known = into in self.names()
        source = self.oracle.head(ref)
        crossed = known and not self.oracle.has_one_base(ref, into)
        forward = known and self.oracle.at(into).point in self.oracle.at(ref).seen

        def call(store: Any, *, dry_run: bool) -> object:  # noqa: ANN401
            return store.merge(ref, into, policy, dry_run=dry_run)

        outcome = self.bring(on, "merge", into, call, rehearsed=rehearsed)
        if isinstance(outcome, Outcome):
            kinds = {
                "merge:repeated": not outcome.changed and (source, into) in self.merged,
                "merge:criss-cross": outcome.changed and crossed,
                "merge:forward": outcome.changed and forward,
                f"merge:{kind}": outcome.changed,
            }
            self.collected.update([name for name, is_it in kinds.items() if is_it])
            self.merged.add((source, into))

    @precondition(lambda self: self.merged)
    @rule(on=connections, at=pick, policy=policies)
    def merge_again(self, on: int, at: int, policy: Policy) -> None:
        """Merge something again: a no-op unless the branch was reset meanwhile."""
        source, into = sorted(self.merged)[at % len(self.merged)]
        self.merge_ref(on, "commit", source, into, policy)

    @rule(on=connections, a=pick, b=pick)
    def diff(self, on: int, a: int, b: int) -> None:
        one, other = self.ref(a)[1], self.ref(b)[1]
        outcome = self.both(on, lambda store: store.diff(one, other), compare=False)
        self.collected["diff:different" if outcome else "diff:same"] += 1

    @rule(on=connections, at=pick)
    def snapshot(self, on: int, at: int) -> None:
        ref = self.ref(at)[1]
        self.both(on, lambda store: store.snapshot(ref), compare=False)
        self.collected["snapshot"] += 1

    @rule(on=connections, at=pick, limit=st.none() | st.integers(1, 5))
    def log(self, on: int, at: int, limit: int | None) -> None:
        ref = self.ref(at)[1]
        self.both(on, lambda store: store.log(ref, limit), compare=False)
        self.collected["log"] += 1

    @rule(on=connections, at=pick, length=st.integers(7, 64))
    def prefix(self, on: int, at: int, length: int) -> None:
        """Name a commit by the beginning of its hash."""
        short = self.made[at % len(self.made)][:length]
        self.both(on, lambda store: store.head(short), compare=False)
        self.collected["refs:prefix"] += 1

    @rule(on=connections, at=pick, ref=st.sampled_from(["nothing", "0000000", "", "abc", "v1", "MAIN", "f" * 64]))
    def unknown_ref(self, on: int, at: int, ref: str) -> None:
        """Ask for what is, mostly, not there."""
        branch = BRANCHES[at % len(BRANCHES)]
        calls: list[Callable[[Any], object]] = [
            lambda store: store.head(ref),
            lambda store: store.snapshot(ref),
            lambda store: store.diff("main", ref),
            lambda store: store.merge(ref, "main"),
            lambda store: store.reset(branch, ref),
            lambda store: store.cherry_pick(ref, "main"),
            lambda store: store.revert("main", ref, dry_run=True),
        ]
        if isinstance(self.both(on, calls[at // 7 % len(calls)]), tuple):
            self.collected["no such ref"] += 1

    @rule(on=connections)
    def verify(self, on: int) -> None:
        """Let both look for damage."""
        assert self.oracle.verify() == []
        self.pair.connection(on).verify()
        self.collected["verify"] += 1


def _nobody(name: str) -> tuple[object, ...]:
    """Return a key that no row has."""
    return {"steps": ("r9", 9), "users": (99,), "journal": ("0" * 32, 1, 1)}[name]


def state_machine(make_pair: MakePair, collected: Counter[str] | None = None) -> type[RuleBasedStateMachine]:
    """Return a state machine that compares the stores of `make_pair` with the oracle.

    Args:
        make_pair: opens a new, empty store with this clock and these ids, and two connections to it.
        collected: counts the operations that succeeded, by kind; see `KINDS`.
    """
    namespace = {
        "make_pair": staticmethod(make_pair),
        "collected": Counter() if collected is None else collected,
    }
    return type("EngineAgainstOracle", (_Machine,), namespace)
