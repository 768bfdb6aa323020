"""What every command does when it cannot do what was asked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import holdfast as library
from holdfast.cli.app import commands
from holdfast.errors import NotFound
from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow

READERS = [
    ["sql", "SELECT 1"],
    ["sql", " -- CREATE\n/* CREATE */ INSERT INTO t VALUES (1)"],
    ["log"],
    ["diff", "main", "main"],
    ["branch"],
    ["branch", "new"],
    ["tag"],
    ["tag", "new"],
    ["tables"],
    ["merge", "other"],
    ["merge", "other", "--dry-run"],
    ["cherry-pick", "other"],
    ["revert", "main"],
    ["show", "main"],
    ["verify"],
]


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_missing_store_is_not_made_by_reading_it(holdfast: Holdfast, tmp_path: Path, arguments: list[str]) -> None:
    error = holdfast(*arguments, "--json").error

    assert error["code"] == "not_found"
    assert error["message"].startswith("there is no store 'holdfast.db'; name another with --store")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_only_commands_that_make_a_store_ask_for_one(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    asked: list[object] = []

    def connect(*_: object, create: bool = True, **__: object) -> None:
        asked.append(create)
        raise NotFound("not here")

    monkeypatch.setattr(library, "connect", connect)

    assert CliRunner().invoke(commands, arguments).exit_code == 1
    assert asked == [False]


ELSEWHERE = [
    (["sql", "SELECT 1; SELECT 2"], "run them one by one"),
    (["sql", "BEGIN"], "each holdfast sql is one commit"),
    (["sql", "REPLACE INTO notes VALUES (1, 'x', 1)"], "use UPDATE, or DELETE and INSERT"),
    (["sql", "SET x = 1"], "the command line has no such setting"),
    (["sql", "MERGE INTO notes"], "use holdfast merge for branches"),
    (["log", "--store", "absent.db"], "import, demo and sql 'CREATE TABLE …' make one"),
    (["sql", "SELECT 1", "--branch", "v1"], "name a branch, or read it with sql --at v1"),
    (["branch", "main"], "work on it with --branch main, or choose another name"),
]


@pytest.mark.parametrize(("arguments", "advice"), ELSEWHERE, ids=str)
def test_advice_is_what_can_be_typed_here(notes: Holdfast, tmp_path: Path, arguments: list[str], advice: str) -> None:
    with library.connect(tmp_path / "holdfast.db") as db:
        db.tag("v1")

    message = notes(*arguments, "--json").error["message"]

    assert advice in message
    assert not re.search(r"\(\)|db\.|checkout\(|\w=", message)


def test_a_file_that_is_no_store_is_refused_and_kept(holdfast: Holdfast, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("dear diary" * 100)

    assert holdfast("log", "--store", file, "--json").error["code"] == "store_corrupt"
    assert file.read_text() == "dear diary" * 100


def test_a_folder_that_is_missing_is_named(holdfast: Holdfast, tmp_path: Path) -> None:
    refused = holdfast("sql", "CREATE TABLE t (a INT)", "--store", "absent/deep.db")

    assert refused.code == 1
    assert "absent" in refused.err
    assert "Traceback" not in refused.err


def test_usage_errors_exit_with_two(holdfast: Holdfast) -> None:
    assert holdfast("nonsense").code == 2
    assert holdfast("sql").code == 2
    assert holdfast("merge", "x", "--policy", "maybe").code == 2


def test_every_command_has_help(holdfast: Holdfast) -> None:
    listed = holdfast("--help").out.partition("Commands:")[2].split("\n")[1:]

    assert [line.split()[0] for line in listed if line.strip()] == list(commands.commands)
    for name, command in commands.commands.items():
        shown = CliRunner().invoke(commands, [name, "--help"])
        assert (shown.exit_code, "Usage:" in shown.output) == (0, True)
        assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_without_its_libraries_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')")

    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", "--help"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'holdfast: the command line needs click: pip install "holdfast[cli]"\n'


def test_a_reader_that_stops_early_is_no_error(notes: Holdfast, tmp_path: Path) -> None:
    many = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200000) SELECT n FROM c"
    holdfast = f'"{sys.executable}" -m holdfast.cli sql "{many}" --json'

    done = subprocess.run(
        ["bash", "-c", f"{holdfast} | head -n 1"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("[\n", "")
