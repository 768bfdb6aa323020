"""The commands that remove: `holdfast gc` and `holdfast erase`."""

from __future__ import annotations

import sys
from typing import Any, cast

import click

import holdfast
from holdfast.cli import render
from holdfast.cli.jsontext import print_json
from holdfast.cli.surface import reports, store_option
from holdfast.core.canonical import json_value
from holdfast.errors import InvalidValue


@click.command(short_help="Remove what no branch or tag sees.")
@click.option("--older-than", metavar="AGE", help="Prune commits older than this, such as 30d or 12h.")
@click.option("--keep-last", metavar="N", type=click.IntRange(min=1), help="Keep the newest N commits of each branch.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@store_option
@reports
def gc(older_than: str | None, keep_last: int | None, url: str, *, dry_run: bool, as_json: bool) -> None:
    """Remove what nobody can ask for any more, in short transactions, beside writers.

    Without options that is what no branch, tag or lease sees. With --older-than or --keep-last, commits that neither
    keeps are pruned: log still lists them, but they cannot be read any more. Branches and tags always stay.
    """
    follow = not as_json and sys.stderr.isatty()
    with holdfast.connect(url, create=False) as db:
        found = db.gc(
            older_than=older_than,
            keep_last=keep_last,
            dry_run=dry_run,
            progress=(lambda so_far: click.echo(f"\r{_told(so_far)}", err=True, nl=False)) if follow else None,
        )
    if follow and found != holdfast.Collected():
        click.echo(err=True)
    if as_json:
        print_json(found)
    elif found == holdfast.Collected():
        click.echo("nothing to remove")
    else:
        click.echo(_told(found, _PLANNED if dry_run else _DONE))


_DONE = ("removed", "pruned", "folded")
_PLANNED = ("would remove", "prune", "fold")


def _told(found: holdfast.Collected, verbs: tuple[str, str, str] = _DONE) -> str:
    remove, prune, fold = verbs
    rows, commits = render.count(found.rows, "version"), render.count(found.commits_removed, "commit")
    told = [f"{remove} {rows} of rows and {commits}"]
    if found.commits_pruned:
        told.append(f"{prune} {render.count(found.commits_pruned, 'commit')}")
    if found.lines_folded:
        told.append(f"{fold} {render.count(found.lines_folded, 'line')}")
    return "; ".join(told)


@click.command(short_help="Remove rows for good, from all history and from the file.")
@click.argument("subject")
@click.option("--texts", is_flag=True, help="Erase messages and metadata of the commits that made these rows, too.")
@store_option
@reports
def erase(subject: str, url: str, *, texts: bool, as_json: bool) -> None:
    """Remove rows for good: from every branch, every commit of the past, and the bytes of the file.

    SUBJECT is JSON: for each table a list of keys, or an object of columns with the values that the rows had:
    '{"users": [7], "steps": [["run-1", 3]], "messages": {"user_id": 7}}'.
    """
    given = json_value(subject, "the subject")
    if not isinstance(given, dict):
        raise InvalidValue("the subject is a JSON object of tables")
    tables = cast("dict[str, object]", given)
    with holdfast.connect(url, create=False) as db:
        found = db.erase({name: _keys(what) for name, what in tables.items()}, texts=texts)
    if as_json:
        print_json(found)
    else:
        versions = render.count(found.versions, "version")
        click.echo(
            f"erased {render.count(found.rows, 'row')} in {versions}, of {render.count(found.commits, 'commit')}"
        )


def _keys(what: object) -> Any:  # noqa: ANN401 - JSON, which has no tuples
    if not isinstance(what, list):
        return what
    keys = cast("list[object]", what)
    return [tuple(cast("list[object]", key)) if isinstance(key, list) else key for key in keys]
