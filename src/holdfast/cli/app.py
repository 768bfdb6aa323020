"""The commands of `holdfast`."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence

import click
from rich.text import Text

import holdfast
from holdfast.cli import render
from holdfast.cli.copy_command import copy
from holdfast.cli.demo_command import demo
from holdfast.cli.grid import Grid
from holdfast.cli.import_command import import_traces
from holdfast.cli.inbox_commands import answer, approve, inbox, print_frames, reject, resume
from holdfast.cli.jsontext import plain, print_json, print_json_list
from holdfast.cli.merging import cherry_pick, merge, revert
from holdfast.cli.removal_commands import erase, gc
from holdfast.cli.run_commands import cancel, runs, signal, start, worker
from holdfast.cli.state_command import state
from holdfast.cli.surface import Group, branch_option, reports, store_option
from holdfast.core.refs import MAIN
from holdfast.errors import NotFound, ReadOnly
from holdfast.tables.statement import Verb, parse

COMMITS_SHOWN_MAX = 25


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="holdfast", message="holdfast %(version)s")
def commands() -> None:
    """Keep the state of agent loops: every step a durable, branchable, queryable commit."""


commands.add_command(demo)
commands.add_command(import_traces)


@commands.command(short_help="Run one SQL statement.")
@click.argument("statement")
@click.option("--branch", metavar="NAME", help="The branch to be on.  [default: main]")
@click.option("--at", metavar="REF", help="Read at this branch, tag or commit.")
@store_option
@reports
def sql(statement: str, at: str | None, branch: str | None, url: str, *, as_json: bool) -> None:
    """Run one SQL STATEMENT. A write is one commit. `-` reads the statement from stdin.

    "T@REF" reads table T at another branch, tag or commit, joins included.
    """
    if at and branch:
        raise click.UsageError("--at and --branch both say where; give one of them")
    if statement == "-":
        statement = sys.stdin.read()
    parsed = parse(statement)
    if at and parsed.verb is not Verb.SELECT:
        raise ReadOnly("--at only reads; to write, use --branch (holdfast branch NAME --at REF makes one)")
    with holdfast.connect(url, branch=branch or MAIN, create=parsed.summary.startswith("CREATE")) as here:
        db = here.checkout(at) if at else here
        before = db.head
        cursor = db.execute(statement)
        columns = cursor.columns
        if columns:
            if as_json:
                print_json_list(cursor)
            else:
                render.rows(render.console(), columns, cursor)
            return
        commit = db.head if db.head != before else None
        if as_json:
            print_json({"rowcount": cursor.rowcount, "commit": commit})
        else:
            done = render.count(cursor.rowcount, "row") + " changed" if cursor.rowcount >= 0 else "done"
            click.echo(f"{done}; commit {commit[: render.HASH_SHOWN]}" if commit else f"{done}; no commit")


@commands.command(short_help="List commits, newest first.")
@click.argument("ref", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Show at most this many commits.")
@branch_option
@store_option
@reports
def log(ref: str | None, limit: int | None, branch: str, url: str, *, as_json: bool) -> None:
    """List the commits that a branch, tag or commit REF sees, newest first."""
    with holdfast.connect(url, branch=branch, create=False) as db:
        if as_json:
            print_json_list(_commit(commit) for commit in db.log(ref, limit=limit))
            return
        shown = limit or COMMITS_SHOWN_MAX
        found = db.log(ref, limit=shown + 1)
        out = render.console()
        render.commits(out, found[:shown], _names(db))
        if len(found) > shown and limit is None:
            out.print(Text(f"(the newest {shown}; --limit N or --json show more)", style="dim"))


def _commit(commit: holdfast.CommitInfo) -> dict[str, object]:
    return {
        "hash": commit.hash,
        "parents": list(commit.parents),
        "at": plain(commit.at),
        "message": commit.message,
        "metadata": plain(commit.metadata),
        **({"pruned": True} if commit.pruned else {}),
    }


def _names(db: holdfast.Store) -> Mapping[str, list[str]]:
    """Return the names of branches and tags by the commit that they are at."""
    names: dict[str, list[str]] = defaultdict(list)
    for branch in db.branches():
        names[branch.head].append(branch.name)
    for tag in db.tags():
        names[tag.head].append(tag.name)
    return names


@commands.command(short_help="Show a commit and the rows that it changed, or a run as a tree.")
@click.argument("ref")
@store_option
@reports
def show(ref: str, url: str, *, as_json: bool) -> None:
    """Show a commit: its header, and the rows that it changed. REF may be a branch, a tag or a commit.

    If REF is none of these, but a run, its agents are shown as a tree, each with its calls that are not over.
    """
    with holdfast.connect(url, create=False) as db:
        try:
            [commit] = db.log(ref, limit=1)
        except NotFound:
            if not db.runs(prefix=ref):
                raise
            print_frames(db, ref, as_json=as_json)
            return
        parents = db.log(commit.hash, limit=2)[1:]
        known = bool(parents) and not parents[0].pruned and not commit.pruned
        changed = db.diff(commit.parents[0], commit.hash) if known else []
        if as_json:
            print_json({**_commit(commit), "changes": [plain(change) for change in changed]})
            return
        out = render.console()
        out.print(Text(f"commit {commit.hash}", style="yellow"), soft_wrap=True)
        for parent in commit.parents:
            out.print(f"parent {parent}", soft_wrap=True)
        out.print(f"at     {render.moment(commit.at)} UTC")
        if names := _names(db).get(commit.hash):
            out.print(f"names  {', '.join(names)}", soft_wrap=True)
        if commit.message:
            out.print(Text("\n" + render.printable(commit.message, keep="\n")), soft_wrap=True)
        out.print()
        if changed:
            render.changes(out, changed)
        else:
            out.print("no row changed" if known or not parents else "what it changed was pruned by gc")


@commands.command(short_help="List the rows that differ between two refs.")
@click.argument("a")
@click.argument("b")
@store_option
@reports
def diff(a: str, b: str, url: str, *, as_json: bool) -> None:
    """List the rows that differ between A and B: branches, tags or commits."""
    with holdfast.connect(url, create=False) as db:
        changed = db.diff(a, b)
        if as_json:
            print_json_list(changed)
        else:
            render.changes(render.console(), list(changed))


@commands.command(short_help="List, make or delete branches.")
@click.argument("name", required=False)
@click.option("--at", metavar="REF", help="Start at this branch, tag or commit.  [default: main]")
@click.option("--delete", is_flag=True, help="Delete the branch NAME.")
@store_option
@reports
def branch(name: str | None, at: str | None, url: str, *, delete: bool, as_json: bool) -> None:
    """List the branches; with a NAME, make that branch (which copies nothing) or delete it."""
    if delete and (name is None or at):
        raise click.UsageError("--delete takes the NAME of a branch, and no --at")
    if at and name is None:
        raise click.UsageError("--at is where a new branch starts; give its NAME")
    with holdfast.connect(url, create=False) as db:
        if name is None:
            _list_names("branch", db.branches(), as_json=as_json)
        elif delete:
            db.delete_branch(name)
            _said({"deleted": name}, f"deleted {name}", as_json=as_json)
        else:
            with db.branch(name, at=at) as made:
                head = made.head
            _said({"name": name, "head": head}, f"made {name} at {head[: render.HASH_SHOWN]}", as_json=as_json)


def _said(facts: dict[str, object], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        click.echo(words)


def _list_names(kind: str, known: Sequence[holdfast.Branch | holdfast.Tag], *, as_json: bool) -> None:
    if as_json:
        print_json_list(known)
        return
    if not known:
        click.echo(f"no {kind}s")
        return
    table = Grid(kind, "newest commit" if kind == "branch" else "commit", "at (UTC)")
    for name in known:
        table.add_row(name.name, Text(name.head[: render.HASH_SHOWN], style="yellow"), render.moment(name.at))
    table.keep_whole(1)
    table.keep_whole(2)
    table.print(render.console())


@commands.command(short_help="List, make or delete tags.")
@click.argument("name", required=False)
@click.option("--at", metavar="REF", help="Tag this branch, tag or commit.  [default: main]")
@click.option("--delete", is_flag=True, help="Delete the tag NAME.")
@store_option
@reports
def tag(name: str | None, at: str | None, url: str, *, delete: bool, as_json: bool) -> None:
    """List the tags; with a NAME, give a commit that name, which stays with it, or delete it."""
    if delete and (name is None or at):
        raise click.UsageError("--delete takes the NAME of a tag, and no --at")
    if at and name is None:
        raise click.UsageError("--at is what gets the tag; give its NAME")
    with holdfast.connect(url, create=False) as db:
        if name is None:
            _list_names("tag", db.tags(), as_json=as_json)
        elif delete:
            db.delete_tag(name)
            _said({"deleted": name}, f"deleted {name}", as_json=as_json)
        else:
            head = db.tag(name, at=at)
            _said({"name": name, "head": head}, f"tagged {head[: render.HASH_SHOWN]} as {name}", as_json=as_json)


@commands.command(short_help="List the tables and how many rows they have.")
@click.argument("ref", default=MAIN)
@store_option
@reports
def tables(ref: str, url: str, *, as_json: bool) -> None:
    """List the tables that a branch, tag or commit REF (main without one) sees, with their numbers of rows."""
    with holdfast.connect(url, create=False) as db, db.checkout(db.checkout(ref).head) as there:
        found = {name: _count(there, name) for name in there.tables()}
    if as_json:
        print_json_list({"table": name, "rows": number} for name, number in found.items())
        return
    if not found:
        click.echo("no tables")
        return
    table = Grid("table", "rows")
    for name, number in found.items():
        table.add_row(name, f"{number:,}")
    table.keep_whole(1, right=True)
    table.print(render.console())


def _count(db: holdfast.Store, table: str) -> int:
    quoted = '"' + table.replace('"', '""') + '"'
    row = db.execute(f"SELECT count(*) AS n FROM {quoted}").fetchone()  # noqa: S608 - quoted
    return row["n"] if row else 0


commands.add_command(state)
for of_runs in (runs, start, signal, cancel, worker):
    commands.add_command(of_runs)
for of_calls in (inbox, approve, reject, answer, resume):
    commands.add_command(of_calls)
commands.add_command(merge)
commands.add_command(cherry_pick)
commands.add_command(revert)


@commands.command(short_help="Check every hash and every change.")
@store_option
@reports
def verify(url: str, *, as_json: bool) -> None:
    """Compute every hash again and check what the store holds against them."""
    with holdfast.connect(url, create=False) as db:
        report = db.verify()
    if as_json:
        print_json(report)
    else:
        click.echo(str(report))


commands.add_command(copy)
commands.add_command(gc)
commands.add_command(erase)
