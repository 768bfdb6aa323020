"""Goal: runs can be listed, started, signalled, cancelled and worked on in a terminal (docs/cli.md shows how)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import holdfast
from holdfast.cli.app import commands

MODULE = """
def letter(run):
    draft = run.step("draft", str.upper, run.input)
    return draft + run.wait("approval")
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "letters_of_a_test.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_STORE", "s.db")
    holdfast.connect("s.db").close()
    return tmp_path / "s.db"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(commands, list(arguments))


def test_a_run_from_its_start_to_its_end(store: Path) -> None:
    work = ("worker", "letters_of_a_test:letter", "--until-idle")
    assert invoke("runs").output == "no runs\n"
    assert invoke("start", "letter", "r", '"ann"').output == "run r is queued\n"
    assert invoke("start", "letter", "r", '"ann"').exit_code == 0
    assert invoke(*work).exit_code == 0
    (info,) = json.loads(invoke("runs", "--status", "suspended", "--json").output)
    assert (info["run_id"], info["waiting"]) == ("r", "approval")
    assert invoke("signal", "r", "approval", '" by bob"').output == "sent; run r is queued\n"
    assert invoke(*work).exit_code == 0
    shown = json.loads(invoke("runs", "r", "--json").output)
    assert [step["result"] for step in shown["steps"]] == ["ANN"]
    events = json.loads(invoke("runs", "r", "--events", "--json").output)
    with holdfast.connect(store) as db:
        assert db.run("r").result == "ANN by bob"
        kinds = [event.kind for event in db.events("r")]
    assert [event["kind"] for event in events] == kinds
    followed = invoke("runs", "r", "--follow").output.splitlines()
    assert len(followed) == len(kinds)
    assert invoke("cancel", "r").exit_code == 1
    invoke("start", "letter", "c")
    assert invoke("cancel", "c").output == "run c is cancelled\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("runs", "x"), "no run 'x'"),
        (("signal", "x", "go"), "no run 'x'"),
        (("start", "letter", "r", "{"), "INPUT is JSON"),
        (("worker", "nothing"), "write MODULE:NAME"),
        (("worker", "no_such_module_here:f"), "cannot be imported"),
        (("worker", "letters_of_a_test:other"), "has no function 'other'"),
        (("runs", "--events"), "say of which RUN"),
    ],
    ids=["unknown", "unknown-signal", "input", "no-colon", "no-module", "no-function", "no-run"],
)
def test_what_cannot_be_done_is_said(store: Path, arguments: tuple[str, ...], said: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
