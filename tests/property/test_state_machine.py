"""Goal: every engine does what the oracle does. Method: a Hypothesis state machine drives both side by side.

That it reached every kind of operation is itself tested, and so is that it notices an engine that is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from holdfast.engine.sql import reader
from holdfast.engine.tree import reader as tree_reader
from holdfast.engine.tree import recent
from holdfast.testing.machine import KINDS, MakePair, state_machine
from tests.property.reaching import run_through
from tests.property.stores import (
    cached_pair,
    disk_pair,
    memory_pair,
    oracle_pair,
    postgres_pair,
    sqlite_pair,
    valkey_pair,
)

RUNS, STEPS_EACH = 250, 40
TREE_RUNS = 120
SOAK_RUNS, SOAK_STEPS_EACH = 5_000, 120


def _settings(soak: bool, runs: int) -> settings:
    """A short run is the same each time; a long one looks elsewhere each time."""
    return settings(
        max_examples=SOAK_RUNS if soak else runs,
        stateful_step_count=SOAK_STEPS_EACH if soak else STEPS_EACH,
        derandomize=not soak,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def _run(make_pair: MakePair, soak: bool, runs: int) -> Counter[str]:
    collected: Counter[str] = Counter()
    run_state_machine_as_test(state_machine(make_pair, collected), settings=_settings(soak, runs))
    return collected


def _run_through(make_pair: MakePair, soak: bool, runs: int) -> None:
    run_through(KINDS, partial(state_machine, make_pair), _settings(soak, runs))


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a failure is made small before it is shown, which takes minutes
@pytest.mark.parametrize("make_pair", [oracle_pair, sqlite_pair])
def test_engine_does_what_the_oracle_does(make_pair: MakePair, soak: bool) -> None:
    _run_through(make_pair, soak, RUNS)


@pytest.fixture
def few_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree takes changes in after a few commits: histories are short."""
    monkeypatch.setattr(recent, "STATES_MAX", 2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("few_states")
def test_a_tree_does_what_the_oracle_does(soak: bool) -> None:
    _run_through(memory_pair, soak, TREE_RUNS)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("make_pair", [disk_pair, cached_pair])
@pytest.mark.usefixtures("few_states")
def test_a_tree_in_folders_does_what_the_oracle_does(make_pair: MakePair, soak: bool) -> None:
    """A few histories are enough: what is new here is that two connections share nothing but the disk."""
    assert _run(make_pair, soak, TREE_RUNS // 10)["merge:clean"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_tree_that_reads_each_row_from_its_end_does_the_same(monkeypatch: pytest.MonkeyPatch, soak: bool) -> None:
    """A row of many versions is looked up line by line; here each row is."""
    monkeypatch.setattr(tree_reader, "VERSIONS_READ", 1)
    assert _run(memory_pair, soak, TREE_RUNS // 3)["merge:clean"] > 0


@pytest.mark.slow
def test_long_vectors_do_the_same(monkeypatch: pytest.MonkeyPatch, soak: bool) -> None:
    """SQLite looks long vectors up in a table; here nearly all count as long."""
    monkeypatch.setattr(reader, "CASE_LINES_MAX", 1)
    collected = _run(sqlite_pair, soak, RUNS // 3)
    assert collected["merge:clean"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("lines", [12, 1])
def test_postgresql_does_what_the_oracle_does(monkeypatch: pytest.MonkeyPatch, soak: bool, lines: int) -> None:
    """Two connections by two engines; in one of the runs nearly all vectors count as long."""
    monkeypatch.setattr(reader, "CASE_LINES_MAX", lines)
    assert _run(postgres_pair, soak, TREE_RUNS // 10)["merge:clean"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("few_states")
def test_valkey_does_what_the_oracle_does(soak: bool) -> None:
    """Two connections that share nothing but the server, and take no turns."""
    assert _run(valkey_pair, soak, TREE_RUNS // 10)["merge:clean"] > 0


BREAKS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "merge": lambda merge: (
        lambda source, into, policy="fail", message=None, dry_run=False: merge(
            source, into, "ours" if policy == "theirs" else policy, message, dry_run=dry_run
        )
    ),
    "cherry_pick": lambda cherry_pick: (
        lambda ref, onto, policy="fail", message=None, dry_run=False: cherry_pick(
            ref, onto, "theirs" if policy == "fail" else policy, message, dry_run=dry_run
        )
    ),
    "revert": lambda revert: (
        lambda ref, onto, policy="fail", message=None, dry_run=False: revert(
            ref, onto, policy, "revert" if dry_run else message, dry_run=False
        )
    ),
    "commit": lambda commit: lambda branch, edits, message="": commit(branch, edits[:3], message),
    "diff": lambda diff: lambda a, b: diff(a, b)[:2],
    "reset": lambda reset: lambda branch, to: reset(branch, "main" if to in ("a", "v1") else to),
    "log": lambda log: lambda ref, limit=None: log(ref, limit)[:30] if limit is None else log(ref, limit + 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", sorted(BREAKS))
def test_machine_notices_an_engine_that_is_wrong(broken: str) -> None:
    """A machine that cannot fail proves nothing: here one operation of the engine is slightly wrong."""

    def make_pair(clock: object, ids: object) -> object:
        pair = oracle_pair(clock, ids)  # type: ignore[arg-type]
        setattr(pair.first, broken, BREAKS[broken](getattr(pair.first, broken)))
        return pair

    machine = state_machine(make_pair)  # type: ignore[arg-type]
    quick = settings(_settings(soak=False, runs=RUNS), database=None, phases=["generate"])  # type: ignore[list-item]
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=quick)
