"""What `holdfast demo` shows: a run that is killed again and again, and two approaches on two branches.

Nothing here is arranged. The child process is killed with SIGKILL at a random moment of a random step, and what it had
acknowledged until then is held against the store and against the effect log, which the child wrote without Holdfast.
The parent hands out the steps one by one, so that a kill has a step to meet; when in the step it comes is up to chance.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import holdfast
from holdfast.capture import TraceStep
from holdfast.cli.player import last_step, read_effects
from holdfast.errors import MergeConflict, StoreError

KILLS = 8
OBSERVATIONS_KEPT = 5
CHARACTERS_KEPT = 200

_KILL_WITHIN = 0.6
"""Of the time of a step: waking and killing take time too, and kills shall come before, in and after the commit."""

_STEP_SECONDS_FIRST = 0.01
"""How long a step is taken to last until one was measured."""


class DemoFailed(StoreError):
    """The demo saw what must not be."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill: the step that the child was to take, the last one it had acknowledged, and what was found after it."""

    step: int
    acknowledged: int
    committed: int
    began: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A claim, and whether it held."""

    claim: str
    held: bool


@dataclass(frozen=True, slots=True)
class Approach:
    """A branch, what was tried on it, and the characters that the model would read again."""

    branch: str
    idea: str
    rows_changed: int
    characters: int


@dataclass(slots=True)
class Facts:
    """What the demo found out."""

    trace: str
    store: str
    run_id: str
    steps: int = 0
    kills: list[Kill] = field(default_factory=list)
    steps_repeated: list[int] = field(default_factory=list)
    characters_before: int = 0
    approaches: list[Approach] = field(default_factory=list)
    comparison: str = ""
    compared: list[dict[str, Any]] = field(default_factory=list)
    winner: str = ""
    merge_commit: str = ""
    conflicts_of_the_other: int = 0
    verified: str = ""
    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    def check(self, claim: str, held: bool) -> None:  # noqa: FBT001 - the verdict
        """Note whether a claim held."""
        self.checks.append(Check(claim, held))


@dataclass(slots=True)
class Killing:
    """The first part: play the trace in child processes, and kill them."""

    url: str
    branch: str
    trace: Path
    steps: tuple[TraceStep, ...]
    effects: Path
    facts: Facts
    random: random.Random
    on_kill: Callable[[Kill], None]
    _step_seconds: float = _STEP_SECONDS_FIRST

    def run(self) -> None:
        """Play the trace to its end."""
        self.facts.steps = len(self.steps)
        victims = sorted(self.random.sample(range(1, len(self.steps) + 1), min(KILLS, len(self.steps))))
        resumed_right = True
        while True:
            expected = self._committed()
            victims = [step for step in victims if step > expected]
            resumed, kill = self._child(victims[0] if victims else None)
            resumed_right &= resumed == expected
            if kill is None:
                break
            victims = victims[1:]
            self.facts.kills.append(kill)
            self.on_kill(kill)
        self._judge(resumed_right=resumed_right)

    def _child(self, victim: int | None) -> tuple[int, Kill | None]:
        """Run one child until its end, or kill it in the step `victim`. Return where it resumed."""
        command = [sys.executable, "-m", "holdfast.cli.player"]
        command += [self.url, self.branch, self.facts.run_id, str(self.trace), str(self.effects)]
        # A session of its own, because Ctrl-C is for the parent, which then ends the child.
        child = subprocess.Popen(  # noqa: S603 - it is ourselves
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
        )
        with child:
            if child.stdin is None or child.stdout is None:
                raise AssertionError("unreachable: both pipes were asked for")
            try:
                resumed = acknowledged = _heard(child.stdout.readline(), "resumed")
                while acknowledged < len(self.steps):
                    started = time.perf_counter()
                    child.stdin.write("\n")
                    if victim is not None and acknowledged + 1 == victim:
                        return resumed, self._kill(child, victim, acknowledged)
                    acknowledged = _heard(child.stdout.readline(), "committed")
                    self._step_seconds = time.perf_counter() - started
            except BaseException:
                child.kill()
                raise
        if child.returncode:
            raise DemoFailed(f"the child process ended with {child.returncode}; its own message is above")
        return resumed, None

    def _kill(self, child: subprocess.Popen[str], step: int, acknowledged: int) -> Kill:
        """Kill the child at a random moment while it takes the step, or just after."""
        time.sleep(self.random.uniform(0, _KILL_WITHIN * self._step_seconds))
        child.kill()
        rest, _ = child.communicate()
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                acknowledged = _heard(line, "committed")
        began = ("began", step) in set(read_effects(self.effects))
        return Kill(step, acknowledged, self._committed(), began)

    def _committed(self) -> int:
        with holdfast.connect(self.url, branch=self.branch) as db:
            return last_step(db, self.facts.run_id)

    def _judge(self, *, resumed_right: bool) -> None:
        facts = self.facts
        with holdfast.connect(self.url, branch=self.branch) as db:
            rows = db.execute(
                "SELECT step, action, observation, state_snapshot, raw FROM iterations WHERE run_id = %s ORDER BY step",
                [facts.run_id],
            ).fetchall()
            messages = Counter(commit.message for commit in db.log())
        effects = Counter(read_effects(self.effects))
        numbers = range(1, facts.steps + 1)
        recorded = [(s.step, s.action, s.observation, s.state, s.raw) for s in self.steps]
        facts.steps_repeated = [step for step in numbers if effects["began", step] > 1]
        in_flight = {kill.step for kill in facts.kills if kill.committed < kill.step}
        facts.check(
            "what was acknowledged was there after each kill", all(k.acknowledged <= k.committed for k in facts.kills)
        )
        facts.check("each child went on after the last committed step", resumed_right)
        facts.check("every step is there once, as it was recorded", [tuple(row.values()) for row in rows] == recorded)
        facts.check("every step is one commit", all(messages[f"{facts.run_id}: step {n}"] == 1 for n in numbers))
        witnessed = all(effects["began", n] and effects["ended", n] <= 1 for n in numbers)
        facts.check("the effect log has every step, and none ended twice", witnessed)
        facts.check("only steps in flight were begun again", set(facts.steps_repeated) <= in_flight)


def _heard(line: str, word: str) -> int:
    """Return the step that the child tells of."""
    said = json.loads(line) if line else None
    if not said or said[0] != word:
        raise DemoFailed(f"the child process said {line!r} instead of {word!r}; its own message is above")
    return int(said[1])


def explore(db: holdfast.Store, facts: Facts) -> None:
    """The second part: try two ways to shorten what the model reads again, compare them, and merge the better one."""
    run = facts.run_id
    fork = db.head
    facts.characters_before = _characters(db, run)
    keep, cut = OBSERVATIONS_KEPT, CHARACTERS_KEPT
    ideas: list[tuple[str, str, str, list[object]]] = [
        (
            f"{run}/approach-a",
            f"leave out all but the last {keep} observations",
            """UPDATE iterations SET observation = '(left out)'
               WHERE run_id = %s AND step <= %s AND length(observation) > 10""",
            [run, facts.steps - keep],
        ),
        (
            f"{run}/approach-b",
            f"keep the first and the last {cut} characters of each",
            """UPDATE iterations SET observation =
                   substr(observation, 1, %s) || ' … ' || substr(observation, length(observation) - %s)
               WHERE run_id = %s AND length(observation) > %s""",
            [cut, cut - 1, run, 2 * cut + 3],
        ),
    ]
    for branch, idea, statement, parameters in ideas:
        with db.branch(branch) as tried:
            with tried.transaction(idea):
                tried.execute(statement, parameters)
            changed = len(list(db.diff(fork, tried.head)))
            facts.approaches.append(Approach(branch, idea, changed, _characters(tried, run)))
    with db.transaction("estimate the tokens, while others try approaches"):
        db.execute(
            """UPDATE iterations SET tokens_used = (length(coalesce(action, '')) + length(coalesce(observation, '')))
                   / 4
               WHERE run_id = %s AND tokens_used IS NULL""",
            [run],
        )
    best, other = sorted(facts.approaches, key=lambda approach: approach.characters)
    facts.winner = best.branch
    facts.comparison = _comparison(facts)
    facts.compared = db.execute(facts.comparison).fetchall()
    _merge(db, facts, best, other, fork)


def _comparison(facts: Facts) -> str:
    """Return the SQL that compares the two approaches with the branch they started from."""
    a, b = (approach.branch for approach in facts.approaches)
    return f"""SELECT m.step, m.tool, length(m.observation) AS before,
       length(a.observation) AS approach_a,
       length(b.observation) AS approach_b
