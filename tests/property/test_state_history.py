"""Goal: a state is a dict that remembers. Method: a state machine drives a `Versioned` and plain Python side by side.

Values are set, moved and shared, and changed in place at any depth: through fresh reads, and through references that
were kept since before, committed or not. After each commit what is stored is read anew and compared with the model, in
value, type and order; commits of the past still show what they showed. Seen to fail: single notes of StateDict and
StateList taken away, held objects taken for unheld ones, `renew` left out, reinserted keys left where they stood,
chunks that differ taken for equal.
"""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from holdfast import Disk, Memory, Versioned
from tests.property.state_operations import both, walk
from tests.property.state_values import container_of, contains, plain, shown, unaliased, value_of

Place = tuple[str, str]
"""A namespace and a key."""

PLACES: tuple[Place, ...] = (("", "x"), ("", "y"), ("", "z"), ("a", "x"), ("a/b", "x"))
SEEDS = st.integers(0, 2**32)
Snapshot = dict[Place, Any]
COMMITS_KEPT = 5
HELD_MAX = 6
CHANGES_MAX = 8
CHARS_MAX = 400_000
STEPS = 60


class History(RuleBasedStateMachine):
    """A state, the values that it should have, and what the user of both holds of them."""

    source: Callable[[Path], Any]

    @initialize(seed=SEEDS)
    def begin(self, seed: int) -> None:
        """Open a store, and put something everywhere."""
        self.folder = tempfile.TemporaryDirectory()
        self.at = type(self).source(Path(self.folder.name))
        self.state = self.opened()
        self.model: Snapshot = {}
        self.committed: Snapshot = {}
        self.held: list[tuple[Any, Any]] = []
        self.past: list[tuple[str, Snapshot]] = [(self.state.head, {})]
        self.steps = 0
        self.hot = PLACES[0]  # where most changes are made, so that they meet
        choose = self.chooser(seed)
        for place in PLACES:
            self.put(place, container_of(choose), keep=False)
        self.commit()

    def chooser(self, seed: int) -> random.Random:
        """Return what chooses in a step: the same seed does other things in another step."""
        self.steps += 1
        return random.Random(f"{seed} {self.steps}")

    def opened(self, *, verify: bool = False) -> Versioned:
        """Return another handle."""
        return Versioned(self.at, verify=verify, durability="process" if isinstance(self.at, Path) else "full")

    def space(self, place: Place, state: Versioned | None = None) -> Versioned:
        """Return the namespace of a place."""
        found = self.state if state is None else state
        for name in filter(None, place[0].split("/")):
            found = found.namespace(name)
        return found

    def get(self, place: Place, state: Versioned | None = None) -> Any:
        """Return the value of a place."""
        return self.space(place, state)[place[1]]

    def compare(self, state: Versioned, model: Snapshot) -> None:
        """Hold a state against what it should have."""
        for namespace in ("", "a", "a/b"):
            keys = [key for space, key in model if space == namespace]
            assert sorted(self.space((namespace, ""), state)) == sorted(keys)
        for place, value in model.items():
            assert shown(self.get(place, state)) == shown(value), place

    def hold(self, real: Any, model: Any) -> None:
        """Keep references."""
        self.held = [*self.held[-HELD_MAX + 1 :], (real, model)]

    # Changes

    def put(self, place: Place, value: Any, *, keep: bool) -> None:
        """Set a key, and perhaps keep the object."""
        real, model = unaliased(value), unaliased(value)
        self.space(place)[place[1]] = real
        self.model[place] = model
        if keep and plain(model) in (list, dict, set):
            self.hold(real, model)

    def remove(self, place: Place) -> None:
        """Remove a key."""
        if place in self.model:
            del self.model[place]
            del self.space(place)[place[1]]
        else:
            with pytest.raises(KeyError):
                del self.space(place)[place[1]]

    @rule(seed=SEEDS)
    def assign(self, seed: int) -> None:
        """Set a key."""
        choose = self.chooser(seed)
        self.put(choose.choice(PLACES), value_of(choose), keep=choose.random() < 0.5)

    @rule(seed=SEEDS)
    def delete(self, seed: int) -> None:
        """Remove a key."""
        self.remove(self.chooser(seed).choice(PLACES))

    @rule(seed=SEEDS)
    def change(self, seed: int) -> None:
        """Change values in place, at some depth."""
        choose = self.chooser(seed)
        if choose.random() < 0.3:
            self.hot = choose.choice(PLACES)
        for _ in range(choose.randint(1, CHANGES_MAX)):
            place = self.hot if choose.random() < 0.8 else choose.choice(PLACES)
            if place not in self.model or len(repr(self.model[place])) > CHARS_MAX:
                self.put(place, container_of(choose), keep=False)
            self.change_one(self.get(place), self.model[place], choose)

    def change_one(self, real: Any, model: Any, choose: random.Random) -> None:
        """Change a container at some depth, and perhaps keep a reference to it."""
        found = walk(real, model, choose)
        if found:
            both(*found, choose)
            if choose.random() < 0.2:
                self.hold(*found)

    @rule(seed=SEEDS)
    def change_and_commit(self, seed: int) -> None:
        """Change values in place, and commit; often, since it is what all is about."""
        self.change(seed)
        self.commit()

    @rule(seed=SEEDS)
    def change_held(self, seed: int) -> None:
        """Change values through references that were kept."""
        choose = self.chooser(seed)
        for real, model in self.held:
            if choose.random() < 0.5 and len(repr(model)) < CHARS_MAX:
                self.change_one(real, model, choose)

    @rule(seed=SEEDS)
    def move(self, seed: int) -> None:
        """Let another key have a value too, or instead."""
        choose = self.chooser(seed)
        place, other = choose.sample(PLACES, 2)
        if place in self.model:
            self.space(other)[other[1]] = self.get(place)
            self.model[other] = self.model[place]
            if choose.random() < 0.6:
                self.remove(place)

    @rule(seed=SEEDS)
    def put_held(self, seed: int) -> None:
        """Put an object that was kept somewhere: at a key, or into another container."""
        choose = self.chooser(seed)
        if not self.held:
            return
        real, model = choose.choice(self.held)
        place = choose.choice(PLACES)
        found = walk(self.get(place), self.model[place], choose) if place in self.model else None
        if found is None or choose.random() < 0.2:
            self.space(place)[place[1]] = real
            self.model[place] = model
        elif not contains(model, found[1]) and len(repr(found[1])) < CHARS_MAX:
            at = choose.randrange(4)
            for container, item in zip(found, (real, model), strict=True):
                if plain(container) is list:
                    container.insert(at, item)
                elif plain(container) is dict:
                    container["held"] = item

    @rule()
    def let_go(self) -> None:
        """Drop all references."""
        self.held = []

    # Commits

    @rule()
    def commit(self) -> None:
        """Commit, and read what is stored."""
        before = self.state.head
        self.committed = unaliased_all(self.model)
        head = self.state.commit()
        self.past = [*self.past[-COMMITS_KEPT:], (head, self.committed)]
        with self.state.checkout(head) as there:
            self.compare(there, self.committed)
        if head == before:
            with self.state.checkout(before) as there:
                self.compare(there, self.committed)
        self.nothing_left()

    def nothing_left(self) -> None:
        """Another commit finds nothing."""
        assert self.state.pending() == []
        assert self.state.commit() == self.state.head

    def begin_again(self) -> None:
        """What is pending is forgotten; what was held is let go, and changes nothing any more."""
        for real, model in self.held:
            if plain(real) is list:
                real.append(model)
        self.model = unaliased_all(self.committed)
        self.held = []

    @rule(seed=SEEDS)
    def go_back(self, seed: int) -> None:
        """Discard, open the store again, or revert to a commit of the past."""
        choose = self.chooser(seed)
        verify = choose.random() < 0.2
        ways: list[Callable[[], None]] = [self.discard, lambda: self.reopen(verify=verify), lambda: self.revert(choose)]
        choose.choice(ways)()

    def discard(self) -> None:
        """Forget what is pending."""
        self.state.discard()
        self.begin_again()

    def reopen(self, *, verify: bool) -> None:
        """Open the store again: what was committed is there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # something may be pending
            self.state.close()
        self.state = self.opened(verify=verify)
        self.begin_again()
        self.compare(self.state, self.committed)
        assert self.state.pending() == []

    def revert(self, choose: random.Random) -> None:
        """Go back, by a new commit."""
        head, snapshot = choose.choice(self.past)
        self.state.revert_to(head)
        self.committed = snapshot
        self.begin_again()
        self.compare(self.state, snapshot)
        self.nothing_left()

    @rule(seed=SEEDS)
    def look_back(self, seed: int) -> None:
        """A commit shows what it showed, a value is the same object each time, and looking at all finds no change."""
        head, snapshot = self.chooser(seed).choice(self.past)
        with self.state.checkout(head) as there:
            self.compare(there, snapshot)
        for place in self.model:
            assert self.get(place) is self.get(place)
        with self.opened(verify=True) as other:
            self.compare(other, self.committed)
            assert other.pending() == []
            assert other.commit() == other.head == self.state.head

    @invariant()
    def alike(self) -> None:
        """What is there is what should be."""
        if hasattr(self, "model"):
            for place, value in self.model.items():
                assert shown(self.get(place)) == shown(value), place

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "state"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                self.state.close()
            self.folder.cleanup()


def unaliased_all(snapshot: Snapshot) -> Snapshot:
    """Return copies of all values, no two of which share anything."""
    return {place: unaliased(value) for place, value in snapshot.items()}


SOURCES: dict[str, Callable[[Path], Any]] = {
    "file": lambda folder: folder / "state.db",
    "memory": lambda _: Memory(),
    "disk": lambda folder: Disk(folder / "state"),
}


RULES = {
    "change_and_commit": 10, "change": 4, "assign": 1, "delete": 1, "change_held": 4, "move": 2, "put_held": 3,
    "let_go": 2, "commit": 2, "go_back": 1, "look_back": 1,
}  # fmt: skip
"""How often each rule is followed, among all of them."""


def machine(where: str) -> type[History]:
    """Return the machine on a kind of store."""
    return type("History", (History,), {"source": staticmethod(SOURCES[where])})


def follow(history: History, seed: int, steps: int) -> None:
    """Follow the rules at random: all of them in each history, where Hypothesis leaves out most."""
    choose = random.Random(seed)
    history.begin(seed=seed)
    try:
        for rule_name in choose.choices(list(RULES), list(RULES.values()), k=steps):
            given = {} if rule_name in ("let_go", "commit") else {"seed": choose.randrange(2**32)}
            getattr(history, rule_name)(**given)
            history.alike()
    finally:
        history.teardown()


@pytest.mark.slow
@pytest.mark.parametrize("where", SOURCES)
def test_u1_u2_u3_a_state_is_a_dict_that_remembers(where: str, soak: bool) -> None:
    seeds = 1_500 if soak else {"memory": 30, "file": 12, "disk": 6}[where]
    for seed in range(seeds):
        follow(machine(where)(), seed, steps=STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("where", SOURCES)
def test_u1_u2_u3_no_short_history_loses_anything(where: str, soak: bool) -> None:
    """By Hypothesis, which makes of a history that fails the shortest that does."""
    few = settings(max_examples=8, stateful_step_count=30, derandomize=True)
    many = settings(max_examples=1_000, stateful_step_count=80)
    chosen = settings(many if soak else few, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine(where), settings=chosen)
