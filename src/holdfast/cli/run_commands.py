"""`holdfast runs`, `start`, `signal`, `cancel` and `worker`: the runs of a store."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import holdfast
from holdfast.cli import render
from holdfast.cli.grid import Grid
from holdfast.cli.jsontext import print_json, print_json_list
from holdfast.cli.surface import reports, store_option
from holdfast.errors import InvalidValue, NotFound

STATUSES = ("queued", "running", "suspended", "complete", "failed", "cancelled")


@click.command(short_help="List runs, or show the steps of one.")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--status", type=click.Choice(STATUSES), help="Runs of this status only.")
@click.option("--limit", type=click.IntRange(min=1), help="So many at most, the newest first.")
@click.option("--events", is_flag=True, help="The events of RUN instead of its steps.")
@click.option("--follow", is_flag=True, help="Wait for the events that come, until RUN is at its end.")
@store_option
@reports
def runs(
    run_id: str | None,
    status: str | None,
    limit: int | None,
    url: str,
    *,
    events: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """List the runs of a store, the newest first; with RUN its steps, with each attempt."""
    if run_id is None and (events or follow):
        raise click.UsageError("say of which RUN the events are")
    with holdfast.connect(url, create=False) as db:
        if run_id is None:
            _print_runs(db.runs(status, limit=limit), as_json=as_json)
        elif events or follow:
            _print_events(db, run_id, limit, follow=follow, as_json=as_json)
        else:
            _print_steps(db.run(run_id), as_json=as_json)


def _print_runs(infos: list[holdfast.RunInfo], *, as_json: bool) -> None:
    if as_json:
        print_json_list(infos)
        return
    if not infos:
        click.echo("no runs")
        return
    table = Grid("run", "status", "function", "updated", "why")
    for info in infos:
        table.add_row(info.run_id, info.status, info.name, render.moment(info.updated), info.why)
    for column in (0, 1, 3):
        table.keep_whole(column)
    table.print(render.console())


def _print_steps(run: holdfast.Run, *, as_json: bool) -> None:
    info, steps = run.info, run.steps()
    if as_json:
        print_json({"run": info, "steps": steps, "usage": run.usage})
        return
    waits = f": {info.why}" if info.why else ""
    render.console().print(render.printable(f"run {info.run_id} is {info.status}{waits}"))
    if not steps:
        click.echo("no steps")
        return
    table = Grid("step", "name", "key", "attempt", "status", "seconds", "what came of it")
    for step in steps:
        shown = step.error if step.error is not None else repr(step.result)
        seconds = "" if step.seconds is None else f"{step.seconds:.3f}"
        table.add_row(str(step.seq or ""), step.name, step.key, str(step.attempt), step.status, seconds, shown)
    for column in (0, 1, 4):
        table.keep_whole(column)
    table.print(render.console())


def _print_events(db: holdfast.Store, run_id: str, limit: int | None, *, follow: bool, as_json: bool) -> None:
    found = db.events(run_id, limit=limit, follow=follow)
    if as_json:
        print_json_list(found)
        return
    for event in found:  # line by line, since more may come
        shown = "" if event.data is None else repr(event.data)
        line = f"{event.seq:>5}  {render.moment(event.at)}  {event.kind}  {event.step or ''}  {shown}".rstrip()
        click.echo(render.printable(line))


def value_of(text: str | None, what: str) -> Any:  # noqa: ANN401 - whatever was typed
    """Return the value of JSON text. Raises InvalidValue."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"{what} is JSON, such as '{{\"a\": 1}}' or '\"text\"': {error}") from error


@click.command(short_help="Let a worker begin a run.")
@click.argument("function")
@click.argument("run_id", metavar="RUN")
@click.argument("input_text", metavar="[INPUT]", required=False)
@store_option
@reports
def start(function: str, run_id: str, input_text: str | None, url: str, *, as_json: bool) -> None:
    """Let a run be worked on by the next free worker that knows FUNCTION. INPUT is JSON."""
    with holdfast.connect(url, create=False) as db:
        info = db.start(function, run_id, value_of(input_text, "INPUT"))
    if as_json:
        print_json(info)
    else:
        click.echo(f"run {info.run_id} is {info.status}")


@click.command(short_help="Send a signal to a run.")
@click.argument("run_id", metavar="RUN")
@click.argument("name")
@click.argument("data", required=False)
@store_option
@reports
def signal(run_id: str, name: str, data: str | None, url: str, *, as_json: bool) -> None:
    """Send the signal NAME to a run, with DATA, which is JSON. It is kept until the run receives it."""
    with holdfast.connect(url, create=False) as db:
        db.signal(run_id, name, value_of(data, "DATA"))
        status = db.run(run_id).status
    if as_json:
        print_json({"run_id": run_id, "status": status})
    else:
        click.echo(f"sent; run {run_id} is {status}")


@click.command(short_help="Cancel a run.")
@click.argument("run_id", metavar="RUN")
@store_option
@reports
def cancel(run_id: str, url: str, *, as_json: bool) -> None:
    """Cancel a run: at once if nobody works on it, else with the end of the step that is being done."""
    with holdfast.connect(url, create=False) as db:
        db.cancel(run_id)
        status = db.run(run_id).status
    if as_json:
        print_json({"run_id": run_id, "status": status})
    else:
        click.echo(f"run {run_id} is {status}" if status != "running" else f"run {run_id} ends with its present step")


@click.command(short_help="Work on runs until stopped.")
@click.argument("functions", metavar="MODULE:NAME[,NAME…]", nargs=-1, required=True)
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="So many runs at a time.")
@click.option("--until-idle", is_flag=True, help="Return when nothing is left to be done now.")
@store_option
@reports
def worker(functions: tuple[str, ...], concurrency: int, url: str, *, until_idle: bool, as_json: bool) -> None:
    """Take up the runs of functions of a Python module, until SIGTERM or Ctrl-C; then what is being done is ended."""
    del as_json
    found = {name: function for text in functions for name, function in named_in(text)}
    with holdfast.connect(url) as db:
        click.echo(f"works on {', '.join(sorted(found))}", err=True)
        db.worker(found, concurrency=concurrency).run(until_idle=until_idle)


def named_in(text: str) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return the functions that "module:name,name" names. Raises InvalidValue and NotFound."""
    module_name, colon, names = text.partition(":")
    if not module_name or not colon or not names:
        raise InvalidValue(f"{text!r} names no functions; write MODULE:NAME, as in agents.research:summarize")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise NotFound(f"the module {module_name!r} cannot be imported: {error}") from error
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for name in names.split(","):
        function = getattr(module, name, None)
        if not callable(function):
            raise NotFound(f"the module {module_name!r} has no function {name!r}")
        found.append((name, function))
    return found
