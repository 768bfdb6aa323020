"""Goal: docs/cli.md shows what the commands print. Method: run its console blocks, top to bottom, and compare.

Hashes and times differ from run to run, and are compared by their form alone. To write the blocks anew after a change,
run the tests with HOLDFAST_WRITE_DOCS=1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from holdfast.cli.app import commands

pytestmark = pytest.mark.slow

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_VARIES = [
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{10}(?:[0-9a-f]{2}|[0-9a-f]{6})?\b|\b[0-9]{10}(?:[0-9]{2})?\b"), "HASH"),
    (re.compile(r"\b[0-9a-f]{64}…|\b[0-9a-f]{20,63}…"), "HASH…"),
    (re.compile(r"by process \d+ on \S+ \(\w+\)"), "OWNER"),
    (re.compile(r"'seconds': [0-9.e-]+"), "SECONDS"),
    (re.compile(r"\b\d\.\d{3}\b"), "SECONDS"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+\+00:00)?"), "TIME"),
]


@pytest.fixture(scope="module")
def page(root: Path) -> Path:
    return root / "docs" / "cli.md"


def _form(text: str) -> str:
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text


def _replayed(text: str, shell: Callable[[str], str]) -> str:
    """Return the document with what its commands print now; files that it shows with `cat` are made first."""

    def block(found: re.Match[str]) -> str:
        commands = re.split(r"^\$ ", found[1], flags=re.MULTILINE)[1:]
        return "```console\n" + "".join(_command(command, shell) for command in commands) + "```"

    return _BLOCK.sub(block, text)


def _command(block: str, shell: Callable[[str], str]) -> str:
    command, shown = block.split("\n", 1)
    if command.startswith("cat "):
        shell(f"cat > {command.removeprefix('cat ')} <<'END'\n{shown}END\n")
    return f"$ {command}\n{shell(command)}"


def test_every_block_shows_what_its_commands_print(page: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "HOLDFAST_STORE"}

    def shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment | {"PATH": path, "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return "".join(line.rstrip() + "\n" for line in done.stdout.splitlines())

    text = page.read_text("utf-8")
    replayed = _replayed(text, shell)
    if os.environ.get("HOLDFAST_WRITE_DOCS"):
        page.write_text(replayed, "utf-8")
    else:
        assert _form(text) == _form(replayed)


def test_every_command_and_option_is_on_the_page(page: Path) -> None:
    text = page.read_text("utf-8")
    for name, command in commands.commands.items():
        assert f"\n## {name}\n" in text
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[-1] in text, f"{name} {parameter.opts[-1]}"