FROM iterations m
JOIN "iterations@{a}" a USING (run_id, step)
JOIN "iterations@{b}" b USING (run_id, step)
WHERE run_id = '{facts.run_id}'
ORDER BY before DESC LIMIT 6"""  # noqa: S608 - names of ours


def _merge(db: holdfast.Store, facts: Facts, best: Approach, other: Approach, fork: str) -> None:
    run = facts.run_id
    tokens = _column(db, run, "tokens_used")
    shortened = _column(db.checkout(best.branch), run, "observation")
    merged = db.merge(best.branch)
    facts.merge_commit = merged.commit
    facts.check("the merge kept what the branch wrote", _column(db, run, "observation") == shortened)
    facts.check("and what was written beside it meanwhile", _column(db, run, "tokens_used") == tokens)
    before = db.head
    try:
        db.merge(other.branch)
    except MergeConflict as conflict:
        facts.conflicts_of_the_other = len(conflict.conflicts)
        facts.check("a merge that needs a decision changes nothing", db.head == before)
    with db.checkout(fork) as past:
        facts.check("the full text is still there, in the past", _characters(past, run) == facts.characters_before)


def _column(db: holdfast.Store, run: str, column: str) -> Sequence[object]:
    found = db.execute(f"SELECT {column} FROM iterations WHERE run_id = %s ORDER BY step", [run])  # noqa: S608 - a name of ours
    return [row[column] for row in found]


def _characters(db: holdfast.Store, run: str) -> int:
    row = db.execute("SELECT sum(length(observation)) AS n FROM iterations WHERE run_id = %s", [run]).fetchone()
    return row["n"] or 0 if row else 0
