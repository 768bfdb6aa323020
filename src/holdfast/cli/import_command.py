"""`holdfast import`: traces in, with progress for a person who waits."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn

import holdfast
from holdfast.capture import Imported, Trajectory, import_trace, read_traces
from holdfast.cli import render
from holdfast.cli.grid import Grid
from holdfast.cli.jsontext import plain, print_json
from holdfast.cli.surface import branch_option, report_error, reports, store_exists, store_option
from holdfast.errors import HoldfastError

_READS_PER_FILE = 2
"""An import checks the whole file before it writes."""


@dataclass(slots=True)
class _Outcome:
    done: list[Imported] = field(default_factory=list)
    failed: list[HoldfastError] = field(default_factory=list)


@click.command("import", short_help="Import traces of other agents.")
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--prefix", default="", metavar="NAME", help="Put NAME/ before the name of each run.")
@branch_option
@store_option
@reports
def import_traces(traces: tuple[Path, ...], prefix: str, branch: str, url: str, *, as_json: bool) -> None:
    """Import traces: SWE-agent trajectories (.traj), OpenAI-format conversations (.jsonl).

    Each trajectory becomes a run in one commit, each step a row of the table iterations. What is there already stays as
    it is, so an import that was interrupted is simply started again. A malformed file is left out as a whole.
    """
    outcome = _Outcome()
    if not store_exists(url):
        traces = _readable(traces, outcome)
    if traces:
        with holdfast.connect(url, branch=branch) as db:
            _import_all(db, traces, prefix, outcome)
    for error in outcome.failed:
        report_error(error, as_json=as_json)
    if outcome.done:
        _report(outcome, as_json=as_json)
    if outcome.failed:
        sys.exit(1)


def _readable(traces: tuple[Path, ...], outcome: _Outcome) -> tuple[Path, ...]:
    """Return the traces that are well-formed, so that no store is made for none; note the errors of the others."""
    readable: list[Path] = []
    for path in traces:
        try:
            for _ in read_traces(path):
                pass
            readable.append(path)
        except HoldfastError as error:
            outcome.failed.append(error)
    return tuple(readable)


def _import_all(db: holdfast.Store, traces: tuple[Path, ...], prefix: str, outcome: _Outcome) -> None:
    screen = render.console(stderr=True)
    columns = (TextColumn("{task.fields[name]}"), BarColumn(), TextColumn("runs: {task.fields[runs]}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        for path in traces:
            size = path.stat().st_size if path.is_file() else 0
            task = progress.add_task("", total=size * _READS_PER_FILE, name=render.printable(path.name), runs=0)
            runs = 0

            def on_bytes(more: int, task: object = task) -> None:
                progress.advance(task, more)  # type: ignore[arg-type]

            def on_run(_: Trajectory, task: object = task) -> None:
                nonlocal runs
                runs += 1
                progress.update(task, runs=runs)  # type: ignore[arg-type]

            try:
                outcome.done.append(import_trace(db, path, prefix=prefix, on_bytes=on_bytes, on_run=on_run))
            except HoldfastError as error:
                outcome.failed.append(error)


def _report(outcome: _Outcome, *, as_json: bool) -> None:
    runs = sum(imported.runs_added for imported in outcome.done)
    steps = sum(imported.steps_added for imported in outcome.done)
    present = sum(imported.runs_present for imported in outcome.done)
    if as_json:
        totals = {"runs_added": runs, "steps_added": steps, "runs_present": present}
        print_json({**totals, "files": [plain(imported) for imported in outcome.done]})
        return
    table = Grid("file", "runs added", "steps added", "already there")
    for at in (1, 2, 3):
        table.keep_whole(at, right=True)
    for imported in outcome.done:
        counts = (imported.runs_added, imported.steps_added, imported.runs_present)
        table.add_row(render.printable(imported.source), *(f"{number:,}" for number in counts))
    table.print(render.console())
    if runs:
        click.echo(f"imported {render.count(runs, 'run')} with {render.count(steps, 'step')}")
    else:
        click.echo(f"nothing to import: {render.count(present, 'run')} already there")
