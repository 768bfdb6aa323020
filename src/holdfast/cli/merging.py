"""`holdfast merge`, `cherry-pick` and `revert`: three ways to bring rows to a branch, told in one way."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

import holdfast
from holdfast.cli import render
from holdfast.cli.grid import print_trimmed
from holdfast.cli.jsontext import plain, print_json
from holdfast.cli.surface import Command, branch_option, reports, store_argument, store_option
from holdfast.errors import MergeConflict

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for: the words of the command, and how it is told.

    `done` and `doing` stand before what is brought where, `nothing` when there is nothing to bring.
    """

    command: str
    target: str
    ref: str
    done: str
    doing: str
    nothing: str
    advice: str = ""


def _decisions(command: Command) -> Command:
    """Give a command the options on conflicts and on what is written."""

    @click.option(
        "--policy",
        type=click.Choice(["fail", "ours", "theirs"]),
        default="fail",
        show_default=True,
        help="What becomes of a conflict: nothing is written, the branch wins, or what is brought to it.",
    )
    @click.option("--message", metavar="TEXT", help="The message of the commit.")
    @click.option("--dry-run", is_flag=True, help="Write nothing; show what would change, and what would conflict.")
    @functools.wraps(command)
    def wrapper(*args: Any, **options: Any) -> None:  # noqa: ANN401 - whatever click found
        command(*args, **options)

    return wrapper


