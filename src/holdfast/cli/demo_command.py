"""`holdfast demo`: what Holdfast promises, seen happening in a few seconds."""

from __future__ import annotations

import random
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import resources
from itertools import count
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import holdfast
from holdfast.cli import render
from holdfast.cli.grid import print_trimmed
from holdfast.cli.jsontext import print_json
from holdfast.cli.player import last_step, steps_of
from holdfast.cli.rehearsal import Check, Facts, Kill, Killing, explore
from holdfast.cli.surface import reports
from holdfast.core.refs import MAIN
from holdfast.errors import InvalidValue

RUN_FIRST = 42


@click.command(short_help="See a run survive its kills, then branch, compare and merge.")
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "--store", "url", metavar="URL", help="Keep the demo's run here.  [default: a new file in a temporary folder]"
)
@click.option("--seed", type=int, help="Kill at the same steps as another demo did.")
@reports
def demo(trace: Path | None, url: str | None, seed: int | None, *, as_json: bool) -> None:
    """Play a TRACE while its process is killed again and again; then explore on branches, compare and merge.

    Without a TRACE it plays a small recorded run: an agent that repairs a program until its tests pass.
    """
    if url == ":memory:":
        raise InvalidValue("a store in memory does not outlive its process, and the demo kills it; name a file")
    started = time.perf_counter()
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    out = Console(quiet=True) if as_json else render.console()
    with ExitStack() as stack:
        if trace is None:
            trace = stack.enter_context(resources.as_file(resources.files("holdfast.cli") / "slots.traj"))
        steps = steps_of(trace)
        url = url or str(Path(tempfile.mkdtemp(prefix="holdfast-demo-")) / "demo.db")
        effects = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "effects.log"
        with holdfast.connect(url) as db:
            facts = Facts(trace=trace.name, store=url, run_id=_free_run(db))
        chance = random.Random(seed)  # noqa: S311 - it shall be possible to repeat it
        _kill_and_resume(out, Killing(url, MAIN, trace, steps, effects, facts, chance, _teller(out, len(steps))))
        with holdfast.connect(url, create=False) as db:
            _explore(out, db, facts)
            facts.verified = str(db.verify())
            facts.check(f"every hash holds: {facts.verified}", True)  # noqa: FBT003 - verify raises otherwise
    facts.seconds = round(time.perf_counter() - started, 2)
    _conclude(out, facts, seed)
    if as_json:
        print_json(facts)
    if not all(check.held for check in facts.checks):
        sys.exit(1)


def _free_run(db: holdfast.Store) -> str:
    """Return the first of run-42, run-43, … that has neither a step nor a branch in the store."""
    branches = {branch.name for branch in db.branches()}
    for number in count(RUN_FIRST):
        run_id = f"run-{number}"
        if not last_step(db, run_id) and not any(name.startswith(f"{run_id}/") for name in branches):
            return run_id
    raise AssertionError("unreachable: the numbers do not end")


def _heading(out: Console, number: int, words: str) -> None:
    out.print(Text(f"\n{number}. {words}", style="bold"))


def _kill_and_resume(out: Console, killing: Killing) -> None:
    facts = killing.facts
    _heading(out, 1, "A run whose process is killed with SIGKILL at random moments")
    out.print(f"   {facts.trace} as {facts.run_id}: each step one durable commit in a child process\n")
    killing.run()
    out.print(f"   finished: {render.count(facts.steps, 'step')}, {render.count(len(facts.kills), 'kill')}")
    _checks(out, facts.checks)
    if facts.steps_repeated:
        again = ", ".join(map(str, facts.steps_repeated))
        out.print(f"   in flight when killed, and so begun again: step {again}")


def _teller(out: Console, steps: int) -> Callable[[Kill], None]:
    def tell(kill: Kill) -> None:
        if kill.committed < kill.step:
            when = "before its commit" if kill.began else "before it began"
        else:
            when = "after its commit" if kill.acknowledged >= kill.step else "after its commit, before it said so"
        following = f"next: step {kill.committed + 1:>2}" if kill.committed < steps else "next: nothing"
        out.print(Text.assemble(("   ✗ ", "red"), f"step {kill.step:>2}  killed {when}".ljust(53), following))

    return tell


def _explore(out: Console, db: holdfast.Store, facts: Facts) -> None:
    _heading(out, 2, "Two approaches on two branches: how to shorten what the model reads again?")
    checked = len(facts.checks)
    explore(db, facts)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("   main", "everything as it was", Text(f"{facts.characters_before:,} characters", justify="right"))
    for approach in facts.approaches:
        best = approach.branch == facts.winner
        table.add_row(
            Text(f"   {approach.branch}", style="green" if best else ""),
            approach.idea,
            Text(f"{approach.characters:,} characters", justify="right"),
        )
    print_trimmed(out, table)
    _heading(out, 3, "Compared in SQL, across branches")
    out.print(Text("\n" + "\n".join(f"   {line}" for line in facts.comparison.splitlines()) + "\n", style="cyan"))
    render.rows(out, list(facts.compared[0]), facts.compared)
    _heading(out, 4, f"The winner, {facts.winner}, is merged")
    changed = next(approach.rows_changed for approach in facts.approaches if approach.branch == facts.winner)
    out.print(f"   it changed {render.count(changed, 'row')}; meanwhile main wrote tokens_used in the same rows")
    out.print(f"   rows merge cell by cell: commit {facts.merge_commit[: render.HASH_SHOWN]}")
    if facts.conflicts_of_the_other:
        conflicts = render.count(facts.conflicts_of_the_other, "conflict")
        out.print(f"   merging the other one too is refused: {conflicts} need a decision")
    _checks(out, facts.checks[checked:])


def _checks(out: Console, checks: list[Check]) -> None:
    for check in checks:
        mark = ("   ✓ ", "green") if check.held else ("   FAILED ", "bold red")
        out.print(Text.assemble(mark, check.claim), soft_wrap=True)


def _conclude(out: Console, facts: Facts, seed: int) -> None:
    _heading(out, 5, "Verified")
    _checks(out, facts.checks[-1:])
    held = sum(check.held for check in facts.checks)
    verdict = f"{held} of {len(facts.checks)} checks held, in {facts.seconds:.1f} s"
    style = "bold green" if held == len(facts.checks) else "bold red"
    out.print(Text(f"\n{verdict}", style=style), Text(f"(--seed {seed})", style="dim"))
    store = shlex.quote(facts.store)
    program = "holdfast" if shutil.which("holdfast") else f"{shlex.quote(sys.executable)} -m holdfast.cli"
    out.print(
        "Look around:\n"  # noqa: S608 - printed
        f"  {program} log --store {store}\n"
        f"  {program} diff {facts.winner} main --store {store}\n"
        f"  {program} sql 'SELECT step, thought FROM iterations' --store {store}",
        soft_wrap=True,
    )
