"""`holdfast state`: the variables of a branch, or of a commit of the past."""

from __future__ import annotations

import pprint
from typing import TYPE_CHECKING, Any

import click

import holdfast
from holdfast.cli import render
from holdfast.cli.grid import Grid
from holdfast.cli.jsontext import print_json, print_json_list
from holdfast.cli.surface import branch_option, reports, store_option
from holdfast.errors import NotFound

if TYPE_CHECKING:
    from holdfast.state.variables import State

CHARS_SHOWN_MAX = 20_000
WIDTH = 100


@click.command(short_help="Show the variables of a branch, or of a commit.")
@click.argument("key", required=False)
@click.option("--namespace", metavar="NAME", help="Those of a nested agent: names joined by '/'.")
@click.option("--at", metavar="REF", help="As they were at this branch, tag or commit.")
@click.option("--diff", "since", metavar="REF", help="What differs from this branch, tag or commit.")
@click.option("--events", is_flag=True, help="The log instead of the variables.")
@branch_option
@store_option
@reports
def state(
    key: str | None,
    namespace: str | None,
    at: str | None,
    since: str | None,
    branch: str,
    url: str,
    *,
    events: bool,
    as_json: bool,
) -> None:
    """Show the variables of an agent, one with its whole value if KEY names it.

    Variables of namespaces are shown as namespace/key.
    """
    if sum((key is not None, since is not None, events)) > 1:
        raise click.UsageError("KEY, --diff and --events are different questions; ask one")
    with holdfast.connect(url, branch=branch, create=False) as db:
        here = db.state.checkout(at or db.head)
        with here:
            inside = here
            for name in (namespace or "").split("/") if namespace else ():
                inside = inside.namespace(name)
            if since is not None:
                _print_diff(inside.diff(since), as_json=as_json)
            elif events:
                _print_events(inside.events(), as_json=as_json)
            elif key is None:
                _print_all(inside, as_json=as_json)
            else:
                _print_one(inside, key, as_json=as_json)


def _print_all(state: State, *, as_json: bool) -> None:
    if as_json:
        print_json(state.all_values())
    else:
        click.echo(holdfast.view(state, focus="full", max_chars=CHARS_SHOWN_MAX) or "no variables")


def _print_one(state: State, key: str, *, as_json: bool) -> None:
    try:
        value: Any = state[key]
    except KeyError as error:
        raise NotFound(f"no variable {key!r}; there are {sorted(state)}") from error
    if as_json:
        print_json(value)
    else:
        click.echo(value if isinstance(value, str) else pprint.pformat(value, width=WIDTH, sort_dicts=False))


def _print_diff(diff: holdfast.StateDiff, *, as_json: bool) -> None:
    if as_json:
        print_json(diff)
    else:
        click.echo(str(diff) or "no difference")


def _print_events(events: list[holdfast.Event], *, as_json: bool) -> None:
    if as_json:
        print_json_list(events)
        return
    if not events:
        click.echo("no events")
        return
    table = Grid("seq", "at", "kind", "in", "commit", "data")
    for event in events:
        commit = (event.commit_hash or "")[: render.HASH_SHOWN]
        shown = "" if event.data is None else repr(event.data)
        table.add_row(str(event.seq), render.moment(event.at), event.kind, event.run_id, commit, shown)
    for column in (0, 1, 4):
        table.keep_whole(column)
    table.print(render.console())