@click.command(short_help="Merge a branch, tag or commit into a branch.")
@click.argument("source")
@click.option("--into", metavar="BRANCH", help="The branch that is merged into.  [default: main]")
@_decisions
@store_option
@reports
def merge(source: str, into: str | None, url: str, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Merge SOURCE, a branch, tag or commit, into a branch. Rows merge cell by cell."""
    with holdfast.connect(url, create=False) as db:
        target = into or db.ref
        wanted = _Wanted(
            command=f"merge {shlex.quote(source)} --into {target}{store_argument(url)}",
            target=target,
            ref=source,
            done=f"merged {source} into {target}",
            doing=f"merging {source} into {target}",
            nothing=f"{target} has all of {source}: nothing to merge",
            advice="To decide one by one, write the rows as they shall be on both branches (holdfast sql … --branch"
            " NAME) and merge again: where both sides agree there is no conflict.",
        )
        call = functools.partial(db.merge, source, into=target, **options)
        _bring(db.checkout(target), wanted, call, options["policy"], as_json=as_json)


@click.command("cherry-pick", short_help="Do on a branch what one commit did elsewhere.")
@click.argument("ref")
@_decisions
@branch_option
@store_option
@reports
def cherry_pick(ref: str, branch: str, url: str, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Do on a branch what the commit at REF did: a branch (its newest commit), a tag or a commit.

    Rows keep their identity, so merging the branch that they come from later neither loses nor doubles them.
    """
    with holdfast.connect(url, branch=branch, create=False) as db:
        wanted = _Wanted(
            command=f"cherry-pick {shlex.quote(ref)} --branch {branch}{store_argument(url)}",
            target=branch,
            ref=ref,
            done=f"cherry-picked {ref} onto {branch}",
            doing=f"cherry-picking {ref} onto {branch}",
            nothing=f"{branch} has all that {ref} did: nothing to cherry-pick",
        )
        _bring(db, wanted, functools.partial(db.cherry_pick, ref, **options), options["policy"], as_json=as_json)


@click.command(short_help="Take back on a branch what one commit did.")
@click.argument("ref")
@_decisions
@branch_option
@store_option
@reports
def revert(ref: str, branch: str, url: str, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Take back on a branch what the commit at REF did: a branch (its newest commit), a tag or a commit.

    History stays. Rows that were changed again since are a conflict.
    """
    with holdfast.connect(url, branch=branch, create=False) as db:
        wanted = _Wanted(
            command=f"revert {shlex.quote(ref)} --branch {branch}{store_argument(url)}",
            target=branch,
            ref=f"before {ref}",
            done=f"reverted {ref} on {branch}",
            doing=f"reverting {ref} on {branch}",
            nothing=f"{branch} has nothing of what {ref} did: nothing to revert",
        )
        _bring(db, wanted, functools.partial(db.revert, ref, **options), options["policy"], as_json=as_json)


def _bring(
    db: holdfast.Store, wanted: _Wanted, call: Callable[[], holdfast.Merge], policy: str, *, as_json: bool
) -> None:
    """Do it, and tell what came of it. Conflicts that are left end the command with 1, except in a dry run."""
    before = db.head
    try:
        come_to = call()
    except MergeConflict as error:
        if as_json:
            raise
        _show_refusal(error, wanted)
        sys.exit(1)
    changed = come_to.changes if come_to.dry_run else db.diff(before, come_to.commit) if come_to.changed else ()
    if as_json:
        print_json(_facts(come_to, len(changed)))
        return
    out = render.console()
    if come_to.dry_run:
        _show_rehearsal(out, come_to, wanted)
    elif come_to.changed:
        rows = render.count(len(changed), "row")
        out.print(f"{wanted.done}: {rows} changed; commit {come_to.commit[: render.HASH_SHOWN]}", soft_wrap=True)
    else:
        out.print(_nothing(come_to, wanted), soft_wrap=True)
    if come_to.conflicts:
        out.print(f"{render.count(len(come_to.conflicts), 'conflict')} resolved by taking {policy}:")
        render.conflicts(out, come_to.conflicts)


def _facts(come_to: holdfast.Merge, rows_changed: int) -> dict[str, object]:
    facts: dict[str, object] = {
        "commit": come_to.commit,
        "changed": come_to.changed,
        "rows_changed": rows_changed,
        "conflicts": [plain(conflict) for conflict in come_to.conflicts],
    }
    if come_to.dry_run:
        facts |= {
            "dry_run": True,
            "left": [plain(conflict) for conflict in come_to.left],
            "changes": [plain(change) for change in come_to.changes],
        }
    return facts


def _show_rehearsal(out: Console, come_to: holdfast.Merge, wanted: _Wanted) -> None:
    if not come_to.changed and not come_to.left:
        out.print(_nothing(come_to, wanted), soft_wrap=True)
        return
    rows = render.count(len(come_to.changes), "row") + (":" if come_to.changes else "")
    if come_to.left:
        left = render.count(len(come_to.left), "conflict")
        out.print(f"dry run: {wanted.doing} would be refused for {left}:", soft_wrap=True)
        render.conflicts(out, come_to.left)
        out.print(f"\nwith ours ({wanted.target}) there, it would change {rows}", soft_wrap=True)
    else:
        out.print(f"dry run: {wanted.doing} would change {rows}", soft_wrap=True)
    if come_to.changes:
        render.changes(out, come_to.changes)


def _nothing(come_to: holdfast.Merge, wanted: _Wanted) -> str:
    """Say why no commit is made: all is there, or the policy kept what is there."""
    return f"nothing to write: {wanted.target} stays as it is" if come_to.conflicts else wanted.nothing


def _show_refusal(error: MergeConflict, wanted: _Wanted) -> None:
    """Show on stderr what both sides changed, and what can be done about it."""
    out = render.console(stderr=True)
    nothing = wanted.done.split(" ", 1)[0]
    out.print(f"holdfast: {render.count(len(error.conflicts), 'conflict')}: nothing was {nothing}\n")
    render.conflicts(out, error.conflicts)
    print_trimmed(out, f"\nTo take one side in every conflict, ours ({wanted.target}) or theirs ({wanted.ref}):")
    again = f"  holdfast {wanted.command} --policy"
    out.print(f"{again} ours\n{again} theirs", soft_wrap=True)
    if wanted.advice and not all(conflict.place for conflict in error.conflicts):
        print_trimmed(out, wanted.advice)
    elif wanted.advice:
        print_trimmed(out, 'To decide by key: state.merge(…, policy={"plan": "theirs", ...: "ours"}) in Python.')
