"""What the demo would say of a store that lost, doubled or altered a step."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import holdfast
from holdfast.capture import INSERT_STEP, ITERATIONS, TraceStep, step_row
from holdfast.cli.rehearsal import Facts, Kill, Killing


def step(number: int) -> TraceStep:
    return TraceStep(
        number, "assistant", "action", "ls", None, f"ls {number}", "a b", None, None, None, {"action": "ls"}
    )


STEPS = tuple(step(number) for number in (1, 2, 3))
EFFECTS = [f"{word} {number}." for number in (1, 2, 3) for word in ("began", "ended")]

Judge = Callable[..., set[str]]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that gives the claims that do not hold, of what a store and an effect log have."""

    def failed(
        rows: tuple[TraceStep, ...] = STEPS,
        effects: list[str] = EFFECTS,
        kill: Kill | None = None,
        messages: tuple[str, ...] = ("run-42: step 1", "run-42: step 2", "run-42: step 3"),
    ) -> set[str]:
        url, log = str(tmp_path / "a.db"), tmp_path / "effects.log"
        with holdfast.connect(url) as db:
            db.execute(ITERATIONS)
            for message, row in zip(messages, rows, strict=False):
                with db.transaction(message):
                    db.execute(INSERT_STEP, step_row("run-42", row))
        log.write_text("".join(f"{line}\n" for line in effects))
        facts = Facts("a.traj", url, "run-42", steps=len(STEPS), kills=[kill] if kill else [])
        killing = Killing(url, "main", tmp_path / "a.traj", STEPS, log, facts, random.Random(0), lambda _: None)
        killing._judge(resumed_right=True)
        return {check.claim for check in facts.checks if not check.held}

    return failed


def test_a_sound_run_passes(judge: Judge) -> None:
    assert judge() == set()


def test_a_step_that_was_in_flight_may_begin_twice(judge: Judge) -> None:
    assert judge(effects=["began 2.", *EFFECTS], kill=Kill(2, 1, 1, began=True)) == set()


def test_a_line_that_was_cut_off_says_nothing(judge: Judge) -> None:
    assert judge(effects=["", "began 2", *EFFECTS]) == set()


def test_a_lost_step_is_seen(judge: Judge) -> None:
    assert judge(rows=STEPS[:2]) == {"every step is there once, as it was recorded", "every step is one commit"}


def test_an_altered_step_is_seen(judge: Judge) -> None:
    altered = (*STEPS[:2], replace(STEPS[2], observation="c"))

    assert judge(rows=altered) == {"every step is there once, as it was recorded"}


def test_a_lost_acknowledgement_is_seen(judge: Judge) -> None:
    assert judge(kill=Kill(3, 2, 1, began=True)) == {"what was acknowledged was there after each kill"}


def test_a_step_that_began_again_after_its_commit_is_seen(judge: Judge) -> None:
    assert judge(effects=["began 2.", *EFFECTS], kill=Kill(2, 2, 2, began=True)) == {
        "only steps in flight were begun again"
    }


def test_a_step_that_ended_twice_is_seen(judge: Judge) -> None:
    assert judge(effects=[*EFFECTS, "ended 2."]) == {"the effect log has every step, and none ended twice"}


def test_a_step_that_never_began_is_seen(judge: Judge) -> None:
    assert judge(effects=EFFECTS[2:]) == {"the effect log has every step, and none ended twice"}
