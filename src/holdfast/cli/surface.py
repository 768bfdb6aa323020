"""What all commands share: their options, how they open the store, and how they fail.

A command that succeeds writes its result to stdout, and nothing else. One that fails writes one message to stderr,
nothing to stdout, and exits with 1; with --json the message is an object. Usage errors exit with 2, as click has it.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

import holdfast
from holdfast.cli.jsontext import json_bytes, plain
from holdfast.core.refs import MAIN
from holdfast.errors import HoldfastError, MergeConflict, NotFound

STORE_DEFAULT = "holdfast.db"

_ADVICE: list[tuple[str, str]] = [
    (
        r" in one execute\(\); run them one by one, in db\.transaction\(\) to keep them together",
        "; run them one by one",
    ),
    (r", or connect\(\) to make it", "; import, demo and sql 'CREATE TABLE …' make one"),
    (r": branch\(name, at='([^']*)'\)", r": holdfast branch NAME --at \1"),
    (r"pass policy='ours', 'theirs' or a function", "use --policy ours or theirs"),
    (r"connect to a branch, then checkout\('([^']*)'\)", r"name a branch, or read it with sql --at \1"),
    (r"branch '([^']*)' exists already; check it out", r"branch '\1' exists already; work on it with --branch \1"),
    (r" in one db\.transaction\(\)", ""),
    (r"use db\.transaction\(\)", "each holdfast sql is one commit"),
    (r"use the options of connect\(\)", "the command line has no such setting"),
    (r"use db\.merge\(\)", "use holdfast merge"),
]
"""What the library advises in Python, and what to type here instead."""

Command = Callable[..., None]
Decorator = Callable[[Command], Command]


class Group(click.Group):
    """Commands in the order in which a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of definition."""
        del ctx
        return list(self.commands)


store_option: Decorator = click.option(
    "--store",
    "url",
    metavar="URL",
    envvar="HOLDFAST_STORE",
    default=STORE_DEFAULT,
    show_default=True,
    show_envvar=True,
    help="The store.",
)
branch_option: Decorator = click.option(
    "--branch", metavar="NAME", default=MAIN, show_default=True, help="The branch to be on."
)


def reports(command: Command) -> Command:
    """Give a command `--json`, and turn Holdfast's errors into messages."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def wrapper(*args: Any, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - whatever click found
        try:
            command(*args, as_json=as_json, **options)
        except HoldfastError as error:
            fail(error, as_json=as_json)

    return wrapper


def fail(error: HoldfastError, *, as_json: bool) -> None:
    """Report an error on stderr and exit with 1."""
    report_error(error, as_json=as_json)
    sys.exit(1)


def report_error(error: HoldfastError, *, as_json: bool) -> None:
    """Write an error to stderr."""
    message = _advised(str(error))
    if isinstance(error, MergeConflict):  # the other lines are its conflicts
        message = message.split("\n", 1)[0].removesuffix(":")
    if not as_json:
        click.echo(f"holdfast: {message}", err=True)
        return
    described: dict[str, object] = {"code": error.code, "message": message}
    if isinstance(error, MergeConflict):
        described["conflicts"] = [plain(conflict) for conflict in error.conflicts]
    click.echo(json_bytes({"error": described}), err=True)


def _advised(message: str) -> str:
    for pattern, here in _ADVICE:
        message = re.sub(pattern, here, message)
    return message


def store_argument(url: str) -> str:
    """Return what a command to copy needs so that it means this store: ` --store URL`, or nothing."""
    understood = os.environ.get("HOLDFAST_STORE") or STORE_DEFAULT
    return "" if url == understood else f" --store {shlex.quote(url)}"


def store_exists(url: str) -> bool:
    """Tell whether the store is there; looking makes none."""
    try:
        holdfast.connect(url, create=False).close()
    except NotFound:
        return False
    return True
