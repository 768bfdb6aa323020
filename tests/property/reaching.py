"""Running a state machine until it has done every kind of operation that it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

ROUNDS_MAX = 4


def run_through(kinds: frozenset[str], machine: Callable[[Counter[str]], Any], options: settings) -> Counter[str]:
    """Run until operations of all kinds were done, and count them.

    What a seed leads to depends on the constants that Hypothesis finds in the modules that are loaded, so no number of
    histories is sure to reach the rarest kinds: then others follow.
    """
    done: Counter[str] = Counter()
    for number in range(ROUNDS_MAX):
        run_state_machine_as_test(seed(number)(machine(done)), settings=options)
        if (+done).keys() >= kinds:
            return done
    assert sorted(kind for kind in kinds if not done[kind]) == []
    return done
