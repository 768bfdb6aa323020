"""`holdfast copy`: a store with its whole history into another one, with progress for a person who waits."""

from __future__ import annotations

import click
from rich.progress import BarColumn, Progress, TextColumn

import holdfast
from holdfast.cli import render
from holdfast.cli.jsontext import print_json
from holdfast.cli.surface import reports


@click.command(short_help="Copy a store with its whole history.")
@click.argument("source")
@click.argument("target")
@reports
def copy(source: str, target: str, *, as_json: bool) -> None:
    """Copy the store SOURCE with its whole history into TARGET: files or URLs, from any engine to any other.

    TARGET is new or empty, or an earlier copy of SOURCE: what was interrupted goes on where it was, and what was
    finished takes over what is new. Hashes are the same on both sides; all of them are verified before TARGET gets its
    branches. SOURCE is only read.
    """
    screen = render.console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("commits: {task.completed:,.0f}"))
    with Progress(*columns, console=screen, transient=True, disable=as_json or not screen.is_terminal) as progress:
        task = progress.add_task("copying", total=None)

        def follow(found: holdfast.Copied) -> None:
            done = found.commits + found.commits_present
            doing = "copying" if done < found.commits_total else "verifying"
            progress.update(task, total=found.commits_total, completed=done, description=doing)

        found = holdfast.copy(source, target, progress=follow)
    if as_json:
        print_json(found)
    else:
        click.echo(_told(found))


def _told(found: holdfast.Copied) -> str:
    present = render.count(found.commits_present, "commit")
    if not found.names:
        return f"nothing to copy: {present} already there"
    rows = render.count(found.rows, "version")
    told = f"copied {render.count(found.commits, 'commit')} with {rows} of rows"
    return f"{told}; {present} already there" if found.commits_present else told
